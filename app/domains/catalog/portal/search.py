"""The search: what is offered, by words and facets. All of it works without script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request
from flask_babel import gettext as _

from app.core.errors import Invalid
from app.core.locales import reader_locale
from app.core.page_cache import CONTENT
from app.core.web import kept_pages
from app.core.web.meta import Meta, describe
from app.core.web.pages import Empty
from app.core.web.site import site
from app.core.web.viewing import on_tenant
from app.domains.catalog import policies, queries
from app.domains.catalog.forms.search import read
from app.domains.catalog.models import KIND_NAMES, LEVEL_NAMES
from app.domains.catalog.policies.comparison import language_name
from app.domains.catalog.portal.cards import card_of
from app.domains.catalog.queries.facets import Facet
from app.domains.catalog.queries.on_sale import FACETS, SearchArgs
from app.domains.catalog.queries.storefront import Found

bp = Blueprint("search", __name__, template_folder="../templates")

ARGS = ("q", *FACETS, "price_from", "price_to", "sort", "page")


@bp.get("/search")
def index() -> Any:
    """A page of what is found, and the facets."""
    on_tenant()
    return kept_pages.kept(_page, kind=CONTENT, args=(*ARGS, "size"))


def _page() -> Any:
    errors: dict[str, str] = {}
    args = read(request.args, price=lambda name: _typed_price(name, errors))
    found = queries.search(args)
    if args.page > found.pages:
        return redirect(_link(page=found.pages))
    page = render_template(
        "catalog/search.html",
        meta=_meta(args),
        is_searched=bool(args.text),
        found=found,
        args=args,
        typed=request.args,
        errors=errors,
        cards=[card_of(hit) for hit in found.hits],
        facets=_facets(found),
        chosen=_chosen(found),
        kept=[(name, request.args[name]) for name in FACETS if request.args.get(name)],
        sorts=_sorts(),
        previous_url=_link(page=args.page - 1) if args.page > 1 else None,
        next_url=_link(page=args.page + 1) if args.page < found.pages else None,
        **({} if found.hits else _instead()),
    )
    return page, 422 if errors else 200


def _meta(args: SearchArgs) -> Meta:
    """Found by a subject or as a whole: what else is asked for is one visitor's business."""
    path = search_url(subject=args.subject, page=args.page)
    words = _("Lessons at %(company)s: find a tutor and a time that suits you.", company=site().name)
    return describe(path, words)


def _instead() -> dict[str, Any]:
    """What a search that finds nothing offers: the subjects there are, and what others like."""
    best = queries.search(SearchArgs(sort="rating", size=3))
    return {
        "empty_state": Empty(
            _("Nothing matches"),
            _("Try fewer words or other filters."),
            "/search",
            _("Show everything"),
            filtered=True,
        ),
        "subjects": [(f.label, search_url(subject=f.value), f.count) for f in best.facets["subject"]],
        "instead": [card_of(hit) for hit in best.hits],
    }


# -- Facets ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Choice:
    """A value of a facet as a link: to narrow the search to it, or, where it is chosen, to take it away."""

    label: str
    count: int
    url: str
    is_chosen: bool


def _facets(found: Found) -> list[tuple[str, Sequence[Choice]]]:
    """(heading, choices) of each facet that has something to choose."""
    headings = {
        "subject": _("Subjects"),
        "kind": _("Kind"),
        "level": _("Level"),
        "language": _("Taught in"),
        "tutor": _("Tutors"),
    }
    asked = _asked()
    return [
        (heading, [_choice(found.args, name, facet, asked) for facet in found.facets[name]])
        for name, heading in headings.items()
        if found.facets[name]
    ]


def _choice(args: SearchArgs, name: str, facet: Facet, asked: Mapping[str, str]) -> Choice:
    is_chosen = getattr(args, name) == facet.value
    url = search_url(**{**asked, name: None if is_chosen else facet.value, "page": None})
    return Choice(_label(name, facet), facet.count, url, is_chosen)


def _label(name: str, facet: Facet) -> str:
    names: Mapping[str, Any] = {"kind": KIND_NAMES, "level": LEVEL_NAMES}
    if name in names:
        return str(names[name][facet.value])
    return language_name(facet.value) if name == "language" else facet.label or facet.value


def _chosen(found: Found) -> list[tuple[str, str]]:
    """(label, address without it) of what the search is narrowed to, also where nothing is found by it."""
    rows = []
    for name in FACETS:
        value = getattr(found.args, name)
        if value is not None:
            known = (facet for facet in found.facets[name] if facet.value == value)
            rows.append(
                (_label(name, next(known, Facet(value, None, 0))), _link(**{name: None, "page": None}))
            )
    return rows


def _sorts() -> list[tuple[str, str]]:
    return [
        ("newest", _("Newest first")),
        ("rating", _("Best rated first")),
        ("price", _("Lowest price first")),
        ("-price", _("Highest price first")),
        ("title", _("By title")),
    ]


def _typed_price(name: str, errors: dict[str, str]) -> int | None:
    """A price as a person typed it; one that is none is said, and then not looked for."""
    text = request.args.get(name, "").strip()
    if not text:
        return None
    try:
        return policies.parse_price(text, currency=site().currency or "", locale=reader_locale()).minor
    except Invalid as error:
        errors[name] = str(error)
        return None


def _link(**changes: Any) -> str:
    """This search with some of it changed; None takes a part away. What we don't know is not carried on."""
    return search_url(**{**_asked(), **changes})


def _asked() -> dict[str, str]:
    """What this search's address says."""
    args = request.args
    return {name: args[name] for name in ARGS if name in args}


def search_url(**args: Any) -> str:
    if args.get("page") == 1:
        args["page"] = None
    query = urlencode([(name, args[name]) for name in ARGS if args.get(name) not in (None, "")])
    return f"/search?{query}" if query else "/search"
