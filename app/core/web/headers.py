"""Security headers of every answer: a strict CSP with a nonce, no framing, no sniffing, no caching of
what somebody signed in sees."""

from __future__ import annotations

import re
import secrets

from flask import Flask, Response, g, request

HSTS = "max-age=31536000; includeSubDomains"
_HASHED = re.compile(r"-[0-9a-f]{8,}\.[a-z0-9.]+$")


def nonce() -> str:
    """This request's CSP nonce."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    return str(g.csp_nonce)


def policy(form_targets: str = "") -> str:
    """The Content-Security-Policy: nothing inline, nothing from elsewhere."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'nonce-{nonce()}'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            f"form-action 'self'{form_targets}",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "object-src 'none'",
        )
    )


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

    @app.after_request
    def add_headers(response: Response) -> Response:
        site = g.get("site")
        at_home = site is not None and site.is_platform
        targets = f" {handover_target}" if at_home else g.get("form_targets", "")
        headers = response.headers
        headers.setdefault("Content-Security-Policy", policy(targets))
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("X-Frame-Options", "DENY")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=()")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if https:
            headers.setdefault("Strict-Transport-Security", HSTS)
        if "request_id" in g:
            headers["X-Request-Id"] = g.request_id
        if request.endpoint != "static":
            headers.setdefault("Cache-Control", "no-store")
        else:
            headers["Cache-Control"] = _of_file(request.path, response.status_code)
        return response
