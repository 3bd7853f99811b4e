"""Cancelling, moving and marking: what goes back, what is earned, and which doors are closed when."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from app.core import schedule as recurring
from app.core.db import db
from app.core.errors import NotFound
from app.core.schedule import Recurring, Schedule
from app.core.scope import platform_scope, tenant_scope
from app.domains.accounts.models import Person
from app.domains.booking import events, jobs, policies, queries, service
from app.domains.booking.errors import (
    CannotCancel,
    CannotMove,
    MarkingClosed,
    NoSeatLeft,
    NotBooked,
    NotOffered,
    NotYet,
    SlotTaken,
)
from app.domains.booking.models import (
    ATTENDED,
    BOOKED,
    CANCELLED,
    DONE,
    HELD,
    LAPSED,
    MISSED,
    SCHEDULED,
    Occupation,
)
from app.domains.catalog.models import CancellationPolicy, Variant
from app.domains.earnings import queries as earnings
from app.domains.earnings.models import Earning
from app.domains.payments import queries as payments
from app.domains.payments import service as payment_service
from app.domains.payments.errors import DisputedPayment
from app.domains.payments.models import Refund
from app.providers.payments import ProviderDispute
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
    make_school,
)
from tests.support.databases import Database


def preview(school: School, seat_id: int, moment: dt.datetime) -> tuple[int, str]:
    seat = school.seat(seat_id)
    found = policies.refund_due(seat, seat.lesson.starts_at, moment)
    return found.amount.minor, found.why


def earning(school: School, seat_id: int) -> Earning:
    with tenant_scope(school.tenant_id):
        found = earnings.of_seat(seat_id)
        assert found is not None
        return found


def refunds(school: School) -> list[int]:
    with tenant_scope(school.tenant_id):
        return [row.amount_minor for row in db.session.query(Refund).order_by(Refund.id)]


def asked_back(school: School) -> list[tuple[str, str]]:
    """Who had money sent back, and why."""
    with tenant_scope(school.tenant_id):
        return [(row.requested_by, row.reason) for row in db.session.query(Refund).order_by(Refund.id)]


def occupied(school: School) -> int:
    with tenant_scope(school.tenant_id):
        return db.session.query(Occupation).count()


# -- Cancelling --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "amount", "why"),
    [
        (DAY, 4000, "free"),
        (DAY - dt.timedelta(seconds=1), 2000, "late"),
        (dt.timedelta(seconds=1), 2000, "late"),
    ],
)
def test_the_preview_is_what_goes_back(school: School, before: dt.timedelta, amount: int, why: str) -> None:
    seat_id = school.book()
    told = school.lesson_of(seat_id).sequence
    with at(MONDAY - before):
        assert preview(school, seat_id, MONDAY - before) == (amount, why)
        assert school.cancel(seat_id) == amount
    seat = school.seat(seat_id)
    assert (seat.status, seat.refund_minor, seat.cancelled_by, seat.cancel_reason) == (
        CANCELLED, amount, "Sam", "ill",
    )  # fmt: skip
    assert (seat.lesson.status, seat.lesson.taken, seat.lesson.cancel_reason) == (CANCELLED, 0, "ill")
    assert seat.lesson.sequence == told + 2, "calendars hear of the seat and of the end"
    assert (refunds(school), occupied(school)) == ([amount], 0)
    (event,) = school.heard.of(events.SeatCancelled)
    assert (event.tenant_id, event.seat_id) == (school.tenant_id, seat_id)
    assert (event.refund_minor, event.by_company) == (amount, False)
    assert seat.cancelled_at == MONDAY - before
    assert [school.history(*of)[-1] for of in (("seat", seat_id), ("lesson", seat.lesson_id))] == [
        ("cancelled", "ill")
    ] * 2
    assert school.balance("customer_funds") == 0
    found = earning(school, seat_id)
    assert (asked_back(school), found.reason) == ([("Sam", "ill")], "ill")
    if amount == 4000:
        assert (found.status, found.clears_at) == ("reversed", None)
    else:  # the rest is earned as if the lesson had taken place
        assert (found.status, found.gross_minor, found.earned_at) == ("pending", 2000, MONDAY + HOUR)


def test_it_is_cancelled_once(school: School) -> None:
    seat_id = school.book()
    school.cancel(seat_id)
    with pytest.raises(CannotCancel) as refused:
        school.cancel(seat_id)
    assert refused.value.data == {"why": "not_booked"}
    assert refunds(school) == [4000]


def test_what_has_begun_is_not_cancelled(school: School) -> None:
    seat_id = school.book()
    with at(MONDAY), pytest.raises(CannotCancel) as refused:
        school.cancel(seat_id)
    assert refused.value.data == {"why": "started"}


def test_the_policy_of_the_booking_counts(school: School) -> None:
    with school.inside() as session:
        session.add(CancellationPolicy(name="Mild", late_refund_bp=7500, is_default=True))
    seat_id = school.book()
    with school.inside() as session:
        session.query(CancellationPolicy).one().late_refund_bp = 0
    with at(MONDAY - HOUR):
        assert school.cancel(seat_id) == 3000


def test_a_free_seat_is_cancelled_and_leaves_nothing_pending(school: School) -> None:
    with school.inside():
        school.variant.price_minor = 0
    seat_id = school.hold()
    school.pay_free(school.checkout(seat_id))
    with at(MONDAY - HOUR):
        assert school.cancel(seat_id) == 0
    assert (refunds(school), earning(school, seat_id).status) == ([], "reversed")


def test_a_place_is_cancelled_and_the_class_goes_on(school: School) -> None:
    lesson_id = school.session(capacity=2)
    first = school.book_place(lesson_id)
    school.book_place(lesson_id, school.other_id, "v:b")
    by = "S" * 201  # longer than is kept
    school.do(lambda: service.cancel_seat(queries.seat(first), by=by, reason=None) and None)
    assert (school.seat(first).cancelled_by, school.seat(first).cancel_reason) == (by[:200], None)
    assert asked_back(school) == [(by[:200], "Cancelled by the customer")]
    with tenant_scope(school.tenant_id):
        lesson = queries.lesson(lesson_id)
    assert (lesson.status, lesson.taken) == (SCHEDULED, 1)
    assert occupied(school) == 2  # the tutor and the other
    assert school.heard.of(events.LessonCancelled) == []
    assert school.hold_seat(lesson_id, "v:c")


def test_the_company_gives_everything_back(school: School) -> None:
    lesson_id = school.session(capacity=3)
    first, held = school.book_place(lesson_id), school.hold_seat(lesson_id, "v:c")
    seats = [first, school.book_place(lesson_id, school.other_id, "v:b")]
    with at(MONDAY - MINUTE):
        total = school.do(
            lambda: service.cancel_lesson(queries.lesson(lesson_id), by="Tina", reason="ill").minor
        )
    assert total == 8000
    assert (refunds(school), asked_back(school)) == ([4000, 4000], [("Tina", "ill")] * 2)
    assert [school.seat(seat_id).status for seat_id in (*seats, held)] == [CANCELLED, CANCELLED, "released"]
    for seat in map(school.seat, seats):
        assert (seat.cancelled_by, seat.cancel_reason, seat.refund_minor) == ("Tina", "ill", 4000)
        assert school.history("seat", seat.id)[-1] == ("cancelled", "ill")
    assert school.history("seat", held)[-1] == ("released", None)
    lesson = school.lesson_of(held)
    assert (lesson.status, lesson.taken, lesson.cancel_reason, lesson.sequence) == (CANCELLED, 0, "ill", 5)
    assert [event.by_company for event in school.heard.of(events.SeatCancelled)] == [True, True]
    assert [(event.tenant_id, event.lesson_id) for event in school.heard.of(events.LessonCancelled)] == [
        (school.tenant_id, lesson_id)
    ]
    assert (occupied(school), school.balance("customer_funds")) == (0, 0)
    with pytest.raises(CannotCancel):
        school.do(lambda: service.cancel_lesson(queries.lesson(lesson_id), by="Tina", reason=None))


def dispute(school: School, seat_id: int, status: str, ref: str = "dp_1") -> None:
    def work() -> None:
        seat = queries.seat(seat_id)
        order = payments.order_of_line(seat.line_id or 0)
        (payment,) = payments.payments_of(order.id)
        seen = ProviderDispute(
            id=ref,
            payment_id=payment.provider_ref or "",
            status=status,
            reason="fraudulent",
            amount_minor=payment.amount_minor,
            currency="EUR",
        )
        payment_service.record_dispute(payment.id, seen)

    school.do(work)


def test_a_disputed_payment_is_held_and_not_refunded(school: School) -> None:
    seat_id = school.book()
    dispute(school, seat_id, "needs_response")
    assert earning(school, seat_id).is_held
    with pytest.raises(DisputedPayment):
        school.cancel(seat_id)
    assert school.seat(seat_id).status == BOOKED
    lesson_id = school.seat(seat_id).lesson_id
    school.do(lambda: service.cancel_lesson(queries.lesson(lesson_id), by="Tina", reason="ill") and None)
    assert (school.seat(seat_id).status, refunds(school)) == (CANCELLED, [])


def test_after_a_dispute_earnings_go_on(school: School) -> None:
    seat_id = school.book()
    dispute(school, seat_id, "needs_response")
    dispute(school, seat_id, "won")
    assert not earning(school, seat_id).is_held
    assert (school.seat(seat_id).status, refunds(school)) == (BOOKED, [])


def test_one_of_two_disputes_won_frees_nothing_yet(school: School) -> None:
    seat_id = school.book()
    for ref in ("dp_1", "dp_2"):
        dispute(school, seat_id, "needs_response", ref)
    dispute(school, seat_id, "won", "dp_1")
    assert earning(school, seat_id).is_held
    dispute(school, seat_id, "won", "dp_2")
    assert not earning(school, seat_id).is_held


def test_a_lesson_called_off_in_a_dispute_is_refunded_once_the_dispute_is_won(school: School) -> None:
    seat_id = school.book()
    dispute(school, seat_id, "needs_response")
    lesson_id = school.seat(seat_id).lesson_id
    school.do(lambda: service.cancel_lesson(queries.lesson(lesson_id), by="Tina", reason=None) and None)
    assert (school.seat(seat_id).refund_minor, earning(school, seat_id).earned_at) == (0, None)
    dispute(school, seat_id, "won")
    dispute(school, seat_id, "won")
    assert school.do(lambda: service.refund_called_off(queries.seat(seat_id)).minor) == 0, "it has gone back"
    assert (refunds(school), asked_back(school)) == ([4000], [("Tina", "The lesson was cancelled")])
    assert (school.seat(seat_id).refund_minor, earning(school, seat_id).status) == (4000, "reversed")
    assert school.history("seat", seat_id)[-2:] == [("cancelled", None), ("refunded after a dispute", None)]
    assert [school.balance(code) for code in ("customer_funds", "tutor_pending")] == [0, 0]


def test_what_a_customer_cancelled_late_is_not_refunded_when_a_dispute_is_won(school: School) -> None:
    seat_id = school.book()
    with at(MONDAY - MINUTE):
        assert school.cancel(seat_id) == 2000
    dispute(school, seat_id, "needs_response")
    dispute(school, seat_id, "won")
    assert refunds(school) == [2000]


# -- Moving ------------------------------------------------------------------------------------------------


def test_a_moved_lesson_is_the_same_lesson_at_another_time(school: School) -> None:
    seat_id = school.book()
    school.move(seat_id, MONDAY + 30 * MINUTE)  # into its own old time
    seat = school.seat(seat_id)
    assert (seat.lesson.starts_at, seat.lesson.ends_at) == (MONDAY + 30 * MINUTE, MONDAY + 90 * MINUTE)
    assert (seat.moves, seat.lesson.sequence, seat.lesson.status) == (1, 2, SCHEDULED)
    assert occupied(school) == 2
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
    assert (seat.lesson.starts_at, seat.moves, occupied(school)) == (MONDAY, 0, 3)


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
        assert preview(school, seat_id, MONDAY - 20 * HOUR) == (2000, "late")
    with at(MONDAY + 3 * DAY):  # past the first start, days before the new one
        assert preview(school, seat_id, MONDAY + 3 * DAY) == (2000, "late")
        school.move(seat_id, MONDAY + 8 * DAY)
        assert preview(school, seat_id, MONDAY + 3 * DAY) == (2000, "late")
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
    assert occupied(school) == 3  # the tutor twice, and the student
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
    assert occupied(school) == 3  # the tutor twice, and the other


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
    assert occupied(school) == 2


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


# -- Marking -----------------------------------------------------------------------------------------------


def mark(school: School, seat_id: int, attended: bool) -> None:
    school.do(lambda: service.mark_attendance(queries.seat(seat_id), attended=attended) and None)


@pytest.mark.parametrize("attended", [True, False])
def test_came_or_not_it_is_earned(school: School, attended: bool) -> None:
    seat_id = school.book()
    with at(MONDAY + HOUR):
        mark(school, seat_id, attended)
    seat = school.seat(seat_id)
    assert (seat.status, seat.lesson.status) == (ATTENDED if attended else MISSED, DONE)
    assert (earning(school, seat_id).earned_at, seat.marked_at) == (MONDAY + HOUR, MONDAY + HOUR)
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
