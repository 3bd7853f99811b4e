"""The slot picker: a strip of fourteen days, and the times of one of them. Offering, checkout and move pages
share it; the template is `booking/picker.html`."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from babel import Locale
from flask import request
from flask_babel import format_decimal, ngettext
from flask_babel import gettext as _

from app.core import clock
from app.core.locales import reader_locale
from app.core.web.choices import timezones
from app.domains.booking import policies, queries
from app.domains.booking.policies import Slot
from app.domains.booking.portal import times

DAYS = 14
MOST_AHEAD = dt.timedelta(days=366)  # nobody can open more of their time
CHOOSE = "zones"  # in the address: show what zones there are
_DAY = dt.timedelta(days=1)

# Slots from one moment to another.
Find = Callable[[dt.datetime, dt.datetime], Sequence[Slot]]


class DaySeen(NamedTuple):
    """What is written on a day of the strip, whoever teaches on it. `month` where another one begins."""

    number: str
    weekday: str
    month: str
    free: str
    label: str


class Day(NamedTuple):
    """A day of the strip; without times it leads nowhere."""

    seen: DaySeen
    url: str | None
    is_chosen: bool


class Time(NamedTuple):
    """A time that can be chosen: what the form sends, and what the person reads."""

    value: str
    label: str
    full_label: str


@dataclass(frozen=True)
class Picker:
    period: str
    days: Sequence[Day]
    heading: str
    groups: Sequence[tuple[str, Sequence[Time]]]
    earlier_url: str | None
    later_url: str | None
    why_nothing: str
    next_label: str = ""
    next_url: str | None = None
    next_short: str = ""
    clock_change: str = ""
    facts: Sequence[str] = ()

    @property
    def has_free(self) -> bool:
        """Whether any of its days leads somewhere."""
        return any(day.url for day in self.days)


@dataclass(frozen=True)
class Zone:
    """By whose clock times are shown, and the way to another for whoever has not said theirs. `args` is what
    stays as it is then; `choices` are there once somebody asked for them."""

    name: str
    words: str
    change_url: str | None
    choices: Sequence[tuple[str, Any]]
    args: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Window:
    """The days that are shown, in the viewer's zone."""

    zone: str
    first: dt.date
    today: dt.date
    chosen: dt.date | None

    @cached_property
    def days(self) -> list[dt.date]:
        return [self.first + number * _DAY for number in range(DAYS)]

    @cached_property
    def since(self) -> dt.datetime:
        return policies.instant_of(self.first, 0, self.zone)

    @cached_property
    def until(self) -> dt.datetime:
        return policies.instant_of(self.first + DAYS * _DAY, 0, self.zone)


def asked_window() -> Window:
    """What the address asks for: `from` is the first day, `day` the chosen one. What makes no sense is
    today."""
    zone = times.viewer_zone()
    today = times.today_in(zone)
    first = _day(request.args.get("from")) or today
    first = min(max(first, today), today + MOST_AHEAD)
    chosen = _day(request.args.get("day"))
    if chosen is not None and not first <= chosen < first + DAYS * _DAY:
        chosen = None
    return Window(zone, first, today, chosen)


def _day(text: str | None) -> dt.date | None:
    if not text or len(text) != 10:
        return None
    try:
        found = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return found if 1970 <= found.year <= 9000 else None


def zone_of(path: str, kept: Sequence[tuple[str, str]]) -> Zone:
    """For a page at `path`, whose other arguments are `kept`."""
    name = times.viewer_zone()
    shown = [(arg, request.args[arg]) for arg in ("from", "day") if request.args.get(arg)]
    args = [*kept, *shown]
    may_choose = times.may_choose_zone()
    return Zone(
        name=name,
        words=times.zone_words(name),
        change_url=f"{path}?{urlencode([*args, (CHOOSE, '1')])}#times" if may_choose else None,
        choices=timezones() if may_choose and CHOOSE in request.args else (),
        args=args,
    )


