"""Writes of booking, one function per verb; a module per noun."""

from app.domains.booking.service.attendance import auto_mark, mark_attendance
from app.domains.booking.service.availability import (
    NewTerms,
    Stretch,
    remove_override,
    set_override,
    set_schedule,
    set_week,
)
from app.domains.booking.service.cancel import cancel_lesson, cancel_seat, refund_called_off
from app.domains.booking.service.holds import hold_seat, hold_slot, lapse_hold, release_hold, renew_hold
from app.domains.booking.service.moves import move_seat
from app.domains.booking.service.seats import begin_checkout, confirm_seat, give_back_line
from app.domains.booking.service.sessions import schedule_session

__all__ = [
    "NewTerms",
    "Stretch",
    "auto_mark",
    "begin_checkout",
    "cancel_lesson",
    "cancel_seat",
    "confirm_seat",
    "give_back_line",
    "hold_seat",
    "hold_slot",
    "lapse_hold",
    "mark_attendance",
    "move_seat",
    "refund_called_off",
    "release_hold",
    "remove_override",
    "renew_hold",
    "schedule_session",
    "set_override",
    "set_schedule",
    "set_week",
]
