"""The receipt on paper: a head in the company's colour, who and whom, the lines, the sum, page numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

from babel.dates import format_date
from flask_babel import force_locale
from flask_babel import gettext as _

from app.core.pdf.document import ReceiptDocument, ReceiptLine
from app.core.pdf.fonts import drawable
from app.core.pdf.sheet import (
    HEIGHT,
    INK,
    INNER,
    MARGIN,
    MUTED,
    RULE,
    WIDTH,
    Cell,
    Color,
    Sheet,
    Style,
)

TEXT = Style()
STRONG = Style(bold=True)
SMALL = Style(7.5, MUTED)
LABEL = Style(7.5, MUTED, bold=True)
NAME = Style(11, bold=True)
SUM = Style(12, bold=True)
_SPACE = (" ", Style(3.5))
_GAP = 5.0
_WIDEST_AMOUNT = 30.0
_LONGEST_IN_HEAD = 160


def render_receipt(document: ReceiptDocument) -> bytes:
    """The document as PDF, in its own language whatever the reader's is; raises FontsMissing."""
    with force_locale(document.babel_locale):
        drawn = _drawable(document)
        first = _Receipt(drawn, pages=1)
        done = first.render()
        # How many pages there are is known at the end only, and said on each of them.
        return done if first.sheet.pages == 1 else _Receipt(drawn, pages=first.sheet.pages).render()


def _drawable(document: ReceiptDocument) -> ReceiptDocument:
    """With every text as it can be drawn."""
    lines = tuple(
        ReceiptLine(**{field.name: drawable(getattr(line, field.name)) for field in fields(line)})
        for line in document.lines
    )
    names = ("number", "seller_name", "buyer_name", "paid_with", "corrects", "notes")
    return replace(
        document,
        **{name: drawable(getattr(document, name)) for name in names},  # type: ignore[arg-type]
        seller_lines=tuple(map(drawable, document.seller_lines)),
        buyer_lines=tuple(map(drawable, document.buyer_lines)),
        totals=tuple((drawable(label), drawable(amount)) for label, amount in document.totals),
        lines=lines,
    )


def _texts(document: ReceiptDocument) -> Iterator[str]:
    yield from (document.number, document.seller_name, *document.seller_lines, document.buyer_name)
    yield from (*document.buyer_lines, document.paid_with, document.corrects, document.notes)
    for line in document.lines:
        yield from (getattr(line, field.name) for field in fields(line))
    for total in document.totals:
        yield from total


