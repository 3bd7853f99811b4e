"""Lessons, hours and dates as a calendar draws them: wall time, words, and a tone that the words say, too."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from flask import url_for
from flask_babel import gettext as _

from app.domains.booking import policies
from app.domains.booking.models import (
    BOOKED,
    CANCELLED,
    HELD,
    MISSED,
    TAKING,
    AvailabilityOverride,
    AvailabilitySchedule,
    Lesson,
    Seat,
)
from app.domains.booking.policies import Taken
from app.domains.booking.portal import times, words
from app.domains.catalog.models import GROUP

LESSON, HOURS, BUFFER, DATE = "lesson", "hours", "buffer", "date"
_DAY = dt.timedelta(days=1)
NAMES = 4  # that are shown of a class


@dataclass(frozen=True)
class Event:
    """Something in a calendar. `start` and `end` are wall time by the reader's clock, a date for whole days;
    `kind` is lesson, hours, buffer or date."""

    id: str
    kind: str
    start: str
    end: str
    title: str = ""
    people: str = ""
    url: str = ""
    when: str = ""
    hours: str = ""
    state: str = ""
    tone: str = ""
    place: str = ""
    seats: str = ""
    move_url: str = ""
    free_url: str = ""
    notes: Sequence[str] = ()

    @property
    def is_lesson(self) -> bool:
        return self.kind == LESSON


def event_of_seat(seat: Seat, zone: str, now: dt.datetime, *, named: bool) -> Event:
    """For who learns, with what can be done; with the student's name where there are several."""
    lesson = seat.lesson
    moving = words.moving(seat, now, zone)
    names = [lesson.tutor.full_name]
    if named and seat.student is not None:
        names.append(seat.student.full_name)
    badge = words.seat_badge(seat, lesson, now)
    return Event(
        id=seat.code,
        kind=LESSON,
        title=lesson.offering.title,
        people=" · ".join(names),
        url=url_for("learn.lesson", code=seat.code),
        state=badge.text,
        tone=badge.tone or "",
        place=lesson.place or "",
        move_url=url_for("moving.show", code=seat.code) if moving.is_possible else "",
        free_url=url_for("agenda.free", code=seat.code) if moving.is_possible else "",
        notes=words.moving_notes(seat, now, zone) if seat.status == BOOKED else [],
        **_span(lesson, zone),
    )


def event_of_lesson(lesson: Lesson, zone: str, now: dt.datetime) -> Event:
    """For who teaches, with who comes."""
    shown_as = (CANCELLED,) if lesson.status == CANCELLED else TAKING
    seats = [seat for seat in lesson.seats if seat.status in shown_as and not _has_run_out(seat, now)]
    names = [seat.student.full_name if seat.student else _("Somebody who is just booking") for seat in seats]
    more = len(names) - NAMES
    shown = ", ".join(names[:NAMES])
    people = _("%(names)s and %(num)s more", names=shown, num=more) if more > 0 else shown
    badge = words.lesson_badge(lesson, now)
    counts = lesson.offering.kind == GROUP and lesson.status != CANCELLED
    return Event(
        id=lesson.code,
        kind=LESSON,
        title=lesson.offering.title,
        people=people or _("Nobody yet"),
        url=url_for("teaching.lesson", code=lesson.code),
        state=badge.text,
        tone=badge.tone or "",
        place=lesson.place or "",
        seats=_("%(taken)s of %(all)s seats", taken=len(seats), all=lesson.capacity) if counts else "",
        notes=_marked(lesson, seats),
        **_span(lesson, zone),
    )


def _has_run_out(seat: Seat, now: dt.datetime) -> bool:
    return seat.status == HELD and (seat.expires_at is None or seat.expires_at <= now)


def _marked(lesson: Lesson, seats: Sequence[Seat]) -> list[str]:
    if lesson.status == CANCELLED and lesson.cancel_reason:
        return [_("Reason: %(reason)s", reason=lesson.cancel_reason)]
    missed = [seat.student.full_name for seat in seats if seat.status == MISSED and seat.student]
    return [_("Did not come: %(names)s", names=", ".join(missed))] if missed else []


def _span(lesson: Lesson, zone: str) -> dict[str, str]:
    return {
        "start": times.wall_iso(lesson.starts_at, zone),
        "end": times.wall_iso(lesson.ends_at, zone),
        "when": times.span_words(lesson.starts_at, lesson.ends_at, zone),
        "hours": times.hours_words(lesson.starts_at, lesson.ends_at, zone),
    }


# -- A tutor's hours ---------------------------------------------------------------------------------------


def hours_events(
    schedule: AvailabilitySchedule,
    taken: Sequence[Taken],
    *,
    since: dt.datetime,
    until: dt.datetime,
    zone: str,
    now: dt.datetime,
) -> list[Event]:
    """Working time, what is kept free around lessons to come, and the dates that differ."""
    own = ZoneInfo(schedule.timezone)
    first, last = since.astimezone(own).date(), until.astimezone(own).date()
    open_time = policies.expand_availability(
        schedule.rules, schedule.overrides, schedule.timezone, first, last
    )
    spans = [(HOURS, span) for span in policies.merged(open_time)]
    kept_free = (there.whole for there in taken if there.whole != there.lesson)
    spans += [(BUFFER, whole) for whole in kept_free if whole.ends_at > now]
    found = [
        Event(
            id=f"{kind}-{number}",
            kind=kind,
            start=times.wall_iso(span.starts_at, zone),
            end=times.wall_iso(span.ends_at, zone),
        )
        for number, (kind, span) in enumerate(spans)
        if span.starts_at < until and since < span.ends_at
    ]
    return [*found, *_dates(schedule, first, last)]


def _dates(schedule: AvailabilitySchedule, first: dt.date, last: dt.date) -> Iterator[Event]:
    by_day: dict[dt.date, list[AvailabilityOverride]] = {}
    for row in schedule.overrides:
        if first <= row.on_date <= last:
            by_day.setdefault(row.on_date, []).append(row)
    for day, rows in sorted(by_day.items()):
        spans = times.override_words(rows)
        remark = next((row.note for row in rows if row.note), "")
        yield Event(
            id=f"{DATE}-{day}",
            kind=DATE,
            start=day.isoformat(),
            end=(day + _DAY).isoformat(),
            title=_("Other hours: %(hours)s", hours=spans) if spans else _("Day off"),
            people=remark,
            url=url_for("hours.show", _anchor="dates"),
        )
