"""Holding a time or a place for ten minutes, so that whoever pays gets what they chose."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

from app.core import clock, ids
from app.core.audit import note
from app.core.db import db
from app.core.events import announce
from app.domains.booking import events, policies, queries
from app.domains.booking.errors import (
    HoldExpired,
    HoldNotRenewable,
    NoSeatLeft,
    NotOffered,
    TooManyHolds,
)
from app.domains.booking.models import HELD, RELEASED, SCHEDULED, Lesson, Seat
from app.domains.booking.service.occupation import (
    end_hold,
    is_expired,
    is_group,
    lapse,
    lock_seat,
    occupy,
    prolong,
    slot_taken,
    tutor_claim,
)
from app.domains.catalog.models import PUBLISHED
from app.domains.payments import service as payments
from app.domains.payments.models import OPEN

LESSON_CODE, SEAT_CODE = 10, 40  # characters, random
_AROUND = dt.timedelta(hours=8)  # the widest buffers of two lessons


def hold_slot(
    *,
    offering: policies.Sold,
    variant: policies.SoldVariant,
    starts_at: dt.datetime,
    actor: str,
    policy: Mapping[str, Any] | None = None,
) -> Seat:
    """Take a tutor's time for ten minutes. The same again by the same actor is the same hold, and one that
    they chose before and that is in the way goes. `policy` is the offering's, of who has read it just now.
    Raises NotOffered, SlotTaken, TooManyHolds."""
    starts_at, duration = in_utc(starts_at), dt.timedelta(minutes=variant.duration_minutes)
    why, terms = queries.looked_at(offering, variant, starts_at)
    if why is not None:
        mine = queries.held_by(actor)
        known = _same_hold(mine, variant, starts_at)
        if known is not None:
            return known
        if why != "taken":
            raise NotOffered(why=why)
        if not mine:
            raise slot_taken(offering.tutor_id, duration, after=starts_at)  # without making anybody wait
    if policy is None:
        policy = queries.policy_now(offering.id)
    queries.lock_people([offering.tutor_id], actor=actor)
    mine = queries.held_by(actor)
    known = _same_hold(mine, variant, starts_at)
    if known is not None:
        return known
    if len(_after_giving_way(mine, offering, starts_at, starts_at + duration)) >= policies.MAX_HOLDS:
        raise TooManyHolds
    assert terms is not None, "a time that is offered has a schedule"
    lesson = _new_lesson(offering, variant, starts_at, duration, terms.timezone)
    seat = _new_seat(lesson, variant, actor, policy)
    if not occupy(lesson, [tutor_claim(lesson, terms)], expires_at=seat.expires_at):
        raise slot_taken(offering.tutor_id, duration, after=starts_at)
    announce(events.SeatHeld(tenant_id=seat.tenant_id, seat_id=seat.id))
    return seat


def hold_seat(*, lesson_id: int, actor: str) -> Seat:
    """Take a place in a group class for ten minutes. A place that the same actor has chosen nobody for yet
    is the same hold. Raises NoSeatLeft, NotOffered, TooManyHolds, NotFound."""
    queries.lock_people([], actor=actor)
    # What can be known before: whoever has the lesson keeps everybody waiting who wants a place in it.
    mine = queries.held_by(actor)
    policy, is_closed = queries.class_to_hold(lesson_id)
    lesson = queries.lesson_for_update(lesson_id)
    why = "suspended" if is_closed else _why_not_open(lesson)
    if why is not None:
        raise NotOffered(why=why)
    for held in mine:
        if held.lesson_id == lesson.id and held.student_id is None:
            return queries.seat(held.id)
    if len(mine) >= policies.MAX_HOLDS:
        raise TooManyHolds
    lapse_expired_seats(lesson)
    if lesson.taken >= lesson.capacity:
        raise NoSeatLeft
    lesson.taken += 1
    seat = _new_seat(lesson, lesson.variant, actor, policy)
    announce(events.SeatHeld(tenant_id=seat.tenant_id, seat_id=seat.id))
    return seat


def renew_hold(seat: Seat) -> Seat:
    """Ten more minutes from now, once, also for the order that is being paid. Raises HoldNotRenewable,
    HoldExpired."""
    order = queries.order_of_seat_for_update(seat.line_id)
    seat, lesson = lock_seat(seat)
    check_held(seat)
    if seat.renewals:
        raise HoldNotRenewable
    seat.renewals = 1
    seat.expires_at = clock.now() + policies.HOLD_LIFE
    note(seat, "hold renewed")
    prolong(seat, lesson, expires_at=seat.expires_at)
    if order is not None and order.status == OPEN:
        payments.renew_order(order, expires_at=seat.expires_at)
    return seat


def release_hold(seat: Seat) -> None:
    """Give a hold up; an order for it that nobody paid is cancelled. Nothing where it is over already."""
    order = queries.order_of_seat_for_update(seat.line_id)
    seat, lesson = lock_seat(seat)
    if seat.status != HELD:
        return
    end_hold(seat, lesson, RELEASED, "released")
    if order is not None and order.status == OPEN:
        payments.cancel_order(order)


def lapse_hold(seat: Seat) -> bool:
    """End a hold whose time is over; False where it is not (renewed, booked, gone)."""
    seat, lesson = lock_seat(seat)
    if seat.status != HELD or not is_expired(seat):
        return False
    lapse(seat, lesson)
    return True


def lapse_expired_seats(lesson: Lesson) -> None:
    """The places of a locked lesson that nobody paid in time are free again."""
    for seat in queries.seats_for_update([lesson.id], [HELD]):
        if is_expired(seat):
            lapse(seat, lesson)


def check_held(seat: Seat) -> None:
    """Raises HoldExpired, also for one that was released."""
    if seat.status != HELD or is_expired(seat):
        raise HoldExpired


def check_may_hold(actor: str) -> None:
    """Raises TooManyHolds for whoever holds as much as anybody may."""
    if len(queries.held_by(actor)) >= policies.MAX_HOLDS:
        raise TooManyHolds


def in_utc(starts_at: dt.datetime) -> dt.datetime:
    """Raises NotOffered for a time that its zone's clocks skip, and for one that nobody can mean."""
    if starts_at.tzinfo is None:
        raise ValueError("a time needs its zone")
    try:
        found = starts_at.astimezone(dt.UTC)
    except OverflowError:  # the calendar's last day
        raise NotOffered(why="horizon") from None
    why = policies.why_out_of_sight(found, clock.now())
    if why is not None:
        raise NotOffered(why=why)
    if found.astimezone(starts_at.tzinfo).replace(tzinfo=None) != starts_at.replace(tzinfo=None):
        raise NotOffered(why="gap")
    return found


