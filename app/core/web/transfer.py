"""CSV out and in. What goes out can't be run as a formula; what comes in passes the entry's own form."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from flask import Response
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField, FileRequired
from sqlalchemy import inspect
from sqlalchemy.orm import Query
from werkzeug.datastructures import MultiDict

from app.core.errors import DomainError, Invalid
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.cells import Cells, plain_text, value_of
from app.core.web.entry import AdminEntry
from app.core.web.entry_forms import form_data
from app.core.web.forms import Form, RelatedField

MAX_ROWS = 100_000
MAX_IMPORT_ROWS = 5_000
MAX_IMPORT_BYTES = 5 * 1024 * 1024
MAX_ERRORS = 100
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


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
    """Text that a spreadsheet takes for text (OWASP: CSV injection); a plain number stays a number."""
    if text.startswith(_FORMULA) and not _is_number(text):
        return f"'{text}"
    return text


def _is_number(text: str) -> bool:
    digits = text.removeprefix("-").removeprefix("+")
    return digits.replace(".", "", 1).isdigit() and digits.isascii()


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
            writer.writerow([harmless(_text(cells, row, name)) for name in columns])
        yield buffer.getvalue()

    # Joined here, in the request's scope: a generator that outlives the request would have none.
    return _download("".join(lines()), f"{entry.slug}.csv")


def _text(cells: Cells, row: Any, name: str) -> str:
    value = value_of(row, name)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return plain_text(cells.of(row, name))


def template_response(entry: AdminEntry) -> Response:
    """An empty file with the right heads."""
    buffer = io.StringIO()
    csv.writer(buffer).writerow(entry.form)
    return _download(buffer.getvalue(), f"{entry.slug}-template.csv")


def _download(text: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    # The byte order mark tells spreadsheets that this is UTF-8.
    return Response("\ufeff" + text, mimetype="text/csv", headers=headers)


def import_csv(entry: AdminEntry, form: type[Form], stream: IO[bytes], by: Viewer) -> Outcome:
    """All rows in one transaction, or none and the errors by line (a file's head is line 1)."""
    outcome = Outcome()
    try:
        rows = _read(stream, entry)
        with transaction() as session:
            for line, values in rows:
                try:
                    bound = form(formdata=MultiDict(values), meta={"csrf": False})
                    _resolve_names(bound, values)
                    if not bound.validate():
                        _note(outcome, line, bound)
                        continue
                    entry.create(form_data(bound), by)
                    session.flush()
                    outcome.count += 1
                except DomainError as error:
                    outcome.errors.append(LineError(line, error.field or "", str(error)))
                    raise _Refused from error  # the database refused: the transaction is spent
                if len(outcome.errors) >= MAX_ERRORS:
                    break
            if outcome.errors:
                raise _Refused
    except _Refused:
        outcome.count = 0
    except DomainError as error:
        outcome.count = 0
        outcome.errors.append(LineError(getattr(error, "line", 1), error.field or "", str(error)))
    return outcome


class _Refused(Exception):
    """Roll back; the outcome says why."""


def _note(outcome: Outcome, line: int, form: Form) -> None:
    for name, messages in form.errors.items():
        label = form[name].label.text if name in form else ""
        outcome.errors.extend(LineError(line, str(label), str(message)) for message in messages)


def _resolve_names(form: Form, values: Mapping[str, str]) -> None:
    """In a file a related row may be named instead of numbered, if exactly one is called so."""
    for name, bound in form._fields.items():
        text = values.get(name, "").strip()
        if isinstance(bound, RelatedField) and text and not text.isdigit():
            hits = [row for row in bound.options(text) if str(row).casefold() == text.casefold()]
            if len(hits) == 1:
                bound.process_errors = []
                bound.data, bound.chosen_id = hits[0], hits[0].id


def _read(stream: IO[bytes], entry: AdminEntry) -> list[tuple[int, dict[str, str]]]:
    raw = stream.read(MAX_IMPORT_BYTES + 1)
    if len(raw) > MAX_IMPORT_BYTES:
        raise Invalid(_("This file is too large: 5 MB at most."))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Invalid(_("This file is not UTF-8 text. Please save it as “CSV UTF-8”.")) from None
    if "\x00" in text:
        raise Invalid(_("There are characters in here that can't be stored."))
    dialect = ";" if text.split("\n", 1)[0].count(";") > text.split("\n", 1)[0].count(",") else ","
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=dialect, restkey="")
    unknown = set(reader.fieldnames or ()) - set(entry.form)
    if not reader.fieldnames or unknown:
        raise Invalid(_("The first line must name the columns: %(names)s.", names=", ".join(entry.form)))
    flags = {c.key for c in inspect(entry.model).columns if c.type.python_type is bool}
    rows: list[tuple[int, dict[str, str]]] = []
    try:
        for values in reader:
            if len(rows) >= MAX_IMPORT_ROWS:
                raise Invalid(_("Too many rows: %(most)s at most.", most=MAX_IMPORT_ROWS))
            rows.append((reader.line_num, _clean(values, flags)))
    except csv.Error:
        raise Invalid(_("Line %(line)s can't be read as CSV.", line=reader.line_num)) from None
    return rows


def _clean(values: Mapping[str, Any], flags: set[str]) -> dict[str, str]:
    """Texts only; a leading apostrophe is what our own export put there; "no" leaves a switch off."""
    found = {}
    for name, value in values.items():
        text = value.strip() if isinstance(value, str) else ""
        if text[:1] == "'" and text[1:2] in _FORMULA:
            text = text[1:]
        if name in flags and text.casefold() in {"", "0", "n", "no", "false"}:
            continue
        if name:
            found[name] = text
    return found
