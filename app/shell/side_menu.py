"""The admin's menu: from what is registered to what this viewer does here, and what waits for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import g, request
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy import bindparam, func, literal, select, union_all

from app.core.db import db
from app.core.rights import READ
from app.core.viewer import Viewer
from app.core.web import cookies
from app.core.web.categories import RECORDS
from app.core.web.entry import AdminEntry, Category, registry
from app.core.web.viewing import viewer
from app.shell.admin import PAGES

# Which groups this browser has unfolded or folded up against their default: names, joined by dots.
COOKIE = "wm_menu"
HOME = Category("home", "", "home", 0)


@dataclass(frozen=True)
class MenuLink:
    label: LazyString | str
    url: str
    icon: str
    active: bool
    rank: int = 50
    count: int = 0


@dataclass
class MenuGroup:
    """`is_open` is how it is drawn first; a group without a label can't be folded."""

    name: str
    label: LazyString | str
    icon: str
    order: int
    is_open: bool
    links: list[MenuLink] = field(default_factory=list)


def admin_menu() -> list[MenuGroup]:
    """The side menu of whoever looks, made once for a page."""
    who = viewer()
    if who is None:
        return []
    if "admin_menu" not in g:
        entries = registry().visible_to(who, g.site.surface)
        g.admin_menu = menu(who, waiting(entries))
    found: list[MenuGroup] = g.admin_menu
    return found


def menu(who: Viewer, counts: dict[str, int] | None = None) -> list[MenuGroup]:
    """The groups and links of this viewer here; `counts` says by slug how much waits."""
    surface, groups = g.site.surface, _Groups(_turned())
    label = _l("Today") if who.tenant_id is not None else _l("Overview")
    groups.add(HOME, MenuLink(label, "/admin/", "home", request.path == "/admin/"))
    for entry in registry().visible_to(who, surface):
        here = request.path == entry.url or request.path.startswith(f"{entry.url}/")
        count = (counts or {}).get(entry.slug, 0)
        link = MenuLink(
            entry.menu_label or entry.plural, f"{entry.url}/", entry.icon, here, entry.rank, count
        )
        groups.add(RECORDS if entry.rare else entry.category, link)
    for page in PAGES:
        if surface in page.resource.surfaces and page.exists() and who.may(f"{page.resource.name}.{READ}"):
            active = request.path.startswith(page.url)
            groups.add(page.category, MenuLink(page.label, page.url, page.icon, active, page.rank))
    return groups.sorted()


def waiting(entries: Sequence[AdminEntry]) -> dict[str, int]:
    """How much of each entry waits for somebody to do something: one statement for all."""
    asked = [_count(entry) for entry in entries if entry.waits is not None]
    if not asked:
        return {}
    return {slug: count for slug, count in db.session.execute(union_all(*asked)) if count}


def _count(entry: AdminEntry) -> Any:
    assert entry.waits is not None
    column, values = entry.waits
    # Written out, so that an index of just these rows can be used whatever the plan is made for.
    among: Any = bindparam(f"{entry.resource}_waits", list(values), expanding=True, literal_execute=True)
    return (
        select(literal(entry.slug), func.count(entry.model.id))
        .select_from(entry.model)
        .where(getattr(entry.model, column).in_(among))
    )


def _turned() -> frozenset[str]:
    return frozenset(request.cookies.get(cookies.bound(COOKIE), "")[:400].split("."))


class _Groups:
    def __init__(self, turned: frozenset[str]) -> None:
        self.turned = turned
        self.found: dict[str, MenuGroup] = {}

    def add(self, category: Category, link: MenuLink) -> None:
        name = category.name
        if name not in self.found:
            is_open = (name in self.turned) == (category is RECORDS)
            self.found[name] = MenuGroup(name, category.label, category.icon, category.order, is_open)
        group = self.found[name]
        group.links.append(link)
        group.is_open = group.is_open or link.active

    def sorted(self) -> list[MenuGroup]:
        for group in self.found.values():
            group.links.sort(key=lambda link: link.rank)
        return sorted(self.found.values(), key=lambda group: group.order)
