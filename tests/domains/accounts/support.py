"""What the tests of accounts share: rows as they stand, mails that went out, and further memberships."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask

from app.core import clock
from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import ACTIVE, Membership, Person, TenantRole
from app.shell.factory import create_app
from config import Settings
from tests.support.databases import Database
from tests.support.world import Browser, Company, World, drain

NEW_PASSWORD = "another staple battery"
_CHANGING = re.compile(
    r'name="(?:csrf_token|next)"[^>]*value="[^"]*"|nonce="[^"]*"|nonce-[\w-]+|\b[0-9a-f]{16}\b|[\w.+-]+@[\w.-]+\.test',
    re.ASCII,
)


def rows(database: Database, query: str, *values: Any) -> list[tuple[Any, ...]]:
    """What stands in the database, seen as superuser, past every wall."""
    with database.connect() as connection:
        return connection.execute(query, values).fetchall()


def run(database: Database, statement: str, *values: Any) -> None:
    with database.connect() as connection:
        connection.execute(statement, values)


def verbs(database: Database, thing: str) -> list[str]:
    """What the trail says was done to rows of a table, oldest first, beside making and changing them."""
    query = "SELECT verb FROM audit_entry WHERE thing_type = %s AND verb NOT IN ('created', 'changed') ORDER BY id"
    return [verb for (verb,) in rows(database, query, thing)]


def ends(database: Database) -> list[str]:
    """Why sign-ins ended, each word once."""
    query = "SELECT DISTINCT end_reason FROM user_session WHERE ended_at IS NOT NULL ORDER BY 1"
    return [reason for (reason,) in rows(database, query)]


def unchanging(page: str) -> str:
    """A page without what differs between any two requests: tokens, nonces, request ids, the typed address."""
    return _CHANGING.sub("…", page)


def mails_to(app: Flask, database: Database, recipient: str) -> list[tuple[str, str, str]]:
    """(subject, text, html) of all mails to one address, after everything due was delivered."""
    drain(app)
    return rows(
        database, "SELECT subject, text, html FROM mock_mail WHERE recipient = %s ORDER BY id", recipient
    )


def link_to(app: Flask, database: Database, recipient: str, kind: str) -> str:
    """The path of the newest link of this kind (`invitation`, `reset`, `verify`) mailed to the address."""
    _subject, text, html = mails_to(app, database, recipient)[-1]
    found = re.search(rf"http://[^/\s]+(/{kind}/\S+)", text)
    assert found, text
    assert found.group(1) in html
    return found.group(1)


def own_role(world: World, company: Company, name: str, *rights: str) -> int:
    """A role of the company's own."""
    with world.app.app_context(), tenant_scope(company.id), transaction() as session:
        role = TenantRole(name=name, rights=sorted(rights))
        session.add(role)
        session.flush()
        return int(role.id)


def join(world: World, company: Company, account_id: int, **role: Any) -> int:
    """Make an account a member, with `role_key` or `role_id`; returns the membership's id."""
    with world.app.app_context(), tenant_scope(company.id), transaction() as session:
        person = Person(full_name=f"Member {account_id}")
        session.add(person)
        session.flush()
        member = Membership(user_id=account_id, person_id=person.id, status=ACTIVE, **role)
        session.add(member)
        session.flush()
        return int(member.id)


def front_desk(world: World, company: Company, *rights: str) -> Browser:
    """The company's student, who got a role of its own with these rights, signed in."""
    role_id = own_role(world, company, "Front desk", *rights)
    join(world, company, company.accounts["student"], role_id=role_id)
    return world.browser(company.host, company.email("student"))


def later(**delta: float) -> Any:
    """Machine time moved on by so much, standing still."""
    return clock.machine_frozen(clock.machine_now() + dt.timedelta(**delta))


@contextmanager
def second_app(settings: Settings, **overrides: Any) -> Iterator[Flask]:
    """Another app on the same database, with other settings."""
    made = create_app(settings.model_copy(update=overrides))
    try:
        yield made
    finally:
        with made.app_context():
            db.engine.dispose()
        made.extensions["redis"].close()