class _Receipt:
    def __init__(self, document: ReceiptDocument, pages: int) -> None:
        self.document, self.pages = document, pages
        credit = document.kind == "credit_note"
        self.title = drawable(_("Credit note") if credit else _("Receipt"))
        self.date = drawable(format_date(document.issued_on, "long", locale=document.babel_locale))
        self.facts = self._facts(credit)
        self.heads = self._heads()
        own = [self.title, self.date, *(text for fact in self.facts for text in fact), *self.heads.values()]
        page = drawable(_("Page %(page)s of %(pages)s", page=1, pages=1))
        self.sheet = Sheet(
            [*_texts(document), *own, page, _("From"), _("Billed to"), "0123456789…"],
            issued_on=document.issued_on,
            right_to_left=document.right_to_left,
        )
        self.brand = _rgb(document.brand_color)
        self.in_table = False

    def render(self) -> bytes:
        document, sheet = self.document, self.sheet
        sheet.describe(
            title=f"{self.title} {document.number}",
            author=document.seller_name,
            language=document.babel_locale.language,
        )
        sheet.on_new_page = self._on_new_page
        sheet.new_page()
        self._parties()
        self._table()
        self._totals()
        if document.notes:
            sheet.row([Cell(0, INNER * 0.75, [(document.notes, replace(SMALL, size=8.5))])], above=9)
        return sheet.output()

    # -- Head and foot -------------------------------------------------------------------------

    def _on_new_page(self) -> None:
        if self.sheet.pages == 1:
            self._head()
        else:
            self._short_head()
        self._foot()
        if self.in_table:
            self._table_head()

    def _head(self) -> None:
        """The band in the brand's colour: as high as the seller's name needs."""
        sheet, on_brand = self.sheet, _on(self.brand)
        large = Style(18, on_brand, leading=1.25)
        name, number = _cut(self.document.seller_name), _cut(self.document.number)
        seller = Cell(0, INNER * 0.58, [(name, replace(large, bold=True))])
        title = Cell(
            INNER * 0.62, INNER * 0.38, [(self.title, large), (number, Style(10, on_brand))], end=True
        )
        height = sheet.height_of([seller, title])
        sheet.box(-MARGIN, 0, WIDTH, height + 22, self.brand)
        sheet.y = 11
        sheet.row([seller, title])
        sheet.y = height + 22 + 9

    def _short_head(self) -> None:
        sheet = self.sheet
        sheet.box(-MARGIN, 0, WIDTH, 4, self.brand)
        sheet.y = 10
        half = INNER / 2 - _GAP
        sheet.write(sheet.one_line(self.document.seller_name, SMALL, half), 0, sheet.y, half, False)
        reference = f"{self.title} {self.document.number}"
        sheet.write(sheet.one_line(reference, SMALL, half), INNER - half, sheet.y, half, True)
        sheet.y = MARGIN + 2

    def _foot(self) -> None:
        sheet, half, y = self.sheet, INNER / 2 - _GAP, HEIGHT - 17
        left = f"{self.document.seller_name} · {self.title} {self.document.number}"
        right = drawable(_("Page %(page)s of %(pages)s", page=sheet.pages, pages=self.pages))
        sheet.box(0, y, INNER, 0.2, RULE)
        sheet.write(sheet.one_line(left, SMALL, half), 0, y + 2, half, False)
        sheet.write(sheet.one_line(right, SMALL, half), INNER - half, y + 2, half, True)

    # -- Who, whom, when -----------------------------------------------------------------------

    def _facts(self, credit: bool) -> list[tuple[str, str]]:
        found = [
            (_("Number"), self.document.number),
            (_("Date"), self.date),
            (_("For receipt"), self.document.corrects),
            (_("Refunded to") if credit else _("Paid with"), self.document.paid_with),
        ]
        return [(drawable(label), value) for label, value in found if value]

    def _parties(self) -> None:
        document, third = self.document, INNER / 3
        facts = [text for label, value in self.facts for text in ((label, LABEL), (value, TEXT), _SPACE)]
        self.sheet.row(
            [
                Cell(0, third - _GAP, _party(_("From"), document.seller_name, document.seller_lines)),
                Cell(third, third - _GAP, _party(_("Billed to"), document.buyer_name, document.buyer_lines)),
                Cell(2 * third, third, facts),
            ],
            below=9,
        )

    # -- Positions -----------------------------------------------------------------------------

    def _heads(self) -> dict[str, str]:
        """The columns that some line has something in, and how they are headed."""
        heads = {
            "description": _("Description"),
            "quantity": _("Quantity"),
            "unit": _("Unit price"),
            "net": _("Net"),
            "tax": _("Tax"),
            "gross": _("Amount"),
        }
        used = {name for line in self.document.lines for name in heads if getattr(line, name)}
        if any(line.tax_label for line in self.document.lines):
            used.add("tax")
        always = {"description", "gross"}
        return {name: drawable(text) for name, text in heads.items() if name in used | always}

    def _columns(self) -> dict[str, tuple[float, float]]:
        """Where each column is: amounts as wide as their widest, the description what is left."""
        sheet, widths = self.sheet, {}
        for name, head in self.heads.items():
            if name != "description":
                texts = [(head, LABEL)]
                for line in self.document.lines:
                    texts += _in_column(line, name)
                widest = max(sheet.width_of(text, style) for text, style in texts)
                widths[name] = min(widest + 0.5, _WIDEST_AMOUNT)
        left = INNER - sum(widths.values()) - _GAP * len(widths)
        columns = {"description": (0.0, left)}
        for name, width in widths.items():
            columns[name] = (left + _GAP, width)
            left += _GAP + width
        return columns

    def _table(self) -> None:
        self.columns = self._columns()
        self.sheet.room(25)
        self._table_head()
        self.in_table = True
        for line in self.document.lines:
            cells = [
                Cell(*self.columns[name], _in_column(line, name), end=name != "description")
                for name in self.heads
            ]
            self.sheet.room(min(self.sheet.height_of(cells), 40.0) + 4)
            self.sheet.row(cells, above=2, below=2)
            self.sheet.rule(0, INNER)
        self.in_table = False

    def _table_head(self) -> None:
        sheet = self.sheet
        cells = [
            Cell(*self.columns[name], [(head, LABEL)], end=name != "description")
            for name, head in self.heads.items()
        ]
        height = sheet.height_of(cells) + 4
        sheet.box(-3, sheet.y, INNER + 6, height, _tint(self.brand))
        sheet.row(cells, above=2, below=2)

    # -- The sum -------------------------------------------------------------------------------

    def _totals(self) -> None:
        sheet, half = self.sheet, INNER * 0.52
        *parts, last = self.document.totals or (("", ""),)
        sheet.room(len(parts) * 6 + 22)
        sheet.y += 3
        for label, amount in parts:
            sheet.row(_total(half, label, amount, TEXT), above=1)
        sheet.y += 2
        cells = _total(half, *last, SUM)
        height = sheet.height_of(cells) + 6
        sheet.room(height + 2)
        sheet.box(INNER - half - 3, sheet.y, half + 6, height, _tint(self.brand))
        sheet.box(INNER - half - 3, sheet.y, 1.2, height, self.brand)
        sheet.row(cells, above=3, below=3)


def _cut(text: str) -> str:
    """For the head, which must not be higher than a page; the whole text is below."""
    return text if len(text) <= _LONGEST_IN_HEAD else text[: _LONGEST_IN_HEAD - 1] + "…"


def _party(label: str, name: str, lines: tuple[str, ...]) -> list[tuple[str, Style]]:
    return [
        (drawable(label), LABEL),
        (name, replace(NAME, size=10)),
        *((line, TEXT) for line in lines if line),
    ]


def _in_column(line: ReceiptLine, name: str) -> list[tuple[str, Style]]:
    texts = [(getattr(line, name), STRONG if name == "gross" else TEXT)]
    if name == "tax":
        texts.append((line.tax_label, SMALL))
    return [(text, style) for text, style in texts if text]


def _total(width: float, label: str, amount: str, style: Style) -> list[Cell]:
    left, part = INNER - width, width * 0.5
    return [
        Cell(left + 2, part - 4, [(label, replace(style, bold=False) if style is TEXT else style)]),
        Cell(left + part, part, [(amount, style)], end=True),
    ]


def _rgb(color: str) -> Color:
    red, green, blue = bytes.fromhex(color[1:])
    return red, green, blue


def _tint(color: Color) -> Color:
    """The colour as a shade that text stands on."""
    red, green, blue = (round(255 - (255 - part) * 0.09) for part in color)
    return red, green, blue


def _on(color: Color) -> Color:
    """White or ink, whichever reads better on the colour (WCAG's measure)."""
    against_white = 1.05 / (_luminance(color) + 0.05)
    against_ink = (_luminance(color) + 0.05) / (_luminance(INK) + 0.05)
    return (255, 255, 255) if against_white >= against_ink else INK


def _luminance(color: Color) -> float:
    linear = [(part / 255 / 12.92) if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in color]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
