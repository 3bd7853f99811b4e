"""The pages of an entry as plain values: what a template prints, worked out here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from flask import request
from flask_babel import format_decimal
from flask_babel import gettext as _
from sqlalchemy import DateTime, inspect, select

from app.core.audit import AuditEntry
from app.core.db import db
from app.core.moments import moment
from app.core.rights import READ, WRITE
from app.core.viewer import Viewer
from app.core.web import once, stamps
from app.core.web.admin_data import loading
from app.core.web.cells import Cells, plain_text
from app.core.web.csv_rows import MAX_IMPORT_BYTES
from app.core.web.entry import Action, AdminEntry, Registry, eager_of
from app.core.web.forms import Form
from app.core.web.import_page import import_columns
from app.core.web.labels import DEEDS
from app.core.web.list_args import SIZES, ListArgs, relation_of
from app.core.web.pages import (
    ActionLink,
    Column,
    ConfirmPage,
    Empty,
    FormPage,
    ImportPage,
    ListPage,
    RelatedList,
    Row,
    ShowPage,
    Text,
    TimelineEntry,
)
from app.core.web.site import Site
from app.core.web.transfer import Outcome

TIMELINE = 20
RELATED = 10


class Pages:
    """Makes the pages of one entry for one viewer in one place."""

    def __init__(self, entry: AdminEntry, registry: Registry, viewer: Viewer, site: Site) -> None:
        self.entry, self.registry, self.viewer, self.site = entry, registry, viewer, site
        self.cells = Cells(entry, registry, viewer, site.surface)
        self.writes = viewer.may(entry.right(WRITE))

    # -- list ----------------------------------------------------------------------------------

    def listing(self, args: ListArgs, count: int, rows: Sequence[Any]) -> ListPage:
        entry = self.entry
        filtered = bool(args.query or args.values)
        adds = self.writes and entry.can_add
        bulk = [a for a in self._actions() if a.bulk]
        controls = args.controls(self.cells.links, self._names_of_chosen(args))
        return ListPage(
            title=entry.plural,
            lead=entry.lead,
            singular=entry.label,
            icon=entry.icon,
            columns=self._columns(args),
            rows=[self._row(row, self.cells, selectable=bool(bulk)) for row in rows],
            count=count,
            page=args.page,
            size=args.size,
            page_links=_page_links(args, count),
            sizes=[(n, args.link(size=n, page=None), n == args.size) for n in SIZES],
            previous_url=args.link(page=args.page - 1) if args.page > 1 else None,
            next_url=args.link(page=args.page + 1) if args.page * args.size < count else None,
            query=args.query,
            searchable=bool(entry.search),
            search_url=f"{entry.url}/",
            hidden=_hidden(args),
            filters=controls,
            active_filters=args.active(controls),
            clear_url=f"{entry.url}/",
            empty=self._empty(adds, filtered),
            add_url=f"{entry.url}/add" if adds else None,
            add_label=entry.add_label,
            import_url=f"{entry.url}/import" if self.writes and entry.can_import else None,
            export_url=args.link(page=None, size=None).replace("/?", "/export.csv?")
            if filtered or args.order != entry.order
            else f"{entry.url}/export.csv",
            bulk_actions=[self._link(a, entry.url) for a in bulk],
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

    def _columns(self, args: ListArgs) -> list[Column]:
        found = []
        for name in self.entry.columns:
            direction = args.order[1] if name == args.order[0] else None
            sort = f"-{name}" if direction == "asc" else name
            url = args.link(sort=sort, page=None) if name in (self.entry.sortable or ()) else None
            found.append(Column(name, str(self.entry.label_of(name)), url, direction))
        return found

    def _row(self, row: Any, cells: Cells, *, selectable: bool = False) -> Row:
        entry = cells.entry
        return Row(
            row.id, f"{entry.url}/{row.id}", str(row), [cells.of(row, c) for c in entry.columns], selectable
        )

    def _empty(self, adds: bool, filtered: bool) -> Empty:
        if filtered:
            return Empty(
                _("Nothing matches"),
                _("Try fewer words or other filters."),
                f"{self.entry.url}/",
                _("Show all"),
                filtered=True,
            )
        add = (f"{self.entry.url}/add", self.entry.add_label) if adds else (None, None)
        return Empty(self.entry.empty_title, self.entry.empty_text, *add)

    # -- one record ----------------------------------------------------------------------------

    def show(self, row: Any) -> ShowPage:
        entry, url = self.entry, f"{self.entry.url}/{row.id}"
        fields = [
            (entry.label_of(name), self.cells.of(row, name), None)
            for name in entry.details
            if name not in entry.tones
        ]
        links = {a.name: self._link(a, url) for a in self._actions() if a.when(row)}
        primary = links.pop(entry.primary_of(row) or "", None)
        return ShowPage(
            title=str(row),
            lead=entry.label,
            icon=entry.icon,
            badges=[self.cells.of(row, name) for name in entry.details if name in entry.tones],
            groups=[(None, fields)],
            actions=[*links.values()],
            primary=primary,
            hint=entry.hint_of(row),
            back_url=f"{entry.url}/",
            edit_url=f"{url}/edit" if self.writes and entry.can_edit and entry.may_edit(row) else None,
            delete_url=f"{url}/delete"
            if self.writes and entry.can_delete and entry.may_delete(row)
            else None,
            timeline=self._timeline(row),
            related=[found for r in entry.related if (found := self._related(r, row))],
        )

    def _link(self, action: Action, url: str) -> ActionLink:
        return ActionLink(action.name, action.label, f"{url}/do/{action.name}", action.icon, action.danger)

    def _actions(self) -> Sequence[Action]:
        return [
            a
            for a in self.entry.actions
            if self.viewer.may(self.entry.right(a.verb))
            and (a.surfaces is None or self.site.surface in a.surfaces)
        ]

    def _related(self, related: Any, row: Any) -> RelatedList | None:
        entry = self.registry.by_slug[related.entry]
        if self.site.surface not in entry.surfaces or not self.viewer.may(entry.right(READ)):
            return None
        query = (
            select(entry.model)
            .where(getattr(entry.model, related.column) == row.id)
            .options(*(loading(entry.model, path) for path in eager_of(entry)))
            .order_by(entry.model.id.desc())
            .limit(RELATED + 1)
        )
        rows = list(db.session.scalars(query))
        columns = [Column(name, str(entry.label_of(name))) for name in entry.columns]
        more = f"{entry.url}/?{related.column}={row.id}" if related.column in entry.filters else None
        cells = Cells(entry, self.registry, self.viewer, self.site.surface)
        shown = [self._row(item, cells) for item in rows[:RELATED]]
        if len(rows) > RELATED:  # how many more there are is not asked: the list behind the link says it
            return RelatedList(related.title, columns, shown, None, more)
        return RelatedList(related.title, columns, shown, len(rows))

    def _timeline(self, row: Any) -> list[TimelineEntry]:
        """What happened to the record, newest first, for those who may read the audit trail."""
        if not self.viewer.may("audit_entry.read"):
            return []
        entries = db.session.scalars(
            select(AuditEntry)
            .where(AuditEntry.thing_type == row.__tablename__, AuditEntry.thing_id == row.id)
            .order_by(AuditEntry.id.desc())
            .limit(TIMELINE)
        )
        return [
            TimelineEntry(
                entry.occurred_at,
                entry.actor_label,
                DEEDS.get(entry.verb, entry.verb),
                self._changes(entry),
                entry.reason,
            )
            for entry in entries
        ]

    def _changes(self, entry: AuditEntry) -> list[tuple[Text, str, str]]:
        """Before and after in words; what a record was created with stands on its page already."""
        if entry.verb == "created":
            return []
        return [
            (self.entry.label_of(name), self._words(name, before), self._words(name, after))
            for name, (before, after) in entry.changes.items()
        ]

    def _words(self, name: str, value: Any) -> str:
        if value is None or value == "":
            return "–"
        if isinstance(value, bool):
            return str(_("Yes") if value else _("No"))
        if isinstance(value, dict):
            return ", ".join(f"{key}: {item}" for key, item in value.items())
        if isinstance(value, list):
            return ", ".join(map(str, value))
        if isinstance(value, str) and self._is_moment(name):
            return moment(dt.datetime.fromisoformat(value))
        return str(dict(self.entry.choices_of(name) or ()).get(str(value), value))

    def _is_moment(self, name: str) -> bool:
        """Whether the trail keeps this column as a point in time, in ISO 8601."""
        column = inspect(self.entry.model).columns.get(name)
        return column is not None and isinstance(column.type, DateTime)

    # -- forms and questions -------------------------------------------------------------------

    def form(self, form: Form, row: Any, changed: Sequence[str] = ()) -> FormPage:
        """`changed` names the columns that hold something else by now than the form says."""
        entry = self.entry
        names = entry.form if row is None else (entry.edit_form or ())
        return FormPage(
            title=entry.add_label if row is None else _("Edit %(name)s", name=str(row)),
            lead=entry.lead if row is None else entry.label,
            icon=entry.icon,
            form=form,
            groups=[(None, names)],
            submit_label=entry.add_label if row is None else _("Save"),
            cancel_url=f"{entry.url}/" if row is None else f"{entry.url}/{row.id}",
            hidden=once.hidden() if row is None else self._stamp(row, fresh=bool(changed)),
            errors=form.refusals,
            changed=[(entry.label_of(name), plain_text(self.cells.of(row, name))) for name in changed],
        )

    def _stamp(self, row: Any, *, fresh: bool) -> list[tuple[str, str]]:
        """What the form came with, which is what its reader has seen, or the row as this page shows it."""
        sent = None if fresh else request.form.get(stamps.FIELD)
        return [(stamps.FIELD, sent or stamps.stamp_of(row, self.entry.edit_form or ()))]

    def confirm_delete(self, pk: int, name: str, errors: Sequence[Text]) -> ConfirmPage:
        return ConfirmPage(
            title=_("Delete %(name)s?", name=name),
            text=_("This can't be undone. The audit trail keeps what was there."),
            labels=[name],
            hidden=[],
            submit_label=_("Delete"),
            cancel_url=f"{self.entry.url}/{pk}",
            form=Form(),
            danger=True,
            errors=errors,
        )

    def confirm_action(
        self,
        action: Action,
        rows: Sequence[Any],
        form: Form,
        back: str,
        errors: Sequence[Text],
        *,
        bulk: bool,
    ) -> ConfirmPage:
        names = [str(row) for row in rows]
        title = (
            _("%(action)s: %(name)s", action=action.label, name=names[0])
            if len(names) == 1
            else _("%(action)s: %(count)s records", action=action.label, count=len(names))
        )
        return ConfirmPage(
            title=title,
            text=action.text,
            labels=names if len(names) > 1 else [],
            hidden=[("id", str(row.id)) for row in rows] if bulk else [],
            submit_label=action.label,
            cancel_url=back,
            form=form,
            danger=action.danger,
            errors=errors,
        )

    def import_page(self, form: Form, row_form: type[Form], outcome: Outcome) -> ImportPage:
        entry = self.entry
        return ImportPage(
            title=_("Import: %(what)s", what=entry.plural),
            lead=_("A CSV file with one row per record. Either all rows are imported, or none."),
            limits=_(
                "At most %(rows)s rows and %(megabytes)s MB. The first line names the columns, by name or in "
                "your language; a file that was exported here can be imported as it is.",
                rows=format_decimal(entry.max_import_rows),
                megabytes=MAX_IMPORT_BYTES // 1024**2,
            ),
            form=form,
            columns=import_columns(entry, row_form),
            errors=[(e.line, e.column, e.message) for e in outcome.errors],
            cancel_url=f"{entry.url}/",
            hidden=once.hidden(),
            template_url=f"{entry.url}/import?template=1",
            notice=outcome.said_of_ignored,
        )


def _page_links(args: ListArgs, count: int) -> list[tuple[int, str, bool]]:
    last = max(1, -(-count // args.size))
    near = range(max(1, args.page - 2), min(last, args.page + 2) + 1)
    return [(n, args.link(page=n), n == args.page) for n in sorted({1, last, *near})]


def _hidden(args: ListArgs) -> list[tuple[str, str]]:
    sort = ("-" if args.order[1] == "desc" else "") + args.order[0]
    found = [("sort", sort)] if args.order != args.entry.order else []
    return found + ([("size", str(args.size))] if args.size != SIZES[0] else [])
