"""The living style page: each pattern of the house, drawn by the macro that every page uses."""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask import Blueprint, render_template
from flask_babel import format_currency
from flask_babel import gettext as _
from wtforms import BooleanField, DateField, EmailField, SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired

from app.core import clock
from app.core.web.forms import Form
from app.core.web.pages import (
    ActionLink,
    Cell,
    Column,
    Empty,
    Filter,
    RelatedList,
    Row,
    TimelineEntry,
)
from app.core.web.viewing import on_platform, require

bp = Blueprint("style", __name__)

READ = "style.read"
TONES = ("primary", "success", "warning", "danger", "info", "secondary")
# What a theme or a page may build on, by what it is for; css/tokens.css says the values.
TOKENS = (
    "--tblr-primary",
    "--wm-ink",
    "--wm-tint",
    "--tblr-body-color",
    "--wm-secondary",
    "--tblr-body-bg",
    "--tblr-bg-surface",
    "--tblr-border-color",
    "--wm-success",
    "--wm-warning",
    "--wm-danger",
    "--wm-info",
)


class SampleForm(Form):
    """A field of each kind; the first one is left empty, so that an error can be seen."""

    name = StringField("", [InputRequired()])
    email = EmailField("")
    kind = SelectField("")
    day = DateField("")
    text = TextAreaField("")
    agreed = BooleanField("")


@bp.get("/admin/style/")
def show() -> Any:
    on_platform()
    require(READ)
    return render_template("admin/style.html", tokens=TOKENS, tones=TONES, sample=_sample())


def _sample() -> dict[str, Any]:
    """What the patterns show. None of it is anybody's data."""
    now = clock.machine_now()
    columns = (
        Column("name", _("Lesson"), sort_url="#table", direction="asc"),
        Column("at", _("When"), sort_url="#table"),
        Column("state", _("Status")),
        Column("price", _("Price"), kind="money"),
    )
    rows = tuple(_rows(now))
    return {
        "form": _form(),
        "columns": columns,
        "rows": rows,
        "related": RelatedList(_("Bookings"), columns, rows[:2], count=12, more_url="#related"),
        "filters": (
            Filter("status", _("Status"), "choice", (("confirmed", _("Confirmed")),)),
            Filter("made_at", _("Created"), "date"),
        ),
        "empty": Empty(_("No lessons yet"), _("They appear here when somebody books."), "#empty", _("Add")),
        "filtered": Empty(
            _("Nothing found"), _("Nothing matches the filters."), "#empty", _("Clear all"), filtered=True
        ),
        "actions": (
            ActionLink("approve", _("Approve"), "#buttons", "check"),
            ActionLink("remove", _("Remove"), "#buttons", "trash", danger=True),
        ),
        "timeline": (
            TimelineEntry(now, "Clara Vogt", _("changed it"), [(_("Status"), _("Held"), _("Confirmed"))]),
            TimelineEntry(now - dt.timedelta(days=2), "Mira Aydın", _("added it"), kind="user"),
        ),
        "ends_at": now + dt.timedelta(minutes=9, seconds=30),
        "now": now,
    }


def _rows(now: dt.datetime) -> list[Row]:
    states = (
        (_("Confirmed"), "success", 42),
        (_("Held"), "warning", 24),
        (_("Cancelled"), "secondary", 55),
    )
    made = []
    for number, (state, tone, price) in enumerate(states, start=1):
        starts_at = now + dt.timedelta(days=number)
        cells = (
            Cell("text", _("German conversation")),
            Cell("datetime", starts_at.strftime("%Y-%m-%d %H:%M")),
            Cell("badge", state, tone=tone),
            Cell("money", format_currency(price, "EUR")),
        )
        made.append(Row(number, "#table", _("German conversation"), cells))
    return made


def _form() -> SampleForm:
    form = SampleForm(formdata=None)
    for field, label, help_text in (
        (form.name, _("Name"), ""),
        (form.email, _("E-mail"), _("Only the company sees it.")),
        (form.kind, _("Kind"), ""),
        (form.day, _("Date"), ""),
        (form.text, _("Text"), ""),
        (form.agreed, _("Remind me by mail"), ""),
    ):
        field.label.text, field.description = label, help_text
    form.kind.choices = [("one_to_one", _("One-to-one")), ("group", _("Group class"))]
    form.name.errors = [_("Please fill this in.")]
    return form
