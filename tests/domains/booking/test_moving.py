"""Moving: the same lesson at another time, or the same place on another date, and when that is too late."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from app.core.errors import NotFound
from app.core.scope import tenant_scope
from app.domains.accounts.models import Person
from app.domains.booking import events, policies, queries, service
from app.domains.booking.errors import (
    CannotMove,
    NoSeatLeft,
    NotOffered,
    SlotTaken,
)
from app.domains.booking.models import (
    LAPSED,
    SCHEDULED,
)
from app.domains.catalog.models import Variant
from tests.domains.booking.support import (
    DAY,
    HOUR,
    MINUTE,
    MONDAY,
    NOW,
    School,
    add_hours,
    add_offering,
    at,
)


def test_a_moved_lesson_is_the_same_lesson_at_another_time(school: School) -> None:
    seat_id = school.book()
    school.move(seat_id, MONDAY + 30 * MINUTE)  # into its own old time
    seat = school.seat(seat_id)
    assert (seat.lesson.starts_at, seat.lesson.ends_at) == (MONDAY + 30 * MINUTE, MONDAY + 90 * MINUTE)
    assert (seat.moves, seat.lesson.sequence, seat.lesson.status) == (1, 2, SCHEDULED)
    assert school.occupied() == 2
    with tenant_scope(school.tenant_id):
        (move,) = queries.moves_of(seat_id)
    assert (move.from_starts_at, move.to_starts_at, move.moved_by) == (MONDAY, MONDAY + 30 * MINUTE, "Sam")
    assert (move.from_lesson_id, move.to_lesson_id, move.moved_at) == (seat.lesson_id, seat.lesson_id, NOW)
    assert [(event.seat_id, event.move_id) for event in school.heard.of(events.SeatMoved)] == [
        (seat_id, move.id)
    ]
    assert [school.history(*of)[-1] for of in (("seat", seat_id), ("lesson", seat.lesson_id))] == [
        ("moved", None)
    ] * 2
    assert school.hold(MONDAY - 30 * MINUTE, actor="v:b")
    with pytest.raises(SlotTaken):
        school.hold(MONDAY + HOUR, actor="v:c")


def test_nothing_moves_onto_somebody_else(school: School) -> None:
    seat_id = school.book()
    school.hold(MONDAY + 2 * HOUR, actor="v:b")
    with pytest.raises(SlotTaken) as refused:
        school.move(seat_id, MONDAY + 90 * MINUTE)
    # Their own time is not free for them, they have it.
    assert refused.value.data["alternatives"][0] == (MONDAY + 3 * HOUR).isoformat()
    seat = school.seat(seat_id)
    assert (seat.lesson.starts_at, seat.moves, school.occupied()) == (MONDAY, 0, 3)


@pytest.mark.parametrize(
    ("moment", "why"),
    [(MONDAY - 12 * HOUR + dt.timedelta(seconds=1), "too_late"), (MONDAY, "started")],
)
def test_moving_has_its_time(school: School, moment: dt.datetime, why: str) -> None:
    seat_id = school.book()
    with at(moment), pytest.raises(CannotMove) as refused:
        school.move(seat_id, MONDAY + DAY)
    assert refused.value.data == {"why": why}
    with at(MONDAY - 12 * HOUR):
        school.move(seat_id, MONDAY + DAY)


def test_nobody_moves_for_ever(school: School) -> None:
    seat_id = school.book()
    school.move(seat_id, MONDAY + DAY)
    school.move(seat_id, MONDAY + 2 * DAY)
    with pytest.raises(CannotMove) as refused:
        school.move(seat_id, MONDAY + 3 * DAY)
    assert refused.value.data == {"why": "too_often"}
    assert not policies.may_move(school.seat(seat_id), MONDAY + 2 * DAY, MONDAY)


@pytest.mark.parametrize(
    ("starts_at", "why"),
    [(MONDAY + 12 * HOUR, "outside_hours"), (MONDAY + 5 * MINUTE, "step"), (MONDAY + 90 * DAY, "horizon")],
)
def test_moved_to_what_is_offered_only(school: School, starts_at: dt.datetime, why: str) -> None:
    seat_id = school.book()
    with pytest.raises(NotOffered) as refused:
        school.move(seat_id, starts_at)
    assert refused.value.data == {"why": why}


def test_a_move_goes_somewhere_else(school: School) -> None:
    lesson_id = school.session(MONDAY + DAY)
    alone, place = school.book(), school.book_place(lesson_id, school.other_id, "v:b")
    for refused_move in (
        lambda: service.move_seat(queries.seat(alone), starts_at=MONDAY, by="Sam"),
        lambda: service.move_seat(queries.seat(place), lesson_id=lesson_id, by="Olaf"),
    ):
        with pytest.raises(CannotMove) as refused:
            school.do(refused_move)
        assert refused.value.data == {"why": "same_time"}
    with pytest.raises(NotOffered) as by_time:
        school.move(place, MONDAY + 2 * DAY)
    assert by_time.value.data == {"why": "by_date"}
    with pytest.raises(NotFound):
        school.do(lambda: service.move_seat(queries.seat(place), lesson_id=10**9, by="Olaf"))
    for nowhere in ({}, {"starts_at": MONDAY + DAY, "lesson_id": lesson_id}):
        with pytest.raises(ValueError, match="to a time or to a date"):
            school.do(lambda to=nowhere: service.move_seat(queries.seat(alone), by="Sam", **to))


def test_the_length_that_was_bought_is_moved(school: School) -> None:
    seat_id = school.book()
    with school.inside():
        school.variant.duration_minutes = 120
    school.move(seat_id, MONDAY + DAY)
    lesson = school.lesson_of(seat_id)
    assert lesson.ends_at - lesson.starts_at == HOUR


def test_a_late_move_does_not_open_the_door_to_a_free_cancellation(school: School) -> None:
    """The loophole: a lesson of tomorrow is moved to next week, where cancelling is free again."""
    seat_id = school.book()
    with at(MONDAY - 20 * HOUR):
        school.move(seat_id, MONDAY + 7 * DAY)
        assert school.preview(seat_id, MONDAY - 20 * HOUR) == (2000, "late")
    with at(MONDAY + 3 * DAY):  # past the first start, days before the new one
        assert school.preview(seat_id, MONDAY + 3 * DAY) == (2000, "late")
        school.move(seat_id, MONDAY + 8 * DAY)
        assert school.preview(seat_id, MONDAY + 3 * DAY) == (2000, "late")
        assert school.cancel(seat_id) == 2000


def test_a_late_move_to_an_earlier_time_counts_from_there(school: School) -> None:
    seat_id = school.book()
    with at(MONDAY - 20 * HOUR):
        school.move(seat_id, MONDAY - 2 * HOUR)
        seat = school.seat(seat_id)
        assert policies.refund_start(seat, seat.lesson.starts_at) == MONDAY - 26 * HOUR


def test_a_move_in_time_begins_anew(school: School) -> None:
    seat_id = school.book()
    school.move(seat_id, MONDAY + 7 * DAY)
    assert policies.COUNTS_FROM not in school.seat(seat_id).policy
    with at(MONDAY + 6 * DAY):
        assert school.cancel(seat_id) == 4000


def test_moved_over_a_change_of_clocks_wall_time_stays(school: School) -> None:
    school.do(lambda: add_hours(school.tutor_id, horizon_days=120) and None)
    zone = ZoneInfo("Europe/Berlin")
    before = dt.datetime(2027, 3, 26, 10, tzinfo=zone)
    after = dt.datetime(2027, 3, 28, 10, tzinfo=zone)  # the day itself
    seat_id = school.book(before)
    school.move(seat_id, after)
    lesson = school.lesson_of(seat_id)
    assert lesson.starts_at == dt.datetime(2027, 3, 28, 8, tzinfo=dt.UTC)
    assert lesson.ends_at - lesson.starts_at == HOUR
    with pytest.raises(NotOffered) as refused:
        school.move(seat_id, dt.datetime(2027, 3, 28, 2, 30, tzinfo=zone))
    assert refused.value.data == {"why": "gap"}


def test_a_place_goes_to_another_date(school: School) -> None:
    first, second = school.session(), school.session(MONDAY + DAY, capacity=1)
    seat_id = school.book_place(first)
    school.hold_seat(second, "v:c")
    before, by = school.lesson_of(seat_id).sequence, "S" * 201  # longer than is kept
    with pytest.raises(NoSeatLeft):
        school.do(lambda: service.move_seat(queries.seat(seat_id), lesson_id=second, by=by))
    with at(NOW + 10 * MINUTE):  # the hold has run out
        school.do(lambda: service.move_seat(queries.seat(seat_id), lesson_id=second, by=by) and None)
    seat = school.seat(seat_id)
    assert (seat.lesson_id, seat.moves) == (second, 1)
    assert seat.lesson.sequence == before + 1, "for the calendar of whoever comes it is one lesson"
    assert school.occupied() == 3  # the tutor twice, and the student
    with tenant_scope(school.tenant_id):
        assert [queries.lesson(key).taken for key in (first, second)] == [0, 1]
        (move,) = queries.moves_of(seat_id)
    assert (move.from_lesson_id, move.to_lesson_id, move.moved_by) == (first, second, by[:200])
    assert (move.from_starts_at, move.to_starts_at) == (MONDAY, MONDAY + DAY)
    (event,) = school.heard.of(events.SeatMoved)
    assert (event.tenant_id, event.seat_id, event.move_id) == (school.tenant_id, seat_id, move.id)
    other = school.book_place(first, school.other_id, "v:b")
    with pytest.raises(NoSeatLeft):
        school.do(lambda: service.move_seat(queries.seat(other), lesson_id=second, by="Olaf"))
    school.cancel(seat_id)
    assert school.occupied() == 3  # the tutor twice, and the other


def go_to(school: School, seat_id: int, lesson_id: int) -> None:
    school.do(lambda: service.move_seat(queries.seat(seat_id), lesson_id=lesson_id, by="Sam") and None)


def offer_by_another_tutor(school: School) -> None:
    """What is held from here on is theirs."""
    with school.inside() as session:
        session.add(another := Person(full_name="Tom Tutor"))
        session.flush()
        add_hours(another.id)
        school.offering_id, school.variant_id = add_offering(another.id)


def test_a_place_in_a_class_moves_in_its_time_and_not_for_ever(school: School) -> None:
    dates = [school.session(MONDAY + days * DAY) for days in range(4)]
    seat_id = school.book_place(dates[0])
    with at(MONDAY - 12 * HOUR + dt.timedelta(seconds=1)), pytest.raises(CannotMove) as refused:
        go_to(school, seat_id, dates[1])
    assert refused.value.data == {"why": "too_late"}
    go_to(school, seat_id, dates[1])
    go_to(school, seat_id, dates[2])
    with pytest.raises(CannotMove) as refused:
        go_to(school, seat_id, dates[3])
    assert refused.value.data == {"why": "too_often"}
    with tenant_scope(school.tenant_id):
        assert [queries.lesson(key).taken for key in dates] == [0, 0, 1, 0]


def test_a_place_is_one_more_where_others_are(school: School) -> None:
    first, second = school.session(), school.session(MONDAY + DAY, capacity=3)
    school.book_place(second, school.other_id, "v:b")
    school.hold_seat(second, "v:c")
    seat_id = school.book_place(first)
    go_to(school, seat_id, second)
    with tenant_scope(school.tenant_id):
        assert [queries.lesson(key).taken for key in (first, second)] == [0, 3]


def test_a_hold_that_ran_out_keeps_nobody_from_moving(school: School) -> None:
    """It is the student's, with another tutor, and nobody has cleared it away yet: their own tutor is free."""
    seat_id, theirs = school.book(), (school.offering_id, school.variant_id)
    offer_by_another_tutor(school)
    held = school.hold(MONDAY + DAY, actor="v:b")
    school.checkout(held)
    school.offering_id, school.variant_id = theirs
    with pytest.raises(SlotTaken):
        school.move(seat_id, MONDAY + DAY)
    with at(NOW + 10 * MINUTE):
        school.move(seat_id, MONDAY + DAY)
    assert (school.lesson_of(seat_id).starts_at, school.seat(held).status) == (MONDAY + DAY, LAPSED)
    assert school.occupied() == 2


