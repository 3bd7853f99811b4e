"""The pages of accounts: `pages` for everybody, `registration` for newcomers, `family` for those who answer
for children, `handover` for an operator on the way to a tenant."""

from app.domains.accounts.portal import family, handover, pages, registration

BLUEPRINTS = (pages.bp, registration.bp, family.bp, handover.bp)
