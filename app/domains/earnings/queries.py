"""Reads of earnings: terms, what is due, and totals, which are sums of the ledger."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import BigInteger, ColumnElement, Select, and_, bindparam, case, func, or_, select, true
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.orm import joinedload, raiseload

from app.core import plain
from app.core.db import UtcDateTime, db
from app.core.errors import NotFound
from app.core.money import Money
from app.domains.earnings.models import PENDING, CommissionPlan, Earning
from app.domains.ledger.models import (
    TUTOR_CLEARED,
    TUTOR_PENDING,
    LedgerAccount,
    LedgerEntry,
    Posting,
)

Row = TypeVar("Row")

DEFAULT_TUTOR_SHARE_BP = 7_000
DEFAULT_HOLD_DAYS = 7
SEAT = "seat"  # what the ledger's entries of earnings name as their source
PAGE = 25


class Terms(NamedTuple):
    """What a tutor gets at some time. `plan_id` is None where the house's own terms hold."""

    tutor_share_bp: int
    hold_days: int
    plan_id: int | None


@dataclass(frozen=True)
class Listed:
    """An earning in a list, and when it was sold."""

    earning: Earning
    sold_at: dt.datetime


@dataclass(frozen=True)
class Listing:
    rows: Sequence[Listed]
    count: int
    page: int
    size: int


@dataclass(frozen=True)
class Totals:
    """A tutor's money in one currency. `pending`, `cleared` and `given_back` are sums of the ledger, the rest
    says of what is pending when and why it will change."""

    pending: Money
    cleared: Money
    given_back: Money
    clearing: Money
    held: Money
    waiting: Money
    next_clears_at: dt.datetime | None


def _commission() -> Select[Any]:
    """What holds for a sale: the earning of its seat where there is one, and the first of the terms."""
    plan, earning = CommissionPlan.__table__.c, Earning.__table__.c
    terms = (
        select(plan.id, plan.tutor_share_bp, plan.hold_days)
        .where(
            plan.tenant_id == plain.tenant(),
            or_(plan.person_id == bindparam("tutor"), plan.person_id.is_(None)),
            plan.valid_from <= bindparam("at", type_=UtcDateTime),
        )
        .order_by(plan.person_id.nulls_last(), plan.valid_from.desc(), plan.id.desc())
        .limit(1)
        .subquery()
    )
    known = select(earning.id).where(
        earning.tenant_id == plain.tenant(), earning.seat_id == bindparam("seat", type_=BigInteger)
    )
    sale = select(known.scalar_subquery().label("earning_id")).subquery()
    return select(sale, terms).select_from(sale.outerjoin(terms, true()))


_COMMISSION = _commission()


def terms_of_sale(seat_id: int, tutor_id: int, at: dt.datetime) -> tuple[bool, Terms]:
    """Whether the seat was sold already, and the terms: the tutor's own at that time, else those for all,
    else the house's."""
    ((earning_id, plan_id, share, days),) = plain.rows(_COMMISSION, seat=seat_id, tutor=tutor_id, at=at)
    if plan_id is None:
        return earning_id is not None, Terms(DEFAULT_TUTOR_SHARE_BP, DEFAULT_HOLD_DAYS, None)
    return earning_id is not None, Terms(share, days, plan_id)


def plans_in_force(at: dt.datetime) -> frozenset[int]:
    """The terms that hold at that time: those for all, and one set for each tutor who has their own."""
    query = (
        select(CommissionPlan.id)
        .where(CommissionPlan.valid_from <= at)
        .ext(distinct_on(CommissionPlan.person_id))
        .order_by(CommissionPlan.person_id, CommissionPlan.valid_from.desc(), CommissionPlan.id.desc())
    )
    return frozenset(db.session.scalars(query))


