"""`/learn/lessons/<code>`: a booked lesson with all that can still be done about it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, flash, redirect, render_template, url_for
from flask_babel import gettext as _

from app.core import clock, ics
from app.core.errors import Conflict, NotFound
from app.core.money import Money
from app.core.transaction import transaction
from app.core.web.csrf import keeps_text
from app.core.web.pages import ActionLink, Cell
from app.core.web.site import site
from app.core.web.viewing import login_required
from app.domains.booking import policies, queries, service
from app.domains.booking.errors import CannotCancel
from app.domains.booking.forms import ReasonForm
from app.domains.booking.models import ATTENDED, BOOKED, CANCELLED, MISSED, Seat
from app.domains.booking.portal import access, calendar, times, words
from app.domains.booking.portal.asking import review_url_of
from app.domains.booking.portal.times import DateBlock
from app.domains.booking.portal.words import Possible
from app.domains.booking.queries import pages
from app.domains.payments.errors import DisputedPayment, NothingToRefund

bp = Blueprint("learn", __name__, template_folder="../templates")

_CALL = re.compile(r"https?://\S+", re.IGNORECASE)


class RefundChanged(Conflict):
    """What goes back is not what the page had said: nothing was cancelled."""


@dataclass(frozen=True)
class LessonRow:
    """A lesson as lists show it."""

    url: str
    title: str
    variant: str
    tutor: str
    student: str | None
    place: str
    starts_at: dt.datetime
    when: str
    badge: Cell
    is_on: bool


@dataclass(frozen=True)
class MoveRow:
    """It was moved: when, and from what to what."""

    moved: str
    before: str
    after: str


@dataclass(frozen=True)
class LessonPage:
    row: LessonRow
    code: str
    date: DateBlock
    hours: str
    duration: str
    zone: str
    tutors_when: str
    tutors_zone: str
    tutor_url: str
    call_url: str
    price: str
    refunded: str
    reason: str
    is_booked: bool
    is_cancelled: bool
    is_future: bool
    cancelling: Possible
    moving: Possible
    links: Sequence[ActionLink]
    policy: Sequence[str]
    refund_why: Sequence[str]
    moves: Sequence[MoveRow]


def row_of(seat: Seat, zone: str, now: dt.datetime, *, named: bool) -> LessonRow:
    """With its student's name where the reader has to do with several."""
    lesson = seat.lesson
    return LessonRow(
        url=url_for("learn.lesson", code=seat.code),
        title=lesson.offering.title,
        variant=lesson.variant.name,
        tutor=lesson.tutor.full_name,
        student=seat.student.full_name if named and seat.student else None,
        place=lesson.place or "",
        starts_at=lesson.starts_at,
        when=times.span_words(lesson.starts_at, lesson.ends_at, zone),
        badge=words.seat_badge(seat, lesson, now),
        is_on=seat.status == BOOKED and lesson.starts_at <= now < lesson.ends_at,
    )


# -- One lesson --------------------------------------------------------------------------------------------


@bp.get("/learn/lessons/<code>")
@login_required
def lesson(code: str) -> Any:
    seat = access.own_seat(code)
    return render_template("booking/lesson.html", page=_lesson_page(seat))


