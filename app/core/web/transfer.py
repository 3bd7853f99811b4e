"""Files in: what comes in passes the entry's own form, and is looked at before it is taken.

A file is gone through twice. First all of it is done and taken back again, which finds whatever form,
service and database have against it, and its first rows are shown as they would be read. With a yes the
same file, which was put aside meanwhile, is done for good: all rows, or none.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from flask import Response
from flask_babel import format_date
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField, FileRequired
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from werkzeug.datastructures import MultiDict
from wtforms import Field, SelectField

from app.core import import_drafts
from app.core.errors import DomainError, TooMany, from_database
from app.core.locales import reader_locale
from app.core.moments import moment
from app.core.money import Money
from app.core.transaction import check_now, transaction
from app.core.viewer import Viewer
from app.core.web.csv_rows import FileRows, Line, read_rows
from app.core.web.entry import AdminEntry
from app.core.web.entry_forms import form_data
from app.core.web.exports import attached, csv_text
from app.core.web.forms import MAX_OPTIONS, Form, RelatedField

MAX_ERRORS = 100
MAX_KNOWN = 20_000
CHUNK = 100
PREVIEW = 10


class UploadForm(Form):
    file = FileField(_l("CSV or Excel file"), [FileRequired(_l("Please choose a file."))])


class ConfirmForm(Form):
    """The yes to a file that was looked through."""


@dataclass(frozen=True)
class LineError:
    line: int
    column: str
    message: str


@dataclass
class Outcome:
    """What came of a file: so many rows, or errors and none. `sample` holds its first rows in words, by the
    names of the form's fields."""

    count: int = 0
    lines: int = 0
    status: int = 422
    errors: list[LineError] = field(default_factory=list)
    ignored: Sequence[str] = ()
    read: Sequence[str] = ()
    sample: list[tuple[int, list[str]]] = field(default_factory=list)
    draft_id: int | None = None

    @property
    def said_of_ignored(self) -> str:
        """Which columns of the file were left out, in words; nothing where none was."""
        if not self.ignored:
            return ""
        return str(
            _("Not imported, since they are only shown: %(columns)s.", columns=", ".join(self.ignored))
        )

    @property
    def wrong_lines(self) -> int:
        return len({error.line for error in self.errors})

    @property
    def wrong_columns(self) -> list[tuple[str, int]]:
        """(column, how many errors), the worst first."""
        return Counter(error.column for error in self.errors if error.column).most_common()


def template_response(entry: AdminEntry) -> Response:
    """An empty file with the right heads."""
    text = "\ufeff" + csv_text([entry.form])
    return Response(text, mimetype="text/csv", headers=attached(f"{entry.slug}-template.csv"))


def look_through(entry: AdminEntry, form: type[Form], raw: bytes, filename: str, by: Viewer) -> Outcome:
    """What a file would do; where nothing is against it, it is put aside under `draft_id`."""
    outcome = Outcome()

    def all_of_it(session: Session) -> None:
        _import_all(entry, form, raw, by, session, outcome)
        check_now(session)
        raise _TakenBack

    try:
        _guarded(outcome, all_of_it)
    except _TakenBack:
        with transaction():
            outcome.draft_id = import_drafts.put_aside(entry.slug, filename, raw, outcome.count, by).id
    return outcome


def import_draft(entry: AdminEntry, form: type[Form], draft_id: int, by: Viewer) -> Outcome:
    """All rows of a file that was looked through, in one transaction, or none and the errors by line. The
    repeat of a yes gives the first one's answer. Raises DraftGone."""
    outcome = Outcome()

    def all_of_it(session: Session) -> None:
        draft = import_drafts.take(draft_id, entry.slug, by)
        if draft.content is None:
            outcome.count = draft.count
            return
        _import_all(entry, form, draft.content, by, session, outcome)
        import_drafts.done(draft, outcome.count)

    _guarded(outcome, all_of_it)
    return outcome


def _guarded(outcome: Outcome, work: Callable[[Session], None]) -> None:
    """`work` in a transaction of its own; what is refused becomes the outcome's errors."""
    try:
        with transaction() as session:
            work(session)
    except _Refused:
        outcome.count = 0
        outcome.errors = sorted(outcome.errors, key=lambda error: error.line)[:MAX_ERRORS]
    except import_drafts.DraftGone:
        raise
    except TooMany as error:  # of no line's making, and the same for all that follow
        outcome.count, outcome.status = 0, error.status
        outcome.errors = [LineError(1, "", str(error))]
    except DomainError as error:
        outcome.count = 0
        outcome.errors.append(LineError(1, error.field or "", str(error)))


def _import_all(
    entry: AdminEntry, form: type[Form], raw: bytes, by: Viewer, session: Session, outcome: Outcome
) -> None:
    filled = _Filled(form, outcome)
    rows = read_rows(entry, filled.form, raw)
    outcome.ignored, outcome.lines = rows.ignored, len(rows.lines)
    filled.show(rows)
    for start in range(0, len(rows.lines), CHUNK):
        _import_chunk(entry, filled, rows.lines[start : start + CHUNK], by, session)
        if len(outcome.errors) >= MAX_ERRORS:
            break
    if outcome.errors:
        raise _Refused
    session.flush()


class _TakenBack(Exception):
    """Roll back: it was only looked at."""


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

    def show(self, rows: FileRows) -> None:
        """The first rows as they are read, in words, under the columns that are in the file."""
        present = {name for line in rows.lines[:PREVIEW] for name in line.values}
        names = [name for name in self.form._fields if name in present and name != "csrf_token"]
        self.outcome.read = [str(self.form[name].label.text) for name in names]
        known = len(self.outcome.errors)
        for line in rows.lines[:PREVIEW]:
            data = self.data(line)
            as_read = {name: in_words(self.form[name], data[name]) for name in names} if data else line.values
            self.outcome.sample.append((line.number, [as_read.get(name, "") for name in names]))
        del self.outcome.errors[known:]  # each line has its turn below

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


def in_words(field: Field, value: Any) -> str:
    """A value of a form as people read it."""
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return str(_("Yes") if value else _("No"))
    if isinstance(value, Money):
        return value.format(reader_locale())
    if isinstance(value, dt.datetime):
        return moment(value)
    if isinstance(value, dt.date):
        return str(format_date(value, "medium"))
    if isinstance(field, SelectField):
        return str(next((label for key, label, *_more in field.iter_choices() if key == value), value))
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return str(value)
