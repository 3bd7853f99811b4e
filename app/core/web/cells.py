"""From a row's value to what is shown."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import format_date, format_decimal, get_locale
from flask_babel import gettext as _

from app.core.moments import moment
from app.core.money import Money
from app.core.rights import READ
from app.core.viewer import Viewer
from app.core.web.entry import AdminEntry, Registry
from app.core.web.pages import Cell

NOTHING = Cell("secondary", "–")
MAX_TEXT = 300  # longer text is prose: lists cut it, pages show it with its lines


def value_of(row: Any, column: str) -> Any:
    """`column`, or `relation.column` where either may be missing."""
    value = row
    for name in column.split("."):
        if value is None:
            return None
        value = getattr(value, name)
    return value


class Cells:
    """Makes the cells of one page: what depends on the viewer is worked out once."""

    def __init__(self, entry: AdminEntry, registry: Registry, viewer: Viewer, surface: str) -> None:
        self.entry = entry
        self._choices = {
            name: {key: str(label) for key, label in entry.choices_of(name) or ()} for name in entry.choices
        }
        self.links = {
            model: target.url
            for model, target in registry.by_model.items()
            if surface in target.surfaces and viewer.may(target.right(READ))
        }

    def of(self, row: Any, column: str) -> Cell:
        """The cell of a column of a row."""
        shape = self.entry.formats.get(column)
        if shape is not None:  # it may also show what is no column of the record
            known = hasattr(row, column.split(".")[0])
            return shape(value_of(row, column) if known else None, row)
        value = value_of(row, column)
        if value is None or value == "":
            return NOTHING
        if column in self._choices:
            tone = self.entry.tones.get(column, {}).get(str(value), "secondary")
            kind = "badge" if column in self.entry.tones else "text"
            return Cell(kind, self._choices[column].get(str(value), str(value)), tone=tone)
        return self._plain(value, column)

    def _plain(self, value: Any, column: str) -> Cell:
        if isinstance(value, bool):
            return Cell("bool", _("Yes") if value else _("No"), tone="success" if value else "secondary")
        if isinstance(value, dt.datetime):
            return Cell("datetime", moment(value), title=value.isoformat(" ", "seconds"))
        if isinstance(value, dt.date):
            return Cell("date", format_date(value, "medium"))
        if isinstance(value, int | float):
            text = str(value) if column.endswith("id") else format_decimal(value)
            return Cell("number", text)
        if type(value) in self.links:
            return Cell("link", str(value), url=f"{self.links[type(value)]}/{value.id}")
        if isinstance(value, Mapping):
            return Cell("code", json.dumps(value, ensure_ascii=False, sort_keys=True)[:2000])
        if isinstance(value, Iterable) and not isinstance(value, str):
            return Cell("list", ", ".join(map(str, value)), items=[str(item) for item in value])
        text = str(value)
        if column.rsplit(".", 1)[-1] in {"email", "recipient"}:
            return Cell("email", text)
        if len(text) > MAX_TEXT or "\n" in text:
            return Cell("prose", text)
        return Cell("text", text)


def money_cell(amount: Money) -> Cell:
    """An amount as the reader's language writes it, which a spreadsheet can calculate with."""
    return Cell("money", amount.format(get_locale() or "en"), value=amount)


def plain_text(cell: Cell) -> str:
    """A cell for CSV."""
    return "" if cell is NOTHING else str(cell.text)
