"""Fields for times of day."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _
from wtforms import Field
from wtforms.widgets import TextInput

from app.domains.booking.forms.hours import clock_text, minutes


class DayTimeField(Field):
    """A time of day like 09:30, kept as minutes since midnight; 24:00 is the day's end."""

    widget = TextInput()

    def process_formdata(self, valuelist: list[str]) -> None:
        text = valuelist[0].strip() if valuelist else ""
        self.data: Any = minutes(text) if text else None
        if text and self.data is None:
            raise ValueError(_("Please write times like 09:30."))

    def _value(self) -> str:
        if self.raw_data:
            return str(self.raw_data[0])
        if self.data is None:
            return ""
        return "24:00" if self.data == 1440 else clock_text(self.data)
