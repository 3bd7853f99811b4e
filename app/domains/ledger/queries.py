"""Reads of the ledger: balances, the trial balance, and entries with their postings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    and_,
    any_,
    bindparam,
    case,
    func,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import joinedload, raiseload, selectinload

from app.core.db import db
from app.core.errors import NotFound
from app.core.money import Money
from app.domains.accounts.models import Person
from app.domains.ledger.models import CHART, LedgerAccount, LedgerEntry, Posting

PAGE = 25

_ORDER = {code: place for place, code in enumerate(CHART)}
_WITH_POSTINGS = (
    selectinload(LedgerEntry.postings).joinedload(Posting.account),
    raiseload("*"),
)


@dataclass(frozen=True)
class BalanceRow:
    """One account of the trial balance: all that was ever debited and credited to it."""

    account_id: int
    code: str
    name: Any
    kind: str
    person_id: int | None
    person: str | None
    debit: Money
    credit: Money

    @property
    def balance(self) -> Money:
        """Debits less credits."""
        return self.debit - self.credit


@dataclass(frozen=True)
class StatementLine:
    """An entry as one account sees it."""

    entry: LedgerEntry
    amount: Money


@dataclass(frozen=True)
class Statement:
    lines: Sequence[StatementLine]
    count: int
    page: int
    size: int


def _accounts() -> Select[str, str, int | None, int]:
    """One part by the company's own accounts, one by people's: for each the index has the way."""
    texts, numbers = ARRAY(String), ARRAY(BigInteger)
    named = and_(
        LedgerAccount.code == any_(bindparam("codes", type_=texts)),
        LedgerAccount.currency == any_(bindparam("currencies", type_=texts)),
    )
    theirs = LedgerAccount.person_id == any_(bindparam("people", type_=numbers))
    columns = (LedgerAccount.code, LedgerAccount.currency, LedgerAccount.person_id, LedgerAccount.id)
    return select(*columns).where(or_(and_(named, LedgerAccount.person_id.is_(None)), and_(named, theirs)))


_ACCOUNTS = _accounts()  # made once: each posting asks


def account_ids(places: Collection[tuple[str, str, int | None]]) -> dict[tuple[str, str, int | None], int]:
    """Those of these accounts (code, currency, person) that exist, with their ids."""
    asked = {
        "codes": [code for code, _currency, _person in places],
        "currencies": [currency for _code, currency, _person in places],
        "people": [person_id for _code, _currency, person_id in places if person_id is not None],
    }
    rows = db.session.execute(_ACCOUNTS, asked)
    known = {(code, currency, person_id): account_id for code, currency, person_id, account_id in rows}
    return {place: known[place] for place in places if place in known}


def balance(code: str, currency: str, person_id: int | None = None) -> Money:
    """Debits less credits of an account; without a person of all accounts of this code together."""
    query = (
        select(func.coalesce(func.sum(Posting.amount_minor), 0))
        .join(LedgerAccount, _of_account())
        .where(LedgerAccount.code == code, LedgerAccount.currency == currency)
    )
    if person_id is not None:
        query = query.where(LedgerAccount.person_id == person_id)
    return Money(int(db.session.scalar(query) or 0), currency)


def balances(currency: str) -> dict[str, Money]:
    """Debits less credits of each account's code in a currency; zero where nothing was posted yet."""
    query = (
        select(LedgerAccount.code, func.sum(Posting.amount_minor))
        .join(LedgerAccount, _of_account())
        .where(LedgerAccount.currency == currency)
        .group_by(LedgerAccount.code)
    )
    found = {code: int(total) for code, total in db.session.execute(query)}
    return {code: Money(found.get(code, 0), currency) for code in CHART}


def trial_balance() -> list[BalanceRow]:
    """All accounts by currency, in the order of the chart; one statement, so that it is of one moment."""
    debit = func.coalesce(func.sum(case((Posting.amount_minor > 0, Posting.amount_minor), else_=0)), 0)
    credit = func.coalesce(func.sum(case((Posting.amount_minor < 0, -Posting.amount_minor), else_=0)), 0)
    query = (
        select(
            LedgerAccount.id,
            LedgerAccount.code,
            LedgerAccount.kind,
            LedgerAccount.currency,
            LedgerAccount.person_id,
            Person.full_name,
            debit,
            credit,
        )
        .outerjoin(
            Person,
            and_(Person.id == LedgerAccount.person_id, Person.tenant_id == LedgerAccount.tenant_id),
        )
        .outerjoin(Posting, _of_account())
        .group_by(LedgerAccount.id, Person.full_name)
    )
    found = db.session.execute(query)
    rows = [
        BalanceRow(
            account_id,
            code,
            CHART[code][1] if code in CHART else code,
            kind,
            person_id,
            person,
            Money(int(debited), currency),
            Money(int(credited), currency),
        )
        for account_id, code, kind, currency, person_id, person, debited, credited in found
    ]
    return sorted(rows, key=_in_order)