def picker(
    path: str,
    window: Window,
    find: Find,
    *,
    tutor_id: int,
    tutor: str,
    kept: dict[str, str],
    facts: Sequence[str] = (),
) -> Picker:
    """For a page at `path`, whose other arguments are `kept`; `facts` stand beside what was chosen. Asks
    `find` once, and once more only where nothing is found."""
    slots = find(window.since, window.until)
    change = _clock_change(window)
    by_day = _by_local_day(slots, window.zone) if change else _by_day(slots, window)
    chosen = window.chosen or next(iter(by_day), window.first)
    links = _Links(f"{path}?{urlencode(kept)}&" if kept else f"{path}?", window)
    shown = by_day.get(chosen, ())
    next_day = _next_day(by_day, chosen, window, find if not shown else None)
    return Picker(
        period=times.days_words(window.first, window.first + (DAYS - 1) * _DAY),
        days=_strip(by_day, chosen, window, links),
        heading=times.day_words(chosen, today=window.today),
        groups=_groups(shown, window),
        earlier_url=links.earlier(),
        later_url=links.later(),
        why_nothing="" if shown else _why_nothing(window, chosen, bool(slots), next_day, tutor_id, tutor),
        next_label=times.day_words(next_day, today=window.today) if next_day else "",
        next_url=links.day(next_day) if next_day else None,
        next_short=times.short_day_words(next_day) if next_day else "",
        clock_change=change,
        facts=facts,
    )


# The slots of each day that has some, both in order.
ByDay = dict[dt.date, Sequence[Slot]]


def _by_day(slots: Sequence[Slot], window: Window) -> ByDay:
    """Of a strip in which the clocks don't change: a day is what lies between two midnights."""
    found: ByDay = {}
    first = 0
    for number, day in enumerate(window.days, start=1):
        midnight = policies.instant_of(window.first + number * _DAY, 0, window.zone)
        last = bisect_left(slots, (midnight,), first)
        if first < last:
            found[day] = slots[first:last]
        first = last
    return found


def _by_local_day(slots: Sequence[Slot], zone: str) -> ByDay:
    here = ZoneInfo(zone)
    found: dict[dt.date, list[Slot]] = defaultdict(list)
    for slot in slots:
        found[slot.starts_at.astimezone(here).date()].append(slot)
    return dict(sorted(found.items()))


class _Links:
    """The addresses of days; `start` is what they all begin with. Dates need no quoting."""

    def __init__(self, start: str, window: Window) -> None:
        self._start, self._window = start, window
        self._end = window.first + DAYS * _DAY

    def day(self, day: dt.date) -> str:
        """A day within the strip keeps the strip as it is."""
        first = self._window.first if self._window.first <= day < self._end else day
        return f"{self._start}{self._since(first, '&')}day={day.isoformat()}#times"

    def earlier(self) -> str | None:
        window = self._window
        if window.first <= window.today:
            return None
        since = self._since(max(window.today, window.first - DAYS * _DAY))
        return f"{self._start}{since}".rstrip("&?") + "#times"

    def later(self) -> str | None:
        if self._end > self._window.today + MOST_AHEAD:
            return None
        return f"{self._start}{self._since(self._end)}#times"

    def _since(self, first: dt.date, then: str = "") -> str:
        return f"from={first.isoformat()}{then}" if first != self._window.today else ""


# -- The strip ---------------------------------------------------------------------------------------------


def _strip(by_day: ByDay, chosen: dt.date, window: Window, links: _Links) -> list[Day]:
    this_year, locale = window.today.year, reader_locale()
    found = []
    for day in window.days:
        count = len(by_day.get(day, ()))
        has_month = day.day == 1 or day == window.first
        seen = _day_seen(day, count, has_month, this_year, locale)
        found.append(Day(seen, links.day(day) if count else None, day == chosen))
    return found


@lru_cache(maxsize=8192)
def _day_seen(day: dt.date, count: int, has_month: bool, this_year: int, _locale: Locale) -> DaySeen:
    """In words; kept by language, since each strip has fourteen, and always the same ones."""
    words = ngettext("%(num)s time", "%(num)s times", count) if count else _("no times")
    day_words = times.day_words(day, today=dt.date(this_year, 1, 1))
    label = _("%(day)s: %(times)s", day=day_words, times=words)
    block = times.block_of_day(day)
    month = block.month if has_month else ""
    return DaySeen(block.number, block.weekday, month, format_decimal(count) if count else "", label)


