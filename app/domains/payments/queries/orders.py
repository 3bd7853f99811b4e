"""Reads of orders and their lines."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select
from sqlalchemy.orm import joinedload
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.util import identity_key

from app.core import plain
from app.core.db import db
from app.core.errors import NotFound
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


@dataclass(frozen=True, slots=True)
class OrderToPay:
    """An order under its lock, as far as paying asks for it."""

    id: int
    code: str
    status: str
    actor: str
    payer_id: int | None
    expires_at: dt.datetime
    currency: str
    total_minor: int


_ORDER = Order.__table__.c
_TO_PAY = (
    select(*(_ORDER[name] for name in OrderToPay.__dataclass_fields__))
    .where(_ORDER.tenant_id == plain.tenant(), _ORDER.id == bindparam("order"))
    .with_for_update()
)


def order_to_pay(order_id: int) -> OrderToPay:
    """Locked. Raises NotFound."""
    for row in plain.rows(_TO_PAY, order=order_id):
        return OrderToPay(*row)
    raise NotFound


def order_of_line(line_id: int) -> Order:
    """Raises NotFound."""
    return one(
        select(Order)
        .join(OrderLine, (OrderLine.order_id == Order.id) & (OrderLine.tenant_id == Order.tenant_id))
        .where(OrderLine.id == line_id)
    )


def line(line_id: int) -> OrderLine:
    """With its order. Raises NotFound."""
    return one(select(OrderLine).where(OrderLine.id == line_id).options(joinedload(OrderLine.order)))


def line_for_update(line_id: int) -> OrderLine:
    """Raises NotFound."""
    return locked(OrderLine, line_id)


_LINES = select(OrderLine).where(OrderLine.order_id == bindparam("order")).order_by(OrderLine.id)


def lines_of(order_id: int) -> Sequence[OrderLine]:
    """In the order in which they were given. There are never others: who has the order in hand has them read
    once, and so does whoever is told that it is paid."""
    order = db.session().identity_map.get(identity_key(Order, order_id))
    if order is not None and "lines" in order.__dict__:
        return list(order.lines)
    found = db.session.scalars(_LINES, {"order": order_id}).all()
    if order is not None:
        set_committed_value(order, "lines", list(found))
    return found


def expired_orders(now: dt.datetime, limit: int) -> Sequence[tuple[int, int]]:
    """Open orders whose time has run out, of all tenants, as (tenant, order); in the platform's scope."""
    query = select(Order.tenant_id, Order.id).where(Order.status == OPEN, Order.expires_at <= now)
    return [(row[0], row[1]) for row in db.session.execute(query.order_by(Order.expires_at).limit(limit))]
