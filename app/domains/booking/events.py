"""What booking announces."""

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True)
class SeatHeld(Event):
    seat_id: int


@dataclass(frozen=True)
class SeatBooked(Event):
    """Paid and confirmed."""

    seat_id: int


@dataclass(frozen=True)
class SeatMoved(Event):
    seat_id: int
    move_id: int


@dataclass(frozen=True)
class SeatCancelled(Event):
    """By customer, tutor or company; `refund_minor` is what goes back. `sequence` is the calendar's."""

    seat_id: int
    refund_minor: int
    by_company: bool


@dataclass(frozen=True)
class SeatLost(Event):
    """Paid too late, and the time was taken meanwhile: the money goes back by itself."""

    seat_id: int
    order_id: int


@dataclass(frozen=True)
class SeatReleased(Event):
    """A hold ran out or was given up: the time is free again."""

    seat_id: int


@dataclass(frozen=True)
class SeatMarked(Event):
    """Attended or missed."""

    seat_id: int
    attended: bool


@dataclass(frozen=True)
class LessonScheduled(Event):
    """A group class got a date."""

    lesson_id: int


@dataclass(frozen=True)
class LessonCancelled(Event):
    lesson_id: int


@dataclass(frozen=True)
class AvailabilityChanged(Event):
    tutor_id: int
