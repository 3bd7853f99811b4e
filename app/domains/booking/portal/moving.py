"""`/learn/lessons/<code>/move`: a booked lesson to another time, a place in a class to another date."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, jsonify, redirect, render_template, url_for
from flask_babel import gettext as _

from app.core import clock
from app.core.errors import DomainError, NotFound
from app.core.transaction import transaction
from app.core.web.csrf import keeps_text
from app.core.web.viewing import login_required, wants_json
from app.domains.booking import policies, service
from app.domains.booking.errors import CannotMove, NoSeatLeft, NotOffered, SlotTaken
from app.domains.booking.forms import HoldForm
from app.domains.booking.models import Seat
from app.domains.booking.portal import access, times, words
from app.domains.booking.portal.offering import DateRow, Trouble, date_rows, shown_days, trouble_of
from app.domains.booking.portal.picker import Picker, asked_window, picker, zone_of
from app.domains.booking.queries import pages
from app.domains.catalog.models import GROUP

bp = Blueprint("moving", __name__, template_folder="../templates")


@bp.get("/learn/lessons/<code>/move")
@login_required
def show(code: str) -> Any:
    times.note_chosen_zone()
    return _page(access.own_seat(code))


@bp.post("/learn/lessons/<code>/move")
@login_required
@keeps_text
def move(code: str) -> Any:
    """What was paid and the policy stay."""
    seat, who = access.own_seat(code), access.member()[0]
    form = HoldForm()
    if not form.validate():
        return _refused(seat, Trouble(" ".join(form.refusals) or _("Please choose one of the times.")))
    try:
        with transaction():
            if form.lesson_code is not None:
                lesson_id = pages.session_of(seat.lesson.offering_id, form.lesson_code)
                service.move_seat(seat, lesson_id=lesson_id, by=who.actor.label)
            else:
                service.move_seat(seat, starts_at=form.moment, by=who.actor.label)
    except (SlotTaken, NotOffered, NoSeatLeft, NotFound) as error:
        return _refused(access.own_seat(code), _trouble(error))
    except CannotMove as error:
        if error.data.get("why") == "same_time":  # a second click finds it where it should be
            return _moved(code) if wants_json() else redirect(url_for("learn.lesson", code=code))
        return _not_moved(code, error)
    return _moved(code)


def _moved(code: str) -> Any:
    seat = access.own_seat(code)
    when = times.moment_words(seat.lesson.starts_at, times.viewer_zone())
    said = _("Moved. Your lesson is now on %(time)s.", time=when)
    if wants_json():  # the calendar, which stays where it is
        return jsonify({"message": said})
    flash(said, "success")
    return redirect(url_for("learn.lesson", code=code))


def _not_moved(code: str, error: CannotMove) -> Any:
    """Not at all any more: why, by the rule that is in the way."""
    seat, zone = access.own_seat(code), times.viewer_zone()
    said = " ".join(words.moving(seat, clock.now(), zone).sentences) or str(error)
    if wants_json():
        return jsonify({"message": said}), error.status
    flash(said, "warning")
    return redirect(url_for("learn.lesson", code=code))


def _refused(seat: Seat, trouble: Trouble) -> Any:
    if wants_json():
        return jsonify({"message": trouble.text}), trouble.status
    return _page(seat, trouble)


def _trouble(error: DomainError) -> Trouble:
    if isinstance(error, NotFound):
        return Trouble(_("This date does not exist any more."), status=409)
    return trouble_of(error)


def _page(seat: Seat, trouble: Trouble | None = None) -> Any:
    lesson, zone, now = seat.lesson, times.viewer_zone(), clock.now()
    if policies.why_not_moved(seat, lesson.starts_at, now) is not None:
        return redirect(url_for("learn.lesson", code=seat.code))
    is_group = lesson.offering.kind == GROUP
    page = render_template(
        "booking/move.html",
        title=lesson.offering.title,
        when=times.span_words(lesson.starts_at, lesson.ends_at, zone),
        zone=zone_of(url_for("moving.show", code=seat.code), ()),
        back_url=url_for("learn.lesson", code=seat.code),
        move_url=url_for("moving.move", code=seat.code) + shown_days(),
        picker=None if is_group else _picker(seat),
        dates=_dates(seat, zone) if is_group else (),
        sentences=words.moving(seat, now, zone).sentences,
        late=policies.is_late(seat, lesson.starts_at, now),
        trouble=trouble,
    )
    return page, trouble.status if trouble else 200


def _picker(seat: Seat) -> Picker:
    lesson = seat.lesson
    minutes = int((lesson.ends_at - lesson.starts_at).total_seconds() // 60)
    return picker(
        url_for("moving.show", code=seat.code),
        asked_window(),
        lambda since, until: pages.slots_to_move(seat, since=since, until=until),
        tutor_id=lesson.tutor_id,
        tutor=lesson.tutor.full_name,
        kept={},
        facts=(words.duration_words(minutes), _("What you paid stays.")),
    )


def _dates(seat: Seat, zone: str) -> list[DateRow]:
    """The class's other dates of the same length."""
    return date_rows(pages.dates_to_move(seat), zone)
