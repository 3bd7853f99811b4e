"""How people of a demo company come, and look in."""

from __future__ import annotations

import datetime as dt

from app.core import audit
from app.core.rights import catalogue
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts import policies, queries
from app.domains.accounts.models import MANAGER, OPERATOR, PENDING, TUTOR
from app.domains.accounts.queries import family as families
from app.domains.accounts.service import family, people, registration, signin
from app.domains.accounts.service.registration import Registration
from app.domains.notifications import service as notifications
from app.shell.world import deeds
from app.shell.world.house import House

OPERATOR_NAME, OPERATOR_EMAIL = "Olga Operator", "operator@wemaster.test"
DEVICES = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 14_6) AppleWebKit/605.1.15 Version/18.0 Safari/605.1.15",
    "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 Mobile/15E148",
)


def password_of(role: str) -> str:
    """Published, so that everybody can look round."""
    return f"demo-{role}"


def join(house: House, deed: deeds.Joins) -> None:
    """Invited by whoever runs the place, and in a moment later."""
    with house.inside():
        invitation = queries.latest_invitation(deed.email)
        if invitation is None:
            choice = people.RoleChoice(key=deed.role)
            invitation = people.invite(
                full_name=deed.name, email=deed.email, choice=choice, by=_inviter(house, deed.role)
            )
        if invitation.status != PENDING:
            return
    with platform_scope("a demo invitation joins a tenant to an account"), transaction():
        people.accept(invitation, full_name=deed.name, password=password_of(deed.role))


def invite(house: House, deed: deeds.IsInvited) -> None:
    with house.inside(house.company.manager):
        if queries.latest_invitation(deed.email) is None:
            choice = people.RoleChoice(key=TUTOR)
            people.invite(full_name=deed.name, email=deed.email, choice=choice, by=_inviter(house, TUTOR))


def _inviter(house: House, role: str) -> people.Inviter:
    if role == MANAGER:
        return people.Inviter(f"{OPERATOR_NAME} <{OPERATOR_EMAIL}>", catalogue().of_role(OPERATOR))
    email = f"{MANAGER}@{house.company.slug}.test"
    return people.Inviter(f"{house.company.manager} <{email}>", catalogue().of_role(MANAGER))


def register(house: House, deed: deeds.Registers) -> None:
    """As the link in the mail does it; one who is in already stays in."""
    asked = Registration(house.tenant_id, deed.email, deed.name, deed.role, "", house.company.locale)
    with (
        audit.acting(audit.Actor("visitor", None, f"{deed.name} <{deed.email}>")),
        platform_scope("a demo registration joins a tenant to an account"),
        transaction(),
    ):
        registration.join(asked, full_name=deed.name, password=password_of(deed.role))


def add_child(house: House, deed: deeds.AddsChild) -> None:
    with house.inside(deed.guardian):
        guardian = house.person(deed.guardian)
        if any(child.full_name == deed.name for child in families.children_of(guardian.id)):
            return
        born = deed.at.date() - dt.timedelta(days=deed.age * 365 + 120)
        family.add_child(guardian, full_name=deed.name, birth_date=born, by=guardian)


def visit(house: House, deed: deeds.Visits) -> None:
    """Signed in on one of their devices; what they were told is read."""
    who = house.login(deed.name)
    agent = DEVICES[len(deed.name) % len(DEVICES)]
    with audit.acting(house.actor(deed.name)):
        with platform_scope("a demo account signs in"), transaction():
            signin.start_session(
                queries.user(who.user_id),
                kind="web",
                tenant_id=house.tenant_id,
                device=signin.Device(None, agent),
                life=policies.WEB_SESSION_LIFE,
            )
        with tenant_scope(house.tenant_id), transaction():
            notifications.mark_all_read(house.person_id(deed.name))