def _clock_change(window: Window) -> str:
    """Said where summer time begins or ends within the strip: times look an hour off from then on."""
    every_day = Window(window.zone, window.first, window.today, None)
    return _change_within(every_day, reader_locale())


@lru_cache(maxsize=1024)
def _change_within(window: Window, _locale: Locale) -> str:
    """Kept: it is the same for whatever is offered in a zone."""
    here = ZoneInfo(window.zone)
    for day, after in pairwise([*window.days, window.first + DAYS * _DAY]):
        starts, ends = (policies.instant_of(each, 0, window.zone) for each in (day, after))
        if starts.astimezone(here).utcoffset() != ends.astimezone(here).utcoffset():
            return _(
                "The clocks change on %(day)s: from %(before)s to %(after)s.",
                day=times.day_words(day, today=window.today),
                before=times.offset_words(starts, window.zone),
                after=times.offset_words(ends, window.zone),
            )
    return ""


# -- The times of a day ------------------------------------------------------------------------------------


def _groups(slots: Sequence[Slot], window: Window) -> list[tuple[str, list[Time]]]:
    """Morning, afternoon and evening of a day, those of them in which there is something."""
    zone, this_year, locale = window.zone, window.today.year, reader_locale()
    seen = [_time_seen(slot.starts_at, zone, this_year, locale) for slot in slots]
    labels = Counter(time.label for _part, time in seen)
    found: dict[str, list[Time]] = defaultdict(list)
    for slot, (part, time) in zip(slots, seen, strict=True):
        if labels[time.label] > 1:  # the hour that comes twice when summer time ends
            time = time._replace(label=f"{time.label} {times.offset_words(slot.starts_at, zone)}")
        found[part].append(time)
    headings = {"morning": _("Morning"), "afternoon": _("Afternoon"), "evening": _("Evening")}
    return [(headings[part], found[part]) for part in headings if part in found]


@lru_cache(maxsize=8192)
def _time_seen(starts_at: dt.datetime, zone: str, this_year: int, _locale: Locale) -> tuple[str, Time]:
    """The part of its day, and the time in words; kept by language, like the days."""
    local = starts_at.astimezone(ZoneInfo(zone))
    part = "morning" if local.hour < 12 else "afternoon" if local.hour < 18 else "evening"
    label = times.time_words(starts_at, zone)
    day_words = times.day_words(local.date(), today=dt.date(this_year, 1, 1))
    full_label = _("%(day)s, %(time)s", day=day_words, time=label)
    return part, Time(starts_at.isoformat(), label, full_label)


def alternatives(starts: Sequence[str], zone: str) -> list[Time]:
    """The free times that come with a refusal, as buttons."""
    found = []
    for text in starts:
        at = dt.datetime.fromisoformat(text)
        day = times.local_day(at, zone)
        short = _("%(day)s, %(time)s", day=times.short_day_words(day), time=times.time_words(at, zone))
        found.append(Time(text, short, times.moment_words(at, zone)))
    return found


# -- Why there is nothing ----------------------------------------------------------------------------------


def _next_day(by_day: ByDay, chosen: dt.date, window: Window, find: Find | None) -> dt.date | None:
    """The first day after the chosen one on which there is something; with `find` also beyond the strip."""
    later = next((day for day in by_day if day > chosen), None)
    if later is not None or find is None:
        return later
    found = find(window.until, clock.now() + MOST_AHEAD)
    return times.local_day(found[0].starts_at, window.zone) if found else None


def _why_nothing(
    window: Window, chosen: dt.date, has_others: bool, next_day: dt.date | None, tutor_id: int, tutor: str
) -> str:
    if has_others:
        return _("Nothing is free on this day.")
    table = queries.timetable(tutor_id, since=window.since, until=window.until)
    open_days = [i for i in table.open_time if i.ends_at > window.since and i.starts_at < window.until]
    if open_days and not table.is_suspended:
        return _("Everything on these days is taken already, or too soon to be booked.")
    if next_day is not None:
        return _("%(tutor)s does not teach on these days.", tutor=tutor)
    return _("%(tutor)s has not opened any times to book yet. Please look again soon.", tutor=tutor)
