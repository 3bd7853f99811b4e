"""Points in time as people read them."""

from __future__ import annotations

import datetime as dt
from functools import cache

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
    return str(_pattern(locale).apply(value.astimezone(get_timezone()), locale))
