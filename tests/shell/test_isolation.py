"""Nobody at anna's sees, changes or even notices a row of bert's, whatever they ask: with all walls up,
with either wall between tenants down; and with both down the same walk leaks, so it is able to see a leak.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, true

from app.core import list_views, plain, walls
from app.core.db import ScopedSession, db
from app.core.rights import TENANT
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.core.web import list_rows
from app.domains.accounts.events import RegistrationRequested
from app.domains.accounts.models import (
    ACTIVE,
    SUPPORT,
    Account,
    Invitation,
    Membership,
    Person,
    TenantRole,
)
from app.domains.accounts.service import people, registration, signin, tokens
from app.shell.factory import create_app
from app.shell.identity import SESSION_KEY
from tests.support.canaries import Rows, fill, leap, plant
from tests.support.databases import Database, settings_for
from tests.support.entries import SLUGS
from tests.support.walk import Identity, Tally, Walk
from tests.support.world import PASSWORD, Browser, Company, World, make_world, password_hash

# Columns of few words, or of a form of their own: their constraints refuse a canary.
NO_CANARY = {
    "ab_user.platform_role",
    "allocation.source",
    "bulk_run.status",
    "dispute.status",
    "earning.status",
    "invitation.role_key",
    "invitation.status",
    "ledger_account.kind",
    "lesson.status",
    "membership.role_key",
    "membership.status",
    "occupation.resource_kind",
    "offering.kind",
    "offering.level",
    "offering.status",
    "offering_revision.status",
    "outbox.status",
    "payment.status",
    "provider_event.status",
    "receipt.kind",
    "refund.status",
    "review.status",
    "sales_order.status",
    "seat.status",
    "tenant.slug",
    "tenant.status",
    "user_session.kind",
}
FRONT_DESK = ["person.read", "person.write", "guardianship.read", "guardianship.write", "invitation.read"]


# -- The world, with somebody of each kind and canaries in all that is bert's -------------------------------


@dataclass(frozen=True)
class Guest:
    """Somebody who asks at anna's: signed in with an account, by a session of this kind and place."""

    account_id: int | None = None
    kind: str = "web"
    place: Company | None = None
    has_rights: bool = False
    thorough: bool = False
    entries: frozenset[str] | None = None


@dataclass
class Stage:
    """A world in which the walk can begin."""

    world: World
    database: Database
    walk: Walk
    guests: dict[str, Guest]

    def run(self, *names: str, quick: bool = False, entries: frozenset[str] | None = None) -> Tally:
        """Walk as these guests (all by default); bert's rows must be the same to the byte afterwards."""
        identities = [self.identity(name) for name in names or self.guests]
        before, tally = self.checksums(), Tally()
        for who in identities:
            if quick:
                who = replace(who, thorough=False, inside_only=True, entries=entries)
            tally += self.walk.run(who)
        after = self.checksums()
        changed = [table for table, digest in before.items() if after[table] != digest]
        tally.wrong += [f"rows of bert's in {table} were changed" for table in changed]
        return tally

    def checksums(self) -> dict[str, str]:
        with self.database.connect("wm_owner") as connection:
            return Rows(connection, self.world.bert).checksums()

    def identity(self, name: str) -> Identity:
        """Signed in anew, since every walk ends with signing out."""
        guest, anna = self.guests[name], self.world.anna
        browser, bearer = Browser(self.world.app, anna.host), None
        if guest.account_id is not None:
            cookie, bearer = self._sign_in(guest.account_id, guest.kind, guest.place or anna)
            with browser.client.session_transaction(base_url=browser.base) as session:
                session[SESSION_KEY] = cookie
        nonce = self.walk.secrets["nonce"]
        browser.client.set_cookie("wm-handover", nonce, domain="anna.localhost")
        page = "/account/" if browser.get("/account/").status_code == 200 else "/login/"
        return Identity(
            name,
            browser.client,
            browser.csrf(page),
            bearer if guest.kind == "web" else None,  # a visit has no token
            guest.has_rights,
            guest.thorough,
            entries=guest.entries,
        )

    def _sign_in(self, account_id: int, kind: str, place: Company) -> tuple[str, str]:
        """A cookie's and a bearer's token, without the slow password."""
        device, audience = signin.Device("192.0.2.9", "test"), f"http://{place.host}"
        with self.world.app.app_context(), platform_scope("sign in for a walk"), transaction() as session:
            user = session.get(Account, account_id)
            where: dict[str, Any] = {"tenant_id": place.id, "device": device}
            made = signin.start_session(user, kind=kind, life=dt.timedelta(hours=1), **where)
            return made.token, tokens.issue(user, audience=audience, **where).access_token


