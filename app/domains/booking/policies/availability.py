"""From wall time to UTC, and from working hours to the times that can be booked.

A wall time means the first instant at which the local clock shows it or has passed it. So one that the
clocks skip is the moment after the gap, of one that comes twice the first counts, and a stretch that lies
in a gap, or a day that a zone leaves out, is empty.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from app.domains.booking.errors import SkippedTime

LONGEST_BUFFER_MINUTES = 240
_MINUTE = dt.timedelta(minutes=1)
_DAY = dt.timedelta(days=1)
_FARTHEST = 3 * 366 * _DAY  # dates of group classes are planned ahead; slots end with the tutor's horizon


class WeekRule(Protocol):
    """A weekday's stretch of wall time, in minutes since midnight; Monday is 0."""

    weekday: int
    starts_minute: int
    ends_minute: int


class DayOverride(Protocol):
    """What counts on one date instead of the week's rules; without minutes a day off."""

    on_date: dt.date
    starts_minute: int | None
    ends_minute: int | None


class Terms(Protocol):
    """What a tutor asks of a booking."""

    timezone: str
    buffer_before_minutes: int
    buffer_after_minutes: int
    notice_minutes: int
    horizon_days: int
    step_minutes: int


class Interval(NamedTuple):
    """Half open: `starts_at` belongs to it, `ends_at` does not. Both aware UTC."""

    starts_at: dt.datetime
    ends_at: dt.datetime

    def overlaps(self, other: Interval) -> bool:
        return self.starts_at < other.ends_at and other.starts_at < self.ends_at


class Slot(Interval):
    """A time that can be booked: from the lesson's start to its end, without buffers."""

    __slots__ = ()


# -- Wall time ---------------------------------------------------------------------------------------------


@lru_cache(maxsize=8192)
def instant_of(day: dt.date, minute: int, timezone: str) -> dt.datetime:
    """The first instant at which a zone's clock shows this minute of a day (0 to 1440) or has passed it."""
    return _reached(dt.datetime.combine(day, dt.time()) + minute * _MINUTE, ZoneInfo(timezone))


def _reached(wall: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    instant = wall.replace(tzinfo=zone).astimezone(dt.UTC)
    if _shown(instant, zone) == wall:
        return instant
    # In a gap: the two offsets put the wall time on either side of the change, which is found by halving.
    before, after = wall.replace(tzinfo=zone, fold=1).astimezone(dt.UTC), instant
    offset = before.astimezone(zone).utcoffset()
    while after - before > dt.timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if middle.astimezone(zone).utcoffset() == offset:
            before = middle
        else:
            after = middle
    return after


def _shown(instant: dt.datetime, zone: ZoneInfo) -> dt.datetime:
    return instant.astimezone(zone).replace(tzinfo=None)


def moments_of(wall: dt.datetime, timezone: str) -> list[dt.datetime]:
    """When a zone's clock shows exactly this naive time: never (skipped), once, or twice; in UTC."""
    zone = ZoneInfo(timezone)
    found = {wall.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1)}
    return sorted(instant for instant in found if _shown(instant, zone) == wall)


def local_instant(wall: dt.datetime, timezone: str) -> dt.datetime:
    """What somebody means who types a time: the first of a doubled hour, the second with `fold=1`.
    Raises SkippedTime for one that the clocks skip."""
    found = moments_of(wall.replace(fold=0), timezone)
    if not found:
        raise SkippedTime
    return found[-1] if wall.fold else found[0]


# -- Working hours -----------------------------------------------------------------------------------------


def expand_availability(
    rules: Iterable[WeekRule], overrides: Iterable[DayOverride], timezone: str, first: dt.date, last: dt.date
) -> list[Interval]:
    """Working hours from one local day to another, both included, as UTC: for each day its stretches, those
    that touch as one. The raster of starting times begins anew with each of them."""
    week: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for rule in rules:
        week[rule.weekday].append((rule.starts_minute, rule.ends_minute))
    dated: dict[dt.date, list[tuple[int, int]]] = {}
    for override in overrides:
        stretches = dated.setdefault(override.on_date, [])
        if override.starts_minute is not None and override.ends_minute is not None:
            stretches.append((override.starts_minute, override.ends_minute))
    found: list[Interval] = []
    for number in range((last - first).days + 1):
        day = first + number * _DAY
        stretches = dated[day] if day in dated else week.get(day.weekday(), [])
        found += merged(
            Interval(instant_of(day, starts, timezone), instant_of(day, ends, timezone))
            for starts, ends in stretches
        )
    return found


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """In order, those that touch or overlap as one, without the empty ones."""
    found: list[Interval] = []
    for interval in sorted(interval for interval in intervals if interval.starts_at < interval.ends_at):
        if found and interval.starts_at <= found[-1].ends_at:
            found[-1] = Interval(found[-1].starts_at, max(found[-1].ends_at, interval.ends_at))
        else:
            found.append(interval)
    return found


# -- What can be booked ------------------------------------------------------------------------------------


def with_buffers(starts_at: dt.datetime, ends_at: dt.datetime, terms: Terms | None) -> Interval:
    """What a lesson takes of its tutor's time. Buffers may reach outside working hours, never into what is
    taken; between two lessons there is room for the buffers of both."""
    if terms is None:
        return Interval(starts_at, ends_at)
    return Interval(
        starts_at - terms.buffer_before_minutes * _MINUTE, ends_at + terms.buffer_after_minutes * _MINUTE
    )


