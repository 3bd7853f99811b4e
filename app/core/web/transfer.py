"""CSV out and in. What goes out can't be run as a formula; what comes in passes the entry's own form."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from flask import Response
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import to_user_timezone
from flask_wtf.file import FileField, FileRequired
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Query, Session
from werkzeug.datastructures import MultiDict
from wtforms import BooleanField, SelectField

from app.core.errors import DomainError, Invalid, from_database
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.cells import Cells, plain_text, value_of
from app.core.web.entry import AdminEntry
from app.core.web.entry_forms import form_data
from app.core.web.forms import Form, RelatedField, members_of
from app.core.web.once import once

MAX_ROWS = 100_000
MAX_IMPORT_ROWS = 5_000
MAX_IMPORT_BYTES = 5 * 1024 * 1024
MAX_ERRORS = 100
CHUNK = 100
_FORMULA = re.compile(r"^(?=[=+\-@＝＋－＠\t\r\n])|(?<=[;\r\n])(?=[=+\-@＝＋－＠])")
_OWN_MARK = re.compile(r"(^|(?<=[;\r\n]))'(?=[=+\-@＝＋－＠\t\r\n])")
_NO, _YES = ("", "0", "n", "no", "false"), ("1", "y", "yes", "true", "x")


class UploadForm(Form):
    file = FileField(_l("CSV file"), [FileRequired(_l("Please choose a file."))])


@dataclass(frozen=True)
class LineError:
    line: int
    column: str
    message: str


@dataclass
class Outcome:
    count: int = 0
    errors: list[LineError] = field(default_factory=list)


def harmless(text: str) -> str:
    """Text that a spreadsheet takes for text (OWASP: CSV injection), also one that splits at semicolons."""
    return _FORMULA.sub("'", text)


def csv_response(entry: AdminEntry, cells: Cells, query: Query[Any]) -> Response:
    """The rows as a download, written while they are read."""
    columns = ("id", *entry.columns)
    rows = query.yield_per(500)

    def lines() -> Iterator[str]:
        buffer = io.StringIO()
        writer = csv.writer(buffer)
        writer.writerow([harmless(str(entry.label_of(name))) for name in columns])
        for row in rows:
            if buffer.tell() > 32_000:
                yield buffer.getvalue()
                buffer.seek(0)
                buffer.truncate()
            writer.writerow([_text(cells, row, name) for name in columns])
        yield buffer.getvalue()

    # Joined here, in the request's scope: a generator that outlives the request would have none.
    return _download("".join(lines()), f"{entry.slug}.csv")


def _text(cells: Cells, row: Any, name: str) -> str:
    """Numbers stay numbers; dates are ISO 8601, in the viewer's zone; the rest is what the list shows."""
    value = value_of(row, name)
    if name not in cells.entry.formats:
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, dt.datetime):
            return f"{to_user_timezone(value):%Y-%m-%d %H:%M:%S}"
        if isinstance(value, dt.date):
            return value.isoformat()
    return harmless(plain_text(cells.of(row, name)))


