"""A tutor's hours: terms and week in one form, and dates on which the week does not count."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, DateField, Field, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length

from app.core.ids import row_id
from app.core.locales import reader_locale
from app.core.web.choices import timezones
from app.core.web.forms import Form, strip
from app.domains.booking.models import AvailabilitySchedule
from app.domains.booking.service import NewTerms, Stretch
from app.domains.catalog.policies import minutes_in_words

STRETCHES = 3  # a day
MOST_STRETCHES = 24
DAY_MINUTES = 1440
STEPS = (5, 10, 15, 20, 30, 60)
NOTICES = (0, 60, 120, 240, 360, 720, 1440, 2880, 4320, 10_080)
BUFFERS = (0, 5, 10, 15, 20, 30, 45, 60, 90, 120)
HORIZONS = (7, 14, 30, 60, 90, 180, 365)
_TIME = re.compile(r"([01]?\d|2[0-4])[:.]([0-5]\d)(?::00)?", re.ASCII)
NEEDED = _l("Please fill this in.")

_SPAN = re.compile(r"\d{1,4}-\d{1,4}", re.ASCII)

Pairs = Sequence[tuple[Field, Field]]


def minutes(text: str | None) -> int | None:
    """“09:30” as minutes since midnight, “24:00” included; None for what is no time of day."""
    found = _TIME.fullmatch(text or "")
    if found is None:
        return None
    number = int(found[1]) * 60 + int(found[2])
    return number if number <= DAY_MINUTES else None


def clock_text(number: int) -> str:
    """Minutes since midnight as a time field takes them; the day's end is the next one's beginning there."""
    return f"{number // 60 % 24:02}:{number % 60:02}"


def _number(value: str | int) -> int:
    """A choice's number; what is none is no choice either."""
    found = row_id(str(value))
    return -1 if found is None else found


