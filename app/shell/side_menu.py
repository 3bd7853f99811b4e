"""The admin's menu: from what is registered to what this viewer does here, and what waits for them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

from flask import g, request
from flask_babel import lazy_gettext as _l
from markupsafe import Markup
from sqlalchemy import Select, func, literal, select, true, union_all

from app.core import plain
from app.core.locales import reader_locale
from app.core.rights import READ
from app.core.viewer import Viewer
from app.core.web import cookies
from app.core.web.categories import RECORDS
from app.core.web.entry import AdminEntry, Category, Registry, registry
from app.core.web.viewing import viewer
from app.shell.admin import PAGES
from app.shell.kept_parts import part

# Which groups this browser has unfolded or folded up against their default: names, joined by dots.
COOKIE = "wm_menu"
HOME = Category("home", "", "home", 0)
MOST_KEPT = 500


class MenuLink(NamedTuple):
    label: str
    url: str
    icon: str
    active: bool = False
    number: int = 0


class MenuGroup(NamedTuple):
    """`is_open` is how it is drawn first; a group without a label can't be folded. Equal where it looks
    alike: groups are kept as they were drawn."""

    name: str
    label: str
    is_open: bool
    links: tuple[MenuLink, ...]


def side_menu() -> Markup:
    """The side menu of whoever looks, as the page prints it."""
    who = viewer()
    if who is None:
        return Markup()
    groups = menu(who, waiting(_all_of(who).waiting))
    return Markup().join(part("side_group", *group) for group in groups)


def menu(who: Viewer, counts: dict[str, int] | None = None) -> list[MenuGroup]:
    """The groups and links of this viewer here; `counts` says by address how much waits."""
    turned, here, counts = _turned(), request.path, counts or {}
    found = []
    for name, label, is_folded, links in _all_of(who).groups:
        current = tuple(_here_and_now(link, here, counts) for link in links)
        is_open = (name in turned) == is_folded or any(link.active for link in current)
        found.append(MenuGroup(name, label, is_open, current))
    return found


def _here_and_now(link: MenuLink, here: str, counts: dict[str, int]) -> MenuLink:
    active = here.startswith(link.url) and (here == link.url or link.url != "/admin/")
    number = counts.get(link.url, 0)
    return MenuLink(link.label, link.url, link.icon, active, number) if active or number else link


# -- What there is for somebody ----------------------------------------------------------------------------


class _Kind(NamedTuple):
    """Viewers for whom the menu is the same: all that it depends on."""

    rights: frozenset[str]
    surface: str
    is_operator: bool
    pages: tuple[bool, ...]
    language: str

    def may(self, right: str) -> bool:
        return right in self.rights


class _Group(NamedTuple):
    name: str
    label: str
    is_folded: bool
    links: tuple[MenuLink, ...]


class _Menu(NamedTuple):
    """All of it, wherever somebody is in it; `waiting` are the entries of which something may wait."""

    groups: tuple[_Group, ...]
    waiting: tuple[AdminEntry, ...]


def _all_of(who: Viewer) -> _Menu:
    """The whole menu of this viewer here."""
    there = tuple(page.exists() for page in PAGES)
    kind = _Kind(who.rights, g.site.surface, who.tenant_id is None, there, str(reader_locale()))
    return _put_together(registry(), kind)


@lru_cache(maxsize=MOST_KEPT)
def _put_together(entries: Registry, kind: _Kind) -> _Menu:
    """Groups in their order, links in theirs; in the language in force, which the kind names."""
    label = _l("Overview") if kind.is_operator else _l("Today")
    found: dict[str, tuple[Category, list[tuple[int, MenuLink]]]] = {}

    def add(group: Category, rank: int, label: object, url: str, icon: str) -> None:
        links = found.setdefault(group.name, (group, []))[1]
        links.append((rank, MenuLink(str(label), url, icon)))

    add(HOME, 0, label, "/admin/", "home")
    visible = entries.visible_to(kind, kind.surface)
    for entry in visible:
        group = RECORDS if entry.rare else entry.category
        add(group, entry.rank, entry.menu_label or entry.plural, f"{entry.url}/", entry.icon)
    for page, is_there in zip(PAGES, kind.pages, strict=True):
        right = f"{page.resource.name}.{READ}"
        if is_there and kind.surface in page.resource.surfaces and kind.may(right):
            add(page.category, page.rank, page.label, page.url, page.icon)
    groups = (
        _Group(
            group.name,
            str(group.label),
            group is RECORDS,
            tuple(link for _rank, link in sorted(links, key=itemgetter(0))),
        )
        for group, links in sorted(found.values(), key=lambda each: each[0].order)
    )
    return _Menu(tuple(groups), tuple(entry for entry in visible if entry.waits is not None))


def _turned() -> frozenset[str]:
    return frozenset(request.cookies.get(cookies.bound(COOKIE), "")[:400].split("."))


# -- What waits --------------------------------------------------------------------------------------------


def waiting(entries: Iterable[AdminEntry]) -> dict[str, int]:
    """How much of each entry waits for somebody to do something, by its address: one statement for all."""
    asked = tuple(entry for entry in entries if entry.waits is not None)
    if not asked:
        return {}
    is_walled = not plain.on_platform()
    counts = (plain.rows if is_walled else plain.rows_of_all)(_counting(asked, is_walled))
    return {f"{asked[place].url}/": count for place, count in counts if count}


@lru_cache(maxsize=MOST_KEPT)
def _counting(entries: tuple[AdminEntry, ...], is_walled: bool) -> Any:
    counts: list[Select[int, int]] = []
    for place, entry in enumerate(entries):
        assert entry.waits is not None
        column, values = entry.waits
        table = entry.model.__table__
        wall = plain.of_tenant(entry.model, table) if is_walled else true()
        # Written out, so that an index of just these rows can be used whatever the plan is made for.
        among = table.c[column].in_([literal(value, literal_execute=True) for value in values])
        number = literal(place, literal_execute=True)
        counts.append(select(number, func.count()).select_from(table).where(wall, among))
    return union_all(*counts)
