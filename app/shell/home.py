"""The admin's first page: figures with the rows behind them, and what to do next."""

from __future__ import annotations

from flask import Blueprint, render_template
from flask_babel import format_decimal
from flask_babel import gettext as _
from sqlalchemy import Row, func, select

from app.core import outside, schedule
from app.core.db import db
from app.core.errors import NotAllowed
from app.core.moments import moment
from app.core.outbox import DEAD, DUE, Outbox
from app.core.viewer import Viewer
from app.core.web.pages import ActionLink, Figure, HomePage
from app.core.web.site import site
from app.core.web.viewing import login_required, signed_in
from app.domains.accounts.models import ACTIVE as MEMBER
from app.domains.accounts.models import PENDING, TUTOR, Account, Invitation, Membership, Person
from app.domains.tenancy.models import ACTIVE, DEFAULT_PRIMARY, SUSPENDED, Tenant

bp = Blueprint("admin_home", __name__)


@bp.get("/admin/")
@login_required
def home() -> str:
    who = signed_in()
    if not who.rights:
        raise NotAllowed
    page = _operator(who) if site().is_platform else _manager(who)
    return render_template("admin/home.html", page=page)


def _count(model: type, *where: object) -> object:
    return select(func.count()).select_from(model).where(*where).scalar_subquery()  # type: ignore[arg-type]


def _one(**counts: object) -> Row:
    """All figures in one statement."""
    return db.session.execute(select(*(count.label(name) for name, count in counts.items()))).one()  # type: ignore[attr-defined]


def _operator(who: Viewer) -> HomePage:
    n = _one(
        active=_count(Tenant, Tenant.status == ACTIVE),
        suspended=_count(Tenant, Tenant.status == SUSPENDED),
        people=_count(Person),
        accounts=_count(Account),
        invited=_count(Invitation, Invitation.state == PENDING),
        due=_count(Outbox, Outbox.status == DUE),
        dead=_count(Outbox, Outbox.status == DEAD),
    )
    late = schedule.overdue()
    figures = [
        Figure(_("Active companies"), _n(n.active), "/admin/tenants/?status=active", icon="building"),
        Figure(_("Suspended"), _n(n.suspended), "/admin/tenants/?status=suspended", icon="player-pause"),
        Figure(_("People"), _n(n.people), hint=_("in all companies"), icon="users"),
        Figure(_("Accounts"), _n(n.accounts), "/admin/accounts/", icon="user"),
        Figure(_("Open invitations"), _n(n.invited), icon="mail"),
        Figure(
            _("Deliveries due"),
            _n(n.due),
            "/admin/deliveries/?status=due",
            hint=_("mails and other things on their way"),
            icon="send",
        ),
        Figure(
            _("Deliveries that gave up"),
            _n(n.dead),
            "/admin/deliveries/?status=dead",
            icon="alert-triangle",
            tone="danger" if n.dead else "success",
        ),
        Figure(
            _("Schedules overdue"),
            _n(len(late)),
            "/admin/schedules/",
            hint=", ".join(late) or None,
            icon="clock",
            tone="danger" if late else "success",
        ),
    ]
    figures += [_provider(state) for state in outside.states()]
    shortcuts = [
        ActionLink("new", _("New company"), "/admin/tenants/add", "plus"),
        ActionLink("mails", _("Sent mails"), "/admin/sent-mails/", "inbox"),
        ActionLink("audit", _("Audit trail"), "/admin/audit/", "history"),
    ]
    return HomePage(
        title=_("Good to see you, %(name)s", name=who.name.split()[0]),
        lead=_("All companies on this installation at a glance."),
        figures=figures,
        shortcuts=shortcuts if who.may("tenant.write") else shortcuts[1:],
    )


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


def _manager(who: Viewer) -> HomePage:
    n = _one(
        people=_count(Person),
        members=_count(Membership, Membership.status == MEMBER),
        tutors=_count(Membership, Membership.status == MEMBER, Membership.role_key == TUTOR),
        invited=_count(Invitation, Invitation.state == PENDING),
        waiting=_count(Invitation, Invitation.status == PENDING),
        tutors_invited=_count(Invitation, Invitation.role_key == TUTOR),
    )
    figures = [
        Figure(_("People"), _n(n.people), _to(who, "person", "/admin/people/"), icon="users"),
        Figure(
            _("Tutors"),
            _n(n.tutors),
            _to(who, "membership", "/admin/memberships/?role_key=tutor&status=active"),
            icon="user",
        ),
        Figure(
            _("Can sign in"),
            _n(n.members),
            _to(who, "membership", "/admin/memberships/?status=active"),
            hint=_("roles in force"),
            icon="key",
        ),
        Figure(
            _("Open invitations"),
            _n(n.invited),
            _to(who, "invitation", "/admin/invitations/?state=pending"),
            icon="mail",
        ),
    ]
    branded = site().primary_color != DEFAULT_PRIMARY
    checklist = [
        (_("Give your pages your name and colour"), branded, "/admin/brand/", _("Takes a minute.")),
        (
            _("Invite your first tutor"),
            bool(n.tutors or n.tutors_invited),
            "/admin/invitations/add",
            _("They get a mail with a link and choose their own password."),
        ),
        (
            _("Add the people who learn"),
            n.people > n.members + n.waiting,
            "/admin/people/import",
            _("One by one, or all at once from a list."),
        ),
    ]
    return HomePage(
        title=_("Good to see you, %(name)s", name=who.name.split()[0]),
        lead=_("%(company)s at a glance.", company=site().name),
        figures=figures,
        checklist=checklist
        if who.may("brand.write") and not all(done for _t, done, _u, _h in checklist)
        else (),
    )


def _to(who: Viewer, resource: str, url: str) -> str | None:
    return url if who.may(f"{resource}.read") else None


def _n(number: int) -> str:
    return str(format_decimal(number))
