"""The page of a list as plain values: what its template prints, worked out here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from flask_babel import get_timezone
from flask_babel import gettext as _

from app.core import list_views
from app.core.db import db
from app.core.list_views import ListView
from app.core.rights import WRITE
from app.core.viewer import Viewer
from app.core.web import entry_words
from app.core.web.cells import Cells
from app.core.web.entry import Action, AdminEntry, Registry
from app.core.web.list_args import SIZES, ListArgs, relation_of
from app.core.web.list_state import NO_VIEW, ListState, choosable, restored
from app.core.web.pages import (
    ActionLink,
    Cell,
    Choice,
    Column,
    Empty,
    ListPage,
    Row,
    ViewBar,
    ViewTab,
)
from app.core.web.site import Site

NUMBERS = frozenset({"money", "number"})


class Listing:
    """Makes the list of one entry for one viewer in one place."""

    def __init__(self, entry: AdminEntry, registry: Registry, viewer: Viewer, site: Site) -> None:
        self.entry, self.viewer = entry, viewer
        self.cells = Cells(entry, registry, viewer, site.surface)
        self.writes = viewer.may(entry.right(WRITE))
        self.surface = site.surface

    def page(self, state: ListState, data: Any, count: int, rows: Sequence[Any]) -> ListPage:
        entry, args = self.entry, state.args
        filtered = bool(args.query or args.values)
        adds = self.writes and entry.can_add
        bulk = [link(a, entry.url) for a in actions_of(entry, self.viewer, self.surface) if a.bulk]
        controls = args.controls(self.cells.links, self._names_of_chosen(args))
        shown = self._rows(rows, args.shown, selectable=bool(bulk))
        plain = f"{entry.url}/?view={NO_VIEW}" if state.opens_with else f"{entry.url}/"
        return ListPage(
            title=entry.plural,
            lead=entry.lead,
            singular=entry.label,
            icon=entry.icon,
            columns=self._columns(args, shown),
            rows=shown,
            count=count,
            page=args.page,
            size=args.size,
            page_links=_page_links(args, count),
            sizes=_sizes(args),
            previous_url=args.link(page=args.page - 1) if args.page > 1 else None,
            next_url=args.link(page=args.page + 1) if args.page * args.size < count else None,
            query=args.query,
            searchable=bool(entry.search),
            search_url=f"{entry.url}/",
            hidden=_hidden(args),
            filters=controls,
            active_filters=args.active(controls),
            clear_url=plain,
            empty=self._empty(adds, filtered, plain),
            add_url=f"{entry.url}/add" if adds else None,
            add_label=entry.add_label,
            import_url=f"{entry.url}/import" if self.writes and entry.can_import else None,
            export_url=args.address("export.csv", page=None, size=None),
            xlsx_url=args.address("export.xlsx", page=None, size=None),
            bulk_actions=bulk,
            matching=args.address("", page=None, size=None, view=None).partition("?")[2],
            views=self._views(state, data, plain),
            choices=self._choices(args),
            zone=_zone(shown),
        )

    def _names_of_chosen(self, args: ListArgs) -> dict[str, str]:
        """What the rows are called that the list is filtered by."""
        names = {}
        for name in args.values:
            relation = relation_of(self.entry, name) if name in self.entry.filters else None
            if relation is not None and relation.mapper.class_ in self.cells.links:
                row = db.session.get(relation.mapper.class_, int(args.values[name]))
                if row is not None:
                    names[name] = str(row)
        return names

    def _columns(self, args: ListArgs, rows: Sequence[Row]) -> tuple[Column, ...]:
        found = []
        for place, name in enumerate(args.shown):
            direction = args.order[1] if name == args.order[0] else None
            sort = f"-{name}" if direction == "asc" else name
            url = args.link(sort=sort, page=None) if name in (self.entry.sortable or ()) else None
            kind = kind_of_cells(row.cells[place] for row in rows)
            found.append(Column(name, entry_words.label(self.entry, name), url, direction, kind))
        return tuple(found)

    def _rows(self, rows: Sequence[Any], columns: Sequence[str], *, selectable: bool) -> list[Row]:
        makers, url = [self.cells.maker(name) for name in columns], self.entry.url
        found = []
        for row in rows:
            cells = [make(row) for make in makers]
            label = str(row) if selectable or not cells[0].text else ""
            found.append(Row(row.id, f"{url}/{row.id}", label, cells, selectable))
        return found

    def _empty(self, adds: bool, filtered: bool, plain: str) -> Empty:
        if filtered:
            return Empty(
                _("Nothing matches"),
                _("Try fewer words or other filters."),
                plain,
                _("Show all"),
                filtered=True,
            )
        add = (f"{self.entry.url}/add", self.entry.add_label) if adds else (None, None)
        return Empty(self.entry.empty_title, self.entry.empty_text, *add)

    # -- saved views -----------------------------------------------------------------------------

    def _views(self, state: ListState, data: Any, plain: str) -> ViewBar:
        slug, active = self.entry.slug, state.active
        changeable = active is not None and list_views.may_change(active, self.viewer)
        tabs = [ViewTab(_("All"), plain, active is None and not _asks(state.args))]
        tabs += [self._tab(view, state, data) for view in state.views]
        page = f"/admin/lists/{slug}/views/{active.id}" if active else ""
        return ViewBar(
            tabs=tabs,
            save_url=f"/admin/lists/{slug}/views/new",
            may_share=list_views.may_share(self.viewer),
            kept=_kept(state.args),
            # Nothing to keep, or kept already under this name.
            may_save=bool(_asks(state.args) or state.args.columns)
            and (active is None or self._moved(state, data)),
            columns_url=f"/admin/lists/{slug}/columns" if active is None or changeable else "",
            active_id=active.id if active else None,
            active_name=str(active) if active else "",
            owner="" if active is None or active.user_id == self.viewer.user_id else active.owner_name,
            edit_url=page if active and (changeable or active in state.views) else "",
            update_url=f"{page}/keep" if changeable and self._moved(state, data) else "",
            dropped=", ".join(state.dropped),
        )

    def _tab(self, view: ListView, state: ListState, data: Any) -> ViewTab:
        args, _dropped = restored(self.entry, data, view.args)
        url = args.link(page=None, view=view.id)
        shared = view.owner_name if view.is_shared and view.user_id != self.viewer.user_id else ""
        opens = state.opens_with is view
        return ViewTab(str(view), url, view is state.active, shared, opens, view.is_shared)

    def _moved(self, state: ListState, data: Any) -> bool:
        """Whether the list shows something else by now than the view that it was opened with."""
        if state.active is None:
            return False
        kept, dropped = restored(self.entry, data, state.active.args)
        return bool(dropped) or kept.as_args() != state.args.as_args()

    def _choices(self, args: ListArgs) -> tuple[Choice, ...]:
        """All columns there are: those that are shown in their order, then the others."""
        shown = args.shown
        others = [name for name in choosable(self.entry) if name not in shown]
        return tuple(
            Choice(name, entry_words.label(self.entry, name), name in shown, name == self.entry.columns[0])
            for name in (*shown, *others)
        )


def _kept(args: ListArgs) -> list[tuple[str, str]]:
    """What a form sends along that keeps something of the list: names that no field of its own has."""
    parts = {**args.as_args(), "view": args.view, "page": str(args.page) if args.page > 1 else ""}
    return [(f"list.{name}", text) for name, text in parts.items() if text]


def _zone(rows: Sequence[Row]) -> str:
    """The zone of the times that are shown, said once for all of them."""
    if not any(cell.kind == "datetime" for row in rows[:1] for cell in row.cells):
        return ""
    return str(get_timezone()).replace("_", " ")


def _asks(args: ListArgs) -> bool:
    return bool(args.as_args())


def kind_of_cells(cells: Iterable[Cell]) -> str:
    """`money` or `number` where a column holds nothing else, so that its figures stand in line."""
    kinds = {cell.kind for cell in cells if cell.text not in ("", "–")}
    return kinds.pop() if len(kinds) == 1 and kinds <= NUMBERS else "text"


def actions_of(entry: AdminEntry, viewer: Viewer, surface: str) -> list[Action]:
    """The actions of an entry that this viewer may do here."""
    return [
        a
        for a in entry.actions
        if viewer.may(entry.right(a.verb)) and (a.surfaces is None or surface in a.surfaces)
    ]


def link(action: Action, url: str) -> ActionLink:
    return ActionLink(action.name, action.label, f"{url}/do/{action.name}", action.icon, action.danger)


def _page_links(args: ListArgs, count: int) -> list[tuple[int, str, bool]]:
    last = max(1, -(-count // args.size))
    near = range(max(1, args.page - 2), min(last, args.page + 2) + 1)
    return [(n, args.link(page=n), n == args.page) for n in sorted({1, last, *near})]


def _sizes(args: ListArgs) -> tuple[tuple[int, str, bool], ...]:
    return tuple((n, args.link(size=n if n != SIZES[0] else None, page=None), n == args.size) for n in SIZES)


def _hidden(args: ListArgs) -> list[tuple[str, str]]:
    """What a search keeps: order, size and the open view."""
    kept = args.as_args()
    found = [(name, kept[name]) for name in ("sort", "size") if name in kept]
    return found + ([("view", args.view)] if args.view else [])
