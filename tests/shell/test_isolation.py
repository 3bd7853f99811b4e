"""Nobody at anna's sees, changes or even notices a row of bert's, whatever they ask: with all walls up,
with either wall between tenants down; and with both down the same walk leaks, so it is able to see a leak.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from app.core import walls
from app.core.db import ScopedSession, db
from app.core.rights import TENANT
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import (
    ACTIVE,
    SUPPORT,
    TENANT_ROLES,
    Account,
    Invitation,
    Membership,
    Person,
    TenantRole,
)
from app.domains.accounts.service import people, signin, tokens
from app.shell.factory import create_app
from app.shell.identity import SESSION_KEY
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


@dataclass(frozen=True)
class Guest:
    """Somebody who asks at anna's: signed in with an account, by a session of this kind and place."""

    account_id: int | None = None
    kind: str = "web"
    place: Company | None = None
    has_rights: bool = False
    thorough: bool = False


@dataclass
class Stage:
    """A world in which the walk can begin."""

    world: World
    database: Database
    walk: Walk
    guests: dict[str, Guest]

    def run(self, *names: str) -> Tally:
        """Walk as these guests (all by default); bert's rows must be the same to the byte afterwards."""
        before = self.checksums()
        tally = Tally()
        for name in names or tuple(self.guests):
            tally += self.walk.run(self.identity(name))
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
        browser.client.set_cookie("wm-handover", nonce, domain="anna.localhost", path="/handover/")
        page = "/account/" if browser.get("/account/").status_code == 200 else "/login/"
        return Identity(
            name,
            browser.client,
            browser.csrf(page),
            bearer if guest.kind == "web" else None,  # a visit has no token
            guest.has_rights,
            guest.thorough,
        )

    def _sign_in(self, account_id: int, kind: str, place: Company) -> tuple[str, str]:
        """A cookie's and a bearer's token, without the slow password."""
        device, audience = signin.Device("192.0.2.9", "test"), f"http://{place.host}"
        with self.world.app.app_context(), platform_scope("sign in for a walk"), transaction() as session:
            user = session.get(Account, account_id)
            made = signin.start_session(user, kind=kind, tenant_id=place.id, device=device, life=dt.timedelta(hours=1))
            return made.token, tokens.issue(user, tenant_id=place.id, audience=audience, device=device).access_token


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
        own, foreign = Rows(connection, anna).ids(), Rows(connection, bert).ids()
    assert all(own.values()), "a table has no row of anna's"
    assert all(foreign.values()), "a table has no row of bert's"
    return Stage(world, database, Walk(world, own, foreign, secrets), guests)


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
    return {
        "manager": Guest(anna.accounts["manager"], has_rights=True, thorough=True),
        "front desk, by a role of anna's own": Guest(desk.id, has_rights=True),
        "operator on a visit": Guest(world.operator_id, kind="visit", has_rights=True),
        "support on a visit": Guest(support.id, kind="visit"),
        **{role: Guest(anna.accounts[role]) for role in TENANT_ROLES if role != "manager"},
        "student who manages bert's": Guest(both.id),
        "bert's manager with what he has from bert's": Guest(bert.accounts["manager"], place=bert),
        "visitor": Guest(),
    }


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
        return {"invitation": people.invitation_token(invitation), "reset": signin.reset_token(user, bert.id)}


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
    t = time.process_time()
    stage = set_stage(world, database)
    print("stage", time.process_time()-t)
    for n in ["manager", "visitor"]:
        t = time.process_time()
        tally = stage.run(n)
        print(n, tally, round(time.process_time()-t,1))
        for w in tally.leaks+tally.faults[:20]+tally.wrong[:30]: print("    ", w)
    with without_orm_wall():
        tally = stage.run("operator on a visit")
        print("b", tally)
        for w in tally.leaks+tally.faults[:20]+tally.wrong[:30]: print("    ", w)
    drop_row_security(database)
    tally = stage.run("operator on a visit")
    print("c", tally)
    for w in tally.leaks[:20]+tally.faults[:20]+tally.wrong[:30]: print("    ", w)
    tally = stage.run("front desk, by a role of anna's own")
    print("c", tally)
    for w in tally.leaks[:20]+tally.faults[:20]+tally.wrong[:30]: print("    ", w)
    with without_orm_wall():
        tally = stage.run("operator on a visit")
        print("d", tally)
        for w in tally.leaks+tally.faults[:20]+tally.wrong[:30]: print("    ", w)
