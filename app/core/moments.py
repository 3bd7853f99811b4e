"""Points in time as people read them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from functools import cache, lru_cache

from babel import Locale
from babel.dates import DateTimePattern, parse_pattern
from flask_babel import get_timezone

from app.core.locales import reader_locale


@cache
def _pattern(language: str) -> DateTimePattern:
    """Date of middle length and time to the minute, as one pattern per language."""
    locale = Locale.parse(language)
    date, time = locale.date_formats["medium"].pattern, locale.time_formats["short"].pattern
    # "6:00 ص" stays on one line, as "6:00 PM" does by what CLDR says of English.
    time = time.replace(" a", "\u00a0a")
    return parse_pattern(str(locale.datetime_formats["medium"]).format(time, date))


def moment(value: dt.datetime) -> str:
    """A date and time to the minute, in the viewer's zone and language."""
    return moments()(value)


def moments() -> Callable[[dt.datetime], str]:
    """`moment` for many: the viewer's zone and language are asked for once."""
    return _writer(str(reader_locale()), get_timezone())


@lru_cache(maxsize=64)
def _writer(language: str, zone: dt.tzinfo) -> Callable[[dt.datetime], str]:
    pattern, locale = _pattern(language), Locale.parse(language)

    @lru_cache(maxsize=1024)
    def written(value: dt.datetime) -> str:
        """Kept: lessons begin at the same few minutes, lists are looked at twice, and Babel is slow."""
        return str(pattern.apply(value.astimezone(zone).replace(tzinfo=None), locale))

    return written
