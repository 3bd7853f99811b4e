"""People in the admin: persons, memberships, invitations, roles, sign-ins, accounts and the audit trail."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from flask_babel import get_timezone
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import DateField, EmailField, Field, SelectField, StringField, ValidationError
from wtforms.validators import InputRequired, Length, Optional

from app.core import clock
from app.core.audit import AuditEntry
from app.core.rights import PLATFORM, TENANT, VERBS, WRITE, catalogue, right
from app.core.viewer import Viewer
from app.core.web.categories import PEOPLE, SECURITY, SETUP
from app.core.web.entry import Action, AdminEntry, Related, registry
from app.core.web.forms import RightsField, strip
from app.core.web.labels import DEEDS, ENDS
from app.core.web.pages import Cell
from app.core.web.viewing import on_tenant, signed_in
from app.domains.accounts import policies, queries
from app.domains.accounts.models import (
    ACCEPTED,
    ACTIVE,
    ENDED,
    EXPIRED,
    KINDS,
    PENDING,
    TENANT_ROLES,
    VERB_NAMES,
    WITHDRAWN,
    Account,
    Guardianship,
    Invitation,
    Membership,
    Person,
    TenantRole,
    UserSession,
)
from app.domains.accounts.service import account, people, signin
from app.domains.tenancy import queries as tenancy

EARLIEST_BIRTH = dt.date(1900, 1, 1)
EMAIL_NEEDED = _l("Please fill this in.")


def system_roles() -> list[tuple[str, Any]]:
    return [(key, catalogue().roles[key].label) for key in TENANT_ROLES]


def all_roles() -> list[tuple[str, Any]]:
    """System roles by key, and the tenant's own as `own:<id>`."""
    return [*system_roles(), *((f"own:{role.id}", role.name) for role in queries.roles())]


def role_choice(value: str) -> people.RoleChoice:
    """Raises Invalid, NotFound."""
    if value.startswith("own:"):
        return people.RoleChoice(role=queries.role(int(value.removeprefix("own:"))))
    return people.RoleChoice(key=value)


def _role_cell(_value: Any, row: Membership | Invitation) -> Cell:
    return Cell("badge", row.role_label, tone="info")


def _max_tutors() -> int | None:
    return tenancy.tenant(on_tenant()).plan.max_tutors


def _send_again(row: Invitation, _data: Mapping[str, Any], by: Viewer) -> None:
    # Only an expired one needs a seat anew, so the plan is asked for it alone.
    people.send_again(row, by_rights=by.rights, max_tutors=_max_tutors() if row.is_expired else None)


def _is_minor(row: Person) -> bool:
    """Whether somebody else answers and pays for them."""
    today = clock.now().date()
    return row.birth_date is not None and row.birth_date > today - dt.timedelta(days=18 * 365 + 4)


class PersonEntry(AdminEntry):
    model = Person
    slug = "people"
    label, plural = _l("Person"), _l("People")
    lead = _l("Everybody who teaches, learns or answers for a child, with or without a login.")
    category, icon, rank = PEOPLE, "users", 10
    menu_label = _l("Everybody")
    columns = ("full_name", "email", "phone", "created_at")
    details = (*columns, "birth_date", "notes")
    form = ("full_name", "email", "phone", "birth_date", "notes")
    search = ("full_name", "email", "phone")
    found_by = search
    filters = ("created_at",)
    order = ("full_name", "asc")
    fields = {
        "email": lambda e: EmailField(e.label_of("email"), [Length(max=320)], filters=[strip]),
        "birth_date": lambda e: DateField(e.label_of("birth_date"), [Optional(), _born]),
    }
    related = (
        Related("memberships", "person_id", _l("Roles")),
        Related("invitations", "person_id", _l("Invitations"), ("email", "role", "state", "sent_at")),
        Related("guardianships", "guardian_id", _l("Children")),
        Related("guardianships", "child_id", _l("Guardians"), invites=_is_minor),
    )
    sections = ((_l("Contact"), ("email", "phone")), (_l("More about them"), ("birth_date", "notes")))
    deeds = {"created": _l("added this person")}
    add_label = _l("Add a person")
    empty_title = _l("No people yet")
    empty_text = _l("Add people one by one, import a list, or invite a tutor by e-mail.")

    def create(self, data: Mapping[str, Any], by: Viewer) -> Person:
        return super().create(_with_email(data), by)

    def update(self, row: Person, data: Mapping[str, Any], by: Viewer) -> None:
        super().update(row, _with_email(data), by)


