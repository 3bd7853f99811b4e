"""From a held seat to a booked one, and what becomes of money that comes late."""

from __future__ import annotations

import datetime as dt
import threading

import psycopg
import pytest

from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.booking import events, jobs, queries, service
from app.domains.booking.errors import HoldExpired, SlotTaken, TrialTaken
from app.domains.booking.models import BOOKED, HELD, LAPSED, RELEASED, SCHEDULED, Occupation
from app.domains.catalog.models import GROUP, TRIAL, Offering, TaxRate
from app.domains.earnings import queries as earnings
from app.domains.payments import queries as payments
from app.domains.payments import service as payment_service
from app.domains.payments.models import EXPIRED, OPEN, PAID, Order, Refund
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
from tests.support.databases import Database


def order(school: School, order_id: int) -> Order:
    with tenant_scope(school.tenant_id):
        return payments.order(order_id)


def refunded(school: School) -> list[int]:
    with tenant_scope(school.tenant_id):
        return [row.amount_minor for row in db.session.query(Refund).order_by(Refund.id)]


def sent_back(school: School) -> list[tuple[str, str]]:
    """By whom, and why."""
    with tenant_scope(school.tenant_id):
        return [(row.requested_by, row.reason) for row in db.session.query(Refund).order_by(Refund.id)]


def earned(school: School, seat_id: int) -> tuple[str, int] | None:
    with tenant_scope(school.tenant_id):
        found = earnings.of_seat(seat_id)
        return (found.status, found.gross_minor) if found else None


def test_the_whole_way(school: School) -> None:
    with school.inside() as session:
        session.add(TaxRate(name="VAT", code="DE19", rate_bp=1900))
        session.flush()
        school.offering.tax_rate_id = session.query(TaxRate).one().id
    seat_id = school.hold()
    order_id = school.checkout(seat_id)
    with tenant_scope(school.tenant_id):
        (line,) = payments.lines_of(order_id)
    assert (line.kind, line.gross_minor, line.tax_rate_bp, line.tax_code) == ("seat", 4000, 1900, "DE19")
    assert line.description.startswith("Maths")
    assert line.description.endswith(", Hour, 18 Jan 2027, 10:00 (Europe/Berlin)")
    placed = order(school, order_id)
    assert (placed.expires_at, placed.payer_id) == (NOW + 10 * MINUTE, school.payer_id)
    assert (placed.actor, placed.locale, line.quantity) == (f"u:{seat_id}", "en", 1)
    school.pay(order_id)
    seat = school.seat(seat_id)
    assert [verb for verb, _reason in school.history("seat", seat_id)] == [
        "created",
        "student chosen",
        "booked",
    ]
    assert (seat.status, seat.student_id, seat.payer_id) == (BOOKED, school.student_id, school.payer_id)
    assert (seat.booked_at, seat.expires_at, seat.line_id) == (NOW, None, line.id)
    assert (seat.lesson.status, seat.lesson.sequence) == (SCHEDULED, 1)
    (event,) = school.heard.of(events.SeatBooked)
    assert (event.tenant_id, event.seat_id) == (school.tenant_id, seat_id)
    with tenant_scope(school.tenant_id):
        earning = earnings.of_seat(seat_id)
        assert earning is not None
    assert (earning.status, earning.gross_minor, earning.tax_minor) == ("pending", 4000, line.tax_minor)
    assert (earning.tutor_id, earning.tax_rate_bp) == (school.tutor_id, 1900)
    assert (earning.description, earning.platform_fee_bp) == (line.description, 500)
    assert school.balance("customer_funds") == 0
    assert school.balance("tax_payable") == -line.tax_minor
    with at(NOW + DAY):
        jobs.lapse_holds()
        with pytest.raises(SlotTaken):
            school.hold(actor="v:b")


