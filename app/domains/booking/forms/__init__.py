"""What people and programs send to booking, read strictly."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import RadioField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from app.core.ids import row_id
from app.core.web.forms import Form, strip

SEAT_CODE = re.compile(r"[0-9A-Z]{40}", re.ASCII)
LESSON_CODE = re.compile(r"[0-9A-Z]{10}", re.ASCII)
MOST_REASON = 1000
EARLIEST, LATEST = 1990, 2200  # years; whatever lies beyond is no lesson's time


def moment(text: str | None) -> dt.datetime | None:
    """An ISO 8601 time that names its offset, in UTC; None for anything else."""
    if not text or len(text) > 40 or not text.isascii():
        return None
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None or not EARLIEST <= found.year <= LATEST:
        return None
    return found.astimezone(dt.UTC)


class HoldForm(Form):
    """A time of a variant, or a date of a group class."""

    variant = StringField(filters=[strip])
    starts_at = StringField(filters=[strip])
    lesson = StringField(filters=[strip])

    def validate(self, extra_validators: Any = None) -> bool:
        valid = super().validate(extra_validators)
        if valid and self.moment is None and self.lesson_code is None:
            self.refusals.append(_("Please choose one of the times."))
            return False
        return valid

    @property
    def moment(self) -> dt.datetime | None:
        return moment(self.starts_at.data)

    @property
    def lesson_code(self) -> str | None:
        code = (self.lesson.data or "").upper()
        return code if LESSON_CODE.fullmatch(code) else None

    @property
    def variant_id(self) -> int | None:
        return row_id(self.variant.data or "")


class StudentForm(Form):
    """Who learns."""

    student = RadioField(_l("Who takes the lesson?"), [InputRequired(_l("Please choose who learns."))])


class ReasonForm(Form):
    """Why a customer cancels, if they like to say it; and what they were told they get back."""

    reason = TextAreaField(_l("Reason"), [Length(max=MOST_REASON)], filters=[strip])
    expected = StringField()

    @property
    def expected_minor(self) -> int | None:
        return row_id(self.expected.data or "")


class CallOffForm(Form):
    """Why a tutor or the company calls a lesson off: its students read it."""

    reason = TextAreaField(
        _l("Reason"),
        [InputRequired(_l("Please say why: your students read it.")), Length(max=MOST_REASON)],
        filters=[strip],
        description=_l("Everybody who booked reads it."),
    )


class AttendanceForm(Form):
    """Whether somebody came."""

    seat = StringField(filters=[strip])
    attended = StringField(filters=[strip])

    def validate(self, extra_validators: Any = None) -> bool:
        valid = super().validate(extra_validators)
        known = SEAT_CODE.fullmatch(self.seat.data or "") and self.attended.data in {"yes", "no"}
        return valid and bool(known)