def _born(_form: Any, field: Field) -> None:
    """Nobody here was born before 1900, and nobody will be born tomorrow, in the viewer's zone."""
    today = clock.now().astimezone(get_timezone()).date()
    if field.data is not None and not EARLIEST_BIRTH <= field.data <= today:
        raise ValidationError(_("Please give a day from 1900 until today."))


def _with_email(data: Mapping[str, Any]) -> dict[str, Any]:
    email = data.get("email")
    return {**data, "email": people.clean_email(email)} if email else dict(data)


class GuardianshipEntry(AdminEntry):
    model = Guardianship
    slug = "guardianships"
    label, plural = _l("Guardian"), _l("Guardians")
    lead = _l("Who answers and pays for whom.")
    category, icon, rank = PEOPLE, "link", 30
    columns = ("guardian", "child", "created_at")
    form = ("guardian", "child")
    search = ("guardian.full_name",)
    filters = ("guardian_id", "child_id")
    deeds = {"created": _l("connected guardian and child"), "deleted": _l("parted guardian and child")}
    can_edit = False
    add_label = _l("Connect a guardian and a child")
    empty_title = _l("No guardians yet")
    empty_text = _l("Connect a child to the adult who books and pays.")


class InvitationEntry(AdminEntry):
    model = Invitation
    label, plural = _l("Invitation"), _l("Invitations")
    lead = _l("Open and past invitations by e-mail.")
    category, icon, rank = PEOPLE, "mail", 20
    columns = ("email", "person", "role", "state", "sent_at", "expires_at")
    details = (*columns, "invited_by", "created_at")
    api_columns = (*details, "role_key", "role_label")
    form = ("full_name", "email", "role")
    search = ("email", "person.full_name")
    filters = ("state", "person_id")
    labels = {"state": _l("Status")}
    choices = {
        "state": (
            (PENDING, _l("Open")),
            (EXPIRED, _l("Expired")),
            (ACCEPTED, _l("Accepted")),
            (WITHDRAWN, _l("Withdrawn")),
        ),
        "role_key": system_roles,
    }
    deeds = {"sent_at": _l("had the mail sent")}
    tones = {"state": {PENDING: "info", EXPIRED: "warning", ACCEPTED: "success", WITHDRAWN: "secondary"}}
    formats = {"role": _role_cell}
    fields = {
        "full_name": lambda e: StringField(
            e.label_of("full_name"), [InputRequired(EMAIL_NEEDED), Length(max=120)], filters=[strip]
        ),
        "email": lambda e: EmailField(
            e.label_of("email"), [InputRequired(EMAIL_NEEDED), Length(max=320)], filters=[strip]
        ),
        "role": lambda e: SelectField(
            e.label_of("role"), [InputRequired(_l("Please choose a role."))], choices=all_roles
        ),
    }
    actions = (
        Action(
            "resend",
            _l("Send again"),
            _send_again,
            done=_l("A new link is on its way; the former one does not work any more."),
            icon="send",
            text=_l("A fresh link is mailed and is good for another seven days."),
            when=lambda row: row.status == PENDING,
            verb=WRITE,
            bulk=True,
        ),
        Action(
            "withdraw",
            _l("Withdraw"),
            lambda row, _data, by: people.withdraw(row, by_rights=by.rights),
            done=_l("The invitation is withdrawn."),
            icon="x",
            text=_l("The link in the mail stops working at once."),
            when=lambda row: row.status == PENDING,
            verb=WRITE,
            danger=True,
            bulk=True,
        ),
    )
    can_edit = can_delete = False
    max_import_rows = policies.INVITATIONS_PER_COMPANY.hits
    add_label = _l("Invite somebody")
    empty_title = _l("Nobody is invited")
    empty_text = _l("Invite a tutor or a colleague; they get a mail with a link.")

    def create(self, data: Mapping[str, Any], by: Viewer) -> Invitation:
        return people.invite(
            full_name=data["full_name"],
            email=data["email"],
            choice=role_choice(data["role"]),
            by=people.Inviter(by.actor.label, by.rights),
            max_tutors=_max_tutors(),
        )


