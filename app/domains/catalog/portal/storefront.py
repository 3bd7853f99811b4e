"""What visitors see: the company's first page, the search, and its tutors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, redirect, render_template, request
from flask_babel import get_locale
from flask_babel import gettext as _

from app.core.errors import Invalid, NotFound
from app.core.money import Money
from app.core.viewer import Viewer
from app.core.web.pages import ActionLink, Empty
from app.core.web.site import site
from app.core.web.viewing import on_tenant, viewer
from app.domains.accounts.models import GUARDIAN, STUDENT, TUTOR
from app.domains.catalog import policies, queries
from app.domains.catalog.forms.search import read
from app.domains.catalog.models import KIND_NAMES, LEVEL_NAMES
from app.domains.catalog.policies.comparison import language_name
from app.domains.catalog.policies.pictures import path_of, small_path_of
from app.domains.catalog.queries.storefront import FACETS, Facet, Found, Hit, SearchArgs

bp = Blueprint("catalog", __name__, template_folder="../templates")

ON_FIRST_PAGE = 12


@bp.get("/")
def first_page() -> Any:
    """The first page of a host: a company's storefront, or the operators' entrance."""
    if site().is_platform:
        return redirect("/admin/") if viewer() else render_template("accounts/platform_welcome.html")
    found = queries.search(SearchArgs(size=ON_FIRST_PAGE))
    who = viewer()
    return render_template(
        "catalog/storefront.html",
        links=home_links(who) if who else [],
        cards=[card_of(hit) for hit in found.hits],
        count=found.count,
        subjects=[(f.label, search_url(subject=f.value), f.count) for f in found.facets["subject"]],
        empty_state=Empty(
            _("Lessons are coming"),
            _("%(company)s has not put anything up yet. Please look again soon.", company=site().name),
        ),
    )


def home_links(who: Viewer) -> list[ActionLink]:
    """Where somebody signed in has something to do."""
    links = []
    if who.rights:
        links.append(ActionLink("admin", _("Run the company"), "/admin/", "settings"))
    if TUTOR in who.role_keys:
        links.append(ActionLink("teach", _("My teaching"), "/teach/", "calendar"))
        links.append(ActionLink("offerings", _("My offerings"), "/teach/offerings/", "book"))
    if who.role_keys & {STUDENT, GUARDIAN}:
        links.append(ActionLink("learn", _("My lessons"), "/learn/", "school"))
    if GUARDIAN in who.role_keys:
        links.append(ActionLink("family", _("My family"), "/family/", "users-group"))
    links.append(ActionLink("account", _("My account"), "/account/", "user"))
    return links


@bp.get("/search")
def search() -> Any:
    """What is offered, by words and facets; all of it works without script."""
    on_tenant()
    errors: dict[str, str] = {}
    args = read(request.args, price=lambda name: _typed_price(name, errors))
    found = queries.search(args)
    if args.page > found.pages:
        return redirect(_link(page=found.pages))
    page = render_template(
        "catalog/search.html",
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
        empty_state=Empty(
            _("Nothing matches"),
            _("Try fewer words or other filters."),
            "/search",
            _("Show everything"),
            filtered=True,
        ),
    )
    return page, 422 if errors else 200


@bp.get("/tutors/<slug>")
def tutor(slug: str) -> Any:
    """A tutor with all that can be booked of theirs; nobody without anything is shown."""
    on_tenant()
    profile = queries.profile(slug)
    found = queries.search(SearchArgs(tutor=slug, sort="title"))
    if not found.hits:
        raise NotFound
    return render_template(
        "catalog/tutor.html",
        name=profile.person.full_name,
        initial=profile.person.full_name[:1].upper(),
        profile=profile,
        image_url=path_of(profile.image_key),
        cards=[card_of(hit) for hit in found.hits],
        more_url=search_url(tutor=slug) if found.pages > 1 else None,
    )


# -- Cards -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Card:
    """An offering as a card shows it."""

    url: str
    title: str
    summary: str
    kind: str
    level: str
    language: str
    subject: str | None
    price: str
    image_url: str | None
    tutor_name: str
    tutor_initial: str
    tutor_headline: str | None
    tutor_url: str | None
    tutor_image_url: str | None


def card_of(hit: Hit) -> Card:
    row, profile = hit.offering, hit.profile
    name = row.tutor.full_name
    return Card(
        url=f"/o/{row.slug}",
        title=row.title,
        summary=row.summary,
        kind=str(KIND_NAMES[row.kind]),
        level=str(LEVEL_NAMES[row.level]),
        language=language_name(row.language),
        subject=row.subject.name if row.subject else None,
        price=price_words(hit.lowest, hit.highest),
        image_url=small_path_of(row.image_key),
        tutor_name=name,
        tutor_initial=name[:1].upper(),
        tutor_headline=profile.headline if profile else None,
        tutor_url=f"/tutors/{profile.slug}" if profile else None,
        tutor_image_url=small_path_of(profile.image_key) if profile else None,
    )


def price_words(lowest: Money, highest: Money) -> str:
    """What a card says: “Free”, “€50.00” or “from €50.00”."""
    words = lowest.format(get_locale()) if lowest.minor else _("Free")
    return words if lowest == highest else _("from %(price)s", price=words)


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
    return [
        (heading, [_choice(found.args, name, facet) for facet in found.facets[name]])
        for name, heading in headings.items()
        if found.facets[name]
    ]


def _choice(args: SearchArgs, name: str, facet: Facet) -> Choice:
    is_chosen = getattr(args, name) == facet.value
    url = _link(**{name: None if is_chosen else facet.value, "page": None})
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
        return policies.parse_price(text, currency=site().currency or "", locale=get_locale()).minor
    except Invalid as error:
        errors[name] = str(error)
        return None


def _link(**changes: Any) -> str:
    """This search with some of it changed; None takes a part away. What we don't know is not carried on."""
    names = ("q", *FACETS, "price_from", "price_to", "sort", "page")
    asked = {name: request.args.get(name) for name in names}
    return search_url(**{**asked, **changes})


def search_url(**args: Any) -> str:
    if args.get("page") == 1:
        args["page"] = None
    query = urlencode({name: value for name, value in args.items() if value not in (None, "")})
    return f"/search?{query}" if query else "/search"
