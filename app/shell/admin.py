"""The admin as a whole: every domain's entries, the platform's own, and pages that are not about a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import LazyString
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import EmailField, StringField
from wtforms.validators import InputRequired, Length

from app.core import business_clock
from app.core.idempotency import IdempotencyKey
from app.core.moments import moment
from app.core.outbox import DEAD, DELIVERED, DUE, Outbox
from app.core.rights import ACT, PLATFORM, READ, TENANT, WRITE, Catalogue, Resource, catalogue
from app.core.schedule import Schedule
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.core.viewer import Viewer
from app.core.web.categories import HEALTH, MONEY, SETUP
from app.core.web.cells import NOTHING
from app.core.web.entry import Action, AdminEntry, Category, Registry, Text
from app.core.web.forms import Form, strip
from app.core.web.pages import Cell
from app.domains.accounts import admin as accounts
from app.domains.accounts import queries
from app.domains.accounts.models import EXPIRED, MANAGER, OPERATOR
from app.domains.accounts.service import people
from app.domains.booking import admin as booking
from app.domains.catalog import admin as catalog
from app.domains.earnings import admin as earnings
from app.domains.ledger import admin as ledger
from app.domains.messaging import admin as messaging
from app.domains.notifications import admin as notifications
from app.domains.payments import admin as payments
from app.domains.tenancy import admin as tenancy
from app.domains.tenancy.models import ACTIVE, Tenant
from app.providers.mail.mock import MockMailMessage
from app.shell import deliveries, list_entries
from app.shell.schedule import WORDS
from app.shell.security import ROLES

NOT_IN_ADMIN: Mapping[str, str] = {
    "refresh_token": "secrets; seen through the sign-in they belong to",
    "handover_ticket": "secrets that live for 30 seconds",
    "throttle": "digests and counters",
    "import_draft": "files that wait for a day for the yes of whoever chose them",
    "clock_offset": "one row, seen and moved on its own page",
    "ab_permission": "FAB's own, always empty",
    "ab_view_menu": "FAB's own, always empty",
    "ab_role": "FAB's own, always empty",
    "ab_permission_view": "FAB's own, always empty",
    "ab_permission_view_role": "FAB's own, always empty",
    "ab_user_role": "FAB's own, always empty",
    "ab_group": "FAB's own, always empty",
    "ab_user_group": "FAB's own, always empty",
    "ab_group_role": "FAB's own, always empty",
    "ab_register_user": "FAB's own, always empty",
    "ab_api_key": "FAB's own, always empty",
}


class _Shown(AdminEntry):
    """Something that is looked at, and changed by its actions at most."""

    category: Category = HEALTH
    surfaces = frozenset({PLATFORM})
    can_add = can_edit = can_delete = False


def _retry(row: Outbox, _data: Mapping[str, Any], _by: Viewer) -> str:
    deliveries.retry(row)
    return ""


class InviteManagerForm(Form):
    full_name = StringField(
        _l("Name"), [InputRequired(_l("Please fill this in.")), Length(max=120)], filters=[strip]
    )
    email = EmailField(
        _l("E-mail"), [InputRequired(_l("Please fill this in.")), Length(max=320)], filters=[strip]
    )


def _invite_manager(row: Tenant, data: Mapping[str, Any], by: Viewer) -> str:
    """In the company's own scope: what is written there is its own."""
    tenant_id = row.id
    with tenant_scope(tenant_id), transaction():
        people.invite(
            full_name=data["full_name"],
            email=data["email"],
            choice=people.RoleChoice(key=MANAGER),
            by=people.Inviter(by.actor.label, catalogue().of_role(OPERATOR)),
        )
    return ""


def _managers(_value: Any, row: Tenant) -> Cell:
    """Who runs a company; on the platform alone, where memberships of all companies can be read."""
    found = [f"{member.person} <{member.email}>" for member in queries.managers_of(row.id)]
    return Cell("list", ", ".join(found), items=found) if found else Cell("text", _("Nobody yet"))


def _invited_managers(_value: Any, row: Tenant) -> Cell:
    found = [
        _("%(email)s, expired on %(time)s", email=invitation.email, time=moment(invitation.expires_at))
        if invitation.state == EXPIRED
        else _("%(email)s, until %(time)s", email=invitation.email, time=moment(invitation.expires_at))
        for invitation in queries.invited_managers_of(row.id)
    ]
    return Cell("list", ", ".join(found), items=found) if found else NOTHING


class CompanyEntry(tenancy.TenantEntry):
    """A company, with what needs both tenancy and accounts."""

    details = ("name", "slug", "managers", "invited_managers", *tenancy.TenantEntry.details[2:])
    api_columns = tenancy.TenantEntry.details
    labels: Mapping[str, Text] = {
        "managers": _l("Managers"),
        "invited_managers": _l("Invited as managers"),
    }
    formats = {**tenancy.TenantEntry.formats, "managers": _managers, "invited_managers": _invited_managers}
    actions = (
        Action(
            "invite-manager",
            _l("Invite its manager"),
            _invite_manager,
            done=_l("The invitation is on its way."),
            icon="user-plus",
            text=_l("They get a mail with a link, choose a password and run the company from then on."),
            form=InviteManagerForm,
            when=lambda row: row.status == ACTIVE,
            own_scope=True,
        ),
        *tenancy.TenantEntry.actions,
    )

    def update(self, row: Tenant, data: Mapping[str, Any], by: Viewer) -> None:
        if data.get("plan", row.plan) != row.plan:
            people.check_plan(row.id, max_tutors=data["plan"].max_tutors)
        super().update(row, data, by)

    def primary_of(self, row: Tenant) -> str | None:
        """Until somebody runs the company or is asked to, that is what it needs."""
        return None if queries.has_manager(row.id) else "invite-manager"


