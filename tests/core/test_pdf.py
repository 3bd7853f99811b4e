"""Receipts as a stranger's PDF reader sees them: every word there, in every script, page by page."""

from __future__ import annotations

import datetime as dt
import io
import os
import re
import subprocess
import sys
import time
import unicodedata
from contextvars import Context
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from app.core.pdf import FontsMissing, ReceiptDocument, ReceiptLine, fonts, render_receipt
from app.core.pdf.fonts import drawable, families_for
from app.core.pdf.receipt import _luminance, _on, _rgb

ROOT = Path(__file__).parents[2]


def line(description: str = "Spanish, 60 minutes", **more: str) -> ReceiptLine:
    values = {
        "quantity": "1",
        "unit": "€45.00",
        "net": "€37.82",
        "tax_label": "VAT 19 %",
        "tax": "€7.18",
        "gross": "€45.00",
        **more,
    }
    return ReceiptLine(description=description, **values)


def document(**more: Any) -> ReceiptDocument:
    values: dict[str, Any] = {
        "kind": "receipt",
        "number": "LS-2026-0042",
        "issued_on": dt.date(2026, 3, 14),
        "seller_name": "Lingua GmbH",
        "seller_lines": ("Torstraße 12", "10119 Berlin"),
        "buyer_name": "Zoë Müller-Łódź",
        "buyer_lines": ("Am Markt 5", "04109 Leipzig"),
        "lines": (line(),),
        "totals": (("Net", "€37.82"), ("VAT 19 %", "€7.18"), ("Total paid", "€45.00")),
        "paid_with": "Visa ending in 4242",
        "notes": "Thank you for learning with us.",
        **more,
    }
    return ReceiptDocument(**values)


def reader(made: ReceiptDocument) -> PdfReader:
    return PdfReader(io.BytesIO(render_receipt(made)), strict=True)


def words(made: ReceiptDocument) -> str:
    """All text with every run of white space as one space."""
    return " ".join(" ".join(page.extract_text() for page in reader(made).pages).split())


def fonts_in(made: ReceiptDocument) -> set[str]:
    found = set()
    for page in reader(made).pages:
        for font in page["/Resources"]["/Font"].values():
            found.add(str(font.get_object()["/BaseFont"]))
    return found


def test_a_receipt_says_all_that_it_was_told() -> None:
    found = words(document())
    for text in (
        *("Lingua GmbH", "Torstraße 12", "10119 Berlin", "Zoë Müller-Łódź", "Am Markt 5", "04109 Leipzig"),
        *("Receipt", "LS-2026-0042", "March 14, 2026", "Visa ending in 4242", "Spanish, 60 minutes"),
        *("Quantity", "Unit price", "€37.82", "€7.18", "VAT 19 %", "Total paid", "€45.00"),
        *("Thank you for learning with us.", "Page 1 of 1"),
    ):
        assert text in found, text
    assert "Credit note" not in found
    assert "For receipt" not in found


def test_a_credit_note_says_what_it_takes_back() -> None:
    found = words(document(kind="credit_note", number="CN-7", corrects="LS-2026-0042"))
    for text in ("Credit note", "CN-7", "For receipt LS-2026-0042", "Refunded to Visa ending in 4242"):
        assert text in found, text
    assert "Paid with" not in found


def test_it_is_an_a4_page_with_its_title_and_language() -> None:
    pdf = reader(document())
    (page,) = pdf.pages
    assert [round(float(side)) for side in page.mediabox[2:]] == [595, 842]
    assert pdf.metadata is not None
    assert (pdf.metadata.title, pdf.metadata.author) == ("Receipt LS-2026-0042", "Lingua GmbH")
    assert pdf.metadata.creation_date == dt.datetime(2026, 3, 14, tzinfo=dt.UTC)
    assert pdf.root_object["/Lang"] == "en"


