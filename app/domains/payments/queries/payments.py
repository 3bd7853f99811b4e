"""Reads of payments, and of what the provider should be asked again."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, and_, bindparam, extract, func, literal, or_, select, union_all
from sqlalchemy.orm import contains_eager, joinedload

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
from app.domains.payments.queries.rows import in_words, locked, one

FIRST_WAIT, LONGEST_WAIT = dt.timedelta(seconds=30), dt.timedelta(hours=1)
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
    Payment.status.in_([in_words(status) for status in (CREATED, UNKNOWN, PENDING, FAILED, CAPTURED)]),
)


def payments_of(order_id: int) -> Sequence[Payment]:
    return db.session.scalars(select(Payment).where(Payment.order_id == order_id).order_by(Payment.id)).all()


def payment_by_reference(tenant_id: int, code: str) -> int | None:
    """The number of a tenant's payment; in the platform's scope, where it is not known yet whose it is."""
    return db.session.scalar(select(Payment.id).where(Payment.tenant_id == tenant_id, Payment.code == code))


def is_of_our_making(tenant_id: int, code: str, *, provider: str, ref: str) -> bool:
    """Whether this object of the provider is a tenant's payment that we know of, or are making just now: its
    answer is on the way, or `unresolved` has it asked for. In the platform's scope."""
    found = select(Payment.id).where(
        Payment.tenant_id == tenant_id,
        Payment.code == code,
        Payment.provider == provider,
        or_(Payment.provider_ref == ref, and_(Payment.provider_ref.is_(None), Payment.status == CREATED)),
    )
    return db.session.scalar(found) is not None


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
