"""Searching the admin: records, places and what can be begun. As a page, and as JSON for the palette."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, jsonify, render_template, request
from flask_babel import LazyString, ngettext
from flask_babel import gettext as _

from app.core.errors import NotAllowed
from app.core.rights import WRITE
from app.core.viewer import Viewer
from app.core.web.entry import registry
from app.core.web.finding import LEAST, Hit, Hits, clean_query, find_records
from app.core.web.site import site
from app.core.web.viewing import login_required, signed_in
from app.shell.side_menu import menu

bp = Blueprint("admin_search", __name__)

ON_PAGE, IN_PALETTE = 10, 5


@dataclass(frozen=True)
class SearchPage:
    title: LazyString | str
    query: str
    lead: str
    groups: list[Hits]


@bp.get("/admin/search")
@login_required
def search() -> str:
    """The page, which needs no script."""
    who, query = _viewer(), _query()
    groups = _everything(query, who, ON_PAGE) if len(query) >= LEAST else []
    page = SearchPage(_("Search"), query, _lead(query, groups), groups)
    return render_template("admin/search.html", page=page)


@bp.get("/admin/search.json")
def search_json() -> Any:
    """The same for the palette; without a query what can be begun, and the places there are."""
    who, query = _viewer(), _query()
    answer = jsonify([_plain(group) for group in _everything(query, who, IN_PALETTE)])
    answer.headers["Cache-Control"] = "private, no-store"
    return answer


def _viewer() -> Viewer:
    """Whoever has anything to do in the admin. Raises SignInNeeded, NotAllowed."""
    who = signed_in()
    if not who.rights:
        raise NotAllowed
    return who


def _query() -> str:
    return clean_query(request.args.get("q", ""))


def _everything(query: str, who: Viewer, most: int) -> list[Hits]:
    """Places and actions first, since they are few; what is one letter long finds only those."""
    places = Hits(_("Go to"), _matching(_places(who), query, most))
    deeds = Hits(_("Begin"), _matching(_deeds(who), query, most))
    records = find_records(query, registry(), who, site().surface, most)
    named = [
        Hits(group.label, group.hits, group.more_url and f"{group.more_url}?{urlencode({'q': query})}")
        for group in records
    ]
    first = [places, deeds] if query else [deeds, places]
    return [group for group in (*first, *named) if group.hits]


def _places(who: Viewer) -> list[tuple[Hit, str]]:
    """Every entry of the menu, with the words by which it is found."""
    return [
        (Hit(str(link.label), link.url, link.icon, hint=str(group.label)), f"{link.label} {group.label}")
        for group in menu(who)
        for link in group.links
    ]


def _deeds(who: Viewer) -> list[tuple[Hit, str]]:
    """What can be added here, in the words of its button."""
    return [
        (
            Hit(str(entry.add_label), f"{entry.url}/add", "plus", hint=str(entry.plural)),
            f"{entry.add_label} {entry.label} {entry.plural}",
        )
        for entry in registry().visible_to(who, site().surface)
        if entry.can_add and not entry.rare and who.may(entry.right(WRITE))
    ]


def _matching(known: Iterable[tuple[Hit, str]], query: str, most: int) -> list[Hit]:
    """Those of whose words each word of the query begins one: few letters must not find half the menu."""
    words = query.casefold().split()

    def fits(text: str) -> bool:
        known_words = text.casefold().split()
        return all(any(each.startswith(word) for each in known_words) for word in words)

    return [hit for hit, text in known if fits(text)][:most]


def _lead(query: str, groups: list[Hits]) -> str:
    if len(query) < LEAST:
        return _("Type two letters or more: a name, an address, the code of an order, a page.")
    count = sum(len(group.hits) for group in groups)
    return ngettext("%(num)s result for “%(q)s”", "%(num)s results for “%(q)s”", count, q=query)


def _plain(group: Hits) -> dict[str, Any]:
    return {
        "label": str(group.label),
        "more": group.more_url,
        "hits": [
            {"title": h.title, "url": h.url, "icon": h.icon, "hint": h.hint, "state": h.state, "tone": h.tone}
            for h in group.hits
        ],
    }
