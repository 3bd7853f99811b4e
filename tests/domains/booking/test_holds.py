"""Holding times and places: one winner, ten minutes, and a reason for every refusal."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.core import clock
from app.core.db import db
from app.core.errors import NotFound
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import ENDED, Membership, Person
from app.domains.booking import events, jobs, queries, service
from app.domains.booking.errors import (
    HoldExpired,
    HoldNotRenewable,
    NoSeatLeft,
    NotOffered,
    SlotTaken,
    TooManyHolds,
)
from app.domains.booking.models import BOOKED, HELD, LAPSED, RELEASED, Occupation
from app.domains.catalog.models import PAUSED, CancellationPolicy, Offering, Variant
from app.domains.tenancy import queries as tenancy
from app.domains.tenancy import service as tenancy_service
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


def test_a_hold_keeps_price_and_policy_as_they_stand(school: School) -> None:
    seat = school.seat(school.hold())
    assert (seat.status, seat.price.minor, seat.currency) == (HELD, 4000, "EUR")
    assert seat.expires_at == NOW + 10 * MINUTE
    assert seat.policy["free_until_minutes"] == 1440
    assert (len(seat.code), len(seat.lesson.code)) == (40, 10)
    assert (seat.lesson.starts_at, seat.lesson.ends_at) == (MONDAY, MONDAY + HOUR)
    assert (seat.lesson.status, seat.lesson.taken, seat.lesson.timezone) == (HELD, 1, "Europe/Berlin")
    assert (seat.actor, seat.lesson.capacity, seat.lesson.variant_id) == ("v:a", 1, school.variant_id)
    (event,) = school.heard.of(events.SeatHeld)
    assert (event.tenant_id, event.seat_id) == (school.tenant_id, seat.id)


def test_whoever_holds_is_told_what_stands_in_the_books(school: School) -> None:
    with school.inside():
        held = service.hold_slot(
            offering=school.offering, variant=school.variant, starts_at=MONDAY, actor="v:a"
        )
    with school.inside():
        assert held == queries.place_of_seat(held.id)


def test_the_companys_default_policy_is_kept_and_later_changes_are_not_seen(school: School) -> None:
    with school.inside() as session:
        session.add(
            CancellationPolicy(name="Strict", free_until_minutes=2880, late_refund_bp=0, is_default=True)
        )
    seat_id = school.hold()
    with school.inside() as session:
        session.query(CancellationPolicy).one().late_refund_bp = 10_000
        school.variant.price_minor = 9900
    seat = school.seat(seat_id)
    assert (seat.policy["late_refund_bp"], seat.policy["free_until_minutes"]) == (0, 2880)
    assert seat.price_minor == 4000


def test_somebody_else_is_refused_with_the_next_free_times(school: School) -> None:
    school.hold()
    with pytest.raises(SlotTaken) as refused:
        school.hold(MONDAY + 30 * MINUTE, actor="v:b")
    found = [dt.datetime.fromisoformat(text) for text in refused.value.data["alternatives"]]
    assert found[0] == MONDAY + HOUR
    assert found == sorted(found)
    assert len(found) == 5
    assert all(moment.utcoffset() == dt.timedelta() for moment in found)


def test_the_same_again_is_the_same_hold(school: School) -> None:
    assert school.hold() == school.hold()


def test_who_changes_their_mind_is_not_in_their_own_way(school: School) -> None:
    first = school.hold()
    second = school.hold(MONDAY + 30 * MINUTE)
    assert (school.seat(first).status, school.seat(second).status) == (RELEASED, HELD)
    order_id = school.checkout(second)
    with pytest.raises(SlotTaken) as refused:  # they are paying for it
        school.hold(MONDAY, actor=f"u:{second}")
    assert refused.value.data["alternatives"][0] == (MONDAY + 90 * MINUTE).isoformat()
    assert order_id
    assert school.seat(second).status == HELD
    assert school.history("seat", first)[-1] == ("released", None)


@pytest.mark.parametrize(("starts_at", "stays"), [(9 * HOUR, True), (9 * HOUR - 30 * MINUTE, False)])
def test_only_what_is_near_gives_way(school: School, starts_at: dt.timedelta, stays: bool) -> None:
    """No two buffers are wider together than the eight hours between."""
    early = school.hold()
    late = school.hold(MONDAY + starts_at)
    assert school.seat(early).status == (HELD if stays else RELEASED)
    school.do(lambda: service.release_hold(queries.seat(early)))
    early = school.hold()
    assert (school.seat(early).status, school.seat(late).status) == (HELD, HELD if stays else RELEASED)


def test_places_and_other_tutors_times_do_not_give_way(school: School) -> None:
    place = school.hold_seat(school.session())
    other = school.do(lambda: time_of_another_tutor(school))
    school.hold(MONDAY + 2 * HOUR)
    assert [school.seat(seat_id).status for seat_id in (place, other)] == [HELD, HELD]


def time_of_another_tutor(school: School) -> int:
    """Held."""
    person = Person(full_name="Theo Tutor")
    db.session.add(person)
    db.session.flush()
    add_hours(person.id)
    offering_id, variant_id = add_offering(person.id)
    return service.hold_slot(
        offering=db.session.get_one(Offering, offering_id),
        variant=db.session.get_one(Variant, variant_id),
        starts_at=MONDAY,
        actor="v:a",
    ).id


def test_three_holds_are_enough(school: School) -> None:
    for number in range(3):
        school.hold(MONDAY + number * DAY)
    with pytest.raises(TooManyHolds):
        school.hold(MONDAY + 3 * DAY)
    lesson_id = school.session(MONDAY + 3 * DAY)
    with pytest.raises(TooManyHolds):
        school.hold_seat(lesson_id)
    school.do(lambda: service.cancel_lesson(queries.lesson(lesson_id), by="Tina", reason=None) and None)
    with at(NOW + 10 * MINUTE):
        assert school.hold(MONDAY + 3 * DAY)


@pytest.mark.parametrize(
    ("starts_at", "why"),
    [
        (NOW - HOUR, "past"),
        (NOW + HOUR + 59 * MINUTE, "notice"),
        (MONDAY + 90 * DAY, "horizon"),
        (MONDAY + 12 * HOUR, "outside_hours"),
        (MONDAY + 10 * HOUR - 30 * MINUTE, "outside_hours"),  # its end is
        (MONDAY + 10 * MINUTE, "step"),
        (MONDAY + dt.timedelta(microseconds=1), "step"),
        (dt.datetime(2027, 3, 28, 2, 30, tzinfo=ZoneInfo("Europe/Berlin")), "gap"),
        (dt.datetime.max.replace(tzinfo=dt.UTC), "horizon"),
        (dt.datetime.max.replace(tzinfo=dt.timezone(-HOUR)), "horizon"),
        (dt.datetime.min.replace(tzinfo=dt.UTC), "past"),
    ],
)
def test_every_refusal_says_why(school: School, starts_at: dt.datetime, why: str) -> None:
    with pytest.raises(NotOffered) as refused:
        school.hold(starts_at)
    assert refused.value.data == {"why": why}


def test_a_time_without_a_zone_is_a_fault_of_ours(school: School) -> None:
    with pytest.raises(ValueError, match="zone"):
        school.hold(MONDAY.replace(tzinfo=None))


def test_what_is_not_sold_is_not_held(school: School) -> None:
    with school.inside():
        school.offering.status = PAUSED
    with pytest.raises(NotOffered) as refused:
        school.hold()
    assert refused.value.data == {"why": "not_published"}
    with tenant_scope(school.tenant_id):
        since, until = MONDAY, MONDAY + DAY
        assert queries.slots(school.offering, school.variant, since=since, until=until) == []


def test_a_group_class_has_no_slots(school: School) -> None:
    with pytest.raises(NotOffered) as refused, school.inside():
        service.hold_slot(
            offering=db.session.get_one(Offering, school.group_id),
            variant=db.session.get_one(Variant, school.group_variant_id),
            starts_at=MONDAY,
            actor="v:a",
        )
    assert refused.value.data == {"why": "by_date"}


def test_a_suspended_company_sells_nothing_and_its_paid_lessons_stay(school: School) -> None:
    booked, lesson_id = school.book(), school.session(MONDAY + DAY)
    with platform_scope("test"), transaction():
        tenancy_service.suspend(tenancy.tenant(school.tenant_id), reason="unpaid")
    for hold in (lambda: school.hold(MONDAY + HOUR), lambda: school.hold_seat(lesson_id)):
        with pytest.raises(NotOffered) as refused:
            hold()
        assert refused.value.data == {"why": "suspended"}
    assert school.lesson_of(booked).status == "scheduled"


# -- Ten minutes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seconds", "is_free"), [(599, False), (600, True), (601, True)])
def test_after_ten_minutes_others_may_have_it(school: School, seconds: int, is_free: bool) -> None:
    seat_id = school.hold()
    with at(NOW + dt.timedelta(seconds=seconds)):
        if is_free:
            assert school.hold(actor="v:b") != seat_id
            assert (school.seat(seat_id).status, school.lesson_of(seat_id).status) == (LAPSED, LAPSED)
            assert [event.seat_id for event in school.heard.of(events.SeatReleased)] == [seat_id]
            with at(NOW + dt.timedelta(seconds=seconds) + 10 * MINUTE):
                assert school.hold(actor="v:c"), "the next hold runs out as well"
        else:
            with pytest.raises(SlotTaken):
                school.hold(actor="v:b")
            assert school.seat(seat_id).status == HELD


def test_a_hold_is_renewed_once(school: School) -> None:
    seat_id = school.hold()
    with at(NOW + 9 * MINUTE):
        school.do(lambda: service.renew_hold(queries.seat(seat_id)) and None)
    assert (school.seat(seat_id).renewals, school.history("seat", seat_id)[-1][0]) == (1, "hold renewed")
    with at(NOW + 18 * MINUTE):
        assert school.seat(seat_id).expires_at == NOW + 19 * MINUTE
        with pytest.raises(SlotTaken):
            school.hold(actor="v:b")
        with pytest.raises(HoldNotRenewable):
            school.do(lambda: service.renew_hold(queries.seat(seat_id)))
    with at(NOW + 19 * MINUTE), pytest.raises(HoldExpired):
        school.do(lambda: service.renew_hold(queries.seat(seat_id)))


def test_a_renewed_hold_renews_its_order(school: School) -> None:
    seat_id = school.hold()
    order_id = school.checkout(seat_id)
    with at(NOW + 9 * MINUTE):
        school.do(lambda: service.renew_hold(queries.seat(seat_id)) and None)
    assert order_of(school, order_id).expires_at == NOW + 19 * MINUTE


def test_a_released_hold_is_free_at_once_and_its_order_cancelled(school: School) -> None:
    seat_id = school.hold()
    order_id = school.checkout(seat_id)
    for _twice in range(2):
        school.do(lambda: service.release_hold(queries.seat(seat_id)))
    assert (school.seat(seat_id).status, order_of(school, order_id).status) == (RELEASED, "cancelled")
    (event,) = school.heard.of(events.SeatReleased)
    assert (event.tenant_id, event.seat_id) == (school.tenant_id, seat_id)
    assert school.history("seat", seat_id)[-1] == ("released", None)
    lesson = school.lesson_of(seat_id)
    assert (lesson.status, lesson.taken, school.occupied()) == (LAPSED, 0, 0)
    assert school.hold(actor="v:b")


def test_the_job_ends_what_ran_out_and_nothing_else(school: School) -> None:
    old = school.hold()
    with at(NOW + 5 * MINUTE):
        young = school.hold(MONDAY + HOUR, actor="v:b")
    with at(NOW + 12 * MINUTE):
        jobs.lapse_holds()
        jobs.lapse_holds()
    assert (school.seat(old).status, school.seat(young).status) == (LAPSED, HELD)
    assert school.lesson_of(old).taken == 0
    assert school.occupied() == 1
    assert school.history("seat", old)[-1] == ("lapsed", None)
    with at(NOW + 15 * MINUTE):
        ends = [
            lambda: service.lapse_hold(queries.seat(young)),
            lambda: service.lapse_hold(queries.seat(old)),
        ]
        assert [school.do(end) for end in ends] == [True, False]


def order_of(school: School, order_id: int) -> Any:
    from app.domains.payments.models import Order

    with tenant_scope(school.tenant_id):
        return db.session.get_one(Order, order_id)


# -- Buffers -----------------------------------------------------------------------------------------------


def test_between_two_lessons_there_is_room_for_both_buffers(school: School) -> None:
    school.do(lambda: add_hours(school.tutor_id, buffer_before_minutes=10, buffer_after_minutes=20) and None)
    school.hold()
    with pytest.raises(SlotTaken):
        school.hold(MONDAY + HOUR, actor="v:b")
    with pytest.raises(SlotTaken):
        school.hold(MONDAY - HOUR, actor="v:b")
    assert school.hold(MONDAY + HOUR + 30 * MINUTE, actor="v:b")


def test_a_lesson_takes_its_tutors_time_with_the_buffers_of_then(school: School) -> None:
    """What the database refuses others is wide enough, also of a lesson that was moved or is a class."""

    def taken() -> list[tuple[str, dt.timedelta, dt.timedelta]]:
        """By how much each stretch begins before its lesson, and ends after it."""
        with tenant_scope(school.tenant_id):
            found = db.session.query(Occupation).order_by(Occupation.resource_kind.desc()).all()
            lessons = {row.lesson_id: queries.lesson(row.lesson_id) for row in found}
            return [
                (
                    row.resource_kind,
                    lessons[row.lesson_id].starts_at - row.during.lower,
                    row.during.upper - lessons[row.lesson_id].ends_at,
                )
                for row in found
            ]

    def rest(before: int, after: int) -> None:
        school.do(
            lambda: (
                add_hours(school.tutor_id, buffer_before_minutes=before, buffer_after_minutes=after) and None
            )
        )

    rest(10, 20)
    seat_id = school.book()
    wide = ("tutor", 10 * MINUTE, 20 * MINUTE)
    none = ("student", 0 * MINUTE, 0 * MINUTE)
    assert taken() == [wide, none]
    rest(15, 25)
    assert taken() == [wide, none]
    school.move(seat_id, MONDAY + 2 * HOUR)
    wide = ("tutor", 15 * MINUTE, 25 * MINUTE)
    assert taken() == [wide, none]
    school.session(MONDAY + DAY)
    assert taken() == [wide, wide, none]


def test_buffers_may_reach_out_of_working_hours(school: School) -> None:
    school.do(lambda: add_hours(school.tutor_id, buffer_before_minutes=60, buffer_after_minutes=60) and None)
    assert school.hold(MONDAY - 2 * HOUR)  # 08:00 in Berlin
    assert school.hold(MONDAY + 9 * HOUR, actor="v:b")  # 19:00 to 20:00


# -- Places in group classes -------------------------------------------------------------------------------


def test_places_are_counted_and_the_last_one_goes_once(school: School) -> None:
    lesson_id = school.session(capacity=2)
    school.hold_seat(lesson_id, "v:a")
    school.hold_seat(lesson_id, "v:b")
    with pytest.raises(NoSeatLeft):
        school.hold_seat(lesson_id, "v:c")
    with at(NOW + 10 * MINUTE):
        assert school.hold_seat(lesson_id, "v:c")
    with tenant_scope(school.tenant_id):
        assert queries.lesson(lesson_id).taken == 1


def test_nobody_holds_two_places_for_nobody(school: School) -> None:
    lesson_id = school.session(capacity=3)
    first = school.hold_seat(lesson_id)
    assert school.hold_seat(lesson_id) == first
    school.checkout(first, actor="v:a")
    second = school.hold_seat(lesson_id)  # for the other child
    assert second != first
    school.checkout(second, school.other_id, actor="v:a")


def test_two_places_in_two_classes_are_two_holds(school: School) -> None:
    first, second = (school.hold_seat(school.session(MONDAY + day * DAY)) for day in range(2))
    assert [school.lesson_of(seat_id).taken for seat_id in (first, second)] == [1, 1]
    seat = school.seat(second)
    assert (seat.price_minor, seat.expires_at, seat.actor) == (4000, NOW + 10 * MINUTE, "v:a")
    assert [event.seat_id for event in school.heard.of(events.SeatHeld)] == [first, second]


def test_a_place_is_sold_in_a_class_that_is_to_come(school: School) -> None:
    def why(lesson_id: int) -> str:
        with pytest.raises(NotOffered) as refused:
            school.hold_seat(lesson_id, "v:b")
        return str(refused.value.data["why"])

    assert why(school.lesson_of(school.hold()).id) == "not_published"  # no class
    off, lesson_id = school.session(MONDAY + DAY), school.session(MONDAY + 2 * DAY)
    school.do(lambda: service.cancel_lesson(queries.lesson(off), by="Tina", reason=None) and None)
    assert why(off) == "not_published"
    with at(MONDAY + 2 * DAY):
        assert why(lesson_id) == "past"
    with at(MONDAY + 2 * DAY - MINUTE):
        assert school.hold_seat(lesson_id)
    with school.inside() as session:
        session.get_one(Offering, school.group_id).status = PAUSED
    assert why(lesson_id) == "not_published"
    with pytest.raises(NotFound):
        school.hold_seat(10**9)


def test_the_tutor_is_in_one_place_for_slots_and_dates(school: School) -> None:
    school.session()
    with pytest.raises(SlotTaken):
        school.hold(MONDAY + 30 * MINUTE)
    school.hold(MONDAY + HOUR)
    with pytest.raises(SlotTaken):
        school.session(MONDAY + 90 * MINUTE)


def test_dates_show_how_many_places_are_left(school: School) -> None:
    lesson_id = school.session(capacity=2)
    school.book_place(lesson_id)
    school.hold_seat(lesson_id, "v:b")
    with tenant_scope(school.tenant_id):
        assert [(s.lesson.id, s.left) for s in queries.available_sessions(school.group_id)] == [
            (lesson_id, 0)
        ]
    with at(NOW + 10 * MINUTE), tenant_scope(school.tenant_id):
        assert [s.left for s in queries.sessions_of_tutor(school.tutor_id)] == [1]
    with at(MONDAY), tenant_scope(school.tenant_id):
        assert queries.available_sessions(school.group_id) == []


@pytest.mark.parametrize(("moment", "capacity", "error"), [(NOW, 2, NotOffered), (MONDAY, 0, Exception)])
def test_a_date_needs_a_future_and_seats(
    school: School, moment: dt.datetime, capacity: int, error: type[Exception]
) -> None:
    with pytest.raises(error):
        school.session(moment, capacity)
    assert school.occupied() == 0


def test_business_time_decides(school: School) -> None:
    assert clock.now() == NOW
    with at(MONDAY - HOUR), pytest.raises(NotOffered) as refused:
        school.hold()
    assert refused.value.data == {"why": "notice"}


def test_nobody_collects_more_holds_under_an_account_than_they_may_have(school: School) -> None:
    """A visitor's hold goes over to whoever signs in; new visitors are made by emptying the cookie jar."""
    for number in range(3):
        school.checkout(school.hold(MONDAY + number * DAY, f"v:{number}"), actor="u:1")
    late = school.hold(MONDAY + 3 * DAY, "v:3")
    with pytest.raises(TooManyHolds):
        school.checkout(late, actor="u:1")
    assert school.seat(late).actor == "v:3"
    school.do(lambda: service.release_hold(queries.seat(queries.held_by("u:1")[0].id)))
    school.checkout(late, actor="u:1")
    assert school.seat(late).actor == "u:1"


def test_a_tutor_who_has_left_is_not_booked_any_more(school: School) -> None:
    lesson_id = school.session(MONDAY + 5 * HOUR)
    booked = school.book()
    with school.inside() as session:
        session.query(Membership).filter_by(person_id=school.tutor_id).update({"status": ENDED})
    for again in (
        lambda: school.hold(MONDAY + DAY, "v:b"),
        lambda: school.hold_seat(lesson_id, "v:b"),
    ):
        with pytest.raises(NotOffered) as refused:
            again()
        assert refused.value.data["why"] == "suspended"
    with tenant_scope(school.tenant_id):
        assert queries.slots(school.offering, school.variant, since=MONDAY, until=MONDAY + DAY) == []
    assert school.seat(booked).status == BOOKED
