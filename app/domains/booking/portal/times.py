"""Times as pages say them: by the clock of a zone that is named beside them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_interval, format_skeleton, format_time, get_timezone_gmt
from flask import request, session
from flask_babel import gettext as _

from app.core import clock
from app.core.locales import reader_locale
from app.core.web.site import site
from app.core.web.viewing import viewer
from app.core.web.visitor import ZONE, chosen_zone
from app.domains.booking.models import AvailabilityOverride
from app.domains.tenancy.policies import is_timezone


@dataclass(frozen=True)
class DateBlock:
    """A day as a leaf of a calendar shows it."""

    weekday: str
    number: str
    month: str


def viewer_zone() -> str:
    """The account's, else the one chosen in this browser, else the company's."""
    who = viewer()
    if who is not None and who.timezone:
        return who.timezone
    return chosen_zone() or site().timezone


def may_choose_zone() -> bool:
    """Whoever has not said theirs in their account."""
    who = viewer()
    return who is None or not who.timezone


def note_chosen_zone() -> None:
    """Remember a zone that this request's address names."""
    asked = request.args.get(ZONE, "")
    if asked and is_timezone(asked) and may_choose_zone() and session.get(ZONE) != asked:
        session[ZONE] = asked


def zone_words(zone: str) -> str:
    return zone.replace("_", " ")


def today_in(zone: str) -> dt.date:
    return clock.today(zone)


def local_day(at: dt.datetime, zone: str) -> dt.date:
    return at.astimezone(ZoneInfo(zone)).date()


def same_clock(one: str, other: str, at: dt.datetime) -> bool:
    """Whether two zones' clocks show the same at that moment."""
    return at.astimezone(ZoneInfo(one)).utcoffset() == at.astimezone(ZoneInfo(other)).utcoffset()


def time_words(at: dt.datetime, zone: str) -> str:
    """“14:30”"""
    local = at.astimezone(ZoneInfo(zone))
    return _wall(local.hour, local.minute, reader_locale())


def wall_words(minutes: int) -> str:
    """Minutes since midnight as the reader's language writes a time; the day's end is its midnight."""
    return _wall(minutes // 60 % 24, minutes % 60, reader_locale())


@lru_cache(maxsize=8192)
def _wall(hour: int, minute: int, locale: Locale) -> str:
    return format_time(dt.time(hour, minute), "short", locale=locale)


@lru_cache(maxsize=8192)
def _day(day: dt.date, pattern: str, locale: Locale) -> str:
    """Kept: pages have dozens of days and times, always the same ones, and Babel takes its time."""
    return format_date(day, pattern, locale=locale)


def offset_words(at: dt.datetime, zone: str) -> str:
    """How far a zone's clock is from Greenwich at that moment: “GMT+02:00”."""
    return get_timezone_gmt(at.astimezone(ZoneInfo(zone)), width="long", locale=reader_locale())


def day_words(day: dt.date, *, today: dt.date | None = None) -> str:
    """“Thursday, November 27”; with its year where it is another one than today's."""
    locale = reader_locale()
    if today is not None and day.year != today.year:
        return _day(day, "full", locale)
    return _day(day, _day_pattern(locale), locale)


@cache
def _day_pattern(locale: Locale) -> str:
    """Weekday, day and month in full; most languages' data has this order with short words only."""
    skeletons = locale.datetime_skeletons
    pattern = str((skeletons.get("MMMMEd") or skeletons["MMMEd"]).pattern)
    return re.sub("E+", "EEEE", re.sub("M+", "MMMM", pattern))


def short_day_words(day: dt.date) -> str:
    """“Thu, Nov 27”"""
    return _short_day(day, reader_locale())


@lru_cache(maxsize=8192)
def _short_day(day: dt.date, locale: Locale) -> str:
    midday = dt.datetime.combine(day, dt.time(12), tzinfo=dt.UTC)
    return format_skeleton("MMMEd", midday, tzinfo=dt.UTC, locale=locale)


def days_words(first: dt.date, last: dt.date) -> str:
    """“Jan 11 – 24, 2027”"""
    return _interval(first, last, reader_locale())


@lru_cache(maxsize=1024)
def _interval(first: dt.date, last: dt.date, locale: Locale) -> str:
    return format_interval(first, last, "yMMMd", locale=locale)


def date_block(at: dt.datetime, zone: str) -> DateBlock:
    return block_of_day(local_day(at, zone))


def block_of_day(day: dt.date) -> DateBlock:
    locale = reader_locale()
    return DateBlock(_day(day, "EEE", locale), _day(day, "d", locale), _day(day, "LLL", locale))


def wall_iso(at: dt.datetime, zone: str) -> str:
    """What the zone's clock shows, as scripts read it: “2027-01-18T10:00:00”."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None, microsecond=0).isoformat()


def override_words(rows: Iterable[AvailabilityOverride]) -> str:
    """“10:00 – 12:00, 14:00 – 15:30”; empty for a day off."""
    return ", ".join(
        f"{wall_words(row.starts_minute)} – {wall_words(row.ends_minute)}"
        for row in rows
        if row.starts_minute is not None and row.ends_minute is not None
    )


def zone_now_words(zone: str) -> str:
    """A zone with how far it is from Greenwich now: “Europe/Berlin, GMT+01:00”."""
    return f"{zone_words(zone)}, {offset_words(clock.now(), zone)}"


def moment_words(at: dt.datetime, zone: str) -> str:
    """“Thursday, November 27, 14:30”"""
    local = at.astimezone(ZoneInfo(zone))
    day = day_words(local.date(), today=today_in(zone))
    return _("%(day)s, %(time)s", day=day, time=time_words(at, zone))


def hours_words(starts_at: dt.datetime, ends_at: dt.datetime, zone: str) -> str:
    """“14:30 – 15:30”; where the clocks change meanwhile, how they go then."""
    starts, ends = time_words(starts_at, zone), time_words(ends_at, zone)
    here = ZoneInfo(zone)
    if starts_at.astimezone(here).utcoffset() != ends_at.astimezone(here).utcoffset():
        starts = f"{starts} {offset_words(starts_at, zone)}"
        ends = f"{ends} {offset_words(ends_at, zone)}"
    return f"{starts} – {ends}"


def span_words(starts_at: dt.datetime, ends_at: dt.datetime, zone: str) -> str:
    """“Thursday, November 27, 14:30 – 15:30”"""
    local = starts_at.astimezone(ZoneInfo(zone))
    day = day_words(local.date(), today=today_in(zone))
    return _("%(day)s, %(time)s", day=day, time=hours_words(starts_at, ends_at, zone))