def test_the_same_checkout_is_the_same_order(school: School) -> None:
    seat_id = school.hold()
    order_id = school.checkout(seat_id)
    assert school.checkout(seat_id) == order_id
    assert [verb for verb, _reason in school.history("seat", seat_id)] == ["created", "student chosen"]
    with tenant_scope(school.tenant_id):
        (line,) = payments.lines_of(order_id)
    assert (line.tax_rate_bp, line.tax_code) == (0, "")


def test_another_student_can_be_chosen_until_it_is_paid(school: School) -> None:
    seat_id = school.hold()
    first = school.checkout(seat_id)
    assert school.checkout(seat_id, school.other_id) == first
    assert school.seat(seat_id).student_id == school.other_id
    # The first one's time is free again.
    group = school.do(lambda: add_group_of_somebody_else(school))
    place = school.hold_seat(group, "v:b")
    assert school.checkout(place, school.student_id)


def add_group_of_somebody_else(school: School) -> int:
    from app.domains.accounts.models import Person

    person = Person(full_name="Theo Tutor")
    db.session.add(person)
    db.session.flush()
    add_hours(person.id)
    offering_id, _variant_id = add_offering(person.id, kind=GROUP, capacity=5)
    offering = db.session.get_one(Offering, offering_id)
    return service.schedule_session(
        offering=offering, variant=offering.variants[0], starts_at=MONDAY, capacity=5
    ).id


def test_a_student_is_in_one_place(school: School) -> None:
    group = school.do(lambda: add_group_of_somebody_else(school))
    school.book()
    place = school.hold_seat(group, "v:b")
    with pytest.raises(SlotTaken) as refused:
        school.checkout(place)
    assert "has another lesson" in str(refused.value)
    # Free for the student, too.
    assert refused.value.data["alternatives"][0] == (MONDAY + HOUR).isoformat()
    assert school.seat(place).student_id is None
    assert school.checkout(place, school.other_id)


def test_a_tutor_is_not_their_own_student(school: School) -> None:
    seat_id = school.hold()
    with pytest.raises(SlotTaken):
        school.checkout(seat_id, school.tutor_id)


def test_another_payer_gets_another_order_and_the_first_is_dead(school: School) -> None:
    seat_id = school.hold()
    first = school.checkout(seat_id)
    payment_id = school.start_payment(first)
    school.payer_id = school.student_id
    second = school.checkout(seat_id)
    assert second != first
    assert (order(school, first).status, order(school, second).status) == ("cancelled", OPEN)
    # Both are paid all the same: one seat, and the other money goes back.
    school.pay(second)
    school.capture(payment_id)
    assert school.seat(seat_id).status == BOOKED
    assert refunded(school) == [4000]
    assert sent_back(school) == [("WeMaster", "Another order for the same place was paid or is open.")]
    assert school.heard.of(events.SeatLost) == []
    # Nor does the seat follow who comes with the first order's line once it is locked.
    with tenant_scope(school.tenant_id):
        (line,) = payments.lines_of(first)
    booked = school.do(
        lambda: service.confirm_seat(queries.seat(seat_id), line=payments.line(line.id), was_expired=False)
    )
    assert (booked, school.seat(seat_id).status, refunded(school)) == (False, BOOKED, [4000])


def test_what_ran_out_is_not_checked_out(school: School) -> None:
    seat_id = school.hold()
    with at(NOW + 10 * MINUTE), pytest.raises(HoldExpired):
        school.checkout(seat_id)


def test_a_free_trial_is_booked_without_a_provider(school: School) -> None:
    with school.inside():
        school.offering_id, school.variant_id = add_offering(school.tutor_id, kind=TRIAL, price=0)
    seat_id = school.hold()
    order_id = school.checkout(seat_id)
    school.pay_free(order_id)
    assert school.seat(seat_id).status == BOOKED
    assert earned(school, seat_id) == ("pending", 0)


