"""A list's query string: search, filters, order and page, read strictly and written back into links."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from flask_babel import format_date, get_timezone
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from sqlalchemy import Boolean, Date, DateTime, Integer, inspect
from sqlalchemy.orm import RelationshipDirection

from app.core.errors import Invalid
from app.core.ids import MAX_ID, row_id
from app.core.web import entry_words
from app.core.web.admin_data import AdminData
from app.core.web.entry import AdminEntry
from app.core.web.list_filters import Before, Contains, From, Is, RequestFilters
from app.core.web.pages import Filter, Text

SIZES = (25, 50, 100)
MOST_ASKED = 10_000  # as a size; more than the largest of SIZES gives that many
MAX_PAGE = 1_000_000
OWN = ("q", "sort", "page", "size")


class BadQuery(Invalid):
    code, status, message = "bad_query", 400, _l("This address asks for something that does not exist.")


@dataclass(frozen=True)
class ListArgs:
    """What one request asks of a list. `values` are the filters as they came in the query string.

    `view` names the saved view that is open and `columns` what is shown instead of the entry's own; neither
    is read here, see `list_state`.
    """

    entry: AdminEntry
    query: str
    order: tuple[str, str]
    page: int
    size: int
    values: Mapping[str, str] = field(default_factory=dict)
    view: str = ""
    columns: tuple[str, ...] = ()

    @classmethod
    def read(cls, entry: AdminEntry, args: Mapping[str, str]) -> ListArgs:
        """Raises BadQuery for all that the entry does not know: what is ignored looks as if it had worked."""
        names = {name for column in entry.filters for name in arguments_of(entry, column)}
        if not names.union(OWN).issuperset(args) or any("\x00" in text for text in args.values()):
            raise BadQuery
        sort = args.get("sort") or ""
        column, direction = (sort.removeprefix("-"), "desc" if sort.startswith("-") else "asc")
        if sort and column not in (entry.sortable or ()):
            raise BadQuery
        values = {name: args[name].strip() for name in names if args.get(name, "").strip()}
        return cls(
            entry=entry,
            query=args.get("q", "").strip()[:200],
            order=(column, direction) if sort else entry.order,
            page=_number(args.get("page"), 1, MAX_PAGE),
            size=min(_number(args.get("size"), SIZES[0], MOST_ASKED), SIZES[-1]),
            values=values,
        )

    def link(self, **changes: Any) -> str:
        """The list's address with some of it changed; None takes a part away."""
        return self.address("", **changes)

    def address(self, place: str, **changes: Any) -> str:
        """The same of another page of the list, e.g. its export."""
        parts: dict[str, Any] = {**self._kept, "page": self.page, "view": self.view, **changes}
        parts["page"] = None if parts["page"] == 1 else parts["page"]
        query = urlencode({name: value for name, value in parts.items() if value not in (None, "")})
        return f"{self.entry.url}/{place}?{query}" if query else f"{self.entry.url}/{place}"

    def as_args(self) -> dict[str, str]:
        """What makes this list another than the plain one, wherever one is in it: fit to be kept."""
        return dict(self._kept)

    @cached_property
    def _kept(self) -> dict[str, str]:
        found = {"q": self.query, **dict(sorted(self.values.items()))}
        if self.order != self.entry.order:
            found["sort"] = ("-" if self.order[1] == "desc" else "") + self.order[0]
        if self.size != SIZES[0]:
            found["size"] = str(self.size)
        return {name: text for name, text in found.items() if text}

    @property
    def shown(self) -> tuple[str, ...]:
        return self.columns or self.entry.columns

    def filters(self, data: AdminData) -> RequestFilters:
        """Fresh filters of this request only."""
        found = data.new_filters()
        for name in self.entry.filters:
            kind = kind_of(self.entry, name)
            if kind == "date":
                self._add_dates(found, name)
            elif name in self.values:
                found.add_filter(name, Contains if kind == "text" else Is, self._typed(name, kind))
        return found

    def _add_dates(self, found: RequestFilters, name: str) -> None:
        start, end = self._date(f"{name}.from"), self._date(f"{name}.to")
        moment = isinstance(inspect(self.entry.model).columns[name].type, DateTime)
        if start:
            found.add_filter(name, From, _midnight(start) if moment else start)
        if end:
            after = end + dt.timedelta(days=1)
            found.add_filter(name, Before, _midnight(after) if moment else after)

    def _typed(self, name: str, kind: str) -> Any:
        value = self.values[name]
        if kind == "bool":
            if value not in {"y", "n"}:
                raise BadQuery
            return value == "y"
        if kind == "related" or isinstance(inspect(self.entry.model).columns[name].type, Integer):
            return _number(value, 0, MAX_ID, least=0)
        if kind == "choice" and value not in {key for key, _label in self.entry.choices_of(name) or ()}:
            raise BadQuery
        return value

    def _date(self, name: str) -> dt.date | None:
        text = self.values.get(name)
        if not text:
            return None
        try:
            day = dt.date.fromisoformat(text)
        except ValueError:
            raise BadQuery from None
        if not 1900 <= day.year <= 2200:
            raise BadQuery
        return day

    def controls(self, urls: Mapping[type[Any], str], names: Mapping[str, str]) -> list[Filter]:
        """The filters as form controls, with what is chosen now. `urls` are of the models that can be
        chosen from; `names` say what the chosen rows are called."""
        found = []
        for name in self.entry.filters:
            kind, relation = kind_of(self.entry, name), relation_of(self.entry, name)
            start = self.values.get(f"{name}.from" if kind == "date" else name, "")
            choices = entry_words.choices(self.entry, name)
            options = None
            if kind == "bool":
                choices = (("y", _("Yes")), ("n", _("No")))
            elif kind == "related":
                choices = ((start, names[name]),) if name in names else ()
                url = urls.get(relation.mapper.class_) if relation is not None else None
                kind, options = ("related", f"{url}/options") if url else ("text", None)
            end = self.values.get(f"{name}.to", "")
            label = entry_words.label(self.entry, name if relation is None else relation.key)
            found.append(Filter(name, label, kind, choices, start, end, options))
        return found

    def active(self, controls: Sequence[Filter]) -> list[tuple[Text, Text, str]]:
        """(label, value in words, link without it) of each filter in force."""
        found: list[tuple[Text, Text, str]] = []
        for control in controls:
            names = (
                [f"{control.name}.from", f"{control.name}.to"] if control.kind == "date" else [control.name]
            )
            for name in names:
                if name in self.values:
                    words = dict(control.choices).get(self.values[name], self.values[name])
                    if control.kind == "date":
                        day = format_date(self._date(name), "medium")
                        words = (
                            _("from %(day)s", day=day) if name.endswith("from") else _("to %(day)s", day=day)
                        )
                    found.append((control.label, words, self.link(**{name: None, "page": None})))
        return found


