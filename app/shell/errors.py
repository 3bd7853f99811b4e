"""Every error becomes an answer here, once: a page for people, a problem JSON (RFC 9457) for machines."""

from __future__ import annotations

import errno
import logging
from typing import Any

from flask import Flask, Response, g, jsonify, render_template, request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_login import AnonymousUserMixin
from flask_wtf.csrf import CSRFError
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from app.core import metrics, scope
from app.core.errors import DomainError, SignInNeeded, TooMany, Unavailable, from_database
from app.core.web import uploads
from app.core.web.pages import ActionLink, ErrorPage
from app.core.web.viewing import request_id, to_sign_in, viewer, wants_json

log = logging.getLogger(__name__)

_TITLES = {
    400: _l("This request can't be understood"),
    401: _l("Please sign in"),
    403: _l("Not allowed"),
    404: _l("Nothing here"),
    405: _l("That is not possible here"),
    409: _l("That does not fit any more"),
    410: _l("This link is dead"),
    412: _l("That does not fit any more"),
    413: _l("Too large"),
    415: _l("This kind of content is not taken here"),
    422: _l("Please check what you entered"),
    429: _l("A little slower, please"),
    500: _l("Something went wrong on our side"),
    503: _l("Not available right now"),
    507: _l("No room for it right now"),
}
_TEXTS = {
    400: _l("Please check the address, or start again from the first page."),
    404: _l("The page does not exist, or it is not yours to see."),
    405: _l("This address does not take that kind of request."),
    413: _l("What was sent is larger than we take."),
    500: _l(
        "We have been told. Nothing was saved by half. If you write to us, please give the number below."
    ),
    507: _l("There is no room for this file right now. Nothing was saved. Please try again later."),
}
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def init_app(app: Flask) -> None:
    app.register_error_handler(DomainError, refused)
    app.register_error_handler(CSRFError, token_expired)
    app.register_error_handler(HTTPException, http_error)
    app.register_error_handler(OperationalError, database_away)
    app.register_error_handler(PoolTimeout, database_away)
    app.register_error_handler(DBAPIError, database_refused)
    app.register_error_handler(OSError, machine_trouble)
    app.register_error_handler(Exception, fault)


def refused(error: DomainError) -> Any:
    _know_viewer()
    if isinstance(error, SignInNeeded) and not wants_json() and request.method == "GET":
        return to_sign_in()
    headers = {}
    if isinstance(error, TooMany | Unavailable):
        headers["Retry-After"] = str(error.data.get("retry_after", 5))
    if error.status == 401 and wants_json():
        headers["WWW-Authenticate"] = "Bearer"
    return answer(
        error.status, error.code, str(error), data={**error.data, "field": error.field}, headers=headers
    )


def token_expired(_error: CSRFError) -> Any:
    """A form without a token, or with one that expired, where the form can't be shown again."""
    _know_viewer()
    g.refused = "csrf"
    back = request.referrer
    if back and back.startswith(request.host_url) and not wants_json():
        page = ErrorPage(
            400,
            _("This page had been open for too long"),
            _("Nothing was done. Please go back and try once more."),
            request_id(),
            [
                ActionLink(
                    "back",
                    _("Back to the page"),
                    back.removeprefix(request.host_url.rstrip("/")),
                    "arrow-left",
                )
            ],
        )
        return render_template("errors/error.html", page=page), 400
    return answer(400, "csrf", _("This form came without a valid token. Please reload the page."))


def http_error(error: HTTPException) -> Any:
    if error.response is not None:
        return error.response
    status = error.code or 500
    if status in {301, 302, 307, 308}:
        return error.get_response()
    _know_viewer()
    if status == 413 and (page := uploads.back_to_page()) is not None:
        return page
    headers = {"Allow": ", ".join(error.valid_methods or ())} if status == 405 else {}  # type: ignore[attr-defined]
    return answer(status, "http", str(_TEXTS.get(status, _TITLES.get(status, _TEXTS[400]))), headers=headers)


def database_away(error: DBAPIError | PoolTimeout) -> Any:
    log.error("the database is away", exc_info=error)
    metrics.DATABASE_AWAY.labels("pool" if isinstance(error, PoolTimeout) else "away").inc()
    _as_visitor()
    return answer(503, "unavailable", str(Unavailable.message), headers={"Retry-After": "5"})


def database_refused(error: DBAPIError) -> Any:
    if error.connection_invalidated:
        return database_away(error)
    refusal = from_database(error)
    if refusal is None:
        return fault(error)
    log.warning("the database refused outside a transaction of an edge", exc_info=error)
    return refused(refusal)


def machine_trouble(error: OSError) -> Any:
    """What is uploaded waits in a file of the machine's while it is read; its disk may be full as well."""
    if error.errno not in _DISK_FULL:
        return fault(error)
    _as_visitor()
    log.error("the disk is full", exc_info=error)
    return answer(507, "disk_full", str(_TEXTS[507]), headers={"Retry-After": "60"})


def _know_viewer() -> None:
    """Words and pages ask who looks, for the language. Where the database can't say, an error's own page
    must not fail over it: then it is a visitor's."""
    try:
        scope.roll_back()
        viewer()
    except SQLAlchemyError:
        log.warning("an error's page does without its viewer", exc_info=True)
        _as_visitor()


def _as_visitor() -> None:
    """A page about a fault asks the database nothing more, not even who is looking."""
    g.setdefault("_login_user", AnonymousUserMixin())


def fault(error: BaseException) -> Any:
    _as_visitor()
    log.error("unhandled", exc_info=error)
    return answer(500, "fault", str(_TEXTS[500]))


def answer(
    status: int,
    code: str,
    text: str,
    *,
    data: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> Any:
    """Roll back what is open and say it in the form that was asked for."""
    scope.roll_back()
    g.refused = code
    title = str(_TITLES.get(status, _TITLES[400 if status < 500 else 500]))
    if wants_json() or "site" not in g:
        body = {"type": f"urn:wemaster:{code}", "title": title, "status": status, "detail": text}
        extra = {name: value for name, value in (data or {}).items() if value is not None}
        response = jsonify({**body, **extra, "code": code, "request_id": request_id()})
        response.mimetype = "application/problem+json"
    else:
        page = ErrorPage(status, title, text, request_id(), _ways_out(status))
        response = Response(render_template("errors/error.html", page=page))
    response.status_code = status
    response.headers.extend(headers or {})
    return response


def _ways_out(status: int) -> list[ActionLink]:
    if not g.site.is_active:
        return []  # every page of a suspended company says the same
    if status == 401:
        return [ActionLink("sign-in", _("Sign in"), "/login/", "user")]
    return [ActionLink("home", _("To the first page"), "/", "home")]
