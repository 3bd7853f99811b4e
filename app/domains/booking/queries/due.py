"""What recurring work and payments ask: whose time is over, and what a payment bought."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, and_, select

from app.core import clock
from app.core.db import db
from app.domains.booking.models import HELD, SCHEDULED, Lesson, Seat
from app.domains.booking.policies import MARKED_AFTER
from app.domains.payments.models import OPEN, Dispute, OrderLine, Payment


def _ran_out() -> ColumnElement[bool]:
    return and_(Seat.status == HELD, Seat.expires_at <= clock.now())


def _unmarked() -> ColumnElement[bool]:
    return and_(Lesson.status == SCHEDULED, Lesson.ends_at <= clock.now() - MARKED_AFTER)


def tenants_with_expired_holds() -> Sequence[int]:
    """In the platform's scope."""
    return db.session.scalars(select(Seat.tenant_id).where(_ran_out()).distinct()).all()


def tenants_with_unmarked_lessons() -> Sequence[int]:
    """In the platform's scope."""
    return db.session.scalars(select(Lesson.tenant_id).where(_unmarked()).distinct()).all()


def expired_holds(limit: int) -> Sequence[int]:
    return db.session.scalars(
        select(Seat.id).where(_ran_out()).order_by(Seat.expires_at, Seat.id).limit(limit)
    ).all()


def unmarked_lessons(limit: int) -> Sequence[int]:
    return db.session.scalars(
        select(Lesson.id).where(_unmarked()).order_by(Lesson.ends_at, Lesson.id).limit(limit)
    ).all()


def lines_of_dispute(dispute_id: int) -> Sequence[OrderLine]:
    """What the payment in dispute had bought."""
    return db.session.scalars(
        select(OrderLine)
        .join(Payment, Payment.order_id == OrderLine.order_id)
        .join(Dispute, Dispute.payment_id == Payment.id)
        .where(Dispute.id == dispute_id)
        .order_by(OrderLine.id)
    ).all()


def is_disputed(seat_id: int) -> bool:
    """Whether a bank still looks into a payment for this seat."""
    undecided = (
        select(Dispute.id)
        .join(Payment, Payment.id == Dispute.payment_id)
        .join(OrderLine, OrderLine.order_id == Payment.order_id)
        .join(Seat, Seat.line_id == OrderLine.id)
        .where(Seat.id == seat_id, Dispute.status == OPEN)
    )
    return db.session.scalar(undecided.limit(1)) is not None
