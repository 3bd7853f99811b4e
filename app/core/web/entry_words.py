"""What an entry calls its columns and their values, in the language in force: looked up once for a language,
not for every list that names them."""

from __future__ import annotations

from functools import lru_cache

from babel import Locale

from app.core.locales import reader_locale
from app.core.web.entry import AdminEntry

MOST_KEPT = 10_000

Words = tuple[tuple[str, str], ...]


def label(entry: AdminEntry, column: str) -> str:
    """`label_of` in words."""
    return _label(entry, column, reader_locale())


def choices(entry: AdminEntry, column: str) -> Words:
    """`choices_of` in words: those that are worked out are worked out each time."""
    if callable(entry.choices.get(column)):
        return _in_words(entry, column)
    return _choices(entry, column, reader_locale())


@lru_cache(maxsize=MOST_KEPT)
def _label(entry: AdminEntry, column: str, _language: Locale | None) -> str:
    return str(entry.label_of(column))


@lru_cache(maxsize=MOST_KEPT)
def _choices(entry: AdminEntry, column: str, _language: Locale | None) -> Words:
    return _in_words(entry, column)


def _in_words(entry: AdminEntry, column: str) -> Words:
    return tuple((value, str(name)) for value, name in entry.choices_of(column) or ())
