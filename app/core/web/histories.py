"""A record's history in plain words: what was done to it and to what belongs to it, newest first."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import format_date
from flask_babel import gettext as _
from sqlalchemy import Date, DateTime, and_, inspect, or_, select

from app.core.audit import AuditEntry
from app.core.db import db
from app.core.moments import moment
from app.core.rights import READ
from app.core.viewer import Viewer
from app.core.web.cells import plain_text
from app.core.web.entry import AdminEntry, Registry
from app.core.web.labels import DEEDS
from app.core.web.list_args import relation_of
from app.core.web.pages import Cell, Text, TimelineEntry

MOST = 25
EMPTY = "–"
FEW = 3  # so many changes of what belongs to the record are told with it
LONGEST = 140
CREATED = 3  # so many columns that were empty before mean that the record was made, whatever the verb


@dataclass(frozen=True)
class _Thing:
    entry: AdminEntry
    row: Any
    is_self: bool


class Histories:
    """Tells the history of records to one viewer, who may read the audit trail: one statement, and one more
    for each kind of record that a change names by its number (three at most)."""

    def __init__(self, registry: Registry, viewer: Viewer, surface: str) -> None:
        self.registry, self.viewer, self.surface = registry, viewer, surface

    def of(
        self, entry: AdminEntry, row: Any, related: Iterable[tuple[AdminEntry, Sequence[Any]]] = ()
    ) -> tuple[list[TimelineEntry], str | None]:
        """The newest of it, and where the rest is."""
        if not self.viewer.may("audit_entry.read"):
            return [], None
        things = {(row.__tablename__, row.id): _Thing(entry, row, True)}
        for other, rows in related:
            for each in rows:
                things.setdefault((each.__tablename__, each.id), _Thing(other, each, False))
        found = list(db.session.scalars(_query(things)))
        names = self._names([(things[e.thing_type, e.thing_id], e) for e in found])
        told = [self._told(e, things[e.thing_type, e.thing_id], names) for e in found[:MOST]]
        told = [each for each in told if each.changes or not each.thing or each.text != DEEDS["changed"]]
        more = f"/admin/audit/?thing_type={row.__tablename__}" if len(found) > MOST else None
        return told, more

    def _told(
        self, entry: AuditEntry, thing: _Thing, names: Mapping[tuple[type[Any], int], str]
    ) -> TimelineEntry:
        deed, says_it_all = _deed(entry, thing.entry)
        name, _open, address = entry.actor_label.rstrip(">").partition(" <")
        return TimelineEntry(
            when=entry.occurred_at,
            who=name,
            text=deed,
            changes=[] if _is_new(entry) else self._changes(entry, thing, names, says_it_all),
            reason=entry.reason,
            address=address,
            kind=entry.actor_kind,
            origin=entry.ip or "",
            thing=None if thing.is_self else self._thing(thing),
        )

    def _thing(self, thing: _Thing) -> Cell:
        title = str(thing.entry.title_of(thing.row))
        url = f"{thing.entry.url}/{thing.row.id}"
        return Cell("link", f"{thing.entry.label}: {title}", url=url)

    def _changes(
        self,
        entry: AuditEntry,
        thing: _Thing,
        names: Mapping[tuple[type[Any], int], str],
        says_it_all: bool,
    ) -> list[tuple[Text, str, str]]:
        """Before and after of what the record's page knows, in its words; without the state and the moment
        that the deed has named already."""
        known, shown = _known(thing.entry), []
        for name, (before, after) in entry.changes.items():
            said = name in thing.entry.tones or (name.endswith("_at") and None in (before, after))
            if name not in known or (says_it_all and said):
                continue
            words = _Words(thing, names)
            shown.append((thing.entry.label_of(name), *words.both(name, before, after)))
        # All of what changed stands on the record's own page; here it would bury what happened.
        return shown if thing.is_self or len(shown) <= FEW else []

    def _names(self, entries: Sequence[tuple[_Thing, AuditEntry]]) -> dict[tuple[type[Any], int], str]:
        """What the records are called that changes name by number, as far as the viewer may read them."""
        wanted: dict[type[Any], set[int]] = {}
        for thing, entry in entries:
            if _is_new(entry):
                continue
            for name in entry.changes.keys() & _known(thing.entry):
                target = _target(thing.entry, name)
                other = self.registry.by_model.get(target) if target else None
                if target and other and self.viewer.may(other.right(READ)):
                    wanted.setdefault(target, set()).update(
                        value for value in entry.changes[name] if isinstance(value, int)
                    )
        names = {}
        for target, ids in list(wanted.items())[:3]:
            for row in db.session.scalars(select(target).where(target.id.in_(ids))):
                names[target, row.id] = str(row)
        return names


class _Words:
    """Values of the trail, which are JSON, as the record's page would draw them."""

    def __init__(self, thing: _Thing, names: Mapping[tuple[type[Any], int], str]) -> None:
        self.entry, self.row, self.names = thing.entry, thing.row, names

    def both(self, name: str, before: Any, after: Any) -> tuple[str, str]:
        drawn = self._drawn(name, before), self._drawn(name, after)
        if None not in drawn and drawn[0] != drawn[1]:
            return _cut(str(drawn[0])), _cut(str(drawn[1]))
        # Some columns are drawn from the record as it is, whatever the value: that says nothing here.
        return _cut(self._plain(name, before)), _cut(self._plain(name, after))

    def _drawn(self, name: str, value: Any) -> str | None:
        if value is None:
            return EMPTY
        if name not in self.entry.formats:
            return None
        try:
            return plain_text(self.entry.formats[name](self._typed(name, value), self.row)) or EMPTY
        except (AttributeError, KeyError, TypeError, ValueError):
            return None  # what a column held long ago need not be what its format knows

    def _typed(self, name: str, value: Any) -> Any:
        column = inspect(self.entry.model).columns.get(name)
        if isinstance(value, str) and column is not None:
            if isinstance(column.type, DateTime):
                return dt.datetime.fromisoformat(value)
            if isinstance(column.type, Date):
                return dt.date.fromisoformat(value)
        return value

    def _plain(self, name: str, value: Any) -> str:
        if value is None or value == "":
            return EMPTY
        value = self._typed(name, value)
        if isinstance(value, bool):
            return str(_("Yes") if value else _("No"))
        if isinstance(value, dt.datetime):
            return moment(value)
        if isinstance(value, dt.date):
            return str(format_date(value, "medium"))
        if isinstance(value, dict):
            return ", ".join(f"{key}: {item}" for key, item in value.items())
        if isinstance(value, list):
            return ", ".join(map(str, value))
        target = _target(self.entry, name)
        if target is not None:
            return self.names.get((target, value), str(value))
        return str(dict(self.entry.choices_of(name) or ()).get(str(value), value))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST].rstrip()} …"


