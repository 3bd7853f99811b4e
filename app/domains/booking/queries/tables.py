"""A tutor's time in one statement, however long the stretch and however many tutors: the hottest read there
is, so plain columns and arrays of them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    and_,
    any_,
    bindparam,
    func,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.types import NullType

from app.core import clock, plain
from app.domains.accounts.models import ACTIVE as IN_FORCE
from app.domains.accounts.models import ENDED, Membership
from app.domains.accounts.models import TUTOR as TEACHES
from app.domains.booking import policies
from app.domains.booking.models import (
    STUDENT,
    TUTOR,
    AvailabilityOverride,
    AvailabilityRule,
    AvailabilitySchedule,
    Occupation,
)
from app.domains.booking.policies import Interval, Slot
from app.domains.tenancy.models import ACTIVE, Tenant

_DAY = dt.timedelta(days=1)
_LONGEST_KEPT = 45 * _DAY  # more than a page shows; whoever asks for a year would fill the memory with it
_BEYOND = 3 * _DAY  # a lesson takes up to a day, and days are counted in the tutor's zone
PEOPLE = (TUTOR, STUDENT)


@dataclass(slots=True)
class Terms:
    """What a tutor asks of a booking; see `policies.Terms`."""

    timezone: str
    buffer_before_minutes: int
    buffer_after_minutes: int
    notice_minutes: int
    horizon_days: int
    step_minutes: int


@dataclass(slots=True)
class _Rule:
    weekday: int
    starts_minute: int
    ends_minute: int


@dataclass(slots=True)
class _Override:
    on_date: dt.date
    starts_minute: int | None
    ends_minute: int | None


@dataclass(frozen=True)
class Timetable:
    """A tutor's terms, working hours and what is taken, around some stretch of time. Of a company that is
    suspended, and of a tutor who has left, nothing can be booked (`is_suspended`). `dated` are the dates on
    which the week does not count."""

    schedule: Terms | None
    open_time: tuple[Interval, ...]
    busy: tuple[Interval, ...]
    is_suspended: bool
    dated: frozenset[dt.date] = frozenset()

    def slots(self, duration: dt.timedelta, since: dt.datetime, until: dt.datetime) -> list[Slot]:
        if self.schedule is None or self.is_suspended:
            return []
        return policies.free_slots(
            self.open_time,
            self.busy,
            duration=duration,
            terms=self.schedule,
            since=since,
            until=until,
            now=clock.now(),
        )

    def why_not(self, starts_at: dt.datetime, duration: dt.timedelta) -> str | None:
        """Apart from what is taken."""
        if self.is_suspended:
            return "suspended"
        if self.schedule is None:
            return "past" if starts_at < clock.now() else "outside_hours"
        return policies.why_not(
            self.open_time, starts_at=starts_at, duration=duration, terms=self.schedule, now=clock.now()
        )

    def is_taken(self, starts_at: dt.datetime, ends_at: dt.datetime) -> bool:
        wanted = policies.with_buffers(starts_at, ends_at, self.schedule)
        return any(interval.overlaps(wanted) for interval in self.busy)


NO_HOURS = Timetable(None, (), (), is_suspended=False)


def is_of_person(kind: ColumnElement[str]) -> ColumnElement[bool]:
    """Of an occupation's kind. The words stand in the statement: they are always the same ones."""
    return kind.in_([plain.word(each) for each in PEOPLE])


def is_closed(taught_by: Any) -> ColumnElement[bool]:
    """Whether nothing can be booked with the tutor of a row (`tenant_id`, `tutor_id`): the company is
    suspended, or they have left it."""
    member, company = Membership.__table__.c, Tenant.__table__.c
    suspended = select(company.status != plain.word(ACTIVE)).where(company.id == taught_by.tenant_id)
    taught = select(member.id).where(
        member.tenant_id == taught_by.tenant_id,
        member.person_id == taught_by.tutor_id,
        member.role_key == plain.word(TEACHES),
    )
    left = and_(
        taught.where(member.status == plain.word(ENDED)).exists(),
        ~taught.where(member.status == plain.word(IN_FORCE)).exists(),
    )
    return or_(suspended.scalar_subquery(), left)


