"""Forms for signing in and for one's own account."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import DateField, EmailField, HiddenField, PasswordField, RadioField, SelectField, StringField
from wtforms.validators import EqualTo, InputRequired, Length

from app.core.web import choices
from app.core.web.forms import Form, strip
from app.domains.accounts.models import GUARDIAN, STUDENT
from app.domains.accounts.policies import MAX_PASSWORD, MIN_PASSWORD

NEEDED = _l("Please fill this in.")
_long_enough = _l("At least %(least)s characters.", least=MIN_PASSWORD)


def new_password(label: Any = None) -> PasswordField:
    """A password to be; its other rules are in `policies.check_password`."""
    return PasswordField(
        label or _l("New password"),
        [InputRequired(NEEDED), Length(MIN_PASSWORD, MAX_PASSWORD, _long_enough)],
        description=_long_enough,
        render_kw={"autocomplete": "new-password"},
    )


def repeated(name: str) -> PasswordField:
    return PasswordField(
        _l("Repeat the password"),
        [InputRequired(NEEDED), EqualTo(name, _l("The two passwords differ."))],
        render_kw={"autocomplete": "new-password"},
    )


def known_password(label: Any) -> PasswordField:
    return PasswordField(
        label,
        [InputRequired(NEEDED), Length(max=MAX_PASSWORD)],
        render_kw={"autocomplete": "current-password"},
    )


def email_field(label: Any = None) -> EmailField:
    return EmailField(
        label or _l("E-mail"),
        [InputRequired(NEEDED), Length(max=320)],
        filters=[strip],
        render_kw={"autocomplete": "username"},
    )


def name_field(label: Any) -> StringField:
    return StringField(
        label, [InputRequired(NEEDED), Length(max=120)], filters=[strip], render_kw={"autocomplete": "name"}
    )


class LoginForm(Form):
    email = email_field()
    password = known_password(_l("Password"))
    next = HiddenField()


class ForgotForm(Form):
    email = email_field()


class ResetForm(Form):
    password = new_password()
    repeat = repeated("password")


class RegisterForm(Form):
    full_name = name_field(_l("Your name"))
    email = email_field()
    kind = RadioField(
        _l("What brings you here?"),
        choices=lambda: [(STUDENT, _l("I want to learn")), (GUARDIAN, _l("I register my child"))],
        default=STUDENT,
    )
    next = HiddenField()


class JoinForm(Form):
    """Accept an invitation, or end a registration, with a new account."""

    full_name = name_field(_l("Your name"))
    password = new_password(_l("Choose a password"))
    repeat = repeated("password")


class ProveForm(Form):
    """Accept an invitation, or end a registration, with the account that the address has already."""

    password = known_password(_l("Your WeMaster password"))


class ConfirmForm(Form):
    """What somebody signed in proves once more."""

    password = known_password(_l("Current password"))


class ChildForm(Form):
    full_name = StringField(
        _l("The child's name"),
        [InputRequired(NEEDED), Length(max=120)],
        filters=[strip],
        render_kw={"autocomplete": "off"},
    )
    birth_date = DateField(_l("Date of birth"), [InputRequired(NEEDED)], render_kw={"autocomplete": "off"})
    next = HiddenField()


class ProfileForm(Form):
    full_name = StringField(_l("Name"), [InputRequired(NEEDED), Length(max=64)], filters=[strip])
    locale = SelectField(_l("Language"), choices=lambda: [("", _l("As the site")), *choices.LOCALES])
    timezone = SelectField(
        _l("Time zone"),
        choices=lambda: [("", _l("As the site")), *choices.timezones()],
    )


class PasswordForm(Form):
    current = known_password(_l("Current password"))
    new = new_password()
    repeat = repeated("new")


class EmailForm(Form):
    new_email = EmailField(
        _l("New e-mail address"), [InputRequired(NEEDED), Length(max=320)], filters=[strip]
    )
    password = known_password(_l("Current password"))


class PreferencesForm(Form):
    locale = StringField()
    theme = StringField()
    next = HiddenField()
