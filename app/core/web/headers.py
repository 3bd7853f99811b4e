"""Security headers of every answer: a strict CSP with a nonce, no framing, no sniffing, no caching of
what somebody signed in sees."""

from __future__ import annotations

import re
import secrets

from flask import Flask, Response, g, request

HSTS = "max-age=31536000; includeSubDomains"
# The Content-Security-Policy in three pieces, between them the nonce and what else forms may lead to: nothing
# inline, nothing from elsewhere.
_POLICY = (
    "default-src 'none'; script-src 'self' 'nonce-",
    "'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; manifest-src 'self'; "
    "form-action 'self'",
    "; base-uri 'none'; frame-ancestors 'none'; object-src 'none'",
)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HASHED = re.compile(r"-[0-9a-f]{8,}\.[a-z0-9.]+$")


def nonce() -> str:
    """This request's CSP nonce."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def policy(form_targets: str = "") -> str:
    """The Content-Security-Policy of this answer."""
    return f"{_POLICY[0]}{nonce()}{_POLICY[1]}{form_targets}{_POLICY[2]}"


def let_forms_lead_to(origin: str | None) -> None:
    """This page's forms lead to another host, by a redirect at the end."""
    if origin is not None:
        g.form_targets = f"{g.get('form_targets', '')} {origin}"


def _of_file(path: str, status: int) -> str:
    """A built file's name changes with its content; any other has to be asked for anew each time."""
    if status not in {200, 206, 304}:
        return "no-store"
    return "public, max-age=31536000, immutable" if _HASHED.search(path) else "no-cache"


def init_app(app: Flask, *, https: bool, handover_target: str) -> None:
    """`handover_target` is the CSP source of the tenants' hosts: the platform's form "open this tenant"
    redirects there, and browsers hold form-action against redirects too."""

    always = _ALWAYS | ({"Strict-Transport-Security": HSTS} if https else {})

    @app.after_request
    def add_headers(response: Response) -> Response:
        known = g.get("site")
        at_home = known is not None and known.is_platform
        targets = f" {handover_target}" if at_home else g.get("form_targets", "")
        wanted = {"Content-Security-Policy": policy(targets), **always}
        if request.endpoint != "static":
            wanted["Cache-Control"] = "no-store"
        headers = response.headers
        # What a view said itself stands. Asking for each by name costs an exception where it is not there.
        said = {name.lower() for name, _value in headers}
        for name, value in wanted.items():
            if name.lower() not in said:
                headers.add(name, value)
        if "request_id" in g:
            headers["X-Request-Id"] = g.request_id
        if request.endpoint == "static":
            headers["Cache-Control"] = _of_file(request.path, response.status_code)
        return response
