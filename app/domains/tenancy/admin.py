"""Tenancy in the admin: companies, their host names and plans, for the platform's people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import current_app
from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import SelectField, StringField, TextAreaField
from wtforms.validators import InputRequired, Length, Regexp

from app.core.rights import PLATFORM, READ
from app.core.viewer import Viewer
from app.core.web import choices as common
from app.core.web.categories import COMPANIES
from app.core.web.entry import Action, AdminEntry, Related, Text
from app.core.web.forms import Form, strip
from app.core.web.handover import remember_intent
from app.core.web.pages import Cell
from app.core.web.percents import PercentField, percent_cell
from app.domains.tenancy import service
from app.domains.tenancy.models import ACTIVE, CLOSED, SUSPENDED, Plan, Tenant, TenantDomain

STATUS = ((ACTIVE, _l("Active")), (SUSPENDED, _l("Suspended")), (CLOSED, _l("Closed")))


class ReasonForm(Form):
    reason = TextAreaField(
        _l("Reason"),
        [InputRequired(_l("Please say why; it stands in the audit trail.")), Length(max=500)],
        filters=[strip],
    )


def _address(value: str, _row: Tenant) -> Cell:
    settings = current_app.extensions["settings"]
    host = f"{value}.{settings.BASE_DOMAIN}"
    return Cell("link", host, url=settings.url_of(host))


def _suspend(row: Tenant, data: Mapping[str, Any], _by: Viewer) -> str:
    service.suspend(row, reason=data["reason"])
    return ""


def _resume(row: Tenant, _data: Mapping[str, Any], _by: Viewer) -> str:
    service.resume(row)
    return ""


def _open(row: Tenant, _data: Mapping[str, Any], _by: Viewer) -> str:
    return remember_intent(row.id)


class TenantEntry(AdminEntry):
    model = Tenant
    label, plural = _l("Company"), _l("Companies")
    lead = _l("The tutoring companies on this installation.")
    category, icon, rank = COMPANIES, "building", 10
    menu_label = _l("All companies")
    surfaces = frozenset({PLATFORM})
    columns = ("name", "slug", "status", "plan", "currency", "created_at")
    details: tuple[str, ...] = (
        "name",
        "slug",
        "status",
        "status_reason",
        "plan",
        "currency",
        "timezone",
        "locale",
        "is_test",
        "created_at",
    )
    form = ("name", "slug", "plan", "currency", "timezone", "locale", "is_test")
    edit_form = ("name", "plan", "timezone", "locale", "is_test")
    search = ("name", "slug")
    found_by = search
    filters = ("status", "currency", "is_test", "created_at")
    choices = {"status": STATUS, "locale": common.LOCALES, "currency": common.currencies}
    tones = {"status": {ACTIVE: "success", SUSPENDED: "warning"}}
    formats = {"slug": _address}
    helps = {
        "name": _l(
            "Only a company's address and currency stay for good: mailed links lead to the one, and its books"
            " are kept in the other."
        ),
        "slug": _l(
            "Becomes the company's address: 3 to 40 lower-case letters, digits, hyphens. Can't change later:"
            " mailed links lead there."
        ),
        "plan": _l("Must have room for the tutors there are."),
        "currency": _l("Can't change later: all its books are kept in it."),
        "is_test": _l("For trying things out: every page says so."),
    }
    fields = {
        "slug": lambda e: StringField(
            e.label_of("slug"),
            [InputRequired(_l("Please fill this in.")), Length(max=40)],
            filters=[strip, lambda text: text.lower() if text else text],
            description=e.helps["slug"],
        ),
        "currency": lambda e: SelectField(
            e.label_of("currency"),
            [InputRequired(_l("Please choose."))],
            choices=lambda: [common.PLEASE_CHOOSE, *common.currencies()],
            description=e.helps["currency"],
        ),
        "timezone": lambda e: SelectField(
            e.label_of("timezone"),
            [InputRequired(_l("Please choose."))],
            choices=lambda: [common.PLEASE_CHOOSE, *common.timezones()],
        ),
    }
    actions: tuple[Action, ...] = (
        Action(
            "open",
            _l("Open this company"),
            _open,
            icon="external-link",
            text=_l(
                "You will be signed in there as an operator for an hour. The visit stands in its audit trail."
            ),
            when=lambda row: row.status in {ACTIVE, SUSPENDED},
            verb=READ,
            leaves=True,
        ),
        Action(
            "suspend",
            _l("Suspend"),
            _suspend,
            done=_l("Suspended. Its pages say so from the next request on."),
            icon="player-pause",
            text=_l(
                "Its pages close to everybody but operators. Nothing is lost, and you can bring it back."
            ),
            form=ReasonForm,
            when=lambda row: row.status == ACTIVE,
            danger=True,
            bulk=True,
        ),
        Action(
            "resume",
            _l("Bring back"),
            _resume,
            done=_l("It is open again."),
            icon="player-play",
            text=_l("Its pages open again as they were."),
            when=lambda row: row.status == SUSPENDED,
            bulk=True,
        ),
    )
    related = (Related("domains", "tenant_id", _l("Host names"), invites=lambda _row: True),)
    listed_on = (Related("plans", "plan_id", _l("Companies that have it"), told=False),)
    sections: tuple[tuple[Text, tuple[str, ...]], ...] = (
        (_l("Money and place"), ("plan", "currency", "timezone", "locale", "is_test")),
    )
    deeds = {"created": _l("opened this company")}
    can_delete = False
    max_import_rows = 1_000
    add_label = _l("New company")
    empty_title = _l("No companies yet")
    empty_text = _l("Create the first one, then invite its manager.")

    def create(self, data: Mapping[str, Any], by: Viewer) -> Tenant:
        return service.open_tenant(service.NewTenant(**data))

    def update(self, row: Tenant, data: Mapping[str, Any], by: Viewer) -> None:
        service.correct(row, **{name: data.get(name, getattr(row, name)) for name in self.edit_form or ()})

    def may_edit(self, row: Tenant) -> bool:
        return row.status != CLOSED

    def next_step_of(self, row: Tenant) -> LazyString | str:
        return _(
            "Its address is %(address)s. Next: invite its manager.", address=_address(row.slug, row).text
        )


class DomainEntry(AdminEntry):
    model = TenantDomain
    slug = "domains"
    label, plural = _l("Host name"), _l("Host names")
    lead = _l("Addresses of their own under which companies can be reached.")
    category, icon, rank = COMPANIES, "world", 20
    surfaces = frozenset({PLATFORM})
    columns = ("host", "tenant", "activated_at", "note")
    form = ("tenant", "host", "note")
    search = ("host",)
    found_by = search
    filters = ("tenant_id", "activated_at")
    helps = {"host": _l("For example lessons.fjord.example; its DNS must point here.")}
    can_edit = False
    add_label = _l("Add a host name")
    empty_title = _l("No host names of their own")
    empty_text = _l("Every company has an address under ours; add one of its own here.")

    def create(self, data: Mapping[str, Any], by: Viewer) -> TenantDomain:
        base = current_app.extensions["settings"].BASE_DOMAIN
        return service.add_domain(data["tenant"], host=data["host"], base_domain=base, remark=data["note"])

    def delete(self, row: TenantDomain, by: Viewer) -> None:
        service.remove_domain(row)


class PlanEntry(AdminEntry):
    model = Plan
    label, plural = _l("Plan"), _l("Plans")
    lead = _l("What a company may use.")
    category, icon, rank = COMPANIES, "list", 30
    surfaces = frozenset({PLATFORM})
    columns = ("name", "code", "max_tutors", "platform_fee_bp")
    form = ("name", "code", "max_tutors", "platform_fee_bp")
    search = ("name", "code")
    labels: Mapping[str, Text] = {"platform_fee_bp": _l("Platform's fee in percent")}
    helps = {
        "max_tutors": _l("Empty means no limit."),
        "platform_fee_bp": _l("What the platform keeps of each sale's net price, from the next sale on."),
    }
    examples: Mapping[str, Text] = {"platform_fee_bp": "5"}
    formats = {"platform_fee_bp": percent_cell}
    fields = {
        "platform_fee_bp": lambda e: PercentField(
            e.label_of("platform_fee_bp"),
            [InputRequired(_l("Please fill this in."))],
            most_bp=5000,
            default=500,
            description=e.helps["platform_fee_bp"],
        ),
        "code": lambda e: StringField(
            e.label_of("code"),
            [
                InputRequired(_l("Please fill this in.")),
                Length(max=40),
                Regexp("^[a-z0-9-]+$", message=_l("Lower-case letters, digits and hyphens.")),
            ],
            filters=[strip],
        ),
    }
    add_label = _l("New plan")


# Companies are registered by the shell, which adds what needs accounts to them.
ADMIN = (DomainEntry, PlanEntry)