def _same_hold(
    mine: Sequence[queries.Held], variant: policies.SoldVariant, starts_at: dt.datetime
) -> Seat | None:
    """A second click on the same time, or the way back to it."""
    for held in mine:
        if held.variant_id == variant.id and held.starts_at == starts_at:
            return queries.seat(held.id)
    return None


def _after_giving_way(
    mine: Sequence[queries.Held], offering: policies.Sold, starts_at: dt.datetime, ends_at: dt.datetime
) -> list[queries.Held]:
    """Whoever changes their mind about the time must not be in their own way: what they hold of this tutor
    around it, and have chosen nobody for, is released. What they hold then."""
    around = policies.Interval(starts_at - _AROUND, ends_at + _AROUND)
    kept = []
    for held in mine:
        theirs = policies.Interval(held.starts_at, held.ends_at)
        is_slot = held.lesson_status == HELD and held.tutor_id == offering.tutor_id
        if not is_slot or held.line_id is not None or not theirs.overlaps(around):
            kept.append(held)
            continue
        lesson = queries.lesson_for_update(held.lesson_id)
        seat = queries.seat_for_update(held.id)
        if seat.status == HELD and seat.line_id is None:
            end_hold(seat, lesson, RELEASED, "released")
    return kept


def _why_not_open(lesson: Lesson) -> str | None:
    """Why nobody can take a place in this lesson."""
    if not is_group(lesson) or lesson.offering.status != PUBLISHED or lesson.status != SCHEDULED:
        return "not_published"
    return "past" if lesson.starts_at <= clock.now() else None


def _new_lesson(
    offering: policies.Sold,
    variant: policies.SoldVariant,
    starts_at: dt.datetime,
    duration: dt.timedelta,
    timezone: str,
) -> Lesson:
    """Written together with its seat."""
    return Lesson(
        code=ids.code(LESSON_CODE),
        offering_id=offering.id,
        variant_id=variant.id,
        tutor_id=offering.tutor_id,
        status=HELD,
        starts_at=starts_at,
        ends_at=starts_at + duration,
        timezone=timezone,
        capacity=1,
        taken=1,
    )


def _new_seat(lesson: Lesson, variant: policies.SoldVariant, actor: str, policy: Mapping[str, Any]) -> Seat:
    """Price and policy as they stand now: what is changed later changes nothing for this seat."""
    seat = Seat(
        code=ids.code(SEAT_CODE),
        lesson=lesson,
        actor=actor,
        status=HELD,
        expires_at=clock.now() + policies.HOLD_LIFE,
        price_minor=variant.price_minor,
        currency=variant.currency,
        policy=dict(policy),
    )
    db.session.add(seat)
    db.session.flush()  # its id goes into the event, the lesson's into the occupation
    return seat
