"""From a row's value to what is shown."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from operator import attrgetter
from typing import Any

from flask_babel import format_date
from flask_babel import gettext as _

from app.core.locales import reader_locale
from app.core.moments import moments
from app.core.money import Money
from app.core.viewer import Viewer
from app.core.web import entry_words
from app.core.web.entry import AdminEntry, Registry
from app.core.web.numbers import written
from app.core.web.pages import Cell

NOTHING = Cell("secondary", "–")
MAX_TEXT = 300  # longer text is prose: lists cut it, pages show it with its lines

Make = Callable[[Any], Cell]


def value_of(row: Any, column: str) -> Any:
    """`column`, or `relation.column` where either may be missing."""
    value = row
    for name in column.split("."):
        if value is None:
            return None
        value = getattr(value, name)
    return value


def reader_of(column: str) -> Callable[[Any], Any]:
    """`value_of` for many rows."""
    return attrgetter(column) if "." not in column else lambda row: value_of(row, column)


class Cells:
    """Makes the cells of one page: what depends on the viewer or on a column is worked out once."""

    def __init__(self, entry: AdminEntry, registry: Registry, viewer: Viewer, surface: str) -> None:
        self.entry = entry
        self._place = registry, viewer, surface
        self._makers: dict[str, Make] = {}
        self._by_type: dict[type, Callable[[Any, str], Cell]] = {
            str: _text,
            int: _number,
            float: _number,
            bool: self._yes_or_no,
            dt.datetime: self._moment,
            dt.date: _date,
        }

    @cached_property
    def links(self) -> Mapping[type[Any], str]:
        """Where the viewer may look at rows of a model."""
        registry, viewer, surface = self._place
        return registry.links_for(viewer.rights, surface)

    def of(self, row: Any, column: str) -> Cell:
        """The cell of a column of a row."""
        return self.maker(column)(row)

    def maker(self, column: str) -> Make:
        """What makes the cells of a column."""
        if column not in self._makers:
            self._makers[column] = self._maker(column)
        return self._makers[column]

    def _maker(self, column: str) -> Make:
        shape, value = self.entry.formats.get(column), reader_of(column)
        if shape is not None:
            if hasattr(self.entry.model, column.split(".")[0]):
                return lambda row: shape(value(row), row)
            return lambda row: shape(None, row)  # it shows what is no column of the record
        if column in self.entry.choices:
            return self._chosen(column, value)
        by_type, other = self._by_type, self._other

        def make(row: Any) -> Cell:
            found = value(row)
            if found is None or found == "":
                return NOTHING
            return by_type.get(type(found), other)(found, column)

        return make

    def _chosen(self, column: str, value: Callable[[Any], Any]) -> Make:
        words = dict(entry_words.choices(self.entry, column))
        tones = self.entry.tones.get(column)
        known: dict[Any, Cell] = {None: NOTHING, "": NOTHING}

        def make(row: Any) -> Cell:
            found = value(row)
            cell = known.get(found)
            if cell is None:
                key = str(found)
                tone = (tones or {}).get(key, "secondary")
                cell = Cell("text" if tones is None else "badge", words.get(key, key), tone=tone)
                known[found] = cell
            return cell

        return make

    @cached_property
    def _in_words(self) -> Callable[[dt.datetime], str]:
        return moments()

    @cached_property
    def _switches(self) -> dict[bool, Cell]:
        return {
            True: Cell("bool", _("Yes"), tone="success"),
            False: Cell("bool", _("No"), tone="secondary"),
        }

    def _yes_or_no(self, value: bool, _column: str) -> Cell:
        return self._switches[value]

    def _moment(self, value: dt.datetime, _column: str) -> Cell:
        return Cell("datetime", self._in_words(value), title=value.isoformat(" ", "seconds"))

    def _other(self, value: Any, column: str) -> Cell:
        url = self.links.get(type(value))
        if url is not None:
            return Cell("link", str(value), url=f"{url}/{value.id}")
        for kind, make in self._by_type.items():
            if isinstance(value, kind):
                return make(value, column)
        if isinstance(value, Mapping):
            return Cell("code", json.dumps(value, ensure_ascii=False, sort_keys=True)[:2000])
        if isinstance(value, Iterable):
            return Cell("list", ", ".join(map(str, value)), items=[str(item) for item in value])
        return _text(str(value), column)


def _date(value: dt.date, _column: str) -> Cell:
    return Cell("date", format_date(value, "medium"))


def _number(value: float, column: str) -> Cell:
    return Cell("number", str(value) if column.endswith("id") else written(value))


def _text(text: str, column: str) -> Cell:
    if column.rsplit(".", 1)[-1] in {"email", "recipient"}:
        return Cell("email", text)
    if len(text) > MAX_TEXT or "\n" in text:
        return Cell("prose", text)
    return Cell("text", text)


def money_cell(amount: Money) -> Cell:
    """An amount as the reader's language writes it, which a spreadsheet can calculate with."""
    return Cell("money", amount.format(reader_locale()), value=amount)


def plain_text(cell: Cell) -> str:
    """A cell for CSV."""
    return "" if cell is NOTHING else str(cell.text)
