"""The demo's world, as far as it exists, made through the services. Running it again changes nothing."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask
from sqlalchemy import select

from app.core import schedule
from app.core.db import db
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import (
    ACTIVE,
    GUARDIAN,
    MANAGER,
    OPERATOR,
    STUDENT,
    TUTOR,
    Membership,
    Person,
)
from app.domains.accounts.service import people
from app.domains.tenancy import queries as tenancy
from app.domains.tenancy import service
from app.domains.tenancy.models import Plan, Tenant


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
NAMES = {
    "lingua": ("Clara Vogt", "Jonas Becker", "Mira Aydın"),
    "mathlab": ("Denise Carter", "Samuel Ortiz", "Zoe Park", "Martin Park"),
    "tokyo-arts": ("Haruka Sato", "Kenji Mori", "Yui Tanaka"),
}


def logins(app: Flask) -> list[tuple[str, str, str, str]]:
    """(who, where, e-mail, password) of everybody who can sign in to the demo."""
    settings = app.extensions["settings"]
    found = [("Operator", settings.url_of(settings.BASE_DOMAIN), "operator@wemaster.test", "demo-operator")]
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
        if _is_seeded():
            return
        with platform_scope("seed the demo's plans and operator"), transaction() as session:
            session.add_all(
                [Plan(code="studio", name="Studio", max_tutors=10), Plan(code="school", name="School")]
            )
            people.make_platform_user(
                email="operator@wemaster.test",
                full_name="Olga Operator",
                password=f"demo-{OPERATOR}",
                role=OPERATOR,
            )
        for tenant in TENANTS:
            _seed_tenant(tenant)


def _is_seeded() -> bool:
    with platform_scope("is the demo seeded?"):
        return db.session.scalar(select(Tenant.id).where(Tenant.slug == TENANTS[-1].slug)) is not None


def _seed_tenant(demo: DemoTenant) -> None:
    with platform_scope("seed a demo tenant"), transaction():
        plan = tenancy.plan_by_code("studio")
        assert plan is not None
        made = service.open_tenant(
            service.NewTenant(
                demo.name, demo.slug, plan, demo.currency, demo.timezone, demo.locale, is_test=True
            )
        )
        service.rebrand(made, name=demo.name, primary=demo.color, timezone=demo.timezone, locale=demo.locale)
        tenant_id = made.id
    accounts = {}
    with platform_scope("seed a demo tenant's accounts"), transaction():
        for role, name in zip(demo.roles, NAMES[demo.slug], strict=True):
            user = people.make_account(
                email=f"{role}@{demo.slug}.test", full_name=name, password=f"demo-{role}"
            )
            accounts[role] = (user.id, name)
    with tenant_scope(tenant_id), transaction() as session:
        for role, (user_id, name) in accounts.items():
            person = Person(full_name=name, email=f"{role}@{demo.slug}.test")
            session.add(person)
            session.flush()  # the membership's key points at it
            session.add(Membership(user_id=user_id, person_id=person.id, role_key=role, status=ACTIVE))
