"""Reads of payments, and of what the provider should be asked again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, bindparam, extract, func, literal, or_, select, union_all
from sqlalchemy.orm import contains_eager, joinedload

from app.core import plain
from app.core.db import UtcDateTime, db
from app.core.errors import NotFound
from app.domains.payments.models import (
    CAPTURED,
    CREATED,
    FAILED,
    PENDING,
    REQUESTED,
    SUBMITTED,
    UNKNOWN,
    Order,
    Payment,
    Refund,
)
from app.domains.payments.queries.rows import locked, one

FIRST_WAIT, LONGEST_WAIT = dt.timedelta(seconds=30), dt.timedelta(hours=1)
_MAY_TAKE_MONEY = (CREATED, UNKNOWN, PENDING, FAILED, CAPTURED)
REFUND_WAIT = dt.timedelta(minutes=5)  # until then the outbox tries by itself


def payment(payment_id: int) -> Payment:
    """With its order. Raises NotFound."""
    return one(
        select(Payment)
        .where(Payment.id == payment_id)
        .options(joinedload(Payment.order))
        .execution_options(populate_existing=True)
    )


def payment_for_update(payment_id: int) -> Payment:
    """Raises NotFound."""
    return locked(Payment, payment_id)


_WITH_ORDER = (
    select(Order, Payment)
    .join(Payment, (Payment.order_id == Order.id) & (Payment.tenant_id == Order.tenant_id))
    .where(Payment.id == bindparam("payment"))
    .options(contains_eager(Payment.order))
    .with_for_update(of=[Order, Payment])  # in this order, as everywhere
    .execution_options(populate_existing=True)
)


def payment_with_order_for_update(payment_id: int) -> tuple[Order, Payment]:
    """Both locked, the order first, as they are now. Raises NotFound."""
    found = db.session.execute(_WITH_ORDER, {"payment": payment_id}).one_or_none()
    if found is None:
        raise NotFound
    return found[0], found[1]


def payment_under_way(order_id: int) -> Payment | None:
    """The one payment of an order that may still take money, or has taken it."""
    return db.session.scalars(_UNDER_WAY, {"order": order_id}).one_or_none()


_UNDER_WAY = select(Payment).where(
    Payment.order_id == bindparam("order"),
    Payment.status.in_([plain.word(status) for status in _MAY_TAKE_MONEY]),
)


@dataclass(frozen=True, slots=True)
class ToMake:
    """A payment as its provider is asked for it. Without `provider_ref` it may not be known there."""

    id: int
    code: str
    provider: str
    provider_ref: str | None
    amount_minor: int
    currency: str
    order_code: str


def _to_make() -> Select[Any]:
    payment, order = Payment.__table__, Order.__table__
    of_order = and_(order.c.tenant_id == payment.c.tenant_id, order.c.id == payment.c.order_id)
    columns = (payment.c[name] for name in ToMake.__dataclass_fields__ if name != "order_code")
    return (
        select(*columns, order.c.code)
        .select_from(payment.join(order, of_order))
        .where(payment.c.tenant_id == plain.tenant())
    )


_TO_MAKE = _to_make().where(Payment.__table__.c.id == bindparam("payment"))
_TO_MAKE_OF_ORDER = _to_make().where(
    Payment.__table__.c.order_id == bindparam("order"),
    Payment.__table__.c.status.in_([plain.word(status) for status in _MAY_TAKE_MONEY]),
)


def payment_to_make(payment_id: int) -> ToMake:
    """As the database says now. Raises NotFound."""
    for row in plain.rows(_TO_MAKE, payment=payment_id):
        return ToMake(*row)
    raise NotFound


def payment_to_make_of(order_id: int) -> ToMake | None:
    """The same of `payment_under_way`."""
    for row in plain.rows(_TO_MAKE_OF_ORDER, order=order_id):
        return ToMake(*row)
    return None


def payments_of(order_id: int) -> Sequence[Payment]:
    return db.session.scalars(select(Payment).where(Payment.order_id == order_id).order_by(Payment.id)).all()


_BY_REFERENCE = select(Payment.id).where(
    Payment.tenant_id == bindparam("tenant"), Payment.code == bindparam("code")
)


def payment_by_reference(tenant_id: int, code: str) -> int | None:
    """The number of a tenant's payment; in the platform's scope, where it is not known yet whose it is."""
    return db.session.scalar(_BY_REFERENCE, {"tenant": tenant_id, "code": code})


_OF_OUR_MAKING = _BY_REFERENCE.where(
    Payment.provider == bindparam("provider"),
    or_(
        Payment.provider_ref == bindparam("ref"),
        and_(Payment.provider_ref.is_(None), Payment.status == CREATED),
    ),
)


def is_of_our_making(tenant_id: int, code: str, *, provider: str, ref: str) -> bool:
    """Whether this object of the provider is a tenant's payment that we know of, or are making just now: its
    answer is on the way, or `unresolved` has it asked for. In the platform's scope."""
    which = {"tenant": tenant_id, "code": code, "provider": provider, "ref": ref}
    return db.session.scalar(_OF_OUR_MAKING, which) is not None


_IN_THE_BOOKS = _BY_REFERENCE.where(
    Payment.provider == bindparam("provider"),
    Payment.provider_ref == bindparam("ref"),
    Payment.status == CAPTURED,
    Payment.fee_minor.is_not(None),
)


def is_in_the_books(tenant_id: int, code: str, *, provider: str, ref: str) -> bool:
    """Whether its money came and its fee is known: of the paying itself nothing can follow any more.
    In the platform's scope."""
    which = {"tenant": tenant_id, "code": code, "provider": provider, "ref": ref}
    return db.session.scalar(_IN_THE_BOOKS, which) is not None


def unresolved(now: dt.datetime, limit: int) -> Sequence[tuple[int, str, int]]:
    """Payments and refunds of which the provider should be asked again, of all tenants, as (tenant, kind,
    number); in the platform's scope. The longer one has been waiting, the more rarely it is asked for."""
    asked_of_payment = func.coalesce(Payment.asked_at, Payment.created_at)
    due = union_all(
        _waiting(Payment, asked_of_payment, FIRST_WAIT, now).where(
            Payment.status.in_((CREATED, UNKNOWN, PENDING))
        ),
        _waiting(Refund, Refund.changed_at, REFUND_WAIT, now).where(
            Refund.status.in_((REQUESTED, SUBMITTED))
        ),
    ).subquery()
    rows = db.session.execute(select(due).order_by(due.c.asked_at).limit(limit))
    return [(row.tenant_id, row.kind, row.id) for row in rows]


def _waiting(model: Any, asked: Any, first_wait: dt.timedelta, now: dt.datetime) -> Select[Any]:
    """All in seconds. It waits for a quarter of the time that it was asked for already."""
    waited = extract("epoch", literal(now, UtcDateTime) - asked)
    wait = func.greatest(extract("epoch", asked - model.created_at) / 4, first_wait.total_seconds())
    columns = (
        model.tenant_id,
        literal(model.__tablename__).label("kind"),
        model.id,
        asked.label("asked_at"),
    )
    return select(*columns).where(waited >= func.least(wait, LONGEST_WAIT.total_seconds()))
