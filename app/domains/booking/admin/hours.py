"""Tutors' hours. A tutor sets them on a page of their own; here a manager can do it for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask_babel import format_date
from flask_babel import lazy_gettext as _l
from wtforms import SelectField
from wtforms.validators import InputRequired, Optional

from app.core.db import db
from app.core.viewer import Viewer
from app.core.web.categories import TEACHING
from app.core.web.choices import timezones
from app.core.web.entry import AdminEntry, Related
from app.core.web.pages import Cell
from app.domains.booking import queries, service
from app.domains.booking.forms.fields import DayTimeField
from app.domains.booking.forms.hours import NEEDED, clock_text, weekday_names
from app.domains.booking.models import AvailabilityOverride, AvailabilityRule, AvailabilitySchedule
from app.domains.booking.service import NewTerms, Stretch
from app.domains.catalog.policies import minutes_in_words

TERMS = (
    "timezone",
    "buffer_before_minutes",
    "buffer_after_minutes",
    "notice_minutes",
    "horizon_days",
    "step_minutes",
)


def _duration(value: int, _row: Any) -> Cell:
    return Cell("text", minutes_in_words(value))


def _weekday(value: int, _row: Any) -> Cell:
    return Cell("text", weekday_names()[value])


def _time_text(value: int) -> str:
    return "24:00" if value == 1440 else clock_text(value)


def _time(value: int | None, _row: Any) -> Cell:
    return Cell("text", "–" if value is None else _time_text(value))


def _day(value: Any, _row: Any) -> Cell:
    return Cell("date", format_date(value, "full"))


class ScheduleEntry(AdminEntry):
    model = AvailabilitySchedule
    label, plural = _l("Tutor's hours"), _l("Tutors' hours")
    lead = _l("How each tutor can be booked: time zone, breaks, notice and how far ahead.")
    category, icon, rank = TEACHING, "clock", 30
    columns = ("tutor", "timezone", "notice_minutes", "horizon_days")
    details = ("tutor", *TERMS, "changed_at")
    form = ("tutor", *TERMS)
    edit_form = TERMS
    search = ("tutor.full_name",)
    filters = ("tutor_id", "timezone")
    choices = {"timezone": timezones}
    labels = {
        "tutor": _l("Tutor"),
        "tutor_id": _l("Tutor"),
        "buffer_before_minutes": _l("Free before each lesson, minutes"),
        "buffer_after_minutes": _l("Free after each lesson, minutes"),
        "notice_minutes": _l("Booked ahead at least, minutes"),
        "horizon_days": _l("Booked ahead at most, days"),
        "step_minutes": _l("Lessons can begin every, minutes"),
    }
    helps = {"step_minutes": _l("5, 10, 15, 20, 30 or 60.")}
    formats = dict.fromkeys(
        ("buffer_before_minutes", "buffer_after_minutes", "notice_minutes", "step_minutes"), _duration
    )
    examples = {"timezone": "Europe/Berlin", "step_minutes": "30"}
    related = (
        Related("availability-rules", "schedule_id", _l("Every week"), invites=lambda _row: True),
        Related("availability-overrides", "schedule_id", _l("Dates that differ"), invites=lambda _row: True),
    )
    listed_on = (Related("people", "tutor_id", _l("Hours"), ("timezone", "changed_at")),)
    sections = (
        (_l("How far ahead"), ("notice_minutes", "horizon_days", "step_minutes")),
        (_l("Breaks"), ("buffer_before_minutes", "buffer_after_minutes")),
    )
    can_delete = False
    add_label = _l("Set up a tutor's hours")
    empty_title = _l("No hours yet")
    empty_text = _l("As soon as a tutor says when they teach, their offerings can be booked.")

    def create(self, data: Mapping[str, Any], by: Viewer) -> AvailabilitySchedule:
        return service.set_schedule(data["tutor"], terms=_terms(data, None))

    def update(self, row: AvailabilitySchedule, data: Mapping[str, Any], by: Viewer) -> None:
        service.set_schedule(row.tutor, terms=_terms(data, row))


def _terms(data: Mapping[str, Any], row: AvailabilitySchedule | None) -> NewTerms:
    """What is given, and of the rest what stands."""
    return NewTerms(**{name: data.get(name, getattr(row, name, None)) for name in TERMS})


class RuleEntry(AdminEntry):
    model = AvailabilityRule
    label, plural = _l("Weekly hours"), _l("Weekly hours")
    lead = _l("When tutors teach every week, by their own clocks. What touches becomes one.")
    category, icon = TEACHING, "calendar"
    columns = ("schedule", "weekday", "starts_minute", "ends_minute")
    form = ("schedule", "weekday", "starts_minute", "ends_minute")
    eager = ("schedule.tutor",)  # by whom hours are called
    filters = ("schedule_id", "weekday")
    choices = {"weekday": lambda: [(str(n), name) for n, name in enumerate(weekday_names())]}
    labels = {
        "schedule": _l("Tutor"),
        "schedule_id": _l("Tutor"),
        "weekday": _l("Weekday"),
        "starts_minute": _l("From"),
        "ends_minute": _l("Until"),
    }
    helps = {"ends_minute": _l("24:00 is the day's end.")}
    formats = {"weekday": _weekday, "starts_minute": _time, "ends_minute": _time}
    fields = {
        "weekday": lambda e: SelectField(
            e.label_of("weekday"),
            [InputRequired(NEEDED)],
            choices=lambda: [(str(n), name) for n, name in enumerate(weekday_names())],
        ),
        "starts_minute": lambda e: DayTimeField(e.label_of("starts_minute"), [InputRequired(NEEDED)]),
        "ends_minute": lambda e: DayTimeField(
            e.label_of("ends_minute"), [InputRequired(NEEDED)], description=e.helps["ends_minute"]
        ),
    }
    can_edit = can_import = False
    rare = True
    add_label = _l("Add hours")

    def create(self, data: Mapping[str, Any], by: Viewer) -> AvailabilityRule:
        schedule = data["schedule"]
        new = Stretch(int(data["weekday"]), data["starts_minute"], data["ends_minute"])
        service.set_week(schedule, rules=[*_week(schedule.id), new])
        db.session.flush()
        return next(
            row
            for row in queries.rules_of(schedule.id)
            if row.weekday == new.weekday and row.starts_minute <= new.starts_minute < row.ends_minute
        )

    def title_of(self, row: AvailabilityRule) -> str:
        return (
            f"{weekday_names()[row.weekday]}, {_time_text(row.starts_minute)}–{_time_text(row.ends_minute)}"
        )

    def delete(self, row: AvailabilityRule, by: Viewer) -> None:
        gone = Stretch(row.weekday, row.starts_minute, row.ends_minute)
        service.set_week(row.schedule, rules=[each for each in _week(row.schedule_id) if each != gone])


def _week(schedule_id: int) -> list[Stretch]:
    rows = queries.rules_of(schedule_id)
    return [Stretch(row.weekday, row.starts_minute, row.ends_minute) for row in rows]


def _free_time(entry: AdminEntry, name: str) -> DayTimeField:
    return DayTimeField(entry.label_of(name), [Optional()], description=entry.helps[name])


class OverrideEntry(AdminEntry):
    model = AvailabilityOverride
    label, plural = _l("Date that differs"), _l("Dates that differ")
    lead = _l("Dates on which other hours count than the week's, or none.")
    category, icon = TEACHING, "flag"
    columns = ("on_date", "schedule", "starts_minute", "ends_minute", "note")
    form = ("schedule", "on_date", "starts_minute", "ends_minute", "note")
    eager = ("schedule.tutor",)
    filters = ("schedule_id", "on_date")
    order = ("on_date", "desc")
    labels = {
        "schedule": _l("Tutor"),
        "schedule_id": _l("Tutor"),
        "on_date": _l("Date"),
        "starts_minute": _l("From"),
        "ends_minute": _l("Until"),
        "note": _l("Note"),
    }
    helps = {
        "starts_minute": _l("Leave both times empty for a day off."),
        "ends_minute": _l("24:00 is the day's end."),
    }
    formats = {"on_date": _day, "starts_minute": _time, "ends_minute": _time}
    fields = {
        "starts_minute": lambda e: _free_time(e, "starts_minute"),
        "ends_minute": lambda e: _free_time(e, "ends_minute"),
    }
    can_edit = can_import = False
    rare = True
    add_label = _l("Add a date")

    def create(self, data: Mapping[str, Any], by: Viewer) -> AvailabilityOverride:
        starts, ends = data["starts_minute"], data["ends_minute"]
        schedule, day = data["schedule"], data["on_date"]
        added = [] if starts is None and ends is None else [(starts or 0, 1440 if ends is None else ends)]
        kept = _spans(queries.overrides_of(schedule.id, day)) if added else []
        rows = service.set_override(schedule, on_date=day, stretches=[*kept, *added], remark=data.get("note"))
        db.session.flush()
        return rows[-1]

    def title_of(self, row: AvailabilityOverride) -> str:
        return str(format_date(row.on_date, "full"))

    def delete(self, row: AvailabilityOverride, by: Viewer) -> None:
        """Without its last hours the week counts again on that date."""
        others = [other for other in queries.overrides_of(row.schedule_id, row.on_date) if other.id != row.id]
        if not others:
            service.remove_override(row.schedule, on_date=row.on_date)
            return
        service.set_override(row.schedule, on_date=row.on_date, stretches=_spans(others), remark=row.note)


def _spans(rows: Sequence[AvailabilityOverride]) -> list[tuple[int, int]]:
    return [
        (row.starts_minute, row.ends_minute)
        for row in rows
        if row.starts_minute is not None and row.ends_minute is not None
    ]