def template_response(entry: AdminEntry) -> Response:
    """An empty file with the right heads."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow(entry.form)
    return _download(buffer.getvalue(), f"{entry.slug}-template.csv")


def _download(text: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    # The byte order mark tells spreadsheets that this is UTF-8.
    return Response("\ufeff" + text, mimetype="text/csv", headers=headers)


def import_csv(entry: AdminEntry, form: type[Form], raw: bytes, by: Viewer) -> Outcome:
    """All rows in one transaction, or none and the errors by line (a file's head is line 1)."""
    outcome = Outcome()
    try:
        lines = _read(raw, form)
        with transaction() as session:

            def work() -> dict[str, Any]:
                for start in range(0, len(lines), CHUNK):
                    _import_chunk(entry, form, lines[start : start + CHUNK], by, session, outcome)
                    if len(outcome.errors) >= MAX_ERRORS:
                        break
                if outcome.errors:
                    raise _Refused
                return {"count": outcome.count}

            outcome.count = once(by, work, raw)["count"]
    except _Refused:
        outcome.count = 0
        outcome.errors = sorted(outcome.errors, key=lambda error: error.line)[:MAX_ERRORS]
    except DomainError as error:
        outcome.count = 0
        outcome.errors.append(LineError(1, error.field or "", str(error)))
    return outcome


class _Refused(Exception):
    """Roll back; the outcome says why."""


@dataclass(frozen=True)
class _Line:
    number: int
    values: dict[str, str]
    error: str = ""


def _import_chunk(
    entry: AdminEntry,
    form: type[Form],
    lines: Sequence[_Line],
    by: Viewer,
    session: Session,
    outcome: Outcome,
) -> None:
    """Rows in one go; only where the database refuses are they tried one by one, to say which are wrong."""
    ready = [(line, bound) for line in lines if (bound := _bound(form, line, outcome)) is not None]
    try:
        with session.begin_nested():
            for _at, bound in ready:
                entry.create(form_data(bound), by)
        outcome.count += len(ready)
    except (DomainError, DBAPIError):
        for line, bound in ready:
            _import_line(entry, line, bound, by, session, outcome)


def _bound(form: type[Form], line: _Line, outcome: Outcome) -> Form | None:
    """The line's values in a form that is valid; None, and the errors noted, if it is not."""
    if line.error:
        outcome.errors.append(LineError(line.number, "", line.error))
        return None
    bound = form(formdata=MultiDict(line.values), meta={"csrf": False})
    _resolve_names(bound, line.values)
    if bound.validate():
        return bound
    for name, messages in bound.errors.items():
        label = str(bound[name].label.text) if name in bound else ""
        outcome.errors.extend(LineError(line.number, label, str(message)) for message in messages)
    return None


def _import_line(
    entry: AdminEntry, line: _Line, bound: Form, by: Viewer, session: Session, outcome: Outcome
) -> None:
    """One row behind a savepoint of its own: what is refused here does not hide what is wrong below."""
    try:
        with session.begin_nested():
            entry.create(form_data(bound), by)
    except (DomainError, DBAPIError) as error:
        refusal = error if isinstance(error, DomainError) else from_database(error)
        if refusal is None:
            raise
        label = str(bound[refusal.field].label.text) if refusal.field in bound else ""
        outcome.errors.append(LineError(line.number, label, str(refusal)))


def _resolve_names(form: Form, values: Mapping[str, str]) -> None:
    """A file may say a related row by its name, and a choice by its words, if exactly one is called so."""
    for name, bound in form._fields.items():
        text = values.get(name, "")
        if isinstance(bound, RelatedField) and text and not text.isdigit():
            rows = [row for row in bound.options(text) if str(row).casefold() == text.casefold()]
            if len(rows) == 1:
                bound.process_errors = []
                bound.data, bound.chosen_id = rows[0], rows[0].id
        elif isinstance(bound, SelectField) and text:
            choices = [(str(value), str(label).casefold()) for value, label, *_more in bound.iter_choices()]
            keys = [value for value, label in choices if label == text.casefold()]
            if len(keys) == 1 and text not in {value for value, _label in choices}:
                bound.data = keys[0]


def _read(raw: bytes, form: type[Form]) -> list[_Line]:
    """The file's rows under the names of the form's fields. Raises Invalid."""
    if len(raw) > MAX_IMPORT_BYTES:
        raise Invalid(_("This file is too large: 5 MB at most."))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(_("This file is not UTF-8 text. Please save it as “CSV UTF-8”.")) from None
    if "\x00" in text:
        raise Invalid(_("There are characters in here that can't be stored."))
    first = text.split("\n", 1)[0]
    dialect = ";" if first.count(";") > first.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=dialect, strict=True)
    lines: list[_Line] = []
    try:
        names = _names(next(reader, []), form)
        before = reader.line_num
        for row in reader:
            if len(lines) >= MAX_IMPORT_ROWS:
                raise Invalid(_("Too many rows: %(most)s at most.", most=MAX_IMPORT_ROWS))
            if any(cell.strip() for cell in row):
                lines.append(_line(before + 1, names, row, form))
            before = reader.line_num
    except csv.Error:
        raise Invalid(_("Line %(line)s can't be read as CSV.", line=reader.line_num)) from None
    if not lines:
        raise Invalid(_("There are no rows in this file."))
    return lines


def _names(head: Sequence[str], form: type[Form]) -> list[str]:
    """The fields that the first line names, by their names or by their labels as the export has them."""
    fields = form(formdata=None, meta={"csrf": False})._fields
    known = {str(field.label.text).casefold(): name for name, field in fields.items()}
    known |= {name.casefold(): name for name in fields}
    cells = [cell.strip() for cell in head]
    unknown = [cell for cell in cells if cell.casefold() not in known]
    if not cells or unknown:
        raise Invalid(
            _(
                "The first line must name the columns: %(names)s. It can't have: %(unknown)s.",
                names=", ".join(fields),
                unknown=", ".join(unknown) or "–",
            )
        )
    names = [known[cell.casefold()] for cell in cells]
    if len(set(names)) != len(names):
        raise Invalid(_("The first line names a column twice."))
    return names


def _line(number: int, names: Sequence[str], row: Sequence[str], form: type[Form]) -> _Line:
    """Texts by name, without the apostrophes of our own export; switches are words in a file."""
    if len(row) > len(names):
        return _Line(number, {}, _("This line has more columns than the first one."))
    kinds, values = members_of(form), {}
    for name, cell in zip(names, row, strict=False):
        text = _OWN_MARK.sub("", cell.strip())
        if issubclass(kinds[name], BooleanField):
            word = text.casefold()
            if word not in {*_NO, str(_("No")).casefold(), *_YES, str(_("Yes")).casefold()}:
                return _Line(number, {}, _("Please write yes or no instead of “%(text)s”.", text=text[:40]))
            if word in {*_NO, str(_("No")).casefold()}:
                continue
        values[name] = text
    return _Line(number, values)