class MembershipEntry(AdminEntry):
    model = Membership
    label, plural = _l("Membership"), _l("Memberships")
    lead = _l("Who signs in here, and as what.")
    category, icon, rank = PEOPLE, "key", 40
    menu_label = _l("Who has which role")
    columns = ("person", "email", "role", "status", "created_at")
    api_columns = ("person", "email", "role", "role_key", "role_label", "status", "created_at")
    search = ("person.full_name", "user.email")
    filters = ("status", "role_key", "person_id")
    choices = {"status": ((ACTIVE, _l("Active")), (ENDED, _l("Ended"))), "role_key": system_roles}
    tones = {"status": {ACTIVE: "success", ENDED: "secondary"}}
    formats = {"role": _role_cell}
    eager = ("person", "user", "role")
    deeds = {"created": _l("gave the role")}
    actions = (
        Action(
            "end",
            _l("Take the role away"),
            lambda row, _data, by: people.end_membership(row, by_rights=by.rights),
            done=_l("The role is taken away, from the next click on."),
            icon="x",
            text=_l("They lose what this role allows at once. You can give it back."),
            when=lambda row: row.status == ACTIVE,
            danger=True,
            bulk=True,
        ),
        Action(
            "restore",
            _l("Give the role back"),
            lambda row, _data, by: people.restore_membership(
                row, by_rights=by.rights, max_tutors=_max_tutors()
            ),
            done=_l("The role is given back."),
            icon="refresh",
            text=_l("They can do again what this role allows."),
            when=lambda row: row.status == ENDED,
            bulk=True,
        ),
    )
    can_add = can_edit = can_delete = False
    empty_title = _l("Nobody signs in here yet")
    empty_text = _l("Invite somebody; they appear here when they accept.")


def _rights_cell(_value: Any, row: TenantRole) -> Cell:
    return Cell("list", ", ".join(row.rights_labels), items=row.rights_labels)


def _rights_matrix() -> list[tuple[Any, list[tuple[str, Any, bool]]]]:
    """What a role of one's own can be made of: what is administered on the tenant's host, as far as held.
    A verb that a resource does not know stays an empty cell."""
    held = signed_in().rights
    return [
        (
            resource.label,
            [
                (right(resource.name, verb), VERB_NAMES[verb], right(resource.name, verb) in held)
                if verb in resource.verbs
                else ("", VERB_NAMES[verb], False)
                for verb in VERBS
            ],
        )
        for resource in catalogue().resources.values()
        if TENANT in resource.surfaces
    ]


class RoleEntry(AdminEntry):
    model = TenantRole
    label, plural = _l("Role of our own"), _l("Roles of our own")
    lead = _l("Put together what a colleague may see and do. Nobody can grant more than they hold.")
    category, icon, rank = SETUP, "shield", 60
    columns = ("name", "rights", "created_at")
    api_columns = ("name", "rights", "rights_labels", "created_at")
    form = ("name", "rights")
    search = ("name",)
    formats = {"rights": _rights_cell}
    fields = {
        "rights": lambda e: RightsField(e.label_of("rights"), matrix=_rights_matrix),
    }
    can_import = False
    add_label = _l("Compose a role")
    empty_title = _l("No roles of your own")
    empty_text = _l(
        "Managers, tutors, students and guardians are there already. Compose one for the front desk?"
    )

    def create(self, data: Mapping[str, Any], by: Viewer) -> TenantRole:
        return people.compose_role(
            TenantRole(), name=data["name"], rights=data["rights"], by_rights=by.rights
        )

    def update(self, row: TenantRole, data: Mapping[str, Any], by: Viewer) -> None:
        given = {"name": row.name, "rights": row.rights, **data}
        people.compose_role(row, name=given["name"], rights=given["rights"], by_rights=by.rights)

    def delete(self, row: TenantRole, by: Viewer) -> None:
        people.delete_role(row, by_rights=by.rights)


