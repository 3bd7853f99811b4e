"""Whether somebody came. Both is earned: who does not come without cancelling has had their place."""

from __future__ import annotations

from app.core import clock
from app.core.audit import note
from app.core.events import announce
from app.core.states import move_to
from app.domains.booking import events, policies, queries
from app.domains.booking.errors import MarkingClosed, NotBooked, NotYet
from app.domains.booking.models import ATTENDED, BOOKED, DONE, MISSED, SCHEDULED, Lesson, Seat
from app.domains.booking.service.occupation import forget_past, lock_seat
from app.domains.earnings import service as earnings


def mark_attendance(seat: Seat, *, attended: bool) -> Seat:
    """Say whether they came; it can be corrected until a week after the lesson. Raises NotYet before it
    begins, MarkingClosed, NotBooked."""
    seat, lesson = lock_seat(seat)
    state, now = ATTENDED if attended else MISSED, clock.now()
    if seat.status not in {BOOKED, ATTENDED, MISSED}:
        raise NotBooked
    if now < lesson.starts_at:
        raise NotYet
    if seat.status == state:
        return seat
    if seat.status != BOOKED and now > lesson.ends_at + policies.MARKING_OPEN:
        raise MarkingClosed
    _mark(seat, lesson, state)
    _finish(lesson)
    return seat


def auto_mark(lesson: Lesson) -> int:
    """Nobody said anything for a day: everybody came. How many seats that were."""
    lesson = _locked(lesson)
    if lesson.status != SCHEDULED or clock.now() < lesson.ends_at + policies.MARKED_AFTER:
        return 0
    seats = queries.seats_for_update([lesson.id], [BOOKED])
    for seat in seats:
        _mark(seat, lesson, ATTENDED, reason="nobody said anything")
    _finish(lesson)
    return len(seats)


def _locked(lesson: Lesson) -> Lesson:
    queries.lock_people([lesson.tutor_id, *queries.students_of(lesson.id)])
    return queries.lesson_for_update(lesson.id)


def _mark(seat: Seat, lesson: Lesson, state: str, *, reason: str | None = None) -> None:
    move_to(seat, state)
    seat.marked_at = clock.now()
    note(seat, state, reason=reason)
    earnings.start_clearing(seat_id=seat.id, ended_at=lesson.ends_at)
    announce(events.SeatMarked(tenant_id=seat.tenant_id, seat_id=seat.id, attended=state == ATTENDED))


def _finish(lesson: Lesson) -> None:
    """A lesson took place once everybody in it was marked and its time is over."""
    if lesson.status != SCHEDULED or clock.now() < lesson.ends_at:
        return
    if not queries.seats_for_update([lesson.id], [BOOKED]):
        move_to(lesson, DONE)
        note(lesson, "took place")
        forget_past(lesson)
