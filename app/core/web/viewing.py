"""Who looks at this request, and what a view asks of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from flask import g, redirect, request, url_for
from flask_login import current_user

from app.core.errors import NotAllowed, NotFound, SignInNeeded
from app.core.viewer import Viewer
from app.core.web.site import site

F = TypeVar("F", bound=Callable[..., Any])


def viewer() -> Viewer | None:
    """The signed-in viewer, loaded at most once per request; None for a visitor."""
    user = current_user._get_current_object()
    return user if isinstance(user, Viewer) else None


def signed_in() -> Viewer:
    """Raises SignInNeeded."""
    found = viewer()
    if found is None:
        raise SignInNeeded
    return found


def require(right: str) -> Viewer:
    """The viewer, who must hold `right`. Raises SignInNeeded, NotAllowed."""
    found = signed_in()
    if not found.may(right):
        raise NotAllowed
    return found


def login_required(view: F) -> F:
    """Send a visitor to the sign-in page and back."""

    @functools.wraps(view)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if viewer() is None:
            return to_sign_in()
        return view(*args, **kwargs)

    return cast(F, wrapped)


def to_sign_in() -> Any:
    """A redirect to the sign-in page that comes back here, for pages that a GET shows."""
    back = request.full_path.rstrip("?") if request.method == "GET" else None
    return redirect(url_for("accounts.login", next=back))


def on_platform() -> None:
    """Raises NotFound where the page exists on the platform's host only."""
    if not site().is_platform:
        raise NotFound


def on_tenant() -> int:
    """The tenant's id; raises NotFound on the platform's host."""
    tenant_id = site().tenant_id
    if tenant_id is None:
        raise NotFound
    return tenant_id


def safe_next(target: str | None, default: str) -> str:
    """`target` if it is a path on this host, else `default`: nobody is sent elsewhere by a link of ours."""
    if not target or not target.startswith("/") or target.startswith(("//", "/\\")):
        return default
    if any(ord(char) < 32 or char == "\\" for char in target) or len(target) > 2000:
        return default
    parts = urlsplit(target)
    return default if parts.scheme or parts.netloc else target


def wants_json() -> bool:
    """Whether this request is for a machine."""
    return request.path.startswith("/api/") or (
        request.accept_mimetypes.best_match(["text/html", "application/json"]) == "application/json"
    )


def request_id() -> str:
    return str(g.get("request_id", ""))
