"""What search engines ask of each host before they come in."""

from __future__ import annotations

import datetime as dt
from typing import Any
from xml.sax.saxutils import escape

from flask import Blueprint, Response

from app.core.web.meta import absolute
from app.core.web.site import site
from app.core.web.viewing import on_tenant
from app.domains.catalog import queries

bp = Blueprint("seo", __name__)

MOST = 5_000  # offerings; a sitemap may have 50,000 addresses
# What nobody who is not signed in has anything to do with, and what is made anew with each question.
PRIVATE = (
    "/account/",
    "/admin/",
    "/api/",
    "/checkout/",
    "/family/",
    "/learn/",
    "/login/",
    "/messages/",
    "/notifications/",
    "/orders/",
    "/pay/",
    "/teach/",
    "/search?*q=",
)


@bp.get("/robots.txt")
def robots() -> Any:
    """The platform's own host is nobody's shop."""
    if site().is_platform:
        return _text("User-agent: *\nDisallow: /\n")
    lines = ["User-agent: *", *(f"Disallow: {path}" for path in PRIVATE), "Allow: /"]
    return _text("\n".join([*lines, "", f"Sitemap: {absolute('/sitemap.xml')}", ""]))


@bp.get("/sitemap.xml")
def sitemap() -> Any:
    """The addresses of all that can be booked and of who teaches it."""
    on_tenant()
    changed: dict[str, dt.datetime | None] = {"/": None, "/search": None, "/tutors/": None}
    for offering, tutor, at, tutor_at in queries.addresses(MOST):
        changed[f"/o/{offering}"] = at
        if tutor:
            changed[f"/tutors/{tutor}"] = tutor_at
    urls = "".join(_url(path, at) for path, at in changed.items())
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>\n'
    )
    return Response(body, content_type="application/xml; charset=utf-8")


def _url(path: str, at: dt.datetime | None) -> str:
    when = f"<lastmod>{at.date().isoformat()}</lastmod>" if at else ""
    return f"<url><loc>{escape(absolute(path))}</loc>{when}</url>"


def _text(body: str) -> Response:
    return Response(body, content_type="text/plain; charset=utf-8")
