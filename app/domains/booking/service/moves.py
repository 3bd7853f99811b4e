"""Moving a booked seat: a lesson of one's own to another time, a place in a group class to another date."""

from __future__ import annotations

import datetime as dt

from app.core import clock
from app.core.audit import note
from app.core.db import db
from app.core.errors import NotFound
from app.core.events import announce
from app.domains.booking import events, policies, queries
from app.domains.booking.errors import CannotMove, NoSeatLeft, NotOffered
from app.domains.booking.models import BOOKED, SCHEDULED, Lesson, Seat, SeatMove
from app.domains.booking.service.holds import in_utc, lapse_expired_seats
from app.domains.booking.service.occupation import (
    claims_of,
    is_group,
    lock_seat,
    occupy,
    slot_taken,
    vacate,
)


def move_seat(
    seat: Seat, *, starts_at: dt.datetime | None = None, lesson_id: int | None = None, by: str
) -> SeatMove:
    """To another time (`starts_at`), or to another date of a group class (`lesson_id`). What was paid and
    the policy stay. Raises CannotMove, NotOffered, SlotTaken, NoSeatLeft."""
    if (starts_at is None) == (lesson_id is None):
        raise ValueError("a seat is moved to a time or to a date")
    if starts_at is not None:
        return _move_time(seat, in_utc(starts_at), by)
    return _move_date(seat, lesson_id or 0, by)


def _move_time(seat: Seat, starts_at: dt.datetime, by: str) -> SeatMove:
    seat, lesson = lock_seat(seat)
    _check_movable(seat, lesson)
    duration = lesson.ends_at - lesson.starts_at
    why = "by_date" if is_group(lesson) else None
    why = why or queries.timetable(lesson.tutor_id, since=starts_at, until=starts_at + duration).why_not(
        starts_at, duration
    )
    if why is not None:
        raise NotOffered(why=why)
    if starts_at == lesson.starts_at:
        raise CannotMove(why="same_time")
    before = lesson.starts_at
    vacate(seat, lesson)
    lesson.starts_at, lesson.ends_at = starts_at, starts_at + duration
    note(lesson, "moved")  # before it is written, or the trail would only know that it changed
    claims = claims_of(lesson, student_id=seat.student_id, seat_id=seat.id)
    if not occupy(lesson, claims, expires_at=None):
        raise slot_taken(lesson.tutor_id, duration, after=starts_at, student_id=seat.student_id)
    lesson.sequence += 1
    return _moved(seat, from_lesson=lesson, from_starts_at=before, to_lesson=lesson, by=by)


def _move_date(seat: Seat, lesson_id: int, by: str) -> SeatMove:
    place = queries.place_of_seat(seat.id)
    queries.lock_people([place.tutor_id, place.student_id])
    lessons = {lesson.id: lesson for lesson in queries.lessons_for_update({place.lesson_id, lesson_id})}
    seat, lesson = lock_seat(seat)
    target = lessons.get(lesson_id)
    if target is None:
        raise NotFound
    _check_movable(seat, lesson)
    why = _why_not_to(target, lesson)
    if why is not None:
        raise NotOffered(why=why)
    if target.id == lesson.id:
        raise CannotMove(why="same_time")
    lapse_expired_seats(target)
    if target.taken >= target.capacity:
        raise NoSeatLeft
    vacate(seat, lesson)
    if not occupy(target, claims_of(target, student_id=seat.student_id, seat_id=seat.id), expires_at=None):
        raise slot_taken(
            target.tutor_id,
            target.ends_at - target.starts_at,
            after=target.starts_at,
            student_id=seat.student_id,
        )
    lesson.taken -= 1
    target.taken += 1
    # A calendar knows the seat, not the date: for it the number must rise from one to the other.
    target.sequence = max(target.sequence, lesson.sequence) + 1
    seat.lesson_id = target.id
    db.session.flush()
    db.session.expire(seat, ["lesson"])  # it names the former one
    return _moved(seat, from_lesson=lesson, from_starts_at=lesson.starts_at, to_lesson=target, by=by)


def _check_movable(seat: Seat, lesson: Lesson) -> None:
    why = policies.why_not_moved(seat, lesson.starts_at, clock.now())
    if why is None and lesson.status != SCHEDULED:
        why = "not_booked"
    if why is not None:
        raise CannotMove(why=why)


def _why_not_to(target: Lesson, lesson: Lesson) -> str | None:
    """Why a place can't be taken there: only the same class at the same length is the same thing."""
    if not is_group(target):
        return "by_slot"
    if (target.offering_id, target.variant_id) != (lesson.offering_id, lesson.variant_id):
        return "other_class"
    if target.status != SCHEDULED:
        return "cancelled"
    return "past" if target.starts_at <= clock.now() else None


def _moved(
    seat: Seat, *, from_lesson: Lesson, from_starts_at: dt.datetime, to_lesson: Lesson, by: str
) -> SeatMove:
    now = clock.now()
    assert seat.status == BOOKED, "only what is booked is moved"
    seat.policy = policies.policy_after_move(seat, before=from_starts_at, after=to_lesson.starts_at, at=now)
    seat.moves += 1
    note(seat, "moved")
    move = SeatMove(
        seat_id=seat.id,
        from_lesson_id=from_lesson.id,
        to_lesson_id=to_lesson.id,
        from_starts_at=from_starts_at,
        to_starts_at=to_lesson.starts_at,
        moved_at=now,
        moved_by=by[:200],
    )
    db.session.add(move)
    db.session.flush()  # its id goes into the event
    announce(events.SeatMoved(tenant_id=seat.tenant_id, seat_id=seat.id, move_id=move.id))
    return move