SCRIPTS = {
    "accents": "Ângela Ñúñez-Ørsted, Łódź, Ștefan, Ğül, Đorđe",
    "cyrillic": "Уроки русского языка, Їжак, Љубица",
    "greek": "Μαθήματα Ελληνικών",
    "vietnamese": "Nguyễn Thị Hồng",
    "japanese": "日本語の授業、60分。山田太郎様",
    "kana": "オンラインレッスン",
    "combining": "Zoe\u0308 Mu\u0308ller",
    "currencies": "€ £ ¥ ₹ ₺ ₽ ₫ ₩ zł Kč",
}


@pytest.mark.parametrize("text", SCRIPTS.values(), ids=SCRIPTS)
def test_every_script_is_found_again(text: str) -> None:
    made = document(buyer_name=text, lines=(line(text),), notes=text, seller_name=text)
    found = words(made).replace(" ", "")
    assert found.count(drawable(text).replace(" ", "")) >= 4
    assert "\ufffd" not in found


@pytest.mark.parametrize(
    "text", ["مدرسة اللغات الحديثة", "درس في اللغة العربية لمدة ساعة", "שיעור עברית עם מורה", "فارسی پژوهش"]
)
def test_what_runs_from_right_to_left_is_found_word_by_word(text: str) -> None:
    found = words(document(buyer_name=text, lines=(line(text),)))
    for word in text.split():
        assert found.count(word) >= 2, word
    assert "\ufffd" not in found


@pytest.mark.parametrize("text", [*SCRIPTS.values(), "مدرسة في عبر مُحَمَّدٌ", "שיעור", "👩‍🏫🎓"])
def test_no_glyph_is_without_its_letter_and_no_font_is_taken_for_another(text: str) -> None:
    """What stands behind another script's text is still read right, and nothing is read that is none."""
    found = words(document(lines=(line(text), line("Next", gross="€11.11"), line(text, gross="€22.22"))))
    assert "Next 1 €45.00 €37.82 €7.18 VAT 19 % €11.11" in found
    assert "€22.22" in found
    assert not [char for char in found if unicodedata.category(char) == "Cc"]


def test_arabic_letters_are_joined() -> None:
    """Shaped text uses the letters' joined forms: other glyphs than those of the letters one by one."""
    joined, apart = (document(notes=text) for text in ("سسسس", "س س س س"))
    assert render_receipt(joined) != render_receipt(apart)
    glyphs = [_glyph_count(made, "Plex") for made in (joined, apart)]
    assert glyphs[0] > glyphs[1]  # initial, medial and final form instead of one


def _glyph_count(made: ReceiptDocument, family: str) -> int:
    """How many glyphs of a font are in use, by the map from its codes to letters."""
    (page,) = reader(made).pages
    for font in page["/Resources"]["/Font"].values():
        if family in str(font.get_object()["/BaseFont"]):
            cmap = font.get_object()["/ToUnicode"].get_data()
            return len(re.findall(rb"^<[0-9A-F]+> <[0-9A-F]+>", cmap, re.MULTILINE))
    return 0


@pytest.mark.parametrize(
    "text", ["👩‍🏫 Ms. Emoji 🎓", "❤️ 1️⃣ 🇩🇪", "👨‍👩‍👧‍👦", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "\u200d", "\ufe0f", "👋🏽"]
)
def test_emoji_in_names(text: str) -> None:
    found = words(document(buyer_name=f"A {text} Z", seller_name=text, number=text))
    for letter in set(text):
        if letter in "👩🏫🎓❤👨👧👦👋":
            assert letter in found, letter


def test_a_right_to_left_language_mirrors_the_page() -> None:
    def at(made: ReceiptDocument, wanted: str) -> float:
        found = []
        # The words themselves are English where there is no application.
        Context().run(reader, made).pages[0].extract_text(
            visitor_text=lambda text, _cm, tm, _font, _size: wanted in text and found.append(tm[4])
        )
        return float(found[0])

    left, right = document(locale="en"), document(locale="ar")
    assert (left.right_to_left, right.right_to_left) == (False, True)
    assert at(left, "Quantity") > at(left, "Description")
    assert at(right, "Quantity") < at(right, "Description")
    assert at(left, "04109") < 297 < at(left, "Visa")
    assert at(right, "Visa") < 200


