"""Writes of the ledger: post an entry, and reverse one. Nothing is ever changed or deleted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import insert, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from app.core import audit, clock, scope
from app.core.db import db
from app.core.money import Money
from app.core.transaction import check_later
from app.domains.ledger import policies, queries
from app.domains.ledger.errors import ReversedAlready
from app.domains.ledger.models import CHART, MAY_BE_NEGATIVE, LedgerAccount, LedgerEntry, Posting

REVERSAL = "reversal"
LONGEST_MEMO = 300

_Place = tuple[str, str, int | None]  # code, currency, person


@dataclass(frozen=True)
class Line:
    """An amount on an account: debit positive, credit negative. `person_id` where it is somebody's."""

    code: str
    amount: Money
    person_id: int | None = None


def post(
    *,
    key: str,
    kind: str,
    memo: str,
    source: tuple[str, int],
    lines: Sequence[Line],
    occurred_at: dt.datetime | None = None,
) -> int:
    """Write down what happened to money, once for each `key`: the entry's id, of a repeat the one's that
    stands.

    Lines of nothing are dropped. Raises Unbalanced, also where nothing is left of them, and ValueError for an
    account that the chart does not know.
    """
    return _write(
        {
            "key": key,
            "kind": kind,
            "memo": memo[:LONGEST_MEMO],
            "source_kind": source[0],
            "source_id": source[1],
            "occurred_at": occurred_at or clock.now(),
        },
        [line for line in lines if line.amount.minor],
    )


def reverse(entry: LedgerEntry, *, key: str, memo: str) -> LedgerEntry:
    """The same amounts on the other side, once for each `key`. Raises ReversedAlready under another key."""
    mark = f"reverse a ledger entry|{scope.tenant_id()}|{entry.id}"
    db.session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:mark, 4))"), {"mark": mark})
    known = queries.reversal_of(entry.id)
    if known is not None:
        if known.key != key:
            raise ReversedAlready(f"{entry.key} was reversed by {known.key}")
        return known
    made = _write(
        {
            "key": key,
            "kind": REVERSAL,
            "memo": memo[:LONGEST_MEMO],
            "source_kind": entry.source_kind,
            "source_id": entry.source_id,
            "reverses_id": entry.id,
            "occurred_at": clock.now(),
        },
        [
            Line(posting.account.code, -posting.amount, posting.account.person_id)
            for posting in queries.postings_of(entry.id)
        ],
    )
    return queries.entry(made)


_ENTER = (
    upsert(LedgerEntry.__table__)
    .on_conflict_do_nothing(index_elements=["tenant_id", "key"])
    .returning(LedgerEntry.__table__.c.id)
)


def _write(values: dict[str, object], lines: Sequence[Line]) -> int:
    policies.check_balanced(line.amount for line in lines)
    for line in lines:
        policies.check_account(line.code, line.person_id)
    tenant_id = scope.tenant_id()
    row = {"tenant_id": tenant_id, "recorded_at": clock.machine_now(), **values}
    entry_id: int | None = db.session.scalar(_ENTER, row)
    if entry_id is None:
        return db.session.scalars(select(LedgerEntry.id).where(LedgerEntry.key == values["key"])).one()
    check_later()
    accounts = _accounts({_place(line) for line in lines})
    db.session.execute(
        insert(Posting.__table__),
        [
            {
                "tenant_id": tenant_id,
                "entry_id": entry_id,
                "account_id": accounts[_place(line)],
                "amount_minor": line.amount.minor,
                "currency": line.amount.currency,
            }
            for line in lines
        ],
    )
    return entry_id


def _place(line: Line) -> _Place:
    return line.code, line.amount.currency, line.person_id


def _accounts(wanted: set[_Place]) -> dict[_Place, int]:
    """The ids of these accounts, which are made on first use."""
    known = queries.account_ids(wanted)
    missing = wanted - known.keys()
    if missing:
        _open_accounts(missing)
        known = queries.account_ids(wanted)
    return known


def _open_accounts(places: set[_Place]) -> None:
    """In one order everywhere, so that two who open the same ones wait for each other instead of for ever."""
    rows = [
        {
            "tenant_id": scope.tenant_id(),
            "code": code,
            "kind": CHART[code][0],
            "currency": currency,
            "person_id": person_id,
            "may_be_negative": code in MAY_BE_NEGATIVE,
        }
        for code, currency, person_id in sorted(places, key=lambda place: (place[0], place[1], place[2] or 0))
    ]
    made = db.session.scalars(
        upsert(LedgerAccount.__table__).values(rows).on_conflict_do_nothing().returning(LedgerAccount.id)
    ).all()
    for account in db.session.scalars(select(LedgerAccount).where(LedgerAccount.id.in_(made))):
        audit.record(db.session(), account, "created")
