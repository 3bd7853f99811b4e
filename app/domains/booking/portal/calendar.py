"""A seat as calendars know it; the mails name the same event by the same uid."""

from __future__ import annotations

from flask import current_app
from flask_babel import gettext as _

from app.core import ics
from app.core.web.site import site
from app.domains.booking.models import CANCELLED, Seat

_PER_MOVE = 1_000  # the lesson that a seat is moved to may have been changed less often than its former one
_CANCELLED = 500


def of_seat(seat: Seat, sender: ics.Party, reader: ics.Attendee) -> bytes:
    lesson = seat.lesson
    people = _("%(student)s with %(tutor)s", student=seat.student or "", tutor=lesson.tutor)
    invite = ics.Invite(
        uid=f"seat-{seat.id}@{_host()}",
        sequence=_sequence(seat),
        starts_at=lesson.starts_at,
        ends_at=lesson.ends_at,
        zone=lesson.timezone,
        summary=lesson.offering.title,
        description=f"{people}\n{lesson.variant.name}",
        location=lesson.place or "",
        url=f"{site().url}/learn/lessons/{seat.code}",
        organizer=sender,
        attendees=(reader,),
        cancelled=seat.status == CANCELLED,
    )
    return ics.invitation(invite)


def _host() -> str:
    """The company's name in the installation: its own domains may come and go."""
    return f"{site().slug}.{current_app.extensions['settings'].BASE_DOMAIN}"


def _sequence(seat: Seat) -> int:
    """Rises with each move, with each change of its lesson, and when it is cancelled."""
    return (
        seat.moves * _PER_MOVE
        + min(seat.lesson.sequence, _CANCELLED - 1)
        + (_CANCELLED if seat.status == CANCELLED else 0)
    )