def _lesson_page(seat: Seat) -> LessonPage:
    who, person_id = access.member()
    now, zone, held = clock.now(), times.viewer_zone(), seat.lesson
    differs = not times.same_clock(zone, held.timezone, held.starts_at)
    back = Money(seat.refund_minor, seat.currency)
    return LessonPage(
        row=row_of(seat, zone, now, named=seat.student_id != person_id),
        code=seat.code,
        date=times.date_block(held.starts_at, zone),
        hours=times.hours_words(held.starts_at, held.ends_at, zone),
        duration=words.duration_words(int((held.ends_at - held.starts_at).total_seconds() // 60)),
        zone=times.zone_words(zone),
        tutors_when=times.span_words(held.starts_at, held.ends_at, held.timezone) if differs else "",
        tutors_zone=times.zone_words(held.timezone),
        tutor_url=url_for("booking.show", slug=held.offering.slug),
        call_url=call_url_of(seat, now),
        price=words.price_words(seat.price),
        refunded=words.money_words(back) if back.minor else "",
        reason=seat.cancel_reason or held.cancel_reason or "",
        is_booked=seat.status == BOOKED,
        is_cancelled=seat.status == CANCELLED,
        is_future=held.starts_at > now,
        cancelling=words.cancelling(seat, now, zone),
        moving=words.moving(seat, now, zone),
        links=_links(seat, person_id, f"u:{who.user_id}"),
        policy=words.policy_sentences(seat.policy),
        refund_why=words.refunded_sentences(seat, zone),
        moves=_moves(seat, zone),
    )


def call_url_of(seat: Seat, now: dt.datetime) -> str:
    """Where the lesson takes place, if that is a link alone and there is something to join."""
    place = (seat.lesson.place or "").strip()
    is_open = seat.status == BOOKED and now < seat.lesson.ends_at
    return place if is_open and _CALL.fullmatch(place) else ""


def _links(seat: Seat, person_id: int, actor: str) -> list[ActionLink]:
    found = []
    if seat.student_id is not None:
        url = f"/messages/with/{seat.lesson.tutor_id}/{seat.student_id}"
        found.append(ActionLink("message", _("Message the tutor"), url, "message"))
    if seat.status == BOOKED:
        url = url_for("learn.calendar_file", code=seat.code)
        found.append(ActionLink("calendar", _("Calendar file"), url, "calendar"))
    if seat.line_id is not None:
        order = pages.orders_of_lines([seat.line_id])[seat.line_id]
        if order.payer_id == person_id or order.actor == actor:
            found.append(ActionLink("order", _("Order and receipt"), f"/orders/{order.code}", "receipt"))
    review_url = review_url_of(seat)
    if review_url is not None:
        found.append(ActionLink("review", _("How was it?"), review_url, "star"))
    if seat.status in {ATTENDED, MISSED, CANCELLED}:
        url = url_for("booking.show", slug=seat.lesson.offering.slug)
        found.append(ActionLink("again", _("Book again"), url, "refresh"))
    return found


def _moves(seat: Seat, zone: str) -> list[MoveRow]:
    """The latest first; asked for only where there are any."""
    found = queries.moves_of(seat.id) if seat.moves else ()
    return [
        MoveRow(
            moved=times.moment_words(move.moved_at, zone),
            before=times.moment_words(move.from_starts_at, zone),
            after=times.moment_words(move.to_starts_at, zone),
        )
        for move in reversed(found)
    ]


@bp.get("/learn/lessons/<code>/calendar.ics")
@login_required
def calendar_file(code: str) -> Any:
    """For calendars that don't read the mail: the same event as the mail's."""
    seat, who = access.own_seat(code), access.member()[0]
    if seat.status not in {BOOKED, CANCELLED}:
        raise NotFound
    sender = ics.Party(current_app.extensions["mail_sender"].address, site().name)
    data = calendar.of_seat(seat, sender, ics.Attendee(who.email, who.name, answer="ACCEPTED"))
    response = Response(data, content_type=f"{ics.CONTENT_TYPE}; charset=utf-8")
    response.headers["Content-Disposition"] = 'attachment; filename="lesson.ics"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


# -- Cancelling --------------------------------------------------------------------------------------------


@bp.route("/learn/lessons/<code>/cancel", methods=["GET", "POST"])
@login_required
@keeps_text
def cancel(code: str) -> Any:
    """What goes back and why, and then just that: what had changed meanwhile is shown again instead."""
    seat, who = access.own_seat(code), access.member()[0]
    form = ReasonForm()
    if not form.is_submitted():
        return _cancel_page(seat, form, 200)
    if not form.validate():
        return _cancel_page(seat, form, 422)
    try:
        with transaction():
            refunded = service.cancel_seat(seat, by=who.actor.label, reason=form.reason.data)
            if refunded.minor != form.expected_minor:
                raise RefundChanged
    except RefundChanged as error:
        form.refusals.append(_("What you get back has changed meanwhile. Please look at it once more."))
        return _cancel_page(access.own_seat(code), form, error.status)
    except CannotCancel:
        return redirect(url_for("learn.lesson", code=code))
    except (DisputedPayment, NothingToRefund) as error:
        form.show_refusal(error)
        return _cancel_page(access.own_seat(code), form, error.status)
    flash(_cancelled_words(refunded), "success")
    return redirect(url_for("learn.lesson", code=code))


def _cancelled_words(refunded: Money) -> str:
    if not refunded.minor:
        return _("The lesson is cancelled.")
    amount = words.money_words(refunded)
    return _("The lesson is cancelled. %(amount)s is on its way back to you.", amount=amount)


def _cancel_page(seat: Seat, form: ReasonForm, status: int) -> Any:
    now, zone = clock.now(), times.viewer_zone()
    if policies.why_not_cancelled(seat, seat.lesson.starts_at, now) is not None:
        return redirect(url_for("learn.lesson", code=seat.code))
    due = policies.refund_due(seat, seat.lesson.starts_at, now)
    may_move = words.moving(seat, now, zone).is_possible
    page = render_template(
        "booking/cancel.html",
        form=form,
        row=row_of(seat, zone, now, named=True),
        zone=times.zone_words(zone),
        url=url_for("learn.cancel", code=seat.code),
        move_url=url_for("moving.show", code=seat.code) if may_move else None,
        price=words.price_words(seat.price),
        refund=words.money_words(due.amount),
        refund_minor=due.amount.minor,
        kept=words.money_words(seat.price - due.amount) if due.amount < seat.price else "",
        is_free=not seat.price_minor,
        why=words.refund_sentences(seat, due, zone),
    )
    return page, status
