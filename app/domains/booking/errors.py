"""What booking refuses. `data["alternatives"]` of a taken time: the next free ones, as ISO 8601 in UTC."""

from flask_babel import lazy_gettext as _l

from app.core.errors import Conflict, Invalid, TooMany


class SlotTaken(Conflict):
    code, message = "slot_taken", _l("This time has just been taken. Please choose another one.")


class NoSeatLeft(Conflict):
    code, message = "no_seat_left", _l("The last seat has just been taken.")


class NotOffered(Invalid):
    """`data["why"]` is a code: past, notice, horizon, outside_hours, step, not_published, suspended, gap;
    by_date (a group class has dates, no slots), by_slot; cancelled and other_class where a place is moved."""

    code, message = "not_offered", _l("This time is not offered.")


class HoldExpired(Conflict):
    code, message = "hold_expired", _l("Your reservation has run out. Please choose a time again.")


class HoldNotRenewable(Conflict):
    code, message = "hold_not_renewable", _l("A reservation can be extended once only.")


class TooManyHolds(TooMany):
    code = "too_many_holds"
    message = _l("You have several reservations open already. Please finish or release one of them first.")


class TrialTaken(Conflict):
    code, message = (
        "trial_taken",
        _l("A trial lesson is for getting to know a tutor: everybody can take one with each."),
    )


class CannotCancel(Conflict):
    """`data["why"]`, of a seat: started, not_booked."""

    code, message = "cannot_cancel", _l("This lesson can't be cancelled any more.")


class CannotMove(Conflict):
    """`data["why"]`: started, too_late, too_often, not_booked, same_time."""

    code, message = "cannot_move", _l("This lesson can't be moved any more.")


class NotYet(Conflict):
    code, message = "not_yet", _l("Attendance can be marked once the lesson has begun.")


class SkippedTime(Invalid):
    code, message = "skipped_time", _l("The clocks skip this time on that day.")


class NotBooked(Conflict):
    code, message = "not_booked", _l("This place is not booked.")


class MarkingClosed(Conflict):
    code, message = "marking_closed", _l("Attendance can be corrected until a week after the lesson.")
