"""`/learn/calendar/` and `/teach/calendar/`: lessons by days. The page is a list that the server wrote; with
a script it becomes a calendar, which asks here for the same lessons, stretch by stretch.

What the script gets is wall time by the reader's clock: it shows and moves, and knows nothing of zones. What
can be chosen comes with the value that a form of ours takes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from flask import Blueprint, jsonify, render_template, request
from flask_babel import gettext as _

from app.core import clock
from app.core.errors import Invalid
from app.core.locales import reader_locale
from app.core.web.viewing import login_required
from app.domains.booking import policies, queries
from app.domains.booking.forms import EARLIEST, LATEST
from app.domains.booking.models import Seat
from app.domains.booking.portal import access, times
from app.domains.booking.portal.agenda_events import Event, event_of_lesson, event_of_seat, hours_events
from app.domains.booking.portal.times import DateBlock
from app.domains.booking.queries import pages
from app.domains.catalog.models import GROUP

bp = Blueprint("agenda", __name__, template_folder="../templates")

DAYS = 28  # that the list shows
MOST_DAYS = 62
MOST_LESSONS = 500
_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class AgendaDay:
    date: DateBlock
    words: str
    is_today: bool
    events: Sequence[Event]


@dataclass(frozen=True)
class Agenda:
    """What both calendars' pages need. `now` is the wall time at which the script's clock begins."""

    path: str
    zone: str
    now: str
    first_day: int
    period: str
    days: Sequence[AgendaDay]
    earlier_url: str
    later_url: str
    today_url: str


# -- Who learns --------------------------------------------------------------------------------------------


@bp.get("/learn/calendar/")
@login_required
def learn() -> Any:
    access.member()
    first, last = _shown()
    events = _learners_events(first, last)
    return render_template("booking/agenda.html", agenda=_agenda("/learn/calendar/", first, events))


@bp.get("/learn/calendar/events")
@login_required
def learn_events() -> Any:
    """`from` and `until` are dates, the last one included. Two statements beside the viewer's."""
    access.member()
    return _answer(_learners_events(*_asked()))


def _learners_events(first: dt.date, last: dt.date) -> list[Event]:
    who, person_id = access.member()
    children = access.children(who, person_id)
    people = {person_id, *(child.id for child in children)}
    zone, now = times.viewer_zone(), clock.now()
    since, until = _start(first), _start(last + _DAY)
    # By their end, a day beyond: a lesson may go on after the last midnight.
    found = queries.seats_of_people(people, since=since, until=until + _DAY, limit=MOST_LESSONS)
    seats = [seat for seat in found if seat.lesson.starts_at < until]
    named = bool(children) or any(seat.student_id != person_id for seat in seats)
    return [event_of_seat(seat, zone, now, named=named) for seat in seats]


@bp.get("/learn/calendar/free/<code>")
@login_required
def free(code: str) -> Any:
    """The times to which a lesson can be moved, from one date to another: what the move page offers."""
    seat = access.own_seat(code)
    first, last = _asked()
    if not policies.may_move(seat, seat.lesson.starts_at, clock.now()):
        return jsonify({"times": []})
    zone = times.viewer_zone()
    return jsonify({"times": _free(seat, _start(first), _start(last + _DAY), zone)})


def _free(seat: Seat, since: dt.datetime, until: dt.datetime, zone: str) -> list[dict[str, str]]:
    lesson = seat.lesson
    if lesson.offering.kind != GROUP:
        slots = pages.slots_to_move(seat, since=since, until=until)
        return [
            _choice("starts_at", slot.starts_at.isoformat(), slot.starts_at, slot.ends_at, zone)
            for slot in slots
        ]
    dates = [session.lesson for session in pages.dates_to_move(seat) if session.left > 0]
    return [
        _choice("lesson", other.code, other.starts_at, other.ends_at, zone)
        for other in dates
        if since <= other.starts_at < until
    ]


