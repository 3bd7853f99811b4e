"""What this browser means to open: said by a confirmed action on the platform, used up a moment later.

The ticket is made on a GET that comes back from the tenant's host, so it needs this proof that somebody
pressed the button here: without it any page could send an operator's browser around.
"""

from __future__ import annotations

from flask import session

from app.core import clock

INTENT, INTENT_SECONDS = "handover", 120


def remember_intent(tenant_id: int) -> str:
    """Note the tenant in this browser's session; returns where to go next."""
    session[INTENT] = [tenant_id, int(clock.machine_now().timestamp())]
    return f"/handover/to/{tenant_id}"


def take_intent() -> int | None:
    """The tenant that was meant within the last two minutes, once; None otherwise."""
    tenant_id, since = session.pop(INTENT, [None, 0])
    fresh = clock.machine_now().timestamp() - since < INTENT_SECONDS
    return tenant_id if fresh else None
