"""A file as rows under the names of a form's fields, however a spreadsheet wrote it: CSV, or a workbook."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from flask_babel import gettext as _
from wtforms import BooleanField

from app.core.errors import Invalid
from app.core.web import xlsx_rows
from app.core.web.entry import AdminEntry
from app.core.web.forms import Form, LocalDateTimeField

MAX_IMPORT_BYTES = 5 * 1024 * 1024
_OWN_MARK = re.compile(r"(^|(?<=[;\r\n]))'(?=[=+\-@＝＋－＠\t\r\n])")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NO, _YES = ("", "0", "n", "no", "false"), ("1", "y", "yes", "true", "x")


@dataclass(frozen=True)
class Line:
    number: int
    values: dict[str, str]
    error: str = ""


@dataclass(frozen=True)
class FileRows:
    """The rows that hold anything; `ignored` are heads of columns that are only shown."""

    lines: Sequence[Line]
    ignored: Sequence[str]


def read_rows(entry: AdminEntry, form: Form, raw: bytes) -> FileRows:
    """What a file says for this form, by the names or labels in its first line. Raises Invalid."""
    if len(raw) > MAX_IMPORT_BYTES:
        raise Invalid(_("This file is too large: 5 MB at most."))
    table = xlsx_rows.table(raw) if xlsx_rows.is_workbook(raw) else _csv_table(raw)
    _line, head = next(table, (1, ()))
    names, ignored = _names(entry, form, head)
    read = _Reader(names, form)
    lines: list[Line] = []
    for number, row in table:
        if not any(cell.strip() for cell in row):
            continue
        if len(lines) >= entry.max_import_rows:
            raise Invalid(_("Too many rows: %(most)s at most.", most=entry.max_import_rows))
        lines.append(read.line(number, row))
    if not lines:
        raise Invalid(_("There are no rows in this file."))
    return FileRows(lines, ignored)


def _csv_table(raw: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    """(number of its line, cells) of each row. Raises Invalid."""
    text = _text(raw)
    first = text.split("\n", 1)[0]
    delimiter = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    before = 0
    try:
        for row in reader:
            yield before + 1, row
            before = reader.line_num
    except csv.Error:
        raise Invalid(_("Line %(line)s can't be read as CSV.", line=reader.line_num)) from None


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(_("This file is not UTF-8 text. Please save it as “CSV UTF-8”.")) from None
    if "\x00" in text:
        raise Invalid(_("There are characters in here that can't be stored."))
    return text


def _names(entry: AdminEntry, form: Form, head: Sequence[str]) -> tuple[list[str | None], list[str]]:
    """The field of each column of the file, None for one that is only shown, and the heads of those."""
    shown = {
        head.casefold()
        for name in ("id", *entry.columns, *entry.details)
        for head in (name, str(entry.label_of(name)))
    }
    known = dict(_fields(form))
    cells = [cell.strip() for cell in head]
    unknown = [cell for cell in cells if cell.casefold() not in known and cell.casefold() not in shown]
    names = [known.get(cell.casefold()) for cell in cells]
    if unknown or not any(names):
        raise Invalid(
            _(
                "The first line must name the columns: %(names)s. It can't have: %(unknown)s.",
                names=", ".join(form._fields),
                unknown=", ".join(unknown) or "–",
            )
        )
    taken = [name for name in names if name]
    if len(set(taken)) != len(taken):
        raise Invalid(_("The first line names a column twice."))
    return names, [cell for cell, name in zip(cells, names, strict=True) if name is None]


def _fields(form: Form) -> Iterator[tuple[str, str]]:
    """(head, field): labels first, so that a name wins where another field's label is the same."""
    for name, field in form._fields.items():
        yield str(field.label.text).casefold(), name
    for name in form._fields:
        yield name.casefold(), name


class _Reader:
    """Cells as the form's texts: without the apostrophes of our own export, switches in words."""

    def __init__(self, names: Sequence[str | None], form: Form) -> None:
        fields = form._fields.items()
        self.names = names
        self.switches = {name for name, field in fields if isinstance(field, BooleanField)}
        self.moments = {name for name, field in fields if isinstance(field, LocalDateTimeField)}
        self.off = {*_NO, str(_("No")).casefold()}
        self.words = {*self.off, *_YES, str(_("Yes")).casefold()}

    def line(self, number: int, row: Sequence[str]) -> Line:
        if len(row) > len(self.names):
            return Line(number, {}, _("This line has more columns than the first one."))
        values = {}
        for name, cell in zip(self.names, row, strict=False):
            if name is None:
                continue
            text = _OWN_MARK.sub("", cell.strip())
            if name in self.switches:
                word = text.casefold()
                if word not in self.words:
                    return Line(
                        number, {}, _("Please write yes or no instead of “%(text)s”.", text=text[:40])
                    )
                if word in self.off:
                    continue
            elif name in self.moments and _DAY.fullmatch(text):
                text += " 00:00"  # how a workbook keeps midnight
            values[name] = text
        return Line(number, values)
