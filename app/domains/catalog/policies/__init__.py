"""What an offering must satisfy, and what a cancellation policy says."""

from __future__ import annotations

import datetime as dt
import math
import re
import unicodedata
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from babel import Locale
from babel.dates import format_timedelta
from flask_babel import lazy_gettext as _l

from app.core.locales import reader_locale
from app.core.money import Money
from app.domains.catalog.errors import BadPrice
from app.domains.catalog.models import GROUP, ONE_TO_ONE, TRIAL, CancellationPolicy, Offering

KINDS_NOW = (ONE_TO_ONE, GROUP, TRIAL)  # recorded courses are in the model, and come later
MOST_VARIANTS = 6
MOST_MINOR = 100_000_000_000
SHORTEST, LONGEST = 5, 1440  # minutes
MOST_SEATS = 500
MOST_TITLE, MOST_SUMMARY, MOST_DESCRIPTION = 120, 300, 20_000

# What lessons are taught in: the languages that most people speak or learn, by ISO 639-1.
# fmt: off
LANGUAGES = (
    "ar", "bg", "bn", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "ga", "he",
    "hi", "hr", "hu", "id", "is", "it", "ja", "ko", "lt", "lv", "ms", "mt", "nb", "nl", "pl", "pt",
    "ro", "ru", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "th", "tr", "uk", "ur", "vi", "zh",
)
# fmt: on

# Where neither the offering nor its company has said anything.
BUILT_IN: Mapping[str, Any] = {
    "name": "",
    "free_until_minutes": 1440,
    "late_refund_bp": 5000,
    "move_until_minutes": 720,
    "max_moves": 2,
}

_LETTERS = str.maketrans({"ß": "ss", "æ": "ae", "ø": "o", "ł": "l", "đ": "d", "þ": "th", "œ": "oe", "ı": "i"})
_SLUG_LENGTH = 72


def parse_price(text: str, *, currency: str, locale: Locale | str) -> Money:
    """What a person typed as a price. Raises MoneyFormatError, BadPrice."""
    price = Money.parse(text, currency, locale)
    if price.minor > MOST_MINOR:
        raise BadPrice(_l("This is more than can be charged."))
    return price


def check_price(price: Money, *, kind: str, field: str | None = None) -> None:
    """Only a trial may cost nothing: elsewhere a forgotten price would give lessons away. Raises BadPrice."""
    if not 0 <= price.minor <= MOST_MINOR:
        raise BadPrice(field=field)
    if price.minor == 0 and kind != TRIAL:
        raise BadPrice(_l("Only a trial lesson can be free."), field=field)


def slug_of(text: str, *, fallback: str) -> str:
    """A text as part of an address: ASCII letters, digits and hyphens; `fallback` where none are left."""
    plain = unicodedata.normalize("NFKD", text.casefold().translate(_LETTERS))
    ascii_only = plain.encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only)[:_SLUG_LENGTH].strip("-") or fallback


def free_slug(slug: str, taken: Collection[str]) -> str:
    """The slug, or with the first number behind it that is free."""
    number, found = 1, slug
    while found in taken:
        number += 1
        found = f"{slug}-{number}"
    return found


def policy_snapshot(offering: Offering, default: CancellationPolicy | None) -> dict[str, Any]:
    """What a seat keeps of the policy that holds now: the offering's own, else the company's, else ours."""
    policy = offering.policy or default
    return policy.snapshot() if policy is not None else dict(BUILT_IN)


def minutes_in_words(minutes: int) -> str:
    """So long, exactly, in the reader's language: “2 days”, “12 hours”, “90 minutes”."""
    return _length(minutes, reader_locale())


@lru_cache(maxsize=4096)
def _length(minutes: int, locale: Locale) -> str:
    per_unit = (("day", 1440), ("hour", 60))
    unit = next((name for name, length in per_unit if minutes and minutes % length == 0), "minute")
    words: str = format_timedelta(
        dt.timedelta(minutes=minutes),
        granularity=unit,  # type: ignore[arg-type]
        threshold=math.inf,
        locale=locale,
    )
    return words
