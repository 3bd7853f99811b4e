"""The demo's world, lived small: everybody comes in as everybody does, and a second run changes nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from app.core import clock
from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import MANAGER, TUTOR, Membership
from app.domains.accounts.service import passwords, people
from app.shell import checks, seed
from app.shell.local import UNFINISHED_WORLD
from app.shell.world import LINGUA, MATHLAB
from app.shell.world.living import MAILBOX
from app.shell.world.model import TINY, Company
from app.shell.world.till import Till
from tests.domains.accounts.support import second_app
from tests.support.databases import Clones, Database, settings_for
from tests.support.servers import free_port
from tests.support.world import Browser

# What makes up a world, by what people would recognise in it.
WORLD = {
    "people": "SELECT full_name, email FROM person",
    "members": "SELECT p.full_name, m.role_key, m.status FROM membership m JOIN person p ON p.id = m.person_id",
    "offerings": "SELECT title, kind, status, version FROM offering",
    "seats": """SELECT p.full_name, o.title, l.starts_at, s.status, s.price_minor, s.refund_minor, s.moves
                FROM seat s JOIN lesson l ON l.id = s.lesson_id JOIN offering o ON o.id = l.offering_id
                LEFT JOIN person p ON p.id = s.student_id""",
    "orders": """SELECT p.full_name, o.status, o.total_minor, o.placed_at, o.paid_at FROM sales_order o
                 JOIN person p ON p.id = o.payer_id""",
    "payments": "SELECT status, amount_minor, refunded_minor, captured_at FROM payment",
    "earnings": "SELECT description, status, tutor_minor, cleared_at FROM earning",
    "books": "SELECT kind, memo, occurred_at FROM ledger_entry WHERE kind <> 'capture' AND kind <> 'fee'",
    "documents": "SELECT kind, number, issued_at FROM receipt",
    "messages": "SELECT p.full_name, m.seq, m.body, m.sent_at FROM message m JOIN person p ON p.id = m.author_id",
    "told": "SELECT p.full_name, n.kind, n.happened_at FROM notification n JOIN person p ON p.id = n.person_id",
    "reviews": "SELECT rating, text, reply, status FROM review",
}
PRESENT = clock.machine_now()
COUNTED = (
    "tenant",
    "plan",
    "ab_user",
    "user_session",
    "audit_entry",
    "outbox",
    "provider_event",
    "mock_mail",
)


@contextmanager
def app_on(database: Database, var_dir: Path) -> Iterator[Flask]:
    with second_app(settings_for(database, var_dir, SIMULATOR_PORT=free_port())) as made:
        yield made


def live(app: Flask, *companies: Company) -> seed.Lived:
    """All worlds of these tests are lived up to the same moment."""
    with clock.frozen(PRESENT):
        return seed.seed(app, companies=companies or seed.COMPANIES, size=TINY)


@pytest.fixture(scope="module")
def lived(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Database]]:
    """The whole tiny world, only to be looked at."""
    database = clones.make("lived")
    with app_on(database, tmp_path_factory.mktemp("lived")) as app:
        told = live(app)
        assert told.refused == [], "a plan asks for nothing that the house refuses"
        assert told.done > 100
        yield app, database


@pytest.fixture
def empty(fresh_database: Database, tmp_path: Path) -> Iterator[Flask]:
    """An application on a database that has its tables and nothing else."""
    with app_on(fresh_database, tmp_path) as made:
        yield made


def rows(database: Database, query: str) -> list[tuple[Any, ...]]:
    with database.connect() as connection:
        return connection.execute(query).fetchall()


def world(database: Database, slug: str | None = None) -> dict[str, list[str]]:
    """All that is in it, in an order that has nothing to do with ids."""
    found = {}
    for name, query in WORLD.items():
        alias = re.findall(r"FROM (\w+)(?: (\w)\b)?", query)[0]
        owner = alias[1] or alias[0]
        where = f"{owner}.tenant_id = (SELECT id FROM tenant WHERE slug = '{slug}')" if slug else "TRUE"
        joined = f"{query} AND {where}" if "WHERE" in query else f"{query} WHERE {where}"
        found[name] = sorted(map(str, rows(database, joined)))
    return found


def counts(database: Database) -> dict[str, int]:
    return {table: rows(database, f"SELECT count(*) FROM {table}")[0][0] for table in COUNTED}


def broken(app: Flask) -> dict[str, Sequence[str]]:
    return {name: found for name, found in checks.broken_rules(app).items() if found}


def host_of(url: str) -> str:
    return re.sub(r"^https?://|/$", "", url)


# -- What there is -----------------------------------------------------------------------------------------


def test_everybody_who_is_published_can_sign_in(lived: tuple[Flask, Database]) -> None:
    app, database = lived
    for who, url, email, password in seed.logins(app):
        browser = Browser(app, host_of(url))
        assert browser.post("/login/", email=email, password=password).status_code == 302, who
    verbs = rows(database, "SELECT DISTINCT verb FROM audit_entry WHERE thing_type = 'invitation'")
    assert {verb for (verb,) in verbs} == {"invited", "accepted"}


def test_nothing_that_must_hold_is_broken(lived: tuple[Flask, Database]) -> None:
    assert broken(lived[0]) == {}


def test_everybody_finds_something_on_their_first_page(lived: tuple[Flask, Database]) -> None:
    app, _database = lived
    titles = {company.slug: [offer.title for offer in company.offers] for company in seed.COMPANIES}
    for who, url, email, password in seed.logins(app):
        role, host = who.split(",")[0], host_of(url)
        home = {"Student": "/learn/", "Guardian": "/learn/", "Tutor": "/teach/"}.get(role)
        if home is None:
            continue
        browser = Browser(app, host)
        browser.post("/login/", email=email, password=password)
        with clock.frozen(PRESENT):  # or what was to come may be over
            page = browser.get(home).text
        assert any(title in page for title in titles[host.split(".")[0]]), who
        assert browser.get("/messages/").status_code == 200


def test_it_was_lived_then_and_not_today(lived: tuple[Flask, Database]) -> None:
    """Machine time, too, was that of the day: the trail, the accounts, the books."""
    _app, database = lived
    for what in (
        "SELECT min(created_at), max(created_at) FROM tenant",
        "SELECT min(occurred_at), max(occurred_at) FROM audit_entry WHERE tenant_id IS NOT NULL",
        "SELECT min(created_at), max(created_at) FROM person",
        "SELECT min(recorded_at), max(recorded_at) FROM ledger_entry",
        "SELECT min(sent_at), max(sent_at) FROM message",
    ):
        ((first, last),) = rows(database, what)
        assert (clock.machine_now() - first).days >= 5, what
        assert last <= clock.machine_now(), what


def test_each_company_has_lessons_behind_it_and_before_it(lived: tuple[Flask, Database]) -> None:
    _app, database = lived
    for company in seed.COMPANIES:
        seen = world(database, company.slug)
        assert len([row for row in seen["offerings"] if "published" in row]) >= 3, company.slug
        assert any("attended" in row for row in seen["seats"]), company.slug
        assert any("booked" in row for row in seen["seats"]), company.slug
        assert any("paid" in row for row in seen["orders"]), company.slug
        assert seen["documents"], company.slug
        assert seen["messages"], company.slug
    states = "".join(sum((world(database)[name] for name in ("seats", "earnings", "offerings")), []))
    assert {"attended", "booked", "lapsed", "cleared", "pending", "published"} <= set(
        re.findall(r"\w+", states)
    )


def test_nobody_is_written_to_about_what_is_long_past(lived: tuple[Flask, Database]) -> None:
    _app, database = lived
    assert rows(database, "SELECT count(*) FROM outbox WHERE status = 'due'") == [(0,)]
    old = "SELECT count(*) FROM mock_mail WHERE sent_at < %s"
    with database.connect() as connection:
        two_days_ago = clock.machine_now() - MAILBOX * 1.1
        assert connection.execute(old, [two_days_ago]).fetchone() == (0,)


def test_what_was_paid_this_week_was_told_by_the_provider(lived: tuple[Flask, Database]) -> None:
    """By the same door as Stripe's: signed, stored, worked off."""
    _app, database = lived
    told = rows(database, "SELECT DISTINCT status, type FROM provider_event")
    assert ("processed", "payment_intent.succeeded") in told
    assert {status for status, _type in told} == {"processed"}


