"""Reads what became of the rows, in SQL of its own, and tells the model; compares the books of both."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.rows import dict_row

from app.shell.simulation.model import Model, Row
from app.shell.simulation.rules import Difference

# In the order in which the model wants to be told. `%s` is the transaction since which rows count as new.
CHANGED = (
    ("told_lesson", "SELECT * FROM lesson t WHERE {new} ORDER BY id"),
    ("told_seat", "SELECT * FROM seat t WHERE {new} ORDER BY id"),
    (
        "told_line",
        """
        SELECT l.id, l.gross_minor, t.status, coalesce(s.id, a.thing_id) AS seat_id
        FROM sales_order t JOIN order_line l ON l.tenant_id = t.tenant_id AND l.order_id = t.id
          LEFT JOIN seat s ON s.tenant_id = l.tenant_id AND s.line_id = l.id
          LEFT JOIN LATERAL (SELECT thing_id FROM audit_entry
             WHERE thing_type = 'seat' AND (changes -> 'line_id' ->> 1)::bigint = l.id LIMIT 1) a
            ON s.id IS NULL
        WHERE {new} ORDER BY l.id
        """,
    ),
    ("told_payment", "SELECT * FROM payment t WHERE {new} ORDER BY id"),
    ("told_refund", "SELECT * FROM refund t WHERE {new} ORDER BY id"),
    (
        "told_dispute",
        """
        SELECT t.id, t.amount_minor, t.fee_minor, t.status, a.line_id
        FROM dispute t JOIN allocation a ON a.tenant_id = t.tenant_id AND a.payment_id = t.payment_id
        WHERE {new} ORDER BY t.id
        """,
    ),
    ("told_earning", "SELECT * FROM earning t WHERE {new} ORDER BY id"),
)
# Rows carry the transaction that wrote them. Older ones than this were told before.
NEW = "t.xmin::text::bigint >= %(since)s"

BALANCES = """
    SELECT a.tenant_id, a.code, a.currency, a.person_id, sum(p.amount_minor)::bigint AS minor
    FROM ledger_account a JOIN posting p ON p.tenant_id = a.tenant_id AND p.account_id = a.id
    GROUP BY 1, 2, 3, 4 HAVING sum(p.amount_minor) <> 0
"""
SEATS_OF_LESSONS = """
    SELECT l.id, l.status, l.taken, count(s.id) AS seats
    FROM lesson l LEFT JOIN seat s ON s.tenant_id = l.tenant_id AND s.lesson_id = l.id
      AND s.status IN ('held', 'booked', 'attended', 'missed')
    GROUP BY l.id ORDER BY l.id
"""


class Witness:
    """Looks over the house's shoulder, by a connection of its own that sees all companies."""

    def __init__(self, url: str, model: Model) -> None:
        self._connection = psycopg.connect(
            url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True, row_factory=dict_row
        )
        self._connection.execute("SET ROLE wm_platform")
        self._model, self._since = model, 0

    def close(self) -> None:
        self._connection.close()

    def look(self, now: dt.datetime) -> int:
        """Tell the model what changed since the last look; how many rows."""
        until = self._rows("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xid")[0]["xid"]
        self._model.now, count = now, 0
        for verb, query in CHANGED:
            tell: Callable[[Row], None] = getattr(self._model, verb)
            for row in self._rows(query.format(new=NEW), since=self._since):
                tell(row)
                count += 1
        self._model.judge()
        self._since = until
        return count

    def compare(self) -> None:
        """The books and the lessons as a whole. Raises Difference with the first that differs."""
        real = {
            (row["tenant_id"], row["code"], row["currency"], row["person_id"]): row["minor"]
            for row in self._rows(BALANCES)
        }
        wanted = self._model.books.filled()
        for key in sorted({*real, *wanted}, key=str):
            if real.get(key, 0) != wanted.get(key, 0):
                raise Difference(f"{key} stands at {real.get(key, 0)}, and should at {wanted.get(key, 0)}")
        for row in self._rows(SEATS_OF_LESSONS):
            lesson = self._model.lessons[row["id"]]
            seats = len(self._model.taken(lesson, self._model.now))
            if (row["taken"], row["seats"], row["status"]) != (seats, seats, lesson.status):
                raise Difference(f"lesson {lesson.id} has {row}, and should have {seats} seats")

    def balances(self) -> list[str]:
        """In words, for the journal."""
        return [
            f"{row['tenant_id']} {row['code']} {row['person_id'] or ''} {row['minor']} {row['currency']}"
            for row in sorted(self._rows(BALANCES), key=lambda row: str(tuple(row.values())))
        ]

    def due(self, now: dt.datetime | None) -> int:
        """How many deliveries are due at this moment of machine time, or ever."""
        query = "SELECT count(*) AS due FROM outbox WHERE status = 'due'"
        if now is None:
            return int(self._rows(query)[0]["due"])
        return int(self._rows(f"{query} AND due_at <= %(now)s", now=now)[0]["due"])

    def unsettled(self) -> int:
        """How many payments and refunds have no end yet."""
        query = """
            SELECT (SELECT count(*) FROM payment WHERE status IN ('created', 'unknown', 'pending'))
                 + (SELECT count(*) FROM refund WHERE status IN ('requested', 'submitted'))
                 + (SELECT count(*) FROM sales_order WHERE status = 'open') AS count
        """
        return int(self._rows(query)[0]["count"])

    def payments(self) -> dict[str, Row]:
        """By the provider's name for them, with what went back."""
        query = """
            SELECT p.provider_ref, p.status, p.captured_minor, p.fee_minor, p.currency,
                   coalesce(sum(r.amount_minor) FILTER (WHERE r.status = 'succeeded'), 0)::bigint AS back
            FROM payment p LEFT JOIN refund r ON r.tenant_id = p.tenant_id AND r.payment_id = p.id
            WHERE p.provider_ref IS NOT NULL GROUP BY p.id
        """
        return {row["provider_ref"]: row for row in self._rows(query)}

    def disputes(self) -> dict[str, Row]:
        rows = self._rows("SELECT provider_ref, status, amount_minor, currency FROM dispute")
        return {row["provider_ref"]: row for row in rows}

    def _rows(self, query: str, **values: Any) -> list[Any]:
        return list(self._connection.execute(query, values or None))
