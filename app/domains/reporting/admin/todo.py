"""What a manager's first page asks of somebody: what is wrong today, and what is missing at the beginning."""

from __future__ import annotations

from flask_babel import gettext as _

from app.core.viewer import Viewer
from app.core.web.site import site
from app.domains.reporting.admin import words
from app.domains.reporting.admin.parts import ToFix
from app.domains.reporting.queries.company import Standing
from app.domains.tenancy.models import DEFAULT_PRIMARY

LESSONS = "/admin/all-lessons/"


def to_fix(who: Viewer, now: Standing) -> list[ToFix]:
    """What needs somebody today; what needs nobody is not shown."""
    idle = "/admin/memberships/?role_key=tutor&status=active"
    idle_resource = "membership"
    if now.without_hours == 1:
        idle, idle_resource = f"/admin/people/{now.first_without_hours}", "person"
    things = (
        (now.disputes, _("Open disputes"), "dispute", "/admin/disputes/?status=open", "flag", "danger",
         _("Answer the customer's bank in time.")),
        (now.failed_refunds, _("Refunds that failed"), "refund", "/admin/refunds/?status=failed",
         "alert-triangle", "danger", _("Customers wait for their money.")),
        (now.unknown_payments, _("Payments not yet known"), "payment", "/admin/payments/?status=unknown",
         "help-circle", "danger", _("The provider is asked again by itself.")),
        (now.to_review, _("Offerings to review"), "offering_revision", "/admin/proposals/?status=submitted",
         "eye", "warning", _("Tutors wait for your answer.")),
        (now.to_mark, _("Lessons to mark"), "lesson", f"{LESSONS}?status=scheduled&sort=starts_at", "check",
         "warning", _("Did everybody come? After a day they count as held.")),
        (now.without_hours, _("Tutors without hours"), idle_resource, idle, "clock", "warning",
         _("Nobody can book them.")),
        (now.expired_invitations, _("Invitations that ran out"), "invitation",
         "/admin/invitations/?state=expired", "mail", "warning", _("Send them again, or withdraw them.")),
    )  # fmt: skip
    return [
        ToFix(label, words.number(count), words.to(who, resource, url), icon, hint, tone)
        for count, label, resource, url, icon, tone, hint in things
        if count and who.may(f"{resource}.read")
    ]


def checklist(now: Standing) -> list[tuple[str, bool, str, str]]:
    """The steps of setting up; empty once all are done."""
    steps = [
        (
            _("Give your pages your name and colour"),
            site().primary_color != DEFAULT_PRIMARY,
            "/admin/brand/",
            _("Takes a minute."),
        ),
        (
            _("Invite your first tutor"),
            bool(now.tutors or now.tutors_invited),
            "/admin/invitations/add",
            _("They get a mail with a link and choose their own password."),
        ),
        (
            _("Add the people who learn"),
            bool(now.learners) or now.people > now.members + now.pending,
            "/admin/people/import",
            _("One by one, or all at once from a list."),
        ),
        (
            _("Name the subjects that are taught"),
            bool(now.subjects),
            "/admin/subjects/add",
            _("Tutors choose from them, and visitors search by them."),
        ),
        (
            _("Approve a first offering"),
            bool(now.offerings),
            "/admin/proposals/",
            _("Your tutors write them; you see what changed and publish it."),
        ),
    ]
    return [] if all(done for _label, done, _url, _hint in steps) else steps
