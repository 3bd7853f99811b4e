"""What both first pages are made of: the next lesson with a countdown, small drawings, numbers in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from babel.dates import format_timedelta
from flask_babel import format_decimal
from flask_babel import gettext as _

from app.core.locales import reader_locale
from app.core.web.pages import ActionLink

WHOLE = 100  # of a drawing's height or length


@dataclass(frozen=True)
class NextLesson:
    """The lesson that comes first, and what can be done about it."""

    url: str
    title: str
    starts_at: dt.datetime
    when: str
    countdown: str
    who: str
    place: str
    is_on: bool
    call_url: str
    links: Sequence[ActionLink]


@dataclass(frozen=True)
class Bar:
    """A line of a small drawing: a name, its value in words, and how long it is of `WHOLE`."""

    label: str
    value: str
    size: int


@dataclass(frozen=True)
class Step:
    """A step of setting up."""

    label: str
    is_done: bool
    url: str
    hint: str


def countdown(at: dt.datetime, now: dt.datetime) -> str:
    """“in 3 hours”"""
    left = max(at - now, dt.timedelta(minutes=1))
    locale = reader_locale()
    return str(format_timedelta(left, granularity="minute", threshold=1.2, add_direction=True, locale=locale))


def hours_words(minutes: int) -> str:
    """“12.5 h”"""
    return _("%(number)s h", number=format_decimal(round(minutes / 60, 1)))


def sizes(values: Sequence[int]) -> list[int]:
    """The longest is `WHOLE`; what is there at all can be seen."""
    most = max(values, default=0)
    return [max(2, value * WHOLE // most) if value > 0 else 0 for value in values]
