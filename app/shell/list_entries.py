"""What is kept of lists, as admin entries: saved views, runs on many records, what was refused in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core import bulk
from app.core.bulk import DONE, FAILED, RUNNING, STOPPED, WAITING, BulkFailure, BulkRun
from app.core.list_views import ListView
from app.core.list_views import delete as delete_view
from app.core.rights import PLATFORM, TENANT
from app.core.viewer import Viewer
from app.core.web.categories import SETUP
from app.core.web.entry import Action, AdminEntry, Category, Related, registry
from app.core.web.pages import Cell

STATES = {
    WAITING: _l("Waiting"),
    RUNNING: _l("Running"),
    DONE: _l("Done"),
    STOPPED: _l("Stopped"),
    FAILED: _l("Broken off"),
}
TONES = {WAITING: "secondary", RUNNING: "info", DONE: "success", STOPPED: "warning", FAILED: "danger"}


def _list(slug: str, _row: Any) -> Cell:
    entry = registry().by_slug.get(slug)
    return Cell("text", entry.plural if entry else slug)


def _action(name: str, row: BulkRun) -> Cell:
    entry = registry().by_slug.get(row.entry)
    labels = {action.name: action.label for action in entry.actions} if entry else {}
    return Cell("text", labels.get(name, name))


def _refused_record(label: str, row: BulkFailure) -> Cell:
    entry = registry().by_slug.get(row.run.entry)
    return Cell("link", label, url=f"{entry.url}/{row.row_id}") if entry else Cell("text", label)


def _title(row: ListView) -> Cell:
    return Cell("text", row.name or _("Own columns"))


def _stop(row: BulkRun, _data: Mapping[str, Any], _by: Viewer) -> str:
    bulk.stop(row)
    return ""


class _Kept(AdminEntry):
    category: Category = SETUP
    surfaces = frozenset({TENANT, PLATFORM})
    rare = True
    has_api = False
    can_add = can_edit = can_delete = False


class ListViewEntry(_Kept):
    model = ListView
    slug = "list-views"
    label, plural = _l("Saved view"), _l("Saved views")
    lead = _l("Searches, filters and columns that people keep for their lists.")
    icon = "table"
    columns = ("name", "entry", "owner_name", "is_shared", "changed_at")
    details = (*columns, "args")
    search = ("name", "owner_name")
    filters = ("is_shared",)
    labels = {
        "entry": _l("List"),
        "owner_name": _l("Whose"),
        "is_shared": _l("Shared with colleagues"),
        "args": _l("What it asks for"),
    }
    formats = {"name": lambda _value, row: _title(row), "entry": _list}
    can_delete = True
    empty_title = _l("No saved views yet")
    empty_text = _l("Search or filter any list, then choose “Save view” above it.")

    def delete(self, row: ListView, by: Viewer) -> None:
        delete_view(row)


class BulkRunEntry(_Kept):
    model = BulkRun
    slug = "bulk-runs"
    label, plural = _l("Bulk action"), _l("Bulk actions")
    lead = _l("What was done to many records at once, by whom, and how it went.")
    icon = "list"
    columns = ("made_at", "entry", "action", "actor_label", "status", "total", "done", "failed")
    details = (*columns, "matching", "error", "started_at", "ended_at")
    search = ("actor_label",)
    filters = ("status", "made_at")
    choices = {"status": tuple(STATES.items())}
    tones = {"status": TONES}
    labels = {
        "entry": _l("List"),
        "action": _l("Action"),
        "status": _l("State"),
        "total": _l("Records"),
        "done": _l("Done"),
        "failed": _l("Refused"),
        "matching": _l("What it asks for"),
        "error": _l("Broken off because"),
        "made_at": _l("Asked for"),
        "started_at": _l("Began"),
    }
    formats = {"entry": _list, "action": _action}
    actions = (
        Action(
            "stop",
            _l("Stop"),
            _stop,
            done=_l("Stopped. What was done stays done."),
            icon="x",
            text=_l("No further records are worked off. What was done stays done."),
            when=lambda row: not row.is_over,
            danger=True,
        ),
    )
    related = (Related("bulk-failures", "run_id", _l("Refused")),)
    empty_title = _l("Nothing was done in bulk yet")
    empty_text = _l("Tick rows of a list, or choose all that match, and pick an action.")


class BulkFailureEntry(_Kept):
    model = BulkFailure
    slug = "bulk-failures"
    label, plural = _l("Refused record"), _l("Refused in bulk actions")
    lead = _l("On which records an action was refused, and why.")
    icon = "alert-triangle"
    columns = ("row_label", "reason", "run")
    search = ("row_label", "reason")
    filters = ("run_id",)
    labels = {"row_label": _l("Record"), "run": _l("Bulk action"), "run_id": _l("Bulk action")}
    formats = {"row_label": _refused_record}
    in_menu = False


ENTRIES = (ListViewEntry, BulkRunEntry, BulkFailureEntry)
