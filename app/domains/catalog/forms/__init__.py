"""Forms of the catalogue, and the field that it needs: a price."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from babel.numbers import get_decimal_symbol
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_wtf.file import FileField
from wtforms import (
    BooleanField,
    Field,
    HiddenField,
    IntegerField,
    RadioField,
    SelectField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, Optional

from app.core.errors import DomainError, Invalid
from app.core.ids import row_id
from app.core.locales import reader_locale
from app.core.money import Money
from app.core.web.forms import Form, strip
from app.core.web.site import site
from app.domains.catalog import policies
from app.domains.catalog.models import KIND_NAMES, LEVEL_NAMES
from app.domains.catalog.policies.comparison import language_name
from app.domains.catalog.policies.content import NEEDED, Content, VariantContent

_NO_PERCENT_SIGN = str.maketrans({"%": None, "\u00a0": None, "\u202f": None, ",": "."})
Row = tuple[Field, Field, Field, Field]  # id, name, minutes, price

_PARTS = ("id", "name", "minutes", "price")
_OF_VARIANT = re.compile(r"variant_([0-9])_([a-z]+)")


def too_long(most: int) -> Length:
    return Length(max=most, message=_l("This is too long: %(most)s characters at most.", most=most))


class PriceField(StringField):
    """An amount of the company's money, typed as the reader's language writes it; `data` is its Money."""

    data: Any

    def process_data(self, value: Any) -> None:
        self.data = value

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = None
        if valuelist and valuelist[0].strip():
            try:
                self.data = policies.parse_price(
                    valuelist[0], currency=site().currency or "", locale=reader_locale()
                )
            except Invalid as error:
                raise ValueError(str(error)) from error

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        if self.data is None:
            return ""
        return plain_amount(self.data)


def plain_amount(price: Any) -> str:
    """An amount as `Money.parse` reads it again: the locale's decimal sign, no sign of the currency."""
    return str(price.decimal).replace(".", get_decimal_symbol(reader_locale()))


class ReasonForm(Form):
    reason = TextAreaField(
        _l("What has to change?"),
        [InputRequired(_l("Please say what has to change.")), too_long(2000)],
        filters=[strip],
        description=_l("Its tutor reads this."),
    )


def _languages() -> list[tuple[str, str]]:
    found = [(code, language_name(code)) for code in policies.LANGUAGES]
    return sorted(found, key=lambda choice: choice[1].casefold())


class OfferingForm(Form):
    """An offering as its tutor writes it. The rows that can be chosen are put in by the view; the ways to buy
    it are fields `variant_1_name` and so on, added below."""

    kind = RadioField(
        _l("Kind"),
        choices=lambda: [(kind, KIND_NAMES[kind]) for kind in policies.KINDS_NOW],
        validators=[InputRequired(_l("Please choose."))],
    )
    title = StringField(_l("Title"), [InputRequired(NEEDED), too_long(policies.MOST_TITLE)], filters=[strip])
    summary = TextAreaField(
        _l("Summary"),
        [Optional(), too_long(policies.MOST_SUMMARY)],
        filters=[strip],
        description=_l("A sentence or two, shown in the search."),
        render_kw={"rows": 2},
    )
    description = TextAreaField(
        _l("Description"),
        [Optional(), too_long(policies.MOST_DESCRIPTION)],
        filters=[strip],
        description=_l("What people learn, for whom it is, and how you work."),
        render_kw={"rows": 10},
    )
    subject_id = SelectField(_l("Subject taught"), coerce=str)
    level = SelectField(_l("Level"), choices=lambda: list(LEVEL_NAMES.items()))
    language = SelectField(_l("Taught in"), choices=_languages)
    capacity = IntegerField(
        _l("Seats"),
        [Optional()],
        description=_l("For a group class: how many people can take part."),
    )
    policy_id = SelectField(_l("Cancellation"), coerce=str)
    tax_rate_id = SelectField(_l("Tax"), coerce=str, description=_l("Prices include it."))
    image = FileField(
        _l("Picture"),
        description=_l("PNG, JPEG or WebP, 10 MB at most."),
        render_kw={"accept": "image/png,image/jpeg,image/webp"},
    )
    without_image = BooleanField(_l("Show no picture"))
    seen = HiddenField()

    def rows(self) -> Iterator[Row]:
        """(id, name, minutes, price) of each way to buy it."""
        for number in range(1, policies.MOST_VARIANTS + 1):
            yield tuple(self[f"variant_{number}_{part}"] for part in _PARTS)

    def filled(self) -> list[Row]:
        """The rows that say something."""
        return [row for row in self.rows() if any(_is_filled(field) for field in row[1:])]

    def rows_shown(self) -> tuple[list[Row], list[Row]]:
        """The rows in use with one to spare, two at least; and those that a page folds away."""
        rows = list(self.rows())
        used = [place for place, row in enumerate(rows, 1) if any(f.data or f.errors for f in row[1:])]
        shown = max([1, *used]) + 1
        return rows[:shown], rows[shown:]

    def show_refusal(self, error: DomainError) -> None:
        """The service counts the ways to buy it that there are, the page all its rows."""
        found = _OF_VARIANT.fullmatch(error.field or "")
        rows = self.filled()
        if found and int(found[1]) <= len(rows):
            error.field = rows[int(found[1]) - 1][_PARTS.index(found[2])].name
        super().show_refusal(error)

    def validate(self, extra_validators: Any = None) -> bool:
        valid = super().validate(extra_validators)
        for row in self.filled():
            for field in row[1:]:
                if not _is_filled(field) and not field.errors:
                    field.errors = [*field.errors, str(NEEDED)]
                    valid = False
        return valid

    def content(self, image_key: str | None) -> Content:
        """What a valid form says; rows that were left empty say nothing."""
        variants = tuple(
            VariantContent(name.data, minutes.data, price.data.minor, row_id(own_id.data or ""))
            for own_id, name, minutes, price in self.filled()
        )
        return Content(
            title=self.title.data or "",
            summary=self.summary.data or "",
            description=self.description.data or "",
            subject_id=row_id(self.subject_id.data or ""),
            level=self.level.data,
            language=self.language.data,
            capacity=1 if self.capacity.data is None else self.capacity.data,
            policy_id=row_id(self.policy_id.data or ""),
            tax_rate_id=row_id(self.tax_rate_id.data or ""),
            image_key=image_key,
            variants=variants,
        )


