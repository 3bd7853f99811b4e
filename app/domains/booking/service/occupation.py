"""Nobody is in two places at once: people are locked, what ran out is cleared, what is free is taken.

The exclusion constraint would refuse by itself, but contenders would wait for each other and deadlock;
under the locks there is one at a time, and it sees what the one before did.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from flask_babel import LazyString
from sqlalchemy import (
    ColumnElement,
    Update,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import Range, insert
from sqlalchemy.orm import aliased
from sqlalchemy.sql.dml import ReturningInsert

from app.core import clock, plain
from app.core.audit import note
from app.core.db import db
from app.core.errors import Conflict
from app.core.events import announce
from app.core.states import move_to
from app.domains.booking import events, policies, queries
from app.domains.booking.errors import SlotTaken
from app.domains.booking.models import DONE, HELD, LAPSED, STUDENT, TUTOR, Lesson, Occupation, Seat
from app.domains.booking.policies import Interval
from app.domains.booking.queries import PlaceOfSeat
from app.domains.catalog.models import GROUP


@dataclass(frozen=True)
class Claim:
    """Somebody's time for a lesson: a tutor's with buffers, a student's for a seat."""

    kind: str
    person_id: int
    span: Interval
    seat_id: int | None = None


def is_group(lesson: Lesson) -> bool:
    return lesson.offering.kind == GROUP


def lock_seat(seat: Seat | PlaceOfSeat, *, people: Iterable[int] = ()) -> tuple[Seat, Lesson]:
    """The seat and its lesson as they are now, with everybody's time locked: tutor, student and `people`.
    Who has just read where it is, says so. Raises Conflict where it changed hands or dates meanwhile."""
    place = seat if isinstance(seat, PlaceOfSeat) else queries.place_of_seat(seat.id)
    locked = {place.tutor_id, place.student_id, *people}
    queries.lock_people(locked)
    found, lesson = queries.seat_with_lesson_for_update(place.id, lesson_id=place.lesson_id)
    if found.student_id not in {None, *locked}:
        raise Conflict
    return found, lesson


def claims_of(lesson: Lesson, *, student_id: int | None, seat_id: int | None) -> list[Claim]:
    """What a seat needs: its student's time, and the tutor's where the lesson is this seat's alone."""
    span = Interval(lesson.starts_at, lesson.ends_at)
    wanted = [] if is_group(lesson) else [tutor_claim(lesson, queries.terms_of(lesson.tutor_id))]
    if student_id is not None:
        wanted.append(Claim(STUDENT, student_id, span, seat_id))
    return wanted


def tutor_claim(lesson: Lesson, terms: policies.Terms | None) -> Claim:
    """With the buffers that the tutor wants now."""
    return Claim(TUTOR, lesson.tutor_id, policies.with_buffers(lesson.starts_at, lesson.ends_at, terms))


def occupy(lesson: Lesson, claims: Sequence[Claim], *, expires_at: dt.datetime | None) -> bool:
    """Take these people's time, until `expires_at` or for good; False where somebody is somewhere else. They
    are locked, and the lesson is in the database."""
    if not claims:
        return True
    if len({claim.person_id for claim in claims}) < len(claims):
        return False  # a tutor is not their own student
    return _take(lesson, claims, expires_at) or (make_way(claims) and _take(lesson, claims, expires_at))


def make_way(claims: Sequence[Claim]) -> bool:
    """Where nothing but holds that ran out is in the way of these claims, clear them away."""
    expired, is_free = queries.in_the_way([(claim.person_id, claim.span) for claim in claims])
    if not expired or not is_free:
        return False
    _clear(expired)
    return True


def _take(lesson: Lesson, claims: Sequence[Claim], expires_at: dt.datetime | None) -> bool:
    """Where nothing is in the way of any, write what they take: in one statement, so that the time under the
    locks is short. Where somebody wrote past the locks, the exclusion constraint has the last word."""
    values: dict[str, Any] = {"expires_at": expires_at, "lesson_id": lesson.id, "tenant": lesson.tenant_id}
    for place, claim in enumerate(claims):
        values[f"kind_{place}"], values[f"person_{place}"] = claim.kind, claim.person_id
        values[f"during_{place}"] = Range(claim.span.starts_at, claim.span.ends_at)
        values[f"seat_{place}"] = claim.seat_id
    taken = db.session.scalars(_taking(len(claims)), values).all()
    if 0 < len(taken) < len(claims):
        db.session.execute(delete(Occupation).where(Occupation.id.in_(taken)))
    return len(taken) == len(claims)


@lru_cache(maxsize=16)
def _taking(number: int) -> ReturningInsert[tuple[int]]:
    """Of so many claims."""
    table = Occupation.__table__
    wanted = [
        (
            bindparam(f"kind_{place}", type_=table.c.resource_kind.type),
            bindparam(f"person_{place}", type_=table.c.resource_id.type),
            bindparam(f"during_{place}", type_=table.c.during.type),
            bindparam(f"seat_{place}", type_=table.c.seat_id.type),
        )
        for place in range(number)
    ]
    is_free = queries.nobody_there([(person, during) for _kind, person, during, _seat in wanted])
    rows = [
        select(
            bindparam("tenant", type_=table.c.tenant_id.type),
            *(part for part in (kind, person, during)),
            bindparam("expires_at", type_=table.c.expires_at.type),
            bindparam("lesson_id", type_=table.c.lesson_id.type),
            seat,
        ).where(is_free)
        for kind, person, during, seat in wanted
    ]
    return (
        insert(table)
        .from_select(
            [
                table.c.tenant_id,
                table.c.resource_kind,
                table.c.resource_id,
                table.c.during,
                table.c.expires_at,
                table.c.lesson_id,
                table.c.seat_id,
            ],
            union_all(*rows) if number > 1 else rows[0],
        )
        .on_conflict_do_nothing()
        .returning(table.c.id)
    )


