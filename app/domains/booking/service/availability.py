"""When a tutor teaches: terms, the week, and dates on which the week does not count. Lessons that are
booked never move by it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import lazy_gettext as _l

from app.core.audit import note
from app.core.db import db
from app.core.errors import Invalid
from app.core.events import announce
from app.domains.accounts.models import Person
from app.domains.booking import events, policies, queries
from app.domains.booking.models import AvailabilityOverride, AvailabilityRule, AvailabilitySchedule
from app.domains.tenancy.policies import is_timezone

DAY_MINUTES = 1440
STEPS = (5, 10, 15, 20, 30, 60)
MOST_STRETCHES = 24  # a day
_RANGES = {
    "buffer_before_minutes": (0, policies.LONGEST_BUFFER_MINUTES),
    "buffer_after_minutes": (0, policies.LONGEST_BUFFER_MINUTES),
    "notice_minutes": (0, 43_200),
    "horizon_days": (1, 365),
}


@dataclass(frozen=True)
class NewTerms:
    """What a tutor asks of a booking; minutes and days, the zone by its IANA name."""

    timezone: str
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    notice_minutes: int = 120
    horizon_days: int = 60
    step_minutes: int = 30


@dataclass(frozen=True, order=True)
class Stretch:
    """Working time of a weekday (Monday is 0), in minutes since midnight; it ends by 1440."""

    weekday: int
    starts_minute: int
    ends_minute: int


def set_schedule(tutor: Person, *, terms: NewTerms) -> AvailabilitySchedule:
    """A tutor's terms; the first time makes their schedule, with no working hours yet. Raises Invalid."""
    if not is_timezone(terms.timezone):
        raise Invalid(_l("This is not a time zone."), field="timezone")
    for field, (least, most) in _RANGES.items():
        if not least <= getattr(terms, field) <= most:
            raise Invalid(_l("Between %(least)s and %(most)s, please.", least=least, most=most), field=field)
    if terms.step_minutes not in STEPS:
        raise Invalid(_l("Please choose one of the steps."), field="step_minutes")
    queries.lock_people([tutor.id])
    schedule = queries.schedule_of(tutor.id)
    if schedule is None:
        schedule = AvailabilitySchedule(tutor_id=tutor.id)
        db.session.add(schedule)
    for field in (*_RANGES, "timezone", "step_minutes"):
        setattr(schedule, field, getattr(terms, field))
    _changed(schedule)
    return schedule


def set_week(schedule: AvailabilitySchedule, *, rules: Sequence[Stretch]) -> AvailabilitySchedule:
    """The working hours of every week in place of those before; what touches is one. Raises Invalid."""
    for rule in rules:
        if not 0 <= rule.weekday <= 6:
            raise Invalid(_l("This is not a day of the week."), field="weekday")
    schedule = queries.schedule_for_update(schedule.id)
    wanted = {
        Stretch(day, starts, ends)
        for day in range(7)
        for starts, ends in _joined([(r.starts_minute, r.ends_minute) for r in rules if r.weekday == day])
    }
    for row in queries.rules_of(schedule.id):
        known = Stretch(row.weekday, row.starts_minute, row.ends_minute)
        if known in wanted:
            wanted.remove(known)  # what stays as it is is not written anew
        else:
            db.session.delete(row)
    db.session.add_all(
        AvailabilityRule(
            schedule_id=schedule.id,
            weekday=rule.weekday,
            starts_minute=rule.starts_minute,
            ends_minute=rule.ends_minute,
        )
        for rule in sorted(wanted)
    )
    _changed(schedule)
    return schedule


def set_override(
    schedule: AvailabilitySchedule,
    *,
    on_date: dt.date,
    stretches: Sequence[tuple[int, int]] = (),
    remark: str | None = None,
) -> list[AvailabilityOverride]:
    """What counts on one date instead of the week: these (start, end) minutes, or nothing at all. Raises
    Invalid."""
    schedule = queries.schedule_for_update(schedule.id)
    for row in queries.overrides_of(schedule.id, on_date):
        db.session.delete(row)
    spans: list[tuple[int | None, int | None]] = [*_joined(list(stretches))] or [(None, None)]
    rows = [
        AvailabilityOverride(
            schedule_id=schedule.id,
            on_date=on_date,
            starts_minute=starts,
            ends_minute=ends,
            note=(remark or "").strip()[:120] or None,
        )
        for starts, ends in spans
    ]
    db.session.add_all(rows)
    _changed(schedule)
    return rows


def remove_override(schedule: AvailabilitySchedule, *, on_date: dt.date) -> None:
    """The week counts again on this date."""
    schedule = queries.schedule_for_update(schedule.id)
    for row in queries.overrides_of(schedule.id, on_date):
        db.session.delete(row)
    _changed(schedule)


def _joined(stretches: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """In order, those that touch or overlap as one. Raises Invalid for one that is no stretch of a day."""
    if len(stretches) > MOST_STRETCHES:
        raise Invalid(_l("Too many working times for one day."), field="rules")
    found: list[tuple[int, int]] = []
    for starts, ends in sorted(stretches):
        if not 0 <= starts < ends <= DAY_MINUTES:
            raise Invalid(_l("Working time must end after it begins, by midnight."), field="rules")
        if found and starts <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ends))
        else:
            found.append((starts, ends))
    return found


def _changed(schedule: AvailabilitySchedule) -> None:
    note(schedule, "working hours changed")
    db.session.flush()  # what is read of it from here on is new
    db.session.expire(schedule, ["rules", "overrides"])
    announce(events.AvailabilityChanged(tenant_id=schedule.tenant_id, tutor_id=schedule.tutor_id))
