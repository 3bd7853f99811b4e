"""What a receipt says. Every text arrives as it shall read, amounts with their currency."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from typing import Literal

from babel import Locale

_COLOR = re.compile(r"#[0-9a-fA-F]{6}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptLine:
    """One position. A column that is empty in all lines is left out."""

    description: str
    quantity: str = ""
    unit: str = ""
    net: str = ""
    tax_label: str = ""
    tax: str = ""
    gross: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiptDocument:
    """A receipt or credit note. Raises ValueError for a colour or a locale that is none.

    The last of `totals` is the amount that counts and is shown as such. `corrects` is the number of the
    receipt that a credit note takes back.
    """

    kind: Literal["receipt", "credit_note"]
    number: str
    issued_on: dt.date
    seller_name: str
    seller_lines: tuple[str, ...] = ()
    buyer_name: str
    buyer_lines: tuple[str, ...] = ()
    lines: tuple[ReceiptLine, ...]
    totals: tuple[tuple[str, str], ...]
    paid_with: str = ""
    corrects: str = ""
    notes: str = ""
    brand_color: str = "#0f6e63"
    locale: str = "en"

    def __post_init__(self) -> None:
        if not _COLOR.fullmatch(self.brand_color):
            raise ValueError(f"not a colour: {self.brand_color!r:.50}")
        self.babel_locale  # noqa: B018 - raises for what is none

    @property
    def babel_locale(self) -> Locale:
        try:
            return Locale.parse(self.locale.replace("-", "_"))
        except Exception as error:
            raise ValueError(f"not a locale: {self.locale!r:.50}") from error

    @property
    def right_to_left(self) -> bool:
        """The language decides which way the page runs; each text on it runs its own way all the same."""
        return self.babel_locale.character_order == "right-to-left"
