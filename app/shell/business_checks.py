"""What must never be false about money and time: the rules of `run.py check` on the main job's rows.

Each function is given a connection that sees all tenants and returns what breaks its rule, as texts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, text

from app.core import clock

MOST = 100
FORGOTTEN = dt.timedelta(hours=1)


def _rows(connection: Connection, query: str, values: Mapping[str, Any] | None = None) -> list[Any]:
    return list(connection.execute(text(f"{query} LIMIT {MOST}"), values or {}))


def unbalanced_entries(connection: Connection) -> list[str]:
    """Ledger entries that do not sum to zero per currency, or have no postings at all."""
    rows = _rows(
        connection,
        """
        SELECT e.id, e.key, coalesce(p.currency, '-') AS currency, coalesce(sum(p.amount_minor), 0) AS total
        FROM ledger_entry e LEFT JOIN posting p ON p.tenant_id = e.tenant_id AND p.entry_id = e.id
        GROUP BY e.id, e.key, p.currency HAVING count(p.id) = 0 OR sum(p.amount_minor) <> 0
        """,
    )
    return [f"entry {row.id} ({row.key}) sums to {row.total} {row.currency}" for row in rows]


def negative_balances(connection: Connection) -> list[str]:
    """Accounts on the wrong side of zero that may not be there."""
    rows = _rows(
        connection,
        """
        SELECT a.id, a.tenant_id, a.code, a.currency, sum(p.amount_minor) AS balance
        FROM ledger_account a JOIN posting p ON p.tenant_id = a.tenant_id AND p.account_id = a.id
        WHERE NOT a.may_be_negative GROUP BY a.id
        HAVING sum(p.amount_minor) * CASE WHEN a.kind IN ('asset', 'expense') THEN 1 ELSE -1 END < 0
        """,
    )
    return [f"tenant {r.tenant_id}: {r.code} stands at {r.balance} {r.currency}" for r in rows]


def two_places(connection: Connection) -> list[str]:
    """Tutors, students and rooms that are in two places at once."""
    rows = _rows(
        connection,
        """
        SELECT a.id, b.id AS other, a.resource_kind, a.resource_id FROM occupation a JOIN occupation b
          ON b.tenant_id = a.tenant_id AND b.resource_kind = a.resource_kind AND b.resource_id = a.resource_id
         AND b.during && a.during AND b.id > a.id
        """,
    )
    return [f"{r.resource_kind} {r.resource_id}: occupations {r.id} and {r.other} overlap" for r in rows]


def unoccupied_lessons(connection: Connection) -> list[str]:
    """Lessons to come whose tutor's time is not taken: somebody else could be given it."""
    rows = _rows(
        connection,
        """
        SELECT l.id FROM lesson l WHERE l.status = 'scheduled' AND NOT EXISTS (
            SELECT FROM occupation o WHERE o.tenant_id = l.tenant_id AND o.lesson_id = l.id
               AND o.resource_kind = 'tutor' AND o.resource_id = l.tutor_id
               AND o.during @> tstzrange(l.starts_at, l.ends_at) AND o.expires_at IS NULL)
        """,
    )
    return [f"lesson {row.id} does not occupy its tutor" for row in rows]


def overbooked_lessons(connection: Connection) -> list[str]:
    """Lessons with more seats than they have room for, or whose counter says something else."""
    rows = _rows(
        connection,
        """
        SELECT l.id, l.capacity, l.taken, count(s.id) AS seats
        FROM lesson l LEFT JOIN seat s ON s.tenant_id = l.tenant_id AND s.lesson_id = l.id
         AND s.status IN ('held', 'booked', 'attended', 'missed')
        GROUP BY l.id HAVING count(s.id) > l.capacity OR count(s.id) <> l.taken
        """,
    )
    return [f"lesson {r.id}: {r.seats} seats, counted {r.taken}, room for {r.capacity}" for r in rows]


def unpaid_seats(connection: Connection) -> list[str]:
    """Confirmed seats without an order line that was paid."""
    rows = _rows(
        connection,
        """
        SELECT s.id FROM seat s
          LEFT JOIN order_line l ON l.tenant_id = s.tenant_id AND l.id = s.line_id
          LEFT JOIN sales_order o ON o.tenant_id = l.tenant_id AND o.id = l.order_id
        WHERE s.status IN ('booked', 'attended', 'missed') AND o.status IS DISTINCT FROM 'paid'
        """,
    )
    return [f"seat {row.id} is confirmed and not paid" for row in rows]


def lines_without_seat(connection: Connection) -> list[str]:
    """Paid lines that gave nothing: no seat, and not all of the money back."""
    rows = _rows(
        connection,
        """
        SELECT l.id FROM order_line l JOIN sales_order o ON o.tenant_id = l.tenant_id AND o.id = l.order_id
        WHERE o.status = 'paid' AND l.kind = 'seat' AND l.refunded_minor < l.gross_minor AND NOT EXISTS (
            SELECT FROM seat s WHERE s.tenant_id = l.tenant_id AND s.line_id = l.id
               AND s.status IN ('booked', 'attended', 'missed', 'cancelled'))
        """,
    )
    return [f"line {row.id} was paid and has neither seat nor refund" for row in rows]


