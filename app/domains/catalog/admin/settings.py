"""What a company decides for its whole catalogue, and how its tutors are shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import IntegerField, TextAreaField
from wtforms.validators import InputRequired, Length, Optional

from app.core.viewer import Viewer
from app.core.web.categories import CATALOG, SETUP
from app.core.web.entry import AdminEntry, Related
from app.core.web.forms import strip, within
from app.core.web.pages import Cell
from app.core.web.percents import PercentField, percent_cell
from app.domains.catalog import policies, service
from app.domains.catalog.models import (
    CancellationPolicy,
    Subject,
    TaxRate,
    TutorProfile,
)
from app.domains.catalog.service import settings

NEEDED = _l("Please fill this in.")
MOST_PLACE = 2**31 - 1


def _minutes(value: int, _row: Any) -> Cell:
    return Cell("text", policies.minutes_in_words(value))


class SubjectEntry(AdminEntry):
    model = Subject
    label, plural = _l("Subject taught"), _l("Subjects")
    lead = _l("What your tutors teach. Visitors narrow their search by it.")
    category, icon, rank = CATALOG, "tag", 40
    columns = ("name", "position", "slug")
    form = ("name", "position")
    search = ("name",)
    order = ("position", "asc")
    labels = {"position": _l("Place in the list")}
    helps = {"position": _l("Smaller numbers come first. Without one it comes last.")}
    examples = {"name": _l("Mathematics")}
    fields = {
        "position": lambda e: IntegerField(
            e.label_of("position"),
            [Optional(), within(-MOST_PLACE - 1, MOST_PLACE)],
            description=e.helps["position"],
        )
    }
    add_label = _l("Add a subject")
    empty_title = _l("No subjects yet")
    empty_text = _l("Add what is taught here; tutors choose from it.")

    def create(self, data: Mapping[str, Any], by: Viewer) -> Subject:
        return settings.add_subject(name=data["name"], position=data["position"])

    def update(self, row: Subject, data: Mapping[str, Any], by: Viewer) -> None:
        if data.get("position") is None:
            data = {**data, "position": row.position}
        super().update(row, data, by)


class TaxRateEntry(AdminEntry):
    model = TaxRate
    label, plural = _l("Tax rate"), _l("Tax rates")
    lead = _l("Prices include it, and receipts show it.")
    category, icon, rank = SETUP, "receipt", 30
    columns = ("name", "code", "rate_bp")
    form = ("name", "code", "rate_bp")
    search = ("name", "code")
    order = ("name", "asc")
    labels = {"rate_bp": _l("Rate in percent")}
    helps = {"code": _l("A short name for receipts, such as “VAT19”.")}
    examples = {"name": _l("Value added tax"), "code": "VAT19", "rate_bp": "19"}
    formats = {"rate_bp": percent_cell}
    fields = {"rate_bp": lambda e: PercentField(e.label_of("rate_bp"), [InputRequired(NEEDED)], most_bp=5000)}
    add_label = _l("Add a tax rate")
    empty_title = _l("No tax rates yet")
    empty_text = _l("Without one, no tax is shown on receipts.")


class PolicyEntry(AdminEntry):
    model = CancellationPolicy
    slug = "cancellation-policies"
    label, plural = _l("Cancellation policy"), _l("Cancellation policies")
    lead = _l("What people get back, and until when they can move a lesson. What is booked keeps its terms.")
    category, icon, rank = SETUP, "history", 20
    columns = (
        "name",
        "free_until_minutes",
        "late_refund_bp",
        "move_until_minutes",
        "max_moves",
        "is_default",
    )
    form = columns
    search = ("name",)
    order = ("name", "asc")
    labels = {
        "free_until_minutes": _l("Free until (before the lesson)"),
        "late_refund_bp": _l("Given back when it is later"),
        "move_until_minutes": _l("Can be moved until (before the lesson)"),
        "max_moves": _l("Moves at most"),
        "is_default": _l("For everything that names no other"),
    }
    helps = {
        "free_until_minutes": _l("In minutes: 1440 are a day. Until then all of the price is given back."),
        "late_refund_bp": _l("In percent of the price."),
        "move_until_minutes": _l("In minutes: 720 are twelve hours."),
    }
    formats = {
        "free_until_minutes": _minutes,
        "move_until_minutes": _minutes,
        "late_refund_bp": percent_cell,
    }
    fields = {
        "late_refund_bp": lambda e: PercentField(
            e.label_of("late_refund_bp"),
            [InputRequired(NEEDED)],
            most_bp=10_000,
            description=e.helps["late_refund_bp"],
        )
    }
    can_import = False  # its columns are shown in words, and there are never many
    add_label = _l("Add a policy")
    empty_title = _l("No policies of your own yet")
    empty_text = _l("Until you add one: free until a day before, half of the price later, two moves.")

    def create(self, data: Mapping[str, Any], by: Viewer) -> CancellationPolicy:
        return settings.add_policy(**data)

    def update(self, row: CancellationPolicy, data: Mapping[str, Any], by: Viewer) -> None:
        known = {name: data.get(name, getattr(row, name)) for name in self.form}
        settings.change_policy(row, **known)


class TutorProfileEntry(AdminEntry):
    model = TutorProfile
    label, plural = _l("Tutor's profile"), _l("Tutors' profiles")
    lead = _l("How tutors are shown to visitors. They write it themselves; you can correct it.")
    category, icon, rank = CATALOG, "id-badge-2", 30
    columns = ("person", "headline", "languages", "slug")
    details = ("person", "headline", "bio", "languages", "slug", "created_at", "changed_at")
    form = ("person", "headline", "bio", "languages")
    edit_form = ("headline", "bio", "languages")
    search = ("person.full_name", "headline")
    listed_on = (Related("people", "person_id", _l("How visitors see them")),)
    filters = ("person_id",)
    labels = {"headline": _l("In one line"), "bio": _l("About"), "languages": _l("Languages spoken")}
    formats = {"slug": lambda value, _row: Cell("link", value, url=f"/tutors/{value}")}
    fields = {
        "bio": lambda e: TextAreaField(e.label_of("bio"), [Optional(), Length(max=10_000)], filters=[strip])
    }
    add_label = _l("Add a profile")
    empty_title = _l("No profiles yet")
    empty_text = _l("A tutor gets one with the first offering, or you write one here.")

    def create(self, data: Mapping[str, Any], by: Viewer) -> TutorProfile:
        words = {name: data[name] for name in ("headline", "bio", "languages")}
        return service.add_profile(data["person"], **words)

    def update(self, row: TutorProfile, data: Mapping[str, Any], by: Viewer) -> None:
        known = {name: data.get(name, getattr(row, name)) for name in self.edit_form or ()}
        service.correct_profile(row, **known)
