"""What tutors propose: what would change, approving it, sending it back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import g, request
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import HiddenField
from wtforms.validators import InputRequired

from app.core.viewer import Viewer
from app.core.web.categories import CATALOG
from app.core.web.cells import NOTHING
from app.core.web.entry import Action, AdminEntry
from app.core.web.forms import Form
from app.core.web.pages import Cell
from app.domains.catalog import queries, service
from app.domains.catalog.forms import ReasonForm
from app.domains.catalog.models import (
    APPROVED,
    DRAFT,
    KIND_NAMES,
    RETURNED,
    REVISION_STATUS,
    SUBMITTED,
    OfferingRevision,
)
from app.domains.catalog.policies.comparison import FIELDS, Change
from app.domains.catalog.policies.pictures import path_of
from app.domains.catalog.service.review import stamp_of

REVISION_TONES = {SUBMITTED: "info", RETURNED: "warning", DRAFT: "secondary"}


def _changes(row: OfferingRevision) -> Sequence[Change]:
    """Worked out once for a page, which shows them field by field."""
    known: dict[int, Sequence[Change]] = g.setdefault("catalog_changes", {})
    if row.id not in known:
        known[row.id] = service.changes_of(row)
    return known[row.id]


def _is_whole(row: OfferingRevision) -> bool:
    """Whether all that it says is shown, since there is nothing to compare it with any more, or yet."""
    return row.status == APPROVED or not row.offering.version


def _change_of(name: str) -> Callable[[Any, OfferingRevision], Cell]:
    """The cell of one field: before and after where a proposal changes it, else what it says."""

    def cell(_value: Any, row: OfferingRevision) -> Cell:
        changes = [change for change in _changes(row) if change.field == name]
        if not changes:
            return NOTHING if _is_whole(row) else Cell("secondary", _("Unchanged"))
        return Cell("prose", "\n".join(_in_words(change, row) for change in changes))

    return cell


def _picture(_value: Any, row: OfferingRevision) -> Cell:
    """As the others, and a way to look at it."""
    cell = _change_of("image_key")(None, row)
    url = path_of(row.content.get("image_key"))
    return Cell("link", str(cell.text).replace("\n", " "), url=url) if url else cell


def _in_words(change: Change, row: OfferingRevision) -> str:
    name = f"{change.label}: " if change.field == "variants" else ""
    if _is_whole(row):
        return f"{name}{change.after}"
    before, after = change.before or _("nothing"), change.after or _("nothing")
    return f"{name}{before}\n→ {after}"


def _tutor(_value: Any, row: OfferingRevision) -> Cell:
    """Asked once for a page: a list would ask for each of its rows."""
    if "catalog_tutors" not in g:
        g.catalog_tutors = queries.tutor_names()
    return Cell("text", g.catalog_tutors.get(row.offering.tutor_id, ""))


def _what_changed(_value: Any, row: OfferingRevision) -> Cell:
    """The names of the fields that differ, so that nobody has to look for them."""
    if row.status == APPROVED:
        return NOTHING
    if not row.offering.version:
        return Cell("text", _("All of it is new: it was never published."))
    names = list(dict.fromkeys(_name_of(change) for change in _changes(row)))
    return Cell("list", ", ".join(names), items=names) if names else Cell("text", _("Nothing"))


def _name_of(change: Change) -> str:
    return str(PROPOSED["variants"]) if change.field == "variants" else str(change.label)


PROPOSED: Mapping[str, LazyString] = {**FIELDS, "variants": _l("Lengths and prices")}


def _seen() -> str:
    """What the page that asks shows of the proposal; put into its form."""
    pk = (request.view_args or {}).get("pk")
    return stamp_of(queries.revision(pk)) if pk is not None and request.method == "GET" else ""


class ApproveForm(Form):
    """Only what was looked at is approved: `seen` is when it was sent, as `submitted_at` in the API."""

    seen = HiddenField(
        _l("Waiting since"), [InputRequired(_l("Please look at it before you approve it."))], default=_seen
    )


def _approve(row: OfferingRevision, data: Mapping[str, Any], by: Viewer) -> str:
    service.approve(row, by=by.actor.label, seen=data["seen"])
    return ""


def _send_back(row: OfferingRevision, data: Mapping[str, Any], by: Viewer) -> str:
    service.send_back(row, reason=data["reason"], by=by.actor.label)
    return ""


class RevisionEntry(AdminEntry):
    model = OfferingRevision
    slug = "proposals"
    label, plural = _l("Proposal"), _l("Proposals")
    lead = _l("What tutors want to offer or change. What waits for you comes first.")
    category, icon, rank = CATALOG, "file-text", 10
    waits = ("status", (SUBMITTED,))
    columns = (
        "proposal",
        "status",
        "tutor",
        "offering.kind",
        "number",
        "submitted_at",
        "reviewed_at",
    )
    details = (
        "status",
        "offering",
        "tutor",
        "offering.kind",
        "what_changed",
        *PROPOSED,
        "submitted_at",
        "reviewed_at",
        "reviewed_by",
        "review_reason",
    )
    api_columns = (
        "offering",
        "number",
        "status",
        "content",
        "submitted_at",
        "reviewed_at",
        "reviewed_by",
        "review_reason",
    )
    search = ("offering.title",)
    filters = ("status", "offering_id", "submitted_at")
    order = ("status", "desc")  # submitted, sent back, draft, approved
    labels = {
        "proposal": _l("Proposal"),
        "offering": _l("Offering"),
        "tutor": _l("Tutor"),
        "what_changed": _l("What changed"),
        "number": _l("No."),
        "submitted_at": _l("Waiting since"),
        "reviewed_at": _l("Reviewed"),
        "reviewed_by": _l("Reviewed by"),
        "review_reason": _l("What has to change"),
        "content": _l("Content"),
        **PROPOSED,
    }
    choices = {
        "status": tuple(REVISION_STATUS.items()),
        "offering.kind": tuple(KIND_NAMES.items()),
    }
    tones = {"status": REVISION_TONES}
    formats = {
        "proposal": lambda _value, row: Cell("text", str(row.content.get("title", ""))),
        "tutor": _tutor,
        "what_changed": _what_changed,
        **{name: _change_of(name) for name in PROPOSED},
        "image_key": _picture,
    }
    actions = (
        Action(
            "approve",
            _l("Approve"),
            _approve,
            done=_l("Approved. It is on the storefront from now on."),
            icon="check",
            text=_l("Visitors see and book it as it is proposed here, from now on."),
            form=ApproveForm,
            when=lambda row: row.status == SUBMITTED,
        ),
        Action(
            "send-back",
            _l("Send back"),
            _send_back,
            done=_l("Sent back. Its tutor is told what has to change."),
            icon="arrow-left",
            text=_l("Its tutor can change it and send it again. What was approved before stays as it is."),
            form=ReasonForm,
            when=lambda row: row.status == SUBMITTED,
        ),
    )
    can_add = can_edit = can_delete = False
    empty_title = _l("Nothing was proposed yet")
    empty_text = _l("As soon as a tutor sends an offering, you find it here.")

    def primary_of(self, row: OfferingRevision) -> str | None:
        return "approve"
