"""Whose order it is: its payer's, or that of the browser that placed it. For everybody else there is none."""

from __future__ import annotations

from typing import Any

from flask import request

from app.core.errors import NotFound
from app.core.web.viewing import on_tenant, to_sign_in, viewer
from app.core.web.visitor import actors
from app.domains.payments import policies, queries
from app.domains.payments.queries import OrderSeen


def order_of_viewer(code: str) -> OrderSeen:
    """Raises NotFound."""
    on_tenant()
    who = viewer()
    order = queries.order_seen(code)
    if not policies.belongs_to(order, person_id=who.person_id if who else None, actors=actors()):
        raise NotFound
    return order


def enter(code: str) -> Any:
    """The order; for a visitor's GET of what may be theirs once they have signed in, the way there. It says
    the same of codes that there are and of those that there are not."""
    try:
        return order_of_viewer(code)
    except NotFound:
        if viewer() is None and request.method == "GET":
            on_tenant()
            return to_sign_in()
        raise
