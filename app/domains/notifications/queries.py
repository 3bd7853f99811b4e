"""Reads of notifications: the list, who gets a mail and in which words, and what it is about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import joinedload

from app.core.db import db
from app.core.errors import NotFound
from app.domains.accounts.models import ACTIVE, Account, Membership, Person
from app.domains.booking.models import Lesson, Seat, SeatMove
from app.domains.catalog.models import Offering, OfferingRevision, Review
from app.domains.earnings.models import Earning
from app.domains.notifications.models import Notification
from app.domains.payments.models import OrderLine, Payment, Receipt, Refund

PAGE = 30
Row = TypeVar("Row")


@dataclass(frozen=True)
class Reader:
    """Somebody who is told things: where they read mail, in which language and zone (None: the company's)."""

    person_id: int
    name: str
    email: str | None
    locale: str | None
    timezone: str | None
    has_login: bool


def unread_count(person_id: int) -> int:
    """For the top bar."""
    query = select(func.count()).select_from(Notification)
    return int(
        db.session.scalar(query.where(Notification.person_id == person_id, Notification.read_at.is_(None)))
        or 0
    )


def notifications_of(
    person_id: int, *, before: int | None = None, limit: int = PAGE
) -> Sequence[Notification]:
    """The newest first, from the one with the number `before` on."""
    query = select(Notification).where(Notification.person_id == person_id)
    if before is not None:
        query = query.where(Notification.id < before)
    return db.session.scalars(query.order_by(Notification.id.desc()).limit(limit)).all()


def notification(notification_id: int, person_id: int) -> Notification:
    """Raises NotFound for anybody else's."""
    found = db.session.scalars(
        select(Notification).where(Notification.id == notification_id, Notification.person_id == person_id)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def tenants_with_unread(kind: str, *, until: dt.datetime) -> Sequence[int]:
    """Where somebody has not read something of a kind since then, and was not reminded; platform's scope."""
    return db.session.scalars(
        select(Notification.tenant_id)
        .where(*_forgotten(kind, until))
        .distinct()
        .order_by(Notification.tenant_id)
    ).all()


def unread_for_update(kind: str, *, until: dt.datetime, limit: int) -> Sequence[Notification]:
    """What nobody else works on; locked."""
    return db.session.scalars(
        select(Notification)
        .where(*_forgotten(kind, until))
        .order_by(Notification.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def _forgotten(kind: str, until: dt.datetime) -> tuple[ColumnElement[bool], ...]:
    return (
        Notification.kind == kind,
        Notification.read_at.is_(None),
        Notification.happened_at <= until,
        ~Notification.data.has_key("reminded"),
    )


def reader(person_id: int) -> Reader | None:
    """Who signs in reads at the address and in the language of their account."""
    row = db.session.execute(
        select(
            Person.id,
            Person.full_name,
            Person.email,
            Person.locale,
            Person.timezone,
            Account.email.label("account_email"),
            Account.locale.label("account_locale"),
            Account.timezone.label("account_timezone"),
        )
        .outerjoin(Membership, and_(Membership.person_id == Person.id, Membership.status == ACTIVE))
        .outerjoin(Account, and_(Account.id == Membership.user_id, Account.active.is_(True)))
        .where(Person.id == person_id)
        .order_by(Account.id.nulls_last())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return Reader(
        person_id=row.id,
        name=row.full_name,
        email=row.account_email or row.email,
        locale=row.account_locale or row.locale,
        timezone=row.account_timezone or row.timezone,
        has_login=row.account_email is not None,
    )


def seat(seat_id: int) -> Seat:
    """With all that a mail says of it. Raises NotFound."""
    lesson = joinedload(Seat.lesson)
    return _one(
        select(Seat)
        .where(Seat.id == seat_id)
        .options(
            lesson.joinedload(Lesson.offering),
            lesson.joinedload(Lesson.variant),
            lesson.joinedload(Lesson.tutor),
            joinedload(Seat.student),
            joinedload(Seat.payer),
        )
    )


def lesson(lesson_id: int) -> Lesson:
    """As `seat`. Raises NotFound."""
    return _one(
        select(Lesson)
        .where(Lesson.id == lesson_id)
        .options(joinedload(Lesson.offering), joinedload(Lesson.variant), joinedload(Lesson.tutor))
    )


def move(move_id: int) -> SeatMove:
    """Raises NotFound."""
    return _one(select(SeatMove).where(SeatMove.id == move_id))


def revision(revision_id: int) -> OfferingRevision:
    """With its offering. Raises NotFound."""
    return _one(
        select(OfferingRevision)
        .where(OfferingRevision.id == revision_id)
        .options(joinedload(OfferingRevision.offering))
    )


def review(review_id: int) -> Review:
    """With its author, offering and tutor. Raises NotFound."""
    return _one(
        select(Review)
        .where(Review.id == review_id)
        .options(joinedload(Review.author), joinedload(Review.offering).joinedload(Offering.tutor))
    )


def refund(refund_id: int) -> Refund:
    """With the line it is for, and the order. Raises NotFound."""
    return _one(
        select(Refund)
        .where(Refund.id == refund_id)
        .options(
            joinedload(Refund.line).joinedload(OrderLine.order),
            joinedload(Refund.payment).joinedload(Payment.order),
        )
    )


def receipt(receipt_id: int) -> Receipt:
    """With its order. Raises NotFound."""
    return _one(select(Receipt).where(Receipt.id == receipt_id).options(joinedload(Receipt.order)))


def earning(earning_id: int) -> Earning:
    """Raises NotFound."""
    return _one(select(Earning).where(Earning.id == earning_id))


def _one(query: Select[Row]) -> Row:
    found: Row | None = db.session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if found is None:
        raise NotFound
    return found