# -- The same again ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def alone(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Database]]:
    """One company of that world, by itself."""
    database = clones.make("alone")
    with app_on(database, tmp_path_factory.mktemp("alone")) as app:
        live(app, LINGUA)
        yield app, database


def test_the_same_seed_lives_the_same_world(
    lived: tuple[Flask, Database], alone: tuple[Flask, Database]
) -> None:
    """What others do changes nothing."""
    theirs, ours = world(lived[1], "lingua"), world(alone[1], "lingua")
    for name in WORLD:
        assert theirs[name] == ours[name], name
    assert sum(map(len, ours.values())) > 100


def test_a_second_run_changes_nothing_and_what_somebody_changed_stays(
    alone: tuple[Flask, Database],
) -> None:
    app, database = alone
    once = world(database), counts(database)
    assert live(app, LINGUA).done == 0
    assert (world(database), counts(database)) == once
    with database.connect() as connection:
        (tenant_id,) = connection.execute("SELECT id FROM tenant WHERE slug = 'lingua'").fetchone() or (0,)
        connection.execute("UPDATE tenant SET name = 'Lingua Potsdam' WHERE slug = 'lingua'")
    with app.app_context(), tenant_scope(tenant_id), transaction():
        tutor = db.session.scalars(select(Membership).where(Membership.role_key == TUTOR)).one()
        people.end_membership(tutor, by_rights=people.rights_of(MANAGER, None))
    live(app, LINGUA)
    kept = "SELECT t.name, m.status FROM tenant t JOIN membership m ON m.tenant_id = t.id"
    found = rows(database, f"{kept} WHERE t.slug = 'lingua' AND m.role_key = 'tutor'")
    assert found == [("Lingua Potsdam", "ended")]


