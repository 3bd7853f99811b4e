"""Orders as pages and the API show them, in one statement of plain columns: each buyer opens them one after
the other. What belongs to an order comes as JSON, asked for by its key."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.core import plain
from app.core.errors import NotFound
from app.core.money import Money
from app.domains.payments.models import OPEN, PAID, RECEIPT, Order, OrderLine, Payment, Receipt, Refund
from app.domains.payments.policies import UNDER_WAY

PAGE = 20

_CODE = re.compile(r"[0-9A-Z]{20}", re.ASCII)


@dataclass(frozen=True, slots=True)
class LineSeen:
    id: int
    description: str
    quantity: int
    unit_minor: int
    gross_minor: int
    net_minor: int
    tax_minor: int
    tax_rate_bp: int
    refunded_minor: int


@dataclass(frozen=True, slots=True)
class ReceiptSeen:
    kind: str
    number: int
    code: str


@dataclass(frozen=True, slots=True)
class PaymentSeen:
    """Where the provider has it, and when it was asked for last."""

    id: int
    provider: str
    provider_ref: str | None
    code: str
    status: str
    asked_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """With its lines, its documents, oldest first, and of its payments the one that may still take money, if
    there is one."""

    id: int
    code: str
    payer_id: int | None
    actor: str
    status: str
    currency: str
    total_minor: int
    placed_at: dt.datetime
    expires_at: dt.datetime
    paid_at: dt.datetime | None
    payments: tuple[PaymentSeen, ...]
    lines: tuple[LineSeen, ...]
    receipts: tuple[ReceiptSeen, ...]

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)


_ORDER = (
    "id",
    "code",
    "payer_id",
    "actor",
    "status",
    "currency",
    "total_minor",
    "placed_at",
    "expires_at",
    "paid_at",
)
_PAYMENT = ("id", "provider", "provider_ref", "code", "status", "asked_at")
_LINE = (
    "id",
    "description",
    "quantity",
    "unit_minor",
    "gross_minor",
    "net_minor",
    "tax_minor",
    "tax_rate_bp",
    "refunded_minor",
)
_RECEIPT = ("kind", "number", "code")

_PAYMENTS = select(*(Payment.__table__.c[name] for name in _PAYMENT)).where(
    Payment.__table__.c.tenant_id == plain.tenant()
)
_PAYMENT_BY_ID = _PAYMENTS.where(Payment.__table__.c.id == bindparam("payment"))


def _listed(row: Any, names: Sequence[str]) -> Select[Any]:
    """Rows in the order in which they were made."""
    each = func.json_build_array(*(row[name] for name in names))
    return select(func.json_agg(aggregate_order_by(each, row.id)))


def _lines() -> Select[Any]:
    order, line = Order.__table__.c, OrderLine.__table__.c
    return _listed(line, _LINE).where(line.tenant_id == order.tenant_id, line.order_id == order.id)


def _receipts() -> Select[Any]:
    """`kind` is written out, or PostgreSQL could not tell that the index on an order's receipt will do."""
    order, receipt = Order.__table__.c, Receipt.__table__.c
    is_of_order = and_(receipt.tenant_id == order.tenant_id, receipt.order_id == order.id)
    return _listed(receipt, _RECEIPT).where(is_of_order, receipt.kind == plain.word(RECEIPT))


def _notes() -> Select[Any]:
    """By what went back of its lines: an order is not looked for among all credit notes."""
    order, line = Order.__table__.c, OrderLine.__table__
    refund, note = Refund.__table__, Receipt.__table__.alias()
    of_line = and_(refund.c.tenant_id == line.c.tenant_id, refund.c.line_id == line.c.id)
    of_refund = and_(note.c.tenant_id == refund.c.tenant_id, note.c.refund_id == refund.c.id)
    return (
        _listed(note.c, _RECEIPT)
        .select_from(line.join(refund, of_line).join(note, of_refund))
        .where(line.c.tenant_id == order.tenant_id, line.c.order_id == order.id)
    )


def _orders() -> Select[Any]:
    """Made once."""
    order, payment = Order.__table__, Payment.__table__
    under_way = and_(
        payment.c.tenant_id == order.c.tenant_id,
        payment.c.order_id == order.c.id,
        payment.c.status.in_([plain.word(status) for status in sorted(UNDER_WAY)]),
    )
    return (
        select(
            *(order.c[name] for name in _ORDER),
            *(payment.c[name] for name in _PAYMENT),
            *(part.scalar_subquery() for part in (_lines(), _receipts(), _notes())),
        )
        .select_from(order.outerjoin(payment, under_way))
        .where(order.c.tenant_id == plain.tenant())
    )


_ORDERS = _orders()
_BY_CODE = _ORDERS.where(Order.__table__.c.code == bindparam("code"))
_THEIRS = and_(
    Order.__table__.c.payer_id == bindparam("person"),
    or_(
        Order.__table__.c.status == PAID,
        and_(Order.__table__.c.status == OPEN, Order.__table__.c.expires_at > bindparam("now")),
    ),
)
_PAGE_OF_THEIRS = (
    _ORDERS.where(_THEIRS).order_by(Order.__table__.c.id.desc()).limit(PAGE).offset(bindparam("skipped"))
)
_NUMBER_OF_THEIRS = select(func.count()).select_from(Order.__table__)
_NUMBER_OF_THEIRS = _NUMBER_OF_THEIRS.where(Order.__table__.c.tenant_id == plain.tenant(), _THEIRS)


def order_seen(code: str) -> OrderSeen:
    """As the database says now. Raises NotFound."""
    code = code.upper()
    rows = plain.rows(_BY_CODE, code=code) if _CODE.fullmatch(code) else ()
    if not rows:
        raise NotFound
    return _seen(rows[0])


def orders_of(person_id: int, *, now: dt.datetime, page: int = 1) -> tuple[int, list[OrderSeen]]:
    """What somebody bought or can still pay, newest first: how many, and one page of them."""
    theirs = {"person": person_id, "now": now}
    count = int(plain.rows(_NUMBER_OF_THEIRS, **theirs)[0][0])
    rows = plain.rows(_PAGE_OF_THEIRS, **theirs, skipped=(page - 1) * PAGE)
    return count, [_seen(row) for row in rows]


def payment_seen(payment_id: int) -> PaymentSeen:
    """Raises NotFound."""
    for row in plain.rows(_PAYMENT_BY_ID, payment=payment_id):
        return PaymentSeen(*row)
    raise NotFound


def _seen(row: Any) -> OrderSeen:
    end = len(_ORDER)
    payment = row[end : end + len(_PAYMENT)]
    lines, receipts, notes = row[end + len(_PAYMENT) :]
    under_way = (PaymentSeen(*payment),) if payment[0] is not None else ()
    bought = tuple(LineSeen(*each) for each in lines or ())
    documents = tuple(ReceiptSeen(*each) for each in (*(receipts or ()), *(notes or ())))
    return OrderSeen(*[*row[:end], under_way, bought, documents])
