"""The demo's world, as far as it exists, made through the services. Running it again changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask

from app.core import schedule
from app.core.rights import catalogue
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import GUARDIAN, MANAGER, OPERATOR, PENDING, STUDENT, TUTOR
from app.domains.accounts.service import people
from app.domains.tenancy import queries as tenancy
from app.domains.tenancy import service
from app.domains.tenancy.models import Plan, Tenant
from app.shell.seed_catalog import seed_catalog
from app.shell.seed_lessons import seed_lessons


@dataclass(frozen=True)
class DemoTenant:
    slug: str
    name: str
    currency: str
    timezone: str
    locale: str
    color: str
    roles: tuple[str, ...]


TENANTS = (
    DemoTenant("lingua", "Lingua Berlin", "EUR", "Europe/Berlin", "de", "#0b5fa5", (MANAGER, TUTOR, STUDENT)),
    DemoTenant(
        "mathlab",
        "MathLab New York",
        "USD",
        "America/New_York",
        "en",
        "#8a3ffc",
        (MANAGER, TUTOR, STUDENT, GUARDIAN),
    ),
    DemoTenant("tokyo-arts", "Tokyo Arts", "JPY", "Asia/Tokyo", "en", "#b3261e", (MANAGER, TUTOR, STUDENT)),
)
OPERATOR_EMAIL = "operator@wemaster.test"
NAMES = {
    "lingua": ("Clara Vogt", "Jonas Becker", "Mira Aydın"),
    "mathlab": ("Denise Carter", "Samuel Ortiz", "Zoe Park", "Martin Park"),
    "tokyo-arts": ("Haruka Sato", "Kenji Mori", "Yui Tanaka"),
}


def logins(app: Flask) -> list[tuple[str, str, str, str]]:
    """(who, where, e-mail, password) of everybody who can sign in to the demo."""
    settings = app.extensions["settings"]
    found = [("Operator", settings.url_of(settings.BASE_DOMAIN), OPERATOR_EMAIL, "demo-operator")]
    for tenant in TENANTS:
        url = settings.url_of(f"{tenant.slug}.{settings.BASE_DOMAIN}")
        found += [
            (f"{role.capitalize()}, {tenant.name}", url, f"{role}@{tenant.slug}.test", f"demo-{role}")
            for role in tenant.roles
        ]
    return found


def seed(app: Flask) -> None:
    """Fill what is missing. Raises SystemExit in production: these people's passwords are published."""
    if app.config["ENVIRONMENT"] == "production":
        raise SystemExit(
            "`seed` makes people whose passwords are published: not with ENVIRONMENT=production."
        )
    with app.app_context():
        schedule.ensure()
        _seed_platform()
        for tenant in TENANTS:
            _seed_tenant(tenant)


def _seed_platform() -> None:
    with platform_scope("seed the demo's plans and operator"), transaction() as session:
        plans = Plan(code="studio", name="Studio", max_tutors=10), Plan(code="school", name="School")
        session.add_all(plan for plan in plans if tenancy.plan_by_code(plan.code) is None)
        if accounts.user_by_email(OPERATOR_EMAIL) is None:
            people.make_platform_user(
                email=OPERATOR_EMAIL, full_name="Olga Operator", password=f"demo-{OPERATOR}", role=OPERATOR
            )


def _seed_tenant(demo: DemoTenant) -> None:
    with platform_scope("seed a demo tenant"), transaction():
        made = tenancy.tenant_by_slug(demo.slug)
        if made is None:
            made = _open(demo)
        tenant_id = made.id
    for role, name in zip(demo.roles, NAMES[demo.slug], strict=True):
        _seed_member(tenant_id, demo.slug, role, name)
    seed_catalog(tenant_id, demo.slug, demo.timezone)
    seed_lessons(tenant_id, demo.slug, demo.locale)


def _open(demo: DemoTenant) -> Tenant:
    plan = tenancy.plan_by_code("studio")
    assert plan is not None
    made = service.open_tenant(
        service.NewTenant(demo.name, demo.slug, plan, demo.currency, demo.timezone, demo.locale, is_test=True)
    )
    service.rebrand(made, name=demo.name, primary=demo.color, timezone=demo.timezone, locale=demo.locale)
    return made


def _seed_member(tenant_id: int, slug: str, role: str, name: str) -> None:
    """Invited by the operator and joined at once, which leaves the mail unsent: its link is used up."""
    email = f"{role}@{slug}.test"
    operator = people.Inviter(f"Olga Operator <{OPERATOR_EMAIL}>", catalogue().of_role(OPERATOR))
    with tenant_scope(tenant_id), transaction():
        invitation = accounts.latest_invitation(email)
        if invitation is None:
            choice = people.RoleChoice(key=role)
            invitation = people.invite(full_name=name, email=email, choice=choice, by=operator)
        if invitation.status != PENDING:
            return
    with platform_scope("seed a demo tenant's accounts"), transaction():
        people.accept(invitation, full_name=name, password=f"demo-{role}")
