"""A small world for tests: an operator, two companies with a person in each role, and browsers."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.core.dispatcher import BATCH, claim, deliver_outside, deliver_together
from app.core.events import wiring
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import ACTIVE, OPERATOR, TENANT_ROLES, Account, Membership, Person
from app.domains.accounts.service.passwords import hash_password
from app.domains.tenancy import service as tenancy
from app.domains.tenancy.models import Plan

PASSWORD = "correct horse battery"
PLATFORM = "localhost:8000"
_DRAFT = re.compile(r'name="draft" value="([0-9]+)"')
_TOKEN = re.compile(r'name="csrf_token"[^>]*value="([^"]+)"')


@cache
def password_hash() -> str:
    """Hashed once: argon2 is slow on purpose."""
    return hash_password(PASSWORD)


@dataclass
class Company:
    id: int
    slug: str
    people: dict[str, int] = field(default_factory=dict)
    accounts: dict[str, int] = field(default_factory=dict)
    memberships: dict[str, int] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return f"{self.slug}.localhost:8000"

    def email(self, role: str) -> str:
        return f"{role}@{self.slug}.test"


@dataclass
class World:
    """`anna` and `bert` are the two companies."""

    app: Flask
    anna: Company
    bert: Company
    operator_id: int

    def browser(self, host: str, email: str | None = None, password: str = PASSWORD) -> Browser:
        """A browser on a host, signed in where an e-mail is given."""
        browser = Browser(self.app, host)
        if email:
            response = browser.post("/login/", email=email, password=password)
            assert response.status_code == 302, response.text
        return browser

    def operator(self) -> Browser:
        return self.browser(PLATFORM, "operator@wemaster.test")

    def manager(self, company: Company | None = None) -> Browser:
        company = company or self.anna
        return self.browser(company.host, company.email("manager"))

    def token(self, company: Company, role: str = "manager") -> str:
        """An access token for the API."""
        response = self.app.test_client().post(
            "/api/v1/auth/token",
            json={"email": company.email(role), "password": PASSWORD},
            base_url=f"http://{company.host}",
        )
        assert response.status_code == 200, response.text
        return str(response.json["access_token"])


class Browser:
    """A browser without JavaScript that fetches a page's CSRF token before it posts its form."""

    def __init__(self, app: Flask, host: str) -> None:
        self.client = app.test_client()
        self.base = f"http://{host}"

    def get(self, path: str, **options: Any) -> TestResponse:
        headers = {"Accept": "text/html", **options.pop("headers", {})}
        return self.client.get(path, base_url=self.base, headers=headers, **options)

    def csrf(self, page: str) -> str:
        """The CSRF token of a page's form."""
        found = _TOKEN.search(self.get(page).text)
        assert found, f"no form on {page}"
        return found.group(1)

    def post(self, path: str, /, page: str | None = None, **data: Any) -> TestResponse:
        """Fill in the form of `page` (by default the path's own) and send it."""
        return self.post_raw(path, {**data, "csrf_token": self.csrf(page or path)})

    def say_yes(self, path: str, looked_through: TestResponse) -> TestResponse:
        """Confirm the preview of an import; what is no preview is given back as it is."""
        draft, token = (found.search(looked_through.text) for found in (_DRAFT, _TOKEN))
        if draft is None or token is None:
            return looked_through
        return self.post_raw(path, {"draft": draft.group(1), "csrf_token": token.group(1)})

    def post_raw(self, path: str, data: Any, **options: Any) -> TestResponse:
        """Send exactly this."""
        headers = {"Accept": "text/html", **options.pop("headers", {})}
        return self.client.post(path, data=data, base_url=self.base, headers=headers, **options)


def make_company(slug: str, plan_code: str = "studio", roles: tuple[str, ...] = TENANT_ROLES) -> Company:
    """A company with one signed-up person per role; inside an app context."""
    with platform_scope("test world"), transaction() as session:
        plan = session.query(Plan).filter_by(code=plan_code).one_or_none() or Plan(
            code=plan_code, name=plan_code
        )
        session.add(plan)
        session.flush()
        tenant = tenancy.open_tenant(
            tenancy.NewTenant(f"{slug.capitalize()} Tutors", slug, plan, "EUR", "Europe/Berlin", "en")
        )
        company = Company(tenant.id, slug)
        made = {role: new_account(company.email(role), f"{role.capitalize()} {slug}") for role in roles}
        session.add_all(made.values())
        session.flush()
        company.accounts = {role: one.id for role, one in made.items()}
    with tenant_scope(company.id), transaction() as session:
        people = {
            role: Person(full_name=f"{role.capitalize()} {slug}", email=company.email(role)) for role in roles
        }
        session.add_all(people.values())
        session.flush()
        company.people = {role: one.id for role, one in people.items()}
        members = {
            role: Membership(
                user_id=company.accounts[role], person_id=company.people[role], role_key=role, status=ACTIVE
            )
            for role in roles
        }
        session.add_all(members.values())
        session.flush()
        company.memberships = {role: one.id for role, one in members.items()}
    return company


def new_account(email: str, name: str, **more: Any) -> Account:
    return Account(
        first_name=name,
        last_name="",
        username=email,
        email=email,
        password=password_hash(),
        active=True,
        **more,
    )


@pytest.fixture
def world(app: Flask) -> World:
    """Two companies and an operator, freshly made."""
    return make_world(app)


def make_world(app: Flask) -> World:
    """The world on any app's database, e.g. one on a clone of its own."""
    with app.app_context():
        with platform_scope("test world"), transaction() as session:
            operator = new_account("operator@wemaster.test", "Olga Operator", platform_role=OPERATOR)
            session.add(operator)
            session.flush()
            operator_id = operator.id
        anna, bert = make_company("anna"), make_company("bert")
        app.extensions["places"].forget()
    return World(app, anna, bert, operator_id)


def drain(app: Flask) -> int:
    """Deliver all that is due, here and now, as dispatcher and worker would; returns how many rows."""
    count = 0
    with app.app_context():
        while claims := claim(BATCH):
            for row in claims:
                if wiring().handlers[row.handler].queue:
                    deliver_outside(row.id, row.attempts)
                else:
                    deliver_together(row.tenant_id, [row])
            count += len(claims)
    return count
