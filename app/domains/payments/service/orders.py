"""Orders: placed, held for longer, given up, run out, or paid with nothing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm.attributes import set_committed_value

from app.core import clock, ids, scope
from app.core.adding import Added, Addition
from app.core.audit import note
from app.core.db import db
from app.core.errors import Invalid
from app.core.events import announce
from app.core.money import BIGINT_MAX, Money
from app.core.states import move_to
from app.domains.accounts.models import Person
from app.domains.payments import events, policies, queries
from app.domains.payments.errors import AlreadyPaid, NotChargeable, OrderClosed, WrongCurrency
from app.domains.payments.models import (
    CANCELLED,
    EXPIRED,
    FREE,
    OPEN,
    PAID,
    Allocation,
    Order,
    OrderLine,
)
from app.domains.tenancy import queries as tenancy

MOST_LINES, MOST_OF_ONE = 100, 1000


@dataclass(frozen=True)
class NewLine:
    """What somebody is about to buy. `unit` is the price of one, its tax included; `kind` says which domain
    fulfils it."""

    kind: str
    description: str
    quantity: int
    unit: Money
    tax_rate_bp: int = 0
    tax_code: str = ""


def place_order(
    *, actor: str, payer: Person | None, lines: Sequence[NewLine], expires_at: dt.datetime, locale: str
) -> Order:
    """An order that can be paid until `expires_at` (business time). Raises WrongCurrency, NotChargeable."""
    currency = tenancy.currency_of(scope.tenant_id())
    if not 1 <= len(lines) <= MOST_LINES:
        raise NotChargeable
    for line in lines:
        _check(line, currency)
    total = sum(line.unit.minor * line.quantity for line in lines)
    if total > BIGINT_MAX:
        raise NotChargeable
    order: dict[str, Any] = {
        "code": ids.code(20),
        "payer_id": payer.id if payer is not None else None,
        "actor": actor,
        "status": OPEN,
        "currency": currency,
        "total_minor": total,
        "locale": locale,
        "placed_at": clock.now(),
        "expires_at": expires_at,
    }
    return _write(order, [_line(line) for line in lines])


# Most orders have one line.
_PLACE = Addition(
    Added(
        Order,
        [
            *("code", "payer_id", "actor", "status", "currency", "total_minor", "locale"),
            *("placed_at", "expires_at"),
        ],
    ),
    Added(
        OrderLine,
        [
            *("kind", "description", "quantity", "unit_minor", "gross_minor", "net_minor", "tax_minor"),
            *("tax_rate_bp", "tax_code", "currency", "refunded_minor"),
        ],
        points={"order_id": Order},
    ),
)


def _write(values: dict[str, Any], lines: Sequence[dict[str, Any]]) -> Order:
    """The order with its lines, in the order in which they were given."""
    order_id, line_id = _PLACE.write(values, lines[0])
    order = queries.written(Order, id=order_id, **values)
    rows = [queries.written(OrderLine, id=line_id, order_id=order_id, **lines[0])]
    if len(lines) > 1:
        rows += [OrderLine(order_id=order_id, **line) for line in lines[1:]]
        db.session.add_all(rows[1:])
        db.session.flush()  # who asked needs their ids
    set_committed_value(order, "lines", rows)
    return order


def _check(line: NewLine, currency: str) -> None:
    if line.unit.currency != currency:
        raise WrongCurrency
    if not line.description.strip():
        raise Invalid(field="description")
    if not 1 <= line.quantity <= MOST_OF_ONE or not 0 <= line.tax_rate_bp <= 10_000:
        raise NotChargeable
    gross = line.unit.minor * line.quantity
    if not 0 <= gross <= BIGINT_MAX or not policies.is_in_steps(Money(gross, currency)):
        raise NotChargeable


def _line(line: NewLine) -> dict[str, Any]:
    gross = line.unit * line.quantity
    tax = policies.tax_within(gross, line.tax_rate_bp)
    return {
        "kind": line.kind,
        "description": line.description.strip()[:300],
        "quantity": line.quantity,
        "unit_minor": line.unit.minor,
        "gross_minor": gross.minor,
        "net_minor": (gross - tax).minor,
        "tax_minor": tax.minor,
        "tax_rate_bp": line.tax_rate_bp,
        "tax_code": line.tax_code,
        "currency": gross.currency,
        "refunded_minor": 0,
    }


def check_payable(order: policies.HowItStands) -> None:
    """Raises AlreadyPaid, OrderClosed."""
    if order.status == PAID:
        raise AlreadyPaid
    if not policies.is_payable(order, clock.now()):
        raise OrderClosed


def renew_order(order: Order, *, expires_at: dt.datetime) -> Order:
    """It can be paid until then. Raises AlreadyPaid, OrderClosed."""
    order = queries.order_for_update(order.id)
    check_payable(order)
    order.expires_at = expires_at
    return order


def cancel_order(order: Order) -> Order:
    """Give an open order up; again does nothing. A payment under way is called off at the provider after
    the commit. Raises AlreadyPaid, OrderClosed (run out)."""
    order = queries.order_for_update(order.id)
    if order.status == CANCELLED:
        return order
    if order.status == PAID:
        raise AlreadyPaid
    if order.status == EXPIRED:
        raise OrderClosed
    move_to(order, CANCELLED)
    note(order, "cancelled")
    announce(events.OrderCancelled(scope.tenant_id(), order.id))
    return order


def expire_order(order: Order) -> bool:
    """Close an order whose time has run out: whether it was this call that did."""
    order = queries.order_for_update(order.id)
    if order.status != OPEN or order.expires_at > clock.now():
        return False
    move_to(order, EXPIRED)
    announce(events.OrderExpired(scope.tenant_id(), order.id))
    return True


def pay_free(order: Order) -> Order:
    """An order of nothing is paid at once; again does nothing. Raises OrderClosed, NotChargeable (it costs
    something)."""
    order = queries.order_for_update(order.id)
    if order.total_minor:
        raise NotChargeable
    if order.status == PAID:
        return order
    check_payable(order)
    for line in queries.lines_of(order.id):
        db.session.add(
            Allocation(
                line_id=line.id, source=FREE, amount_minor=0, refunded_minor=0, currency=order.currency
            )
        )
    move_to(order, PAID)
    order.paid_at = clock.now()
    announce(events.OrderPaid(scope.tenant_id(), order.id, was_expired=False))
    return order
