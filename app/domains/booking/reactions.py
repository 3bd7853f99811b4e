"""What booking does about payments, in the transaction that says so."""

from __future__ import annotations

from flask_babel import gettext as _

from app.domains.booking import queries, service
from app.domains.booking.models import HELD
from app.domains.booking.service.seats import KIND
from app.domains.earnings import service as earnings
from app.domains.payments import queries as payments
from app.domains.payments.events import DisputeClosed, DisputeOpened, OrderExpired, OrderPaid


def on_order_paid(event: OrderPaid) -> None:
    """Each seat that was paid for is booked, or its money goes back."""
    for line in payments.lines_of(event.order_id):
        if line.kind != KIND:
            continue
        seats = queries.seats_of_line(line.id)
        for seat in seats:
            service.confirm_seat(seat, line=line, was_expired=event.was_expired)
        if not seats:
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


def _sold_in(dispute_id: int) -> list[int]:
    """The seats that the disputed payment bought; each has its earning."""
    return [
        seat.id
        for line in queries.lines_of_dispute(dispute_id)
        for seat in queries.seats_of_line(line.id)
        if seat.booked_at is not None
    ]
