"""What people and programs send to booking, read strictly."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from flask import request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import RadioField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length

from app.core.ids import row_id
from app.core.web.forms import Form, strip, token_refusal

SEAT_CODE = re.compile(r"[0-9A-Z]{40}", re.ASCII)
LESSON_CODE = re.compile(r"[0-9A-Z]{10}", re.ASCII)
MOST_REASON = 1000
EARLIEST, LATEST = 1990, 2200  # years; whatever lies beyond is no lesson's time


def moment(text: str | None) -> dt.datetime | None:
    """An ISO 8601 time that names its offset, in UTC; None for anything else."""
    if not text or len(text) > 40 or not text.isascii() or not text.isprintable():
        return None  # Python overlooks a NUL at its end
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    if found.tzinfo is None or not EARLIEST <= found.year <= LATEST:
        return None
    return found.astimezone(dt.UTC)


class HoldForm:
    """A time of a variant, or a date of a group class. Without WTForms: no page shows these fields, each has
    its own strict form, and nothing is posted as often."""

    def __init__(self) -> None:
        variant, starts_at, lesson = (
            request.form.get(name, "").strip() for name in ("variant", "starts_at", "lesson")
        )
        self.variant_id = row_id(variant)
        self.moment = moment(starts_at)
        self.lesson_code = lesson.upper() if LESSON_CODE.fullmatch(lesson.upper()) else None
        self.refusals: list[str] = []

    def validate(self) -> bool:
        """Never true on a request whose CSRF token was refused."""
        refusal = token_refusal()
        if refusal is None and self.moment is None and self.lesson_code is None:
            refusal = _("Please choose one of the times.")
        self.refusals = [refusal] if refusal else []
        return not self.refusals


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
