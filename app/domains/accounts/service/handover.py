"""Opening a tenant as an operator: a single-use ticket from the platform's host to the tenant's.

The tenant's host first gives the browser a nonce cookie; the ticket is made for that nonce, so a
ticket that leaks from a URL is worthless in any other browser.
"""

from __future__ import annotations

import secrets

from app.core import clock
from app.core.db import db
from app.core.signing import LinkDead
from app.domains.accounts import policies, queries
from app.domains.accounts.models import Account, HandoverTicket
from app.domains.accounts.service.signin import hashed


def make_ticket(*, user_id: int, tenant_id: int, nonce: str) -> str:
    """A ticket for the browser that holds `nonce` on the tenant's host; lives 30 seconds."""
    token = secrets.token_urlsafe(32)
    db.session.add(
        HandoverTicket(
            tenant_id=tenant_id,
            user_id=user_id,
            token_hash=hashed(token),
            nonce_hash=hashed(nonce),
            expires_at=clock.machine_now() + policies.TICKET_LIFE,
        )
    )
    return token


def redeem(token: str, *, tenant_id: int, nonce: str) -> Account:
    """The operator behind a ticket, once. Raises LinkDead for a used, old, foreign or stolen one."""
    ticket = queries.ticket_for_update(hashed(token))
    now = clock.machine_now()
    if (
        ticket is None
        or ticket.tenant_id != tenant_id
        or ticket.used_at is not None
        or ticket.expires_at <= now
        or not secrets.compare_digest(ticket.nonce_hash, hashed(nonce))
    ):
        raise LinkDead
    ticket.used_at = now
    user = queries.user(ticket.user_id)
    if not user.active or user.platform_role is None:
        raise LinkDead
    return user