class TermsForm(Form):
    """What a tutor asks of a booking; a class of it with the week's fields is made by `week_form`."""

    timezone = SelectField(
        _l("Your time zone"),
        [InputRequired(NEEDED)],
        choices=timezones,
        description=_l("Your hours are meant by this clock, in summer and in winter."),
    )
    buffer_before_minutes = SelectField(_l("Free before each lesson"), coerce=_number)
    buffer_after_minutes = SelectField(_l("Free after each lesson"), coerce=_number)
    notice_minutes = SelectField(
        _l("Book at least"), coerce=_number, description=_l("So long before a lesson begins.")
    )
    horizon_days = SelectField(
        _l("Book at most"), coerce=_number, description=_l("So many days ahead can be booked.")
    )
    step_minutes = SelectField(
        _l("Lessons can begin every"),
        coerce=_number,
        description=_l("Counted from the beginning of your hours."),
    )

    def __init__(self, *args: Any, data: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(*args, data=data, **kwargs)
        for field, known, unit in (
            (self.buffer_before_minutes, BUFFERS, _minutes),
            (self.buffer_after_minutes, BUFFERS, _minutes),
            (self.notice_minutes, NOTICES, _minutes),
            (self.horizon_days, HORIZONS, lambda days: minutes_in_words(days * DAY_MINUTES)),
            (self.step_minutes, STEPS, _minutes),
        ):
            # What was set elsewhere stays to be chosen.
            stored = data[field.short_name]
            field.choices = [(number, unit(number)) for number in sorted({*known, stored})]
        zone = data["timezone"]
        if zone not in dict(timezones()):
            self.timezone.choices = [(zone, zone), *timezones()]

    def pairs(self, day: int) -> Pairs:
        """The fields of one weekday: (from, to) of each stretch."""
        found: list[tuple[Field, Field]] = []
        while f"d{day}_{len(found)}_from" in self:
            stem = f"d{day}_{len(found)}"
            found.append((self[f"{stem}_from"], self[f"{stem}_to"]))
        return found

    def validate(self, extra_validators: Any = None) -> bool:
        valid = super().validate(extra_validators)
        troubled = [day for day in range(7) if not check_pairs(self.pairs(day))]  # each says its own
        return valid and not troubled

    def terms(self) -> NewTerms:
        return NewTerms(
            timezone=self.timezone.data,
            buffer_before_minutes=self.buffer_before_minutes.data,
            buffer_after_minutes=self.buffer_after_minutes.data,
            notice_minutes=self.notice_minutes.data,
            horizon_days=self.horizon_days.data,
            step_minutes=self.step_minutes.data,
        )

    def week(self) -> list[Stretch]:
        return [
            Stretch(day, starts, ends) for day in range(7) for starts, ends in stretches_of(self.pairs(day))
        ]


def _minutes(number: int) -> str:
    return minutes_in_words(number)


def _time_field(label: Any) -> Any:
    return StringField(label, filters=[strip], render_kw={"type": "time"})


def weekday_names() -> list[str]:
    """Monday to Sunday, in the reader's language."""
    names = reader_locale().days["stand-alone"]["wide"]
    return [str(names[number]) for number in range(7)]


def week_form(schedule: AvailabilitySchedule | None, *, timezone: str) -> TermsForm:
    """Filled in as it stands. Each day has three stretches, and more where there are more already."""
    terms = schedule or NewTerms(timezone)
    data: dict[str, Any] = {
        name: getattr(terms, name)
        for name in (
            "timezone",
            "buffer_before_minutes",
            "buffer_after_minutes",
            "notice_minutes",
            "horizon_days",
            "step_minutes",
        )
    }
    fields: dict[str, Any] = {}
    for day, name in enumerate(weekday_names()):
        rules = [rule for rule in schedule.rules if rule.weekday == day] if schedule else []
        for place in range(max(STRETCHES, min(len(rules), MOST_STRETCHES))):
            stem = f"d{day}_{place}"
            fields[f"{stem}_from"] = _time_field(_("%(day)s, from", day=name))
            fields[f"{stem}_to"] = _time_field(_("%(day)s, until", day=name))
            if place < len(rules):
                data[f"{stem}_from"] = clock_text(rules[place].starts_minute)
                data[f"{stem}_to"] = clock_text(rules[place].ends_minute)
    form: TermsForm = type("WeekForm", (TermsForm,), fields)(data=data)
    return form


def check_pairs(pairs: Pairs) -> bool:
    """Each with both ends or none, a time of day, the end after the beginning; says what is wrong."""
    wrong = False
    for starts, ends in pairs:
        refuse = partial(_refuse, starts if starts.data is None else ends)
        if starts.data is None and ends.data is None:
            continue
        first, last = minutes(starts.data), _end_of(ends.data)
        if starts.data is None or ends.data is None:
            refuse(_("Please fill in both, or leave both empty."))
        elif first is None or last is None:
            refuse(_("Please write times like 09:30."))
        elif first >= last:
            refuse(_("It must end after it begins, by midnight."))
        else:
            continue
        wrong = True
    return not wrong


def _refuse(field: Field, text: str) -> None:
    field.errors = [*field.errors, text]


def _end_of(text: str | None) -> int | None:
    """Midnight as an end is the day's end."""
    return minutes(text) or (DAY_MINUTES if minutes(text) == 0 else None)


def stretches_of(pairs: Pairs) -> list[tuple[int, int]]:
    """What valid fields say."""
    found = []
    for starts, ends in pairs:
        first, last = minutes(starts.data), _end_of(ends.data)
        if first is not None and last is not None:
            found.append((first, last))
    return found


class OverrideForm(Form):
    """A date with other hours than the week's, or a day off."""

    on_date = DateField(_l("Date"), [InputRequired(NEEDED)])
    is_off = BooleanField(_l("Day off"))
    from_0 = _time_field(_l("from"))
    to_0 = _time_field(_l("until"))
    from_1 = _time_field(_l("from"))
    to_1 = _time_field(_l("until"))
    remark = StringField(_l("Note, for yourself"), [Length(max=120)], filters=[strip])

    @property
    def pairs(self) -> Pairs:
        return ((self.from_0, self.to_0), (self.from_1, self.to_1))

    def validate(self, extra_validators: Any = None) -> bool:
        valid = super().validate(extra_validators)
        if self.is_off.data:
            return valid
        if not check_pairs(self.pairs):
            return False
        if not stretches_of(self.pairs):
            _refuse(self.from_0, _("Please say from when until when, or tick “Day off”."))
            return False
        return valid

    @property
    def day(self) -> dt.date:
        return self.on_date.data or dt.date.min

    def stretches(self) -> list[tuple[int, int]]:
        return [] if self.is_off.data else stretches_of(self.pairs)


class RestoreForm(Form):
    """A date that was removed, as its page wrote it down."""

    on_date = DateField("", [InputRequired()])
    spans = StringField("", [Length(max=400)])
    remark = StringField("", [Length(max=120)], filters=[strip])

    def validate(self, extra_validators: Any = None) -> bool:
        return super().validate(extra_validators) and all(_SPAN.fullmatch(part) for part in self._parts())

    def _parts(self) -> list[str]:
        return self.spans.data.split(",") if self.spans.data else []

    @property
    def day(self) -> dt.date:
        return self.on_date.data or dt.date.min

    def stretches(self) -> list[tuple[int, int]]:
        pairs = (part.split("-") for part in self._parts())
        return [(int(starts), int(ends)) for starts, ends in pairs]


class SessionForm(Form):
    """A date for a group class, by the tutor's clock. `which` says which of two, where a time comes twice."""

    variant = SelectField(_l("Class"), [InputRequired(NEEDED)])
    on_date = DateField(_l("Date"), [InputRequired(NEEDED)])
    at_time = StringField(
        _l("Begins at"), [InputRequired(NEEDED)], filters=[strip], render_kw={"type": "time"}
    )
    which = SelectField(_l("The clocks show this time twice on that day. Which one?"), validate_choice=False)
    capacity = IntegerField(_l("Seats"), [InputRequired(NEEDED)])
    place = StringField(
        _l("Where"),
        [Length(max=300)],
        filters=[strip],
        description=_l("A link to the call, or an address. Whoever books sees it."),
    )

    def validate(self, extra_validators: Any = None) -> bool:
        valid = super().validate(extra_validators)
        number = minutes(self.at_time.data)
        if self.at_time.data and (number is None or number == DAY_MINUTES):
            _refuse(self.at_time, _("Please write times like 09:30."))
            return False
        return valid

    @property
    def day(self) -> dt.date:
        return self.on_date.data or dt.date.min

    @property
    def minute(self) -> int:
        return minutes(self.at_time.data) or 0
