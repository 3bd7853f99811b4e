"""`/api/v1/inbox`: what the caller was told. (`/api/v1/notifications/` is for who runs a company.)"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, jsonify, request

from app.core.errors import Invalid, NotFound
from app.core.ids import MAX_ID, row_id
from app.core.rights import TENANT
from app.core.transaction import transaction
from app.core.web.describing import (
    DONE,
    MOMENT,
    TEXT,
    WHOLE,
    YES_NO,
    Json,
    list_of,
    ok,
    operation,
    or_null,
    query,
    record,
    ref,
)
from app.core.web.viewing import on_tenant, signed_in
from app.domains.notifications import queries, service
from app.domains.notifications.policies.words import words_of

bp = Blueprint("notifications_api", __name__)


@bp.get("/api/v1/inbox")
def inbox() -> Any:
    """The newest first, in the caller's language; older ones are `before` the last that is known."""
    person_id = _person_id()
    before = _before()
    rows = queries.notifications_of(person_id, before=before, limit=queries.PAGE + 1)
    found = []
    for row in rows[: queries.PAGE]:
        words = words_of(row.kind, row.data)
        found.append(
            {
                "id": row.id,
                "kind": row.kind,
                "title": words.title,
                "text": words.text,
                "url": row.url,
                "happened_at": row.happened_at.isoformat(),
                "read_at": row.read_at.isoformat() if row.read_at else None,
            }
        )
    unread = queries.unread_count(person_id)
    return jsonify({"result": found, "unread": unread, "more": len(rows) > len(found)})


@bp.post("/api/v1/inbox/read")
def read_all() -> Any:
    """The caller has seen everything there is."""
    person_id = _person_id()
    with transaction():
        service.mark_all_read(person_id)
    return "", 204


def _before() -> int | None:
    text = request.args.get("before")
    if text is None:
        return None
    found = row_id(text)
    if found is None:
        raise Invalid(field="before")
    return found


def _person_id() -> int:
    """Raises SignInNeeded, NotFound."""
    on_tenant()
    person_id = signed_in().person_id
    if person_id is None:
        raise NotFound
    return person_id


# -- As OpenAPI describes it -------------------------------------------------------------------------------

SURFACES = frozenset({TENANT})

_TAG = "Inbox"

SCHEMAS: Json = {
    "notifications.told": record(
        {
            "id": WHOLE,
            "kind": TEXT,
            "title": TEXT,
            "text": TEXT,
            "url": TEXT,
            "happened_at": MOMENT,
            "read_at": or_null(MOMENT),
        }
    ),
    "notifications.inbox": record(
        {"result": list_of(ref("notifications.told")), "unread": WHOLE, "more": YES_NO}
    ),
}

PATHS: Json = {
    "/api/v1/inbox": {
        "get": operation(
            _TAG,
            "What one was told",
            ok(ref("notifications.inbox")),
            parameters=[
                query(
                    "before",
                    {**WHOLE, "minimum": 0, "maximum": MAX_ID},
                    "The `id` of the oldest one that is known.",
                )
            ],
        )
    },
    "/api/v1/inbox/read": {"post": operation(_TAG, "Say that all has been read", DONE)},
}
