"""Forms: WTForms with what all of ours need, and the fields that WTForms lacks."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from babel.support import NullTranslations, Translations
from flask import g
from flask_babel import get_timezone
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf import FlaskForm
from wtforms import (
    DateTimeLocalField,
    Field,
    PasswordField,
    SelectFieldBase,
    StringField,
    TextAreaField,
    ValidationError,
    widgets,
)
from wtforms.fields.choices import Choice  # type: ignore[attr-defined]
from wtforms.fields.core import UnboundField
from wtforms.i18n import messages_path
from wtforms.validators import InputRequired, StopValidation

from app.core.errors import DomainError
from app.core.ids import row_id
from app.core.locales import reader_locale

MAX_OPTIONS = 50


def token_refusal() -> str | None:
    """What is said of a request whose CSRF token was refused: nothing of it may be saved."""
    if not g.get("csrf_failed"):
        return None
    return str(_("This page had been open for too long. Nothing is lost: please send it again."))


class Form(FlaskForm):
    """The base of every form. After a refusal `show_refusal` puts the words where they belong."""

    class Meta(FlaskForm.Meta):
        def get_translations(self, form: Any) -> Any:
            return _words_of_wtforms(str(reader_locale()))

        def bind_field(self, form: Any, unbound: Any, options: Any) -> Any:
            bound = super().bind_field(form, unbound, options)
            if isinstance(bound, StringField):
                if not isinstance(bound, PasswordField | TextAreaField):
                    bound.filters = (without_direction_marks, *bound.filters)
                own = (Filled(v.message) if type(v) is InputRequired else v for v in bound.validators)
                bound.validators = [no_control_characters, *own]
            return bound

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.refusals: list[str] = []

    def validate(self, extra_validators: Any = None) -> bool:
        """As WTForms, and never true on a request whose CSRF token was refused."""
        valid = bool(super().validate(extra_validators))
        refusal = token_refusal()
        if refusal is not None:
            self.refusals.append(refusal)
            return False
        return valid

    def show_refusal(self, error: DomainError) -> None:
        """At the error's field if this form has it, above the form otherwise."""
        field = self._fields.get(error.field or "")
        if field is None:
            self.refusals.append(str(error))
        else:
            field.errors = [*field.errors, str(error)]


@cache
def _words_of_wtforms(language: str) -> NullTranslations:
    """Flask-WTF would read the file with each request: every form says what would be no number."""
    return Translations.load(messages_path(), [language], domain="wtforms")


class Filled(InputRequired):
    """As InputRequired, and blanks are nothing: they would be stripped after it had seen them."""

    def __call__(self, form: Any, field: Field) -> None:
        if not isinstance(field.data, str) or not field.data.strip():
            field.raw_data = []
        super().__call__(form, field)


def within(least: int, most: int) -> Callable[[Any, Field], None]:
    """A whole number in these limits; WTForms' own NumberRange breaks on one of some hundred digits."""

    def check(_form: Any, field: Field) -> None:
        if field.data is not None and not least <= field.data <= most:
            raise ValidationError(_("This number is too large."))

    return check


def members_of(form: type[Form]) -> Mapping[str, type[Field]]:
    """The fields of a form by name, each with its class, without making one."""
    unbound = {name: getattr(form, name) for name in dir(form)}
    return {name: field.field_class for name, field in unbound.items() if isinstance(field, UnboundField)}


def no_control_characters(_form: Any, field: Field) -> None:
    """NUL and halves of surrogate pairs can't be stored; other control characters have no place in a name."""
    text = field.data
    if not isinstance(text, str):
        return
    control = _CONTROL_BUT_LINES if isinstance(field.widget, widgets.TextArea) else _CONTROL
    if control.search(text) is not None:
        raise StopValidation(_("There are characters in here that can't be stored."))


# Of C0 and C1, half of a surrogate pair, or a line's end: no mail header can hold them either.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_BUT_LINES = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