def timetable_columns() -> list[ColumnElement[Any]]:
    """Of a schedule whether it is closed, as arrays its week, what replaces it and what is taken, and its
    terms, for `read_timetable`; in a statement with the values of `window`."""
    schedule, rule = AvailabilitySchedule.__table__.c, AvailabilityRule.__table__.c
    override, taken = AvailabilityOverride.__table__.c, Occupation.__table__.c
    week = select(
        func.json_agg(func.json_build_array(rule.weekday, rule.starts_minute, rule.ends_minute))
    ).where(rule.tenant_id == schedule.tenant_id, rule.schedule_id == schedule.id)
    dated = select(
        func.json_agg(func.json_build_array(override.on_date, override.starts_minute, override.ends_minute))
    ).where(
        override.tenant_id == schedule.tenant_id,
        override.schedule_id == schedule.id,
        override.on_date.between(bindparam("first"), bindparam("last")),
    )
    ends = array([func.lower(taken.during), func.upper(taken.during)])
    busy = select(type_coerce(func.array_agg(ends), NullType())).where(
        taken.tenant_id == schedule.tenant_id,
        is_of_person(taken.resource_kind),
        taken.resource_id == schedule.tutor_id,
        taken.during.overlaps(func.tstzrange(bindparam("since"), bindparam("until"))),
        or_(taken.expires_at.is_(None), taken.expires_at > bindparam("now")),
    )
    read = [each.scalar_subquery() for each in (week, dated, busy)]
    return [is_closed(schedule), *read, *_terms_of_schedule()]


def _terms_of_schedule() -> list[ColumnElement[Any]]:
    return [AvailabilitySchedule.__table__.c[each.name] for each in fields(Terms)]


def _timetables() -> Select[Any]:
    """Made once."""
    schedule = AvailabilitySchedule.__table__.c
    return select(schedule.tutor_id, *timetable_columns()).where(
        schedule.tenant_id == plain.tenant(),
        schedule.tutor_id == any_(bindparam("tutors", type_=ARRAY(BigInteger))),
    )


_TIMETABLES = _timetables()


def timetable(tutor_id: int, *, since: dt.datetime, until: dt.datetime) -> Timetable:
    """Everything that decides whether a lesson can begin from `since` to `until`. One statement."""
    return timetables([tutor_id], since=since, until=until).get(tutor_id) or NO_HOURS


def timetables(tutor_ids: Collection[int], *, since: dt.datetime, until: dt.datetime) -> dict[int, Timetable]:
    """As `timetable`, of all of these who have hours. One statement, too."""
    rows = plain.rows_alone(_TIMETABLES, tutors=list(tutor_ids), **window(since, until))
    return {tutor_id: read_timetable(row, since, until) for tutor_id, *row in rows}


def window(since: dt.datetime, until: dt.datetime) -> dict[str, Any]:
    """The values of a statement that reads a timetable."""
    until = max(since, until)
    return {
        "now": clock.now(),
        "since": since - _DAY,
        "until": until + _BEYOND,
        # Days are counted in each schedule's zone: one to spare on both sides.
        "first": (since - 2 * _DAY).date(),
        "last": (until + _BEYOND + _DAY).date(),
    }


def read_timetable(row: Sequence[Any], since: dt.datetime, until: dt.datetime) -> Timetable:
    """Of a row of `timetable_columns`, which was read with this window or a longer one."""
    is_suspended, rules, overrides, busy, *terms = row
    schedule = Terms(*terms)
    if until <= since or is_suspended:
        return Timetable(schedule, (), (), is_suspended=is_suspended)
    zone = ZoneInfo(schedule.timezone)
    first, last = (since - _DAY).astimezone(zone).date(), (until + _BEYOND).astimezone(zone).date()
    week, dated = tuple(map(tuple, rules or ())), tuple(map(tuple, overrides or ()))
    taken = policies.merged(
        Interval(starts.astimezone(dt.UTC), ends.astimezone(dt.UTC)) for starts, ends in busy or ()
    )
    return Timetable(
        schedule,
        (_kept_open_time if last - first <= _LONGEST_KEPT else _open_time)(
            week, dated, schedule.timezone, first, last
        ),
        tuple(taken),
        is_suspended=False,
        dated=frozenset(dt.date.fromisoformat(day) for day, *_minutes in dated),
    )


def _open_time(
    week: tuple[tuple[int, int, int], ...],
    dated: tuple[tuple[str, int | None, int | None], ...],
    timezone: str,
    first: dt.date,
    last: dt.date,
) -> tuple[Interval, ...]:
    rules = [_Rule(*rule) for rule in week]
    overrides = [_Override(dt.date.fromisoformat(day), starts, ends) for day, starts, ends in dated]
    return tuple(policies.expand_availability(rules, overrides, timezone, first, last))


# It follows from these values alone, and tutors who are looked at are looked at again.
_kept_open_time = lru_cache(maxsize=1000)(_open_time)


def _terms() -> Select[Any]:
    schedule = AvailabilitySchedule.__table__.c
    return select(*_terms_of_schedule()).where(
        schedule.tenant_id == plain.tenant(), schedule.tutor_id == bindparam("tutor")
    )


_TERMS = _terms()


def terms_of(tutor_id: int) -> Terms | None:
    """Nothing of who has no hours."""
    return next((Terms(*row) for row in plain.rows(_TERMS, tutor=tutor_id)), None)
