"""Holding a time or a place for ten minutes, so that whoever pays gets what they chose."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from app.core import clock, scope
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
from app.domains.booking.queries import PlaceOfSeat, ToHold
from app.domains.booking.service.new_holds import new_hold, new_seat, place
from app.domains.booking.service.occupation import (
    end_hold,
    is_expired,
    is_group,
    lapse,
    lock_seat,
    prolong,
    slot_taken,
)
from app.domains.catalog.models import PUBLISHED
from app.domains.payments import service as payments
from app.domains.payments.models import OPEN

_AROUND = dt.timedelta(hours=8)  # the widest buffers of two lessons


def hold_slot(
    *,
    offering: policies.Sold,
    variant: policies.SoldVariant,
    starts_at: dt.datetime,
    actor: str,
    seen: ToHold | None = None,
) -> PlaceOfSeat:
    """Take a tutor's time for ten minutes. The same again by the same actor is the same hold, and one that
    they chose before and that is in the way goes. `seen` is what was read of all of this just now.
    Raises NotOffered, SlotTaken, TooManyHolds."""
    starts_at, duration = in_utc(starts_at), dt.timedelta(minutes=variant.duration_minutes)
    why, terms = queries.looked_at(offering, variant, starts_at, seen.timetable if seen else None)
    if why is not None:
        mine = queries.held_by(actor)
        known = _same_hold(mine, variant, starts_at)
        if known is not None:
            return known
        if why != "taken":
            raise NotOffered(why=why)
        if not mine:
            raise slot_taken(offering.tutor_id, duration, after=starts_at)  # without making anybody wait
    policy = seen.policy if seen else queries.policy_now(offering.id)
    assert terms is not None, "a time that is offered has a schedule"
    queries.lock_people([offering.tutor_id], actor=actor)
    # Its time runs from here: whoever waited for the locks has all of it.
    new = new_hold(offering, variant, starts_at, terms=terms, seat=new_seat(variant, actor, policy))
    held = new.write_alone()  # in one statement, since most people hold nothing else
    if held is None:
        mine = queries.held_by(actor)
        known = _same_hold(mine, variant, starts_at)
        if known is not None:
            return known
        if len(_after_giving_way(mine, offering, starts_at, starts_at + duration)) >= policies.MAX_HOLDS:
            raise TooManyHolds
        held = new.write()
    announce(events.SeatHeld(tenant_id=scope.tenant_id(), seat_id=held.id))
    return held


def hold_seat(*, lesson_id: int, actor: str) -> PlaceOfSeat:
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
            return queries.place_of_seat(held.id)
    if len(mine) >= policies.MAX_HOLDS:
        raise TooManyHolds
    lapse_expired_seats(lesson)
    if lesson.taken >= lesson.capacity:
        raise NoSeatLeft
    lesson.taken += 1
    seat = Seat(lesson=lesson, **new_seat(lesson.variant, actor, policy))
    db.session.add(seat)
    db.session.flush()  # its id goes into the event
    announce(events.SeatHeld(tenant_id=seat.tenant_id, seat_id=seat.id))
    return place(seat.id, seat.code, lesson.id, lesson.tutor_id, actor)


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
) -> PlaceOfSeat | None:
    """A second click on the same time, or the way back to it."""
    for held in mine:
        if held.variant_id == variant.id and held.starts_at == starts_at:
            return queries.place_of_seat(held.id)
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
