"""Values that people choose from all over the place, with their words."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from functools import cache

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from app.core import money

Choices = Sequence[tuple[str, LazyString | str]]

LOCALES: Choices = (("en", "English"), ("de", "Deutsch"), ("es", "Español"), ("ar", "العربية"))
PLEASE_CHOOSE = ("", _l("Please choose"))
_AREAS = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")


@cache
def timezones() -> Choices:
    """IANA zones by continent, without the old aliases."""
    names = (
        name for name in sorted(zoneinfo.available_timezones()) if name.startswith(_AREAS) or name == "UTC"
    )
    return tuple((name, name.replace("_", " ")) for name in names)


@cache
def currencies() -> Choices:
    return tuple((code, code) for code in money.currencies())
