"""`/teach/availability/`: when a tutor teaches: week, terms, dates that differ, and what comes of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from app.core import clock
from app.core.errors import DomainError, Invalid, NotFound
from app.core.transaction import transaction
from app.core.web.csrf import keeps_text
from app.core.web.viewing import login_required
from app.domains.accounts import queries as accounts
from app.domains.booking import policies, queries, service
from app.domains.booking.forms.explaining import ExplainForm
from app.domains.booking.forms.hours import (
    OverrideForm,
    Pairs,
    RestoreForm,
    TermsForm,
    week_form,
    weekday_names,
)
from app.domains.booking.models import AvailabilityOverride, AvailabilitySchedule
from app.domains.booking.portal import access, explaining, times
from app.domains.booking.queries import pages

bp = Blueprint("hours", __name__, template_folder="../templates")

PREVIEW_DAYS, PREVIEW_MINUTES = 7, 60
_REMOVED = "removed_date"  # in the session, until the next page
FARTHEST = dt.timedelta(days=2 * 366)  # dates that differ


@dataclass(frozen=True)
class OverrideRow:
    iso: str
    day: str
    hours: str
    remark: str
    is_off: bool


@dataclass(frozen=True)
class Removed:
    """A date that differed until just now, with what brings it back."""

    day: str
    fields: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class PreviewDay:
    day: str
    summary: str
    times: Sequence[str]


@bp.get("/teach/availability/")
@login_required
def show() -> Any:
    return _page()


@bp.post("/teach/availability/")
@login_required
@keeps_text
def save() -> Any:
    """Terms and week together; booked lessons stay where they are."""
    _who, person_id = access.tutor()
    form = week_form(queries.schedule_of(person_id), timezone=times.viewer_zone())
    if not form.validate():
        return _page(week=form, status=422)
    try:
        with transaction():
            schedule = service.set_schedule(accounts.person(person_id), terms=form.terms())
            service.set_week(schedule, rules=form.week())
    except Invalid as error:
        form.show_refusal(error)
        return _page(week=form, status=error.status)
    flash(_("Your hours are saved. Lessons that are booked stay where they are."), "success")
    return redirect(url_for("hours.show"))


@bp.get("/teach/availability/dates")
@login_required
def back_to_dates() -> Any:
    """Whoever reloads a refusal, or comes back to it by its address."""
    access.tutor()
    return redirect(url_for("hours.show", _anchor="dates"))


@bp.post("/teach/availability/dates")
@login_required
@keeps_text
def set_date() -> Any:
    """Other hours on one date, or none."""
    _who, person_id = access.tutor()
    form = OverrideForm()
    schedule = queries.schedule_of(person_id)
    if schedule is None:
        flash(_("Please save your weekly hours first."), "warning")
        return redirect(url_for("hours.show"))
    today = clock.today(schedule.timezone)
    if not form.validate():
        return _page(override=form, status=422)
    if not today <= form.day <= today + FARTHEST:
        form.show_refusal(Invalid(_("Please choose a day from today on, within two years."), field="on_date"))
        return _page(override=form, status=422)
    try:
        with transaction():
            service.set_override(
                schedule, on_date=form.day, stretches=form.stretches(), remark=form.remark.data
            )
    except DomainError as error:
        form.show_refusal(error)
        return _page(override=form, status=error.status)
    flash(_("%(day)s is set.", day=times.day_words(form.day, today=today)), "success")
    return redirect(url_for("hours.show", _anchor="dates"))


@bp.post("/teach/availability/dates/remove")
@login_required
def remove_date() -> Any:
    """The week counts again on that date."""
    _who, person_id = access.tutor()
    schedule = queries.schedule_of(person_id)
    try:
        day = dt.date.fromisoformat(request.form.get("on_date", ""))
    except ValueError:
        raise NotFound from None
    if schedule is None:
        raise NotFound
    rows = [row for row in schedule.overrides if row.on_date == day]
    with transaction():
        service.remove_override(schedule, on_date=day)
    if rows:
        session[_REMOVED] = _kept(day, rows)
    words = times.day_words(day, today=clock.today(schedule.timezone))
    flash(_("Your weekly hours count again on %(day)s.", day=words), "success")
    return redirect(url_for("hours.show", _anchor="dates"))


@bp.post("/teach/availability/dates/restore")
@login_required
def restore_date() -> Any:
    """A removed date as it was, unless it has been set anew meanwhile."""
    _who, person_id = access.tutor()
    schedule = queries.schedule_of(person_id)
    form = RestoreForm()
    if schedule is None or not form.validate():
        raise NotFound
    today = clock.today(schedule.timezone)
    if form.day < today or any(row.on_date == form.day for row in schedule.overrides):
        flash(_("This date has changed meanwhile, so it stays as it is."), "warning")
        return redirect(url_for("hours.show", _anchor="dates"))
    with transaction():
        service.set_override(schedule, on_date=form.day, stretches=form.stretches(), remark=form.remark.data)
    flash(_("%(day)s is as it was.", day=times.day_words(form.day, today=today)), "success")
    return redirect(url_for("hours.show", _anchor="dates"))


def _kept(day: dt.date, rows: Sequence[AvailabilityOverride]) -> list[tuple[str, str]]:
    """What the form sends that undoes it."""
    spans = [f"{row.starts_minute}-{row.ends_minute}" for row in rows if row.starts_minute is not None]
    remark = next((row.note for row in rows if row.note), "")
    return [("on_date", day.isoformat()), ("spans", ",".join(spans)), ("remark", remark)]


def _removed() -> Removed | None:
    """Once, on the page after it."""
    fields = session.pop(_REMOVED, None)
    if not fields:
        return None
    day = dt.date.fromisoformat(fields[0][1])
    return Removed(times.day_words(day), [(name, value) for name, value in fields])


# -- The page ----------------------------------------------------------------------------------------------


def _page(*, week: TermsForm | None = None, override: OverrideForm | None = None, status: int = 200) -> Any:
    _who, person_id = access.tutor()
    schedule = queries.schedule_of(person_id)
    form = week or week_form(schedule, timezone=times.viewer_zone())
    zone = schedule.timezone if schedule else times.viewer_zone()
    variants = pages.slot_variants_of(person_id) if schedule else ()
    question = ExplainForm(request.args, variants)
    is_asked = schedule is not None and question.is_asked and question.validate()
    page = render_template(
        "booking/availability.html",
        form=form,
        days=[_week_day(form, day, name) for day, name in enumerate(weekday_names())],
        override=override or OverrideForm(formdata=None),
        overrides=_overrides(schedule) if schedule else (),
        preview=_preview(schedule, person_id) if schedule else (),
        zone=times.zone_words(zone),
        has_schedule=schedule is not None,
        question=question,
        answers=explaining.answers(question, schedule, variants) if schedule and is_asked else (),
        removed=_removed(),
        today=clock.today(zone).isoformat(),
    )
    return page, status


def _week_day(form: TermsForm, day: int, name: str) -> tuple[str, Pairs, Pairs]:
    """(name, the stretches in use, those to spare); the first is always there to be filled in."""
    pairs = form.pairs(day)
    used = [place for place, ends in enumerate(pairs) if any(field.data or field.errors for field in ends)]
    shown = max([0, *used]) + 1
    return name, pairs[:shown], pairs[shown:]


def _overrides(schedule: AvailabilitySchedule) -> list[OverrideRow]:
    """Those from today on, by date."""
    today = clock.today(schedule.timezone)
    by_day: dict[dt.date, list[AvailabilityOverride]] = {}
    for row in schedule.overrides:
        if row.on_date >= today:
            by_day.setdefault(row.on_date, []).append(row)
    return [_override_row(day, rows, today) for day, rows in sorted(by_day.items())]


def _override_row(day: dt.date, rows: Sequence[AvailabilityOverride], today: dt.date) -> OverrideRow:
    hours = times.override_words(rows)
    return OverrideRow(
        iso=day.isoformat(),
        day=times.day_words(day, today=today),
        hours=hours or _("Day off"),
        remark=next((row.note for row in rows if row.note), ""),
        is_off=not hours,
    )


def _preview(schedule: AvailabilitySchedule, person_id: int) -> list[PreviewDay]:
    """What a visitor is offered in the next days for a lesson of an hour, by the tutor's own clock."""
    zone, duration = schedule.timezone, dt.timedelta(minutes=PREVIEW_MINUTES)
    first = clock.today(zone)
    days = [first + dt.timedelta(days=number) for number in range(PREVIEW_DAYS)]
    since = policies.instant_of(first, 0, zone)
    until = policies.instant_of(days[-1] + dt.timedelta(days=1), 0, zone)
    found = queries.timetable(person_id, since=since, until=until).slots(duration, since, until)
    by_day: dict[dt.date, list[str]] = {day: [] for day in days}
    for slot in found:
        by_day[times.local_day(slot.starts_at, zone)].append(times.time_words(slot.starts_at, zone))
    return [PreviewDay(times.short_day_words(day), _summary(by_day[day]), by_day[day]) for day in days]


def _summary(starts: Sequence[str]) -> str:
    if not starts:
        return _("Nothing to book")
    count = ngettext("%(num)s time", "%(num)s times", len(starts))
    if len(starts) == 1:
        return _("%(times)s: %(first)s", times=count, first=starts[0])
    return _("%(times)s: %(first)s to %(last)s", times=count, first=starts[0], last=starts[-1])
