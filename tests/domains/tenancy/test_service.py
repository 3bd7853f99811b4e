"""What is done to a company, verb by verb: what stands afterwards, what is told, and what the trail says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from app.core import clock
from app.core.audit import AuditEntry
from app.core.db import db
from app.core.errors import Invalid
from app.core.events import Wiring
from app.core.scope import platform_scope
from app.core.states import MoveNotAllowed
from app.core.transaction import transaction
from app.domains.tenancy import events, queries, service
from app.domains.tenancy.errors import BadHost, BadSlug, HostTaken, TenantNotActive
from app.domains.tenancy.models import ACTIVE, CLOSED, SUSPENDED, Plan, Tenant, TenantDomain
from app.domains.tenancy.service import Brand, NewTenant

KINDS = (events.TenantOpened, events.TenantSuspended, events.TenantResumed, events.TenantChanged)
BRAND = Brand(
    " Fjord School ", "#0B5FA5", " Learn by the sea ", "round", {"email": " hi@fjord.test ", "phone": ""}
)


class Platform:
    """Does what an operator's pages do, each in a transaction of its own."""

    def __init__(self, heard: list[Any]) -> None:
        self.heard = heard
        self.plan_id = self.do(lambda: self._plan("studio"))
        self.id = 0

    def do(self, work: Callable[[], Any]) -> Any:
        with platform_scope("test"), transaction():
            return work()

    def _plan(self, code: str) -> int:
        plan = Plan(code=code, name=code)
        db.session.add(plan)
        db.session.flush()
        return plan.id

    def open(self, **changes: Any) -> Tenant:
        def work() -> Tenant:
            plan = db.session.get_one(Plan, self.plan_id)
            new = NewTenant(" Fjord ", "fjord", plan, "NOK", "Europe/Oslo", "nb", is_test=True)
            return service.open_tenant(replace(new, **changes))

        self.id = self.do(work).id
        return self.tenant

    @property
    def tenant(self) -> Tenant:
        with platform_scope("test"):
            return queries.tenant(self.id)

    def change(self, verb: Callable[..., Any], **how: Any) -> Any:
        return self.do(lambda: verb(queries.tenant(self.id), **how))

    def trail(self) -> list[tuple[str, str | None]]:
        with platform_scope("test"):
            found = db.session.query(AuditEntry).filter_by(thing_type="tenant", thing_id=self.id)
            return [(entry.verb, entry.reason) for entry in found.order_by(AuditEntry.id)]

    def told(self) -> list[type[Any]]:
        """Since it was asked last."""
        assert {event.tenant_id for event in self.heard} <= {self.id}
        kinds = [type(event) for event in self.heard]
        self.heard.clear()
        return kinds


@pytest.fixture
def platform(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Any:
    heard: list[Any] = []
    monkeypatch.setitem(app.extensions, "wiring", Wiring(dict.fromkeys(KINDS, (heard.append,)), {}))
    with app.app_context():
        yield Platform(heard)


def test_a_company_is_opened(platform: Platform) -> None:
    made = platform.open()
    assert (made.name, made.slug, made.plan_id) == ("Fjord", "fjord", platform.plan_id)
    assert (made.currency, made.timezone, made.locale) == ("NOK", "Europe/Oslo", "nb")
    assert (made.is_test, made.status, made.revision) == (True, ACTIVE, 1)
    assert (platform.told(), platform.trail()) == ([events.TenantOpened], [("created", None)])
    assert not platform.open(slug="sund", is_test=False).is_test


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"slug": "www"}, BadSlug, "some names are reserved"),
        ({"name": "  "}, Invalid, "Please give the company a name."),
        ({"currency": "XXQ"}, Invalid, "This is not a currency."),
        ({"timezone": "Mars/Olympus"}, Invalid, "This is not a time zone."),
    ],
)
def test_what_makes_no_company(
    platform: Platform, changes: dict[str, str], error: type[Invalid], words: str
) -> None:
    with pytest.raises(error, match=words) as refused:
        platform.open(**changes)
    assert ([refused.value.field], platform.told()) == ([*changes], [])


def test_it_is_suspended_and_brought_back(platform: Platform) -> None:
    platform.open()
    platform.told()
    platform.change(service.suspend, reason="unpaid")
    paused = platform.tenant
    assert (paused.status, paused.status_reason, paused.revision) == (SUSPENDED, "unpaid", 2)
    assert platform.told() == [events.TenantChanged, events.TenantSuspended]
    with pytest.raises(MoveNotAllowed):
        platform.change(service.suspend, reason="again")
    platform.change(service.resume)
    back = platform.tenant
    assert (back.status, back.status_reason, back.revision) == (ACTIVE, None, 3)
    assert platform.told() == [events.TenantChanged, events.TenantResumed]
    assert platform.trail()[1:] == [("suspended", "unpaid"), ("brought back", None)]


