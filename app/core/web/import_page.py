"""The pages of an import: how each column of a file is written, what is wrong with it, what it would do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import format_decimal, ngettext
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, DateField, EmailField, Field, IntegerField, SelectField

from app.core.web.csv_rows import MAX_IMPORT_BYTES
from app.core.web.entry import AdminEntry
from app.core.web.forms import Form, LocalDateTimeField, RelatedField
from app.core.web.pages import ImportColumn, ImportPage, PreviewPage, Text
from app.core.web.transfer import MAX_ERRORS, Outcome

MAX_WORDS = 12  # of a longer choice only the first are named

EXAMPLES: Mapping[str, Text] = {
    "code": "small",
    "full_name": "Ada Lovelace",
    "host": "lessons.fjord.example",
    "name": _l("Fjord Tutors"),
    "note": _l("Ordered in March"),
    "notes": _l("Prefers mornings"),
    "phone": "+49 30 1234567",
    "slug": "fjord-tutors",
}


def import_page(entry: AdminEntry, form: Form, row_form: type[Form], outcome: Outcome) -> ImportPage:
    """To choose a file, or the next one where the last was refused."""
    wrong, lines = outcome.wrong_lines, outcome.lines
    summary = ""
    if lines and len(outcome.errors) < MAX_ERRORS:
        summary = ngettext(
            "%(num)s of %(all)s rows has an error.", "%(num)s of %(all)s rows have errors.", wrong,
            all=format_decimal(lines),
        )  # fmt: skip
    elif lines:
        summary = _("There are many errors; these are the first %(count)s.", count=MAX_ERRORS)
    return ImportPage(
        title=_("Import: %(what)s", what=entry.plural),
        lead=_(
            "A file with one row per record, CSV or Excel. You see what it would do before anything is done."
        ),
        limits=_(
            "At most %(rows)s rows and %(megabytes)s MB. The first line names the columns, by name or in "
            "your language; a file that was exported here can be imported as it is.",
            rows=format_decimal(entry.max_import_rows),
            megabytes=MAX_IMPORT_BYTES // 1024**2,
        ),
        form=form,
        columns=import_columns(entry, row_form),
        errors=[(e.line, e.column, e.message) for e in outcome.errors],
        cancel_url=f"{entry.url}/",
        template_url=f"{entry.url}/import?template=1",
        workbook_url=f"{entry.url}/import?template=xlsx",
        notice=outcome.said_of_ignored,
        summary=summary,
        by_column=outcome.wrong_columns,
    )


def preview_page(entry: AdminEntry, form: Form, outcome: Outcome, filename: str) -> PreviewPage:
    """A file that nothing is against, and the question whether to take it."""
    count, shown = outcome.count, len(outcome.sample)
    rest = ngettext("and %(num)s more row", "and %(num)s more rows", count - shown) if count > shown else ""
    return PreviewPage(
        title=_("Import: %(what)s", what=entry.plural),
        lead=filename,
        summary=ngettext(
            "%(num)s new record, no errors. Nothing is imported yet.",
            "%(num)s new records, no errors. Nothing is imported yet.",
            count,
        ),
        heads=outcome.read,
        rows=outcome.sample,
        rest=rest,
        form=form,
        hidden=[("draft", str(outcome.draft_id))],
        submit_label=ngettext("Import %(num)s record", "Import %(num)s records", count),
        cancel_url=f"{entry.url}/",
        again_url=f"{entry.url}/import",
        notice=outcome.said_of_ignored,
    )


def import_columns(entry: AdminEntry, form: type[Form]) -> list[ImportColumn]:
    """The columns of an entry's file, in the order of its form."""
    made = form(formdata=None, meta={"csrf": False})
    found = []
    for name in entry.form:
        field = made[name]
        example, hint = _of(field)
        example = entry.examples.get(name) or example or EXAMPLES.get(name, _("Some text"))
        label, required = str(field.label.text), bool(field.flags.required)
        notes = " ".join(str(text) for text in (field.description, hint) if text)
        found.append(ImportColumn(name, label, required, str(example), notes))
    return found


def _of(field: Field) -> tuple[Text, Text]:
    """(example, how to write it) by the field's kind; an empty example is one of plain text."""
    plain: Mapping[type[Any], tuple[Text, Text]] = {
        BooleanField: (_("yes"), _("Yes or no; empty means no.")),
        LocalDateTimeField: ("2026-03-01 15:30", _("Year-month-day hours:minutes, in your time zone.")),
        DateField: ("2011-05-04", _("Year-month-day (ISO 8601).")),
        IntegerField: ("12", _("A whole number.")),
        EmailField: ("ada@example.com", ""),
    }
    if isinstance(field, RelatedField):
        rows = field.options("", 1)
        return (str(rows[0]) if rows else "12"), _("The name of a record that is there, or its number.")
    if isinstance(field, SelectField):
        return _of_choice(field)
    return next((words for kind, words in plain.items() if isinstance(field, kind)), ("", ""))


def _of_choice(field: SelectField) -> tuple[Text, Text]:
    words = [str(label) for value, label, *_more in field.iter_choices() if value]
    named = ", ".join(words[:MAX_WORDS])
    if len(words) > MAX_WORDS:
        return words[0], _("One of: %(words)s and so on, as the form to add one lists them.", words=named)
    return (words[0] if words else ""), _("One of: %(words)s.", words=named)