def _in_order(row: BalanceRow) -> tuple[str, int, str, int]:
    return row.debit.currency, _ORDER.get(row.code, len(_ORDER)), row.person or "", row.account_id


def by_currency(rows: Sequence[BalanceRow]) -> dict[str, list[BalanceRow]]:
    """The rows of a trial balance, which is one of its own in each currency."""
    found: dict[str, list[BalanceRow]] = {}
    for row in rows:
        found.setdefault(row.debit.currency, []).append(row)
    return found


def entries_of(source_kind: str, source_id: int) -> Sequence[LedgerEntry]:
    """What happened to the money of one thing, oldest first, each entry with its postings."""
    return db.session.scalars(
        select(LedgerEntry)
        .where(LedgerEntry.source_kind == source_kind, LedgerEntry.source_id == source_id)
        .order_by(LedgerEntry.id)
        .options(*_WITH_POSTINGS)
        .execution_options(populate_existing=True)
    ).all()


def count_of(source_kind: str, source_id: int, kind: str) -> int:
    """How many entries of a kind a thing has."""
    return int(
        db.session.scalar(
            select(func.count())
            .select_from(LedgerEntry)
            .where(
                LedgerEntry.source_kind == source_kind,
                LedgerEntry.source_id == source_id,
                LedgerEntry.kind == kind,
            )
        )
        or 0
    )


def entry(entry_id: int) -> LedgerEntry:
    """With its postings. Raises NotFound."""
    found = db.session.scalars(
        select(LedgerEntry)
        .where(LedgerEntry.id == entry_id)
        .options(*_WITH_POSTINGS)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def entry_by_key(key: str) -> LedgerEntry | None:
    return db.session.scalars(select(LedgerEntry).where(LedgerEntry.key == key)).one_or_none()


def reversal_of(entry_id: int) -> LedgerEntry | None:
    """The entry that took another one back, if one did."""
    return db.session.scalars(
        select(LedgerEntry).where(LedgerEntry.reverses_id == entry_id).limit(1)
    ).one_or_none()


def postings_of(entry_id: int) -> Sequence[Posting]:
    return db.session.scalars(
        select(Posting)
        .where(Posting.entry_id == entry_id)
        .order_by(Posting.id)
        .options(joinedload(Posting.account), raiseload("*"))
    ).all()


def statement(
    code: str, person_id: int | None = None, *, currency: str, page: int = 1, size: int = PAGE
) -> Statement:
    """What moved on an account, newest first: a page of entries with postings, and what each did here."""
    of_account = [LedgerAccount.code == code, LedgerAccount.currency == currency]
    if person_id is not None:
        of_account.append(LedgerAccount.person_id == person_id)
    moved = (
        select(Posting.entry_id, func.sum(Posting.amount_minor).label("amount"))
        .join(LedgerAccount, _of_account())
        .where(*of_account)
        .group_by(Posting.entry_id)
    )
    count = db.session.scalar(select(func.count()).select_from(moved.subquery())) or 0
    found = moved.order_by(Posting.entry_id.desc()).limit(size).offset((page - 1) * size)
    amounts = {entry_id: Money(int(amount), currency) for entry_id, amount in db.session.execute(found)}
    return Statement(_lines(amounts), int(count), page, size)


def _lines(amounts: dict[int, Money]) -> list[StatementLine]:
    query = (
        select(LedgerEntry)
        .where(LedgerEntry.id.in_(amounts))
        .order_by(LedgerEntry.id.desc())
        .options(*_WITH_POSTINGS)
        .execution_options(populate_existing=True)
    )
    return [StatementLine(row, amounts[row.id]) for row in db.session.scalars(query)] if amounts else []


def account_holders() -> dict[int, str]:
    """The names of those who have accounts of their own in the books, by the person's number."""
    query = select(Person.id, Person.full_name).join(
        LedgerAccount,
        and_(Person.id == LedgerAccount.person_id, Person.tenant_id == LedgerAccount.tenant_id),
    )
    return {row.id: row.full_name for row in db.session.execute(query.distinct())}


def balance_of(account: LedgerAccount) -> Money:
    """Debits less credits of one account."""
    total = db.session.scalar(
        select(func.coalesce(func.sum(Posting.amount_minor), 0)).where(Posting.account_id == account.id)
    )
    return Money(int(total or 0), account.currency)


def _of_account() -> ColumnElement[bool]:
    return and_(Posting.account_id == LedgerAccount.id, Posting.tenant_id == LedgerAccount.tenant_id)
