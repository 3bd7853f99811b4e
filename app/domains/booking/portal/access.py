"""Who may see a lesson: its student, who pays for it and who answers for the student; and its tutor. For
everybody else there is none."""

from __future__ import annotations

from collections.abc import Sequence

from app.core.errors import NotFound
from app.core.viewer import Viewer
from app.core.web.viewing import on_tenant, signed_in
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import GUARDIAN, TUTOR, Person
from app.domains.booking import queries
from app.domains.booking.forms import LESSON_CODE, SEAT_CODE
from app.domains.booking.models import ATTENDED, BOOKED, CANCELLED, MISSED, Lesson, Seat

THEIRS = frozenset({BOOKED, ATTENDED, MISSED, CANCELLED})


def member() -> tuple[Viewer, int]:
    """The viewer and who they are here. Raises NotFound for an operator on a visit."""
    on_tenant()
    who = signed_in()
    if who.person_id is None:
        raise NotFound
    return who, who.person_id


def tutor() -> tuple[Viewer, int]:
    """The viewer, who teaches here. Raises NotFound."""
    who, person_id = member()
    if TUTOR not in who.role_keys:
        raise NotFound
    return who, person_id


def children(who: Viewer, person_id: int) -> Sequence[Person]:
    return accounts.children_of(person_id) if GUARDIAN in who.role_keys else ()


def own_seat(code: str) -> Seat:
    """What is or was booked for the viewer, by them, or for a child of theirs. Raises NotFound."""
    who, person_id = member()
    if not SEAT_CODE.fullmatch(code.upper()):
        raise NotFound
    seat = queries.seat_by_code(code.upper())
    if seat.status not in THEIRS:
        raise NotFound
    if person_id in {seat.student_id, seat.payer_id}:
        return seat
    if seat.student_id in {child.id for child in children(who, person_id)}:
        return seat
    raise NotFound


def own_lesson(code: str) -> Lesson:
    """A lesson that the viewer teaches. Raises NotFound."""
    _who, person_id = tutor()
    if not LESSON_CODE.fullmatch(code.upper()):
        raise NotFound
    lesson = queries.lesson_by_code(code.upper())
    if lesson.tutor_id != person_id:
        raise NotFound
    return lesson