def set_stage(world: World, database: Database) -> Stage:
    app, anna, bert = world.app, world.anna, world.bert
    fill(app, anna)
    with app.app_context():
        guests = _guests(world)
    leap(database)  # so that an id of bert's says whose it is
    secrets = {**fill(app, bert), **_links(world), "email": bert.email("manager"), "password": PASSWORD}
    assert plant(database, bert, keep=bert.email("manager")) == NO_CANARY
    app.extensions["places"].forget()
    with database.connect("wm_owner") as connection:
        annas, berts = Rows(connection, anna), Rows(connection, bert)
        own, foreign, own_words = annas.ids(), berts.ids(), annas.words()
        secrets |= berts.words()
    assert all(own.values()), "a table has no row of anna's"
    assert all(foreign.values()), "a table has no row of bert's"
    return Stage(world, database, Walk(world, own, foreign, own_words, secrets), guests)


def _guests(world: World) -> dict[str, Guest]:
    anna, bert = world.anna, world.bert
    with platform_scope("people for the isolation tests"), transaction() as session:
        support, desk, both = (_account(name) for name in ("support", "desk", "both"))
        support.platform_role = SUPPORT
        session.add_all([support, desk, both])
    with tenant_scope(anna.id), transaction() as session:
        role = TenantRole(name="Front desk", rights=FRONT_DESK)
        session.add(role)
        session.flush()
        _join(session, desk.id, role_id=role.id)
        _join(session, both.id, role_key="student")
    with tenant_scope(bert.id), transaction() as session:
        _join(session, both.id, role_key="manager")
    few = (_every(4, number) for number in itertools.count())
    return {
        "manager": Guest(anna.accounts["manager"], has_rights=True, thorough=True),
        "front desk, by a role of anna's own": Guest(
            desk.id, has_rights=True, entries=next(few) | {"people", "guardianships", "invitations"}
        ),
        "operator on a visit": Guest(world.operator_id, kind="visit", has_rights=True, entries=_every(2, 0)),
        "support on a visit": Guest(support.id, kind="visit", entries=next(few)),
        "tutor": Guest(anna.accounts["tutor"], entries=_every(2, 1)),
        "student": Guest(anna.accounts["student"], entries=next(few)),
        "guardian": Guest(anna.accounts["guardian"], entries=next(few)),
        "student who manages bert's": Guest(both.id, entries=next(few)),
        "bert's manager with what he has from bert's": Guest(
            bert.accounts["manager"], place=bert, entries=next(few)
        ),
        "visitor": Guest(entries=_every(3, 0)),
    }


def _every(nth: int, first: int) -> frozenset[str]:
    """One entry of so many. What the admin says to those without rights is the same for each entry, and
    `test_admin_write` asks about all of them."""
    return frozenset(slug for number, slug in enumerate(SLUGS) if number % nth == first % nth)


def _account(name: str) -> Account:
    email = f"{name}@guests.test"
    return Account(
        first_name=name, last_name="", username=email, email=email, password=password_hash(), active=True
    )


def _join(session: Any, user_id: int, **role: Any) -> None:
    person = Person(full_name="Guest")
    session.add(person)
    session.flush()
    session.add(Membership(user_id=user_id, person_id=person.id, status=ACTIVE, **role))


def _links(world: World) -> dict[str, str]:
    """What mails of bert's would carry."""
    bert = world.bert
    with world.app.app_context(), tenant_scope(bert.id):
        invitation = db.session.query(Invitation).first()
        user = db.session.get(Account, bert.accounts["manager"])
        asked = RegistrationRequested(bert.id, "new@bert.test", "New", "student", "")
        return {
            "invitation": people.invitation_token(invitation),
            "reset": signin.reset_token(user, bert.id),
            "register": registration.token_of(asked),
        }


# -- The walls, one by one -----------------------------------------------------------------------------------


