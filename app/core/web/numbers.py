"""Numbers as the viewer's language writes them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from babel import Locale
from babel.numbers import format_decimal

from app.core.locales import reader_locale


def written(number: Any) -> str:
    """1234 as “1,234”. Whole numbers are kept: a page has a dozen of them, and Babel is slow."""
    locale = reader_locale()
    return _kept(number, locale) if type(number) is int else format_decimal(number, locale=locale)


@lru_cache(maxsize=4096)
def _kept(number: int, locale: Locale | str) -> str:
    return format_decimal(number, locale=locale)