# U+061C, U+200E/F, U+202A..E, U+2066..9. Joiners (U+200C/D) stay: names and emoji are written with them.
_DIRECTION_MARKS = dict.fromkeys([0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


def without_direction_marks(text: Any) -> Any:
    """A WTForms filter: in a single line what is unseen must not turn the text around it."""
    return text.translate(_DIRECTION_MARKS) if isinstance(text, str) else text


def strip(text: str | None) -> str | None:
    """A WTForms filter: no blanks around, and nothing instead of an empty text."""
    return (text.strip() or None) if isinstance(text, str) else text


class LocalDateTimeField(DateTimeLocalField):
    """A date and time in the viewer's zone, kept as aware UTC. Refuses a time that the zone's clocks skip.

    One that names its offset, as an API's client sends it, means that offset.
    """

    def process_data(self, value: dt.datetime | None) -> None:
        self.data = value.astimezone(_zone()).replace(tzinfo=None) if value else None

    def process_formdata(self, valuelist: list[str]) -> None:
        moment = _with_offset(" ".join(valuelist))
        if moment is not None:
            self.data = moment
            return
        super().process_formdata(valuelist)
        if self.data is not None:
            local = self.data.replace(tzinfo=_zone())
            utc = local.astimezone(dt.UTC)
            if utc.astimezone(_zone()).replace(tzinfo=None) != self.data:
                raise ValueError(_("The clocks skip this time on that day."))
            self.data = utc

    def _value(self) -> str:
        if self.raw_data:
            return " ".join(self.raw_data)
        return self.data.strftime("%Y-%m-%dT%H:%M") if self.data else ""


def _with_offset(text: str) -> dt.datetime | None:
    """An ISO 8601 moment with an offset, in UTC; None for anything else."""
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.astimezone(dt.UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _zone() -> ZoneInfo:
    return ZoneInfo(str(get_timezone() or "UTC"))


class RelatedField(SelectFieldBase):
    """A choice among the rows of another table: at most 50 options rendered, more by search.

    `find(id)` returns the row or None, and must look in the viewer's scope only; `options(text, most)` the
    first rows that match.
    """

    widget = widgets.Select()

    def __init__(
        self,
        label: Any = None,
        validators: Any = None,
        *,
        find: Callable[[int], Any],
        options: Callable[[str, int], Sequence[Any]],
        options_url: Callable[[], str | None],
        optional: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(label, validators, **kwargs)
        self.find, self.options, self.optional = find, options, optional
        self._options_url = options_url
        self.chosen_id: int | None = None
        self.flags.required = not optional

    @property
    def options_url(self) -> str | None:
        """Where the browser searches for more."""
        return self._options_url()

    def process_data(self, value: Any) -> None:
        self.data = value
        self.chosen_id = value.id if value is not None else None

    def process_formdata(self, valuelist: list[str]) -> None:
        if not valuelist:
            return
        text = valuelist[0]
        self.data, self.chosen_id = None, None
        if text in {"", "__None"}:
            return
        self.chosen_id = row_id(text)
        if self.chosen_id is not None:
            self.data = self.find(self.chosen_id)
        if self.data is None:
            raise ValueError(_("What you chose does not exist."))

    def pre_validate(self, form: Any) -> None:
        if self.data is None and not self.optional and not self.errors:
            raise ValidationError(_("Please choose one."))

    def iter_choices(self) -> Iterator[Choice]:
        rows = list(self.options("", MAX_OPTIONS))
        if self.data is not None and all(row.id != self.data.id for row in rows):
            rows.insert(0, self.data)
        if self.optional or self.data is None:
            yield Choice("", "–" if self.optional else _("Please choose"), self.data is None, {})
        for row in rows:
            yield Choice(str(row.id), str(row), self.data is not None and row.id == self.data.id, {})

    def has_groups(self) -> bool:
        return False


class RightsField(Field):
    """Rights as a matrix of resources × read, write, act. `data` is a sorted list of rights."""

    def __init__(
        self, label: Any = None, validators: Any = None, *, matrix: Callable[[], Any] | None = None, **kw: Any
    ) -> None:
        super().__init__(label, validators, **kw)
        self._matrix = matrix

    def process_data(self, value: Iterable[str] | None) -> None:
        self.data = sorted(value or ())

    def process_formdata(self, valuelist: list[str]) -> None:
        known = {value for _label, cells in self._cells() for value, _text, _enabled in cells if value}
        if not set(valuelist) <= known:
            raise ValueError(_("There is no such right."))
        self.data = sorted(set(valuelist))

    def _cells(self) -> Any:
        return self._matrix() if self._matrix else ()

    @property
    def rows(self) -> list[tuple[str, list[tuple[str, str, bool, bool]]]]:
        """(label, [(right, verb in words, checked, disabled)]) for the template."""
        chosen = set(self.data or ())
        return [
            (label, [(value, text, value in chosen, not enabled) for value, text, enabled in cells])
            for label, cells in self._cells()
        ]


YES_NO = (("y", _l("Yes")), ("n", _l("No")))
