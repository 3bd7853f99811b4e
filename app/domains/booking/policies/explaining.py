"""Why a time is not offered: the first rule that excludes it, with what somebody needs to know to change it.

The same rules as `free_slots`, asked about one start: it is explained as free if and only if it is offered.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from app.domains.booking.policies.availability import (
    Interval,
    Terms,
    horizon_end,
    instant_of,
    merged,
    why_not,
    with_buffers,
)

_MINUTE, _DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)


@dataclass(frozen=True)
class Taken:
    """Something in a tutor's calendar: what it takes, buffers included, and the lesson itself."""

    whole: Interval
    lesson: Interval
    label: str = ""
    url_code: str = ""
    is_held: bool = False
    teaches: bool = True


@dataclass(frozen=True)
class Reason:
    """The rule that is in the way. `why`: past, notice, horizon; day_off and other_hours (a date that
    differs), no_hours (nothing on that weekday), outside_hours, too_long (they end before the lesson does),
    step; booked, held, buffer. Of the others what belongs to it: `at` the first or last moment that could be
    booked, `hours` that day's working time, `near` the starts around it, `taken` what is there."""

    why: str
    at: dt.datetime | None = None
    hours: tuple[Interval, ...] = ()
    near: tuple[dt.datetime, ...] = ()
    taken: Taken | None = None


def why_not_free(
    open_time: Sequence[Interval],
    taken: Iterable[Taken],
    *,
    dated: Collection[dt.date],
    starts_at: dt.datetime,
    duration: dt.timedelta,
    terms: Terms,
    now: dt.datetime,
) -> Reason | None:
    """None where a lesson can begin then. `open_time` is what `expand_availability` says, `dated` the dates
    on which the week did not count."""
    why = why_not(open_time, starts_at=starts_at, duration=duration, terms=terms, now=now)
    if why == "notice":
        return Reason(why, at=now + terms.notice_minutes * _MINUTE)
    if why == "horizon":
        return Reason(why, at=horizon_end(terms, now))
    if why == "outside_hours":
        return _closed(open_time, dated, starts_at, terms)
    if why == "step":
        return Reason(why, near=_near(open_time, starts_at, duration, terms))
    if why is not None:
        return Reason(why)
    return _in_the_way(taken, starts_at, duration, terms)


def _closed(
    open_time: Sequence[Interval], dated: Collection[dt.date], starts_at: dt.datetime, terms: Terms
) -> Reason:
    """A lesson that begins in time and lasts too long, a date that differs, or the week."""
    day = starts_at.astimezone(ZoneInfo(terms.timezone)).date()
    hours = _hours_of(open_time, day, terms)
    begun = next((i for i in merged(open_time) if i.starts_at <= starts_at < i.ends_at), None)
    if begun is not None:
        return Reason("too_long", at=begun.ends_at, hours=hours)
    if day in dated:
        return Reason("other_hours" if hours else "day_off", hours=hours)
    return Reason("outside_hours" if hours else "no_hours", hours=hours)


def _hours_of(open_time: Sequence[Interval], day: dt.date, terms: Terms) -> tuple[Interval, ...]:
    since, until = instant_of(day, 0, terms.timezone), instant_of(day + _DAY, 0, terms.timezone)
    return tuple(i for i in open_time if i.starts_at < until and since < i.ends_at)


def _near(
    open_time: Sequence[Interval], starts_at: dt.datetime, duration: dt.timedelta, terms: Terms
) -> tuple[dt.datetime, ...]:
    """The starts of the raster before and after, where the hours hold a lesson then."""
    step = terms.step_minutes * _MINUTE
    found: set[dt.datetime] = set()
    for interval in open_time:
        if interval.starts_at <= starts_at < interval.ends_at:
            before = interval.starts_at + (starts_at - interval.starts_at) // step * step
            found |= {at for at in (before, before + step) if at + duration <= interval.ends_at}
    return tuple(sorted(found))


def _in_the_way(
    taken: Iterable[Taken], starts_at: dt.datetime, duration: dt.timedelta, terms: Terms
) -> Reason | None:
    """A lesson before one whose buffer alone is in the way."""
    lesson = Interval(starts_at, starts_at + duration)
    wanted = with_buffers(lesson.starts_at, lesson.ends_at, terms)
    found = sorted((t for t in taken if t.whole.overlaps(wanted)), key=lambda t: t.whole)
    for there in found:
        if there.lesson.overlaps(lesson):
            return Reason("held" if there.is_held else "booked", taken=there)
    return Reason("buffer", taken=found[0]) if found else None
