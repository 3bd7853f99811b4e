"""Shares in hundredths of a percent: as they are typed, and as they are read."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from flask_babel import format_percent
from flask_babel import gettext as _
from wtforms import DecimalField

from app.core.locales import reader_locale
from app.core.web.pages import Cell

_TYPED = re.compile(r"([0-9]{1,3})(?:[.,]([0-9]{1,2}))?[\s\u00a0]*%?")


class PercentField(DecimalField):
    """A percentage with two decimal places at most; `data` is in hundredths of a percent."""

    data: Any

    def __init__(
        self, label: Any = None, validators: Any = None, *, most_bp: int = 10_000, **kwargs: Any
    ) -> None:
        super().__init__(label, validators, **kwargs)
        self.most_bp = most_bp

    def process_data(self, value: int | None) -> None:
        self.data = value

    def process_formdata(self, valuelist: list[str]) -> None:
        self.data = None
        text = valuelist[0].strip() if valuelist else ""
        if not text:
            self.raw_data = []  # blanks are nothing; InputRequired looks at what was sent
            return
        found = _TYPED.fullmatch(text)
        if found is None:
            raise ValueError(_("Please write a percentage like 7.5, with two decimal places at most."))
        hundredths = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))
        if hundredths > self.most_bp:
            raise ValueError(_("From 0 to %(most)s percent.", most=self.most_bp // 100))
        self.data = hundredths

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else f"{Decimal(self.data).scaleb(-2).normalize():f}"


def percent(basis_points: int) -> str:
    """Hundredths of a percent as people read them: “7.5%”."""
    pattern = str(reader_locale().percent_formats[None].pattern).replace("#,##0", "#,##0.##")
    text: str = format_percent(Decimal(basis_points) / 10_000, pattern)
    return text


def percent_cell(basis_points: int, _row: Any) -> Cell:
    """For an entry's `formats`."""
    return Cell("number", percent(basis_points), value=Decimal(basis_points) / 10_000)
