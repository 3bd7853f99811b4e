"""The fields that WTForms lacks, and what all our forms add to it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale
from werkzeug.datastructures import MultiDict
from wtforms import IntegerField, PasswordField, StringField, TextAreaField
from wtforms.validators import InputRequired

from app.core.web.forms import Form, LocalDateTimeField, members_of, strip, within


class Filling(Form):
    at = LocalDateTimeField("When")
    name = StringField("Name", [InputRequired("Needed.")], filters=[strip])
    text = TextAreaField("Text")
    number = IntegerField("Number", [within(-5, 5)])


def filled(app: Flask, monkeypatch: pytest.MonkeyPatch, zone: str = "Europe/Berlin", **values: str) -> Any:
    """The form with these values, validated for somebody in this zone."""
    monkeypatch.setattr(app.extensions["babel"], "timezone_selector", lambda: zone)
    with app.test_request_context():
        form = Filling(formdata=MultiDict({"name": "x", "number": "0", **values}), meta={"csrf": False})
        form.validate()
        form.shown = form.at._value()  # type: ignore[attr-defined]
        return form


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("zone", "text", "moment"),
    [
        ("Europe/Berlin", "2026-07-01T10:00", utc(2026, 7, 1, 8)),
        ("Europe/Berlin", "2026-01-01T10:00", utc(2026, 1, 1, 9)),
        ("America/New_York", "2026-07-01T22:30", utc(2026, 7, 2, 2, 30)),
        ("Asia/Kathmandu", "2026-07-01T10:00", utc(2026, 7, 1, 4, 15)),
        ("Europe/Berlin", "2026-10-25T02:30", utc(2026, 10, 25, 0, 30)),  # twice that night: the first
        ("Europe/Berlin", "2026-07-01 10:00:00", utc(2026, 7, 1, 8)),  # as our own export writes it
        ("Europe/Berlin", "2026-07-01T10:00:00Z", utc(2026, 7, 1, 10)),
        ("Europe/Berlin", "2026-07-01T10:00:00+05:30", utc(2026, 7, 1, 4, 30)),
    ],
)
def test_a_local_time_is_kept_as_utc(
    app: Flask, monkeypatch: pytest.MonkeyPatch, zone: str, text: str, moment: dt.datetime
) -> None:
    form = filled(app, monkeypatch, zone, at=text)
    assert not form.at.errors
    assert form.at.data == moment
    assert form.shown == text, "what was typed is shown again"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("de", "Keine gültige, ganze Zahl."),
        ("en", "Not a valid integer value."),
        ("ar", "قيمة العدد الحقيقي غير صالحة."),
    ],
)
def test_what_wtforms_says_is_in_the_readers_language(app: Flask, language: str, words: str) -> None:
    with app.test_request_context(), force_locale(language):
        form = Filling(formdata=MultiDict({"name": "x", "number": "five"}), meta={"csrf": False})
        form.validate()
        assert form.number.errors == [words]


@pytest.mark.parametrize(
    "text",
    ["2026-03-29T02:30", "soon", "2026-02-30T10:00", "0001-01-01T00:00+14:00", "9999-12-31T23:00-14:00"],
)
def test_a_time_that_does_not_exist_is_refused(
    app: Flask, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """In the night of 29 March the clocks of Berlin skip from 2 to 3."""
    form = filled(app, monkeypatch, at=text)
    assert form.at.errors
    assert form.shown == text


@pytest.mark.parametrize("text", ["", "  ", "\t\n"])
def test_blanks_are_nothing(app: Flask, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert filled(app, monkeypatch, name=text).name.errors == ["Needed."]


def test_what_can_not_be_stored_is_refused(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    for code in (0, 7, 27, 127, 0xD800, 0xDFFF):
        form = filled(app, monkeypatch, name=f"a{chr(code)}b", text=f"a{chr(code)}b")
        assert form.name.errors, hex(code)
        assert form.text.errors, hex(code)


def test_lines_belong_into_texts_only(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    form = filled(app, monkeypatch, name="a\nb", text="a\r\n\tb")
    assert form.name.errors
    assert not form.text.errors


@pytest.mark.parametrize(("text", "right"), [("5", True), ("-5", True), ("6", False), ("9" * 400, False)])
def test_numbers_have_limits(app: Flask, monkeypatch: pytest.MonkeyPatch, text: str, right: bool) -> None:
    assert filled(app, monkeypatch, number=text).number.errors == (
        [] if right else ["This number is too large."]
    )


def test_the_members_of_a_form(app: Flask) -> None:
    kinds = {"at": LocalDateTimeField, "name": StringField, "text": TextAreaField, "number": IntegerField}
    assert members_of(Filling) == kinds
    with app.test_request_context():
        Filling(formdata=None, meta={"csrf": False})
        assert members_of(Filling) == kinds, "also once one was made"


def test_unseen_marks_of_direction_are_taken_out_of_single_lines(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    marks = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
    form = filled(app, monkeypatch, name=f"Evil{marks} gpj.exe", text=f"a{marks}b")
    assert not form.errors
    assert form.name.data == "Evil gpj.exe"
    assert form.text.data == f"a{marks}b", "prose of two directions may need them"
    assert filled(app, monkeypatch, name=marks).name.errors == ["Needed."]
    for kept in ("نرگس\u200cسادات", "क्\u200dष", "👨\u200d👩\u200d👧 Kim"):
        assert filled(app, monkeypatch, name=kept).name.data == kept


def test_passwords_stay_as_they_were_typed(app: Flask) -> None:
    class Secret(Form):
        password = PasswordField("Password")

    with app.test_request_context():
        form = Secret(formdata=MultiDict({"password": "a\u200eb"}), meta={"csrf": False})
        assert form.password.data == "a\u200eb"
