"""Reads of what goes back: allocations, refunds, disputes."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from app.core.db import db
from app.domains.payments.models import (
    CARD,
    LOST,
    OPEN,
    SUCCEEDED,
    Allocation,
    Dispute,
    Payment,
    Refund,
)
from app.domains.payments.queries.rows import locked, one


def allocations_for_update(line_id: int) -> Sequence[Allocation]:
    """By which payments a line was paid by card, in the order in which refunds take from them."""
    return db.session.scalars(
        select(Allocation)
        .where(Allocation.line_id == line_id, Allocation.source == CARD)
        .order_by(Allocation.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def refund(refund_id: int) -> Refund:
    """With its payment. Raises NotFound."""
    return one(
        select(Refund)
        .where(Refund.id == refund_id)
        .options(joinedload(Refund.payment))
        .execution_options(populate_existing=True)
    )


def refund_for_update(refund_id: int) -> Refund:
    """Raises NotFound."""
    return locked(Refund, refund_id)


def refund_by_code(code: str) -> Refund | None:
    return db.session.scalars(select(Refund).where(Refund.code == code)).one_or_none()


def refunds_of_order(order_id: int) -> Sequence[Refund]:
    """Oldest first."""
    return db.session.scalars(
        select(Refund)
        .join(Payment, (Payment.id == Refund.payment_id) & (Payment.tenant_id == Refund.tenant_id))
        .where(Payment.order_id == order_id)
        .order_by(Refund.id)
        .execution_options(populate_existing=True)
    ).all()


def refunded_of_line(line_id: int, *, but_not: int) -> int:
    """How much of a line had gone back before this refund did."""
    total = select(func.coalesce(func.sum(Refund.amount_minor), 0)).where(
        Refund.line_id == line_id, Refund.status == SUCCEEDED, Refund.id != but_not
    )
    return int(db.session.scalar(total) or 0)


def dispute_by_ref(provider_ref: str) -> Dispute | None:
    return db.session.scalars(select(Dispute).where(Dispute.provider_ref == provider_ref)).one_or_none()


def standing_dispute(payment_id: int) -> Dispute | None:
    """One that keeps a payment from being refunded: its bank looks into it, or took the money already."""
    standing = select(Dispute).where(Dispute.payment_id == payment_id, Dispute.status.in_((OPEN, LOST)))
    return db.session.scalars(standing.order_by(Dispute.id.desc()).limit(1)).one_or_none()