def test_a_trial_is_taken_once_with_each_tutor(school: School) -> None:
    """What costs nothing could otherwise fill a tutor's calendar for good."""
    with school.inside():
        school.offering_id, school.variant_id = add_offering(school.tutor_id, kind=TRIAL, price=0)
    first = school.hold()
    school.pay_free(school.checkout(first))
    again = school.hold(MONDAY + DAY)
    with pytest.raises(TrialTaken):
        school.checkout(again)
    school.pay_free(school.checkout(again, school.other_id))
    assert school.seat(again).status == BOOKED
    school.cancel(first)
    school.pay_free(school.checkout(school.hold(MONDAY + 2 * DAY)))


# -- Late money --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [599, 600, 601])
@pytest.mark.parametrize("is_lapsed", [False, True])
def test_late_money_gets_what_is_still_free(school: School, seconds: int, is_lapsed: bool) -> None:
    seat_id = school.hold()
    payment_id = school.start_payment(school.checkout(seat_id))
    with at(NOW + dt.timedelta(seconds=seconds)):
        if is_lapsed:
            jobs.lapse_holds()
            assert school.seat(seat_id).status == (HELD if seconds < 600 else LAPSED)
        school.capture(payment_id)
        seat = school.seat(seat_id)
        assert (seat.status, seat.lesson.status, seat.lesson.taken) == (BOOKED, SCHEDULED, 1)
        assert (seat.expires_at, len(school.heard.of(events.SeatBooked))) == (None, 1)
        assert school.history("seat", seat_id)[-1][0] == ("booked" if seconds < 600 else "booked late")
        assert refunded(school) == []
        with pytest.raises(SlotTaken):
            school.hold(actor="v:b")


@pytest.mark.parametrize("seconds", [600, 601])
def test_money_that_comes_too_late_goes_back_by_itself(school: School, seconds: int) -> None:
    seat_id = school.hold()
    order_id = school.checkout(seat_id)
    payment_id = school.start_payment(order_id)
    with at(NOW + dt.timedelta(seconds=seconds)):
        taken_by = school.hold(actor="v:b")
        school.capture(payment_id)
        school.capture(payment_id)
    assert (school.seat(seat_id).status, school.seat(taken_by).status) == (LAPSED, HELD)
    assert order(school, order_id).status == PAID
    assert refunded(school) == [4000]
    assert sent_back(school) == [("WeMaster", "The time was taken before the payment arrived.")]
    assert school.history("seat", seat_id)[-1] == ("lapsed", None)
    assert [(e.seat_id, e.order_id) for e in school.heard.of(events.SeatLost)] == [(seat_id, order_id)]
    assert earned(school, seat_id) is None
    assert school.balance("customer_funds") == 0
    assert school.balance("refunds_pending") == -4000


def test_partly_overlapping_is_taken_too(school: School) -> None:
    seat_id = school.hold()
    payment_id = school.start_payment(school.checkout(seat_id))
    with at(NOW + 10 * MINUTE):
        school.hold(MONDAY + 30 * MINUTE, actor="v:b")
        school.capture(payment_id)
    assert refunded(school) == [4000]


def test_late_money_and_a_student_who_is_somewhere_else(school: School) -> None:
    seat_id = school.hold()
    payment_id = school.start_payment(school.checkout(seat_id))
    with at(NOW + 10 * MINUTE):
        group = school.do(lambda: add_group_of_somebody_else(school))
        school.book_place(group, actor="v:b")
        school.capture(payment_id)
    assert school.seat(seat_id).status == LAPSED
    assert refunded(school) == [4000]


def test_late_money_and_a_student_who_was_booked_past_the_locks(school: School, database: Database) -> None:
    """The constraint has the last word, and what was taken beside is given up again."""
    seat_id = school.hold()
    payment_id = school.start_payment(school.checkout(seat_id))
    elsewhere = school.session(MONDAY + DAY)
    with at(NOW + 10 * MINUTE):
        jobs.lapse_holds()
        with psycopg.connect(database.superuser_url.replace("+psycopg", "")) as other:
            other.execute(
                "INSERT INTO occupation (tenant_id, resource_kind, resource_id, during, lesson_id)"
                " VALUES (%s, 'student', %s, tstzrange(%s, %s), %s)",
                [school.tenant_id, school.student_id, MONDAY, MONDAY + HOUR, elsewhere],
            )
            commits = threading.Timer(0.3, other.commit)
            commits.start()
            school.capture(payment_id)
            commits.join()
    assert (school.seat(seat_id).status, refunded(school)) == (LAPSED, [4000])
    with tenant_scope(school.tenant_id):
        left = db.session.query(Occupation.lesson_id, Occupation.resource_kind).order_by(Occupation.id).all()
    assert left == [(elsewhere, "tutor"), (elsewhere, "student")]


