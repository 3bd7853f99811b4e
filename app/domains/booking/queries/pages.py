"""What pages ask beside the shared reads: the times that a booked lesson can be moved to, and what a tutor
teaches. `offered` has an offering's page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import and_, or_, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.orm.interfaces import ExecutableOption

from app.core import clock
from app.core.db import db
from app.core.errors import NotFound
from app.domains.booking import policies
from app.domains.booking.models import (
    BOOKED,
    CANCELLED,
    DONE,
    SCHEDULED,
    Lesson,
    Occupation,
    Seat,
)
from app.domains.booking.policies import Interval, Slot
from app.domains.booking.queries.lessons import Session, available_sessions
from app.domains.booking.queries.tables import PEOPLE, Timetable, timetable
from app.domains.booking.queries.timetable import BY_SLOT
from app.domains.catalog.models import ARCHIVED, GROUP, Offering, Variant
from app.domains.payments.models import Order, OrderLine

_DAY = dt.timedelta(days=1)
_BEYOND = 3 * _DAY


def session_of(offering_id: int, code: str) -> int:
    """The lesson of a group class's date. Raises NotFound."""
    found = db.session.scalar(select(Lesson.id).where(Lesson.offering_id == offering_id, Lesson.code == code))
    if found is None:
        raise NotFound
    return found


def slots_to_move(seat: Seat, *, since: dt.datetime, until: dt.datetime) -> list[Slot]:
    """When a booked lesson could begin instead: free for its tutor and its student, who are in nobody's way
    with this lesson itself. Also where the offering is not sold any more."""
    lesson, since = seat.lesson, max(since, clock.now())
    if until <= since:
        return []
    table = without_lesson(timetable(lesson.tutor_id, since=since, until=until), lesson, since, until)
    found = table.slots(lesson.ends_at - lesson.starts_at, since, until)
    theirs = _busy(seat.student_id, lesson.id, since, until) if seat.student_id is not None else []
    free = policies.first_free(found, theirs, len(found))
    return [slot for slot in free if slot.starts_at != lesson.starts_at]


def dates_to_move(seat: Seat) -> list[Session]:
    """The other dates of the same class at the same length, also full ones."""
    lesson = seat.lesson
    sessions = available_sessions(lesson.offering_id)
    return [s for s in sessions if s.lesson.id != lesson.id and s.lesson.variant_id == lesson.variant_id]


def without_lesson(table: Timetable, lesson: Lesson, since: dt.datetime, until: dt.datetime) -> Timetable:
    """The tutor's timetable as if this lesson were not."""
    if table.schedule is None or table.is_suspended:
        return table
    return replace(table, busy=tuple(_busy(lesson.tutor_id, lesson.id, since, until)))


def _busy(person_id: int, lesson_id: int, since: dt.datetime, until: dt.datetime) -> list[Interval]:
    rows = db.session.scalars(
        select(Occupation.during).where(
            Occupation.resource_kind.in_(PEOPLE),
            Occupation.resource_id == person_id,
            Occupation.lesson_id != lesson_id,
            Occupation.during.overlaps(Range(since - _DAY, until + _BEYOND)),
            or_(Occupation.expires_at.is_(None), Occupation.expires_at > clock.now()),
        )
    )
    return policies.merged(
        Interval(during.lower.astimezone(dt.UTC), during.upper.astimezone(dt.UTC))
        for during in rows
        if during.lower is not None and during.upper is not None
    )


def group_variants_of(tutor_id: int) -> Sequence[Variant]:
    """The variants of a tutor's group classes, to which dates can be given, also unpublished."""
    return _variants_of(tutor_id, (GROUP,))


def slot_variants_of(tutor_id: int) -> Sequence[Variant]:
    """The variants of what a tutor offers by the slot, also unpublished."""
    return _variants_of(tutor_id, tuple(BY_SLOT))


def _variants_of(tutor_id: int, kinds: Sequence[str]) -> Sequence[Variant]:
    return db.session.scalars(
        select(Variant)
        .join(Offering, and_(Offering.id == Variant.offering_id, Offering.tenant_id == Variant.tenant_id))
        .where(
            Offering.tutor_id == tutor_id,
            Offering.kind.in_(kinds),
            Offering.status != ARCHIVED,
            Variant.is_active,
        )
        .order_by(Offering.title, Offering.id, Variant.position, Variant.id)
        .options(joinedload(Variant.offering))
    ).all()


def orders_of_lines(line_ids: Sequence[int]) -> dict[int, Order]:
    """By line, the order it belongs to."""
    if not line_ids:
        return {}
    rows = db.session.execute(
        select(OrderLine.id, Order)
        .join(Order, and_(Order.id == OrderLine.order_id, Order.tenant_id == OrderLine.tenant_id))
        .where(OrderLine.id.in_(line_ids))
    )
    return {row[0]: row[1] for row in rows}


def unmarked_of_tutor(tutor_id: int) -> Sequence[Lesson]:
    """Lessons that are over and in which somebody's coming is not marked yet, the oldest first."""
    waiting = select(Seat.id).where(
        Seat.lesson_id == Lesson.id, Seat.tenant_id == Lesson.tenant_id, Seat.status == BOOKED
    )
    return db.session.scalars(
        select(Lesson)
        .where(
            Lesson.tutor_id == tutor_id,
            Lesson.status == SCHEDULED,
            Lesson.ends_at <= clock.now(),
            waiting.exists(),
        )
        .order_by(Lesson.starts_at, Lesson.id)
        .limit(100)
        .options(joinedload(Lesson.offering), joinedload(Lesson.variant), _seats())
    ).all()


def next_of_tutor(tutor_id: int, *, limit: int = 50) -> Sequence[Lesson]:
    """What a tutor teaches from now on, what is going on included."""
    return db.session.scalars(
        select(Lesson)
        .where(Lesson.tutor_id == tutor_id, Lesson.status == SCHEDULED, Lesson.ends_at > clock.now())
        .order_by(Lesson.starts_at, Lesson.id)
        .limit(limit)
        .options(joinedload(Lesson.offering), joinedload(Lesson.variant), _seats())
    ).all()


def past_of_tutor(tutor_id: int, *, limit: int = 20) -> Sequence[Lesson]:
    """What a tutor taught, or what was called off, the latest first."""
    return db.session.scalars(
        select(Lesson)
        .where(Lesson.tutor_id == tutor_id, Lesson.status.in_((DONE, CANCELLED)))
        .order_by(Lesson.starts_at.desc(), Lesson.id.desc())
        .limit(limit)
        .options(joinedload(Lesson.offering), joinedload(Lesson.variant), _seats())
    ).all()


def _seats() -> ExecutableOption:
    return selectinload(Lesson.seats).joinedload(Seat.student)
