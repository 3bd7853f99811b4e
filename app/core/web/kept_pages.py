"""A visitor's page from the page cache: what is each request's own (the nonce, the form token) is put in
on the way out, and never kept.

Only what everybody sees is kept: nobody is signed in, nothing is waiting to be said, and the view wrote
nothing into the session.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from typing import Any

from flask import Response, current_app, g, request, session
from flask_wtf.csrf import generate_csrf

from app.core import clock
from app.core.locales import reader_locale
from app.core.page_cache import FREE_TIMES, Kept, Key, PageCache
from app.core.web.headers import nonce
from app.core.web.site import site
from app.core.web.viewing import viewer
from app.core.web.visitor import chosen_zone

LONGEST_QUERY = 300
NONCE, TOKEN = "n", "t"
_TOKEN_NAME = "csrf_token"  # noqa: S105 - where Flask-WTF keeps it in `g`


def note_revisions(tenant_id: int, tenancy: Any, words: Sequence[Any]) -> None:
    """Told by whoever read them on the way: that of all companies, and those of one."""
    g.page_revisions = (tenant_id, tenancy, words)


def kept(view: Callable[[], Any], *, kind: str, args: Collection[str]) -> Any:
    """The page that `view` makes, kept where it can be. `args` are all that it reads of the address."""
    cache: PageCache = current_app.extensions["page_cache"]
    key = _key(cache, kind, args)
    if key is None:
        return view()
    other: list[Any] = []

    def make() -> Kept | None:
        answer, page = _rendered(view)
        if page is None:
            other.append(answer)
        return page

    shared_by = site().tenant_id if not request.query_string else None
    page = cache.find(key, make, kind=kind, shared_by=shared_by)
    if page is None:
        return other[0]
    return Response(_filled(page), mimetype="text/html")


def _key(cache: PageCache, kind: str, args: Collection[str]) -> Key | None:
    """All that the page depends on; None where this request's is not kept."""
    here = site()
    if not cache.is_on or here.tenant_id is None or request.method not in {"GET", "HEAD"}:
        return None
    if viewer() is not None or "_flashes" in session or len(request.query_string) > LONGEST_QUERY:
        return None
    if not set(request.args) <= set(args):
        return None
    whose, tenancy, words = g.get("page_revisions") or (None, None, None)
    if whose != here.tenant_id:
        return None  # the first request for this company in this process
    revisions = cache.revisions(here.tenant_id, words)
    # What is free changes with the time, too, and business time may be moved.
    minute = int(clock.now().timestamp()) // 60 if kind == FREE_TIMES else None
    return (
        (here.tenant_id, here.url, tenancy, *revisions[: None if kind == FREE_TIMES else 1]),
        (request.path, request.query_string),
        (str(reader_locale()), session.get("theme"), chosen_zone()),
        minute,
    )


def _rendered(view: Callable[[], Any]) -> tuple[Any, Kept | None]:
    """(the answer, the page to keep): with marks that nobody can guess where this request's own values go."""
    mark = secrets.token_hex(16)
    before = dict(session)
    g.csp_nonce, g.csrf_token = f"{mark}{NONCE}", f"{mark}{TOKEN}"
    try:
        answer = view()
    finally:
        g.pop("csp_nonce", None)
        g.pop(_TOKEN_NAME, None)
    text, status = answer if isinstance(answer, tuple) else (answer, 200)
    if not isinstance(text, str):
        return answer, None
    first, *parts = text.split(mark)  # each begins with the letter of its slot
    page = Kept((first.encode(), *(part[1:].encode() for part in parts)), "".join(part[0] for part in parts))
    if status != 200 or dict(session) != before:
        return Response(_filled(page), status, mimetype="text/html"), None
    return answer, page


def _filled(page: Kept) -> bytes:
    values = {NONCE: nonce().encode()}
    if TOKEN in page.slots:
        values[TOKEN] = str(generate_csrf()).encode()
    return page.filled(values)
