"""Reads of notifications: the list, who gets a mail and in which words, and what it is about."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, ScalarSelect, Select, and_, bindparam, func, select

from app.core import plain
from app.core.db import db
from app.core.errors import NotFound
from app.domains.accounts.models import ACTIVE, Account, Membership, Person
from app.domains.booking.models import Lesson, Seat, SeatMove
from app.domains.catalog.models import OfferingRevision, Review
from app.domains.earnings.models import Earning
from app.domains.notifications.models import Notification
from app.domains.payments.models import Receipt, Refund
from app.domains.tenancy.models import DEFAULT_PRIMARY, Tenant

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


@dataclass(frozen=True)
class Company:
    """Who writes to them."""

    slug: str
    name: str
    status: str
    color: str
    locale: str
    timezone: str


def unread() -> ScalarSelect[Any]:
    """How many `person` has not read yet: of a statement past the ORM."""
    told = Notification.__table__.c
    query = select(func.count()).where(
        told.tenant_id == plain.tenant(), told.person_id == bindparam("person"), told.read_at.is_(None)
    )
    return query.scalar_subquery()


_UNREAD = select(unread())


def unread_count(person_id: int) -> int:
    return int(plain.rows(_UNREAD, person=person_id)[0][0])


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


_PERSON, _MEMBERSHIP = Person.__table__.c, Membership.__table__.c
_ACCOUNT, _COMPANY = Account.__table__.c, Tenant.__table__.c
_OF_COMPANY = ("slug", "name", "status", "brand", "locale", "timezone")
_READER = (
    select(
        _PERSON.id,
        _PERSON.full_name,
        _PERSON.email,
        _PERSON.locale,
        _PERSON.timezone,
        _ACCOUNT.email.label("account_email"),
        _ACCOUNT.locale.label("account_locale"),
        _ACCOUNT.timezone.label("account_timezone"),
        *(_COMPANY[name].label(f"company_{name}") for name in _OF_COMPANY),
    )
    .select_from(Person.__table__)
    .join(Tenant.__table__, _COMPANY.id == _PERSON.tenant_id)
    .outerjoin(
        Membership.__table__,
        and_(
            _MEMBERSHIP.tenant_id == plain.tenant(),
            _MEMBERSHIP.person_id == _PERSON.id,
            _MEMBERSHIP.status == ACTIVE,
        ),
    )
    .outerjoin(Account.__table__, and_(_ACCOUNT.id == _MEMBERSHIP.user_id, _ACCOUNT.active.is_(True)))
    .where(_PERSON.tenant_id == plain.tenant(), _PERSON.id == bindparam("person"))
    .order_by(_ACCOUNT.id.nulls_last())
    .limit(1)
)


def addressed(person_id: int) -> tuple[Reader, Company] | None:
    """Somebody, and the company in scope, which writes to them. Who signs in reads at the address and in the
    language of their account."""
    found = plain.rows(_READER, person=person_id)
    if not found:
        return None
    (row,) = found
    company = Company(
        slug=row.company_slug,
        name=row.company_name,
        status=row.company_status,
        color=str(row.company_brand.get("primary", DEFAULT_PRIMARY)),
        locale=row.company_locale,
        timezone=row.company_timezone,
    )
    who = Reader(
        person_id=row.id,
        name=row.full_name,
        email=row.account_email or row.email,
        locale=row.account_locale or row.locale,
        timezone=row.account_timezone or row.timezone,
        has_login=row.account_email is not None,
    )
    return who, company


# -- What somebody is told about, with all that the app and a mail say of it; to be read only, or NotFound ---


def seat(seat_id: int) -> Seat:
    of_lesson = ("lesson.offering", "lesson.variant", "lesson.tutor")
    return _read(Seat, seat_id, *of_lesson, "student", "payer")


def lesson(lesson_id: int) -> Lesson:
    return _read(Lesson, lesson_id, "offering", "variant", "tutor")


def move(move_id: int) -> SeatMove:
    return _read(SeatMove, move_id)


def revision(revision_id: int) -> OfferingRevision:
    return _read(OfferingRevision, revision_id, "offering.tutor")


def review(review_id: int) -> Review:
    return _read(Review, review_id, "author", "offering.tutor")


def refund(refund_id: int) -> Refund:
    return _read(Refund, refund_id, "line.order")


def receipt(receipt_id: int) -> Receipt:
    return _read(Receipt, receipt_id, "order")


def earning(earning_id: int) -> Earning:
    return _read(Earning, earning_id)


def _read(model: type[Row], row_id: int, *relations: str) -> Row:
    kind: Any = model
    records, by_id = _by_id(kind, *relations)
    found: list[Row] = records.made(records.run(by_id, row=row_id))
    if not found:
        raise NotFound
    return found[0]


@cache
def _by_id(model: type[Any], *relations: str) -> tuple[plain.Records, Select[Any]]:
    records = plain.Records(model, relations, walled=True)
    return records, select(*records.columns).select_from(records.source()).where(
        records.wall, records.column("id") == bindparam("row")
    )
