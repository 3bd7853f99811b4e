"""A suspended company's hosts answer with a friendly page; only an operator's visit goes through."""

from __future__ import annotations

from typing import Any

from flask import g, request
from flask_babel import gettext as _

from app.core.web.viewing import viewer
from app.shell.errors import answer

OPEN = ("static", "health.", "handover.", "preferences.", "tenancy.theme", "accounts.logout")


def close_pages() -> Any:
    """Before each request: 503 on the hosts of a company that is not active."""
    site = g.get("site")
    if site is None or site.is_active or (request.endpoint or "").startswith(OPEN):
        return None
    who = viewer()
    if who is not None and who.is_visiting:
        return None
    text = _(
        "The pages of %(company)s are paused at the moment. Nothing is lost; please come back later.",
        company=site.name,
    )
    return answer(503, "tenant_suspended", text, headers={"Retry-After": "3600"})
