"""What each mail says. A letter reads the rows as they are when it is written; where it makes no sense any
more (the lesson is cancelled by now), there is none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

from flask_babel import gettext as _

from app.core import clock, ics
from app.core.events import Delivery
from app.domains.booking import queries as booking
from app.domains.booking.models import BOOKED, CANCELLED, Lesson, Seat
from app.domains.booking.policies import calendar
from app.domains.catalog.models import APPROVED, GROUP, RETURNED, SUBMITTED
from app.domains.notifications import queries
from app.domains.notifications.events import MailDue
from app.domains.notifications.jobs import mailing
from app.domains.notifications.jobs.mailing import Letter, Place, Reader, money_words
from app.domains.payments.models import SUCCEEDED
from app.domains.payments.service.receipts import number_of

_MAIL = "notifications/mail/"
Write = Callable[[int, Reader, Place], Letter | None]


def send_mail(delivery: Delivery) -> None:
    """One mail to one person, or none where it makes no sense any more. Raises what the provider raises."""
    due: MailDue = delivery.event
    addressed = mailing.addressed(due.person_id)
    if addressed is None:
        return
    to, at = addressed
    with mailing.worded_for(to):
        letter = LETTERS[due.letter](due.subject_id, to, at)
        if letter is not None:
            mailing.send(delivery, letter, to=to, at=at)


# -- Lessons ---------------------------------------------------------------------------------------------


def booked(seat_id: int, to: Reader, at: Place) -> Letter | None:
    seat = queries.seat(seat_id)
    if seat.status != BOOKED:
        return None
    return Letter(
        _MAIL + "booked",
        _("Booked: %(title)s", title=seat.lesson.offering.title),
        f"/learn/lessons/{seat.code}",
        _lesson_words(seat, to, at),
        _invite_of_seat(seat, to, at),
    )


def booked_tutor(seat_id: int, to: Reader, at: Place) -> Letter | None:
    seat = queries.seat(seat_id)
    if seat.status != BOOKED:
        return None
    return Letter(
        _MAIL + "booked_tutor",
        _("New booking: %(title)s with %(student)s", title=seat.lesson.offering.title, student=seat.student),
        f"/teach/lessons/{seat.lesson.code}",
        _lesson_words(seat, to, at, for_tutor=True),
        _invite_of_tutor(seat, to, at),
    )


def moved(move_id: int, to: Reader, at: Place) -> Letter | None:
    return _moved(move_id, to, at, for_tutor=False)


def moved_tutor(move_id: int, to: Reader, at: Place) -> Letter | None:
    return _moved(move_id, to, at, for_tutor=True)


def _moved(move_id: int, to: Reader, at: Place, *, for_tutor: bool) -> Letter | None:
    move = queries.move(move_id)
    seat = queries.seat(move.seat_id)
    lesson = seat.lesson
    if seat.status != BOOKED or lesson.starts_at != move.to_starts_at:
        return None  # it was moved once more, or cancelled: the next mail says how it is
    words = _lesson_words(seat, to, at, for_tutor=for_tutor)
    words["former"] = mailing.moment_words(move.from_starts_at, to.timezone)
    if for_tutor:
        subject = _("%(student)s moved %(title)s", student=seat.student, title=lesson.offering.title)
        invite = _invite_of_tutor(seat, to, at)
        return Letter(_MAIL + "moved_tutor", subject, f"/teach/lessons/{lesson.code}", words, invite)
    subject = _("Moved: %(title)s", title=lesson.offering.title)
    return Letter(
        _MAIL + "moved", subject, f"/learn/lessons/{seat.code}", words, _invite_of_seat(seat, to, at)
    )


def cancelled(seat_id: int, to: Reader, at: Place) -> Letter | None:
    seat = queries.seat(seat_id)
    if seat.status != CANCELLED:
        return None
    words = _lesson_words(seat, to, at)
    words["refund"] = money_words(seat.refund_minor, seat.currency) if seat.refund_minor else ""
    words["was_paid"] = seat.price_minor > 0
    words["reason"] = seat.cancel_reason or seat.lesson.cancel_reason or ""
    return Letter(
        _MAIL + "cancelled",
        _("Cancelled: %(title)s", title=seat.lesson.offering.title),
        f"/learn/lessons/{seat.code}",
        words,
        _invite_of_seat(seat, to, at),
    )


def cancelled_tutor(seat_id: int, to: Reader, at: Place) -> Letter | None:
    seat = queries.seat(seat_id)
    if seat.status != CANCELLED:
        return None
    words = _lesson_words(seat, to, at, for_tutor=True)
    words["reason"] = seat.cancel_reason or ""
    return Letter(
        _MAIL + "cancelled_tutor",
        _("Cancelled: %(title)s with %(student)s", title=seat.lesson.offering.title, student=seat.student),
        f"/teach/lessons/{seat.lesson.code}",
        words,
        # A class goes on without them.
        None if _is_class(seat.lesson) else _invite_of_tutor(seat, to, at),
    )


def class_cancelled(lesson_id: int, to: Reader, at: Place) -> Letter | None:
    lesson = queries.lesson(lesson_id)
    if lesson.status != CANCELLED:
        return None
    words = {
        "title": lesson.offering.title,
        "time": mailing.span_words(lesson.starts_at, lesson.ends_at, to.timezone),
        "reason": lesson.cancel_reason or "",
    }
    return Letter(
        _MAIL + "class_cancelled",
        _("Cancelled: your class %(title)s", title=lesson.offering.title),
        f"/teach/lessons/{lesson.code}",
        words,
        _invite_of_lesson(lesson, to, at),
    )


def lost(seat_id: int, to: Reader, at: Place) -> Letter | None:
    seat = queries.seat(seat_id)
    lesson = seat.lesson
    words = _lesson_words(seat, to, at)
    words["refund"] = money_words(seat.price_minor, seat.currency) if seat.price_minor else ""
    words["alternatives"] = [
        mailing.moment_words(dt.datetime.fromisoformat(start), to.timezone) for start in _alternatives(seat)
    ]
    subject = _("Sorry: %(title)s was taken before your payment came", title=lesson.offering.title)
    return Letter(_MAIL + "lost", subject, f"/o/{lesson.offering.slug}", words)


def _alternatives(seat: Seat) -> list[str]:
    """The next free times with the same tutor; a class has dates of its own."""
    lesson = seat.lesson
    if _is_class(lesson):
        return []
    return booking.alternatives(
        lesson.tutor_id,
        lesson.ends_at - lesson.starts_at,
        after=clock.now(),
        student_id=seat.student_id,
        count=3,
    )


# -- Money -----------------------------------------------------------------------------------------------


def refunded(refund_id: int, to: Reader, at: Place) -> Letter | None:
    refund = queries.refund(refund_id)
    if refund.status != SUCCEEDED:
        return None
    amount = money_words(refund.amount_minor, refund.currency)
    return Letter(
        _MAIL + "refunded",
        _("Your refund of %(amount)s", amount=amount),
        f"/orders/{refund.line.order.code}",
        {"amount": amount, "title": refund.line.description},
    )


def receipt(receipt_id: int, to: Reader, at: Place) -> Letter | None:
    found = queries.receipt(receipt_id)
    order, number = found.order, number_of(found)
    return Letter(
        _MAIL + "receipt",
        _("Your receipt no. %(number)s", number=number),
        f"/receipts/{found.code}.pdf",
        {"number": number, "amount": money_words(order.total_minor, order.currency)},
    )


# -- Offerings -------------------------------------------------------------------------------------------


def offering_submitted(revision_id: int, to: Reader, at: Place) -> Letter | None:
    revision = queries.revision(revision_id)
    if revision.status != SUBMITTED:
        return None
    title = revision.content.get("title", "")
    return Letter(
        _MAIL + "offering_submitted",
        _("“%(title)s” waits for your review", title=title),
        f"/admin/proposals/{revision.id}",
        {"title": title, "tutor": str(revision.offering.tutor)},
    )


def offering_returned(revision_id: int, to: Reader, at: Place) -> Letter | None:
    revision = queries.revision(revision_id)
    if revision.status != RETURNED:
        return None
    title = revision.content.get("title", "")
    return Letter(
        _MAIL + "offering_returned",
        _("Please look at “%(title)s” again", title=title),
        f"/teach/offerings/{revision.offering_id}",
        {"title": title, "reason": revision.review_reason or ""},
    )


def offering_published(revision_id: int, to: Reader, at: Place) -> Letter | None:
    revision = queries.revision(revision_id)
    if revision.status != APPROVED:
        return None
    title = revision.content.get("title", "")
    return Letter(
        _MAIL + "offering_published",
        _("“%(title)s” is on the storefront", title=title),
        f"/teach/offerings/{revision.offering_id}",
        {"title": title},
    )


# -- What they share -------------------------------------------------------------------------------------


def _is_class(lesson: Lesson) -> bool:
    return lesson.offering.kind == GROUP


def _lesson_words(seat: Seat, to: Reader, at: Place, *, for_tutor: bool = False) -> dict[str, Any]:
    """Who, what, where and when: by the reader's clock, and by the other's where it shows something else."""
    lesson = seat.lesson
    other = str(seat.student or "") if for_tutor else str(lesson.tutor)
    other_zone = _zone_of_learner(seat, at) if for_tutor else lesson.timezone
    other_time = ""
    if not mailing.same_clock(to.timezone, other_zone, lesson.starts_at):
        other_time = mailing.span_words(lesson.starts_at, lesson.ends_at, other_zone)
    return {
        "title": lesson.offering.title,
        "variant": lesson.variant.name,
        "tutor": str(lesson.tutor),
        "student": str(seat.student or ""),
        "for_oneself": seat.student_id == to.person_id,
        "time": mailing.span_words(lesson.starts_at, lesson.ends_at, to.timezone),
        "other": other,
        "other_time": other_time,
        "place": lesson.place or "",
    }


def _zone_of_learner(seat: Seat, at: Place) -> str:
    for person_id in (seat.student_id, seat.payer_id):
        found = queries.addressed(person_id) if person_id else None
        if found is not None and found[0].timezone:
            return found[0].timezone
    return at.timezone


def _invite_of_seat(seat: Seat, to: Reader, at: Place, *, for_tutor: bool = False) -> ics.Invite:
    """Asked for, or called off, as the seat stands."""
    lesson = seat.lesson
    return _invite(
        lesson,
        to,
        at,
        uid=calendar.uid_of_seat(seat, at.host),
        sequence=calendar.sequence_of_seat(seat),
        people=_("%(student)s with %(tutor)s", student=seat.student or "", tutor=lesson.tutor),
        path=f"/teach/lessons/{lesson.code}" if for_tutor else f"/learn/lessons/{seat.code}",
        cancelled=seat.status == CANCELLED,
    )


def _invite_of_tutor(seat: Seat, to: Reader, at: Place) -> ics.Invite:
    if _is_class(seat.lesson):
        return _invite_of_lesson(seat.lesson, to, at)
    return _invite_of_seat(seat, to, at, for_tutor=True)


def _invite_of_lesson(lesson: Lesson, to: Reader, at: Place) -> ics.Invite:
    return _invite(
        lesson,
        to,
        at,
        uid=calendar.uid_of_lesson(lesson, at.host),
        sequence=calendar.sequence_of_lesson(lesson),
        people=str(lesson.tutor),
        path=f"/teach/lessons/{lesson.code}",
        cancelled=lesson.status == CANCELLED,
    )


def _invite(
    lesson: Lesson,
    to: Reader,
    at: Place,
    *,
    uid: str,
    sequence: int,
    people: str,
    path: str,
    cancelled: bool,
) -> ics.Invite:
    return ics.Invite(
        uid=uid,
        sequence=sequence,
        starts_at=lesson.starts_at,
        ends_at=lesson.ends_at,
        zone=lesson.timezone,
        summary=lesson.offering.title,
        description=f"{people}\n{lesson.variant.name}",
        location=lesson.place or "",
        url=at.url + path,
        organizer=mailing.organizer(at),
        attendees=(ics.Attendee(to.email, to.name, answer="ACCEPTED"),),
        cancelled=cancelled,
    )


LETTERS: Mapping[str, Write] = {
    letter.__name__: letter
    for letter in (
        booked,
        booked_tutor,
        moved,
        moved_tutor,
        cancelled,
        cancelled_tutor,
        class_cancelled,
        lost,
        refunded,
        receipt,
        offering_submitted,
        offering_returned,
        offering_published,
    )
}
