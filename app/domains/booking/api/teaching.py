"""`/api/v1/teaching/lessons`: what a tutor teaches, and who came."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import Blueprint, jsonify

from app.core import clock, idempotency
from app.core.errors import Invalid, NotFound
from app.core.web.api_once import done_once
from app.domains.booking import queries, service
from app.domains.booking.api import common
from app.domains.booking.api.common import (
    THEIRS,
    body,
    check_arguments,
    own_lesson,
    stretch,
    tutor,
)
from app.domains.booking.models import Lesson, Seat

FORTNIGHT = dt.timedelta(days=14)


def lessons() -> Any:
    """From `since` to before `until` (31 days at most, else the next fourteen), with who is in them."""
    _who, tutor_id = tutor()
    check_arguments({"since", "until"})
    since, until = stretch(since=clock.now(), default=FORTNIGHT)
    found = queries.lessons_of_tutor(tutor_id, since=since, until=until)
    return jsonify({"result": [_taught(lesson) for lesson in found]})


def attendance(code: str) -> Any:
    """Say of a `seat` whether they `attended`; it can be corrected for a week."""
    who, tutor_id = tutor()
    given = body({"seat": str, "attended": bool})
    if given.get("attended") is None:
        raise Invalid(field="attended")
    lesson = own_lesson(code, tutor_id)
    seat = next((seat for seat in lesson.seats if seat.code == given.get("seat")), None)
    if seat is None or seat.status not in THEIRS:
        raise NotFound

    def work() -> idempotency.Answer:
        marked = service.mark_attendance(seat, attended=given["attended"])
        return 200, _participant(marked)

    return done_once(who, work)


def _taught(lesson: Lesson) -> common.Json:
    people = [_participant(seat) for seat in lesson.seats if seat.status in THEIRS]
    return {
        **common.lesson(lesson),
        "capacity": lesson.capacity,
        "taken": lesson.taken,
        "participants": people,
    }


def _participant(seat: Seat) -> common.Json:
    return {"seat": seat.code, "student": common.person(seat.student), "status": seat.status}


def add_to(bp: Blueprint) -> None:
    base = "/api/v1/teaching/lessons"
    bp.add_url_rule(base, endpoint="teaching", view_func=lessons)
    bp.add_url_rule(f"{base}/<code>/attendance", view_func=attendance, methods=["POST"])
