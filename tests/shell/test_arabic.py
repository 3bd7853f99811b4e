"""What a catalogue of a language from right to left needs beside its words."""

from __future__ import annotations

import gettext
import io
import re
from collections.abc import Iterator

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from app.shell.translations import TRANSLATIONS

# What people wrote, or what is written in Latin letters everywhere.
OF_PEOPLE = (
    "author|browser|code|company|device|email|inviter|name|names|others|place|product|reason|site|student|"
    "subjects|system|title|tutor|zone"
)
BARE = re.compile(rf"(?<!\u2068)(?:%\((?:{OF_PEOPLE})\)s|\{{(?:name|text|zone)\}})(?!\u2069)")
# Here the words mean amounts.
AMOUNTS = {"tax %(tax)s, the platform %(platform)s, the company %(company)s, you %(tutor)s."}


@pytest.fixture(scope="module")
def arabic() -> Catalog:
    with (TRANSLATIONS / "ar" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale="ar")


def test_what_people_wrote_is_isolated(arabic: Catalog) -> None:
    """Or a name in Latin letters puts the commas and dates around it out of order."""
    assert [text for key, text in texts(arabic) if key not in AMOUNTS and BARE.search(text)] == []


def test_isolates_are_closed(arabic: Catalog) -> None:
    opened, closed = re.compile("[\u2066-\u2068]"), re.compile("\u2069")
    texts_and_counts = ((text, opened.findall(text), closed.findall(text)) for _key, text in texts(arabic))
    assert [text for text, begins, ends in texts_and_counts if len(begins) != len(ends)] == []


def test_its_own_punctuation(arabic: Catalog) -> None:
    foreign = re.compile(r"[,;?](?=\s|$)|[“”„]")
    assert [text for _key, text in texts(arabic) if foreign.search(text)] == []


@pytest.mark.parametrize(
    ("number", "form"),
    [(0, 0), (1, 1), (2, 2), (3, 3), (10, 3), (11, 4), (99, 4), (100, 5), (102, 5), (103, 3)],
)
def test_the_six_forms_stand_in_the_usual_order(arabic: Catalog, number: int, form: int) -> None:
    """None, one, two, few, many, other: as translators' tools have them, and not as Babel's default does."""
    message = next(message for message in arabic if message.pluralizable)
    compiled = io.BytesIO()
    write_mo(compiled, arabic)
    compiled.seek(0)
    known = gettext.GNUTranslations(compiled)
    assert known.ngettext(message.id[0], message.id[1], number) == message.string[form]


def texts(catalogue: Catalog) -> Iterator[tuple[str, str]]:
    for message in catalogue:
        if message.id:
            key = message.id if isinstance(message.id, str) else message.id[0]
            strings = [message.string] if isinstance(message.string, str) else message.string
            yield from ((key, text) for text in strings if text)