class DeliveryEntry(_Shown):
    model = Outbox
    slug = "deliveries"
    resource = "delivery"
    label, plural = _l("Delivery"), _l("Deliveries")
    lead = _l("What happened and still has to reach somebody. What gave up can be tried again.")
    icon, rank = "send", 10
    waits = ("status", (DEAD,))
    columns = ("name", "handler", "status", "attempts", "announced_at", "due_at")
    details = (*columns, "delivered_at", "tenant_id", "payload", "last_error", "request_id")
    search = ("name", "handler")
    filters = ("status", "tenant_id", "announced_at")
    choices = {"status": ((DUE, _l("Due")), (DELIVERED, _l("Delivered")), (DEAD, _l("Gave up")))}
    tones = {"status": {DUE: "info", DELIVERED: "success", DEAD: "danger"}}
    labels = {"name": _l("Event")}
    actions = (
        Action(
            "retry",
            _l("Try again"),
            _retry,
            done=_l("It is due again."),
            icon="refresh-alert",
            text=_l("It is tried again at once, from the beginning of its attempts."),
            when=lambda row: row.status == DEAD,
            bulk=True,
        ),
    )


class ScheduleEntry(_Shown):
    model = Schedule
    label, plural = _l("Schedule"), _l("Schedules")
    lead = _l("Recurring work, when it is due and how it went last.")
    icon, rank = "clock", 20
    columns = ("name", "due_at", "last_run_at", "last_seconds", "last_error")
    search = ("name",)
    order = ("name", "asc")
    formats = {"name": lambda value, _row: Cell("text", WORDS.get(value, value))}

    def title_of(self, row: Schedule) -> Text:
        return WORDS.get(row.name, row.name)


class SentMailEntry(_Shown):
    model = MockMailMessage
    slug = "sent-mails"
    resource = "sent_mail"
    label, plural = _l("Sent mail"), _l("Sent mails")
    lead = _l("With the mock mail provider nothing leaves: what would have been sent is here.")
    icon, rank = "inbox", 30
    columns = ("sent_at", "recipient", "subject", "copies")
    details = (
        "sent_at",
        "recipient",
        "subject",
        "link",
        "text",
        "attached",
        "copies",
        "message_id",
        "tenant_id",
    )
    formats = {"link": lambda url, _row: Cell("link", url, url=url) if url else NOTHING}
    labels = {"link": _l("Link"), "attached": _l("Attachments")}
    api_columns = ("sent_at", "recipient", "subject", "copies", "message_id")
    search = ("recipient", "subject")
    filters = ("sent_at", "tenant_id")


class IdempotencyEntry(_Shown):
    model = IdempotencyKey
    slug = "idempotency-keys"
    label, plural = _l("Idempotency key"), _l("Idempotency keys")
    lead = _l("Requests of the last day that must not be done twice.")
    icon, rare = "key", True
    columns = ("route", "key", "actor", "status", "made_at")
    search = ("route", "key")


@dataclass(frozen=True)
class AdminPage:
    """A page of the admin that is not about a model; it has rights and a menu entry all the same."""

    resource: Resource
    url: str
    icon: str
    category: Category
    rank: int = 50
    exists: Callable[[], bool] = lambda: True

    @property
    def label(self) -> LazyString | str:
        return self.resource.label


PAGES = (
    AdminPage(
        Resource("brand", _l("Brand"), (READ, WRITE), frozenset({TENANT})),
        "/admin/brand/",
        "palette",
        SETUP,
        rank=10,
    ),
    AdminPage(
        Resource("books", _l("Books"), (READ,), frozenset({TENANT})),
        "/admin/books/",
        "book",
        MONEY,
        rank=70,
    ),
    AdminPage(
        Resource("provider", _l("Services outside"), (READ,), frozenset({PLATFORM})),
        "/admin/providers/",
        "server",
        HEALTH,
        rank=25,
    ),
    AdminPage(
        Resource("clock", _l("Business clock"), (READ, ACT), frozenset({PLATFORM})),
        "/admin/clock/",
        "clock",
        HEALTH,
        exists=business_clock.is_movable,
    ),
    AdminPage(
        Resource("style", _l("Style"), (READ,), frozenset({PLATFORM})),
        "/admin/style/",
        "palette",
        HEALTH,
        rank=90,
    ),
)


def make_registry() -> Registry:
    """Every admin entry, in the order of the domains."""
    own = (DeliveryEntry, ScheduleEntry, SentMailEntry, IdempotencyEntry, *list_entries.ENTRIES)
    domains = (tenancy, accounts, booking, catalog, payments, earnings, ledger, messaging, notifications)
    entries = (CompanyEntry, *(entry for domain in domains for entry in domain.ADMIN), *own)
    return Registry(entry() for entry in entries)


def make_catalogue(registry: Registry) -> Catalogue:
    """All rights there are, derived from what is registered."""
    found = [entry.as_resource() for entry in registry.entries] + [page.resource for page in PAGES]
    return Catalogue(found, ROLES)
