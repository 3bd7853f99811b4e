"""Cross-site request forgery: every unsafe request carries a token, unless it carries a bearer token.

Where the token of a form has expired, the form is shown again with what was typed. That needs the
view to run, so `transaction()` refuses on such a request: nothing can be saved on this way.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import flask_wtf.csrf
from flask import Flask, current_app, g, request
from flask_wtf.csrf import CSRFError, CSRFProtect

from app.core.signing import SHA256_SIGNATURE, BriefSerializer

F = TypeVar("F", bound=Callable[..., Any])
csrf = CSRFProtect()


@lru_cache(maxsize=8)
def _serializer(secret_key: str | bytes, *, salt: str) -> BriefSerializer:
    """As Flask-WTF makes one for each request, with HMAC-SHA-256 in place of SHA-1; it has no setting for
    that."""
    return BriefSerializer(secret_key, salt=salt, signer_kwargs=SHA256_SIGNATURE)


flask_wtf.csrf.URLSafeTimedSerializer = _serializer

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def keeps_text(view: F) -> F:
    """Mark a view whose POST always validates its form and shows it again when that fails."""
    view.keeps_text = True  # type: ignore[attr-defined]
    return view


def init_app(app: Flask) -> None:
    app.config["WTF_CSRF_CHECK_DEFAULT"] = False  # we ask ourselves, below
    app.config["WTF_CSRF_TIME_LIMIT"] = 12 * 3600
    app.config["WTF_CSRF_SSL_STRICT"] = True
    csrf.init_app(app)


def check() -> None:
    """Before each unsafe request. Raises CSRFError (400) unless the token is right or none is needed.

    A bearer token is never sent by a browser on its own, so those requests need no other; cookies are
    ignored on them (see `shell/identity.py`).
    """
    if request.method in SAFE or request.endpoint is None or is_exempt():
        return
    try:
        csrf.protect()
    except CSRFError as error:
        view = current_app.view_functions.get(request.endpoint)
        if getattr(view, "keeps_text", False) and is_same_origin():
            g.csrf_failed = error
            return
        raise


def is_exempt() -> bool:
    """The token API proves itself by what it is sent, all other API calls by a bearer token, webhooks by
    their signature."""
    return request.path.startswith(("/api/", "/webhooks/"))


def is_same_origin() -> bool:
    """What the browser says of where the form stands; old ones say nothing, there SameSite holds."""
    origin = request.headers.get("Origin")
    fetch_site = request.headers.get("Sec-Fetch-Site", "same-origin")
    return fetch_site in {"same-origin", "none"} and (
        origin is None or origin == request.host_url.rstrip("/")
    )