@contextmanager
def plain_reads_of(tenant_id: int) -> Iterator[None]:
    """Statements past the ORM name their tenant, and can't forget it: what if they named another one?"""
    rows, rows_alone = plain.rows, plain.rows_alone
    plain.rows = lambda statement, **values: plain._with_session(statement, {**values, "tenant": tenant_id})
    plain.rows_alone = lambda statement, **values: plain.rows(statement, **values)
    try:
        yield
    finally:
        plain.rows, plain.rows_alone = rows, rows_alone


@contextmanager
def without_orm_wall() -> Iterator[None]:
    """The filter on reads and the check of writes taken away, as if somebody had forgotten them."""
    listeners = (("do_orm_execute", walls.filter_statements), ("before_flush", walls.check_rows))
    for name, function in listeners:
        event.remove(ScopedSession, name, function)
    # Lists and saved views are read past the ORM, by statements that are made once with a wall in them.
    made_once, wall = (list_rows._reading, list_views._visible), plain.of_tenant
    plain.of_tenant = lambda _model, _table: true()
    for statements in made_once:
        statements.cache_clear()
    try:
        yield
    finally:
        plain.of_tenant = wall
        for statements in made_once:
            statements.cache_clear()
        for name, function in listeners:
            event.listen(ScopedSession, name, function)


def drop_row_security(database: Database) -> None:
    with database.connect() as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relrowsecurity"
        ).fetchall()
        for (table,) in tables:
            connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
            connection.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")


def assert_clean(tally: Tally) -> None:
    assert tally.leaks == []
    assert tally.faults == []
    assert tally.wrong == []


# -- The walk ------------------------------------------------------------------------------------------------

FEW = ("manager", "student who manages bert's", "visitor")


@pytest.fixture
def stage(fresh_database: Database, tmp_path: Path) -> Iterator[Stage]:
    """On a database of its own: ids leap there, and walls are torn down."""
    app = create_app(settings_for(fresh_database, tmp_path))
    yield set_stage(make_world(app), fresh_database)
    with app.app_context():
        db.engine.dispose()
    app.extensions["redis"].close()


def test_all_walls_up(stage: Stage) -> None:
    tally = stage.run()
    report("all walls up", tally)
    assert tally.requests > 3000
    assert_clean(tally)
    assert_counts(stage)


def test_orm_wall_down(stage: Stage) -> None:
    """Row-level security alone: what a forgotten filter would cost."""
    with without_orm_wall():
        tally = stage.run(*FEW, quick=True, entries=_every(2, 0))
        assert_counts(stage)
    report("ORM wall down", tally)
    assert tally.requests > 500
    assert_clean(tally)


def test_row_security_down_then_both(stage: Stage) -> None:
    """The ORM alone: nothing leaks. Without it, too: everything does, or the walk would prove nothing."""
    drop_row_security(stage.database)
    tally = stage.run(*FEW, quick=True, entries=_every(2, 1))
    report("row-level security down", tally)
    assert tally.requests > 500
    assert_clean(tally)
    assert_counts(stage)
    with without_orm_wall(), plain_reads_of(stage.world.bert.id):
        tally = stage.run("manager", quick=True)
    report("both down", tally)
    assert_leaks_everywhere(tally)


SHOWN = 100
# Of each domain the entries whose pages must leak when nothing holds any more.
SHOWN_TO_MANAGERS = (
    *("all-lessons", "seats", "availability-rules", "proposals", "offerings", "variants", "subjects"),
    *("sales-orders", "order-lines", "payments", "refunds", "disputes", "receipts", "earnings"),
    *("ledger-entries", "ledger-accounts", "conversations", "messages", "notifications"),
)


def report(walls_: str, tally: Tally) -> None:
    """For `pytest -s`: what a walk was made of."""
    told = [*tally.faults, *tally.wrong]
    sys.stdout.write("\n".join([f"\nisolation, {walls_}: {tally}", *told[:SHOWN]]) + "\n")


