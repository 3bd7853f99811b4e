"""The operator's page of what the house needs from outside: does it work, since when, what people notice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app, render_template
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from redis.exceptions import RedisError

from app.core import outside
from app.core.moments import moment
from app.core.outside import BreakerState
from app.core.web.pages import Cell
from app.core.web.viewing import on_platform, require

bp = Blueprint("providers", __name__)

READ = "provider.read"
CLOSED, HALF_OPEN, OPEN = "closed", "half-open", "open"
_NAMES = {"mail": _l("E-mail"), "payments": _l("Payments"), "storage": _l("Files")}
_WELL = {
    "mail": _l("Mails go out within seconds."),
    "payments": _l("People can pay, and refunds are made."),
    "storage": _l("Pictures and documents are kept and shown."),
}
_HELD_BACK = {
    "mail": _l(
        "Nobody gets a mail right now. All of them are kept and go out by themselves when this works again."
        " Signing in, booking and paying go on."
    ),
    "payments": _l(
        "Nobody can pay right now: the checkout says so, charges nothing, and keeps the reserved time for as"
        " long as it was reserved. Refunds are kept and made by themselves. All else goes on."
    ),
    "storage": _l(
        "Pictures can't be seen or uploaded right now. Receipts are drawn anew for whoever opens one."
        " All else goes on."
    ),
}


@dataclass(frozen=True)
class Service:
    """One card: `facts` are pairs of a label and what it says."""

    name: str
    state: Cell
    meaning: str
    facts: list[tuple[str, str]]


@bp.get("/admin/providers/")
def show() -> Any:
    on_platform()
    require(READ)
    redis = _redis()
    return render_template(
        "admin/providers.html",
        services=[*(_provider(state) for state in outside.states()), redis],
        is_partial=redis.state.tone != "success",
    )


def _provider(state: BreakerState) -> Service:
    words = {
        CLOSED: Cell("badge", _("Works"), tone="success"),
        HALF_OPEN: Cell("badge", _("Is tried right now"), tone="warning"),
        OPEN: Cell("badge", _("Held back"), tone="danger"),
    }
    cell = words.get(state.state) or Cell("badge", state.state, tone="warning")
    meaning = str((_WELL if state.state == CLOSED else _HELD_BACK).get(state.name, ""))
    if state.state == CLOSED and state.failures:
        cell = Cell("badge", _("Stumbles"), tone="warning")
        meaning = _("It failed just now. What could not be done is tried again by itself.")
    return Service(str(_NAMES.get(state.name, state.name)), cell, meaning, _facts(state))


def _facts(state: BreakerState) -> list[tuple[str, str]]:
    found = []
    if state.changed_at is not None:
        found.append((_("Since"), moment(state.changed_at)))
    if state.next_try_at is not None:
        found.append(
            (_("Tried again"), _("with the next call after %(time)s", time=moment(state.next_try_at)))
        )
    if state.failures:
        count = ngettext("%(num)s failure in a row", "%(num)s failures in a row", state.failures)
        found.append((_("Lately"), count))
    if state.failed_at is not None:
        found.append((_("Last failure"), moment(state.failed_at)))
        found.append((_("What it said"), state.last_error.removeprefix(f"{state.name}: ")))
    return found or [(_("Last failure"), _("None that is known"))]


def _redis() -> Service:
    """It keeps hints only; who needs no hint does not notice."""
    try:
        current_app.extensions["redis"].ping()
        state = Cell("badge", _("Works"), tone="success")
        meaning = _("Work is handed on at once, and open pages hear of news at once.")
    except RedisError:
        state = Cell("badge", _("Away"), tone="danger")
        meaning = _(
            "Nothing is lost. Mails, refunds and messages from the payment provider wait until it is back."
            " Open chats may hear of news late. All else goes on, a little slower."
        )
    return Service(_("Redis (queues and hints)"), state, meaning, [])
