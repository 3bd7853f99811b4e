"""The form of an entry, made once at start from its columns.

FAB's own converter renders Bootstrap 3 and whole-table selects; this one knows the same column types.
The admin's pages, the CSV import and the API all validate through this one form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, Boolean, Date, DateTime, Integer, SmallInteger, String, Text, inspect
from wtforms import BooleanField, DateField, Field, IntegerField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from app.core.rights import READ
from app.core.web.admin_data import AdminData
from app.core.web.entry import AdminEntry, eager_of, registry
from app.core.web.forms import Form, LocalDateTimeField, RelatedField, strip, within
from app.core.web.viewing import viewer

_INTEGERS = ((SmallInteger, 2**15 - 1), (BigInteger, 2**63 - 1), (Integer, 2**31 - 1))
MAX_TEXT = 20_000


def form_of(entry: AdminEntry, columns: tuple[str, ...]) -> type[Form]:
    """A form class with one field per column, in this order."""
    fields = {name: _field(entry, name) for name in columns}
    return type(f"{entry.model.__name__}Form", (Form,), fields)


def _field(entry: AdminEntry, name: str) -> Any:
    own = entry.fields.get(name)
    if own is not None:
        return own(entry)
    mapper = inspect(entry.model)
    label, help_text = entry.label_of(name), entry.helps.get(name, "")
    if name in mapper.relationships:
        return _related(mapper.relationships[name], label, help_text)
    column = mapper.columns[name]
    validators: list[Any] = [Optional() if column.nullable else InputRequired(_l("Please fill this in."))]
    if name in entry.choices:
        return _choice(entry, name, column.nullable, label, help_text)
    return _simple(column.type, validators, label, help_text)


def _simple(kind: Any, validators: list[Any], label: Any, help_text: Any) -> Any:
    if isinstance(kind, Boolean):
        return BooleanField(label, description=help_text)
    for number, most in _INTEGERS:
        if isinstance(kind, number):
            limits = within(-most - 1, most)
            return IntegerField(label, [*validators, limits], description=help_text)
    if isinstance(kind, DateTime):
        return LocalDateTimeField(label, validators, description=help_text)
    if isinstance(kind, Date):
        return DateField(label, validators, description=help_text)
    if isinstance(kind, String):
        long = isinstance(kind, Text) or kind.length is None
        most = MAX_TEXT if kind.length is None else kind.length
        length = Length(max=most, message=_l("This is too long: %(most)s characters at most.", most=most))
        cls = TextAreaField if long else StringField
        return cls(label, [*validators, length], description=help_text, filters=[strip])
    raise TypeError(f"no field is known for {kind!r}; name one in the entry's `fields`")


def _choice(entry: AdminEntry, name: str, nullable: bool, label: Any, help_text: Any) -> Field:
    def choices() -> list[tuple[str, Any]]:
        blank = [("", "–")] if nullable else []
        return [*blank, *(entry.choices_of(name) or ())]

    return SelectField(
        label,
        [Optional() if nullable else InputRequired(_l("Please choose."))],
        choices=choices,
        filters=[strip],
        description=help_text,
    )


def _related(relation: Any, label: Any, help_text: Any) -> Field:
    target = relation.mapper.class_
    key = relation.synchronize_pairs[0][1]
    data = _lazily(lambda: _data_of(target))
    return RelatedField(
        label,
        find=lambda pk: data().find(pk) if _may_read(target) else None,
        options=lambda text, most: data().options(text, most) if _may_read(target) else [],
        options_url=lambda: _options_url(target),
        optional=key.nullable,
        description=help_text,
    )


def _may_read(model: type[Any]) -> bool:
    """Whose list a viewer may not read, they may not read as choices either."""
    entry, who = registry().by_model.get(model), viewer()
    return entry is None or (who is not None and who.may(entry.right(READ)))


def _data_of(model: type[Any]) -> AdminData:
    entry = registry().by_model.get(model)
    return AdminData(model, eager_of(entry), entry.search) if entry else AdminData(model)


def _options_url(model: type[Any]) -> str | None:
    entry = registry().by_model.get(model)
    return f"{entry.url}/options" if entry else None


def _lazily(make: Callable[[], Any]) -> Callable[[], Any]:
    made: list[Any] = []

    def get() -> Any:
        if not made:
            made.append(make())
        return made[0]

    return get


def form_data(form: Form) -> dict[str, Any]:
    """What was filled in, by field, without the token."""
    return {name: field.data for name, field in form._fields.items() if name != "csrf_token"}
