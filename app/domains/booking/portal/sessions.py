"""`/teach/sessions/`: the dates of a tutor's group classes, by the tutor's own clock."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import gettext as _

from app.core import clock
from app.core.errors import DomainError
from app.core.transaction import transaction
from app.core.web.csrf import keeps_text
from app.core.web.once import hidden, once
from app.core.web.pages import Empty
from app.core.web.viewing import login_required
from app.domains.booking import policies, queries, service
from app.domains.booking.errors import NotOffered, SkippedTime, SlotTaken
from app.domains.booking.forms.hours import SessionForm
from app.domains.booking.portal import access, times
from app.domains.booking.queries import Session, pages
from app.domains.catalog.models import PUBLISHED, Variant

bp = Blueprint("sessions", __name__, template_folder="../templates")

FARTHEST = dt.timedelta(days=2 * 366)

WHY_NOT = {
    "past": lambda: _("This time is over. Please choose one that is still to come."),
    "gap": lambda: _("The clocks skip this time on that day. Please choose another one."),
    "not_published": lambda: _("This class is not offered any more."),
    "by_slot": lambda: _("Only group classes have dates of their own."),
}


@dataclass(frozen=True)
class SessionRow:
    url: str
    cancel_url: str
    title: str
    variant: str
    when: str
    place: str
    taken: int
    capacity: int
    is_live: bool


@bp.get("/teach/sessions/")
@login_required
def index() -> Any:
    _who, person_id = access.tutor()
    return _page(person_id)


@bp.post("/teach/sessions/")
@login_required
@keeps_text
def add() -> Any:
    """A new date; sent twice it is one."""
    who, person_id = access.tutor()
    variants = pages.group_variants_of(person_id)
    form = _form(variants)
    if not form.validate():
        return _page(person_id, form, 422)
    variant = next(variant for variant in variants if str(variant.id) == form.variant.data)
    zone = _zone(person_id)
    starts_at = _starts_at(form, zone)
    if starts_at is None:
        return _page(person_id, form, 422)
    try:
        with transaction():
            once(who, lambda: {"id": _scheduled(form, variant, starts_at)})
    except SlotTaken:
        form.refusals.append(_("You have something else at that time."))
        return _page(person_id, form, SlotTaken.status)
    except NotOffered as error:
        words = WHY_NOT.get(error.data.get("why", ""))
        form.refusals.append(words() if words else str(error))
        return _page(person_id, form, error.status)
    except DomainError as error:
        form.show_refusal(error)
        return _page(person_id, form, error.status)
    when = times.moment_words(starts_at, zone)
    flash(_("The date is set: %(time)s.", time=when), "success")
    return redirect(url_for("sessions.index"))


def _scheduled(form: SessionForm, variant: Variant, starts_at: dt.datetime) -> int:
    return service.schedule_session(
        offering=variant.offering,
        variant=variant,
        starts_at=starts_at,
        capacity=form.capacity.data,
        place=form.place.data,
    ).id


def _starts_at(form: SessionForm, zone: str) -> dt.datetime | None:
    """The moment that is meant, or None with the reason at its field: a time that is skipped, or one that
    comes twice and it was not said which."""
    today = clock.today(zone)
    if not today <= form.day <= today + FARTHEST:
        _refuse(form, "on_date", _("Please choose a day from today on, within two years."))
        return None
    wall = dt.datetime.combine(form.day, dt.time()) + dt.timedelta(minutes=form.minute)
    found = policies.moments_of(wall, zone)
    if not found:
        _refuse(form, "at_time", str(SkippedTime.message))
        return None
    if len(found) == 1:
        return found[0]
    _offer_both(form, found, zone)
    chosen = next((at for at in found if at.isoformat() == form.which.data), None)
    if chosen is None:
        _refuse(form, "which", _("Please choose which one you mean."))
    return chosen


def _offer_both(form: SessionForm, moments: Sequence[dt.datetime], zone: str) -> None:
    form.which.choices = [("", _("Please choose"))] + [
        (at.isoformat(), f"{times.time_words(at, zone)} {times.offset_words(at, zone)}") for at in moments
    ]


def _refuse(form: SessionForm, field: str, text: str) -> None:
    form[field].errors = [*form[field].errors, text]


# -- The page ----------------------------------------------------------------------------------------------


def _form(variants: Sequence[Variant]) -> SessionForm:
    first = next(iter(variants), None)
    form = SessionForm(data={"capacity": first.offering.capacity if first else 1})
    form.variant.choices = [
        (str(variant.id), f"{variant.offering.title}: {variant.name}") for variant in variants
    ]
    form.which.choices = []
    return form


def _zone(person_id: int) -> str:
    """The tutor's hours are meant by this clock, so their dates are, too."""
    schedule = queries.schedule_of(person_id)
    return schedule.timezone if schedule is not None else times.viewer_zone()


def _page(person_id: int, form: SessionForm | None = None, status: int = 200) -> Any:
    zone = _zone(person_id)
    variants = pages.group_variants_of(person_id)
    empty = Empty(
        _("No dates yet"),
        _("Add the first one, and it can be booked as soon as the class is published."),
    )
    page = render_template(
        "booking/sessions.html",
        form=form or _form(variants),
        rows=[_row(session, zone) for session in queries.sessions_of_tutor(person_id)],
        has_classes=bool(variants),
        zone=times.zone_words(zone),
        today=clock.today(zone).isoformat(),
        hidden=hidden(),
        empty_state=empty,
    )
    return page, status


def _row(session: Session, zone: str) -> SessionRow:
    lesson = session.lesson
    return SessionRow(
        url=url_for("teaching.lesson", code=lesson.code),
        cancel_url=url_for("teaching.call_off", code=lesson.code),
        title=lesson.offering.title,
        variant=lesson.variant.name,
        when=times.span_words(lesson.starts_at, lesson.ends_at, zone),
        place=lesson.place or "",
        taken=lesson.capacity - session.left,
        capacity=lesson.capacity,
        is_live=lesson.offering.status == PUBLISHED,
    )
