"""“How was it?”: what learners came to and have said nothing about yet, asked where they look anyway."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from app.domains.booking.models import ATTENDED, Seat
from app.domains.catalog.queries import reviews

MOST = 3


@dataclass(frozen=True)
class Ask:
    title: str
    tutor: str
    student: str
    url: str


def asks(learner_ids: Collection[int], *, named: bool) -> Sequence[Ask]:
    """The latest few; one statement."""
    return [
        Ask(
            found.offering.title,
            found.offering.tutor.full_name,
            found.student.full_name if named else "",
            review_url(found.student.id, found.offering.id),
        )
        for found in reviews.to_review(list(learner_ids), limit=MOST)
    ]


def review_url_of(seat: Seat) -> str | None:
    """Where this lesson can be reviewed; of what was not attended, or was refunded, nowhere."""
    if seat.status != ATTENDED or seat.student_id is None:
        return None
    offering_id = seat.lesson.offering_id
    if not reviews.took_part(seat.student_id, offering_id):
        return None
    return review_url(seat.student_id, offering_id)


def review_url(student_id: int, offering_id: int) -> str:
    return f"/learn/reviews/{student_id}/{offering_id}"
