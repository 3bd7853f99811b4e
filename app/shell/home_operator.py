"""The operator's first page: all companies at a glance."""

from __future__ import annotations

from flask_babel import gettext as _

from app.core import clock, outside, schedule
from app.core.business_clock import is_movable
from app.core.moments import moment
from app.core.money import Money
from app.core.outbox import DEAD, DUE, Outbox
from app.core.viewer import Viewer
from app.core.web.pages import ActionLink, Cell, Column, Figure, HomePage, RelatedList, Row
from app.domains.accounts.models import PENDING, Account, Invitation, Person
from app.domains.booking.models import SCHEDULED, Lesson
from app.domains.earnings.queries import TAKINGS
from app.domains.payments.models import OPEN, Dispute
from app.domains.tenancy.admin import STATUS
from app.domains.tenancy.models import ACTIVE, SUSPENDED, Tenant
from app.shell import key_figures as queries
from app.shell.figures import count, money, number, one

MOST_COMPANIES = 10


def operator_page(who: Viewer) -> HomePage:
    """All companies: their health, and what they take."""
    n = one(
        active=count(Tenant, Tenant.status == ACTIVE),
        suspended=count(Tenant, Tenant.status == SUSPENDED),
        people=count(Person),
        accounts=count(Account),
        invited=count(Invitation, Invitation.state == PENDING),
        due=count(Outbox, Outbox.status == DUE),
        dead=count(Outbox, Outbox.status == DEAD),
        lessons=count(Lesson, Lesson.status == SCHEDULED, Lesson.starts_at >= clock.now()),
        disputes=count(Dispute, Dispute.status == OPEN),
    )
    late = schedule.overdue()
    figures = [
        Figure(_("Active companies"), number(n.active), "/admin/tenants/?status=active", icon="building"),
        Figure(_("Suspended"), number(n.suspended), "/admin/tenants/?status=suspended", icon="player-pause"),
        Figure(_("People"), number(n.people), hint=_("in all companies"), icon="users"),
        Figure(_("Accounts"), number(n.accounts), "/admin/accounts/", icon="user"),
        Figure(_("Open invitations"), number(n.invited), icon="mail"),
        Figure(_("Lessons to come"), number(n.lessons), hint=_("in all companies"), icon="calendar"),
        Figure(
            _("Open disputes"),
            number(n.disputes),
            icon="flag",
            tone="danger" if n.disputes else "success",
        ),
        Figure(
            _("Deliveries due"),
            number(n.due),
            "/admin/deliveries/?status=due",
            hint=_("mails and other things on their way"),
            icon="send",
        ),
        Figure(
            _("Deliveries that gave up"),
            number(n.dead),
            "/admin/deliveries/?status=dead",
            icon="alert-triangle",
            tone="danger" if n.dead else "success",
        ),
        Figure(
            _("Schedules overdue"),
            number(len(late)),
            "/admin/schedules/",
            hint=", ".join(late) or None,
            icon="clock",
            tone="danger" if late else "success",
        ),
    ]
    figures[4:4] = _takings()
    figures += [_provider(state) for state in outside.states()]
    shortcuts = [
        ActionLink("new", _("New company"), "/admin/tenants/add", "plus"),
        ActionLink("mails", _("Sent mails"), "/admin/sent-mails/", "inbox"),
        *([ActionLink("clock", _("Move the clock"), "/admin/clock/", "clock")] if is_movable() else []),
        ActionLink("audit", _("Audit trail"), "/admin/audit/", "history"),
    ]
    return HomePage(
        title=_("Good to see you, %(name)s", name=who.name.split()[0]),
        lead=_("All companies on this installation at a glance."),
        figures=figures,
        tables=[_companies()],
        shortcuts=shortcuts if who.may("tenant.write") else shortcuts[1:],
    )


def _takings() -> list[Figure]:
    """What was sold in the last 30 days, in each currency: never added up across them."""
    return [
        Figure(
            _("Sold in 30 days"),
            money(Money(row.takings, row.currency)),
            hint=_("platform's fee: %(fee)s", fee=money(Money(row.fee, row.currency))),
            icon="coin",
        )
        for row in queries.takings_by_currency(since=clock.now() - TAKINGS)
    ]


def _companies() -> RelatedList:
    """The companies that sold most lately, each with its key figures."""
    columns = [
        Column("name", _("Company")),
        Column("status", _("Status")),
        Column("takings", _("Sold in 30 days"), kind="number"),
        Column("fee", _("Platform's fee"), kind="number"),
        Column("lessons", _("Lessons to come"), kind="number"),
        Column("people", _("People"), kind="number"),
    ]
    words = {key: str(label) for key, label in STATUS}
    found = queries.companies(since=clock.now() - TAKINGS, now=clock.now(), most=MOST_COMPANIES)
    rows = [
        Row(
            row.id,
            f"/admin/tenants/{row.id}",
            row.name,
            [
                Cell("link", row.name, url=f"/admin/tenants/{row.id}"),
                Cell("badge", words[row.status], tone="success" if row.status == ACTIVE else "warning"),
                Cell("number", money(Money(row.takings, row.currency))),
                Cell("number", money(Money(row.fee, row.currency))),
                Cell("number", number(row.lessons)),
                Cell("number", number(row.people)),
            ],
        )
        for row in found
    ]
    return RelatedList(_("Companies"), columns, rows, len(rows), "/admin/tenants/")


def _provider(state: outside.BreakerState) -> Figure:
    """A provider of the outside: whether calls go through, or are held back after failures."""
    words = {"closed": _("works"), "half-open": _("is tried again"), "open": _("held back")}
    since = f", {moment(state.opened_at)}" if state.opened_at and state.state == "open" else ""
    return Figure(
        _("Provider: %(name)s", name=state.name),
        words.get(state.state, state.state),
        hint=_("%(count)s failures%(since)s", count=state.failures, since=since) if state.failures else None,
        icon="server",
        tone="success" if state.state == "closed" else "danger",
    )
