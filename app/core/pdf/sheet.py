"""A page to write on: text in any script, broken into lines by us, in rows that may run over pages."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from fpdf import FPDF
from fpdf.bidi import auto_detect_base_direction
from fpdf.enums import TextDirection
from fpdf.fonts import TTFFont

from app.core.pdf.fonts import families_for, file_of

WIDTH, HEIGHT, MARGIN = 210.0, 297.0, 18.0
INNER = WIDTH - 2 * MARGIN
BOTTOM = HEIGHT - 24.0

Color = tuple[int, int, int]
INK: Color = (31, 41, 55)
MUTED: Color = (107, 114, 128)
RULE: Color = (226, 229, 234)

# A text is drawn up to here: what is longer is no text for a receipt, and would cost minutes.
LONGEST = 4000

# How letters are put together; by now they are.
_LEFT_OUT = frozenset({"GDEF", "GPOS", "GSUB"})

_WORDS = re.compile(r"\S+\s*|\s+")
_NOT_FIRST = frozenset(
    "、。，．・：；？！ー々）］｝」』】〉》ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ%‰)]}!?,.;:"
)


@dataclass(frozen=True, slots=True)
class Style:
    size: float = 9.0  # points
    color: Color = INK
    bold: bool = False
    leading: float = 1.42

    @property
    def height(self) -> float:
        """Of a line, in millimetres."""
        return self.size * self.leading * 25.4 / 72


@dataclass(frozen=True, slots=True)
class Line:
    """A line that fits its place, and which way its paragraph runs."""

    text: str
    style: Style
    direction: TextDirection


@dataclass(frozen=True, slots=True)
class Cell:
    """A place in a row: paragraphs in their styles, at `left` of the inner width."""

    left: float
    width: float
    texts: Sequence[tuple[str, Style]]
    end: bool = False  # aligned at the end of the line: amounts


class Sheet:
    """An A4 document in the making. `y` is where the next row begins.

    `left` always counts from the side where reading begins, so a page from right to left is the same code.
    """

    def __init__(self, texts: Sequence[str], *, issued_on: dt.date, right_to_left: bool) -> None:
        self.y = MARGIN
        self.on_new_page: Callable[[], None] = lambda: None
        self._right_to_left = right_to_left
        self._widths: dict[tuple[str, float, bool], float] = {}
        self._pdf = pdf = FPDF(format="A4")
        pdf.set_auto_page_break(False)
        pdf.set_margin(0)
        pdf.c_margin = 0
        pdf.str_alias_nb_pages = ""  # or a text "{nb}" would turn into a number
        pdf.set_creation_date(dt.datetime.combine(issued_on, dt.time(), dt.UTC))
        families = families_for(texts)
        for family in families:
            for bold in (False, True):
                if not bold or file_of(family, bold) != file_of(family):
                    pdf.add_font(family, "B" if bold else "", file_of(family, bold))
        pdf.set_font(families[0])
        pdf.set_fallback_fonts(families[1:], exact_match=False)

    def describe(self, *, title: str, author: str, language: str) -> None:
        """What a reader program shows and reads aloud by."""
        self._pdf.set_title(title)
        self._pdf.set_author(author)
        self._pdf.set_lang(language)
        self._pdf.set_producer("WeMaster")

    def output(self) -> bytes:
        for font in (font for font in self._pdf.fonts.values() if isinstance(font, TTFFont)):
            # They are left out of the document anyway, and a third of the work is to read them before.
            for table in _LEFT_OUT.intersection(font.ttfont.keys()):
                del font.ttfont[table]
        return bytes(self._pdf.output())

    @property
    def pages(self) -> int:
        return self._pdf.pages_count

    def new_page(self) -> None:
        self._pdf.add_page()
        self.y = MARGIN
        self.on_new_page()

    # -- Drawing -------------------------------------------------------------------------------

    def box(self, left: float, top: float, width: float, height: float, color: Color) -> None:
        """A filled box; `left` from the inner width's beginning and may be negative."""
        self._pdf.set_fill_color(*color)
        self._pdf.rect(self._x(left, width), top, width, height, style="F")

    def rule(self, left: float, width: float, color: Color = RULE, thickness: float = 0.2) -> None:
        """A line across, here."""
        self.box(left, self.y - thickness / 2, width, thickness, color)

    def write(self, line: Line, left: float, top: float, width: float, end: bool) -> None:
        pdf, style = self._pdf, line.style
        pdf.set_font(style="B" if style.bold else "", size=style.size)
        pdf.set_text_color(*style.color)
        # After a line that began in another font the library takes ours for set, and it is not.
        pdf.current_font_is_set_on_page = False
        pdf.set_text_shaping(True, features=_features(line.text), direction=line.direction)
        pdf.set_xy(self._x(left, width), top)
        align = "R" if end is not self._right_to_left else "L"
        pdf.cell(width, style.height, line.text, align=align)

    def _x(self, left: float, width: float) -> float:
        left += MARGIN
        return WIDTH - left - width if self._right_to_left else left

    # -- Rows ----------------------------------------------------------------------------------

    def row(self, cells: Sequence[Cell], *, above: float = 0.0, below: float = 0.0) -> None:
        """Cells side by side. What does not fit the page goes on with the next one, line by line."""
        rest = [
            [line for text, style in cell.texts for line in self.broken(text, style, cell.width)]
            for cell in cells
        ]
        self.y += above
        if self.y + max((lines[0].style.height for lines in rest if lines), default=0) > BOTTOM:
            self.new_page()
        while any(rest):
            lowest = self.y
            for cell, lines in zip(cells, rest, strict=True):
                lowest = max(lowest, self._fill(cell, lines))
            if any(rest):
                self.new_page()
            else:
                self.y = lowest
        self.y += below

    def _fill(self, cell: Cell, lines: list[Line]) -> float:
        """Write what fits of the lines and take it off them; returns where that ends."""
        y = self.y
        while lines and y + lines[0].style.height <= BOTTOM:
            line = lines.pop(0)
            self.write(line, cell.left, y, cell.width, cell.end)
            y += line.style.height
        return y

    def height_of(self, cells: Sequence[Cell]) -> float:
        """How high the cells are as a row."""
        return max(
            sum(len(self.broken(text, style, cell.width)) * style.height for text, style in cell.texts)
            for cell in cells
        )

    def room(self, height: float) -> None:
        """A new page unless so much is left of this one; for what should stay together."""
        if self.y + height > BOTTOM and height < BOTTOM - MARGIN:
            self.new_page()

    # -- Lines ---------------------------------------------------------------------------------

    def width_of(self, text: str, style: Style) -> float:
        key = (text, style.size, style.bold)
        if key not in self._widths:
            self._pdf.set_font(style="B" if style.bold else "", size=style.size)
            self._pdf.set_text_shaping(True, features=_features(text))
            self._widths[key] = self._pdf.get_string_width(text)
        return self._widths[key]

    def broken(self, text: str, style: Style, width: float) -> list[Line]:
        """The text in lines of this width, broken at spaces, between ideographs, and within a long word."""
        if len(text) > LONGEST:
            text = text[:LONGEST] + "…"
        lines = []
        for paragraph in text.split("\n"):
            direction = auto_detect_base_direction(paragraph)
            lines += [Line(line, style, direction) for line in self._wrapped(paragraph, style, width)]
        return lines if text else []

    def one_line(self, text: str, style: Style, width: float) -> Line:
        """The beginning of the text that fits one line."""
        lines = self.broken(text, style, width - self.width_of("…", style))
        first = lines[0] if lines else Line("", style, TextDirection.LTR)
        return replace(first, text=first.text + "…") if len(lines) > 1 else first

    def _wrapped(self, paragraph: str, style: Style, width: float) -> list[str]:
        lines, line, used = [], "", 0.0
        for piece in self._pieces(paragraph, style, width):
            if line and used + self.width_of(piece.rstrip(), style) > width:
                lines.append(line.rstrip())
                line, used = "", 0.0
            line += piece
            used += self.width_of(piece, style)
        return [*lines, line.rstrip()]

    def _pieces(self, paragraph: str, style: Style, width: float) -> list[str]:
        """What must not be torn: words, ideographs, and parts of words that would not fit a line."""
        pieces = []
        for word in _WORDS.findall(paragraph):
            for piece in _between_ideographs(word):
                fits = self.width_of(piece.rstrip(), style) <= width
                pieces += [piece] if fits else self._torn(piece, style, width)
        return pieces

    def _torn(self, word: str, style: Style, width: float) -> list[str]:
        parts, used = [""], 0.0
        for letter in _letters(word):
            wide = self.width_of(letter, style)
            if parts[-1] and used + wide > width:
                parts.append("")
                used = 0.0
            parts[-1] += letter
            used += wide
        return parts


def _features(text: str) -> dict[str, bool]:
    """A letter in one glyph, or a search finds two: fonts would take a letter with two marks apart, while
    Arabic marks need it to come together."""
    return {} if any(unicodedata.bidirectional(char) == "AL" for char in text) else {"ccmp": False}


def _between_ideographs(word: str) -> list[str]:
    pieces = [""]
    for letter in _letters(word):
        before = pieces[-1][-1:]
        may_break = (_is_wide(letter) or (before and _is_wide(before))) and letter[0] not in _NOT_FIRST
        if before and may_break and not letter.isspace():
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _letters(text: str) -> list[str]:
    """The text's letters, each with the marks and joiners that belong to it."""
    letters: list[str] = []
    joined = False
    for char in text:
        if letters and (joined or unicodedata.category(char) in {"Mn", "Me", "Mc", "Cf", "Sk"}):
            letters[-1] += char
        else:
            letters.append(char)
        joined = char == "\u200d"
    return letters


def _is_wide(letter: str) -> bool:
    return unicodedata.east_asian_width(letter[0]) in {"W", "F"}
