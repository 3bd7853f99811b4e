"""The slot picker: a strip of fourteen days, and the times of one of them. Offering, checkout and move pages
share it; the template is `booking/picker.html`."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from babel import Locale
from flask import request
from flask_babel import format_decimal, get_locale, ngettext
from flask_babel import gettext as _

from app.core import clock
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


@dataclass(frozen=True)
class Day:
    """A day of the strip; without times it leads nowhere. `month` where another one begins."""

    number: str
    weekday: str
    month: str
    count: str
    label: str
    url: str | None
    is_chosen: bool


@dataclass(frozen=True)
class Time:
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

    @property
    def days(self) -> list[dt.date]:
        return [self.first + number * _DAY for number in range(DAYS)]

    @property
    def since(self) -> dt.datetime:
        return policies.instant_of(self.first, 0, self.zone)

    @property
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
    path: str, find: Find, *, tutor_id: int, tutor: str, kept: dict[str, str], facts: Sequence[str] = ()
) -> Picker:
    """For a page at `path`, whose other arguments are `kept`; `facts` stand beside what was chosen. Asks
    `find` once, and once more only where nothing is found."""
    window = asked_window()
    slots = find(window.since, window.until)
    by_day = _by_day(slots, window.zone)
    chosen = window.chosen or next(iter(sorted(by_day)), window.first)

    def link(**args: str) -> str:
        return f"{path}?{urlencode({**kept, **args})}#times"

    shown = by_day.get(chosen, [])
    next_day = _next_day(by_day, chosen, window, find if not shown else None)
    return Picker(
        period=times.days_words(window.days[0], window.days[-1]),
        days=[_strip_day(day, by_day, chosen, window, link) for day in window.days],
        heading=times.day_words(chosen, today=window.today),
        groups=_groups(shown, window, chosen),
        earlier_url=_earlier(window, link),
        later_url=_later(window, link),
        why_nothing="" if shown else _why_nothing(window, chosen, bool(slots), next_day, tutor_id, tutor),
        next_label=times.day_words(next_day, today=window.today) if next_day else "",
        next_url=_link_to(next_day, window, link) if next_day else None,
        next_short=times.short_day_words(next_day) if next_day else "",
        clock_change=_clock_change(window),
        facts=facts,
    )


def _by_day(slots: Sequence[Slot], zone: str) -> dict[dt.date, list[Slot]]:
    found: dict[dt.date, list[Slot]] = defaultdict(list)
    here = ZoneInfo(zone)
    for slot in slots:
        found[slot.starts_at.astimezone(here).date()].append(slot)
    return dict(found)


# -- The strip ---------------------------------------------------------------------------------------------


def _strip_day(
    day: dt.date,
    by_day: dict[dt.date, list[Slot]],
    chosen: dt.date,
    window: Window,
    link: Callable[..., str],
) -> Day:
    count = len(by_day.get(day, ()))
    block, shown_count, label = _day_seen(day, count, window.today.year, get_locale() or Locale("en"))
    return Day(
        number=block.number,
        weekday=block.weekday,
        month=block.month if day.day == 1 or day == window.first else "",
        count=shown_count,
        label=label,
        url=_link_to(day, window, link) if count else None,
        is_chosen=day == chosen,
    )


@lru_cache(maxsize=8192)
def _day_seen(day: dt.date, count: int, this_year: int, _locale: Locale) -> tuple[times.DateBlock, str, str]:
    """A day, how many times it has, and both in words; kept by language, since each strip has fourteen."""
    words = ngettext("%(num)s time", "%(num)s times", count) if count else _("no times")
    day_words = times.day_words(day, today=dt.date(this_year, 1, 1))
    label = _("%(day)s: %(times)s", day=day_words, times=words)
    return times.block_of_day(day), format_decimal(count) if count else "", label


def _link_to(day: dt.date, window: Window, link: Callable[..., str]) -> str:
    """A day within the strip keeps the strip as it is."""
    inside = window.first <= day < window.first + DAYS * _DAY
    first = window.first if inside else day
    args = {"day": day.isoformat()}
    return link(**({"from": first.isoformat()} if first != window.today else {}), **args)


def _earlier(window: Window, link: Callable[..., str]) -> str | None:
    if window.first <= window.today:
        return None
    first = max(window.today, window.first - DAYS * _DAY)
    return link(**({"from": first.isoformat()} if first != window.today else {}))


def _later(window: Window, link: Callable[..., str]) -> str | None:
    first = window.first + DAYS * _DAY
    return link(**{"from": first.isoformat()}) if first <= window.today + MOST_AHEAD else None


def _clock_change(window: Window) -> str:
    """Said where summer time begins or ends within the strip: times look an hour off from then on."""
    every_day = Window(window.zone, window.first, window.today, None)
    return _change_within(every_day, get_locale() or Locale("en"))


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


def _groups(slots: Sequence[Slot], window: Window, day: dt.date) -> list[tuple[str, list[Time]]]:
    """Morning, afternoon and evening of a day, those of them in which there is something."""
    zone, here = window.zone, ZoneInfo(window.zone)
    day_words, pattern = times.day_words(day, today=window.today), _("%(day)s, %(time)s")
    local_times = [slot.starts_at.astimezone(here) for slot in slots]
    words = [times.wall_words(60 * local.hour + local.minute) for local in local_times]
    labels = Counter(words)
    found: dict[str, list[Time]] = defaultdict(list)
    for slot, local, time in zip(slots, local_times, words, strict=True):
        label = time
        if labels[label] > 1:  # the hour that comes twice when summer time ends
            label = f"{label} {times.offset_words(slot.starts_at, zone)}"
        part = "morning" if local.hour < 12 else "afternoon" if local.hour < 18 else "evening"
        full_label = pattern % {"day": day_words, "time": time}
        found[part].append(Time(slot.starts_at.isoformat(), label, full_label))
    headings = {"morning": _("Morning"), "afternoon": _("Afternoon"), "evening": _("Evening")}
    return [(headings[part], found[part]) for part in headings if part in found]


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


def _next_day(
    by_day: dict[dt.date, list[Slot]], chosen: dt.date, window: Window, find: Find | None
) -> dt.date | None:
    """The first day after the chosen one on which there is something; with `find` also beyond the strip."""
    later = [day for day in sorted(by_day) if day > chosen]
    if later or find is None:
        return later[0] if later else None
    found = find(window.until, clock.now() + MOST_AHEAD)
    return min(_by_day(found, window.zone), default=None)


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
