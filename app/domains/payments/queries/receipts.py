"""Reads of receipts and credit notes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, bindparam, select

from app.core import plain
from app.core.db import db
from app.domains.accounts.models import Person
from app.domains.payments.models import (
    RECEIPT,
    Order,
    Receipt,
)
from app.domains.payments.queries.rows import locked, one
from app.domains.tenancy.models import DEFAULT_PRIMARY, Tenant


def receipt(receipt_id: int) -> Receipt:
    """Raises NotFound."""
    return one(select(Receipt).where(Receipt.id == receipt_id))


def receipt_for_update(receipt_id: int) -> Receipt:
    """Raises NotFound."""
    return locked(Receipt, receipt_id)


def receipt_by_code(code: str) -> Receipt:
    """Raises NotFound."""
    return one(select(Receipt).where(Receipt.code == code))


_OF_ORDER = select(Receipt).where(Receipt.order_id == bindparam("order"), Receipt.kind == plain.word(RECEIPT))


def receipt_of_order(order_id: int) -> Receipt | None:
    return db.session.scalars(_OF_ORDER, {"order": order_id}).one_or_none()


@dataclass(frozen=True, slots=True)
class Letterhead:
    """What all documents of an order have in common, and its receipt where there is one."""

    receipt_id: int | None
    seller: str
    timezone: str
    color: str
    buyer: str
    buyer_email: str


def _letterhead() -> Select[Any]:
    order, company, payer = Order.__table__, Tenant.__table__, Person.__table__
    receipt = Receipt.__table__
    is_payer = and_(payer.c.tenant_id == order.c.tenant_id, payer.c.id == order.c.payer_id)
    is_receipt = and_(
        receipt.c.tenant_id == order.c.tenant_id,
        receipt.c.order_id == order.c.id,
        receipt.c.kind == plain.word(RECEIPT),
    )
    return (
        select(
            receipt.c.id,
            company.c.name,
            company.c.timezone,
            company.c.brand,
            payer.c.full_name,
            payer.c.email,
        )
        .select_from(
            order.join(company, company.c.id == order.c.tenant_id)
            .outerjoin(payer, is_payer)
            .outerjoin(receipt, is_receipt)
        )
        .where(order.c.tenant_id == plain.tenant(), order.c.id == bindparam("order"))
    )


_LETTERHEAD = _letterhead()


def letterhead_of(order_id: int) -> Letterhead:
    ((receipt_id, seller, timezone, brand, buyer, email),) = plain.rows(_LETTERHEAD, order=order_id)
    color = str(brand.get("primary", DEFAULT_PRIMARY))
    return Letterhead(receipt_id, seller, timezone, color, buyer or "", email or "")


def note_of_refund(refund_id: int) -> Receipt | None:
    return db.session.scalars(select(Receipt).where(Receipt.refund_id == refund_id)).one_or_none()
