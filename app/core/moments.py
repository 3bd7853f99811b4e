"""Points in time as people read them."""

from __future__ import annotations

import datetime as dt
from functools import cache, lru_cache

from babel import Locale
from babel.dates import DateTimePattern, parse_pattern
from flask_babel import get_locale, get_timezone


@cache
def _pattern(locale: Locale) -> DateTimePattern:
    """Date of middle length and time to the minute, as one pattern per language."""
    date, time = locale.date_formats["medium"].pattern, locale.time_formats["short"].pattern
    # "6:00 ص" stays on one line, as "6:00 PM" does by what CLDR says of English.
    time = time.replace(" a", "\u00a0a")
    return parse_pattern(str(locale.datetime_formats["medium"]).format(time, date))


def moment(value: dt.datetime) -> str:
    """A date and time to the minute, in the viewer's zone and language."""
    locale = get_locale() or Locale("en")
    local = value.astimezone(get_timezone())
    return _shown(local.replace(tzinfo=None, second=0, microsecond=0), locale)


@lru_cache(maxsize=8192)
def _shown(wall: dt.datetime, locale: Locale) -> str:
    """Kept: lessons begin at the same few minutes, and Babel takes its time."""
    return str(_pattern(locale).apply(wall, locale))
