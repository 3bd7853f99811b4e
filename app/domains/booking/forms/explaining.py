"""Which time a tutor asks about: why it is not offered."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from werkzeug.datastructures import MultiDict
from wtforms import DateField, SelectField, StringField
from wtforms.validators import InputRequired

from app.core.web.forms import Form, strip
from app.domains.booking.forms.hours import DAY_MINUTES, NEEDED, minutes
from app.domains.catalog.models import Variant


class ExplainForm(Form):
    """Read from the address: the question can be kept and sent on. `MINE` tells it from other arguments."""

    MINE = "why_date"

    why_date = DateField(_l("Date"), [InputRequired(NEEDED)])
    why_time = StringField(
        _l("Time"), [InputRequired(NEEDED)], filters=[strip], render_kw={"type": "time", "step": "300"}
    )
    why_lesson = SelectField(_l("Lesson"), validate_choice=True)

    def __init__(self, args: MultiDict[str, str], variants: Sequence[Variant], **kwargs: Any) -> None:
        asked = args if self.MINE in args else None
        super().__init__(formdata=asked, meta={"csrf": False}, **kwargs)
        self.is_asked = asked is not None
        self.why_lesson.choices = [
            *((str(each.id), f"{each.offering.title}: {each.name}") for each in variants),
            ("60", _("Any lesson of an hour")),
        ]
        if not self.is_asked:
            self.why_lesson.data = self.why_lesson.choices[0][0]

    def validate(self, extra_validators: Any = None) -> bool:
        valid = super().validate(extra_validators)
        number = minutes(self.why_time.data)
        if self.why_time.data and (number is None or number == DAY_MINUTES):
            self.why_time.errors = [*self.why_time.errors, _("Please write times like 09:30.")]
            return False
        return valid

    @property
    def wall(self) -> dt.datetime:
        """What the clock shows then."""
        day = dt.datetime.combine(self.why_date.data or dt.date.min, dt.time())
        return day + dt.timedelta(minutes=minutes(self.why_time.data) or 0)
