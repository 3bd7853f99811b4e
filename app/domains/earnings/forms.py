"""Fields of the earnings' forms."""

from __future__ import annotations

import re
from typing import Any

from flask_babel import gettext as _
from wtforms import DecimalField

_PERCENT = re.compile(r"([0-9]{1,3})(?:[.,]([0-9]{1,2}))?\s*%?")


class PercentField(DecimalField):
    """A share typed in percent with two decimal places at most; `data` is hundredths of a percent."""

    def process_data(self, value: int | None) -> None:
        self.data: Any = value

    def process_formdata(self, valuelist: list[str]) -> None:
        if not valuelist:
            return
        self.data = None
        found = _PERCENT.fullmatch(valuelist[0].strip())
        basis_points = int(found[1]) * 100 + int((found[2] or "").ljust(2, "0")) if found else -1
        if not 0 <= basis_points <= 10_000:
            raise ValueError(_("Please write a share from 0 to 100, with two decimal places at most."))
        self.data = basis_points

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        return "" if self.data is None else f"{self.data / 100:g}"
