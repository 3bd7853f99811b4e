"""Reads of receipts and credit notes."""

from __future__ import annotations

from sqlalchemy import bindparam, select

from app.core.db import db
from app.domains.payments.models import (
    RECEIPT,
    Receipt,
)
from app.domains.payments.queries.rows import in_words, locked, one


def receipt(receipt_id: int) -> Receipt:
    """Raises NotFound."""
    return one(select(Receipt).where(Receipt.id == receipt_id))


def receipt_for_update(receipt_id: int) -> Receipt:
    """Raises NotFound."""
    return locked(Receipt, receipt_id)


def receipt_by_code(code: str) -> Receipt:
    """Raises NotFound."""
    return one(select(Receipt).where(Receipt.code == code))


_OF_ORDER = select(Receipt).where(Receipt.order_id == bindparam("order"), Receipt.kind == in_words(RECEIPT))


def receipt_of_order(order_id: int) -> Receipt | None:
    return db.session.scalars(_OF_ORDER, {"order": order_id}).one_or_none()


def note_of_refund(refund_id: int) -> Receipt | None:
    return db.session.scalars(select(Receipt).where(Receipt.refund_id == refund_id)).one_or_none()
