"""Cancelling: a seat by its customer, by the policy it was booked under; a lesson by tutor or company, with
everything given back."""

from __future__ import annotations

from flask_babel import gettext as _

from app.core import clock
from app.core.audit import note
from app.core.crash import crash_point
from app.core.events import announce
from app.core.money import Money
from app.core.states import move_to
from app.domains.booking import events, policies, queries
from app.domains.booking.errors import CannotCancel
from app.domains.booking.models import BOOKED, CANCELLED, HELD, RELEASED, SCHEDULED, TAKING, Lesson, Seat
from app.domains.booking.policies import Refundable
from app.domains.booking.service.occupation import (
    end_hold,
    is_group,
    lock_seat,
    vacate,
    vacate_lesson,
)
from app.domains.earnings import queries as earning_queries
from app.domains.earnings import service as earnings
from app.domains.earnings.models import PENDING
from app.domains.payments import queries as payment_queries
from app.domains.payments import service as payments
from app.domains.payments.errors import DisputedPayment, NothingToRefund


def cancel_seat(seat: Seat, *, by: str, reason: str | None) -> Money:
    """A customer does not come: what `policies.refund_due` says goes back, the rest is earned. Returns what
    goes back. Raises CannotCancel (`data["why"]`), DisputedPayment."""
    queries.order_of_seat_for_update(seat.line_id)
    seat, lesson = lock_seat(seat)
    now = clock.now()
    why = policies.why_not_cancelled(seat, lesson.starts_at, now)
    if why is not None:
        raise CannotCancel(why=why)
    due = policies.refund_due(seat, lesson.starts_at, now)
    refunded = _refund(seat, due, by=by, reason=reason or _("Cancelled by the customer"))
    crash_point("cancel.refunded")
    if due.amount < seat.price:
        # What was not given back is earned as if the lesson had taken place.
        earnings.start_clearing(seat_id=seat.id, ended_at=lesson.ends_at)
    _cancel(seat, refunded, by=by, reason=reason, by_company=False, lesson=lesson)
    if not is_group(lesson):
        _close(lesson, reason)
    return refunded


def cancel_lesson(lesson: Lesson, *, by: str, reason: str | None) -> Money:
    """Tutor or company call it off, also after it should have begun: every seat gets everything back, holds
    end. Returns what goes back in all. Raises CannotCancel unless it is to come and nobody was marked."""
    lesson = _lock_lesson(lesson)
    seats = queries.seats_for_update([lesson.id], TAKING)
    if lesson.status != SCHEDULED or any(seat.status not in {HELD, BOOKED} for seat in seats):
        raise CannotCancel
    total = Money.zero(lesson.variant.currency)
    for seat in seats:
        if seat.status == HELD:
            end_hold(seat, lesson, RELEASED, "released")
            continue
        refunded = _refund_all(seat, by=by, reason=reason or _("The lesson was cancelled"))
        _cancel(seat, refunded, by=by, reason=reason, by_company=True, lesson=lesson)
        total += refunded
        crash_point("call_off.refunded")
    _close(lesson, reason)
    return total


def refund_called_off(seat: Seat) -> Money:
    """A dispute kept the money of a seat back when its lesson was called off; it is over, and the customer
    gets everything back. Nothing of a seat that was not called off, or gave back what it had to."""
    queries.order_of_seat_for_update(seat.line_id)
    seat, _lesson = lock_seat(seat)
    earning = earning_queries.of_seat(seat.id)
    # What the customer cancelled is earned, or was given back.
    if seat.status != CANCELLED or earning is None or earning.status != PENDING or earning.earned_at:
        return Money.zero(seat.currency)
    refunded = _refund_all(seat, by=seat.cancelled_by or "", reason=_("The lesson was cancelled"))
    seat.refund_minor += refunded.minor
    note(seat, "refunded after a dispute")
    return refunded


def _lock_lesson(lesson: Lesson) -> Lesson:
    """Orders, people and the lesson, in the house's order."""
    for line_id in queries.lines_of_lesson(lesson.id):
        queries.order_of_seat_for_update(line_id)
    queries.lock_people([lesson.tutor_id, *queries.students_of(lesson.id)])
    return queries.lesson_for_update(lesson.id)


def _refund_all(seat: Seat, *, by: str, reason: str) -> Money:
    try:
        return _refund(seat, policies.full_refund(seat), by=by, reason=reason)
    except (DisputedPayment, NothingToRefund):
        # Its bank has the money: it can't go back twice, and that must not keep the lesson from being
        # called off. The earning stays held until the dispute is decided, see `refund_called_off`.
        return Money.zero(seat.currency)


def _refund(seat: Seat, due: Refundable, *, by: str, reason: str) -> Money:
    if due.amount.minor:
        assert seat.line_id is not None, "what is booked has its line"
        line = payment_queries.line(seat.line_id)
        payments.request_refund(line, amount=due.amount, reason=reason, by=by)
    if due.amount.minor or not seat.price_minor:
        earnings.give_back(seat_id=seat.id, amount=due.amount, reason=reason)
    return due.amount


def _cancel(
    seat: Seat, refunded: Money, *, by: str, reason: str | None, by_company: bool, lesson: Lesson
) -> None:
    move_to(seat, CANCELLED)
    seat.cancelled_at, seat.cancelled_by, seat.cancel_reason = clock.now(), by[:200], reason
    seat.refund_minor += refunded.minor
    note(seat, "cancelled", reason=reason)
    vacate(seat, lesson)
    lesson.taken -= 1
    lesson.sequence += 1
    announce(
        events.SeatCancelled(
            tenant_id=seat.tenant_id, seat_id=seat.id, refund_minor=refunded.minor, by_company=by_company
        )
    )


def _close(lesson: Lesson, reason: str | None) -> None:
    move_to(lesson, CANCELLED)
    lesson.cancel_reason = reason
    lesson.sequence += 1
    note(lesson, "cancelled", reason=reason)
    vacate_lesson(lesson)
    announce(events.LessonCancelled(tenant_id=lesson.tenant_id, lesson_id=lesson.id))
