"""What a customer gets back and what they may move, by the policy that their seat was booked under."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any, Protocol

from app.core.money import Money
from app.domains.booking.models import BOOKED, Seat
from app.domains.payments import policies as payments

HOLD_LIFE = dt.timedelta(minutes=10)
MAX_HOLDS = 3  # open at a time, per visitor or account
MARKED_AFTER = dt.timedelta(hours=24)  # nobody said anything: the lesson took place
MARKING_OPEN = dt.timedelta(days=7)  # after a lesson's end its attendance can be corrected

# In the copy of the policy that a seat keeps: the start that its refund is counted from, after a late move.
COUNTS_FROM = "counts_from"

WHOLE_BP = 10_000


@dataclass(frozen=True)
class Refundable:
    """What goes back, as a share in hundredths of a percent of the price. `why`: free (in time), late,
    by_company, or not_booked."""

    amount: Money
    share_bp: int
    why: str


class UnderPolicy(Protocol):
    """A seat, or what was read of one."""

    @property
    def policy(self) -> dict[str, Any]: ...


def counts_from(policy: dict[str, Any], lesson_start: dt.datetime) -> dt.datetime:
    """The start that a refund is counted from: the lesson's, or an earlier one it was moved from late."""
    kept = policy.get(COUNTS_FROM)
    return min(lesson_start, dt.datetime.fromisoformat(kept)) if kept else lesson_start


def refund_start(seat: UnderPolicy, lesson_start: dt.datetime) -> dt.datetime:
    """The last moment at which cancelling costs nothing."""
    return counts_from(seat.policy, lesson_start) - _minutes(seat, "free_until_minutes")


def is_late(seat: Seat, lesson_start: dt.datetime, at: dt.datetime) -> bool:
    """Whether cancelling costs something by now. The last moment itself is in time."""
    return at > refund_start(seat, lesson_start)


def refund_due(seat: Seat, lesson_start: dt.datetime, at: dt.datetime) -> Refundable:
    """What a customer who cancels at this moment gets back; for the preview and for the deed."""
    if seat.status != BOOKED:
        return Refundable(Money.zero(seat.currency), 0, "not_booked")
    if is_late(seat, lesson_start, at):
        share_bp = int(seat.policy["late_refund_bp"])
        return Refundable(_left(seat, share_bp), share_bp, "late")
    return Refundable(_left(seat, WHOLE_BP), WHOLE_BP, "free")


def full_refund(seat: Seat) -> Refundable:
    """What goes back when the company or the tutor cancels: all that was not given back before."""
    return Refundable(_left(seat, WHOLE_BP), WHOLE_BP, "by_company")


def _left(seat: Seat, share_bp: int) -> Money:
    """What the provider can't move to the last unit is rounded down, as it will be when it is sent."""
    due = seat.price.times_percent(share_bp) - Money(seat.refund_minor, seat.currency)
    return payments.in_steps(max(due, Money.zero(seat.currency)))


def why_not_cancelled(seat: Seat, lesson_start: dt.datetime, at: dt.datetime) -> str | None:
    """started, not_booked, or None where a customer may cancel."""
    if seat.status != BOOKED:
        return "not_booked"
    return "started" if at >= lesson_start else None


def why_not_moved(seat: Seat, lesson_start: dt.datetime, at: dt.datetime) -> str | None:
    """started, too_late, too_often, not_booked, or None where it may be moved."""
    if seat.status != BOOKED:
        return "not_booked"
    if at >= lesson_start:
        return "started"
    if at > move_deadline(seat, lesson_start):
        return "too_late"
    return "too_often" if seat.moves >= int(seat.policy["max_moves"]) else None


def may_move(seat: Seat, lesson_start: dt.datetime, at: dt.datetime) -> bool:
    return why_not_moved(seat, lesson_start, at) is None


def move_deadline(seat: UnderPolicy, lesson_start: dt.datetime) -> dt.datetime:
    """The last moment at which it may be moved."""
    return lesson_start - _minutes(seat, "move_until_minutes")


def policy_after_move(
    seat: Seat, *, before: dt.datetime, after: dt.datetime, at: dt.datetime
) -> dict[str, Any]:
    """The seat's policy once it is moved. A lesson that is moved when cancelling costs something already
    stays so: its refund is counted from the earlier start. Moved in time, it begins anew."""
    policy = {name: value for name, value in seat.policy.items() if name != COUNTS_FROM}
    if is_late(seat, before, at):
        policy[COUNTS_FROM] = min(counts_from(seat.policy, before), after).isoformat()
    return policy


def _minutes(seat: UnderPolicy, name: str) -> dt.timedelta:
    return dt.timedelta(minutes=int(seat.policy[name]))