def horizon_end(terms: Terms, now: dt.datetime) -> dt.datetime:
    """The end of the last local day that can be booked."""
    last = now.astimezone(ZoneInfo(terms.timezone)).date() + terms.horizon_days * _DAY
    return instant_of(last + _DAY, 0, terms.timezone)


def free_slots(
    open_time: Sequence[Interval],
    busy: Iterable[Interval],
    *,
    duration: dt.timedelta,
    terms: Terms,
    since: dt.datetime,
    until: dt.datetime,
    now: dt.datetime,
) -> list[Slot]:
    """The times from `since` to before `until` at which a lesson can begin. `open_time` is what
    `expand_availability` says; a lesson may go on into the next stretch or day where they touch."""
    since = max(since, now + terms.notice_minutes * _MINUTE)
    until = min(until, horizon_end(terms, now))
    step = terms.step_minutes * _MINUTE
    begins, ends = _windows(open_time, busy, duration, terms)
    found: list[Slot] = []
    for interval in open_time:
        last = min(interval.ends_at, until)
        starts_at = _on_raster(interval.starts_at, since, step)
        for place in range(bisect_left(ends, starts_at), len(ends)):
            starts_at = _on_raster(interval.starts_at, max(starts_at, begins[place]), step)
            end = ends[place]
            while starts_at <= end and starts_at < last:
                found.append(Slot(starts_at, starts_at + duration))
                starts_at += step
            if starts_at >= last:
                break
    return [slot for slot, _again in groupby(sorted(found))]  # where clocks go back, days may overlap


def _on_raster(origin: dt.datetime, at: dt.datetime, step: dt.timedelta) -> dt.datetime:
    """The first moment from `at` on that lies whole steps after `origin`; `origin` itself before it."""
    return origin if at <= origin else origin + -((origin - at) // step) * step


def _windows(
    open_time: Iterable[Interval], busy: Iterable[Interval], duration: dt.timedelta, terms: Terms
) -> tuple[list[dt.datetime], list[dt.datetime]]:
    """Within which moments a lesson can begin, those moments included: their first ones and their last ones,
    in order. A lesson lies in one stretch of open time, and with its buffers outside of what is taken."""
    after = duration + terms.buffer_after_minutes * _MINUTE
    before = terms.buffer_before_minutes * _MINUTE
    taken = merged(busy)
    begins: list[dt.datetime] = []
    ends: list[dt.datetime] = []
    for first, closes in merged(open_time):
        last = closes - duration
        for place in range(bisect_right(taken, first - before, key=_end), len(taken)):
            if first > last:
                break
            goes = min(taken[place].starts_at - after, last)
            if first <= goes:
                begins.append(first)
                ends.append(goes)
            first = max(first, taken[place].ends_at + before)
        if first <= last:
            begins.append(first)
            ends.append(last)
    return begins, ends


def _end(interval: Interval) -> dt.datetime:
    return interval.ends_at


def why_out_of_sight(starts_at: dt.datetime, now: dt.datetime) -> str | None:
    """past or horizon for what no schedule offers; so near the calendar's ends nobody calculates."""
    if starts_at < now - _DAY:
        return "past"
    return "horizon" if starts_at > now + _FARTHEST else None


def why_not(
    open_time: Sequence[Interval],
    *,
    starts_at: dt.datetime,
    duration: dt.timedelta,
    terms: Terms,
    now: dt.datetime,
) -> str | None:
    """Why a lesson can't begin then, apart from what is taken: past, notice, horizon, outside_hours, step."""
    if starts_at < now:
        return "past"
    if starts_at < now + terms.notice_minutes * _MINUTE:
        return "notice"
    if starts_at >= horizon_end(terms, now):
        return "horizon"
    if not _Calendar(open_time).covers(starts_at, starts_at + duration):
        return "outside_hours"
    step = terms.step_minutes * _MINUTE
    begun = (i.starts_at for i in open_time if i.starts_at <= starts_at < i.ends_at)
    return None if any((starts_at - start) % step == dt.timedelta() for start in begun) else "step"


def first_free(slots: Sequence[Slot], busy: Iterable[Interval], count: int) -> list[Slot]:
    """The first of these times that are free in somebody else's calendar too."""
    taken = _Calendar(busy)
    return [slot for slot in slots if not taken.touches(*slot)][:count]


class _Calendar:
    """Stretches of time that can be asked about quickly."""

    def __init__(self, intervals: Iterable[Interval]) -> None:
        stretches = merged(intervals)
        self._starts = [stretch.starts_at for stretch in stretches]
        self._ends = [stretch.ends_at for stretch in stretches]

    def covers(self, starts_at: dt.datetime, ends_at: dt.datetime) -> bool:
        """Whether all of it lies in one stretch."""
        place = bisect_right(self._starts, starts_at) - 1
        return place >= 0 and ends_at <= self._ends[place]

    def touches(self, starts_at: dt.datetime, ends_at: dt.datetime) -> bool:
        """Whether any of it is in some stretch: the one that begins last before it, or the next."""
        place = bisect_right(self._starts, starts_at)
        if place and starts_at < self._ends[place - 1]:
            return True
        return place < len(self._starts) and self._starts[place] < ends_at
