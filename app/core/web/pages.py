"""What a template gets: plain values, worked out beforehand, so that templates only print."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from flask_babel import LazyString

Text: TypeAlias = LazyString | str


class Cell(NamedTuple):
    """One value as it is shown. `tone` colours a badge; `url` makes it a link; `value` is what a
    spreadsheet calculates with: Money, or a share as a Decimal."""

    kind: str
    text: Text
    url: str | None = None
    tone: str = "secondary"
    title: Text | None = None
    items: Sequence[str] = ()
    value: Any = None


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    label: Text
    sort_url: str | None = None
    direction: str | None = None
    kind: str = "text"


class Row(NamedTuple):
    """A record in a table. `label` is what it is called, where it can be ticked or has no first text."""

    id: int
    url: str | None
    label: str
    cells: Sequence[Cell]
    selectable: bool = False


@dataclass(frozen=True, slots=True)
class ActionLink:
    name: str
    label: Text
    url: str
    icon: str = "dots"
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter as a form control; dates have a `value_to` as well."""

    name: str
    label: Text
    kind: str
    choices: Sequence[tuple[str, Text]] = ()
    value: str = ""
    value_to: str = ""
    options_url: str | None = None


@dataclass(frozen=True, slots=True)
class Empty:
    title: Text
    text: Text
    action_url: str | None = None
    action_label: Text | None = None
    filtered: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A column that a list can show."""

    name: str
    label: str
    chosen: bool
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class ViewTab:
    """A saved view above its list; `owner` is named where it is a colleague's."""

    label: Text
    url: str
    active: bool
    owner: str = ""
    opens: bool = False
    shared: bool = False


@dataclass(frozen=True, slots=True)
class ViewBar:
    """The saved views of a list, and what can be done with the one that is open. Without an address there
    is no such thing to do."""

    tabs: Sequence[ViewTab] = ()
    save_url: str = ""
    may_share: bool = False
    kept: Sequence[tuple[str, str]] = ()
    may_save: bool = False
    columns_url: str = ""
    active_id: int | None = None
    active_name: str = ""
    owner: str = ""
    edit_url: str = ""
    update_url: str = ""
    dropped: str = ""


@dataclass(frozen=True)
class ListPage:
    title: Text
    lead: Text
    singular: Text
    icon: str
    columns: tuple[Column, ...]
    rows: Sequence[Row]
    count: int
    page: int
    size: int
    page_links: Sequence[tuple[int, str, bool]]
    sizes: Sequence[tuple[int, str, bool]]
    previous_url: str | None
    next_url: str | None
    query: str
    search_url: str
    hidden: Sequence[tuple[str, str]]
    filters: Sequence[Filter]
    active_filters: Sequence[tuple[Text, Text, str]]
    clear_url: str
    empty: Empty
    searchable: bool = True
    add_url: str | None = None
    add_label: Text | None = None
    import_url: str | None = None
    export_url: str | None = None
    xlsx_url: str | None = None
    bulk_actions: Sequence[ActionLink] = ()
    matching: str = ""
    views: ViewBar = field(default_factory=ViewBar)
    choices: tuple[Choice, ...] = ()
    zone: str = ""

    @property
    def is_narrowed(self) -> bool:
        """Whether its addresses carry what somebody typed or chose."""
        return bool(self.query or self.active_filters)

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // self.size))

    @property
    def first(self) -> int:
        return (self.page - 1) * self.size + 1 if self.count else 0

    @property
    def last(self) -> int:
        return min(self.count, self.page * self.size)


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """`kind` is who acted (user, visitor, system); `thing` to what, if not to the page's record."""

    when: dt.datetime
    who: str
    text: Text
    changes: Sequence[tuple[Text, str, str]] = ()
    reason: str | None = None
    address: str = ""
    kind: str = "user"
    origin: str = ""
    thing: Cell | None = None


@dataclass(frozen=True, slots=True)
class RelatedList:
    title: Text
    columns: Sequence[Column]
    rows: Sequence[Row]
    count: int | None = 0
    more_url: str | None = None
    add_url: str | None = None
    add_label: Text = ""
    is_more: bool = False


Group = tuple[Text | None, Sequence[tuple[Text, Cell, Text | None]]]


@dataclass(frozen=True)
class ShowPage:
    title: Text
    lead: Text
    icon: str
    badges: Sequence[Cell]
    groups: Sequence[Group]
    actions: Sequence[ActionLink]
    back_url: str | None
    edit_url: str | None = None
    delete_url: str | None = None
    timeline: Sequence[TimelineEntry] = ()
    related: Sequence[RelatedList] = ()
    primary: ActionLink | None = None
    hint: Text = ""
    aside: Sequence[tuple[Text, Cell]] = ()
    history_url: str | None = None
    back_label: Text = ""


@dataclass(frozen=True)
class FormPage:
    title: Text
    lead: Text
    icon: str
    form: Any
    groups: Sequence[tuple[Text | None, Sequence[str]]]
    submit_label: Text
    cancel_url: str
    hidden: Sequence[tuple[str, str]] = ()
    errors: Sequence[Text] = ()
    notice: Text | None = None
    multipart: bool = False
    changed: Sequence[tuple[Text, str]] = ()


@dataclass(frozen=True)
class ConfirmPage:
    title: Text
    text: Text
    labels: Sequence[str]
    hidden: Sequence[tuple[str, str]]
    submit_label: Text
    cancel_url: str
    form: Any = None
    danger: bool = False
    errors: Sequence[Text] = ()
    more: Text = ""


@dataclass(frozen=True, slots=True)
class ImportColumn:
    """A column of a file: its name for the head, an example, and how its cells are written."""

    name: str
    label: Text
    required: bool
    example: str
    hint: str


@dataclass(frozen=True)
class ImportPage:
    title: Text
    lead: Text
    limits: Text
    form: Any
    columns: Sequence[ImportColumn]
    errors: Sequence[tuple[int, Text, Text]]
    cancel_url: str
    template_url: str
    workbook_url: str
    notice: Text | None = None
    summary: Text = ""
    by_column: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True)
class PreviewPage:
    """A file that was looked through: its first rows as they would be read."""

    title: Text
    lead: Text
    summary: Text
    heads: Sequence[str]
    rows: Sequence[tuple[int, Sequence[str]]]
    rest: Text
    form: Any
    hidden: Sequence[tuple[str, str]]
    submit_label: Text
    cancel_url: str
    again_url: str
    notice: Text | None = None


@dataclass(frozen=True)
class ErrorPage:
    status: int
    title: Text
    text: Text
    request_id: str
    actions: Sequence[ActionLink] = ()