def plan_for_update(plan_id: int) -> CommissionPlan:
    """Raises NotFound."""
    return _found(
        db.session.scalars(
            select(CommissionPlan)
            .where(CommissionPlan.id == plan_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one_or_none()
    )


_OF_SEAT = select(Earning).where(Earning.seat_id == bindparam("seat"))


def of_seat(seat_id: int) -> Earning | None:
    return db.session.scalars(_OF_SEAT, {"seat": seat_id}).one_or_none()


def of_seat_for_update(seat_id: int) -> Earning:
    """The locked row, as it is now. Raises NotFound."""
    return _found(
        db.session.scalars(
            select(Earning)
            .where(Earning.seat_id == seat_id)
            .with_for_update()
            .execution_options(populate_existing=True)
        ).one_or_none()
    )


# -- what is due ------------------------------------------------------------------------------------------


def _due(at: dt.datetime) -> ColumnElement[bool]:
    return and_(Earning.status == PENDING, Earning.clears_at <= at, Earning.is_held.is_(False))


def tenants_with_due(at: dt.datetime) -> Sequence[int]:
    """The companies of whose earnings some clear now; in the platform's scope."""
    return db.session.scalars(
        select(Earning.tenant_id).where(_due(at)).distinct().order_by(Earning.tenant_id)
    ).all()


def due_for_update(at: dt.datetime, most: int) -> Sequence[Earning]:
    """Earnings that clear now, locked; those that somebody else works on are left to them."""
    return db.session.scalars(
        select(Earning)
        .where(_due(at))
        .order_by(Earning.clears_at, Earning.id)
        .limit(most)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).all()


# -- for the tutor ----------------------------------------------------------------------------------------


def own(tutor_id: int, earning_id: int) -> Earning:
    """Raises NotFound for anybody else's."""
    return _found(
        db.session.scalars(
            select(Earning)
            .where(Earning.id == earning_id, Earning.tutor_id == tutor_id)
            .options(joinedload(Earning.plan), raiseload("*"))
        ).one_or_none()
    )


def of_tutor(tutor_id: int, *, status: str | None = None, page: int = 1, size: int = PAGE) -> Listing:
    """A page of a tutor's earnings, newest first."""
    where = [Earning.tutor_id == tutor_id]
    if status is not None:
        where.append(Earning.status == status)
    sale = and_(
        LedgerEntry.tenant_id == Earning.tenant_id,
        LedgerEntry.source_kind == SEAT,
        LedgerEntry.source_id == Earning.seat_id,
        LedgerEntry.kind == "sale",
    )
    count = db.session.scalar(select(func.count()).select_from(Earning).where(*where)) or 0
    query = (
        select(Earning, func.coalesce(LedgerEntry.occurred_at, Earning.created_at))
        .outerjoin(LedgerEntry, sale)
        .where(*where)
        .order_by(Earning.id.desc())
        .limit(size)
        .offset((page - 1) * size)
        .options(raiseload("*"))
    )
    return Listing([Listed(*row) for row in db.session.execute(query)], int(count), page, size)


def totals_of(tutor_id: int, currency: str) -> Totals:
    """A tutor's money: two sums of the ledger, and when what is pending changes."""
    on = _of_account()
    given = case((LedgerEntry.kind == "giveback", Posting.amount_minor), else_=0)
    books = (
        select(LedgerAccount.code, func.sum(Posting.amount_minor), func.sum(given))
        .select_from(LedgerAccount)
        .join(Posting, on)
        .join(
            LedgerEntry,
            and_(LedgerEntry.id == Posting.entry_id, LedgerEntry.tenant_id == Posting.tenant_id),
        )
        .where(
            LedgerAccount.code.in_((TUTOR_PENDING, TUTOR_CLEARED)),
            LedgerAccount.currency == currency,
            LedgerAccount.person_id == tutor_id,
        )
        .group_by(LedgerAccount.code)
    )
    sums = {code: (-int(total), int(back)) for code, total, back in db.session.execute(books)}
    clears = Earning.clears_at.is_not(None)
    held, waiting, clearing, next_at = db.session.execute(
        select(
            _sum(Earning.is_held),
            _sum(and_(~Earning.is_held, ~clears)),
            _sum(and_(~Earning.is_held, clears)),
            func.min(case((and_(~Earning.is_held, Earning.tutor_minor > 0), Earning.clears_at))),
        ).where(Earning.tutor_id == tutor_id, Earning.status == PENDING, Earning.currency == currency)
    ).one()
    pending, cleared = sums.get(TUTOR_PENDING, (0, 0)), sums.get(TUTOR_CLEARED, (0, 0))
    return Totals(
        pending=Money(pending[0], currency),
        cleared=Money(cleared[0], currency),
        given_back=Money(pending[1] + cleared[1], currency),
        clearing=Money(int(clearing), currency),
        held=Money(int(held), currency),
        waiting=Money(int(waiting), currency),
        next_clears_at=next_at,
    )


def earned_by_month(tutor_id: int, currency: str, *, since: dt.datetime, zone: str) -> dict[dt.date, Money]:
    """By the first day of each local month, what was sold for a tutor in it less what was given back then:
    the tutor's share, pending or cleared by now."""
    month = func.date_trunc("month", func.timezone(zone, LedgerEntry.occurred_at)).label("month")
    query = (
        select(month, func.sum(Posting.amount_minor))
        .select_from(LedgerAccount)
        .join(Posting, _of_account())
        .join(
            LedgerEntry,
            and_(LedgerEntry.id == Posting.entry_id, LedgerEntry.tenant_id == Posting.tenant_id),
        )
        .where(
            LedgerAccount.code.in_((TUTOR_PENDING, TUTOR_CLEARED)),
            LedgerAccount.currency == currency,
            LedgerAccount.person_id == tutor_id,
            LedgerEntry.kind.in_(("sale", "giveback")),
            LedgerEntry.occurred_at >= since,
        )
        .group_by("month")
    )
    return {row[0].date(): Money(-int(row[1]), currency) for row in db.session.execute(query)}


def _of_account() -> ColumnElement[bool]:
    return and_(Posting.account_id == LedgerAccount.id, Posting.tenant_id == LedgerAccount.tenant_id)


def _sum(where: Any) -> Any:
    """What tutors get of the earnings of which this is true."""
    return func.coalesce(func.sum(case((where, Earning.tutor_minor), else_=0)), 0)


def _found(row: Row | None) -> Row:
    if row is None:
        raise NotFound
    return row
