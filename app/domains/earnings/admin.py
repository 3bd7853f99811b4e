"""Earnings in the admin: the terms, which can be planned, and what tutors earned, which can be looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import g
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms.validators import InputRequired, Optional

from app.core import clock
from app.core.money import Money
from app.core.viewer import Viewer
from app.core.web.categories import MONEY, SETUP
from app.core.web.cells import money_cell
from app.core.web.entry import AdminEntry, Related
from app.core.web.forms import LocalDateTimeField
from app.core.web.pages import Cell
from app.core.web.percents import PercentField, percent_cell
from app.domains.earnings import policies, queries, service
from app.domains.earnings.models import CLEARED, PENDING, REVERSED, STATUS_NAMES, CommissionPlan, Earning
from app.domains.ledger import queries as ledger


def _money(minor: int, row: Earning) -> Cell:
    return money_cell(Money(minor, row.currency))


def _explained(_value: Any, row: Earning) -> Cell:
    """How each figure came to be, in the words that its tutor reads."""
    story = policies.story(row, ledger.entries_of(queries.SEAT, row.seat_id))
    return Cell("prose", "\n".join(f"{title}: {' '.join(sentences)}" for _entry, title, sentences in story))


def _in_force(_value: Any, row: CommissionPlan) -> Cell:
    if row.valid_from > clock.now():
        return Cell("badge", _("Not yet"), tone="info")
    if "plans_in_force" not in g:  # asked once for a page
        g.plans_in_force = queries.plans_in_force(clock.now())
    if row.id in g.plans_in_force:
        return Cell("badge", _("In force"), tone="success")
    return Cell("badge", _("Replaced"))


def _person(person: Any, row: CommissionPlan) -> Cell:
    if person is None:
        return Cell("text", _("All tutors"))
    return Cell("link", str(person), url=f"/admin/people/{row.person_id}")


class CommissionPlanEntry(AdminEntry):
    model = CommissionPlan
    label, plural = _l("Commission plan"), _l("Commission plans")
    lead = _l("What share of the net price tutors get, from when on, and how long it stays pending.")
    category, icon, rank = SETUP, "coin", 40
    columns = ("name", "person", "tutor_share_bp", "hold_days", "valid_from", "in_force")
    api_columns = ("name", "person", "tutor_share_bp", "hold_days", "valid_from")
    form = ("name", "person", "tutor_share_bp", "hold_days", "valid_from")
    search = ("name",)
    filters = ("person_id", "valid_from")
    order = ("valid_from", "desc")
    labels = {
        "person": _l("Tutor"),
        "person_id": _l("Tutor"),
        "tutor_share_bp": _l("Tutor's share in percent"),
        "hold_days": _l("Days pending"),
        "valid_from": _l("Valid from"),
        "in_force": _l("State"),
    }
    helps = {
        "person": _l("Leave empty for all tutors who have no terms of their own."),
        "tutor_share_bp": _l("Of what is left after tax, for example 70 or 72.5."),
        "hold_days": _l("How many days after the lesson an earning becomes the tutor's for good: 0 to 90."),
        "valid_from": _l("Leave empty for now. What was sold before keeps the terms it was sold under."),
    }
    formats: Mapping[str, Callable[[Any, Any], Cell]] = {
        "person": _person,
        "tutor_share_bp": percent_cell,
        "in_force": _in_force,
    }
    fields = {
        "tutor_share_bp": lambda e: PercentField(
            e.label_of("tutor_share_bp"),
            [InputRequired(_l("Please fill this in."))],
            description=e.helps["tutor_share_bp"],
        ),
        "valid_from": lambda e: LocalDateTimeField(
            e.label_of("valid_from"), [Optional()], description=e.helps["valid_from"]
        ),
    }
    examples = {"tutor_share_bp": "70", "hold_days": "7", "valid_from": "2040-01-01 00:00"}
    related = (Related("earnings", "plan_id", _l("Earned under these terms")),)
    add_label = _l("New terms")
    empty_title = _l("The house's terms hold")
    empty_text = _l(
        "Tutors get 70 percent of the net price, which clears 7 days after the lesson. Set your own here."
    )

    def create(self, data: Mapping[str, Any], by: Viewer) -> CommissionPlan:
        return service.plan_commission(**data)

    def update(self, row: CommissionPlan, data: Mapping[str, Any], by: Viewer) -> None:
        service.change_plan(row, **{name: data.get(name, getattr(row, name)) for name in self.form})

    def delete(self, row: CommissionPlan, by: Viewer) -> None:
        service.drop_plan(row)

    def may_edit(self, row: CommissionPlan) -> bool:
        return row.valid_from > clock.now()

    def may_delete(self, row: CommissionPlan) -> bool:
        return row.valid_from > clock.now()

    def hint_of(self, row: CommissionPlan) -> LazyString | str:
        if row.valid_from > clock.now():
            return _("Not in force yet: it can still be changed or deleted.")
        return _("Terms that were in force stay as they were. To change them, add new ones that follow them.")


class EarningEntry(AdminEntry):
    model = Earning
    label, plural = _l("Earning"), _l("Earnings")
    lead = _l("What tutors earned with each booking, and how its price was shared. The books say the same.")
    category, icon, rank = MONEY, "wallet", 60
    columns = ("description", "tutor", "gross_minor", "tutor_minor", "status", "clears_at")
    details = (
        "description",
        "tutor",
        "status",
        "next",
        "explained",
        "gross_minor",
        "tax_minor",
        "platform_minor",
        "tenant_minor",
        "tutor_minor",
        "refunded_minor",
        "tax_rate_bp",
        "platform_fee_bp",
        "tutor_share_bp",
        "plan",
        "earned_at",
        "clears_at",
        "cleared_at",
        "is_held",
    )
    api_columns = (
        *(name for name in details if name not in {"next", "explained"}),
        "currency",
        "seat_id",
        "hold_days",
        "reason",
    )
    search = ("description",)
    filters = ("status", "tutor_id", "plan_id", "is_held", "clears_at")
    labels = {
        "description": _l("What for"),
        "tutor": _l("Tutor"),
        "tutor_id": _l("Tutor"),
        "plan": _l("Terms"),
        "next": _l("What happens next"),
        "explained": _l("Explained, as its tutor reads it"),
        "gross_minor": _l("Paid"),
        "tax_minor": _l("Tax"),
        "platform_minor": _l("Platform's fee"),
        "tenant_minor": _l("Company's share"),
        "tutor_minor": _l("Tutor's share"),
        "refunded_minor": _l("Given back"),
        "tax_rate_bp": _l("Tax rate"),
        "platform_fee_bp": _l("Platform's fee in percent"),
        "tutor_share_bp": _l("Tutor's share in percent"),
        "earned_at": _l("Lesson ended"),
        "clears_at": _l("Clears"),
        "cleared_at": _l("Cleared"),
        "is_held": _l("Held"),
    }
    choices = {"status": tuple(STATUS_NAMES.items())}
    tones = {"status": {PENDING: "info", CLEARED: "success", REVERSED: "secondary"}}
    formats = {
        **dict.fromkeys(
            ("gross_minor", "tax_minor", "platform_minor", "tenant_minor", "tutor_minor", "refunded_minor"),
            _money,
        ),
        **dict.fromkeys(("tax_rate_bp", "platform_fee_bp", "tutor_share_bp"), percent_cell),
        "next": lambda _value, row: Cell("text", policies.next_in_words(row)),
        "explained": _explained,
    }
    listed_on = (
        Related(
            "people",
            "tutor_id",
            _l("Earnings"),
            ("description", "tutor_minor", "status", "clears_at"),
            told=False,
        ),
        Related("seats", "seat_id", _l("How its price was shared")),
    )
    sections = (
        (
            _l("Shares"),
            ("gross_minor", "tax_minor", "platform_minor", "tenant_minor", "tutor_minor", "refunded_minor"),
        ),
        (_l("Terms"), ("tax_rate_bp", "platform_fee_bp", "tutor_share_bp", "plan")),
        (_l("Dates"), ("earned_at", "clears_at", "cleared_at", "is_held")),
    )
    deeds = {"created": _l("shared the price")}
    can_add = can_edit = can_delete = False
    empty_title = _l("Nothing earned yet")
    empty_text = _l("With the first paid booking its tutor earns something.")


ADMIN = (CommissionPlanEntry, EarningEntry)
