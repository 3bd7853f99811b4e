"""CSV out and in. What goes out can't be run as a formula; what comes in passes the entry's own form."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cache
from typing import Any

from flask import Response
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import to_user_timezone
from flask_wtf.file import FileField, FileRequired
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Query, Session
from werkzeug.datastructures import MultiDict
from wtforms import SelectField

from app.core.errors import DomainError, TooMany, from_database
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.cells import Cells, plain_text, value_of
from app.core.web.csv_rows import Line, read_rows
from app.core.web.entry import AdminEntry
from app.core.web.entry_forms import form_data
from app.core.web.forms import MAX_OPTIONS, Form, RelatedField
from app.core.web.once import once

MAX_ROWS = 100_000
MAX_ERRORS = 100
MAX_KNOWN = 20_000
CHUNK = 100
_FORMULA = re.compile(r"^(?=[=+\-@＝＋－＠\t\r\n])|(?<=[;\r\n])(?=[=+\-@＝＋－＠])")


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
    status: int = 422
    errors: list[LineError] = field(default_factory=list)
    ignored: Sequence[str] = ()

    @property
    def said_of_ignored(self) -> str:
        """Which columns of the file were left out, in words; nothing where none was."""
        if not self.ignored:
            return ""
        return str(
            _("Not imported, since they are only shown: %(columns)s.", columns=", ".join(self.ignored))
        )


def harmless(text: str) -> str:
    """Text that a spreadsheet takes for text (OWASP: CSV injection), also one that splits at semicolons."""
    return _FORMULA.sub("'", text)


def csv_response(entry: AdminEntry, cells: Cells, query: Query[Any]) -> Response:
    """The rows as a download, written while they are read."""
    columns = export_columns(entry)
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


def export_columns(entry: AdminEntry) -> tuple[str, ...]:
    """What the list shows, and what else an import of the same rows would need."""
    more = (name for name in entry.details if name in entry.form) if entry.can_import else ()
    return tuple(dict.fromkeys(("id", *entry.columns, *more)))


def _text(cells: Cells, row: Any, name: str) -> str:
    """Numbers stay numbers; dates are ISO 8601, in the viewer's zone; the rest is what the list shows, but
    for texts of the form, which an import takes as they are."""
    entry, value = cells.entry, value_of(row, name) if hasattr(row, name.split(".")[0]) else None
    if isinstance(value, str) and name in entry.form and name not in entry.choices:
        return harmless(value)
    if name not in entry.formats:
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
        filled = _Filled(form, outcome)
        rows = read_rows(entry, filled.form, raw)
        outcome.ignored = rows.ignored
        with transaction() as session:

            def work() -> dict[str, Any]:
                for start in range(0, len(rows.lines), CHUNK):
                    _import_chunk(entry, filled, rows.lines[start : start + CHUNK], by, session)
                    if len(outcome.errors) >= MAX_ERRORS:
                        break
                if outcome.errors:
                    raise _Refused
                return {"count": outcome.count}

            outcome.count = once(by, work, raw)["count"]
    except _Refused:
        outcome.count = 0
        outcome.errors = sorted(outcome.errors, key=lambda error: error.line)[:MAX_ERRORS]
    except TooMany as error:  # of no line's making, and the same for all that follow
        outcome.count, outcome.status = 0, error.status
        outcome.errors = [LineError(1, "", str(error))]
    except DomainError as error:
        outcome.count = 0
        outcome.errors.append(LineError(1, error.field or "", str(error)))
    return outcome


class _Refused(Exception):
    """Roll back; the outcome says why."""


def _import_chunk(
    entry: AdminEntry, filled: _Filled, lines: Sequence[Line], by: Viewer, session: Session
) -> None:
    """Rows in one go; only where the database refuses are they tried one by one, to say which are wrong."""
    ready = [(line, data) for line in lines if (data := filled.data(line)) is not None]
    try:
        with session.begin_nested():
            for _line, data in ready:
                entry.create(data, by)
        filled.outcome.count += len(ready)
    except TooMany:
        raise
    except (DomainError, DBAPIError):
        for line, data in ready:
            _import_line(entry, filled, line, data, by, session)


def _import_line(
    entry: AdminEntry, filled: _Filled, line: Line, data: dict[str, Any], by: Viewer, session: Session
) -> None:
    """One row behind a savepoint of its own: what is refused here does not hide what is wrong below."""
    try:
        with session.begin_nested():
            entry.create(data, by)
    except TooMany:
        raise
    except (DomainError, DBAPIError) as error:
        refusal = error if isinstance(error, DomainError) else from_database(error)
        if refusal is None:
            raise
        filled.wrong(line, refusal.field or "", str(refusal))


class _Filled:
    """The form that all lines of a file go through: making one for each costs more than the rest."""

    def __init__(self, form: type[Form], outcome: Outcome) -> None:
        self.form, self.outcome = form(formdata=None, meta={"csrf": False}), outcome
        self._words: dict[str, tuple[set[str], dict[str, str]]] = {}
        self._rows: dict[str, Callable[[str], Any]] = {}
        for name, bound in self.form._fields.items():
            if isinstance(bound, RelatedField):
                bound.find = _remembering(bound.find)
                self._rows[name] = _remembering(_by_name(bound))
            elif isinstance(bound, SelectField):
                self._words[name] = _by_words(bound)

    def data(self, line: Line) -> dict[str, Any] | None:
        """The line's values if they are valid; None, and the errors noted, if they are not."""
        if line.error:
            self.wrong(line, "", line.error)
            return None
        self.form.process(MultiDict(line.values))
        self._resolve_names(line.values)
        if self.form.validate():
            return form_data(self.form)
        for name, messages in self.form.errors.items():
            for message in messages:
                self.wrong(line, name or "", str(message))
        return None

    def wrong(self, line: Line, name: str, message: str) -> None:
        label = str(self.form[name].label.text) if name in self.form else ""
        self.outcome.errors.append(LineError(line.number, label, message))

    def _resolve_names(self, values: Mapping[str, str]) -> None:
        """A file may say a related row by its name, and a choice by its words, if one only is called so."""
        for name, called in self._rows.items():
            text = values.get(name, "")
            if text and not text.isdigit():
                row = called(text.casefold())
                if row is not None:
                    field = self.form[name]
                    field.process_errors = []
                    field.data, field.chosen_id = row, row.id
        for name, (keys, words) in self._words.items():
            text = values.get(name, "")
            if text not in keys and text.casefold() in words:
                self.form[name].data = words[text.casefold()]


