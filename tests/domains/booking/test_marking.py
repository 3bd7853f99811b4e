"""Marking who came: what is earned, until when it can be changed, and what is said where nobody says anything."""

from __future__ import annotations

import datetime as dt

import pytest
from sqlalchemy import CheckConstraint

from app.core import schedule as recurring
from app.core.db import db
from app.core.schedule import Recurring, Schedule
from app.core.scope import platform_scope, tenant_scope
from app.domains.booking import events, jobs, policies, queries, service
from app.domains.booking.errors import (
    CannotCancel,
    MarkingClosed,
    NotBooked,
    NotYet,
    SlotTaken,
)
from app.domains.booking.models import (
    ATTENDED,
    BOOKED,
    DONE,
    HELD,
    LAPSED,
    MISSED,
    SCHEDULED,
    AvailabilitySchedule,
)
from app.domains.booking.service import occupation
from tests.domains.booking.support import (
    DAY,
    HOUR,
    MINUTE,
    MONDAY,
    School,
    add_hours,
    at,
    make_school,
)
from tests.support.databases import Database


def mark(school: School, seat_id: int, attended: bool) -> None:
    school.do(lambda: service.mark_attendance(queries.seat(seat_id), attended=attended) and None)


@pytest.mark.parametrize("attended", [True, False])
def test_came_or_not_it_is_earned(school: School, attended: bool) -> None:
    seat_id = school.book()
    with at(MONDAY + HOUR):
        mark(school, seat_id, attended)
    seat = school.seat(seat_id)
    assert (seat.status, seat.lesson.status) == (ATTENDED if attended else MISSED, DONE)
    assert (school.earning(seat_id).earned_at, seat.marked_at) == (MONDAY + HOUR, MONDAY + HOUR)
    (event,) = school.heard.of(events.SeatMarked)
    assert (event.tenant_id, event.seat_id, event.attended) == (school.tenant_id, seat_id, attended)
    assert school.history("seat", seat_id)[-1] == (seat.status, None)
    assert school.history("lesson", seat.lesson_id)[-1] == ("took place", None)


def test_nobody_is_marked_before_it_begins(school: School) -> None:
    seat_id = school.book()
    with at(MONDAY - dt.timedelta(seconds=1)), pytest.raises(NotYet):
        mark(school, seat_id, True)
    with at(MONDAY):
        mark(school, seat_id, True)
    lesson = school.lesson_of(seat_id)
    assert lesson.status == SCHEDULED  # it is still going on
    with pytest.raises(CannotCancel):
        school.do(lambda: service.cancel_lesson(queries.lesson(lesson.id), by="Tina", reason=None))
    with at(MONDAY + 25 * HOUR):  # nobody is left to be marked
        assert school.do(lambda: service.auto_mark(queries.lesson(lesson.id))) == 0
    assert school.lesson_of(seat_id).status == DONE


def test_who_says_nothing_for_a_day_says_that_all_came_and_no_sooner(school: School) -> None:
    """The job's list may be old when it comes to a lesson, so the lesson itself is looked at."""
    seat_id = school.book()
    lesson = school.lesson_of(seat_id)

    def marked() -> int:
        return int(school.do(lambda: service.auto_mark(queries.lesson(lesson.id))))

    with at(MONDAY + 25 * HOUR - dt.timedelta(seconds=1)):
        assert marked() == 0
    assert (school.seat(seat_id).status, school.lesson_of(seat_id).status) == (BOOKED, SCHEDULED)
    with at(MONDAY + 25 * HOUR):
        assert (marked(), marked()) == (1, 0)
    assert (school.seat(seat_id).status, school.lesson_of(seat_id).status) == (ATTENDED, DONE)
    assert school.history("seat", seat_id)[-1] == (ATTENDED, "nobody said anything")
    assert len(school.heard.of(events.SeatMarked)) == 1


def test_nobody_came_to_a_lesson_that_was_cancelled(school: School) -> None:
    seat_id = school.book()
    lesson = school.lesson_of(seat_id)
    school.do(lambda: service.cancel_lesson(queries.lesson(lesson.id), by="Tina", reason=None) and None)
    with at(MONDAY + 25 * HOUR):
        assert school.do(lambda: service.auto_mark(queries.lesson(lesson.id))) == 0
    assert not school.heard.of(events.SeatMarked)


def test_marks_are_corrected_for_a_week(school: School) -> None:
    seat_id = school.book()
    with at(MONDAY + HOUR):
        mark(school, seat_id, True)
    with at(MONDAY + HOUR + 7 * DAY):
        mark(school, seat_id, False)
        mark(school, seat_id, False)
    with at(MONDAY + HOUR + 7 * DAY + dt.timedelta(seconds=1)), pytest.raises(MarkingClosed):
        mark(school, seat_id, True)
    assert school.seat(seat_id).status == MISSED
    assert len(school.heard.of(events.SeatMarked)) == 2


def test_only_what_is_booked_is_marked(school: School) -> None:
    seat_id = school.hold()
    with pytest.raises(NotBooked):
        mark(school, seat_id, True)


