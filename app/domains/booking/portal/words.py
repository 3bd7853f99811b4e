"""What a booking means, in sentences: its price, its policy, what can still be done and until when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import format_decimal, ngettext
from flask_babel import gettext as _

from app.core import clock
from app.core.locales import reader_locale
from app.core.money import Money
from app.core.web.pages import Cell
from app.domains.booking import policies
from app.domains.booking.models import (
    ATTENDED,
    BOOKED,
    CANCELLED,
    DONE,
    HELD,
    LESSON_STATUS,
    MISSED,
    SCHEDULED,
    SEAT_STATUS,
    Lesson,
    Seat,
)
from app.domains.booking.policies.refunds import WHOLE_BP
from app.domains.booking.portal.times import moment_words
from app.domains.booking.queries.reserved import SeatReserved
from app.domains.catalog.policies import minutes_in_words

TONES = {
    HELD: "warning",
    BOOKED: "success",
    SCHEDULED: "success",
    ATTENDED: "info",
    DONE: "info",
    MISSED: "warning",
    CANCELLED: "danger",
}


def money_words(amount: Money) -> str:
    return amount.format(reader_locale())


def price_words(amount: Money) -> str:
    return money_words(amount) if amount.minor else _("Free")


def percent_words(basis_points: int) -> str:
    return _("%(number)s%%", number=format_decimal(basis_points / 100))


def duration_words(minutes: int) -> str:
    return minutes_in_words(minutes)


def seat_badge(seat: Seat, lesson: Lesson, now: dt.datetime) -> Cell:
    """Once its time is over a lesson is not to come any more, also where nobody has said yet who came."""
    if _is_unmarked(seat, lesson, now):
        return _over()
    return Cell("badge", SEAT_STATUS[seat.status], tone=TONES.get(seat.status, "secondary"))


def attendance_badge(seat: Seat, lesson: Lesson, now: dt.datetime) -> Cell:
    """Of one who is in it, for who teaches: what they have not said yet."""
    if _is_unmarked(seat, lesson, now):
        return Cell("badge", _("Not marked yet"), tone=TONES[HELD])
    return seat_badge(seat, lesson, now)


def _is_unmarked(seat: Seat, lesson: Lesson, now: dt.datetime) -> bool:
    return seat.status == BOOKED and lesson.ends_at <= now


def lesson_badge(lesson: Lesson, now: dt.datetime) -> Cell:
    """As of a seat."""
    if lesson.status == SCHEDULED and lesson.ends_at <= now:
        return _over()
    return Cell("badge", LESSON_STATUS[lesson.status], tone=TONES.get(lesson.status, "secondary"))


def _over() -> Cell:
    return Cell("badge", _("Over"), tone=TONES[DONE])


def policy_sentences(policy: Mapping[str, Any]) -> list[str]:
    """“Free cancellation until 24 hours before. After that half is refunded.” and how it can be moved."""
    late, free_until = int(policy["late_refund_bp"]), int(policy["free_until_minutes"])
    if free_until:
        until = _("Free cancellation until %(time)s before the lesson.", time=minutes_in_words(free_until))
        found = [until, _late_words(late)]
    else:
        found = [_("Free cancellation until the lesson begins.")]
    return [*found, _move_words(policy)]


def _late_words(late_refund_bp: int) -> str:
    if not late_refund_bp:
        return _("After that nothing is refunded.")
    if late_refund_bp == WHOLE_BP:
        return _("After that you still get everything back, until the lesson begins.")
    return _(
        "After that %(share)s is refunded, until the lesson begins.", share=percent_words(late_refund_bp)
    )


def _only_late_words(late_refund_bp: int) -> str:
    if not late_refund_bp:
        return _("If you cancel, nothing is refunded.")
    return _("If you cancel, %(share)s is refunded.", share=percent_words(late_refund_bp))


def _move_words(policy: Mapping[str, Any]) -> str:
    most, until = int(policy["max_moves"]), int(policy["move_until_minutes"])
    if not most:
        return _("It can't be moved to another time.")
    times = ngettext("once", "up to %(num)s times", most)
    if not until:
        return _("You can move it %(times)s, until it begins.", times=times)
    return _("You can move it %(times)s, until %(time)s before.", times=times, time=minutes_in_words(until))


# -- What can still be done --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Possible:
    """Whether something can be done with a booked seat now, and the sentences that say until when or why
    not."""

    is_possible: bool
    sentences: Sequence[str]


def cancelling(seat: Seat, now: dt.datetime, zone: str) -> Possible:
    starts_at = seat.lesson.starts_at
    why = policies.why_not_cancelled(seat, starts_at, now)
    if why is not None:
        return Possible(False, _why_not_cancelled(seat, why, zone))
    if not seat.price_minor:
        return Possible(True, [_("You can cancel until the lesson begins. It cost nothing.")])
    free_until = policies.refund_start(seat, starts_at)
    late = int(seat.policy["late_refund_bp"])
    if not policies.is_late(seat, starts_at, now):
        found = [_("You can cancel free of charge until %(time)s.", time=moment_words(free_until, zone))]
        return Possible(True, [*found, _late_words(late)] if free_until < starts_at else found)
    due = policies.refund_due(seat, starts_at, now)
    over = _("Free cancellation ended: %(time)s.", time=moment_words(free_until, zone))
    if policies.COUNTS_FROM in seat.policy:
        over += " " + _("The lesson was moved after that, so its former time still counts.")
    if not due.amount.minor:
        return Possible(True, [over, _("You can still cancel, but nothing is refunded.")])
    back = _(
        "If you cancel now, you get %(amount)s of %(price)s back.",
        amount=money_words(due.amount),
        price=money_words(seat.price),
    )
    return Possible(True, [over, back])


def _why_not_cancelled(seat: Seat, why: str, zone: str) -> list[str]:
    if why == "started":
        begun = _("It began: %(time)s.", time=moment_words(seat.lesson.starts_at, zone))
        return [_("The lesson has begun, so it can't be cancelled any more."), begun]
    if seat.status == CANCELLED:
        return [_("This lesson is cancelled.")]
    return [_("The lesson is over, so there is nothing to cancel.")]


def moving(seat: Seat, now: dt.datetime, zone: str) -> Possible:
    starts_at = seat.lesson.starts_at
    until = moment_words(policies.move_deadline(seat, starts_at), zone)
    why = policies.why_not_moved(seat, starts_at, now)
    if why is None:
        left = ngettext("once more", "%(num)s more times", int(seat.policy["max_moves"]) - seat.moves)
        return Possible(True, [_("You can move it %(times)s, until %(time)s.", time=until, times=left)])
    return Possible(False, _why_not_moved(seat, why, until, zone))


def moving_notes(seat: Seat, now: dt.datetime, zone: str) -> list[str]:
    """What somebody should know who is about to move a lesson, or why they can't."""
    found = moving(seat, now, zone)
    if not found.is_possible or not policies.is_late(seat, seat.lesson.starts_at, now):
        return list(found.sentences)
    late = _("Free cancellation is over for this lesson, and moving it does not bring it back.")
    return [*found.sentences, late]


