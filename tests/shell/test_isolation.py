"""Nobody at anna's sees, changes or even notices a row of bert's, whatever they ask: with all walls up,
with either wall between tenants down; and with both down the same walk leaks, so it is able to see a leak.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from sqlalchemy import event

from app.core import walls
from app.core.db import ScopedSession, db
from app.core.rights import TENANT
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import ACTIVE, SUPPORT, TENANT_ROLES, Account, Membership, Person, TenantRole
from app.domains.accounts.service import people, signin
from app.shell.factory import create_app
from tests.support.canaries import Rows, fill, leap, plant
from tests.support.databases import Database, settings_for
from tests.support.walk import Identity, Tally, Walk
from tests.support.world import PASSWORD, PLATFORM, Browser, Company, World, make_world, password_hash

# Columns of few words, or of a form of their own: their constraints refuse a canary.
NO_CANARY = {
    "ab_user.platform_role",
    "invitation.role_key",
    "invitation.status",
    "membership.role_key",
    "membership.status",
    "outbox.status",
    "tenant.currency",
    "tenant.slug",
    "tenant.status",
    "user_session.kind",
}
FRONT_DESK = ["person.read", "person.write", "guardianship.read", "guardianship.write", "invitation.read"]


# -- The world, with somebody of each kind and canaries in all that is bert's -------------------------------


@dataclass
class Stage:
    """A world in which the walk can begin."""

    world: World
    database: Database
    walk: Walk
    identities: dict[str, Identity]

    def run(self, *names: str) -> Tally:
        """Walk as these identities (all by default); bert's rows must be the same to the byte afterwards."""
        before = self.checksums()
        tally = Tally()
        for name in names or tuple(self.identities):
            tally += self.walk.run(self.identities[name])
        after = self.checksums()
        changed = [table for table, digest in before.items() if after[table] != digest]
        tally.wrong += [f"rows of bert's in {table} were changed" for table in changed]
        return tally

    def checksums(self) -> dict[str, str]:
        with self.database.connect("wm_owner") as connection:
            return Rows(connection, self.world.bert).checksums()


def set_stage(world: World, database: Database) -> Stage:
    app, anna, bert = world.app, world.anna, world.bert
    fill(app, anna)
    with app.app_context():
        guests = _guests(world)
    identities = {who.name: who for who in _identities(world, guests)}
    leap(database)  # so that an id of bert's says whose it is
    secrets = {**fill(app, bert), **_links(world), "email": bert.email("manager"), "password": PASSWORD}
    assert plant(database, bert, keep=bert.email("manager")) == NO_CANARY
    app.extensions["places"].forget()
    for who in identities.values():
        who.client.set_cookie("wm-handover", secrets["nonce"], domain="anna.localhost", path="/handover/")
    with database.connect("wm_owner") as connection:
        own, foreign = Rows(connection, anna).ids(), Rows(connection, bert).ids()
    assert all(own.values()), "a table has no row of anna's"
    assert all(foreign.values()), "a table has no row of bert's"
    return Stage(world, database, Walk(world, own, foreign, secrets), identities)


def _guests(world: World) -> dict[str, str]:
    """E-mail addresses of three more: with a role of anna's own, of both companies, of the platform's support."""
    with platform_scope("people for the isolation tests"), transaction() as session:
        support = Account(**_account("support@wemaster.test"), platform_role=SUPPORT)
        desk, both = Account(**_account("desk@anna.test")), Account(**_account("both@both.test"))
        session.add_all([support, desk, both])
        session.flush()
        ids = desk.id, both.id
    with tenant_scope(world.anna.id), transaction() as session:
        role = TenantRole(name="Front desk", rights=FRONT_DESK)
        session.add(role)
        session.flush()
        _join(session, ids[0], role_id=role.id)
        _join(session, ids[1], role_key="student")
    with tenant_scope(world.bert.id), transaction() as session:
        _join(session, ids[1], role_key="manager")
    return {"desk": "desk@anna.test", "both": "both@both.test", "support": "support@wemaster.test"}