def _query(things: Mapping[tuple[str, int], _Thing]) -> Any:
    by_type: dict[str, list[int]] = {}
    for kind, pk in things:
        by_type.setdefault(kind, []).append(pk)
    which = (
        and_(AuditEntry.thing_type == kind, AuditEntry.thing_id.in_(pks)) for kind, pks in by_type.items()
    )
    return select(AuditEntry).where(or_(*which)).order_by(AuditEntry.id.desc()).limit(MOST + 1)


def _deed(entry: AuditEntry, of: AdminEntry) -> tuple[Text, bool]:
    """What was done, in words, and whether they say the new state already: by the entry's own words for the
    verb, for the state it came to or for the column that changed, else by the house's."""
    if entry.verb in of.deeds:
        return of.deeds[entry.verb], True
    if entry.verb != "changed":
        return DEEDS.get(entry.verb, entry.verb), True
    states = [entry.changes.get(name, (None, None))[1] for name in of.tones]
    for key in (*states, *entry.changes):
        if key in of.deeds:
            return of.deeds[key], True
    return DEEDS["changed"], False


def _is_new(entry: AuditEntry) -> bool:
    """Whether the record was made then: what it was made with stands on its page."""
    befores = [before for before, _after in entry.changes.values()]
    return entry.verb == "created" or (len(befores) > CREATED and not any(b is not None for b in befores))


def _known(entry: AdminEntry) -> set[str]:
    """The columns whose changes mean something to whoever reads the record's page."""
    names = {*entry.columns, *entry.details, *entry.form, *(entry.edit_form or ())}
    columns = inspect(entry.model).column_attrs
    return {
        column.key
        for column in columns
        if column.key in names or ((relation := relation_of(entry, column.key)) and relation.key in names)
    }


def _target(entry: AdminEntry, name: str) -> type[Any] | None:
    """The model that a key column points at."""
    relation = relation_of(entry, name)
    return relation.mapper.class_ if relation is not None else None
