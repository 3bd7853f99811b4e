"""What the page of an import says of each column: an example, and how it is to be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, DateField, EmailField, Field, IntegerField, SelectField

from app.core.web.entry import AdminEntry
from app.core.web.forms import Form, LocalDateTimeField, RelatedField
from app.core.web.pages import ImportColumn, Text

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
