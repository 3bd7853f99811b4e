"""Rows and people locked for a change, in one order everywhere: order, people, lessons, seats.

People are locked by advisory locks, since what they must not overlap with may not be there yet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, bindparam, func, or_, select, text
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import contains_eager, joinedload

from app.core import clock, plain, scope
from app.core.db import db
from app.core.errors import Conflict, NotFound
from app.domains.booking.models import HELD, TAKING, Lesson, Occupation, Seat
from app.domains.booking.policies import Interval
from app.domains.booking.queries.tables import is_of_person
from app.domains.catalog.models import Offering
from app.domains.payments.models import Order, OrderLine

# By their keys in order, so that two who want the same people never wait for each other.
_LOCK = text("""
    SELECT pg_advisory_xact_lock(key)
    FROM (SELECT DISTINCT hashtextextended(mark, 5) AS key FROM unnest(CAST(:marks AS text[])) AS mark
          ORDER BY 1) AS keys
""")


def lock_people(person_ids: Iterable[int | None], *, actor: str | None = None) -> None:
    """Nobody else books, moves or gives up time of these people until the transaction ends; nor does
    `actor` hold anything else meanwhile."""
    tenant_id = scope.tenant_id()
    marks = [f"{tenant_id}|person|{person_id}" for person_id in person_ids if person_id is not None]
    if actor is not None:
        marks.append(f"{tenant_id}|holder|{actor}")
    db.session().connection().execute(_LOCK, {"marks": marks})


@dataclass(frozen=True, slots=True)
class PlaceOfSeat:
    """Who is to be locked before a seat is, and whose it is."""

    id: int
    code: str
    lesson_id: int
    tutor_id: int
    student_id: int | None
    payer_id: int | None
    line_id: int | None
    actor: str
    status: str


def _places() -> Select[Any]:
    seat, lesson = Seat.__table__.c, Lesson.__table__.c
    columns = (seat.id, seat.code, lesson.id, lesson.tutor_id, seat.student_id, seat.payer_id, seat.line_id)
    return (
        select(*columns, seat.actor, seat.status)
        .join(Lesson.__table__, and_(lesson.id == seat.lesson_id, lesson.tenant_id == seat.tenant_id))
        .where(seat.tenant_id == plain.tenant())
    )


_BY_ID = _places().where(Seat.__table__.c.id == bindparam("seat"))
_BY_CODE = _places().where(Seat.__table__.c.code == bindparam("code"))
_BY_LINE = _places().where(Seat.__table__.c.line_id == bindparam("line"))


def place_of_seat(seat_id: int) -> PlaceOfSeat:
    """As the database says now, not as it was read before. Raises NotFound."""
    return _one_place(plain.rows(_BY_ID, seat=seat_id))


def place_of_code(code: str) -> PlaceOfSeat:
    """As `place_of_seat`. Whoever has a hold's code may go on with it; what is booked is its people's."""
    return _one_place(plain.rows(_BY_CODE, code=code))


def places_of_line(line_id: int) -> list[PlaceOfSeat]:
    """Of the seat that an order line paid for: one, or none where the line was replaced."""
    return [PlaceOfSeat(*row) for row in plain.rows(_BY_LINE, line=line_id)]


def _one_place(rows: Sequence[Any]) -> PlaceOfSeat:
    if not rows:
        raise NotFound
    return PlaceOfSeat(*rows[0])


def order_of_seat_for_update(line_id: int | None, *, nowait: bool = False) -> Order | None:
    """The order that a seat's line belongs to, locked; payments lock it first too. With `nowait`, for who
    holds other locks already, one that somebody has makes the whole work begin anew."""
    if line_id is None:
        return None
    return db.session.scalars(
        select(Order)
        .join(OrderLine, OrderLine.order_id == Order.id)
        .where(OrderLine.id == line_id)
        .with_for_update(of=Order, nowait=nowait)
        .execution_options(populate_existing=True)
    ).one_or_none()


_LESSONS = (
    select(Lesson)
    .where(Lesson.id.in_(bindparam("lessons", expanding=True)))
    .order_by(Lesson.id)
    .options(
        joinedload(Lesson.offering).options(joinedload(Offering.policy), joinedload(Offering.tax_rate)),
        joinedload(Lesson.variant),
    )
    .with_for_update(of=Lesson)
    .execution_options(populate_existing=True)
)


def lessons_for_update(lesson_ids: Collection[int]) -> Sequence[Lesson]:
    """Locked in the order of their ids, as they are now, with their offerings."""
    return db.session.scalars(_LESSONS, {"lessons": list(lesson_ids)}).all()


def lesson_for_update(lesson_id: int) -> Lesson:
    """Raises NotFound."""
    found = lessons_for_update([lesson_id])
    if not found:
        raise NotFound
    return found[0]


_SEAT_WITH_LESSON = (
    select(Seat, Lesson)
    .join(Lesson, and_(Lesson.id == Seat.lesson_id, Lesson.tenant_id == Seat.tenant_id))
    .where(Seat.id == bindparam("seat"), Lesson.id == bindparam("lesson"))
    .options(
        contains_eager(Seat.lesson),
        joinedload(Lesson.offering).joinedload(Offering.tax_rate),
        joinedload(Lesson.variant),
    )
    .with_for_update(of=[Lesson, Seat])  # in this order, as everywhere
    .execution_options(populate_existing=True)
)


def seat_with_lesson_for_update(seat_id: int, *, lesson_id: int) -> tuple[Seat, Lesson]:
    """Both locked, the lesson first, as they are now, with what is taught. Raises Conflict where the seat is
    not in this lesson any more."""
    found = db.session.execute(_SEAT_WITH_LESSON, {"seat": seat_id, "lesson": lesson_id}).one_or_none()
    if found is None:
        raise Conflict
    return found[0], found[1]


def seat_for_update(seat_id: int) -> Seat:
    """Raises NotFound. Its lesson is locked before it."""
    found = db.session.scalars(
        select(Seat).where(Seat.id == seat_id).with_for_update().execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def seats_for_update(lesson_ids: Collection[int], statuses: Collection[str]) -> Sequence[Seat]:
    """The seats of these lessons, which are locked, in these states, in the order of their ids."""
    return db.session.scalars(
        select(Seat)
        .where(Seat.lesson_id.in_(lesson_ids), Seat.status.in_(statuses))
        .order_by(Seat.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).all()


def in_the_way(wanted: Iterable[tuple[int, Interval]]) -> tuple[Sequence[int], bool]:
    """(the lessons whose holds ran out in these people's stretches, whether nothing else is there), whatever
    they do in them. One statement."""
    taken, theirs = Occupation.__table__.c, []
    for person_id, span in wanted:
        theirs.append(
            and_(
                taken.resource_id == person_id,
                taken.during.overlaps(Range(span.starts_at, span.ends_at)),
            )
        )
    rows = plain.rows(
        select(taken.lesson_id, func.coalesce(taken.expires_at <= clock.now(), False)).where(
            taken.tenant_id == plain.tenant(), is_of_person(taken.resource_kind), or_(*theirs)
        )
    )
    expired = sorted({lesson_id for lesson_id, has_run_out in rows if has_run_out})
    return expired, all(has_run_out for _lesson_id, has_run_out in rows)


def nobody_there(
    wanted: Iterable[tuple[ColumnElement[Any], ColumnElement[Any]]],
) -> ColumnElement[bool]:
    """The condition of a statement for `plain`, or of an `Addition`: that nothing takes any of these people's
    (person, stretch) time, not even what ran out."""
    there = Occupation.__table__.alias("there")
    theirs = (
        and_(there.c.resource_id == person, there.c.during.overlaps(during)) for person, during in wanted
    )
    taken = select(there.c.id).where(
        there.c.tenant_id == plain.tenant(), is_of_person(there.c.resource_kind), or_(*theirs)
    )
    return ~taken.exists()


@dataclass(frozen=True, slots=True)
class Held:
    """A seat that somebody holds, and in which lesson."""

    id: int
    student_id: int | None
    line_id: int | None
    lesson_id: int
    lesson_status: str
    variant_id: int
    tutor_id: int
    starts_at: dt.datetime
    ends_at: dt.datetime


def _is_held_by_actor() -> ColumnElement[bool]:
    seat = Seat.__table__.c
    return and_(
        seat.tenant_id == plain.tenant(),
        seat.actor == bindparam("actor"),
        # As a word of the statement: the index of what is held is for that one alone.
        seat.status == plain.word(HELD),
        seat.expires_at > bindparam("now"),
    )


def holds_nothing() -> ColumnElement[bool]:
    """The condition of an `Addition`: that `actor` holds nothing `now`."""
    return ~select(Seat.__table__.c.id).where(_is_held_by_actor()).exists()


def _held_by() -> Select[Any]:
    seat, lesson = Seat.__table__.c, Lesson.__table__.c
    columns = (lesson.id, lesson.status, lesson.variant_id, lesson.tutor_id, lesson.starts_at, lesson.ends_at)
    return (
        select(seat.id, seat.student_id, seat.line_id, *columns)
        .join(Lesson.__table__, and_(lesson.id == seat.lesson_id, lesson.tenant_id == seat.tenant_id))
        .where(_is_held_by_actor())
        .order_by(seat.id)
    )


_HELD_BY = _held_by()


def held_by(actor: str) -> list[Held]:
    """What somebody holds now."""
    return [Held(*row) for row in plain.rows(_HELD_BY, actor=actor, now=clock.now())]


def lines_of_lesson(lesson_id: int) -> Sequence[int]:
    """The order lines of a lesson's seats, in the order in which their orders are locked."""
    found = select(Seat.line_id).join(OrderLine, OrderLine.id == Seat.line_id)
    query = found.where(Seat.lesson_id == lesson_id, Seat.status.in_(TAKING)).order_by(OrderLine.order_id)
    return [line_id for line_id in db.session.scalars(query) if line_id is not None]


def students_of(lesson_id: int) -> Sequence[int]:
    """Who learns in a lesson."""
    found = select(Seat.student_id).where(Seat.lesson_id == lesson_id, Seat.status.in_(TAKING))
    return [student_id for student_id in db.session.scalars(found) if student_id is not None]
