"""What recurs, and how often."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import delete

from app.core import clock, idempotency, throttle
from app.core.outbox import DELIVERED, Outbox
from app.core.schedule import Recurring
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.accounts.models import HandoverTicket, UserSession
from app.domains.earnings import jobs as earnings

KEEP_DELIVERED = dt.timedelta(days=14)
KEEP_SESSIONS = dt.timedelta(days=90)


def forget_delivered() -> None:
    """Delivered rows of the outbox are of no use after two weeks; the audit trail stays."""
    with platform_scope("forget delivered events"), transaction() as session:
        session.execute(
            delete(Outbox).where(
                Outbox.status == DELIVERED, Outbox.delivered_at < clock.machine_now() - KEEP_DELIVERED
            )
        )


def forget_sessions() -> None:
    """Sign-ins that ended or ran out three months ago, and tickets nobody can use any more."""
    now = clock.machine_now()
    with platform_scope("forget old sign-ins"), transaction() as session:
        session.execute(delete(UserSession).where(UserSession.expires_at < now - KEEP_SESSIONS))
        session.execute(delete(UserSession).where(UserSession.ended_at < now - KEEP_SESSIONS))
        session.execute(delete(HandoverTicket).where(HandoverTicket.expires_at < now - dt.timedelta(days=1)))


TABLE = (
    Recurring("forget delivered events", forget_delivered, dt.timedelta(hours=6)),
    Recurring("forget old sign-ins", forget_sessions, dt.timedelta(hours=6)),
    Recurring("forget idempotency keys", idempotency.forget_old, dt.timedelta(hours=1)),
    Recurring("forget throttle windows", throttle.forget_old, dt.timedelta(hours=1)),
    Recurring("clear tutors' earnings", earnings.clear_due, dt.timedelta(minutes=15), business_time=True),
)
