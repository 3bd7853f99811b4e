"""A seat as calendars know it; the mails name the same event by the same uid."""

from __future__ import annotations

from flask import current_app
from flask_babel import gettext as _

from app.core import ics
from app.core.web.site import site
from app.domains.booking.models import CANCELLED, Seat
from app.domains.booking.policies import calendar


def of_seat(seat: Seat, sender: ics.Party, reader: ics.Attendee) -> bytes:
    """The calendar file of a seat, for one reader."""
    lesson = seat.lesson
    people = _("%(student)s with %(tutor)s", student=seat.student or "", tutor=lesson.tutor)
    invite = ics.Invite(
        uid=calendar.uid_of_seat(seat, _host()),
        sequence=calendar.sequence_of_seat(seat),
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
