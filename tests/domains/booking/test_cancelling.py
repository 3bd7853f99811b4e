"""Cancelling: what goes back, what stays earned, what a dispute keeps, and which doors are closed when."""

from __future__ import annotations

import datetime as dt

import pytest

from app.core.db import db
from app.core.scope import tenant_scope
from app.domains.booking import events, queries, service
from app.domains.booking.errors import (
    CannotCancel,
)
from app.domains.booking.models import (
    BOOKED,
    CANCELLED,
    SCHEDULED,
)
from app.domains.catalog.models import CancellationPolicy
from app.domains.payments.errors import DisputedPayment
from app.domains.payments.models import Refund
from tests.domains.booking.support import (
    DAY,
    HOUR,
    MINUTE,
    MONDAY,
    School,
    at,
)


def refunds(school: School) -> list[int]:
    with tenant_scope(school.tenant_id):
        return [row.amount_minor for row in db.session.query(Refund).order_by(Refund.id)]


def asked_back(school: School) -> list[tuple[str, str]]:
    """Who had money sent back, and why."""
    with tenant_scope(school.tenant_id):
        return [(row.requested_by, row.reason) for row in db.session.query(Refund).order_by(Refund.id)]


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
        assert school.preview(seat_id, MONDAY - before) == (amount, why)
        assert school.cancel(seat_id) == amount
    seat = school.seat(seat_id)
    assert (seat.status, seat.refund_minor, seat.cancelled_by, seat.cancel_reason) == (
        CANCELLED, amount, "Sam", "ill",
    )  # fmt: skip
    assert (seat.lesson.status, seat.lesson.taken, seat.lesson.cancel_reason) == (CANCELLED, 0, "ill")
    assert seat.lesson.sequence == told + 2, "calendars hear of the seat and of the end"
    assert (refunds(school), school.occupied()) == ([amount], 0)
    (event,) = school.heard.of(events.SeatCancelled)
    assert (event.tenant_id, event.seat_id) == (school.tenant_id, seat_id)
    assert (event.refund_minor, event.by_company) == (amount, False)
    assert seat.cancelled_at == MONDAY - before
    assert [school.history(*of)[-1] for of in (("seat", seat_id), ("lesson", seat.lesson_id))] == [
        ("cancelled", "ill")
    ] * 2
    assert school.balance("customer_funds") == 0
    found = school.earning(seat_id)
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
    assert (refunds(school), school.earning(seat_id).status) == ([], "reversed")


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
    assert school.occupied() == 2  # the tutor and the other
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
    assert (school.occupied(), school.balance("customer_funds")) == (0, 0)
    with pytest.raises(CannotCancel):
        school.do(lambda: service.cancel_lesson(queries.lesson(lesson_id), by="Tina", reason=None))


def test_a_disputed_payment_is_held_and_not_refunded(school: School) -> None:
    seat_id = school.book()
    school.dispute(seat_id, "needs_response")
    assert school.earning(seat_id).is_held
    with pytest.raises(DisputedPayment):
        school.cancel(seat_id)
    assert school.seat(seat_id).status == BOOKED
    lesson_id = school.seat(seat_id).lesson_id
    school.do(lambda: service.cancel_lesson(queries.lesson(lesson_id), by="Tina", reason="ill") and None)
    assert (school.seat(seat_id).status, refunds(school)) == (CANCELLED, [])


def test_after_a_dispute_earnings_go_on(school: School) -> None:
    seat_id = school.book()
    school.dispute(seat_id, "needs_response")
    school.dispute(seat_id, "won")
    assert not school.earning(seat_id).is_held
    assert (school.seat(seat_id).status, refunds(school)) == (BOOKED, [])


def test_one_of_two_disputes_won_frees_nothing_yet(school: School) -> None:
    seat_id = school.book()
    for ref in ("dp_1", "dp_2"):
        school.dispute(seat_id, "needs_response", ref)
    school.dispute(seat_id, "won", "dp_1")
    assert school.earning(seat_id).is_held
    school.dispute(seat_id, "won", "dp_2")
    assert not school.earning(seat_id).is_held


def test_a_lesson_called_off_in_a_dispute_is_refunded_once_the_dispute_is_won(school: School) -> None:
    seat_id = school.book()
    school.dispute(seat_id, "needs_response")
    lesson_id = school.seat(seat_id).lesson_id
    school.do(lambda: service.cancel_lesson(queries.lesson(lesson_id), by="Tina", reason=None) and None)
    assert (school.seat(seat_id).refund_minor, school.earning(seat_id).earned_at) == (0, None)
    school.dispute(seat_id, "won")
    school.dispute(seat_id, "won")
    assert school.do(lambda: service.refund_called_off(queries.seat(seat_id)).minor) == 0, "it has gone back"
    assert (refunds(school), asked_back(school)) == ([4000], [("Tina", "The lesson was cancelled")])
    assert (school.seat(seat_id).refund_minor, school.earning(seat_id).status) == (4000, "reversed")
    assert school.history("seat", seat_id)[-2:] == [("cancelled", None), ("refunded after a dispute", None)]
    assert [school.balance(code) for code in ("customer_funds", "tutor_pending")] == [0, 0]


def test_what_a_customer_cancelled_late_is_not_refunded_when_a_dispute_is_won(school: School) -> None:
    seat_id = school.book()
    with at(MONDAY - MINUTE):
        assert school.cancel(seat_id) == 2000
    school.dispute(seat_id, "needs_response")
    school.dispute(seat_id, "won")
    assert refunds(school) == [2000]