def assert_counts(stage: Stage) -> None:
    """What the manager is told of numbers is about anna's rows only."""
    manager, host = stage.identity("manager"), stage.world.anna.host
    with stage.database.connect("wm_owner") as connection:
        own = Rows(connection, stage.world.anna).ids()
    for entry in stage.walk.entries.values():
        if TENANT in entry.surfaces and entry.has_api:
            response = manager.client.get(
                f"/api/v1/{entry.slug}/",
                base_url=f"http://{host}",
                headers={"Authorization": f"Bearer {manager.bearer}"},
            )
            assert response.json["count"] == len(own[entry.model.__tablename__]), entry.slug
    page = manager.client.get("/admin/", base_url=f"http://{host}").text
    assert f'<a href="/admin/people/">{len(own["person"])}</a>' in page


def assert_leaks_everywhere(tally: Tally) -> None:
    """Every kind of read leaked and every table was written to: the walk sees all that can go wrong."""
    leaks = "\n".join(tally.leaks)
    kinds = ["people/?", "people/4", "people/export.csv", "people/options", "sign-ins/?", "audit/?"]
    kinds += [f"{slug}/4" for slug in SHOWN_TO_MANAGERS]
    for kind in kinds:
        assert f"GET /admin/{kind}" in leaks, f"{kind} did not leak"
    assert re.search("GET /admin/people/[0-9]+/edit", leaks)
    assert re.search("GET /admin/memberships/[0-9]+/do/end", leaks)
    assert "GET /api/v1/people/?" in leaks
    assert "GET /api/v1/people/4" in leaks
    for page in ("/?", "/search", "/o/zq", "/tutors/zq", "/api/v1/catalog/offerings"):
        assert f"GET {page}" in leaks, f"{page} did not leak"
    changed = {line.split(" in ")[1].split(" ")[0] for line in tally.wrong if line.startswith("rows of")}
    assert changed >= {
        *("person", "membership", "invitation", "guardianship", "user_session", "audit_entry"),
        *("offering", "tax_rate", "tutor_profile", "availability_rule", "refund", "commission_plan"),
    }


# -- What the walk can't say by its numbers ------------------------------------------------------------------


def test_forged_hosts_open_nothing(world: World) -> None:
    """The company is the host's alone: nothing else a client says changes it, an unknown host is refused."""
    manager = world.manager()
    forged = {"X-Forwarded-Host": world.bert.host, "Forwarded": f"host={world.bert.host}", "X-Tenant-Id": "2"}
    page = manager.get("/admin/", headers=forged).text
    assert "Anna Tutors" in page
    assert "Bert" not in page
    for host in ("carla.localhost:8000", "bert.localhost.evil.test", "evil.test", "anna.bert.localhost:8000"):
        assert world.app.test_client().get("/", base_url=f"http://{host}").status_code == 400, host


def test_posted_foreign_ids_are_refused_at_their_field(world: World) -> None:
    bert, anna = world.bert.people, world.anna.people
    body = {"guardian": bert["guardian"], "child": anna["student"]}
    asked = {
        "headers": {"Authorization": f"Bearer {world.token(world.anna)}"},
        "base_url": f"http://{world.anna.host}",
    }
    client = world.app.test_client()
    response = client.post("/api/v1/guardianships/", json=body, **asked)
    assert response.status_code == 422
    assert [error["field"] for error in response.json["errors"]] == ["guardian"]
    absent = client.post("/api/v1/guardianships/", json={**body, "guardian": 7_777_777}, **asked)
    assert absent.json["errors"] == response.json["errors"]
    page = world.manager().post("/admin/guardianships/add", **body)
    assert page.status_code == 422
    assert "What you chose does not exist." in page.text


def test_a_ticket_opens_one_company_once(world: World) -> None:
    """An operator's ticket opens the company it was made for, in the browser it was made for, one time."""
    operator = world.operator()
    response = operator.post(f"/admin/tenants/{world.anna.id}/do/open")
    response = operator.get(response.location)
    response = operator.client.get(response.location)
    ticket = operator.client.get(response.location).location
    assert "/handover/in?ticket=" in ticket
    assert operator.client.get(ticket.replace("anna.", "bert.")).status_code == 410
    assert world.app.test_client().get(ticket).status_code == 410
    assert operator.client.get(ticket).location == "/admin/"
    assert operator.client.get(ticket).status_code == 410
    assert operator.client.get("/admin/people/", base_url=f"http://{world.anna.host}").status_code == 200
    assert operator.client.get("/admin/people/", base_url=f"http://{world.bert.host}").status_code == 302
