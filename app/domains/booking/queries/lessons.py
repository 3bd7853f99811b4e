"""Lessons and seats as pages show them, loaded with what they are shown with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select
from sqlalchemy.orm import joinedload, selectinload
from sqlalchemy.orm.interfaces import ExecutableOption

from app.core import clock
from app.core.db import db
from app.core.errors import NotFound
from app.domains.booking.models import (
    ATTENDED,
    BOOKED,
    CANCELLED,
    DONE,
    HELD,
    MISSED,
    SCHEDULED,
    Lesson,
    Seat,
    SeatMove,
)
from app.domains.catalog.models import GROUP, TRIAL, Offering

BOOKED_ONCE = (BOOKED, ATTENDED, MISSED)


def _seat_options() -> tuple[ExecutableOption, ...]:
    lesson_of = joinedload(Seat.lesson)
    return (
        lesson_of.joinedload(Lesson.offering).joinedload(Offering.tax_rate),
        lesson_of.joinedload(Lesson.variant),
        lesson_of.joinedload(Lesson.tutor),
        joinedload(Seat.student),
        joinedload(Seat.payer),
    )


def _lesson_options() -> tuple[ExecutableOption, ...]:
    return (
        joinedload(Lesson.offering),
        joinedload(Lesson.variant),
        joinedload(Lesson.tutor),
        selectinload(Lesson.seats).joinedload(Seat.student),
    )


# Made once: with so much beside it, making the statement costs as much as running it.
_SEAT = select(Seat).options(*_seat_options())
_SEAT_BY_ID = _SEAT.where(Seat.id == bindparam("seat"))
_SEAT_BY_CODE = _SEAT.where(Seat.code == bindparam("code"))
_SEAT_OF_LINE = select(Seat).where(Seat.line_id == bindparam("line"))


def seat(seat_id: int) -> Seat:
    """With its lesson, offering, tutor, student and payer. Raises NotFound."""
    return _one_seat(_SEAT_BY_ID, seat=seat_id)


def seat_by_code(code: str) -> Seat:
    """As `seat`. Whoever has a hold's code may go on with it; what is booked is its people's."""
    return _one_seat(_SEAT_BY_CODE, code=code)


def _one_seat(query: Select[Seat], **values: Any) -> Seat:
    found = db.session.scalars(query, values).one_or_none()
    if found is None:
        raise NotFound
    return found


def seats_of_line(line_id: int) -> Sequence[Seat]:
    """The seat that an order line paid for: one, or none where the line was replaced."""
    return db.session.scalars(_SEAT_OF_LINE, {"line": line_id}).all()


def seats_of_people(
    person_ids: Collection[int],
    *,
    since: dt.datetime | None = None,
    until: dt.datetime | None = None,
    latest_first: bool = False,
    limit: int = 100,
) -> Sequence[Seat]:
    """The lessons that these people learn in or pay for, by their end: booked, and what became of them."""
    query = (
        select(Seat)
        .join(Lesson, Lesson.id == Seat.lesson_id)
        .where(
            or_(Seat.student_id.in_(person_ids), Seat.payer_id.in_(person_ids)),
            Seat.status.in_((*BOOKED_ONCE, CANCELLED)),
        )
    )
    if since is not None:
        query = query.where(Lesson.ends_at > since)
    if until is not None:
        query = query.where(Lesson.ends_at <= until)
    order = (Lesson.starts_at.desc(), Seat.id.desc()) if latest_first else (Lesson.starts_at, Seat.id)
    return db.session.scalars(query.order_by(*order).limit(limit).options(*_seat_options())).all()


def has_tried(student_id: int, tutor_id: int) -> bool:
    """Whether somebody has had a trial lesson with this tutor, or is going to; a cancelled one is none."""
    tried = (
        select(Seat.id)
        .join(Lesson, Lesson.id == Seat.lesson_id)
        .join(Offering, Offering.id == Lesson.offering_id)
        .where(
            Seat.student_id == student_id,
            Seat.status.in_(BOOKED_ONCE),
            Lesson.tutor_id == tutor_id,
            Offering.kind == TRIAL,
        )
    )
    return db.session.scalar(tried.limit(1)) is not None


def holds_of(actors: Collection[str]) -> Sequence[Seat]:
    """What these visitors or accounts hold at the moment."""
    return db.session.scalars(
        select(Seat)
        .where(Seat.actor.in_(actors), Seat.status == HELD, Seat.expires_at > clock.now())
        .order_by(Seat.expires_at, Seat.id)
        .options(*_seat_options())
    ).all()


def moves_of(seat_id: int) -> Sequence[SeatMove]:
    return db.session.scalars(select(SeatMove).where(SeatMove.seat_id == seat_id).order_by(SeatMove.id)).all()


def lesson(lesson_id: int) -> Lesson:
    """With its seats and their students. Raises NotFound."""
    found = db.session.scalars(
        select(Lesson).where(Lesson.id == lesson_id).options(*_lesson_options())
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def lesson_by_code(code: str) -> Lesson:
    """As `lesson`. Raises NotFound."""
    found = db.session.scalars(
        select(Lesson).where(Lesson.code == code).options(*_lesson_options())
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def lessons_of_tutor(tutor_id: int, *, since: dt.datetime, until: dt.datetime) -> Sequence[Lesson]:
    """What a tutor teaches or taught in a stretch of time; without what was held or cancelled only."""
    return db.session.scalars(
        select(Lesson)
        .where(
            Lesson.tutor_id == tutor_id,
            Lesson.starts_at >= since,
            Lesson.starts_at < until,
            Lesson.status.in_((SCHEDULED, DONE, CANCELLED)),
        )
        .order_by(Lesson.starts_at, Lesson.id)
        .options(*_lesson_options())
    ).all()


@dataclass(frozen=True)
class Session:
    """A group class's date, and how many places are left of it; holds that ran out are free again."""

    lesson: Lesson
    left: int


def available_sessions(offering_id: int, *, limit: int = 50) -> list[Session]:
    """The dates of a group class that are still to come, also full ones (`left` is 0)."""
    return _sessions(Lesson.offering_id == offering_id, limit)


def sessions_of_tutor(tutor_id: int, *, limit: int = 200) -> list[Session]:
    """The dates of all group classes of a tutor that are still to come."""
    return _sessions(Lesson.tutor_id == tutor_id, limit)


def _sessions(whose: ColumnElement[bool], limit: int) -> list[Session]:
    now = clock.now()
    in_force = (
        select(func.count())
        .where(
            Seat.lesson_id == Lesson.id,
            Seat.tenant_id == Lesson.tenant_id,
            or_(Seat.status.in_(BOOKED_ONCE), and_(Seat.status == HELD, Seat.expires_at > now)),
        )
        .correlate(Lesson)
        .scalar_subquery()
    )
    rows = db.session.execute(
        select(Lesson, in_force)
        .join(Offering, Offering.id == Lesson.offering_id)
        .where(whose, Offering.kind == GROUP, Lesson.status == SCHEDULED, Lesson.starts_at > now)
        .order_by(Lesson.starts_at, Lesson.id)
        .limit(limit)
        .options(joinedload(Lesson.offering), joinedload(Lesson.variant), joinedload(Lesson.tutor))
    )
    return [Session(found, found.capacity - taken) for found, taken in rows]
