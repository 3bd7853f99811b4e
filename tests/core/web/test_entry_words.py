"""What an entry calls its columns and values: in the language in force, and found again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from flask_babel import force_locale, lazy_gettext

from app.core.web import entry_words, numbers
from app.core.web.entry import AdminEntry
from app.domains.accounts.models import Person


class Sample(AdminEntry):
    model = Person
    label, plural = lazy_gettext("Person"), lazy_gettext("People")
    columns = ("full_name", "email", "shoe_size")
    labels = {"email": lazy_gettext("Address"), "notes": ""}
    asked: list[str] = []
    choices = {
        "email": (("y", lazy_gettext("Yes")), ("n", lazy_gettext("No"))),
        "notes": lambda: [(str(len(Sample.asked)), Sample.asked.append("notes") or "now")],
    }


@pytest.fixture(autouse=True)
def request_context(app: Flask) -> Iterator[None]:
    with app.test_request_context("/"):
        yield


def test_labels_are_those_of_the_language() -> None:
    entry = Sample()
    for _again in range(2):
        for language, name, address in (("en", "Name", "Address"), ("de", "Name", "Adresse")):
            with force_locale(language):
                assert entry_words.label(entry, "full_name") == name
                assert entry_words.label(entry, "email") == address
                assert entry_words.label(entry, "person.shoe_size") == "Shoe size"


def test_choices_are_those_of_the_language() -> None:
    entry = Sample()
    for _again in range(2):
        for language, yes, no in (("en", "Yes", "No"), ("es", "Sí", "No")):
            with force_locale(language):
                assert entry_words.choices(entry, "email") == (("y", yes), ("n", no))
    assert entry_words.choices(entry, "full_name") == ()


def test_what_is_worked_out_is_never_kept() -> None:
    entry = Sample()
    assert [entry_words.choices(entry, "notes") for _again in range(2)] == [
        (("0", "now"),),
        (("1", "now"),),
    ]


def test_numbers_are_written_as_the_language_does() -> None:
    for _again in range(2):
        for language, whole, part in (("en", "1,234", "0.5"), ("de", "1.234", "0,5")):
            with force_locale(language):
                assert numbers.written(1234) == whole
                assert numbers.written(0.5) == part