def test_a_place_goes_to_no_date_at_which_its_student_is_elsewhere(school: School) -> None:
    first, second = school.session(), school.session(MONDAY + DAY)
    seat_id = school.book_place(first)
    offer_by_another_tutor(school)
    elsewhere = school.book(MONDAY + DAY + HOUR / 2, actor="v:b")
    with pytest.raises(SlotTaken):
        go_to(school, seat_id, second)
    with tenant_scope(school.tenant_id):
        assert [queries.lesson(key).taken for key in (first, second)] == [1, 0]
    assert (school.seat(seat_id).lesson_id, school.seat(seat_id).moves) == (first, 0)
    school.cancel(elsewhere)
    go_to(school, seat_id, second)
    assert school.seat(seat_id).lesson_id == second


def test_a_place_goes_to_no_other_class(school: School) -> None:
    seat_id = school.book_place(school.session())
    with school.inside() as session:
        variant = Variant(
            offering_id=school.group_id, name="Long", duration_minutes=90, price_minor=9000, currency="EUR"
        )
        session.add(variant)
        session.flush()
        school.group_variant_id = variant.id
    longer = school.session(MONDAY + DAY)
    alone = school.lesson_of(school.book(MONDAY + 2 * DAY, school.other_id, "v:b")).id
    assert_no_way(school, seat_id, {longer: "other_class", alone: "by_slot"})


def test_a_place_goes_to_no_date_that_is_over_or_off(school: School) -> None:
    off, begun = school.session(MONDAY), school.session(MONDAY + 2 * HOUR)
    seat_id = school.book_place(school.session(MONDAY + 2 * DAY))
    school.do(lambda: service.cancel_lesson(queries.lesson(off), by="Tina", reason="ill") and None)
    with at(MONDAY + 2 * HOUR):
        assert_no_way(school, seat_id, {off: "cancelled", begun: "past"})


def assert_no_way(school: School, seat_id: int, refusals: dict[int, str]) -> None:
    """By the lessons that are refused."""
    for lesson_id, why in refusals.items():
        with pytest.raises(NotOffered) as refused:
            school.do(lambda key=lesson_id: service.move_seat(queries.seat(seat_id), lesson_id=key, by="Sam"))
        assert refused.value.data == {"why": why}
