"""What recurs, and how often."""

from __future__ import annotations

import datetime as dt

from flask_babel import lazy_gettext as _l
from sqlalchemy import delete

from app.core import clock, idempotency, import_drafts, throttle
from app.core.outbox import DELIVERED, Outbox
from app.core.schedule import Recurring
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.accounts.models import HandoverTicket, UserSession
from app.domains.booking import jobs as booking
from app.domains.earnings import jobs as earnings
from app.domains.messaging import jobs as messaging
from app.domains.payments import jobs as payments

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
    Recurring("forget files to import", import_drafts.forget_old, dt.timedelta(hours=1)),
    Recurring("forget throttle windows", throttle.forget_old, dt.timedelta(hours=1)),
    Recurring("lapse holds", booking.lapse_holds, dt.timedelta(minutes=1), business_time=True),
    Recurring("finish lessons", booking.finish_lessons, dt.timedelta(minutes=10), business_time=True),
    Recurring("close expired orders", payments.expire_orders, dt.timedelta(seconds=15), business_time=True),
    Recurring("ask for unknown payments", payments.resolve_unknown, dt.timedelta(seconds=30)),
    Recurring(
        "remind of unread messages", messaging.remind_unread, dt.timedelta(minutes=5), business_time=True
    ),
    Recurring("clear tutors' earnings", earnings.clear_due, dt.timedelta(minutes=15), business_time=True),
)

# What an operator reads instead of the stored names.
WORDS = {
    "forget delivered events": _l("Forget delivered events"),
    "forget old sign-ins": _l("Forget old sign-ins"),
    "forget idempotency keys": _l("Forget idempotency keys"),
    "forget files to import": _l("Forget files to import"),
    "forget throttle windows": _l("Forget throttle windows"),
    "lapse holds": _l("Lapse holds"),
    "finish lessons": _l("Finish lessons"),
    "close expired orders": _l("Close expired orders"),
    "ask for unknown payments": _l("Ask for unknown payments"),
    "remind of unread messages": _l("Remind of unread messages"),
    "clear tutors' earnings": _l("Clear tutors' earnings"),
}