def test_a_life_that_was_cut_off_goes_on(
    empty: Flask, fresh_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the midst of a purchase: held and ordered, and then the power fails."""
    paid, tries = Till.pay, []

    def power_cut(*args: Any, **named: Any) -> None:
        tries.append(args)
        if len(tries) == 3:
            raise KeyboardInterrupt
        paid(*args, **named)

    monkeypatch.setattr(Till, "pay", power_cut)
    with pytest.raises(KeyboardInterrupt):
        live(empty, MATHLAB)
    half = world(fresh_database)
    assert (tmp_path / UNFINISHED_WORLD).exists()
    told = live(empty, MATHLAB)
    assert told.refused == []
    whole = world(fresh_database)
    assert not (tmp_path / UNFINISHED_WORLD).exists()
    assert broken(empty) == {}
    assert len(half["seats"]) < len(whole["seats"])
    for name, found in whole.items():
        assert len(found) == len(set(found)), f"{name}: nothing was done twice"


def test_without_the_simulator_only_what_is_free_is_taken(fresh_database: Database, tmp_path: Path) -> None:
    stripe = {"STRIPE_SECRET_KEY": "sk_test_x", "STRIPE_PUBLISHABLE_KEY": "pk_test_x"}
    settings = settings_for(
        fresh_database, tmp_path, PAYMENT_PROVIDER="stripe", STRIPE_WEBHOOK_SECRET="whsec_x", **stripe
    )
    with second_app(settings) as app:
        live(app, LINGUA)
        assert broken(app) == {}
    assert {price for (price,) in rows(fresh_database, "SELECT DISTINCT total_minor FROM sales_order")} <= {0}


# -- Where it must not be ----------------------------------------------------------------------------------


def test_not_in_production(empty: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(empty.config, "ENVIRONMENT", "production")
    with pytest.raises(SystemExit, match="published"):
        live(empty, LINGUA)


def test_published_passwords_are_known_within_the_block_only() -> None:
    with passwords.published(["demo-nobody"]):
        assert passwords.hash_password("demo-nobody") == passwords.hash_password("demo-nobody")
        assert passwords.hash_password("another one") != passwords.hash_password("another one")
    again = passwords.hash_password("demo-nobody")
    assert again != passwords.hash_password("demo-nobody")
    assert passwords.matches(again, "demo-nobody")