class UserEntry(AdminEntry):
    model = Account
    slug = "accounts"
    resource = "account"
    label, plural = _l("Account"), _l("Accounts")
    lead = _l("Everybody who can sign in anywhere on this installation.")
    category, icon, rank = SECURITY, "user", 10
    surfaces = frozenset({PLATFORM})
    columns = ("email", "first_name", "platform_role", "active", "email_verified_at")
    labels = {"first_name": _l("Name")}
    search = ("email", "first_name")
    found_by = search
    filters = ("active", "platform_role")
    choices = {"platform_role": (("operator", _l("Operator")), ("support", _l("Support")))}
    tones = {"platform_role": {"operator": "info"}}
    order = ("email", "asc")
    actions = (
        Action(
            "close",
            _l("Close the account"),
            lambda row, _data, by: account.close(row, by_user_id=by.user_id),
            done=_l("The account is closed and signed out everywhere."),
            icon="lock",
            text=_l("It is signed out everywhere at once and can't sign in until you open it again."),
            when=lambda row: bool(row.active),
            danger=True,
            bulk=True,
        ),
        Action(
            "reopen",
            _l("Open it again"),
            lambda row, _data, _by: account.reopen(row),
            done=_l("The account can sign in again."),
            icon="refresh",
            text=_l("It can sign in again with its password."),
            when=lambda row: not row.active,
        ),
    )
    can_add = can_edit = can_delete = False


class SessionEntry(AdminEntry):
    model = UserSession
    slug = "sign-ins"
    label, plural = _l("Sign-in"), _l("Sign-ins")
    lead = _l("Who is signed in, from where.")
    category, icon = SECURITY, "activity"
    surfaces = frozenset({PLATFORM, TENANT})
    columns = ("user", "kind", "created_at", "last_seen_at", "ip", "ended_at")
    details = (*columns, "expires_at", "end_reason", "agent")
    search = ("user.email", "ip")
    listed_on = (Related("accounts", "user_id", _l("Sign-ins"), told=False),)
    filters = ("kind", "created_at")
    choices = {
        "kind": tuple(KINDS.items()),
        "end_reason": tuple(ENDS.items()),
    }
    actions = (
        Action(
            "end",
            _l("Sign out"),
            lambda row, _data, _by: signin.end_for_somebody(row),
            done=_l("Signed out."),
            icon="logout",
            text=_l("That device has to sign in again."),
            when=lambda row: row.ended_at is None,
            bulk=True,
        ),
    )
    can_add = can_edit = can_delete = False


class AuditEntryEntry(AdminEntry):
    model = AuditEntry
    slug = "audit"
    label, plural = _l("Audit entry"), _l("Audit trail")
    lead = _l("Who did what to which record, before and after. Nobody can change it.")
    category, icon = SECURITY, "history"
    surfaces = frozenset({PLATFORM, TENANT})
    columns = ("occurred_at", "actor_label", "verb", "thing_type", "thing_label")
    details = (*columns, "changes", "reason", "ip", "request_id", "thing_id")
    labels = {"ip": _l("From address")}
    search = ("actor_label", "thing_label", "verb")
    filters = ("occurred_at", "thing_type")
    choices = {
        "verb": tuple(DEEDS.items()),
        "thing_type": lambda: [(entry.model.__tablename__, entry.label) for entry in registry().entries],
    }
    can_add = can_edit = can_delete = False


ADMIN = (
    PersonEntry,
    InvitationEntry,
    MembershipEntry,
    GuardianshipEntry,
    RoleEntry,
    SessionEntry,
    AuditEntryEntry,
    UserEntry,
)