def _account(email: str) -> dict[str, Any]:
    name = email.split("@")[0].capitalize()
    return {
        "first_name": name, "last_name": "", "username": email, "email": email, "password": password_hash(),
        "active": True,
    }  # fmt: skip


def _join(session: Any, user_id: int, **role: Any) -> None:
    person = Person(full_name="Guest")
    session.add(person)
    session.flush()
    session.add(Membership(user_id=user_id, person_id=person.id, status=ACTIVE, **role))


def _links(world: World) -> dict[str, str]:
    """What mails of bert's would carry."""
    bert = world.bert
    with world.app.app_context(), tenant_scope(bert.id):
        invitation = db.session.query(people.Invitation).first()
        user = db.session.get(Account, bert.accounts["manager"])
        return {"invitation": people.invitation_token(invitation), "reset": signin.reset_token(user, bert.id)}


def _identities(world: World, guests: dict[str, str]) -> Iterator[Identity]:
    anna = world.anna
    yield _identity(world, "manager", anna.email("manager"), has_rights=True, thorough=True)
    yield _identity(world, "front desk", guests["desk"], has_rights=True)
    for role in TENANT_ROLES[1:]:
        yield _identity(world, role, anna.email(role))
    yield _identity(world, "manager of bert's, student of anna's", guests["both"])
    yield _as(world, "operator on a visit", visit(world, "operator@wemaster.test"), has_rights=True)
    yield _as(world, "support on a visit", visit(world, guests["support"]))
    yield _as(world, "visitor", Browser(world.app, anna.host))
    stranger = world.browser(world.bert.host, world.bert.email("manager"))
    cookie = stranger.client.get_cookie("wm", domain="bert.localhost")
    assert cookie is not None
    replay = Browser(world.app, anna.host)
    replay.client.set_cookie("wm", cookie.value, domain="anna.localhost")
    yield _as(world, "bert's manager with a copied cookie", replay, bearer=world.token(world.bert))


def _identity(world: World, name: str, email: str, **more: Any) -> Identity:
    response = world.app.test_client().post(
        "/api/v1/auth/token",
        json={"email": email, "password": PASSWORD},
        base_url=f"http://{world.anna.host}",
    )
    bearer = str(response.json["access_token"])
    return _as(world, name, world.browser(world.anna.host, email), bearer=bearer, **more)


def _as(world: World, name: str, browser: Browser, **more: Any) -> Identity:
    page = "/account/" if browser.get("/account/").status_code == 200 else "/login/"
    return Identity(name, browser.client, browser.csrf(page), **more)


def visit(world: World, email: str) -> Browser:
    """Sign in on the platform and open anna there: four redirects later one is on her host."""
    browser = world.browser(PLATFORM, email)
    response = browser.post(f"/admin/tenants/{world.anna.id}/do/open")
    browser.base = f"http://{PLATFORM}"
    while response.location != "/admin/":
        assert response.status_code == 302, response.text
        target = urlsplit(urljoin(browser.base, response.location))
        browser.base = f"http://{target.netloc}"
        response = browser.get(f"{target.path}?{target.query}")
    return browser


# -- The walls, one by one -----------------------------------------------------------------------------------


@contextmanager
def without_orm_wall() -> Iterator[None]:
    """The filter on reads and the check of writes taken away, as if somebody had forgotten them."""
    listeners = (("do_orm_execute", walls.filter_statements), ("before_flush", walls.check_rows))
    for name, function in listeners:
        event.remove(ScopedSession, name, function)
    try:
        yield
    finally:
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


def test_walk_as_built(world: World, database: Database) -> None:
    import time, collections

    t = time.perf_counter()
    stage = set_stage(world, database)
    print("stage", time.perf_counter() - t)
    for n in stage.identities:
        t = time.perf_counter()
        tally = stage.run(n)
        print(n, tally, round(time.perf_counter() - t, 1))
        for w in tally.leaks[:20] + tally.faults[:20] + tally.wrong[:30]:
            print("    ", w)