def test_a_day_later_everybody_came(school: School) -> None:
    lesson_id = school.session(capacity=3)
    seats = [school.book_place(lesson_id), school.book_place(lesson_id, school.other_id, "v:b")]
    empty = school.session(MONDAY + 2 * HOUR)
    with at(MONDAY + HOUR):
        mark(school, seats[1], False)
    with at(MONDAY + 25 * HOUR - dt.timedelta(seconds=1)):
        jobs.finish_lessons()
        assert school.seat(seats[0]).status == BOOKED
    with at(MONDAY + 28 * HOUR):
        jobs.finish_lessons()
        jobs.finish_lessons()
    assert [school.seat(seat_id).status for seat_id in seats] == [ATTENDED, MISSED]
    assert school.history("seat", seats[0])[-1] == (ATTENDED, "nobody said anything")
    with tenant_scope(school.tenant_id):
        assert [queries.lesson(key).status for key in (lesson_id, empty)] == [DONE, DONE]
    with pytest.raises(CannotCancel):
        school.do(lambda: service.cancel_lesson(queries.lesson(lesson_id), by="Tina", reason=None))


def test_the_jobs_run_inside_the_schedules_own_transaction(
    school: School, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ticker holds its row in an open transaction while the work runs."""
    seat_id = school.hold()
    table = (
        Recurring("lapse holds", jobs.lapse_holds, MINUTE, business_time=True),
        Recurring("finish lessons", jobs.finish_lessons, MINUTE, business_time=True),
    )
    monkeypatch.setattr(recurring, "table", lambda: table)
    with at(MONDAY):
        recurring.ensure()
        assert sorted(recurring.run_due()) == ["finish lessons", "lapse holds"]
    with platform_scope("test"):
        assert [row.last_error for row in db.session.query(Schedule)] == [None, None]
    assert school.seat(seat_id).status == LAPSED


def test_one_companys_trouble_does_not_keep_others_waiting(school: School, database: Database) -> None:
    other = make_school(school.heard, "bert")
    sick, well = school.hold(), other.hold()
    with database.connect() as connection:  # its count can't go down
        connection.execute("UPDATE lesson SET taken = 0 WHERE id = %s", [school.lesson_of(sick).id])
    with at(MONDAY), pytest.raises(ExceptionGroup):
        jobs.lapse_holds()
    assert (school.seat(sick).status, other.seat(well).status) == (HELD, LAPSED)


def test_one_lessons_trouble_does_not_keep_the_companys_others_waiting(
    school: School, database: Database
) -> None:
    sick, well = school.hold(), school.hold(MONDAY + 2 * HOUR, "v:b")
    with database.connect() as connection:  # its count can't go down
        connection.execute("UPDATE lesson SET taken = 0 WHERE id = %s", [school.lesson_of(sick).id])
    with at(MONDAY), pytest.raises(ExceptionGroup):
        jobs.lapse_holds()
    assert (school.seat(sick).status, school.seat(well).status) == (HELD, LAPSED)


def test_what_is_over_takes_nobodys_time(school: School) -> None:
    """Else all that a tutor ever taught would be looked through at each hold. Of others' time nothing goes."""
    first, second = school.book(), school.book(MONDAY + DAY, actor="v:b")
    other = make_school(school.heard, "bert")
    other.book(MONDAY + 9 * DAY)
    assert (school.occupied(), other.occupied()) == (4, 2)
    with at(MONDAY + HOUR):
        mark(school, first, True)
    assert (school.lesson_of(first).status, school.occupied()) == (DONE, 4), "it ended just now"
    with at(MONDAY + DAY + 30 * MINUTE):
        mark(school, second, True)
    assert (school.lesson_of(second).status, school.occupied()) == (SCHEDULED, 4), "it is under way"
    with at(MONDAY + 3 * DAY):
        jobs.finish_lessons()
    assert (school.lesson_of(second).status, school.occupied()) == (DONE, 0)
    assert other.occupied() == 2


def test_the_pause_before_a_lesson_reaches_back_to_one_that_is_over(school: School) -> None:
    """By four hours, at most: for so long a lesson that took place keeps the next one away."""
    terms = {"buffer_before_minutes": 240, "notice_minutes": 0}
    school.do(lambda: add_hours(school.tutor_id, **terms) and None)
    first, second = school.book(), school.book(MONDAY + 7 * DAY, actor="v:b")
    with at(MONDAY + HOUR):
        mark(school, first, True)
    with at(MONDAY + 5 * HOUR - MINUTE):
        school.do(lambda: occupation.forget_past(school.lesson_of(first)))
        assert school.occupied() == 4
    with at(MONDAY + 4 * HOUR + 20 * MINUTE), pytest.raises(SlotTaken):
        school.move(second, MONDAY + 4 * HOUR + 30 * MINUTE)
    with at(MONDAY + 5 * HOUR):
        school.do(lambda: occupation.forget_past(school.lesson_of(first)))
        assert school.occupied() == 2


def test_no_pause_reaches_farther_back_than_what_is_kept() -> None:
    limits = {
        str(rule.sqltext)
        for rule in AvailabilitySchedule.__table__.constraints
        if isinstance(rule, CheckConstraint) and "buffer" in str(rule.sqltext)
    }
    most = policies.LONGEST_BUFFER_MINUTES
    assert limits == {f"buffer_{side}_minutes BETWEEN 0 AND {most}" for side in ("before", "after")}


def test_nobody_waits_to_forget_what_others_forget(school: School, database: Database) -> None:
    first, second = school.book(), school.book(MONDAY + DAY, actor="v:b")
    with at(MONDAY + HOUR):
        mark(school, first, True)
    with database.connect() as others, others.transaction(), at(MONDAY + 2 * DAY + 2 * HOUR):
        others.execute("SELECT FROM occupation WHERE upper(during) < %s FOR UPDATE", [MONDAY + DAY])
        mark(school, second, True)
    assert (school.lesson_of(second).status, school.occupied()) == (DONE, 2)
