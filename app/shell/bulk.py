"""Actions on many records: the job that works them off, and the page on which people watch it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, jsonify, redirect, render_template
from flask_babel import LazyString, format_decimal, ngettext
from flask_babel import gettext as _

from app.core import bulk
from app.core.bulk import BulkRun, Hands
from app.core.errors import NotFound
from app.core.events import Delivery
from app.core.rights import ACT, READ, right
from app.core.states import MoveNotAllowed
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.bulk_work import work_of
from app.core.web.entry import registry
from app.core.web.pages import Cell
from app.core.web.site import site
from app.core.web.viewing import login_required, signed_in
from app.domains.accounts import queries
from app.shell.list_entries import STATES, TONES

bp = Blueprint("bulk", __name__, url_prefix="/admin/bulk")

RESOURCE = "bulk_run"
MAX_SHOWN = 100
EVERY_SECONDS = 3


def go_on(delivery: Delivery) -> None:
    """The job of a run. Safe to run twice: see `core.bulk`."""
    bulk.work_off(delivery.event, Hands(_viewer_of, work_of))


def _viewer_of(run: BulkRun) -> Viewer | None:
    if run.session_id is None:
        return None
    return queries.viewer_who_began(run.session_id, tenant_id=run.tenant_id)


@dataclass(frozen=True)
class Refusal:
    label: str
    url: str | None
    reason: str


@dataclass(frozen=True)
class RunPage:
    """How far a run is, as plain values."""

    title: str
    lead: LazyString | str
    run: BulkRun
    state: Cell
    words: str
    percent: int
    is_over: bool
    refusals: list[Refusal]
    more_url: str | None
    back_url: str
    stop_url: str | None
    state_url: str
    every: int = EVERY_SECONDS


def _run(run_id: int, verb: str) -> tuple[BulkRun, Viewer]:
    """One's own run, or one that the viewer may see or stop by right. Raises SignInNeeded, NotFound."""
    who = signed_in()
    run = bulk.find(run_id, site().tenant_id)
    if run.user_id != who.user_id and not who.may(right(RESOURCE, verb)):
        raise NotFound
    return run, who


@bp.get("/<id:run_id>")
@login_required
def show(run_id: int) -> str:
    run, who = _run(run_id, READ)
    return render_template("admin/bulk.html", page=_page(run, who))


@bp.get("/<id:run_id>/state")
def state(run_id: int) -> Any:
    """How far it is, for the page's script."""
    run, _who = _run(run_id, READ)
    return jsonify(percent=_percent(run), words=_words(run), over=run.is_over)


@bp.post("/<id:run_id>/stop")
def stop(run_id: int) -> Any:
    """Stop it, if it is not over meanwhile."""
    run, who = _run(run_id, ACT)
    try:
        with transaction():
            bulk.stop(bulk.find(run.id, site().tenant_id, lock=True))
        flash(_("Stopped. What was done stays done."), "success")
    except MoveNotAllowed:
        flash(_("It was over already."), "info")
    return redirect(f"/admin/bulk/{run_id}")


def _page(run: BulkRun, who: Viewer) -> RunPage:
    entry = registry().by_slug.get(run.entry)
    action = next((a for a in entry.actions if a.name == run.action), None) if entry else None
    name = str(action.label) if action else run.action
    failures = bulk.failures_of(run, MAX_SHOWN + 1) if run.failed else ()
    reads = entry is not None and who.may(entry.right(READ))
    url = entry.url if entry and reads else None
    listed = who.may(right("bulk_failure", READ)) and len(failures) > MAX_SHOWN
    mine = run.user_id == who.user_id or who.may(right(RESOURCE, ACT))
    return RunPage(
        title=_("%(action)s: %(count)s records", action=name, count=format_decimal(run.total)),
        lead=entry.plural if entry else "",
        run=run,
        state=Cell("badge", STATES[run.status], tone=TONES[run.status]),
        words=_words(run),
        percent=_percent(run),
        is_over=run.is_over,
        refusals=[
            Refusal(row.row_label, f"{url}/{row.row_id}" if url else None, row.reason)
            for row in failures[:MAX_SHOWN]
        ],
        more_url=f"/admin/bulk-failures/?run_id={run.id}" if listed else None,
        back_url=f"{url}/" if url else "/admin/",
        stop_url=f"/admin/bulk/{run.id}/stop" if mine and not run.is_over else None,
        state_url=f"/admin/bulk/{run.id}/state",
    )


def _percent(run: BulkRun) -> int:
    return 100 * run.position // run.total if run.total else 100


def _words(run: BulkRun) -> str:
    """`120 of 1,234 done, 3 refused`."""
    numbers = {"done": format_decimal(run.position), "total": format_decimal(run.total)}
    words = _("%(done)s of %(total)s worked off", **numbers)
    if run.failed:
        words += ", " + ngettext("%(num)s refused", "%(num)s refused", run.failed)
    return str(words)
