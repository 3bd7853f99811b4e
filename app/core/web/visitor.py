"""Who acts, signed in or not: a visitor holds seats too. The token lives in the browser's signed session."""

from __future__ import annotations

import secrets

from flask import session

from app.core.web.viewing import viewer

KEY = "visitor"


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