def test_dates_and_words_are_in_the_documents_language() -> None:
    assert "14. März 2026" in words(document(locale="de"))
    assert "14 марта 2026" in words(document(locale="ru"))
    assert "2026年3月14日" in words(document(locale="ja"))
    assert "14 mars 2026" in words(document(locale="fr-CA"))


HOSTILE = [
    "{nb} {{nb}} {{ 7*7 }}",
    "**bold** __under__ --strike-- [link](https://evil.test)",
    "<b>x</b><script>alert(1)</script>",
    "(x) \\) Tj ET endstream endobj %%EOF",
    "%s %(x)s %d %",
    "=HYPERLINK(1)",
    "a\\b\\\\c",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_are_shown_as_they_are(text: str) -> None:
    made = document(
        number=text, seller_name=text, buyer_name=text, lines=(line(text, unit=text),), totals=((text, text),),
        notes=text, paid_with=text, seller_lines=(text,), buyer_lines=(text,),
    )  # fmt: skip
    found = words(made).replace(" ", "")
    assert found.count(text.replace(" ", "")) >= 6
    raw = render_receipt(made)
    assert b"/URI" not in raw
    assert b"/JavaScript" not in raw


@pytest.mark.parametrize(
    "text", ["a\0b", "a\x1b[31mb", "a\x07b", "a\u202eb", "a\u2066b", "a\u200fb", "a\u00adb"]
)
def test_nothing_turns_or_hides_what_follows(text: str) -> None:
    assert drawable(text).replace("[31m", "") == "ab"
    assert "ab" in words(document(notes=text)).replace("[31m", "")


def test_letters_without_a_font_leave_a_trace() -> None:
    assert drawable("ꙮ\ue000𒀀") == "\ufffd" * 3 or drawable("\ue000𒀀") == "\ufffd" * 2
    assert "\ufffd" in words(document(notes="\ue000"))


def test_columns_that_nobody_needs_are_left_out() -> None:
    bare = ReceiptLine(description="Lesson", gross="€45.00")
    found = words(document(lines=(bare,), totals=(("Total", "€45.00"),)))
    assert not {"Quantity", "Unit price", "Net", "Tax"} & set(
        re.findall("Quantity|Unit price|Net|Tax", found)
    )
    assert "Description Amount Lesson €45.00" in found


def test_long_descriptions_wrap_and_lose_nothing() -> None:
    text = " ".join(f"word{number}" for number in range(120))
    endless = "x" * 400
    ideographs = "日本語の授業を受けました。" * 12
    made = document(lines=(line(text), line(endless), line(ideographs), line("first\nsecond")))
    found = words(made)
    assert text in found
    assert endless in found.replace(" ", "")
    assert ideographs in found.replace(" ", "")
    for page in reader(made).pages:
        starts = []
        page.extract_text(visitor_text=lambda _text, _cm, tm, _font, _size, into=starts: into.append(tm[4]))
        assert max(starts) < 595 - 18 / 25.4 * 72


def test_sixty_lines_run_over_pages_that_are_numbered() -> None:
    made = document(lines=tuple(line(f"Lesson number {number:03}") for number in range(60)))
    pages = [" ".join(page.extract_text().split()) for page in reader(made).pages]
    assert len(pages) > 1
    for number, page in enumerate(pages, start=1):
        assert f"Page {number} of {len(pages)}" in page
        assert "LS-2026-0042" in page
    for number in range(60):
        assert sum(f"Lesson number {number:03}" in page for page in pages) == 1
    assert all("Description" in page for page in pages if "Lesson number" in page)
    assert "Total paid €45.00" in pages[-1]
    assert not any("Total paid" in page for page in pages[:-1])


def test_the_sum_is_never_torn_and_no_page_overflows() -> None:
    for count in range(10, 17):
        pdf = reader(document(lines=tuple(line() for _ in range(count))))
        pages = [page.extract_text() for page in pdf.pages]
        (last,) = [page for page in pages if "Total paid" in page]
        assert all(text in last for text in ("Net", "€37.82", "Total paid"))
        for page in pdf.pages:
            heights: list[float] = []
            page.extract_text(
                visitor_text=lambda text, _cm, tm, _font, _size, into=heights: (
                    text.strip() and into.append(tm[5])
                )
            )
            assert min(heights) > 30


def test_texts_without_end_cost_no_minutes() -> None:
    started = time.monotonic()
    made = document(
        seller_name="W" * 100_000,
        buyer_name="日" * 100_000,
        lines=(line("x " * 100_000, unit="9" * 5000),),
        notes="n\n" * 5000,
        number="1" * 3000,
    )
    assert len(reader(made).pages) > 3
    assert time.monotonic() - started < 90


def test_the_same_document_is_the_same_to_the_byte() -> None:
    made = document(lines=tuple(line(text) for text in (*SCRIPTS.values(), "مدرسة", "🎓")))
    first = render_receipt(made)
    assert render_receipt(made) == first
    assert render_receipt(document(number="other")) != render_receipt(document())


ELSEWHERE = """
import hashlib, sys
sys.path.insert(0, "tests/core")
from test_pdf import SCRIPTS, document, line
from app.core.pdf import render_receipt
made = document(lines=tuple(line(text) for text in (*SCRIPTS.values(), "مدرسة", "🎓")))
print(hashlib.sha256(render_receipt(made)).hexdigest())
"""


def test_and_so_it_is_in_another_process_on_another_day() -> None:
    found = set()
    for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo")):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone}
        command = [sys.executable, "-c", ELSEWHERE]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1
    assert len(found.pop()) == 65


def test_only_the_fonts_that_are_needed_are_loaded() -> None:
    assert families_for(["Zoë, 12 €"]) == ["sans"]
    assert families_for(["Zoë", "日本", "🎓"]) == ["sans", "japanese", "emoji"]
    assert families_for([]) == ["sans"]
    names = " ".join(fonts_in(document()))
    assert "NotoSans" in names
    assert not re.search("JP|Plex|Emoji|Helvetica", names)


@pytest.mark.parametrize(
    "color", ["#000000", "#ffffff", "#ffd43b", "#0f6e63", "#7c3aed", "#808080", "#767676", "#ff0000"]
)
def test_the_head_can_be_read_on_every_brand(color: str) -> None:
    brand = _rgb(color)
    high, low = sorted([_luminance(brand) + 0.05, _luminance(_on(brand)) + 0.05], reverse=True)
    assert high / low >= 3  # WCAG, for large text
    assert "Lingua GmbH" in words(document(brand_color=color))


@pytest.mark.parametrize(
    "values",
    [
        {"brand_color": "red"},
        {"brand_color": "#fff"},
        {"brand_color": "#0f6e63\n"},
        {"locale": "xx-nowhere-at-all"},
        {"locale": ""},
    ],
)
def test_what_is_no_colour_and_no_language(values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not a"):
        document(**values)


def test_without_the_built_fonts_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for known in (fonts.file_of, fonts.letters_of, fonts._known):
        known.cache_clear()
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(fonts, "DIST", tmp_path)
        with pytest.raises(FontsMissing, match="run.py assets"):
            render_receipt(document())
    assert render_receipt(document()).startswith(b"%PDF")


TEXT = st.text(
    st.characters(exclude_categories=["Cs"]) | st.sampled_from("  \nأبتעבгя日語🎓👩\u200d🏫\ufe0f()\\"),
    max_size=60,
)


@settings(max_examples=15, deadline=None)
@given(TEXT, TEXT, TEXT, st.sampled_from(["en", "ar", "he", "ja", "de"]))
def test_whatever_is_written_becomes_a_readable_file(
    name: str, description: str, amount: str, locale: str
) -> None:
    made = document(
        seller_name=name, buyer_name=description, lines=(line(description, gross=amount),), notes=name, locale=locale,
        totals=((name, amount),),
    )  # fmt: skip
    assert "LS-2026-0042" in words(made)