def _remembering(look_up: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Asks once for each row that is there: a file says the same few over and over."""
    found: dict[Any, Any] = {}

    def get(key: Any) -> Any:
        if key not in found:
            row = look_up(key)
            if row is None:
                return None
            found[key] = row
        return found[key]

    return get


def _by_name(field: RelatedField) -> Callable[[str], Any]:
    """Finds the one row that is called so, in lower case, or None. A table that isn't large is read once;
    in a larger one each name is looked for."""

    def called(row: Any) -> str:
        return str(row).casefold()

    @cache
    def known() -> dict[str, list[Any]] | None:
        rows = field.options("", MAX_KNOWN + 1)
        if len(rows) > MAX_KNOWN:
            return None
        found: dict[str, list[Any]] = {}
        for row in rows:
            found.setdefault(called(row), []).append(row)
        return found

    def search(name: str) -> Any:
        names = known()
        if names is None:
            rows = [row for row in field.options(name, MAX_OPTIONS) if called(row) == name]
        else:
            rows = names.get(name, [])
        return rows[0] if len(rows) == 1 else None

    return search


def _by_words(field: SelectField) -> tuple[set[str], dict[str, str]]:
    """The keys of a choice, and the keys by words that only one of them has."""
    choices = [(str(value), str(label).casefold()) for value, label, *_more in field.iter_choices()]
    count = Counter(label for _value, label in choices)
    return {value for value, _label in choices}, {
        label: value for value, label in choices if label and count[label] == 1
    }
