"""`/api/v1/conversations`: somebody's conversations, what is written in them, and writing."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

from flask import Blueprint, jsonify, request

from app.core.errors import Invalid, NotFound
from app.core.ids import MAX_ID, row_id
from app.core.rights import TENANT
from app.core.transaction import transaction
from app.core.web.api_body import body
from app.core.web.describing import (
    DONE,
    MOMENT,
    TEXT,
    WHOLE,
    YES_NO,
    Json,
    content,
    in_path,
    list_of,
    ok,
    operation,
    or_null,
    query,
    record,
    ref,
)
from app.core.web.viewing import on_tenant, signed_in
from app.domains.messaging import queries, service
from app.domains.messaging.models import MOST_CHARACTERS
from app.domains.messaging.reactions import wire_form

bp = Blueprint("messaging_api", __name__)

_CANONICAL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


@bp.get("/api/v1/conversations")
def conversations() -> Any:
    """Those that the caller takes part in, the liveliest first; 200 at most."""
    lines = [
        {
            "id": line.id,
            "tutor": line.tutor_name,
            "student": line.student_name,
            "unread": line.unread,
            "last_message": line.last_body,
            "last_at": line.last_at.isoformat() if line.last_at else None,
        }
        for line in queries.conversations_of(_person_id())
    ]
    return jsonify({"result": lines, "count": len(lines)})


@bp.get("/api/v1/conversations/<id:conversation_id>/messages")
def messages(conversation_id: int) -> Any:
    """What comes after the message `after` (0: from the beginning), in order; 50 at a time. `more` says
    whether there is any beyond. Reading is not marking: that is what POST …/read does."""
    conversation = queries.conversation(conversation_id, _person_id())
    after = row_id(request.args.get("after", "0"))
    if after is None:
        raise Invalid(field="after")
    found = [wire_form(message) for message in queries.messages_after(conversation.id, after)]
    more = bool(found) and found[-1]["seq"] < conversation.last_seq
    return jsonify({"result": found, "count": len(found), "more": more})


@bp.post("/api/v1/conversations/<id:conversation_id>/messages")
def write(conversation_id: int) -> Any:
    """`client_id` is a UUID of the caller's own making: sent again, it gives the message that it made."""
    person_id, given = _person_id(), body({"client_id": str, "body": str})
    client_id, text = _uuid(given.get("client_id")), given.get("body")
    if text is None:
        raise Invalid(field="body")
    with transaction():
        said = service.send(conversation_id, author_id=person_id, client_id=client_id, body=text)
    return jsonify(wire_form(said)), 201


@bp.post("/api/v1/conversations/<id:conversation_id>/read")
def read(conversation_id: int) -> Any:
    """The caller has seen everything up to `seq`."""
    person_id, seq = _person_id(), body({"seq": int}).get("seq")
    if seq is None or not 0 <= seq <= MAX_ID:
        raise Invalid(field="seq")
    with transaction():
        service.mark_read(conversation_id, person_id=person_id, seq=seq)
    return "", 204


def _person_id() -> int:
    """Raises SignInNeeded, NotFound."""
    on_tenant()
    person_id = signed_in().person_id
    if person_id is None:
        raise NotFound
    return person_id


def _uuid(value: Any) -> UUID:
    """As it is usually written. Python takes it with braces or in the digits of other scripts, too; then two
    spellings would be one message."""
    if not isinstance(value, str) or not _CANONICAL.fullmatch(value):
        raise Invalid(field="client_id")
    return UUID(value)


# -- As OpenAPI describes it -------------------------------------------------------------------------------

SURFACES = frozenset({TENANT})

_TAG = "Conversations"
_SEQ: Json = {**WHOLE, "minimum": 0, "maximum": MAX_ID}
_UUID: Json = {**TEXT, "format": "uuid"}
_HERE = [in_path("conversation_id", WHOLE)]

SCHEMAS: Json = {
    "messaging.conversation": record(
        {
            "id": WHOLE,
            "tutor": TEXT,
            "student": TEXT,
            "unread": WHOLE,
            "last_message": or_null(TEXT),
            "last_at": or_null(MOMENT),
        }
    ),
    "messaging.message": record(
        {
            "conversation_id": WHOLE,
            "seq": WHOLE,
            "author_id": WHOLE,
            "author_name": TEXT,
            "client_id": _UUID,
            "body": TEXT,
            "sent_at": MOMENT,
        }
    ),
    "messaging.conversations": record({"result": list_of(ref("messaging.conversation")), "count": WHOLE}),
    "messaging.messages": record(
        {"result": list_of(ref("messaging.message")), "count": WHOLE, "more": YES_NO}
    ),
}

PATHS: Json = {
    "/api/v1/conversations": {
        "get": operation(_TAG, "One's own conversations", ok(ref("messaging.conversations")))
    },
    "/api/v1/conversations/{conversation_id}/messages": {
        "parameters": _HERE,
        "get": operation(
            _TAG,
            "What comes after a message",
            ok(ref("messaging.messages")),
            parameters=[query("after", {**_SEQ, "default": 0}, "The `seq` of the last one that is known.")],
        ),
        "post": operation(
            _TAG,
            "Write a message",
            {"201": content(ref("messaging.message"))},
            body=record(
                {
                    "client_id": {**_UUID, "description": "Sent again, it gives the message that it made."},
                    "body": {**TEXT, "minLength": 1, "maxLength": MOST_CHARACTERS},
                }
            ),
        ),
    },
    "/api/v1/conversations/{conversation_id}/read": {
        "parameters": _HERE,
        "post": operation(_TAG, "Say what has been read", DONE, body=record({"seq": _SEQ})),
    },
}
