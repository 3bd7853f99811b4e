"""The API's `Idempotency-Key`: a repeat of a request gets its first answer, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import jsonify, request
from flask_babel import lazy_gettext as _l

from app.core import idempotency
from app.core.again import insist
from app.core.errors import Invalid
from app.core.idempotency import Answer
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.site import site

MAX_KEY = 200


class _NotYet(Exception):
    """The request was not done before."""


def done_once(who: Viewer, work: Callable[[], Answer]) -> Any:
    """`work` in a transaction of this edge's. Without a key, and on the platform's host, where unique names
    refuse a repeat, it is done now. Raises Invalid, KeyReused, StillRunning."""
    key = _key()

    def once() -> tuple[Answer, bool]:
        with transaction():
            return _stored(who, key, work) if key is not None else (work(), False)

    return _answered(*insist(once))


def kept_afterwards(who: Viewer, work: Callable[[], Answer]) -> Any:
    """For `work` that calls a provider, and so can't share a transaction with its stored answer: look first,
    keep it afterwards. Two at the same time both do it, so it must be one deed by itself."""
    key = _key()
    if key is None:
        return _answered(work(), replayed=False)
    try:
        with transaction():
            found = _stored(who, key, _not_yet)
    except _NotYet:
        done = work()
        with transaction():
            found = _stored(who, key, lambda: done)
    return _answered(*found)


def _key() -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is None or site().tenant_id is None:
        return None
    if not 1 <= len(key) <= MAX_KEY or not key.isascii() or not key.isprintable():
        raise Invalid(_l("This is not a usable Idempotency-Key."), field="Idempotency-Key")
    return key


def _stored(who: Viewer, key: str, work: Callable[[], Answer]) -> tuple[Answer, bool]:
    return idempotency.once(
        actor=f"u:{who.user_id}",
        route=f"{request.method} {request.path}"[:200],
        key=key,
        body=request.get_data(),
        work=work,
    )


def _not_yet() -> Answer:
    raise _NotYet


def _answered(done: Answer, replayed: bool) -> Any:
    status, body = done
    answer = jsonify(body)
    if replayed:
        answer.headers["Idempotent-Replayed"] = "true"
    return answer, status
