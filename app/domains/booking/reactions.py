"""What booking does about payments, in the transaction that says so; and it tells the catalogue who came."""

from __future__ import annotations

from flask_babel import gettext as _

from app.domains.booking import queries, service
from app.domains.booking.events import SeatMarked
from app.domains.booking.models import ATTENDED, HELD, Seat
from app.domains.booking.service.seats import KIND
from app.domains.catalog import service as catalog
from app.domains.earnings import service as earnings
from app.domains.payments import queries as payments
from app.domains.payments.events import (
    DisputeClosed,
    DisputeOpened,
    OrderExpired,
    OrderPaid,
    RefundFailed,
    RefundRequested,
)


def on_order_paid(event: OrderPaid) -> None:
    """Each seat that was paid for is booked, or its money goes back."""
    for line in payments.lines_of(event.order_id):
        if line.kind != KIND:
            continue
        places = queries.places_of_line(line.id)
        for place in places:
            service.confirm_seat(place, line=line, was_expired=event.was_expired)
        if not places:
            service.give_back_line(line, reason=_("Another order for the same place was paid or is open."))


def on_order_expired(event: OrderExpired) -> None:
    """A hold ends with its order."""
    for line in payments.lines_of(event.order_id):
        for seat in queries.seats_of_line(line.id):
            if seat.status == HELD:
                service.lapse_hold(seat)


def on_dispute_opened(event: DisputeOpened) -> None:
    """What a bank took back does not become anybody's until it is decided."""
    for seat_id in _sold_in(event.dispute_id):
        earnings.hold(seat_id)


def on_dispute_closed(event: DisputeClosed) -> None:
    """Won or lost: a loss is the company's, what the tutor earned stays theirs. What the company called off
    meanwhile goes back once it has the money again."""
    for seat_id in _sold_in(event.dispute_id):
        if queries.is_disputed(seat_id):  # there can be several about one payment
            continue
        earnings.unhold(seat_id)
        if event.won:
            service.refund_called_off(queries.seat(seat_id))


def on_seat_marked(event: SeatMarked) -> None:
    """Who came may say how it was; who did not after all, may not any more."""
    if event.attended:
        _note_participation(queries.seat(event.seat_id))
    else:
        catalog.take_back_participation(event.seat_id)


def on_refund_changed(event: RefundRequested | RefundFailed) -> None:
    """A price that goes back as a whole takes the right to review with it, until that fails."""
    for seat in queries.seats_of_line(payments.refund(event.refund_id).line_id):
        if seat.status == ATTENDED:
            _note_participation(queries.seat(seat.id))


def _note_participation(seat: Seat) -> None:
    assert seat.line_id is not None, "who came had paid"
    assert seat.student_id is not None
    line = payments.line(seat.line_id)
    if line.gross_minor and line.refunded_minor >= line.gross_minor:
        catalog.take_back_participation(seat.id)
        return
    catalog.note_participation(
        source_id=seat.id,
        offering_id=seat.lesson.offering_id,
        student_id=seat.student_id,
        happened_at=seat.lesson.starts_at,
    )


def _sold_in(dispute_id: int) -> list[int]:
    """The seats that the disputed payment bought; each has its earning."""
    return [
        seat.id
        for line in queries.lines_of_dispute(dispute_id)
        for seat in queries.seats_of_line(line.id)
        if seat.booked_at is not None
    ]
