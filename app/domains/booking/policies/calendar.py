"""How calendars know a lesson. They tell events apart by their uid, and believe the highest sequence.

Who learns has one event for each seat, wherever it is moved to; so has the tutor of a lesson for one. A
class is one event, whoever is in it. The file that a seat's page offers says the same as the mail.
"""

from __future__ import annotations

from app.domains.booking.models import CANCELLED, Lesson, Seat

_PER_MOVE = 1_000  # the lesson that a seat is moved to may have been changed less often than its former one
_CANCELLED = 500


def uid_of_seat(seat: Seat, host: str) -> str:
    return f"seat-{seat.id}@{host}"


def uid_of_lesson(lesson: Lesson, host: str) -> str:
    return f"lesson-{lesson.id}@{host}"


def sequence_of_seat(seat: Seat) -> int:
    """Rises with each move, with each change of its lesson, and when it is cancelled."""
    return (
        seat.moves * _PER_MOVE
        + min(seat.lesson.sequence, _CANCELLED - 1)
        + (_CANCELLED if seat.status == CANCELLED else 0)
    )


def sequence_of_lesson(lesson: Lesson) -> int:
    """Booking raises it with each change, and with the end."""
    return lesson.sequence
