"""Lines of the log about who came in, who was turned away and who tried too often.

They say who acts and from where, as the audit trail does, and no address that somebody typed: a password is
typed into the wrong field sooner or later. `docs/security/rules.md` lists them.
"""

from __future__ import annotations

import logging
from typing import Any

from app.core import audit

log = logging.getLogger("wemaster.security")


def tell(event: str, **facts: Any) -> None:
    """Something that went as it should."""
    log.info(event, extra=_with_place(facts))


def warn(event: str, **facts: Any) -> None:
    """Something that an attack would look like."""
    log.warning(event, extra=_with_place(facts))


def _with_place(facts: dict[str, Any]) -> dict[str, Any]:
    who = audit.acting_now()
    return {"ip": who.ip, "actor_id": who.user_id, **facts}
