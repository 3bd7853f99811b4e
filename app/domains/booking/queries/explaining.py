"""Why a time of a tutor is not offered: as a program would ask, and what to call what is in the way."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import joinedload

from app.core import clock
from app.core.db import db
from app.domains.booking import policies
from app.domains.booking.models import TUTOR, Lesson, Occupation
from app.domains.booking.policies import Interval, Reason, Taken
from app.domains.booking.queries.tables import PEOPLE, timetable
from app.domains.booking.queries.timetable import in_force, why_not_sold
from app.domains.catalog.models import Offering, Variant

_DAY = dt.timedelta(days=1)


def explained(
    tutor_id: int,
    starts_at: dt.datetime,
    duration: dt.timedelta,
    *,
    sold: tuple[Offering, Variant] | None = None,
) -> Reason | None:
    """The first rule that keeps a lesson from beginning then; None where it is offered. With what is sold
    also not_published and by_date; suspended where nothing can be booked at all, no_schedule without hours.
    Two statements."""
    why = why_not_sold(*sold) if sold is not None else None
    why = why or policies.why_out_of_sight(starts_at, clock.now())
    if why is not None:
        return Reason(why)
    until = starts_at + duration
    table = timetable(tutor_id, since=starts_at, until=until)
    if table.is_suspended:
        return Reason("suspended")
    if table.schedule is None:
        return Reason("no_schedule")
    return policies.why_not_free(
        table.open_time,
        taken_of(tutor_id, since=starts_at - _DAY, until=until + _DAY),
        dated=table.dated,
        starts_at=starts_at,
        duration=duration,
        terms=table.schedule,
        now=clock.now(),
    )


def taken_of(person_id: int, *, since: dt.datetime, until: dt.datetime) -> list[Taken]:
    """What is in somebody's calendar, each with its name, teaching or learning; holds that ran out don't
    count. One statement."""
    rows = db.session.scalars(
        select(Occupation)
        .where(
            Occupation.resource_kind.in_(PEOPLE),
            Occupation.resource_id == person_id,
            Occupation.during.overlaps(Range(since, until)),
            in_force(),
        )
        .order_by(Occupation.during)
        .options(joinedload(Occupation.lesson).joinedload(Lesson.offering))
    ).all()
    return [_taken(row) for row in rows]


def _taken(row: Occupation) -> Taken:
    lesson, during = row.lesson, row.during
    assert during.lower is not None, "people's time has a beginning"
    assert during.upper is not None, "and an end"
    return Taken(
        whole=Interval(during.lower.astimezone(dt.UTC), during.upper.astimezone(dt.UTC)),
        lesson=Interval(lesson.starts_at, lesson.ends_at),
        label=lesson.offering.title,
        url_code=lesson.code,
        is_held=row.expires_at is not None,
        teaches=row.resource_kind == TUTOR,
    )
