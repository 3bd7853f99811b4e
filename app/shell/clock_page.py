"""The operator's page of business time: where it stands, and what moves it. Absent in production."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

from babel.lists import format_list
from flask import Blueprint, flash, redirect, render_template, url_for
from flask_babel import format_decimal, ngettext
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, IntegerField
from wtforms.validators import InputRequired

from app.core import business_clock, clock
from app.core.business_clock import ClockOffset, MovedMeanwhile
from app.core.errors import DomainError, NotFound
from app.core.locales import reader_locale
from app.core.moments import moment
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.forms import Form, within
from app.core.web.viewing import on_platform, require

bp = Blueprint("clock", __name__)

READ, ACT = "clock.read", "clock.act"
_MOST_HOURS = int(business_clock.FARTHEST.total_seconds()) // 3600 * 2


class ClockForm(Form):
    """`seen` is the offset that the page showed: a second click on a button does not move time again."""

    seen = HiddenField()


class MoveForm(ClockForm):
    hours = IntegerField(
        _l("Hours"),
        [InputRequired(_l("Please give a whole number of hours.")), within(-_MOST_HOURS, _MOST_HOURS)],
        description=_l("A whole number; with a minus sign time goes back."),
    )


def _door(right: str) -> Viewer:
    """Raises NotFound where time can't be moved, SignInNeeded, NotAllowed."""
    on_platform()
    if not business_clock.is_movable():
        raise NotFound
    return require(right)


@bp.get("/admin/clock/")
def show() -> Any:
    return _page(_door(READ), MoveForm(formdata=None), 200)


@bp.post("/admin/clock/move")
def move() -> Any:
    who, form = _door(ACT), MoveForm()
    if not form.validate():
        return _page(who, form, 422)
    by = dt.timedelta(hours=form.hours.data or 0)
    return _moved(who, form, lambda: business_clock.move(by, actor=who.actor, seen_seconds=_seen(form)))


@bp.post("/admin/clock/back")
def back() -> Any:
    who, form = _door(ACT), ClockForm()
    return _moved(
        who,
        MoveForm(formdata=None),
        lambda: business_clock.set_back(actor=who.actor, seen_seconds=_seen(form)),
    )


def _seen(form: ClockForm) -> int | None:
    text = form.seen.data or ""
    return int(text) if re.fullmatch(r"-?[0-9]{1,12}", text) else None


def _moved(who: Viewer, form: MoveForm, work: Callable[[], ClockOffset]) -> Any:
    try:
        with transaction():
            work()
    except MovedMeanwhile as error:
        flash(str(error), "info")
    except DomainError as error:
        form.show_refusal(error)
        return _page(who, form, error.status)
    else:
        flash(_("It is %(time)s now by business time.", time=moment(clock.now())), "success")
    return redirect(url_for("clock.show"))


def _page(who: Viewer, form: MoveForm, status: int) -> Any:
    row = business_clock.standing()
    machine = clock.machine_now()
    page = render_template(
        "admin/clock.html",
        form=form,
        seen=row.offset_seconds,
        machine_time=moment(machine),
        business_time=moment(machine + dt.timedelta(seconds=row.offset_seconds)),
        offset_text=offset_in_words(row.offset_seconds),
        moved_text=_moved_text(row),
        steps=((1, _("+1 hour")), (24, _("+1 day")), (7 * 24, _("+7 days"))),
        is_moved=row.offset_seconds != 0,
        may_move=who.may(ACT),
    )
    return page, status


def _moved_text(row: ClockOffset) -> str | None:
    if row.moved_at is None:
        return None
    name = (row.moved_by or "").split(" <", 1)[0]
    return str(_("Last moved by %(name)s on %(time)s.", name=name, time=moment(row.moved_at)))


def offset_in_words(seconds: int) -> str:
    """`2 days and 3 hours ahead of machine time`."""
    if seconds == 0:
        return str(_("the same as machine time"))
    minutes, rest = divmod(abs(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        ngettext("%(count)s day", "%(count)s days", days, count=format_decimal(days)) if days else "",
        ngettext("%(num)s hour", "%(num)s hours", hours) if hours else "",
        ngettext("%(num)s minute", "%(num)s minutes", minutes) if minutes else "",
        ngettext("%(num)s second", "%(num)s seconds", rest) if rest else "",
    ]
    much = format_list([part for part in parts if part], locale=reader_locale())
    if seconds > 0:
        return str(_("%(much)s ahead of machine time", much=much))
    return str(_("%(much)s behind machine time", much=much))
