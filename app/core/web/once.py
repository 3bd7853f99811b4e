"""A page's form that is sent twice does its work once: a double click, an impatient reload.

The page carries a random `form_key`. The same key with the same content gives the first answer again;
with other content ("back", corrected, sent again) it is new work.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from typing import Any

from flask import request

from app.core import idempotency
from app.core.viewer import Viewer
from app.core.web.site import site

FIELD = "form_key"
_KEY = re.compile(r"[\w-]{8,40}", re.ASCII)


def hidden() -> list[tuple[str, str]]:
    """The hidden field for a page's form: the key it came with, or a fresh one."""
    return [(FIELD, _sent() or secrets.token_urlsafe(12))]


def once(who: Viewer, work: Callable[[], dict[str, Any]], content: bytes | None = None) -> dict[str, Any]:
    """Inside the edge's transaction: what `work` returns, done now or by the first sending of this form.

    `content` stands for the form's where it isn't text. On the platform's host, where unique names refuse
    a repeat, and for a form without a key it is done now. Raises StillRunning.
    """
    key = _sent()
    if key is None or site().tenant_id is None:
        return work()
    content = _text_content() if content is None else content
    (_status, answer), _replayed = idempotency.once(
        actor=f"u:{who.user_id}",
        route=f"POST {request.path}"[:200],
        key=f"{key}.{hashlib.sha256(content).hexdigest()}",
        body=content,
        work=lambda: (200, work()),
    )
    return answer


def _sent() -> str | None:
    key = request.form.get(FIELD, "")
    return key if _KEY.fullmatch(key) else None


def _text_content() -> bytes:
    items = [
        (name, text) for name, text in request.form.items(multi=True) if name not in {FIELD, "csrf_token"}
    ]
    return repr(sorted(items)).encode()