def test_its_look_is_changed(platform: Platform) -> None:
    platform.open()
    platform.told()
    with platform_scope("test"), transaction():
        tenant = queries.tenant(platform.id)
        tenant.brand = {**tenant.brand, "kept": "as it was"}
    platform.change(service.rebrand, brand=BRAND, timezone="Europe/Berlin", locale="de")
    seen = platform.tenant
    assert (seen.name, seen.timezone, seen.locale, seen.revision) == (
        "Fjord School",
        "Europe/Berlin",
        "de",
        2,
    )
    assert seen.brand == {
        "primary": "#0b5fa5", "tagline": "Learn by the sea", "corners": "round",
        "contacts": {"email": "hi@fjord.test"}, "kept": "as it was",
    }  # fmt: skip
    assert (platform.told(), platform.trail()[-1]) == ([events.TenantChanged], ("rebranded", None))


@pytest.mark.parametrize(
    ("field", "brand", "zone", "words"),
    [
        ("primary", replace(BRAND, primary="#9ec9ff"), "Europe/Oslo", "Choose a darker one"),
        ("corners", replace(BRAND, corners="8px"), "Europe/Oslo", "Please choose"),
        ("timezone", BRAND, "Mars/Olympus", "not a time zone"),
        ("email", replace(BRAND, contacts={"email": "office"}), "Europe/Oslo", "not an e-mail address"),
        ("phone", replace(BRAND, contacts={"phone": "call me"}), "Europe/Oslo", "not a phone number"),
        ("terms_url", replace(BRAND, contacts={"terms_url": "fjord.test"}), "Europe/Oslo", "from https"),
    ],
)
def test_a_look_that_is_refused(platform: Platform, field: str, brand: Brand, zone: str, words: str) -> None:
    platform.open()
    with pytest.raises(Invalid, match=words) as refused:
        platform.change(service.rebrand, brand=brand, timezone=zone, locale="nb")
    assert (refused.value.field, platform.tenant.revision) == (field, 1)


def test_a_look_of_few_words(platform: Platform) -> None:
    platform.open()
    platform.change(service.rebrand, brand=Brand("Fjord", "#0b5fa5"), timezone="Europe/Oslo", locale="nb")
    plain = {"primary": "#0b5fa5", "tagline": "", "corners": "soft", "contacts": {}}
    assert platform.tenant.brand == plain


def test_what_was_said_of_it_is_put_right(platform: Platform) -> None:
    platform.open()
    platform.told()
    other = platform.do(lambda: platform._plan("other"))

    def correct(name: str = " Sund ", timezone: str = "Europe/Berlin") -> None:
        said = {"name": name, "timezone": timezone, "locale": "de", "is_test": False}
        plan = db.session.get_one(Plan, other)
        service.correct(queries.tenant(platform.id), plan=plan, **said)  # type: ignore[arg-type]

    platform.do(correct)
    seen = platform.tenant
    assert (seen.name, seen.plan_id, seen.timezone) == ("Sund", other, "Europe/Berlin")
    assert (seen.locale, seen.is_test, seen.slug, seen.currency) == ("de", False, "fjord", "NOK")
    assert (seen.revision, platform.told()) == (2, [events.TenantChanged])
    for wrong, words in (
        ({"name": " "}, "give the company a name"),
        ({"timezone": "Mars/Olympus"}, "time zone"),
    ):
        with pytest.raises(Invalid, match=words) as refused:
            platform.do(lambda said=wrong: correct(**said))
        assert [refused.value.field] == [*wrong]
    with platform_scope("test"), transaction():
        queries.tenant(platform.id).status = CLOSED
    with pytest.raises(TenantNotActive):
        platform.do(correct)


def test_a_host_name_of_its_own(platform: Platform) -> None:
    platform.open()
    platform.told()

    def add(host: str = " Learn.Fjord.TEST. ", remark: str | None = "by mail") -> TenantDomain:
        with clock.machine_frozen(moment):
            how = {"host": host, "base_domain": "localhost", "remark": remark}
            return platform.change(service.add_domain, **how)

    moment = clock.machine_now()
    domain = add()
    assert (domain.tenant_id, domain.host, domain.note) == (platform.id, "learn.fjord.test", "by mail")
    assert (domain.activated_at, platform.tenant.revision) == (moment, 2)
    assert platform.told() == [events.TenantChanged]
    assert add("second.fjord.test", None).note is None
    for wrong, error in (("fjord.localhost", BadHost), ("no host", BadHost), ("learn.fjord.test", HostTaken)):
        with pytest.raises(error) as refused:
            add(wrong)
        assert refused.value.field == "host"
    platform.told()
    platform.do(lambda: service.remove_domain(db.session.get_one(TenantDomain, domain.id)))
    with platform_scope("test"):
        assert [row.host for row in db.session.query(TenantDomain)] == ["second.fjord.test"]
    assert (platform.tenant.revision, platform.told()) == (4, [events.TenantChanged])
