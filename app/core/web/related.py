"""Rows of other entries on a record's page: the first of them, how many there are, the way to all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import func, inspect, select

from app.core.db import db
from app.core.rights import READ, WRITE
from app.core.viewer import Viewer
from app.core.web.admin_data import loading
from app.core.web.cells import Cells
from app.core.web.entry import AdminEntry, Registry, Related, eager_of
from app.core.web.list_args import relation_of
from app.core.web.pages import Column, RelatedList, Row

SHOWN = 5
COUNTED = 1000  # beyond that nobody reads the number, and counting on would be slow


@dataclass(frozen=True)
class Found:
    """A list as it is shown, and the rows in it for the page's history; `shown` is None for nothing."""

    entry: AdminEntry
    rows: list[Any]
    told: bool
    shown: RelatedList | None


class RelatedLists:
    """Makes the lists of one record's page for one viewer: one statement each, two for a long one."""

    def __init__(self, entry: AdminEntry, registry: Registry, viewer: Viewer, surface: str) -> None:
        self.entry, self.registry, self.viewer, self.surface = entry, registry, viewer, surface

    def of(self, row: Any) -> list[Found]:
        return [
            self._list(entry, related, row)
            for entry, related in self.registry.related_to(self.entry)
            if self.surface in entry.surfaces and self.viewer.may(entry.right(READ))
        ]

    def _list(self, entry: AdminEntry, related: Related, row: Any) -> Found:
        belongs = _belongs(entry.model, related.column, row.id)
        column, direction = entry.order
        key = getattr(entry.model, column)
        query = (
            select(entry.model)
            .where(belongs)
            .options(*(loading(entry.model, path) for path in eager_of(entry)))
            .order_by(key.asc() if direction == "asc" else key.desc(), entry.model.id.desc())
            .limit(SHOWN + 1)
        )
        rows = list(db.session.scalars(query))
        add_url = self._add_url(entry, related, row) if related.invites(row) else None
        if not rows and not add_url:
            return Found(entry, [], related.told, None)
        count = len(rows) if len(rows) <= SHOWN else _count(entry.model, belongs)
        more = f"{entry.url}/?{urlencode({related.column: row.id})}"
        shown = self._shown(entry, related, rows[:SHOWN])
        return Found(
            entry,
            rows[:SHOWN],
            related.told,
            RelatedList(
                related.title,
                *shown,
                count=min(count, COUNTED),
                more_url=more if count > SHOWN and related.column in entry.filters else None,
                add_url=add_url,
                add_label=entry.add_label,
                is_more=count > COUNTED,
            ),
        )

    def _shown(self, entry: AdminEntry, related: Related, rows: list[Any]) -> tuple[list[Column], list[Row]]:
        """Without the column that would say on each row whose page this is."""
        here = _relation_of(entry, related.column)
        names = related.columns or [name for name in entry.columns if name != here]
        columns = [Column(name, str(entry.label_of(name))) for name in names]
        cells = Cells(entry, self.registry, self.viewer, self.surface)
        return columns, [
            Row(
                row.id,
                f"{entry.url}/{row.id}",
                str(entry.title_of(row)),
                [cells.of(row, name) for name in names],
            )
            for row in rows
        ]

    def _add_url(self, entry: AdminEntry, related: Related, row: Any) -> str | None:
        """The form of one more, with this record filled in; it leads back here."""
        relation = _relation_of(entry, related.column)
        if not entry.can_add or relation not in entry.form or not self.viewer.may(entry.right(WRITE)):
            return None
        back = f"{self.entry.url}/{row.id}"
        return f"{entry.url}/add?{urlencode({relation: row.id, 'next': back})}"


def _belongs(model: type[Any], column: str, pk: int) -> Any:
    if "." not in column:
        return getattr(model, column) == pk
    first, leaf = column.split(".", 1)
    relation = inspect(model).relationships[first]
    theirs = relation.mapper.class_
    key = getattr(model, relation.synchronize_pairs[0][1].key)
    return key.in_(select(theirs.id).where(getattr(theirs, leaf) == pk))


def _relation_of(entry: AdminEntry, column: str) -> str:
    """The relation whose key a column is: `person` of `person_id`."""
    relation = relation_of(entry, column)
    return relation.key if relation is not None else ""


def _count(model: type[Any], belongs: Any) -> int:
    some = select(model.id).where(belongs).limit(COUNTED + 1).subquery()
    return int(db.session.scalar(select(func.count()).select_from(some)) or 0)