@cache
def arguments_of(entry: AdminEntry, name: str) -> tuple[str, ...]:
    """What a filter is called in the query string: dates have two ends."""
    return (f"{name}.from", f"{name}.to") if kind_of(entry, name) == "date" else (name,)


@cache
def relation_of(entry: AdminEntry, name: str) -> Any:
    """The relation whose key this column is, or None."""
    for relation in inspect(entry.model).relationships:
        to_one = relation.direction is RelationshipDirection.MANYTOONE
        if to_one and relation.synchronize_pairs[0][1].key == name:
            return relation
    return None


@cache
def kind_of(entry: AdminEntry, name: str) -> str:
    """Which control a filter is: choice, bool, date, related (an id) or text."""
    column = inspect(entry.model).columns[name]
    if name in entry.choices:
        return "choice"
    if isinstance(column.type, Boolean):
        return "bool"
    if isinstance(column.type, DateTime | Date):
        return "date"
    if isinstance(column.type, Integer):
        return "related"
    return "text"


def _number(text: str | None, default: int, most: int, *, least: int = 1) -> int:
    if text is None or text == "":
        return default
    number = row_id(text)
    if number is None or not least <= number <= most:
        raise BadQuery
    return number


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), tzinfo=ZoneInfo(str(get_timezone() or "UTC")))
