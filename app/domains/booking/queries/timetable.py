"""What of a tutor's time can be booked, and by whom it is taken."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, and_, or_, select
from sqlalchemy.dialects.postgresql import Range
from sqlalchemy.orm import joinedload, selectinload

from app.core import clock
from app.core.db import db
from app.core.errors import NotFound
from app.domains.booking import policies
from app.domains.booking.models import (
    AvailabilityOverride,
    AvailabilityRule,
    AvailabilitySchedule,
    Occupation,
)
from app.domains.booking.policies import Interval, Slot, Sold, SoldVariant
from app.domains.booking.queries.tables import PEOPLE, Terms, Timetable, timetable
from app.domains.catalog.models import ONE_TO_ONE, PUBLISHED, TRIAL, Offering, Variant

_DAY = dt.timedelta(days=1)
_BEYOND = 3 * _DAY  # a lesson takes up to a day, and days are counted in the tutor's zone
BY_SLOT = frozenset({ONE_TO_ONE, TRIAL})


def slots(offering: Offering, variant: Variant, *, since: dt.datetime, until: dt.datetime) -> list[Slot]:
    """When a lesson of this offering can begin, from `since` to before `until`, in order. Nothing for what is
    not sold by the slot (group classes, recorded courses) or not at all."""
    if why_not_sold(offering, variant) is not None:
        return []
    return slots_of_tutor(offering.tutor_id, _duration(variant), since, until)


def slots_of_tutor(
    tutor_id: int, duration: dt.timedelta, since: dt.datetime, until: dt.datetime
) -> list[Slot]:
    """When something of this tutor that is so long can begin, whatever it is."""
    since, until = bookable(since, until)
    return timetable(tutor_id, since=since, until=until).slots(duration, since, until)


def bookable(since: dt.datetime, until: dt.datetime) -> tuple[dt.datetime, dt.datetime]:
    """What of a stretch of time anybody can have opened."""
    now = clock.now()
    return max(since, now), min(until, now + 367 * _DAY)


def why_not_sold(offering: Sold, variant: SoldVariant) -> str | None:
    """not_published, by_date (a group class or a course has no slots), or None."""
    if offering.status != PUBLISHED or not variant.is_active or variant.offering_id != offering.id:
        return "not_published"
    return None if offering.kind in BY_SLOT else "by_date"


def why_not_offered(offering: Sold, variant: SoldVariant, starts_at: dt.datetime) -> str | None:
    """Why nobody can book this time, in the words of `NotOffered`, or `taken`; None where it is free."""
    return looked_at(offering, variant, starts_at)[0]


def looked_at(
    offering: Sold, variant: SoldVariant, starts_at: dt.datetime, found: Timetable | None = None
) -> tuple[str | None, Terms | None]:
    """As `why_not_offered`, and the tutor's terms by which it was found, where they were looked at. `found`
    is what was read just now of the tutor's time around it."""
    why = why_not_sold(offering, variant) or policies.why_out_of_sight(starts_at, clock.now())
    if why is not None:
        return why, None
    starts_at, duration = starts_at.astimezone(dt.UTC), _duration(variant)
    if found is None:
        found = timetable(offering.tutor_id, since=starts_at, until=starts_at + duration)
    why = found.why_not(starts_at, duration)
    if why is None and found.is_taken(starts_at, starts_at + duration):
        why = "taken"
    return why, found.schedule


def alternatives(
    tutor_id: int,
    duration: dt.timedelta,
    *,
    after: dt.datetime,
    student_id: int | None = None,
    count: int = 5,
    days: int = 14,
) -> list[str]:
    """The next free starts as ISO 8601 in UTC, free for the student too; what `SlotTaken` carries."""
    until = after + days * _DAY
    found = slots_of_tutor(tutor_id, duration, after, until)
    busy = busy_people([student_id], since=after - _DAY, until=until + _BEYOND) if student_id else []
    return [slot.starts_at.isoformat() for slot in policies.first_free(found, busy, count)]


def _duration(variant: SoldVariant) -> dt.timedelta:
    return dt.timedelta(minutes=variant.duration_minutes)


# -- Occupation --------------------------------------------------------------------------------------------


def busy_people(
    person_ids: Sequence[int | None], *, since: dt.datetime, until: dt.datetime
) -> list[Interval]:
    """Where these people are, teaching or learning; holds that ran out don't count."""
    rows = db.session.execute(
        select(Occupation.during).where(
            Occupation.resource_kind.in_(PEOPLE),
            Occupation.resource_id.in_([person_id for person_id in person_ids if person_id is not None]),
            Occupation.during.overlaps(Range(since, until)),
            in_force(),
        )
    )
    return policies.merged(
        Interval(row.during.lower.astimezone(dt.UTC), row.during.upper.astimezone(dt.UTC)) for row in rows
    )


def is_free(wanted: Iterable[tuple[int, Interval]]) -> bool:
    """Whether each of these people is free for their stretch, whatever they do in it."""
    where = [
        and_(
            Occupation.resource_id == person_id,
            Occupation.during.overlaps(Range(span.starts_at, span.ends_at)),
        )
        for person_id, span in wanted
    ]
    taken = select(Occupation.id).where(Occupation.resource_kind.in_(PEOPLE), or_(*where), in_force())
    return db.session.scalar(taken.limit(1)) is None


def in_force() -> ColumnElement[bool]:
    return or_(Occupation.expires_at.is_(None), Occupation.expires_at > clock.now())


# -- Schedules ---------------------------------------------------------------------------------------------


def schedule_of(tutor_id: int) -> AvailabilitySchedule | None:
    """With its rules and overrides."""
    return db.session.scalars(
        select(AvailabilitySchedule)
        .where(AvailabilitySchedule.tutor_id == tutor_id)
        .options(
            joinedload(AvailabilitySchedule.tutor),
            selectinload(AvailabilitySchedule.rules),
            selectinload(AvailabilitySchedule.overrides),
        )
        .execution_options(populate_existing=True)
    ).one_or_none()


def schedule_for_update(schedule_id: int) -> AvailabilitySchedule:
    """The locked row, as it is now. Raises NotFound."""
    found = db.session.scalars(
        select(AvailabilitySchedule)
        .where(AvailabilitySchedule.id == schedule_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def rules_of(schedule_id: int) -> Sequence[AvailabilityRule]:
    return db.session.scalars(
        select(AvailabilityRule).where(AvailabilityRule.schedule_id == schedule_id)
    ).all()


def overrides_of(schedule_id: int, on_date: dt.date) -> Sequence[AvailabilityOverride]:
    return db.session.scalars(
        select(AvailabilityOverride).where(
            AvailabilityOverride.schedule_id == schedule_id, AvailabilityOverride.on_date == on_date
        )
    ).all()
