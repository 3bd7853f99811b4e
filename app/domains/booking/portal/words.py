"""What a booking means, in sentences: its price, its policy, what can still be done and until when."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import format_decimal, get_locale, ngettext
from flask_babel import gettext as _

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
    return amount.format(get_locale() or "en")


def price_words(amount: Money) -> str:
    return money_words(amount) if amount.minor else _("Free")


def percent_words(basis_points: int) -> str:
    return _("%(number)s%%", number=format_decimal(basis_points / 100))


def duration_words(minutes: int) -> str:
    return minutes_in_words(minutes)


def seat_badge(seat: Seat) -> Cell:
    return Cell("badge", SEAT_STATUS[seat.status], tone=TONES.get(seat.status, "secondary"))


def lesson_badge(lesson: Lesson) -> Cell:
    return Cell("badge", LESSON_STATUS[lesson.status], tone=TONES.get(lesson.status, "secondary"))


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
        return Possible(False, [_why_not_cancelled(seat, why)])
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


def _why_not_cancelled(seat: Seat, why: str) -> str:
    if why == "started":
        return _("The lesson has begun, so it can't be cancelled any more.")
    if seat.status == CANCELLED:
        return _("This lesson is cancelled.")
    return _("The lesson is over, so there is nothing to cancel.")


def moving(seat: Seat, now: dt.datetime, zone: str) -> Possible:
    starts_at = seat.lesson.starts_at
    most = int(seat.policy["max_moves"])
    until = moment_words(policies.move_deadline(seat, starts_at), zone)
    why = policies.why_not_moved(seat, starts_at, now)
    if why is None:
        left = ngettext("once more", "%(num)s more times", most - seat.moves)
        return Possible(True, [_("You can move it %(times)s, until %(time)s.", time=until, times=left)])
    if why == "too_late":
        return Possible(False, [_("The time to move it ended: %(time)s.", time=until)])
    if why == "too_often":
        if not most:
            return Possible(False, [_("This lesson can't be moved.")])
        moved = ngettext("It was moved once.", "It was moved %(num)s times.", seat.moves)
        return Possible(False, [moved, _("More is not possible.")])
    if why == "started":
        return Possible(False, [_("The lesson has begun, so it can't be moved any more.")])
    return Possible(False, [])


def refund_sentence(seat: Seat, due: policies.Refundable, zone: str) -> str:
    """Why it is so much."""
    if not seat.price_minor:
        return _("The lesson cost nothing, so there is nothing to give back.")
    free_until = moment_words(policies.refund_start(seat, seat.lesson.starts_at), zone)
    if due.why == "free":
        return _("You get everything back: free cancellation is possible until %(time)s.", time=free_until)
    if not due.share_bp:
        return _("Free cancellation ended: %(time)s. After that nothing is refunded.", time=free_until)
    return _(
        "Free cancellation ended: %(time)s. After that %(share)s is refunded.",
        time=free_until,
        share=percent_words(due.share_bp),
    )
