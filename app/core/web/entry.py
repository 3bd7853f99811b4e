"""`AdminEntry`: the few class attributes from which a model gets its screens, rights, menu entry,
import, export and API. `docs/low-code.md` shows one in ten lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, TypeAlias

from flask import current_app
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy import inspect
from wtforms import Field

from app.core.db import db
from app.core.rights import ACT, READ, TENANT, VERBS, WRITE, Resource, right
from app.core.states import MoveNotAllowed
from app.core.viewer import Entitled, Viewer
from app.core.web.labels import LABELS
from app.core.web.pages import Cell

Text: TypeAlias = LazyString | str
Choices: TypeAlias = Sequence[tuple[str, Text]]


@dataclass(frozen=True)
class Category:
    """A group of the side menu."""

    name: str
    label: Text
    icon: str
    order: int


@dataclass(frozen=True)
class Action:
    """A business transition offered on a record: `run(row, data, viewer)` calls the same service function as
    everybody else, and returns the words of success, or a URL to go to.

    `form` asks for more first (a reason); `when` says whether it makes sense now; `bulk` offers it on lists;
    `leaves` sends the browser to the returned URL; `own_scope` runs outside a transaction, for a deed in
    another scope than the page's.
    """

    name: str
    label: Text
    run: Callable[[Any, Mapping[str, Any], Viewer], Text | str]
    done: Text = _l("Done.")
    icon: str = "check"
    text: Text = ""
    form: type[Any] | None = None
    when: Callable[[Any], bool] = lambda _row: True
    verb: str = ACT
    surfaces: frozenset[str] | None = None
    danger: bool = False
    bulk: bool = False
    leaves: bool = False
    own_scope: bool = False

    def check(self, rows: Iterable[Any]) -> None:
        """Raises MoveNotAllowed, with its name, for a row on which this makes no sense now."""
        for row in rows:
            if not self.when(row):
                raise MoveNotAllowed(_l("%(name)s: this can't be done in its present state.", name=str(row)))


@dataclass(frozen=True)
class Related:
    """Rows of another entry on a record's page: those whose `column` is the record's id. `column` may lead
    over one relation (`payment.order_id`).

    `entry` is the other side: in `related` whose rows they are, in `listed_on` on whose page they stand.
    `columns` are shown, else the entry's own but the one that would name this record on each row.
    Nothing is shown where there are no rows, unless `invites` says of the record that more can be added from
    here. What happened to them is told in the page's history, unless `told` says no.
    """

    entry: str
    column: str
    title: Text
    columns: tuple[str, ...] = ()
    invites: Callable[[Any], bool] = lambda _row: False
    told: bool = True


class AdminEntry:
    """One model in the admin. Only `model`, `label`, `plural` and `columns` must be said."""

    model: type[Any]
    label: Text
    plural: Text
    lead: Text = ""
    slug: str = ""
    resource: str = ""
    category: Category
    rank: int = 50
    rare: bool = False
    menu_label: Text = ""
    waits: tuple[str, tuple[str, ...]] | None = None
    icon: str = "database"
    surfaces: frozenset[str] = frozenset({TENANT})
    verbs: tuple[str, ...] = ()

    columns: tuple[str, ...]
    details: tuple[str, ...] = ()
    form: tuple[str, ...] = ()
    edit_form: tuple[str, ...] | None = None
    search: tuple[str, ...] = ()
    found_by: tuple[str, ...] = ()
    filters: tuple[str, ...] = ()
    order: tuple[str, str] = ("id", "desc")
    sortable: tuple[str, ...] | None = None
    eager: tuple[str, ...] = ()
    only_on_page: tuple[str, ...] = ()
    api_columns: tuple[str, ...] | None = None

    labels: Mapping[str, Text] = {}
    helps: Mapping[str, Text] = {}
    choices: Mapping[str, Choices | Callable[[], Choices]] = {}
    tones: Mapping[str, Mapping[str, str]] = {}
    formats: Mapping[str, Callable[[Any, Any], Cell]] = {}
    fields: Mapping[str, Callable[[AdminEntry], Field]] = {}
    examples: Mapping[str, Text] = {}
    actions: tuple[Action, ...] = ()
    primary: str | None = None
    related: tuple[Related, ...] = ()
    listed_on: tuple[Related, ...] = ()
    sections: tuple[tuple[Text, tuple[str, ...]], ...] = ()
    deeds: Mapping[str, Text] = {}

    can_add: bool = True
    can_edit: bool = True
    can_delete: bool = True
    can_import: bool = True
    max_import_rows: int = 5_000
    in_menu: bool = True
    has_api: bool = True
    empty_title: Text = _l("Nothing here yet")
    empty_text: Text = ""
    add_label: Text = _l("Add")
    next_step: Text = ""

    def __init__(self) -> None:
        cls, table = type(self), self.model.__tablename__
        self.slug = cls.slug or table.replace("_", "-") + "s"
        self.resource = cls.resource or table
        if not self.form:
            self.can_add = self.can_edit = self.can_import = False
        if not self.can_add:
            self.can_import = False
        if not cls.verbs:
            writes = self.can_add or self.can_edit or self.can_delete
            acts = any(action.verb == ACT for action in self.actions)
            wanted = {READ, *([WRITE] if writes else []), *([ACT] if acts else [])}
            self.verbs = tuple(verb for verb in VERBS if verb in wanted)
        if self.edit_form is None:
            self.edit_form = self.form
        if not self.details:
            self.details = self.columns
        if self.sortable is None:
            self.sortable = tuple(c for c in self.columns if c in inspect(self.model).column_attrs)

    # -- what it derives -----------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"/admin/{self.slug}"

    def right(self, verb: str) -> str:
        return right(self.resource, verb)

    def as_resource(self) -> Resource:
        return Resource(self.resource, self.plural, self.verbs, self.surfaces)

    def label_of(self, column: str) -> Text:
        """As a text that is not looked up yet; `entry_words.label` has it in words."""
        leaf = column.rsplit(".", 1)[-1]
        # Whether a lazy text is empty would be looked up, too.
        found = self.labels.get(column, LABELS.get(leaf))
        return leaf.replace("_", " ").capitalize() if found is None else found

    def choices_of(self, column: str) -> Choices | None:
        found = self.choices.get(column)
        return found() if callable(found) else found

    # -- how it writes; an entry overrides these to call its service ------------------------------

    def create(self, data: Mapping[str, Any], by: Viewer) -> Any:
        """A new row from validated form data, inside the edge's transaction."""
        row = self.model(**data)
        db.session.add(row)
        return row

    def update(self, row: Any, data: Mapping[str, Any], by: Viewer) -> None:
        """Change a row from validated form data, inside the edge's transaction."""
        for name, value in data.items():
            setattr(row, name, value)

    def delete(self, row: Any, by: Viewer) -> None:
        """Delete a row, inside the edge's transaction."""
        db.session.delete(row)

    def next_step_of(self, row: Any) -> Text:
        """What is told, and said to do next, when this row was added."""
        return self.next_step

    def title_of(self, row: Any) -> Text:
        """What this row is called on its page, in search results and in histories."""
        return str(row)

    def primary_of(self, row: Any) -> str | None:
        """The name of the action that is the thing to do with this row now; editing comes after it."""
        return self.primary

    def hint_of(self, row: Any) -> Text:
        """What this row still needs, said on its page; nothing where all is done."""
        return ""

    def may_edit(self, row: Any) -> bool:
        """Whether this row can be edited at all just now."""
        return True

    def may_delete(self, row: Any) -> bool:
        """Whether this row can be deleted at all just now."""
        return True


