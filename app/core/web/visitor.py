"""Who acts, signed in or not: a visitor holds seats too, and reads times by their own clock. The token and
the zone live in the browser's signed session."""

from __future__ import annotations

import secrets
import zoneinfo
from functools import cache

from flask import session

from app.core.web.viewing import viewer

KEY = "visitor"
ZONE = "zone"


def actor() -> str:
    """`u:<account>`, or `v:<token>` for a visitor, who gets a token now."""
    who = viewer()
    if who is not None:
        return f"u:{who.user_id}"
    token = session.get(KEY)
    if not isinstance(token, str):
        token = session[KEY] = secrets.token_urlsafe(18)
    return f"v:{token}"


def actors() -> frozenset[str]:
    """All that this browser is: the account it is signed in with, and the visitor it was before."""
    who, token = viewer(), session.get(KEY)
    found = {f"u:{who.user_id}"} if who else set()
    return frozenset(found | ({f"v:{token}"} if isinstance(token, str) else set()))


def chosen_zone() -> str | None:
    """The time zone that was chosen in this browser, where one was."""
    chosen = session.get(ZONE)
    return chosen if isinstance(chosen, str) and chosen in _zones() else None


@cache
def _zones() -> frozenset[str]:
    """Read once: asking walks through hundreds of files."""
    return frozenset(zoneinfo.available_timezones())
