"""What every template knows: site, viewer, languages, theme; and the locale of a request."""

from __future__ import annotations

import datetime as dt
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

from babel import Locale
from flask import Flask, g, has_request_context, request, session
from flask_babel import format_date, format_datetime, format_time
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from app.core.locales import reader_locale
from app.core.viewer import Viewer
from app.core.web import numbers, tables
from app.core.web.choices import LOCALES
from app.core.web.headers import nonce
from app.core.web.viewing import request_id, viewer
from app.core.web.visitor import chosen_zone
from app.shell import kept_parts, portal_menu, side_menu, words
from app.shell.assets import Assets

LANGUAGES = {code: str(name) for code, name in LOCALES}
THEMES = ("auto", "light", "dark")
LONGEST_HEADER = 200  # of languages: longer ones are not written by browsers


def init_app(app: Flask) -> None:
    babel = app.extensions["babel"]
    babel.locale_selector, babel.timezone_selector = chosen_locale, choose_timezone
    words.init_app(app)
    kept_parts.init_app(app)
    assets = app.extensions["assets"] = Assets(Path(app.root_path) / "static" / "dist")
    app.jinja_env.globals.update(
        asset=assets,
        icon=assets.icon,
        draw_cell=tables.draw_cell,
        draw_rows=tables.draw_rows,
        csp_nonce=nonce,
        product="WeMaster",
        tour_url=_tour_url(app),
        text_direction=text_direction,
        side_menu=side_menu.side_menu,
        languages=tuple(LANGUAGES.items()),
        portal_menu=portal_menu.portal_menu,
        unread_counts=portal_menu.unread_counts,
    )
    app.jinja_env.filters.update(
        localtime=lambda value: format_datetime(value, "medium"),
        isotime=lambda value: value.isoformat(timespec="seconds"),  # HTML takes milliseconds at most
        clocktime=lambda value: format_time(value, "short"),
        localdate=lambda value: format_date(_local(value), "medium"),
        number=numbers.written,
    )
    app.context_processor(page_context)


def _tour_url(app: Flask) -> str | None:
    """Where the demo's logins are, on every host; None in production."""
    settings = app.extensions["settings"]
    if settings.ENVIRONMENT == "production":
        return None
    return str(settings.url_of(settings.BASE_DOMAIN, "/tour/"))


def page_context() -> dict[str, Any]:
    who = viewer() if "site" in g else None
    locale = str(reader_locale())
    return {
        "site": g.get("site"),
        "viewer": who,
        "text_direction": text_direction(),
        "locale_code": locale,
        "theme": choose_theme(),
        "request_id": request_id(),
    }


def chosen_locale() -> Locale:
    return _locale(choose_locale())


class Spoken(Locale):
    """A language of ours. Much is kept by it, and looked up a hundred times for a page: Babel works out its
    hash and its name each time."""

    def __hash__(self) -> int:
        return self._hash

    def __str__(self) -> str:
        return self._name

    @cached_property
    def _hash(self) -> int:
        return super().__hash__()

    @cached_property
    def _name(self) -> str:
        return super().__str__()


@cache
def _locale(code: str) -> Locale:
    """The same object each time, so that what is kept by language is found without comparing."""
    return Spoken.parse(code)


def choose_locale() -> str:
    """What was chosen on this host, else the account's, else the browser's if we have it, else the site's."""
    if not has_request_context():
        return "en"
    chosen = session.get("locale")
    if chosen in LANGUAGES:
        return str(chosen)
    who = _known_viewer()
    if who is not None and who.locale in LANGUAGES:
        return str(who.locale)
    site = g.get("site")
    fallback = site.locale if site is not None and site.locale in LANGUAGES else "en"
    return _spoken(request.headers.get("Accept-Language", "")[:LONGEST_HEADER]) or fallback


@lru_cache(maxsize=500)
def _spoken(header: str) -> str | None:
    """Which of our languages a browser asks for: browsers all send the same few dozen headers."""
    return parse_accept_header(header, LanguageAccept).best_match(list(LANGUAGES))


def choose_timezone() -> str:
    """The viewer's own zone, else the one chosen in this browser, else the site's."""
    who = _known_viewer()
    site = g.get("site") if has_request_context() else None
    chosen = chosen_zone() if has_request_context() else None
    return (who and who.timezone) or chosen or (site and site.timezone) or "UTC"


def _known_viewer() -> Viewer | None:
    return viewer() if has_request_context() and "site" in g else None


def choose_theme() -> str:
    chosen = session.get("theme") if has_request_context() else None
    return chosen if chosen in THEMES else "auto"


def text_direction() -> str:
    return str(reader_locale().text_direction)


def _local(value: Any) -> Any:
    return value if isinstance(value, dt.datetime | dt.date) else None
