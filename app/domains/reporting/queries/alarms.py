"""Counts that somebody is woken for, across companies, in one statement. In the platform's scope."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from sqlalchemy import text

from app.core import clock
from app.core.db import db


@dataclass(frozen=True)
class Alarms:
    """As it stands now; ages in seconds. What is due in the outbox is what nobody works at yet."""

    outbox_due: int
    outbox_oldest_seconds: float
    outbox_later: int
    outbox_dead: int
    payments_unknown: int
    payments_unknown_oldest_seconds: float
    refunds_failed: int
    disputes_open: int
    orders_open: int
    seats_held: int
    holds_late: int
    lessons_today: int


_ALARMS = text("""
    SELECT (SELECT count(*) FROM outbox WHERE status = 'due' AND due_at <= :machine_now) AS outbox_due,
           (SELECT min(due_at) FROM outbox WHERE status = 'due' AND due_at <= :machine_now) AS outbox_oldest,
           (SELECT count(*) FROM outbox WHERE status = 'due' AND due_at > :machine_now) AS outbox_later,
           (SELECT count(*) FROM outbox WHERE status = 'dead') AS outbox_dead,
           unknown.payments, unknown.oldest,
           (SELECT count(*) FROM refund WHERE status = 'failed') AS refunds_failed,
           (SELECT count(*) FROM dispute WHERE status = 'open') AS disputes_open,
           (SELECT count(*) FROM sales_order WHERE status = 'open') AS orders_open,
           (SELECT count(*) FROM seat WHERE status = 'held' AND expires_at > :now) AS seats_held,
           (SELECT count(*) FROM seat WHERE status = 'held' AND expires_at <= :late) AS holds_late,
           (SELECT coalesce(sum(found.lessons), 0)::bigint FROM tenant t CROSS JOIN LATERAL (
               SELECT count(*) AS lessons FROM lesson l WHERE l.tenant_id = t.id
                   AND l.starts_at >= :today AND l.starts_at < :tomorrow
                   AND l.status IN ('scheduled', 'done') AND l.taken > 0
           ) found) AS lessons_today
    FROM (SELECT count(*) AS payments, min(created_at) AS oldest
          FROM payment WHERE status = 'unknown') unknown
""")
LATE_AFTER = dt.timedelta(minutes=15)


def alarms() -> Alarms:
    """Days are UTC's."""
    now, machine_now = clock.now(), clock.machine_now()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    values = {
        "now": now,
        "machine_now": machine_now,
        "late": now - LATE_AFTER,
        "today": today,
        "tomorrow": today + dt.timedelta(days=1),
    }
    row = db.session.execute(_ALARMS, values).one()
    return Alarms(
        outbox_due=row.outbox_due,
        outbox_oldest_seconds=_age(row.outbox_oldest, machine_now),
        outbox_later=row.outbox_later,
        outbox_dead=row.outbox_dead,
        payments_unknown=row.payments,
        payments_unknown_oldest_seconds=_age(row.oldest, machine_now),
        refunds_failed=row.refunds_failed,
        disputes_open=row.disputes_open,
        orders_open=row.orders_open,
        seats_held=row.seats_held,
        holds_late=row.holds_late,
        lessons_today=row.lessons_today,
    )


def _age(since: dt.datetime | None, now: dt.datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