def _why_not_moved(seat: Seat, why: str, until: str, zone: str) -> list[str]:
    """The rule that is in the way, and when it began to be."""
    if why == "too_late":
        found = [_("The time to move it ended: %(time)s.", time=until)]
        minutes = int(seat.policy["move_until_minutes"])
        if minutes:
            rule = _("It could be moved until %(time)s before it begins.", time=minutes_in_words(minutes))
            found.append(rule)
        return found
    if why == "too_often":
        if not int(seat.policy["max_moves"]):
            return [_("This lesson can't be moved."), _("It was booked under terms that allow no moves.")]
        moved = ngettext("It was moved once.", "It was moved %(num)s times.", seat.moves)
        return [moved, _("More is not possible.")]
    if why == "started":
        begun = _("It began: %(time)s.", time=moment_words(seat.lesson.starts_at, zone))
        return [_("The lesson has begun, so it can't be moved any more."), begun]
    if seat.status == CANCELLED:
        return [_("This lesson is cancelled.")]
    return [_("The lesson is over, so it can't be moved any more.")]


# -- Why it is so much -------------------------------------------------------------------------------------


def refund_sentences(seat: Seat, due: policies.Refundable, zone: str) -> list[str]:
    """Why that much goes back to whoever cancels at this moment: the rule, when it changed, and the sum."""
    if not seat.price_minor:
        return [_("The lesson cost nothing, so there is nothing to give back.")]
    free_until = moment_words(policies.refund_start(seat, seat.lesson.starts_at), zone)
    if due.why == "free":
        found = _("You get everything back: free cancellation is possible until %(time)s.", time=free_until)
        return [found]
    found = [_over_words(seat, free_until)]
    if policies.COUNTS_FROM in seat.policy:
        found.append(_("The lesson was moved after that, so its former time still counts."))
    if due.share_bp and not seat.refund_minor:
        found.append(_sum_words(seat, due))
    return found


def _over_words(seat: Seat, free_until: str) -> str:
    share_bp = int(seat.policy["late_refund_bp"])
    if not share_bp:
        return _("Free cancellation ended: %(time)s. After that nothing is refunded.", time=free_until)
    return _(
        "Free cancellation ended: %(time)s. After that %(share)s is refunded.",
        time=free_until,
        share=percent_words(share_bp),
    )


def _sum_words(seat: Seat, due: policies.Refundable) -> str:
    return _(
        "%(share)s of %(price)s is %(amount)s.",
        share=percent_words(due.share_bp),
        price=money_words(seat.price),
        amount=money_words(due.amount),
    )


def refunded_sentences(seat: Seat, zone: str) -> list[str]:
    """When a seat was cancelled, and why that much went back."""
    if seat.status != CANCELLED or seat.cancelled_at is None:
        return []
    cancelled = _("Cancelled: %(time)s.", time=moment_words(seat.cancelled_at, zone))
    if not seat.price_minor:
        return [cancelled]
    free_until = policies.refund_start(seat, seat.lesson.starts_at)
    if seat.refund_minor == seat.price_minor:
        if seat.cancelled_at <= free_until:
            free = moment_words(free_until, zone)
            return [cancelled, _("That was in time: cancelling cost nothing until %(time)s.", time=free)]
        return [cancelled, _("All of the price was given back.")]
    return [cancelled, _over_words(seat, moment_words(free_until, zone))]


def deadlines(seat: SeatReserved, zone: str) -> list[str]:
    """What the policy comes to for this lesson, by the calendar: for whoever is about to pay."""
    starts_at = seat.starts_at
    free_until = policies.refund_start(seat, starts_at)
    late = int(seat.policy["late_refund_bp"])
    if not seat.price_minor:
        found = [_("It costs nothing. You can cancel until the lesson begins.")]
    elif free_until <= clock.now():
        found = [_("It is too late for a free cancellation already."), _only_late_words(late)]
    else:
        found = [_("Free cancellation until %(time)s.", time=moment_words(free_until, zone))]
        if free_until < starts_at:
            found.append(_late_words(late))
    most, last = int(seat.policy["max_moves"]), policies.move_deadline(seat, starts_at)
    if not most:
        return [*found, _("It can't be moved to another time.")]
    if last > clock.now():
        often = ngettext("once", "up to %(num)s times", most)
        when = moment_words(last, zone)
        found.append(_("You can move it %(times)s, until %(time)s.", times=often, time=when))
    return found
