"""`/learn/`: the lessons of a student or of a guardian's children, and one of them with all that can still
be done about it."""

from __future__ import annotations

import datetime as dt
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
from app.core.web.pages import ActionLink, Cell, Empty
from app.core.web.site import site
from app.core.web.viewing import login_required
from app.domains.booking import policies, queries, service
from app.domains.booking.errors import CannotCancel
from app.domains.booking.forms import ReasonForm
from app.domains.booking.models import BOOKED, CANCELLED, Seat
from app.domains.booking.portal import access, calendar, times, words
from app.domains.booking.portal.offering import open_holds
from app.domains.booking.portal.words import Possible
from app.domains.booking.queries import pages
from app.domains.payments.errors import DisputedPayment, NothingToRefund

bp = Blueprint("learn", __name__, template_folder="../templates")

MOST_PAST = 30


class RefundChanged(Conflict):
    """What goes back is not what the page had said: nothing was cancelled."""


@dataclass(frozen=True)
class LessonRow:
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
class LessonPage:
    row: LessonRow
    code: str
    zone: str
    tutors_when: str
    tutors_zone: str
    tutor_url: str
    price: str
    refunded: str
    reason: str
    is_booked: bool
    is_cancelled: bool
    is_future: bool
    cancelling: Possible
    moving: Possible
    links: Sequence[ActionLink]


@bp.get("/learn/")
@login_required
def index() -> Any:
    """The next lesson, those to come for each learner, and those that were."""
    who, person_id = access.member()
    children = access.children(who, person_id)
    now, zone = clock.now(), times.viewer_zone()
    people = {person_id, *(child.id for child in children)}
    coming = queries.seats_of_people(people, since=now)
    past = list(queries.seats_of_people(people, until=now, latest_first=True, limit=MOST_PAST))
    booked = [seat for seat in coming if seat.status != CANCELLED]
    past = [seat for seat in coming if seat.status == CANCELLED] + past
    named = bool(children) or any(seat.student_id != person_id for seat in booked)
    rows = [_row(seat, zone, now, named=named) for seat in booked]
    empty = Empty(
        _("No lessons yet"),
        _("Find a tutor, choose a time that suits you, and it stands here."),
        "/search",
        _("Find lessons"),
    )
    return render_template(
        "booking/learn.html",
        next=rows[0] if rows else None,
        sections=_sections(booked[1:], zone, now, named=named),
        past=[_row(seat, zone, now, named=named) for seat in past],
        holds=open_holds(),
        zone=times.zone_words(zone),
        empty_state=empty,
    )


def _sections(
    seats: Sequence[Seat], zone: str, now: dt.datetime, *, named: bool
) -> list[tuple[str, list[LessonRow]]]:
    """(heading, lessons): one for each learner, in the order of their next lesson."""
    if not named:
        rows = [_row(seat, zone, now, named=False) for seat in seats]
        return [(_("After that"), rows)] if rows else []
    found: dict[str, list[LessonRow]] = {}
    for seat in seats:
        row = _row(seat, zone, now, named=False)
        found.setdefault(seat.student.full_name if seat.student else "", []).append(row)
    return list(found.items())


def _row(seat: Seat, zone: str, now: dt.datetime, *, named: bool) -> LessonRow:
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
        badge=words.seat_badge(seat),
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
        row=_row(seat, zone, now, named=seat.student_id != person_id),
        code=seat.code,
        zone=times.zone_words(zone),
        tutors_when=times.span_words(held.starts_at, held.ends_at, held.timezone) if differs else "",
        tutors_zone=times.zone_words(held.timezone),
        tutor_url=url_for("booking.show", slug=held.offering.slug),
        price=words.price_words(seat.price),
        refunded=words.money_words(back) if back.minor else "",
        reason=seat.cancel_reason or held.cancel_reason or "",
        is_booked=seat.status == BOOKED,
        is_cancelled=seat.status == CANCELLED,
        is_future=held.starts_at > now,
        cancelling=words.cancelling(seat, now, zone),
        moving=words.moving(seat, now, zone),
        links=_links(seat, person_id, f"u:{who.user_id}"),
    )


def _links(seat: Seat, person_id: int, actor: str) -> list[ActionLink]:
    found = []
    if seat.status == BOOKED:
        url = url_for("learn.calendar_file", code=seat.code)
        found.append(ActionLink("calendar", _("Calendar file"), url, "calendar"))
    if seat.student_id is not None:
        url = f"/messages/with/{seat.lesson.tutor_id}/{seat.student_id}"
        found.append(ActionLink("message", _("Message the tutor"), url, "message"))
    if seat.line_id is not None:
        order = pages.orders_of_lines([seat.line_id])[seat.line_id]
        if order.payer_id == person_id or order.actor == actor:
            found.append(ActionLink("order", _("Order and receipt"), f"/orders/{order.code}", "receipt"))
    return found


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
        row=_row(seat, zone, now, named=True),
        url=url_for("learn.cancel", code=seat.code),
        move_url=url_for("moving.show", code=seat.code) if may_move else None,
        price=words.price_words(seat.price),
        refund=words.money_words(due.amount),
        refund_minor=due.amount.minor,
        kept=words.money_words(seat.price - due.amount) if due.amount < seat.price else "",
        is_free=not seat.price_minor,
        why=words.refund_sentence(seat, due, zone),
    )
    return page, status
