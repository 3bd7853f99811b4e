"""Who makes this request: a browser's session cookie or an API's bearer token, looked up once."""

from __future__ import annotations

import datetime as dt

from flask import Flask, Request, g, request, session
from flask_login import LoginManager
from structlog.contextvars import bind_contextvars

from app.core import audit, clock
from app.core.transaction import is_open, transaction
from app.core.viewer import Viewer
from app.core.web.site import Site, platform_url
from app.domains.accounts import queries
from app.domains.accounts.errors import TokenRefused
from app.domains.accounts.service import signin, tokens

SEEN_EVERY = dt.timedelta(minutes=5)
SESSION_KEY = "signin"


def init_app(app: Flask) -> None:
    """Flask-Login asks us on the first use of `current_user`, and never writes to the session itself."""
    manager = _Logins()
    app.login_manager = manager  # type: ignore[attr-defined]
    app.extensions["login"] = manager


class _Logins(LoginManager):
    """Flask-Login's own way there hashes address and browser, which nobody here looks at, and looks for a
    cookie that remembers people, which nobody here sets."""

    def _load_user(self) -> None:
        self._update_request_context_with_user(load_viewer(request))


def load_viewer(request: Request) -> Viewer | None:
    """The live viewer behind the request in this place, or None. API paths know bearer tokens only, and
    pages know cookies only, so neither can be ridden through the other."""
    site = g.get("site")
    if site is None:
        return None
    if request.path.startswith("/api/"):
        seen = _by_bearer(request, site)
    else:
        seen = _by_cookie(request, site)
    if seen is None:
        return None
    audit.set_actor(seen.viewer.actor)
    bind_contextvars(user_id=seen.viewer.user_id)
    if seen.viewer.is_visiting:
        # The form "leave" redirects home, and browsers hold form-action against redirects too.
        g.form_targets = f" {platform_url()}"
    late = clock.machine_now() - seen.last_seen_at > SEEN_EVERY
    # Not in the middle of somebody's transaction, nor where nothing may be saved; the next request will do.
    if late and not is_open() and not g.get("csrf_failed"):
        _note_seen(seen.viewer)
    return seen.viewer


def _by_cookie(request: Request, site: Site) -> queries.SeenSession | None:
    token = session.get(SESSION_KEY)
    if not isinstance(token, str):
        return None
    return queries.viewer_of_session(
        signin.hashed(token),
        tenant_id=site.tenant_id,
        ip=request.remote_addr,
    )


def _by_bearer(request: Request, site: Site) -> queries.SeenSession | None:
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        return None
    try:
        session_id = tokens.session_of(token.strip(), audience=site.url)
    except TokenRefused:
        return None
    return queries.viewer_of_session_id(
        session_id,
        tenant_id=site.tenant_id,
        ip=request.remote_addr,
    )


def _note_seen(viewer: Viewer) -> None:
    with transaction():
        signin.note_seen(viewer.session_id)
