"""The brand form."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import EmailField, SelectField, StringField, TelField, URLField
from wtforms.validators import InputRequired, Length, Regexp
from wtforms.widgets import ColorInput

from app.core.web import choices
from app.core.web.forms import Form, strip

NEEDED = _l("Please fill this in.")
CORNERS = (("square", _l("Square")), ("soft", _l("A little round")), ("round", _l("Round")))


def _address(label: Any, description: Any = "") -> URLField:
    return URLField(
        label,
        [Length(max=300)],
        filters=[strip],
        description=description,
        render_kw={"placeholder": "https://"},
    )


class BrandForm(Form):
    name = StringField(
        _l("Name"),
        [InputRequired(NEEDED), Length(max=120)],
        filters=[strip],
        description=_l("As your students and tutors read it on every page and in every mail."),
    )
    tagline = StringField(
        _l("In a sentence"),
        [Length(max=160)],
        filters=[strip],
        description=_l("What you stand for. Visitors read it at the top of your first page."),
    )
    primary = StringField(
        _l("Colour"),
        [InputRequired(NEEDED), Regexp("^#[0-9a-fA-F]{6}$", message=_l("Write it as #rrggbb."))],
        widget=ColorInput(),
        description=_l("For buttons and links. White text on it must be readable."),
    )
    corners = SelectField(_l("Corners"), [InputRequired(NEEDED)], choices=lambda: CORNERS)
    email = EmailField(
        _l("E-mail"),
        [Length(max=320)],
        filters=[strip],
        description=_l("What you give here stands below every public page."),
    )
    phone = TelField(_l("Phone"), [Length(max=32)], filters=[strip])
    imprint_url = _address(
        _l("Imprint"), _l("Where your page with your name and address is, if you need one.")
    )
    terms_url = _address(_l("Terms and conditions"))
    privacy_url = _address(_l("Privacy"))
    timezone = SelectField(
        _l("Time zone"), [InputRequired(NEEDED)], choices=choices.timezones, description=_l("Where you are.")
    )
    locale = SelectField(
        _l("Language"),
        [InputRequired(NEEDED)],
        choices=lambda: choices.LOCALES,
        description=_l("For visitors whose browser asks for none that we speak."),
    )
