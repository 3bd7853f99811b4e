"""Reads of orders and their lines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import bindparam, select
from sqlalchemy.orm import joinedload

from app.core.db import db
from app.domains.accounts.models import Person
from app.domains.payments.models import (
    OPEN,
    Order,
    OrderLine,
)
from app.domains.payments.queries.rows import locked, one


def order(order_id: int) -> Order:
    """Raises NotFound."""
    return one(select(Order).where(Order.id == order_id))


def order_for_update(order_id: int) -> Order:
    """Raises NotFound."""
    return locked(Order, order_id)


def order_of_line(line_id: int) -> Order:
    """Raises NotFound."""
    return one(
        select(Order)
        .join(OrderLine, (OrderLine.order_id == Order.id) & (OrderLine.tenant_id == Order.tenant_id))
        .where(OrderLine.id == line_id)
    )


_PAYER = (
    select(Person)
    .join(Order, (Order.payer_id == Person.id) & (Order.tenant_id == Person.tenant_id))
    .where(Order.id == bindparam("order"))
)


def payer_of(order_id: int) -> Person | None:
    return db.session.scalars(_PAYER, {"order": order_id}).one_or_none()


def line(line_id: int) -> OrderLine:
    """With its order. Raises NotFound."""
    return one(select(OrderLine).where(OrderLine.id == line_id).options(joinedload(OrderLine.order)))


def line_for_update(line_id: int) -> OrderLine:
    """Raises NotFound."""
    return locked(OrderLine, line_id)


_LINES = select(OrderLine).where(OrderLine.order_id == bindparam("order")).order_by(OrderLine.id)


def lines_of(order_id: int) -> Sequence[OrderLine]:
    return db.session.scalars(_LINES, {"order": order_id}).all()


def expired_orders(now: dt.datetime, limit: int) -> Sequence[tuple[int, int]]:
    """Open orders whose time has run out, of all tenants, as (tenant, order); in the platform's scope."""
    query = select(Order.tenant_id, Order.id).where(Order.status == OPEN, Order.expires_at <= now)
    return [(row[0], row[1]) for row in db.session.execute(query.order_by(Order.expires_at).limit(limit))]
