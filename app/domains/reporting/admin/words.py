"""Figures in words: numbers, money and days as the reader's language writes them, and comparisons."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from urllib.parse import urlencode

from babel.dates import format_interval, format_skeleton
from babel.numbers import format_compact_currency
from flask_babel import format_decimal, format_percent
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core import clock
from app.core.errors import NotFound
from app.core.locales import reader_locale
from app.core.money import Money
from app.core.viewer import Viewer
from app.domains.reporting.admin.parts import Change
from app.domains.reporting.policies import (
    DAY,
    DEFAULT_DAYS,
    MONTH,
    UNITS,
    YEAR,
    Bucket,
    Period,
    change_percent,
)

LENGTHS = {7: _l("7 days"), 30: _l("30 days"), 90: _l("90 days"), YEAR: _l("12 months")}
IN_THE_LAST = {
    7: _l("in the last 7 days"),
    30: _l("in the last 30 days"),
    90: _l("in the last 90 days"),
    YEAR: _l("in the last 12 months"),
}
BEFORE = {
    7: _l("in the 7 days before"),
    30: _l("in the 30 days before"),
    90: _l("in the 90 days before"),
    YEAR: _l("in the year before"),
}
COMPARED = {
    7: _l("Compared with the 7 days before."),
    30: _l("Compared with the 30 days before."),
    90: _l("Compared with the 90 days before."),
    YEAR: _l("Compared with the year before."),
}
SOLD_IN = {
    7: _l("Sold in 7 days"),
    30: _l("Sold in 30 days"),
    90: _l("Sold in 90 days"),
    YEAR: _l("Sold in 12 months"),
}


def period_asked_for(args: Mapping[str, str], *, zone: str) -> Period:
    """What the address asks for, up to now. Raises NotFound for what is not offered."""
    asked = args.get("days", str(DEFAULT_DAYS))
    days = next((days for days in UNITS if str(days) == asked), None)
    if days is None:
        raise NotFound
    return Period.ending(clock.now(), days=days, zone=zone)


def period_links(period: Period) -> list[tuple[str, str, bool]]:
    """(label, address, whether it is this one)"""
    return [
        (str(label), "/admin/" if days == DEFAULT_DAYS else f"/admin/?days={days}", days == period.days)
        for days, label in LENGTHS.items()
    ]


def to(who: Viewer, resource: str, url: str) -> str | None:
    """The rows behind a figure, for whoever may read them."""
    return url if who.may(f"{resource}.read") else None


def between(path: str, column: str, first: dt.date, last: dt.date, **more: str) -> str:
    """A list's address, filtered to days."""
    days = {f"{column}.from": first.isoformat(), f"{column}.to": last.isoformat()}
    return f"{path}?{urlencode({**more, **days})}"


# -- Numbers -----------------------------------------------------------------------------------------------


def number(value: int) -> str:
    return str(format_decimal(value))


def percent(value: int) -> str:
    """Whole per cent."""
    return str(format_percent(value / 100))


def money(amount: Money) -> str:
    return amount.format(reader_locale())


def short_money(amount: Money) -> str:
    """For a chart's axis, on which every mark is a round number: “€2K”."""
    whole = amount.decimal
    if abs(whole) < 1_000:
        return amount.format(reader_locale()) if whole % 1 else _compact(amount, 0)
    return _compact(amount, 1)


def _compact(amount: Money, digits: int) -> str:
    return str(
        format_compact_currency(
            amount.decimal, amount.currency, locale=reader_locale(), fraction_digits=digits
        )
    )


def hours(minutes: int) -> str:
    """“12.5 h”"""
    return _("%(number)s h", number=format_decimal(round(minutes / 60, 1)))


# -- Comparisons -------------------------------------------------------------------------------------------


def change(now: int, before: int, period: Period, *, more_is: str = "success") -> Change | None:
    """Beside a figure. `more_is` the tone of a rise; a fall has the other one."""
    found = change_percent(now, before)
    if found is None:
        return None
    words, before_words = percent(abs(found)), str(BEFORE[period.days])
    if not found:
        return Change("±", percent(0), _("as much as %(before)s", before=before_words), "secondary")
    fewer_is = "danger" if more_is == "success" else "success"
    if found > 0:
        said = _("%(percent)s more than %(before)s", percent=words, before=before_words)
        return Change("▲", words, said, more_is)
    said = _("%(percent)s less than %(before)s", percent=words, before=before_words)
    return Change("▼", words, said, fewer_is)


def sold_headline(amount: Money, before: Money, period: Period) -> str:
    """What was sold, and how that compares, as one sentence."""
    when, compared = str(IN_THE_LAST[period.days]), change(amount.minor, before.minor, period)
    if not amount.minor and not before.minor:
        return _("Nothing was sold %(when)s.", when=when)
    if compared is None:
        return _("%(amount)s was sold %(when)s.", amount=money(amount), when=when)
    return _(
        "%(amount)s was sold %(when)s, %(compared)s.",
        amount=money(amount),
        when=when,
        compared=compared.words,
    )


# -- Days --------------------------------------------------------------------------------------------------


def bucket_label(bucket: Bucket, period: Period) -> str:
    """Below a column: “Nov 3”, or “Nov” for a month."""
    return _skeleton("MMM" if period.unit == MONTH else "MMMd", bucket.first)


def bucket_title(bucket: Bucket, period: Period) -> str:
    """The same in full: “Mon, Nov 3”, “Nov 3 – 9”, “Nov 2026”."""
    if period.unit == MONTH:
        return _skeleton("yMMM", bucket.first)
    if period.unit == DAY or bucket.first == bucket.last:
        return _skeleton("MMMEd", bucket.first)
    return str(format_interval(bucket.first, bucket.last, "MMMd", locale=reader_locale()))


def _skeleton(skeleton: str, day: dt.date) -> str:
    midday = dt.datetime.combine(day, dt.time(12), tzinfo=dt.UTC)
    return str(format_skeleton(skeleton, midday, tzinfo=dt.UTC, locale=reader_locale()))