def test_money_that_comes_after_the_lesson_began_goes_back(school: School) -> None:
    seat_id = school.hold()
    payment_id = school.start_payment(school.checkout(seat_id))
    with at(MONDAY):
        school.capture(payment_id)
    assert (school.seat(seat_id).status, refunded(school)) == (LAPSED, [4000])


def test_late_money_for_the_last_place_of_a_class(school: School) -> None:
    lesson_id = school.session(capacity=1)
    first = school.hold_seat(lesson_id)
    paid_late = school.start_payment(school.checkout(first))
    with at(NOW + 10 * MINUTE):
        second = school.hold_seat(lesson_id, "v:b")
        school.capture(paid_late)
        assert (school.seat(first).status, refunded(school)) == (LAPSED, [4000])
        school.pay(school.checkout(second, school.other_id))
    assert school.seat(second).status == BOOKED
    assert school.lesson_of(second).taken == 1


def test_late_money_for_a_place_that_nobody_has_cleared_away_yet(school: School) -> None:
    lesson_id = school.session(capacity=1)
    seat_id = school.hold_seat(lesson_id)
    paid_late = school.start_payment(school.checkout(seat_id))
    with at(NOW + 11 * MINUTE):
        school.capture(paid_late)
    assert (school.seat(seat_id).status, school.lesson_of(seat_id).taken, refunded(school)) == (BOOKED, 1, [])


def test_late_money_for_a_class_with_room(school: School) -> None:
    lesson_id = school.session(capacity=2)
    first = school.hold_seat(lesson_id)
    paid_late = school.start_payment(school.checkout(first))
    with at(NOW + 11 * MINUTE):
        jobs.lapse_holds()
        school.hold_seat(lesson_id, "v:b")
        school.capture(paid_late)
    assert (school.seat(first).status, school.lesson_of(first).taken) == (BOOKED, 2)


def test_money_for_a_class_that_was_called_off_goes_back(school: School) -> None:
    lesson_id = school.session(capacity=2)
    seat_id = school.hold_seat(lesson_id)
    payment_id = school.start_payment(school.checkout(seat_id))
    school.do(lambda: service.cancel_lesson(queries.lesson(lesson_id), by="Tina", reason="ill") and None)
    assert school.seat(seat_id).status == RELEASED
    school.capture(payment_id)
    assert (school.seat(seat_id).status, refunded(school)) == (RELEASED, [4000])


def test_a_hold_ends_with_its_order(school: School) -> None:
    seat_id = school.hold()
    order_id = school.checkout(seat_id)
    with at(NOW + 10 * MINUTE):
        school.do(lambda: payment_service.expire_order(payments.order(order_id)) and None)
        assert (school.seat(seat_id).status, order(school, order_id).status) == (LAPSED, EXPIRED)
        payment = school.hold(MONDAY + HOUR, actor="v:b")
    assert payment


def test_confirming_again_changes_nothing(school: School) -> None:
    seat_id = school.book()
    with tenant_scope(school.tenant_id), transaction():
        seat = queries.seat(seat_id)
        assert seat.line_id is not None
        line = payments.line(seat.line_id)
        assert service.confirm_seat(seat, line=line, was_expired=True)
    assert (school.lesson_of(seat_id).sequence, len(school.heard.of(events.SeatBooked))) == (1, 1)
    assert school.balance("customer_funds") == 0