def _choice(
    field: str, value: str, starts_at: dt.datetime, ends_at: dt.datetime, zone: str
) -> dict[str, str]:
    return {
        "field": field,
        "value": value,
        "start": times.wall_iso(starts_at, zone),
        "end": times.wall_iso(ends_at, zone),
        "words": times.span_words(starts_at, ends_at, zone),
    }


# -- Who teaches -------------------------------------------------------------------------------------------


@bp.get("/teach/calendar/")
@login_required
def teach() -> Any:
    access.tutor()
    first, last = _shown()
    events = [event for event in _tutors_events(first, last) if event.is_lesson]
    page = _agenda("/teach/calendar/", first, events)
    return render_template("booking/agenda.html", agenda=page, teaches=True)


@bp.get("/teach/calendar/events")
@login_required
def teach_events() -> Any:
    """As `learn_events`, with hours, dates that differ and what is kept free around lessons."""
    access.tutor()
    return _answer(_tutors_events(*_asked()))


def _tutors_events(first: dt.date, last: dt.date) -> list[Event]:
    _who, person_id = access.tutor()
    zone, now = times.viewer_zone(), clock.now()
    since, until = _start(first), _start(last + _DAY)
    lessons = queries.lessons_of_tutor(person_id, since=since - _DAY, until=until)
    found = [event_of_lesson(lesson, zone, now) for lesson in lessons if lesson.ends_at > since]
    schedule = queries.schedule_of(person_id)
    if schedule is None:
        return found
    taken = queries.taken_of(person_id, since=since, until=until)
    return [*found, *hours_events(schedule, taken, since=since, until=until, zone=zone, now=now)]


# -- Both --------------------------------------------------------------------------------------------------


def _start(day: dt.date) -> dt.datetime:
    return policies.instant_of(day, 0, times.viewer_zone())


def _date(name: str) -> dt.date:
    try:
        found = dt.date.fromisoformat(request.args.get(name, "")[:10])
    except ValueError:
        raise Invalid(_("This is not a date."), field=name) from None
    if not EARLIEST <= found.year < LATEST:
        raise Invalid(_("This is not a date."), field=name)
    return found


def _asked() -> tuple[dt.date, dt.date]:
    """Raises Invalid for what are no dates, and for more days than a calendar shows."""
    first, last = _date("from"), _date("until")
    if not dt.timedelta() <= last - first < MOST_DAYS * _DAY:
        raise Invalid(_("Please ask for fewer days."), field="until")
    return first, last


def _shown() -> tuple[dt.date, dt.date]:
    """The days of the list; what makes no sense is today."""
    try:
        first = _date("from")
    except Invalid:
        first = times.today_in(times.viewer_zone())
    return first, first + (DAYS - 1) * _DAY


def _answer(events: Sequence[Event]) -> Any:
    return jsonify({"events": [asdict(event) for event in events]})


def _agenda(path: str, first: dt.date, events: Sequence[Event]) -> Agenda:
    zone = times.viewer_zone()
    today = times.today_in(zone)
    by_day: dict[dt.date, list[Event]] = {}
    for event in events:
        by_day.setdefault(max(dt.date.fromisoformat(event.start[:10]), first), []).append(event)

    def url(day: dt.date) -> str:
        return path if day == today else f"{path}?from={day.isoformat()}"

    return Agenda(
        path=path,
        zone=times.zone_now_words(zone),
        now=times.wall_iso(clock.now(), zone),
        first_day=(reader_locale().first_week_day + 1) % 7,
        period=times.days_words(first, first + (DAYS - 1) * _DAY),
        days=[
            AgendaDay(times.block_of_day(day), times.day_words(day, today=today), day == today, found)
            for day, found in sorted(by_day.items())
        ],
        earlier_url=url(first - DAYS * _DAY),
        later_url=url(first + DAYS * _DAY),
        today_url=url(today),
    )
