"""Writes of the ledger: post an entry, and reverse one. Nothing is ever changed or deleted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    bindparam,
    case,
    column,
    func,
    insert,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.dialects.postgresql import insert as upsert

from app.core import audit, clock, scope
from app.core.db import db
from app.core.money import Money
from app.core.transaction import check_later, writing
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


def _posting() -> Select[Any]:
    """Enter it unless its key stands, with its postings on those of the accounts that there are: the entry's
    id, and on which accounts. One statement: each sale posts three entries."""
    entry, posting = LedgerEntry.__table__, Posting.__table__
    tenant = bindparam("tenant_id", type_=BigInteger)
    entered = (
        upsert(entry)
        .values({name: bindparam(name, type_=entry.c[name].type) for name in _ENTERED})
        .on_conflict_do_nothing(index_elements=["tenant_id", "key"])
        .returning(entry.c.id)
        .cte("entered")
    )
    lines = (
        func.unnest(*(bindparam(f"line_{name}", type_=ARRAY(kind)) for name, kind in _LINE.items()))
        .table_valued(*(column(name, kind) for name, kind in _LINE.items()))
        .render_derived(name="line")
    )
    wanted = (
        select(_account_of(lines).label("account_id"), lines.c.amount_minor, lines.c.currency)
        .select_from(lines)
        .subquery("wanted")
    )
    found = (
        select(tenant, entered.c.id, *wanted.c)
        .select_from(wanted.join(entered, true()))
        .where(wanted.c.account_id.is_not(None))
    )
    names = ["tenant_id", "entry_id", "account_id", "amount_minor", "currency"]
    posted = insert(posting).from_select(names, found).returning(posting.c.account_id).cte("posted")
    return select(
        select(entered.c.id).scalar_subquery(), select(func.array_agg(posted.c.account_id)).scalar_subquery()
    )


def _account_of(line: Any) -> ColumnElement[int]:
    """Each way by all columns of the index."""
    account = LedgerAccount.__table__.c
    same = select(account.id).where(
        account.tenant_id == bindparam("tenant_id", type_=BigInteger),
        account.code == line.c.code,
        account.currency == line.c.currency,
    )
    return case(
        (line.c.person_id.is_(None), same.where(account.person_id.is_(None)).scalar_subquery()),
        else_=same.where(account.person_id == line.c.person_id).scalar_subquery(),
    )


_ENTERED = (
    "tenant_id",
    "key",
    "kind",
    "memo",
    "source_kind",
    "source_id",
    "reverses_id",
    "occurred_at",
    "recorded_at",
)
_LINE: dict[str, Any] = {
    "code": String(),
    "currency": String(),
    "person_id": BigInteger(),
    "amount_minor": BigInteger(),
}
_POST = _posting()


def _write(values: dict[str, object], lines: Sequence[Line]) -> int:
    policies.check_balanced(line.amount for line in lines)
    for line in lines:
        policies.check_account(line.code, line.person_id)
    row = {
        "tenant_id": scope.tenant_id(),
        "recorded_at": clock.machine_now(),
        "reverses_id": None,
        **values,
        "line_code": [line.code for line in lines],
        "line_currency": [line.amount.currency for line in lines],
        "line_person_id": [line.person_id for line in lines],
        "line_amount_minor": [line.amount.minor for line in lines],
    }
    session = writing()
    with session.no_autoflush:  # what is not written yet is about other things
        entry_id, posted = session.execute(_POST, row).one()
    if entry_id is None:
        return db.session.scalars(select(LedgerEntry.id).where(LedgerEntry.key == values["key"])).one()
    check_later()
    if len(posted or ()) < len(lines):
        _post_on_new_accounts(entry_id, lines, frozenset(posted or ()))
    return int(entry_id)


def _post_on_new_accounts(entry_id: int, lines: Sequence[Line], posted: frozenset[int]) -> None:
    """What could not be posted yet: accounts are made on first use."""
    accounts = _accounts({_place(line) for line in lines})
    db.session.execute(
        insert(Posting.__table__),
        [
            {
                "tenant_id": scope.tenant_id(),
                "entry_id": entry_id,
                "account_id": accounts[_place(line)],
                "amount_minor": line.amount.minor,
                "currency": line.amount.currency,
            }
            for line in lines
            if accounts[_place(line)] not in posted
        ],
    )


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