def eager_of(entry: AdminEntry) -> tuple[str, ...]:
    """The relations that whatever is shown of a record needs, beside those the entry names."""
    return relations_for(entry, (*entry.columns, *entry.details))


@cache
def relations_for(entry: AdminEntry, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The relations that these columns need, beside those the entry names."""
    named = [_relations_of(entry.model, name) for name in columns]
    return tuple(dict.fromkeys([*entry.eager, *filter(None, named)]))


def _relations_of(model: type[Any], column: str) -> str:
    """The relations on the way to a column: all of `conversation.tutor`, `lesson` of `lesson.starts_at`."""
    path: list[str] = []
    for name in column.split("."):
        relations = inspect(model).relationships
        if name not in relations:
            break
        path.append(name)
        model = relations[name].mapper.class_
    return ".".join(path)


class Registry:
    """All entries of the admin, in menu order."""

    def __init__(self, entries: Iterable[AdminEntry]) -> None:
        self.entries = tuple(entries)
        self.by_slug = {entry.slug: entry for entry in self.entries}
        self.by_model: dict[type[Any], AdminEntry] = {}
        for entry in self.entries:
            self.by_model.setdefault(entry.model, entry)
        if len(self.by_slug) != len(self.entries):
            raise ValueError("two admin entries share an address")

    @lru_cache(maxsize=500)  # noqa: B019 - there is one registry, as long as the application
    def links_for(self, rights: frozenset[str], surface: str) -> Mapping[type[Any], str]:
        """Where whoever has these rights may look at rows of a model here."""
        return {
            model: entry.url
            for model, entry in self.by_model.items()
            if surface in entry.surfaces and entry.right(READ) in rights
        }

    def readable_by(self, viewer: Entitled, surface: str) -> list[AdminEntry]:
        """The entries that this viewer may look at here."""
        return [e for e in self.entries if surface in e.surfaces and viewer.may(e.right(READ))]

    def visible_to(self, viewer: Entitled, surface: str) -> list[AdminEntry]:
        """The menu entries of this viewer here."""
        return [entry for entry in self.readable_by(viewer, surface) if entry.in_menu]

    def related_to(self, entry: AdminEntry) -> list[tuple[AdminEntry, Related]]:
        """Whose rows a record's page lists: those its entry names, then those that list themselves there."""
        own = [(self.by_slug[related.entry], related) for related in entry.related]
        others = [(e, r) for e in self.entries for r in e.listed_on if r.entry == entry.slug]
        return own + others


def registry() -> Registry:
    found: Registry = current_app.extensions["admin"]
    return found
