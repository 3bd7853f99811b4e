"""`/teach/`: a tutor's lessons, those to be marked first; and one of them with who is in it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.core import clock
from app.core.errors import NotFound
from app.core.money import Money
from app.core.transaction import transaction
from app.core.web.csrf import keeps_text
from app.core.web.pages import Cell
from app.core.web.viewing import login_required, safe_next
from app.domains.booking import policies, service
from app.domains.booking.errors import CannotCancel, MarkingClosed, NotBooked, NotYet
from app.domains.booking.forms import AttendanceForm, CallOffForm
from app.domains.booking.models import (
    ATTENDED,
    BOOKED,
    DONE,
    HELD,
    LAPSED,
    MISSED,
    RELEASED,
    SCHEDULED,
    Lesson,
    Seat,
)
from app.domains.booking.portal import access, times, words
from app.domains.catalog.models import GROUP

bp = Blueprint("teaching", __name__, template_folder="../templates")

IN_IT = (BOOKED, ATTENDED, MISSED)


@dataclass(frozen=True)
class SeatRow:
    """Somebody in a lesson, and what can be said of their coming."""

    code: str
    name: str
    badge: Cell
    attended: bool | None
    can_mark: bool
    is_open: bool
    message_url: str | None


@dataclass(frozen=True)
class TaughtRow:
    url: str
    mark_url: str
    title: str
    variant: str
    starts_at: dt.datetime
    hours: str
    when: str
    names: str
    seats: Sequence[SeatRow]
    taken: str
    place: str
    badge: Cell
    is_on: bool


def row_of(lesson: Lesson, zone: str, now: dt.datetime) -> TaughtRow:
    seats = [_seat_row(seat, lesson, now) for seat in lesson.seats if _is_shown(seat, now)]
    is_group = lesson.offering.kind == GROUP
    return TaughtRow(
        url=url_for("teaching.lesson", code=lesson.code),
        mark_url=url_for("teaching.mark", code=lesson.code),
        title=lesson.offering.title,
        variant=lesson.variant.name,
        starts_at=lesson.starts_at,
        hours=times.hours_words(lesson.starts_at, lesson.ends_at, zone),
        when=times.span_words(lesson.starts_at, lesson.ends_at, zone),
        names=", ".join(seat.name for seat in seats) or _("Nobody yet"),
        seats=seats,
        taken=_("%(taken)s of %(all)s seats", taken=len(seats), all=lesson.capacity) if is_group else "",
        place=lesson.place or "",
        badge=words.lesson_badge(lesson, now),
        is_on=lesson.status == SCHEDULED and lesson.starts_at <= now < lesson.ends_at,
    )


def _is_shown(seat: Seat, now: dt.datetime) -> bool:
    """Without holds that came to nothing, and without those that ran out and nobody has cleared away yet."""
    if seat.status == HELD:
        return seat.expires_at is not None and seat.expires_at > now
    return seat.status not in {LAPSED, RELEASED}


def _seat_row(seat: Seat, lesson: Lesson, now: dt.datetime) -> SeatRow:
    name = seat.student.full_name if seat.student is not None else _("Somebody who is just booking")
    has_begun = lesson.starts_at <= now
    is_open = seat.status == BOOKED or now <= lesson.ends_at + policies.MARKING_OPEN
    return SeatRow(
        code=seat.code,
        name=name,
        badge=words.attendance_badge(seat, lesson, now),
        attended={ATTENDED: True, MISSED: False}.get(seat.status),
        can_mark=seat.status in IN_IT and has_begun and is_open,
        is_open=seat.status == BOOKED,
        message_url=f"/messages/with/{lesson.tutor_id}/{seat.student_id}"
        if seat.student_id is not None and seat.status in IN_IT
        else None,
    )


# -- One lesson --------------------------------------------------------------------------------------------


@bp.get("/teach/lessons/<code>")
@login_required
def lesson(code: str) -> Any:
    found = access.own_lesson(code)
    now, zone = clock.now(), times.viewer_zone()
    differs = not times.same_clock(zone, found.timezone, found.starts_at)
    return render_template(
        "booking/taught.html",
        row=row_of(found, zone, now),
        zone=times.zone_words(zone),
        lessons_when=times.span_words(found.starts_at, found.ends_at, found.timezone) if differs else "",
        lessons_zone=times.zone_words(found.timezone),
        reason=found.cancel_reason or "",
        call_off_url=url_for("teaching.call_off", code=found.code) if _may_call_off(found) else None,
        why_not_called_off=_why_not_called_off(found),
        date=times.date_block(found.starts_at, zone),
        is_to_come=found.starts_at > now and found.status == SCHEDULED,
    )


@bp.post("/teach/lessons/<code>/attendance")
@login_required
def mark(code: str) -> Any:
    """Came, or did not come; it can be corrected for a week."""
    found = access.own_lesson(code)
    form = AttendanceForm()
    if not form.validate():
        raise NotFound
    seat = next((seat for seat in found.seats if seat.code == form.seat.data), None)
    if seat is None:
        raise NotFound
    name = seat.student.full_name if seat.student is not None else ""
    attended = form.attended.data == "yes"
    try:
        with transaction():
            service.mark_attendance(seat, attended=attended)
    except (NotYet, NotBooked, MarkingClosed) as error:
        flash(str(error), "warning")
    else:
        said = _("%(name)s came.", name=name) if attended else _("%(name)s did not come.", name=name)
        flash(_("%(said)s You can correct it for a week.", said=said), "success")
    return redirect(safe_next(request.form.get("next"), url_for("teaching.lesson", code=code)))


@bp.route("/teach/lessons/<code>/cancel", methods=["GET", "POST"])
@login_required
@keeps_text
def call_off(code: str) -> Any:
    """Everybody who booked gets everything back."""
    found, who = access.own_lesson(code), access.tutor()[0]
    if not _may_call_off(found):
        return redirect(url_for("teaching.lesson", code=found.code))
    form = CallOffForm()
    if not form.is_submitted():
        return _call_off_page(found, form, 200)
    if not form.validate():
        return _call_off_page(found, form, 422)
    try:
        with transaction():
            total = service.cancel_lesson(found, by=who.actor.label, reason=form.reason.data)
    except CannotCancel as error:
        flash(str(error), "warning")
    else:
        flash(_called_off_words(total), "success")
    return redirect(url_for("teaching.lesson", code=code))


def _may_call_off(lesson: Lesson) -> bool:
    return lesson.status == SCHEDULED and not _is_marked(lesson)


def _is_marked(lesson: Lesson) -> bool:
    return any(seat.status in {ATTENDED, MISSED} for seat in lesson.seats)


def _why_not_called_off(lesson: Lesson) -> str:
    """Empty where it can be called off, and where it is."""
    if lesson.status == DONE:
        return _("It took place, so it can't be cancelled any more.")
    if lesson.status == SCHEDULED and _is_marked(lesson):
        return _("You have marked who came, so it can't be cancelled any more.")
    return ""


def _called_off_words(total: Money) -> str:
    if not total.minor:
        return _("The lesson is cancelled.")
    amount = words.money_words(total)
    return _("The lesson is cancelled. %(amount)s goes back to those who booked.", amount=amount)


def _call_off_page(lesson: Lesson, form: CallOffForm, status: int) -> Any:
    now, zone = clock.now(), times.viewer_zone()
    booked = [seat for seat in lesson.seats if seat.status == BOOKED]
    amounts = [policies.full_refund(seat).amount for seat in booked]
    total = Money.total(amounts, lesson.variant.currency)
    page = render_template(
        "booking/call_off.html",
        form=form,
        row=row_of(lesson, zone, now),
        back_url=url_for("teaching.lesson", code=lesson.code),
        people=ngettext("%(num)s person has booked.", "%(num)s people have booked.", len(booked)),
        has_booked=bool(booked),
        total=words.money_words(total) if total.minor else "",
    )
    return page, status
