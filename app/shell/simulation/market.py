"""The market that a simulation lives in: companies in several zones and currencies, their people and offers.

Opened through the services of the house, and described to the model.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import select

from app.core import audit
from app.core.db import db
from app.core.rights import catalogue
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import GUARDIAN, MANAGER, OPERATOR, STUDENT, TUTOR, Membership
from app.domains.accounts.service import family, passwords, people, registration
from app.domains.booking import service as booking
from app.domains.booking.service import NewTerms, Stretch
from app.domains.catalog import queries as catalog_queries
from app.domains.catalog import service as catalog
from app.domains.catalog.models import GROUP, ONE_TO_ONE, TRIAL, TaxRate
from app.domains.catalog.policies.content import Content, VariantContent
from app.domains.catalog.service import settings
from app.domains.tenancy import service as tenancy
from app.domains.tenancy.models import Plan
from app.shell.simulation import rules
from app.shell.simulation.model import Model

PASSWORD = "simulated-people-have-no-secrets"  # noqa: S105 - theirs, on a database of their own
HOUR = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Place:
    """What differs from company to company. `nights`: its second tutor works while others sleep, and while
    the clocks change."""

    slug: str
    currency: str
    step: int
    timezone: str
    fee_bp: int
    tax_bp: int
    prices: tuple[int, int, int]
    free_until_minutes: int
    late_bp: int


PLACES = (
    Place("berlin", "EUR", 1, "Europe/Berlin", 500, 1900, (4000, 5599, 2400), 24 * 60, 5000),
    Place("sydney", "AUD", 1, "Australia/Sydney", 350, 1000, (8033, 9999, 3501), 12 * 60, 3333),
    Place("amman", "KWD", 10, "America/New_York", 1234, 0, (12340, 15550, 7770), 48 * 60, 2500),
)
DAYTIME = (9 * 60, 19 * 60)
NIGHT = (0, 6 * 60)


class Somebody(NamedTuple):
    """A person, the account that acts for them, and for whom a guardian books."""

    person_id: int
    user_id: int
    name: str
    learners: tuple[int, ...]

    @property
    def actor(self) -> str:
        return f"u:{self.user_id}"


@dataclass
class Firm:
    """A company of the market."""

    place: Place
    tenant_id: int
    company: rules.Company
    manager: Somebody
    tutors: list[Somebody] = field(default_factory=list)
    customers: list[Somebody] = field(default_factory=list)
    offers: list[rules.Offer] = field(default_factory=list)

    def zone_of(self, tutor_id: int) -> str:
        """The second tutor of a company is at home elsewhere."""
        is_second = tutor_id == self.tutors[1].person_id
        return "America/New_York" if is_second else self.place.timezone

    def hours_of(self, tutor_id: int) -> tuple[int, int]:
        return NIGHT if tutor_id == self.tutors[1].person_id else DAYTIME


def open_market(model: Model, now: dt.datetime, *, customers: int) -> list[Firm]:
    """In an application context, with both clocks at `now`."""
    with passwords.published([PASSWORD]):
        with platform_scope("open a simulated market"), transaction():
            people.make_platform_user(
                email="operator@market.test", full_name="Olga Operator", password=PASSWORD, role=OPERATOR
            )
        return [_open(place, model, now, customers) for place in PLACES]


def _open(place: Place, model: Model, now: dt.datetime, customers: int) -> Firm:
    with platform_scope("open a simulated market"), transaction() as session:
        plan = Plan(code=place.slug, name=place.slug, max_tutors=None, platform_fee_bp=place.fee_bp)
        session.add(plan)
        session.flush()  # the company points at it
        new = tenancy.NewTenant(
            place.slug, place.slug, plan, place.currency, place.timezone, "en", is_test=True
        )
        tenant_id = tenancy.open_tenant(new).id
    company = rules.Company(
        tenant_id,
        place.currency,
        place.step,
        place.fee_bp,
        dt.timedelta(minutes=place.free_until_minutes),
        place.late_bp,
        dt.timedelta(hours=6),
        2,
    )
    model.companies[tenant_id] = company
    firm = Firm(place, tenant_id, company, _join(tenant_id, place, "Manager", MANAGER, OPERATOR))
    firm.tutors = [_join(tenant_id, place, name, TUTOR, MANAGER) for name in ("Tutor One", "Tutor Two")]
    firm.customers = [_register(tenant_id, place, number) for number in range(customers)]
    _furnish(firm)
    for number in range(len(firm.tutors)):
        _set_up(firm, number, model)
    return firm


# -- People ------------------------------------------------------------------------------------------------


def _email(place: Place, name: str) -> str:
    return f"{name.lower().replace(' ', '.')}@{place.slug}.test"


def _join(tenant_id: int, place: Place, name: str, role: str, inviter: str) -> Somebody:
    """Invited by mail, and in."""
    by = people.Inviter(f"{inviter} of {place.slug}", catalogue().of_role(inviter))
    with audit.acting(audit.SYSTEM), tenant_scope(tenant_id), transaction():
        invitation = people.invite(
            full_name=name, email=_email(place, name), choice=people.RoleChoice(key=role), by=by
        )
    with platform_scope("a simulated invitation is accepted"), transaction():
        people.accept(invitation, full_name=name, password=PASSWORD)
    return _somebody(tenant_id, _email(place, name), name)


def _register(tenant_id: int, place: Place, number: int) -> Somebody:
    """Every third customer is a guardian with two children."""
    role, name = (GUARDIAN if number % 3 == 2 else STUDENT), f"Customer {number}"
    email = _email(place, name)
    asked = registration.Registration(tenant_id, email, name, role, "", "en")
    with platform_scope("a simulated registration is confirmed"), transaction():
        registration.join(asked, full_name=name, password=PASSWORD)
    found = _somebody(tenant_id, email, name)
    if role == STUDENT:
        return found
    with audit.acting(audit.SYSTEM), tenant_scope(tenant_id), transaction():
        guardian = accounts.person(found.person_id)
        children = [
            family.add_child(
                guardian,
                full_name=f"Child {child} of {name}",
                birth_date=dt.date(2016, 5, child),
                by=guardian,
            )
            for child in (1, 2)
        ]
        ids = tuple(child.id for child in children)
    return found._replace(learners=ids)


def _somebody(tenant_id: int, email: str, name: str) -> Somebody:
    with platform_scope("who was made"):
        user = accounts.user_by_email(email)
        assert user is not None, "they have joined"
        user_id = user.id
    with tenant_scope(tenant_id):
        person_id = db.session.scalars(
            select(Membership.person_id).where(Membership.user_id == user_id)
        ).one()
    return Somebody(person_id, user_id, name, (person_id,))


# -- What is sold ------------------------------------------------------------------------------------------


def _furnish(firm: Firm) -> None:
    place = firm.place
    with audit.acting(audit.SYSTEM), tenant_scope(firm.tenant_id), transaction() as session:
        settings.add_subject(name="Languages")
        if place.tax_bp:
            session.add(TaxRate(name="Tax", code="TAX", rate_bp=place.tax_bp))
        settings.add_policy(
            name="Terms",
            is_default=True,
            free_until_minutes=place.free_until_minutes,
            late_refund_bp=place.late_bp,
            move_until_minutes=6 * 60,
            max_moves=2,
        )


def _set_up(firm: Firm, number: int, model: Model) -> None:
    """A tutor's hours, and an offer of each kind."""
    tutor, place = firm.tutors[number], firm.place
    before, after = (0, 10) if number == 0 else (15, 0)
    zone, (starts, ends) = firm.zone_of(tutor.person_id), firm.hours_of(tutor.person_id)
    with audit.acting(audit.SYSTEM), tenant_scope(firm.tenant_id), transaction():
        terms = NewTerms(
            zone,
            buffer_before_minutes=before,
            buffer_after_minutes=after,
            notice_minutes=120,
            horizon_days=21,
        )
        schedule = booking.set_schedule(accounts.person(tutor.person_id), terms=terms)
        booking.set_week(schedule, rules=[Stretch(day, starts, ends) for day in range(7)])
    kinds = ((ONE_TO_ONE, 60, place.prices[number], 1), (GROUP, 90, place.prices[2], 3), (TRIAL, 30, 0, 1))
    for kind, minutes, price, capacity in kinds:
        made = _publish(firm, tutor, kind, minutes, price, capacity)
        offer = rules.Offer(
            made, firm.company, tutor.person_id, kind, minutes, price, place.tax_bp, capacity,
            dt.timedelta(minutes=before), dt.timedelta(minutes=after),
        )  # fmt: skip
        model.offers[made] = offer
        firm.offers.append(offer)


def _publish(firm: Firm, tutor: Somebody, kind: str, minutes: int, price: int, capacity: int) -> int:
    with audit.acting(audit.SYSTEM), tenant_scope(firm.tenant_id), transaction():
        rates = catalog_queries.tax_rates()
        content = Content(
            title=f"{kind} with {tutor.name}",
            summary="In a sentence.",
            description="At length.",
            subject_id=catalog_queries.subjects()[0].id,
            capacity=capacity,
            tax_rate_id=rates[0].id if rates else None,
            variants=(VariantContent(f"{minutes} minutes", minutes, price),),
        )
        offering = catalog.draft_offering(accounts.person(tutor.person_id), kind=kind, content=content)
        return int(catalog.approve(catalog.submit(offering), by="Manager").id)
