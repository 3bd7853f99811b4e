"""What somebody was told: the list, the way to what it is about, and "I have seen all that"."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, redirect, render_template, request, url_for

from app.core.errors import NotFound
from app.core.ids import row_id
from app.core.moments import moment
from app.core.transaction import transaction
from app.core.web.viewing import login_required, on_tenant, safe_next, signed_in
from app.domains.notifications import queries, service
from app.domains.notifications.policies.words import words_of

bp = Blueprint("notifications", __name__, template_folder="templates", url_prefix="/notifications")


@bp.get("/")
@login_required
def index() -> Any:
    person_id = _person_id()
    rows = queries.notifications_of(
        person_id, before=row_id(request.args.get("before", "")), limit=queries.PAGE + 1
    )
    shown = rows[: queries.PAGE]
    return render_template(
        "notifications/index.html",
        items=[(row, words_of(row.kind, row.data)) for row in shown],
        unread=queries.unread_count(person_id),
        older_url=url_for(".index", before=shown[-1].id) if len(rows) > len(shown) else None,
        moment=moment,
        is_first=not request.args.get("before"),
    )


@bp.post("/<id:notification_id>/open")
@login_required
def open_one(notification_id: int) -> Any:
    """Seen, and on to what it is about."""
    found = queries.notification(notification_id, _person_id())
    with transaction():
        service.mark_one_read(found)
    return redirect(safe_next(found.url, "/notifications/"))


@bp.post("/read")
@login_required
def read_all() -> Any:
    person_id = _person_id()
    with transaction():
        service.mark_all_read(person_id)
    return redirect(url_for(".index"))


def _person_id() -> int:
    """An operator on a visit is nobody here. Raises NotFound."""
    on_tenant()
    person_id = signed_in().person_id
    if person_id is None:
        raise NotFound
    return person_id
