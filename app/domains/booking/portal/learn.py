"""`/learn/`: the first page of a student or a guardian: what comes next, for each learner what is booked and
how far they are, and what was."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import render_template, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.core import clock
from app.core.web.pages import ActionLink, Empty
from app.core.web.viewing import login_required
from app.domains.accounts.models import Person
from app.domains.booking import queries
from app.domains.booking.models import CANCELLED, Seat
from app.domains.booking.portal import access, times
from app.domains.booking.portal.asking import asks
from app.domains.booking.portal.homes import Bar, NextLesson, countdown, hours_words, sizes
from app.domains.booking.portal.lesson import LessonRow, bp, call_url_of, row_of
from app.domains.booking.portal.offering import open_holds
from app.domains.booking.queries import homes
from app.domains.booking.queries.homes import Progress
from app.domains.catalog.models import PUBLISHED, TRIAL

MOST_PAST = 15


@dataclass(frozen=True)
class PastRow:
    """A lesson that was, and where to book it once more."""

    row: LessonRow
    again_url: str | None


@dataclass(frozen=True)
class Learner:
    """Somebody who learns: what is booked for them, and what they have learned so far. Without a name where
    the page is about one person only."""

    key: str
    name: str
    rows: Sequence[LessonRow]
    summary: str
    bars: Sequence[Bar]


@bp.get("/learn/")
@login_required
def index() -> Any:
    """The next lesson, those to come and what was learned of each learner, and the lessons that were."""
    who, person_id = access.member()
    children = access.children(who, person_id)
    now, zone = clock.now(), times.viewer_zone()
    people = {person_id, *(child.id for child in children)}
    coming = queries.seats_of_people(people, since=now)
    past = list(queries.seats_of_people(people, until=now, latest_first=True, limit=MOST_PAST))
    booked = [seat for seat in coming if seat.status != CANCELLED]
    past = [seat for seat in coming if seat.status == CANCELLED] + past
    named = bool(children) or any(seat.student_id != person_id for seat in (*booked, *past))
    learners = _learners(booked, past, children, person_id)
    progress = homes.progress_of(people)  # not of those for whom one merely paid
    return render_template(
        "booking/learn.html",
        next=_next(booked[0], zone, now, named=named) if booked else None,
        learners=[
            _learner(key, name, booked[1:], progress, zone, now, named=named)
            for key, name in learners.items()
        ],
        named=named,
        past=[PastRow(row_of(seat, zone, now, named=named), _again_url(seat)) for seat in past],
        holds=open_holds(),
        asks=asks(people, named=named) if past else (),
        zone=times.zone_words(zone),
        empty_state=_empty(),
    )


def _empty() -> Empty:
    return Empty(
        _("No lessons yet"),
        _("Find a tutor, choose a time that suits you, and it stands here."),
        "/search",
        _("Find lessons"),
    )


def _learners(
    booked: Sequence[Seat], past: Sequence[Seat], children: Sequence[Person], person_id: int
) -> dict[int, str]:
    """By number, who learns here: in the order of their next lesson, then the children without one."""
    found: dict[int, str] = {}
    for seat in (*booked, *past):
        if seat.student is not None:
            found.setdefault(seat.student.id, seat.student.full_name)
    for child in children:
        found.setdefault(child.id, child.full_name)
    return found if found else {person_id: ""}


def _learner(
    person_id: int,
    name: str,
    booked: Sequence[Seat],
    progress: Sequence[Progress],
    zone: str,
    now: dt.datetime,
    *,
    named: bool,
) -> Learner:
    own = [row for row in progress if row.student_id == person_id]
    lengths = sizes([row.minutes for row in own])
    return Learner(
        key=str(person_id),
        name=name if named else "",
        rows=[row_of(seat, zone, now, named=False) for seat in booked if seat.student_id == person_id],
        summary=_summary(own),
        bars=[
            Bar(row.subject or _("Other lessons"), hours_words(row.minutes), length)
            for row, length in zip(own, lengths, strict=True)
        ],
    )


def _summary(progress: Sequence[Progress]) -> str:
    """“12 lessons so far, 14 h in all.” Nothing where nobody came to a lesson yet."""
    lessons = sum(row.lessons for row in progress)
    if not lessons:
        return ""
    return ngettext(
        "%(num)s lesson so far, %(hours)s in all.",
        "%(num)s lessons so far, %(hours)s in all.",
        lessons,
        hours=hours_words(sum(row.minutes for row in progress)),
    )


def _next(seat: Seat, zone: str, now: dt.datetime, *, named: bool) -> NextLesson:
    row = row_of(seat, zone, now, named=named)
    message = f"/messages/with/{seat.lesson.tutor_id}/{seat.student_id}"
    with_tutor = _("with %(tutor)s", tutor=row.tutor)
    return NextLesson(
        url=row.url,
        title=row.title,
        starts_at=row.starts_at,
        when=row.when,
        countdown=_("Now") if row.is_on else countdown(row.starts_at, now),
        who=f"{with_tutor} · {row.student}" if row.student else with_tutor,
        place=row.place,
        is_on=row.is_on,
        call_url=call_url_of(seat, now),
        links=[
            ActionLink("message", _("Message the tutor"), message, "message"),
            ActionLink(
                "calendar", _("Calendar file"), url_for("learn.calendar_file", code=seat.code), "download"
            ),
        ],
    )


def _again_url(seat: Seat) -> str | None:
    """Where the same is sold still; a trial lesson is one only once."""
    offering = seat.lesson.offering
    sold = offering.status == PUBLISHED and offering.kind != TRIAL
    return url_for("booking.show", slug=offering.slug) if sold else None
