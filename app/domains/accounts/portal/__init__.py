"""The pages of accounts: `pages` for everybody, `handover` for an operator on the way to a tenant."""

from app.domains.accounts.portal import handover, pages

BLUEPRINTS = (pages.bp, handover.bp)
