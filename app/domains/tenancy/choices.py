"""Values people choose from, with their words."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from functools import cache

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from app.core import money
from app.domains.tenancy.models import ACTIVE, CLOSED, SUSPENDED

Choices = Sequence[tuple[str, LazyString | str]]

STATUS: Choices = ((ACTIVE, _l("Active")), (SUSPENDED, _l("Suspended")), (CLOSED, _l("Closed")))
LOCALES: Choices = (("en", "English"), ("de", "Deutsch"))


@cache
def timezones() -> Choices:
    """IANA zones; the continents only, without the old aliases."""
    areas = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
    names = (name for name in sorted(zoneinfo.available_timezones()) if name.startswith(areas) or name == "UTC")
    return tuple((name, name.replace("_", " ")) for name in names)


def currencies() -> Choices:
    return tuple((code, code) for code in money.currencies())
