"""What the tests of the catalogue share: a stocked company, offerings at each place of their way, pictures."""

from __future__ import annotations

import dataclasses
import html
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from PIL import Image
from werkzeug.test import TestResponse

from app.core.db import db
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import ACTIVE, Membership, Person
from app.domains.catalog import queries, service
from app.domains.catalog.models import ONE_TO_ONE, TaxRate
from app.domains.catalog.policies.content import Content, VariantContent
from app.domains.catalog.service import settings
from tests.support.world import Browser, Company, World, new_account

T = TypeVar("T")

MANAGER = "Manager anna <manager@anna.test>"
HOUR = VariantContent("60 minutes", 60, 5000)
NINETY = VariantContent("90 minutes", 90, 7000)


@dataclass
class Stock:
    """What a company has before anything is offered."""

    subject_id: int
    policy_id: int
    tax_rate_id: int
    others: dict[str, int] = field(default_factory=dict)


def within(world: World, company: Company, work: Callable[[], T]) -> T:
    """Do it in one transaction of the company's."""
    with world.app.app_context(), tenant_scope(company.id), transaction():
        return work()


def look(world: World, company: Company, work: Callable[[], T]) -> T:
    """Read in the company's scope."""
    with world.app.app_context(), tenant_scope(company.id):
        return work()


def stock(world: World, company: Company) -> Stock:
    def work() -> Stock:
        subject = settings.add_subject(name="Mathematics")
        music = settings.add_subject(name="Music", position=1)
        policy = settings.add_policy(
            name="Strict",
            free_until_minutes=2880,
            late_refund_bp=0,
            move_until_minutes=1440,
            max_moves=1,
            is_default=False,
        )
        tax = TaxRate(name="VAT", code="VAT19", rate_bp=1900)
        db.session.add(tax)
        db.session.flush()
        return Stock(subject.id, policy.id, tax.id, {"music": music.id})

    return within(world, company, work)


def complete(stock: Stock, **changes: Any) -> Content:
    """A content that lacks nothing."""
    content = Content(
        title="Calculus",
        summary="From limits to integrals.",
        description="At your pace, with exercises.",
        subject_id=stock.subject_id,
        level="intermediate",
        language="en",
        policy_id=stock.policy_id,
        tax_rate_id=stock.tax_rate_id,
        variants=(HOUR, NINETY),
    )
    return dataclasses.replace(content, **changes)


def draft(
    world: World, company: Company, content: Content, *, kind: str = ONE_TO_ONE, role: str = "tutor"
) -> int:
    """A drafted offering of the company's tutor; its id."""
    person_id = company.people[role]
    return within(
        world,
        company,
        lambda: service.draft_offering(accounts.person(person_id), kind=kind, content=content).id,
    )


def submit(world: World, company: Company, offering_id: int) -> int:
    """Sent to be reviewed; the revision's id."""
    return within(world, company, lambda: service.submit(queries.offering(offering_id)).id)


def approve(world: World, company: Company, revision_id: int) -> None:
    within(world, company, lambda: service.approve(queries.revision(revision_id), by=MANAGER))


def seen_on(page: str) -> str:
    """What a page's form says was looked at."""
    found = re.search(r'name="seen"[^>]*value="([^"]*)"', page)
    assert found
    return html.unescape(found[1])


def approve_on_page(manager: Browser, revision_id: int) -> TestResponse:
    """Look at the question, then say yes to what it showed."""
    path = f"/admin/proposals/{revision_id}/do/approve"
    return manager.post(path, seen=seen_on(manager.get(path).text))


def publish(world: World, company: Company, content: Content, **more: Any) -> int:
    """All the way to the storefront; the offering's id."""
    offering_id = draft(world, company, content, **more)
    approve(world, company, submit(world, company, offering_id))
    return offering_id


def slug_of(world: World, company: Company, offering_id: int) -> str:
    return look(world, company, lambda: queries.offering(offering_id).slug)


def second_tutor(world: World, company: Company) -> str:
    """Another tutor of the company; the e-mail to sign in with. Their person is `people["tutor2"]`."""
    email = f"tutor2@{company.slug}.test"
    with world.app.app_context():
        with platform_scope("another tutor for a test"), transaction() as session:
            account = new_account(email, "Second tutor")
            session.add(account)
            session.flush()
            account_id = account.id
        with tenant_scope(company.id), transaction() as session:
            person = Person(full_name="Berta Braun", email=email)
            session.add(person)
            session.flush()
            session.add(Membership(user_id=account_id, person_id=person.id, role_key="tutor", status=ACTIVE))
            company.people["tutor2"] = person.id
    return email


def png(width: int = 900, height: int = 700) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), "#cc3344").save(out, "PNG")
    return out.getvalue()


def form_of(stock: Stock, **changes: Any) -> dict[str, Any]:
    """A tutor's form that lacks nothing."""
    filled = {
        "kind": ONE_TO_ONE,
        "title": "Calculus",
        "summary": "From limits to integrals.",
        "description": "At your pace, with exercises.",
        "subject_id": str(stock.subject_id),
        "level": "intermediate",
        "language": "en",
        "policy_id": "",
        "tax_rate_id": "",
        "variant_1_name": "60 minutes",
        "variant_1_minutes": "60",
        "variant_1_price": "50.00",
    }
    return {**filled, **changes}
