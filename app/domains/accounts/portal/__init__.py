"""The pages of accounts: `pages` for everybody, `devices` for where one is signed in, `registration` for
newcomers, `family` for those who answer for children, `handover` for an operator on the way to a tenant."""

from app.domains.accounts.portal import devices, family, handover, pages, registration

BLUEPRINTS = (pages.bp, devices.bp, registration.bp, family.bp, handover.bp)
