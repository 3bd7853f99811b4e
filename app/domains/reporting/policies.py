"""Stretches of time that figures are about, what they are compared with, and scales for charts. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from app.core.money import half_up

DAY, WEEK, MONTH = "day", "week", "month"
YEAR = 365
# How long a period is, and by what its charts are drawn. A year is this month and the eleven before it.
UNITS = {7: DAY, 30: DAY, 90: WEEK, YEAR: MONTH}
DEFAULT_DAYS = 30
STEPS = 4  # of a chart's scale
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Bucket:
    """A column of a chart: local days, both included."""

    first: dt.date
    last: dt.date


@dataclass(frozen=True)
class Period:
    """The last so many days by a zone's calendar, today included, up to now; `before_*` is the same stretch
    right before it, which ends at the same time of day, so that today's first hours are not compared with
    whole days."""

    days: int
    zone: str
    first: dt.date
    last: dt.date
    now: dt.datetime

    @classmethod
    def ending(cls, now: dt.datetime, *, days: int, zone: str) -> Period:
        today = now.astimezone(ZoneInfo(zone)).date()
        first = _year_ago(today) if days == YEAR else today - (days - 1) * _DAY
        return cls(days, zone, first, today, now)

    @property
    def unit(self) -> str:
        return UNITS[self.days]

    @property
    def since(self) -> dt.datetime:
        return self._midnight(self.first)

    @property
    def before_first(self) -> dt.date:
        return self.first - self._length

    @property
    def before_since(self) -> dt.datetime:
        return self._midnight(self.before_first)

    @property
    def before_until(self) -> dt.datetime:
        return self.now - self._length

    @property
    def _length(self) -> dt.timedelta:
        return (self.last - self.first) + _DAY

    def _midnight(self, day: dt.date) -> dt.datetime:
        return dt.datetime.combine(day, dt.time(), tzinfo=ZoneInfo(self.zone)).astimezone(dt.UTC)

    def contains(self, day: dt.date) -> bool:
        return self.first <= day <= self.last

    def buckets(self) -> list[Bucket]:
        """The period cut into days, calendar weeks or months; the first and the last may be cut short."""
        found, first = [], self.first
        while first <= self.last:
            last = min(_end_of(first, self.unit), self.last)
            found.append(Bucket(first, last))
            first = last + _DAY
        return found

    def bucketed(self, by_day: Mapping[dt.date, int]) -> list[int]:
        """Sums of each bucket."""
        return [
            sum(by_day.get(day, 0) for day in _days(bucket.first, bucket.last)) for bucket in self.buckets()
        ]

    def split(self, by_day: Iterable[tuple[dt.date, int]]) -> tuple[int, int]:
        """(sum within, sum before)"""
        within = before = 0
        for day, value in by_day:
            if self.contains(day):
                within += value
            else:
                before += value
        return within, before


def _year_ago(today: dt.date) -> dt.date:
    """The first day of the month eleven months ago."""
    months = today.year * 12 + today.month - 1 - 11
    return dt.date(months // 12, months % 12 + 1, 1)


def _end_of(day: dt.date, unit: str) -> dt.date:
    if unit == DAY:
        return day
    if unit == WEEK:
        return day + (6 - day.weekday()) * _DAY
    return (day.replace(day=28) + 4 * _DAY).replace(day=1) - _DAY


def _days(first: dt.date, last: dt.date) -> Iterator[dt.date]:
    for number in range((last - first).days + 1):
        yield first + number * _DAY


def change_percent(now: int, before: int) -> int | None:
    """How much more (or less, negative) that is, in whole per cent; None where nothing was before."""
    return half_up((now - before) * 100, before) if before > 0 else None


def share_percent(part: int, whole: int) -> int | None:
    """In whole per cent; None of nothing."""
    return half_up(part * 100, whole) if whole > 0 else None


def scale(least: int, most: int) -> list[int]:
    """The marks of an axis from below `least` (or 0) to above `most` (or 0): round numbers, evenly apart."""
    least, most = min(least, 0), max(most, 0)
    step = _round_up(max(1, -(-(most - least) // STEPS)))
    return list(range(least // step * step, -(-most // step) * step + 1, step)) if most > least else [0, step]


def _round_up(number: int) -> int:
    """The next of 1, 2, 5, 10, 20, 50, ..."""
    power: int = 10 ** (len(str(number)) - 1)
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= number)