def _clear(lesson_ids: Sequence[int]) -> None:
    """Lapse the holds of these lessons that ran out, so that nothing goes on saying that they hold."""
    lessons = {lesson.id: lesson for lesson in queries.lessons_for_update(lesson_ids)}
    for seat in queries.seats_for_update(lesson_ids, [HELD]):
        if is_expired(seat):
            lapse(seat, lessons[seat.lesson_id])
    db.session.execute(
        delete(Occupation).where(Occupation.lesson_id.in_(lesson_ids), Occupation.expires_at <= clock.now())
    )


def is_expired(seat: Seat) -> bool:
    """Its last moment is over: at `expires_at` others may have it."""
    return seat.expires_at is not None and seat.expires_at <= clock.now()


def lapse(seat: Seat, lesson: Lesson) -> None:
    """A hold ran out. Both are locked."""
    end_hold(seat, lesson, LAPSED, "lapsed")


def end_hold(seat: Seat, lesson: Lesson, state: str, verb: str) -> None:
    """The place is free again; a lesson that was made for this hold goes with it."""
    move_to(seat, state)
    note(seat, verb)
    lesson.taken -= 1
    if lesson.status == HELD:
        move_to(lesson, LAPSED)
    vacate(seat, lesson)
    announce(events.SeatReleased(tenant_id=seat.tenant_id, seat_id=seat.id))


def vacate(seat: Seat, lesson: Lesson) -> None:
    """Give up what a seat takes of people's time: the student's, and the tutor's where nobody else comes."""
    theirs = Occupation.seat_id == seat.id
    if not is_group(lesson):
        theirs = or_(theirs, Occupation.lesson_id == lesson.id)
    db.session.execute(delete(Occupation).where(theirs))


def vacate_student(seat: Seat) -> None:
    """Only the student's; the tutor's time stays held."""
    db.session.execute(delete(Occupation).where(Occupation.seat_id == seat.id))


def vacate_lesson(lesson: Lesson) -> None:
    db.session.execute(delete(Occupation).where(Occupation.lesson_id == lesson.id))


_REACH = dt.timedelta(minutes=policies.LONGEST_BUFFER_MINUTES)
_FORGOTTEN = 500  # rows at most with one lesson: who has years of them behind them keeps nobody waiting


def forget_past(lesson: Lesson) -> None:
    """It took place: what earlier ones took of its people's time is over, and keeps nobody from anything. Not
    what ended just now: the pause before a lesson to come may reach back to it. Whoever wants their time
    looks through all that is there, since row-level security lets no index compare ranges: of five years a
    hold cost the database six times as much."""
    there = aliased(Occupation)
    people = select(there.resource_id).where(there.lesson_id == lesson.id)
    over = (
        select(Occupation.id)
        .join(Occupation.lesson)
        .where(
            Occupation.resource_kind.in_(queries.PEOPLE),
            Occupation.resource_id.in_(people),
            func.upper(Occupation.during) <= clock.now() - _REACH,
            Lesson.status == DONE,
        )
        .limit(_FORGOTTEN)
        .with_for_update(of=Occupation, skip_locked=True)  # what others forget just now
    )
    gone = delete(Occupation).where(Occupation.id.in_(over))
    db.session.execute(gone, execution_options={"synchronize_session": False})


def _prolonging(*, with_tutor: bool) -> Update:
    """Made once."""
    table = Occupation.__table__
    theirs: ColumnElement[bool] = table.c.seat_id == bindparam("seat")
    if with_tutor:
        theirs = or_(theirs, and_(table.c.lesson_id == bindparam("lesson"), table.c.seat_id.is_(None)))
    until = bindparam("until", type_=table.c.expires_at.type)
    return update(table).where(table.c.tenant_id == plain.tenant(), theirs).values(expires_at=until)


_PROLONG, _PROLONG_WITH_TUTOR = _prolonging(with_tutor=False), _prolonging(with_tutor=True)


def prolong(seat: Seat, lesson: Lesson, *, expires_at: dt.datetime | None) -> None:
    """What the seat takes stays taken until then, or for good. A group class's own row stays as it is."""
    if is_group(lesson):
        plain.write(_PROLONG, seat=seat.id, until=expires_at)
    else:
        plain.write(_PROLONG_WITH_TUTOR, seat=seat.id, lesson=lesson.id, until=expires_at)


def slot_taken(
    lesson_tutor_id: int,
    duration: dt.timedelta,
    *,
    after: dt.datetime,
    student_id: int | None = None,
    message: LazyString | None = None,
) -> SlotTaken:
    """The refusal, with the next free times."""
    found = queries.alternatives(lesson_tutor_id, duration, after=after, student_id=student_id)
    return SlotTaken(message, alternatives=found)
