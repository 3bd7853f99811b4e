"""What a list shows to one viewer: what the address asks for, the view that is open, the columns chosen.

An address says all of it but for the columns; `view` in it only marks whose tab is active. So what is
reached from a view (its pages, its export) is what its reader saw, and a link to it works for everybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from sqlalchemy import inspect

from app.core import list_views
from app.core.list_views import ListView
from app.core.viewer import Viewer
from app.core.web.admin_data import AdminData
from app.core.web.entry import AdminEntry
from app.core.web.list_args import BadQuery, ListArgs, arguments_of
from app.core.web.pages import Text

NO_VIEW = "all"  # the plain list, also for who opens it with a view


@dataclass(frozen=True)
class ListState:
    """`dropped` are the words of what the active view asks for and is no more."""

    args: ListArgs
    views: Sequence[ListView] = ()
    settings: ListView | None = None
    active: ListView | None = None
    dropped: Sequence[str] = ()

    @property
    def opens_with(self) -> ListView | None:
        wanted = self.settings.opens_with_id if self.settings else None
        return next((view for view in self.views if view.id == wanted), None)


def read(entry: AdminEntry, data: AdminData, who: Viewer, given: Mapping[str, str]) -> ListState:
    """What this request asks for. Raises BadQuery for all that nobody knows here."""
    return _state(entry, data, who, given, opens=False)


def opened(entry: AdminEntry, data: AdminData, who: Viewer, given: Mapping[str, str]) -> ListState:
    """The same for the list's own page, which opens with the view that its reader chose for that."""
    if given:
        return read(entry, data, who, given)
    return _state(entry, data, who, given, opens=True)


def _state(
    entry: AdminEntry, data: AdminData, who: Viewer, given: Mapping[str, str], *, opens: bool
) -> ListState:
    asked = dict(given)
    view = asked.pop("view", "")
    if view not in {"", NO_VIEW} and not (view.isascii() and view.isdigit() and len(view) < 19):
        raise BadQuery
    args = ListArgs.read(entry, asked)
    found = list_views.visible_to(who, entry.slug)
    settings = next((row for row in found if row.name is None and row.user_id == who.user_id), None)
    state = ListState(args, [row for row in found if row.name is not None], settings)
    active = next((row for row in state.views if str(row.id) == view), None)
    if opens and state.opens_with is not None:
        active = state.opens_with
        args, dropped = restored(entry, data, active.args)
    else:
        dropped = restored(entry, data, active.args)[1] if active else []
    columns = columns_of(entry, active.columns if active else settings.columns if settings else None)
    mark = str(active.id) if active else NO_VIEW if view == NO_VIEW else ""
    return replace(
        state,
        args=replace(args, view=mark, columns=columns),
        active=active,
        dropped=[str(d) for d in dropped],
    )


def restored(entry: AdminEntry, data: AdminData, stored: Any) -> tuple[ListArgs, list[Text]]:
    """What was kept, as far as it still means something, and the words of what does not."""
    kept: dict[str, str] = {}
    dropped: list[Text] = []
    labels = {arg: entry.label_of(name) for name in entry.filters for arg in arguments_of(entry, name)}
    for name, text in stored.items() if isinstance(stored, Mapping) else ():
        if name in {"page", "view"} or not _is_known(entry, data, {name: text}):
            dropped.append(labels.get(name) or str(name))
        else:
            kept[name] = text
    return ListArgs.read(entry, kept), dropped


def _is_known(entry: AdminEntry, data: AdminData, one: Mapping[str, Any]) -> bool:
    if not all(isinstance(text, str) for text in one.values()):
        return False
    try:
        ListArgs.read(entry, one).filters(data)
    except BadQuery:
        return False
    return True


@cache
def choosable(entry: AdminEntry) -> tuple[str, ...]:
    """What a list of this entry can show: its columns, and of a record's details those that are read along
    with it. What a page works out for one record would be worked out for every row."""
    mapper = inspect(entry.model)
    own = {*mapper.column_attrs.keys(), *mapper.relationships.keys()}
    more = [name for name in entry.details if name.split(".")[0] in own and name not in entry.only_on_page]
    return tuple(dict.fromkeys((*entry.columns, *more)))


def columns_of(entry: AdminEntry, chosen: Iterable[Any] | None) -> tuple[str, ...]:
    """The chosen columns as far as they are there, the one that names the row first; empty where they are
    the entry's own."""
    known, first = choosable(entry), entry.columns[0]
    wanted = dict.fromkeys(name for name in chosen or () if isinstance(name, str) and name in known)
    if not wanted:
        return ()
    found = (first, *(name for name in wanted if name != first))
    return () if found == entry.columns else found
