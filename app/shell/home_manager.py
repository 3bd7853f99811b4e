"""A manager's first page: the company at a glance."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext as _

from app.core import clock
from app.core.viewer import Viewer
from app.core.web.pages import Figure, HomePage
from app.core.web.site import site
from app.domains.accounts.models import ACTIVE as MEMBER
from app.domains.accounts.models import PENDING, TUTOR, Invitation, Membership, Person
from app.domains.booking.models import SCHEDULED, Lesson
from app.domains.catalog.models import PUBLISHED, SUBMITTED, Offering, OfferingRevision, Subject
from app.domains.earnings import queries as earnings
from app.domains.payments.models import FAILED, OPEN, UNKNOWN, Dispute, Payment, Refund
from app.domains.tenancy.models import DEFAULT_PRIMARY
from app.shell.figures import count, money, number, one, to


def manager_page(who: Viewer) -> HomePage:
    """A company at a glance: its money, what needs somebody today, its people."""
    now = clock.now()
    n = one(
        people=count(Person),
        members=count(Membership, Membership.status == MEMBER),
        tutors=count(Membership, Membership.status == MEMBER, Membership.role_key == TUTOR),
        invited=count(Invitation, Invitation.state == PENDING),
        waiting=count(Invitation, Invitation.status == PENDING),
        tutors_invited=count(Invitation, Invitation.role_key == TUTOR),
        waiting_offerings=count(OfferingRevision, OfferingRevision.status == SUBMITTED),
        offerings=count(Offering, Offering.status == PUBLISHED),
        subjects=count(Subject),
        lessons=count(Lesson, Lesson.status == SCHEDULED, Lesson.starts_at >= now),
        unmarked=count(Lesson, Lesson.status == SCHEDULED, Lesson.ends_at < now),
        refunds=count(Refund, Refund.status == FAILED),
        unknown=count(Payment, Payment.status == UNKNOWN),
        disputes=count(Dispute, Dispute.status == OPEN),
    )
    figures = [
        *_money(who),
        *_to_do(who, n),
        Figure(
            _("Lessons to come"),
            number(n.lessons),
            to(who, "lesson", "/admin/all-lessons/?status=scheduled"),
            icon="calendar",
        ),
        Figure(_("People"), number(n.people), to(who, "person", "/admin/people/"), icon="users"),
        Figure(
            _("Tutors"),
            number(n.tutors),
            to(who, "membership", "/admin/memberships/?role_key=tutor&status=active"),
            icon="user",
        ),
        Figure(
            _("Can sign in"),
            number(n.members),
            to(who, "membership", "/admin/memberships/?status=active"),
            hint=_("roles in force"),
            icon="key",
        ),
        Figure(
            _("Open invitations"),
            number(n.invited),
            to(who, "invitation", "/admin/invitations/?state=pending"),
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
        (
            _("Name the subjects that are taught"),
            bool(n.subjects),
            "/admin/subjects/add",
            _("Tutors choose from them, and visitors search by them."),
        ),
        (
            _("Approve a first offering"),
            bool(n.offerings),
            "/admin/proposals/",
            _("Your tutors write them; you see what changed and publish it."),
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


def _money(who: Viewer) -> list[Figure]:
    """Sums of the ledger, so they agree with the trial balance to the minor unit."""
    if not who.may("books.read"):
        return []
    found = earnings.figures()
    return [
        Figure(
            _("Sold in 30 days"),
            money(found.takings),
            "/admin/sales-orders/?status=paid",
            hint=_("less what was given back"),
            icon="coin",
        ),
        Figure(_("Company's share"), money(found.company_share), "/admin/books/", icon="wallet"),
        Figure(
            _("Owed to tutors"),
            money(found.pending + found.cleared),
            "/admin/earnings/",
            hint=_("%(pending)s of it still pending", pending=money(found.pending)),
            icon="users",
        ),
        Figure(_("Tax collected"), money(found.tax), "/admin/books/", icon="receipt"),
    ]


def _to_do(who: Viewer, n: Any) -> list[Figure]:
    """What needs somebody today; what needs nobody is not shown."""
    things = (
        (
            n.waiting_offerings,
            _("Offerings to review"),
            "offering_revision",
            "/admin/proposals/?status=submitted",
            "eye",
        ),
        (n.unmarked, _("Lessons to mark"), "lesson", "/admin/all-lessons/?status=scheduled", "check"),
        (n.refunds, _("Refunds that failed"), "refund", "/admin/refunds/?status=failed", "alert-triangle"),
        (n.unknown, _("Payments not yet known"), "payment", "/admin/payments/?status=unknown", "help-circle"),
        (n.disputes, _("Open disputes"), "dispute", "/admin/disputes/?status=open", "flag"),
    )
    return [
        Figure(label, number(count), to(who, resource, url), icon=icon, tone="warning")
        for count, label, resource, url, icon in things
        if count
    ]