def uncollected_orders(connection: Connection) -> list[str]:
    """Paid orders whose lines are not covered by what was collected for them."""
    rows = _rows(
        connection,
        """
        SELECT o.id, o.total_minor, coalesce(sum(a.amount_minor), 0) AS allocated
        FROM sales_order o JOIN order_line l ON l.tenant_id = o.tenant_id AND l.order_id = o.id
          LEFT JOIN allocation a ON a.tenant_id = l.tenant_id AND a.line_id = l.id
        WHERE o.status = 'paid' GROUP BY o.id HAVING coalesce(sum(a.amount_minor), 0) <> o.total_minor
        """,
    )
    return [f"order {r.id} of {r.total_minor} is covered by {r.allocated}" for r in rows]


def excessive_refunds(connection: Connection) -> list[str]:
    """Payments and lines of which more was refunded than was captured, or than the row itself says."""
    found = []
    for table, key, limit in (
        ("payment", "payment_id", "captured_minor"),
        ("order_line", "line_id", "gross_minor"),
    ):
        rows = _rows(
            connection,
            f"""
            SELECT t.id, t.refunded_minor, t.{limit} AS most,
                   coalesce(sum(r.amount_minor) FILTER (WHERE r.status <> 'failed'), 0) AS refunded
            FROM {table} t LEFT JOIN refund r ON r.tenant_id = t.tenant_id AND r.{key} = t.id
            GROUP BY t.id
            HAVING coalesce(sum(r.amount_minor) FILTER (WHERE r.status <> 'failed'), 0) > t.{limit}
                OR coalesce(sum(r.amount_minor) FILTER (WHERE r.status <> 'failed'), 0) <> t.refunded_minor
            """,  # noqa: S608 - our own names
        )
        found += [
            f"{table} {r.id}: {r.refunded} refunded, noted {r.refunded_minor}, of {r.most}" for r in rows
        ]
    return found


def provider_objects_twice(connection: Connection) -> list[str]:
    """Objects of a provider that two rows claim, in whichever tenants."""
    rows = _rows(
        connection,
        """
        SELECT provider || ' ' || provider_ref AS ref FROM payment WHERE provider_ref IS NOT NULL
        GROUP BY provider, provider_ref HAVING count(*) > 1
        UNION ALL SELECT provider_ref FROM refund WHERE provider_ref IS NOT NULL
        GROUP BY provider_ref HAVING count(*) > 1
        """,
    )
    return [f"{row.ref} is known twice" for row in rows]


def unbooked_captures(connection: Connection) -> list[str]:
    """Captured payments that the books do not have, or have with another amount."""
    rows = _rows(
        connection,
        """
        SELECT p.id, p.captured_minor, b.amount FROM payment p LEFT JOIN LATERAL (
            SELECT sum(x.amount_minor) AS amount FROM ledger_entry e
              JOIN posting x ON x.tenant_id = e.tenant_id AND x.entry_id = e.id
              JOIN ledger_account a ON a.tenant_id = x.tenant_id AND a.id = x.account_id
            WHERE e.tenant_id = p.tenant_id AND e.key = 'capture:' || p.id AND a.code = 'provider_balance'
        ) b ON true
        WHERE p.status = 'captured' AND b.amount IS DISTINCT FROM p.captured_minor
        """,
    )
    return [f"payment {r.id}: captured {r.captured_minor}, in the books {r.amount}" for r in rows]


def earnings_off_the_books(connection: Connection) -> list[str]:
    """Tutors whose earnings do not add up to their accounts in the ledger."""
    rows = _rows(
        connection,
        """
        WITH earned AS (
            SELECT tenant_id, tutor_id AS person_id, currency, sum(tutor_minor) AS minor
            FROM earning GROUP BY 1, 2, 3),
        booked AS (
            SELECT a.tenant_id, a.person_id, a.currency, -sum(p.amount_minor) AS minor
            FROM ledger_account a JOIN posting p ON p.tenant_id = a.tenant_id AND p.account_id = a.id
            WHERE a.code IN ('tutor_pending', 'tutor_cleared') GROUP BY 1, 2, 3)
        SELECT coalesce(e.person_id, b.person_id) AS person_id, coalesce(e.minor, 0) AS earned,
               coalesce(b.minor, 0) AS booked
        FROM earned e FULL JOIN booked b USING (tenant_id, person_id, currency)
        WHERE coalesce(e.minor, 0) <> coalesce(b.minor, 0)
        """,
    )
    return [f"tutor {r.person_id}: earned {r.earned}, in the books {r.booked}" for r in rows]


def forgotten_holds(connection: Connection) -> list[str]:
    """Holds that ran out an hour ago (business time) and still keep somebody else from the time."""
    rows = _rows(
        connection,
        "SELECT id, expires_at FROM seat WHERE status = 'held' AND expires_at < :since",
        {"since": clock.now() - FORGOTTEN},
    )
    return [f"seat {row.id} is held since {row.expires_at:%Y-%m-%d %H:%M} for nobody" for row in rows]


RULES = (
    ("every ledger entry sums to zero per currency", unbalanced_entries),
    ("no balance that may not be negative is negative", negative_balances),
    ("nobody is in two places at once", two_places),
    ("each lesson to come occupies its tutor", unoccupied_lessons),
    ("no lesson holds more seats than it has", overbooked_lessons),
    ("each confirmed seat was paid", unpaid_seats),
    ("each paid line has its seat or its refund", lines_without_seat),
    ("each paid order is covered by what was collected", uncollected_orders),
    ("refunds never exceed what was captured", excessive_refunds),
    ("each object of a provider is known once", provider_objects_twice),
    ("each captured payment is in the books", unbooked_captures),
    ("tutors' earnings add up to the books", earnings_off_the_books),
    ("no hold outlives its time", forgotten_holds),
)