def _is_filled(field: Field) -> bool:
    return bool(field.raw_data and str(field.raw_data[0]).strip())


def _add_variant_fields() -> None:
    for number in range(1, policies.MOST_VARIANTS + 1):

        def label(words: LazyString, number: int = number) -> LazyString:
            return _l("%(number)s. %(what)s", number=number, what=words)

        fields = {
            "id": HiddenField(),
            "name": StringField(label(_l("Name")), [Optional(), too_long(80)], filters=[strip]),
            "minutes": IntegerField(label(_l("Minutes")), [Optional()]),
            "price": PriceField(label(_l("Price")), render_kw={"inputmode": "decimal"}),
        }
        for name, field in fields.items():
            setattr(OfferingForm, f"variant_{number}_{name}", field)


_add_variant_fields()


class ProfileForm(Form):
    """A tutor's own profile."""

    headline = StringField(
        _l("In one line"),
        [Optional(), too_long(160)],
        filters=[strip],
        description=_l("For example: Physicist, teaches mathematics for the final exams."),
    )
    bio = TextAreaField(
        _l("About you"), [Optional(), too_long(10_000)], filters=[strip], render_kw={"rows": 8}
    )
    languages = StringField(_l("Languages you speak"), [Optional(), too_long(200)], filters=[strip])
    image = FileField(
        _l("Photo"),
        description=_l("PNG, JPEG or WebP, 10 MB at most."),
        render_kw={"accept": "image/png,image/jpeg,image/webp"},
    )
    without_image = BooleanField(_l("Show no photo"))


def offering_form(choices: Sequence[Sequence[tuple[str, str]]], **given: Any) -> OfferingForm:
    """The form with the rows that can be chosen: subjects, policies and tax rates, as (id, name)."""
    form = OfferingForm(**given)
    subjects, cancellation, taxes = choices
    form.subject_id.choices = [("", _("Please choose")), *subjects]
    if not subjects:
        form.subject_id.description = _("There are none yet. Please ask the company to add what you teach.")
    form.policy_id.choices = [("", _("As usual at this company")), *cancellation]
    form.tax_rate_id.choices = [("", _("None")), *taxes]
    return form


def fill(content: Content) -> dict[str, Any]:
    """A content as the form's data."""
    data: dict[str, Any] = {
        "title": content.title,
        "summary": content.summary,
        "description": content.description,
        "subject_id": str(content.subject_id or ""),
        "level": content.level,
        "language": content.language,
        "capacity": content.capacity,
        "policy_id": str(content.policy_id or ""),
        "tax_rate_id": str(content.tax_rate_id or ""),
    }
    for number, row in enumerate(content.variants, 1):
        data |= {
            f"variant_{number}_id": str(row.id or ""),
            f"variant_{number}_name": row.name,
            f"variant_{number}_minutes": row.duration_minutes,
            f"variant_{number}_price": Money(row.price_minor, site().currency or ""),
        }
    return data
