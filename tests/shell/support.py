"""Every rule of the url_map as addresses that lead somewhere, and the state of the database in one word."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.routing import Rule

from app.core.db import db
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts import queries
from app.domains.accounts.events import RegistrationRequested
from app.domains.accounts.service import people, registration, signin
from app.shell.models import metadata
from tests.support.canaries import settle
from tests.support.databases import Database
from tests.support.entries import make
from tests.support.paths import IDS, SAME, source_of
from tests.support.world import World

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Counted or noted by every request, and nobody's data.
NOT_STATE = ("throttle",)
_CHECKSUM = """
    SELECT md5(coalesce(string_agg(line, '' ORDER BY line), ''))
    FROM (SELECT (to_jsonb(t) - 'last_seen_at')::text AS line FROM {} AS t) AS lines
"""


@dataclass(frozen=True)
class Address:
    """A rule of the url_map and one address that it answers."""

    rule: Rule
    path: str

    @property
    def slug(self) -> str | None:
        """The admin entry's, where it is one's."""
        parts = self.rule.rule.split("/")
        return parts[2] if parts[1] == "admin" and len(parts) > 3 else None


@dataclass(frozen=True)
class Links:
    """The links that were mailed, alive."""

    invitation: str
    reset: str
    verify: str
    register: str


def state(database: Database) -> Mapping[str, str]:
    """A checksum of each table."""
    with database.connect() as connection:
        names = connection.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
        ).fetchall()
        tables = sorted(name for (name,) in names if name not in NOT_STATE)
        union = " UNION ALL ".join(f"SELECT '{name}', ({_CHECKSUM.format(name)})" for name in tables)
        return dict(connection.execute(union).fetchall())


def changed(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """The tables that differ."""
    return [name for name in after if after[name] != before[name]]


def rows_for_all(world: World) -> Mapping[str, Sequence[int]]:
    """Two rows of each admin entry; their ids by slug. And what anna's own people see on their pages."""
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        settle(session, world.anna)
    return {entry.slug: make(world, entry, 2) for entry in world.app.extensions["admin"].entries}


def links(world: World) -> Links:
    """One living link of each kind, all of anna's company."""
    company = world.anna
    with world.app.app_context():
        with tenant_scope(company.id):
            by = people.Inviter("Manager anna", world.app.extensions["rights"].of_role("manager"))
            invitation = people.invitation_token(_invite(by))
            user = queries.user(company.accounts["manager"])
            reset = signin.reset_token(user, company.id)
        with platform_scope("a link for a test"):
            verify = signin.email_token(queries.user(company.accounts["manager"]), "fresh@mail.test")
        asked = RegistrationRequested(company.id, "nobody@mail.test", "Nobody", "student", "")
        return Links(invitation, reset, verify, registration.token_of(asked))


def _invite(by: people.Inviter) -> Any:
    with transaction():
        return people.invite(
            full_name="Nora", email="nora@mail.test", choice=people.RoleChoice(key="tutor"), by=by
        )


def addresses(app: Flask, world: World, ids: Mapping[str, Sequence[int]], alive: Links) -> Iterator[Address]:
    """All rules of the map with values that exist; a rule for all actions of an entry once per action."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint)):
        for path in _paths(app, rule, world, ids, alive):
            yield Address(rule, path)


def _paths(
    app: Flask, rule: Rule, world: World, ids: Mapping[str, Sequence[int]], alive: Links
) -> Iterator[str]:
    names = sorted(rule.arguments)
    choices = [_values(app, rule, name, world, ids, alive) for name in names]
    for values in itertools.product(*choices):
        built = rule.build(dict(zip(names, values, strict=True)))
        assert built is not None, rule
        yield built[1]


def _values(
    app: Flask, rule: Rule, name: str, world: World, ids: Mapping[str, Sequence[int]], alive: Links
) -> Sequence[Any]:
    slug = next((part for part in rule.rule.split("/") if part in ids), None)
    entry = app.extensions["admin"].by_slug.get(slug) if slug else None
    if name == "pk" and slug:
        return ids[slug][:1]
    if name == "name" and entry is not None:
        return [action.name for action in entry.actions] or ["nothing"]
    if name == "token":
        return [getattr(alive, rule.rule.split("/")[1])]
    if name == "filename":
        return [_asset(app)]
    if name in IDS:
        return [_row_id(app, world, ids, IDS[name])]
    source = source_of(rule.rule) if name in {"code", "slug"} else None
    if source is not None:
        return [_word(app, world, *source)]
    return [{**SAME, "name": "nothing.webp"}[name]]


def _row_id(app: Flask, world: World, ids: Mapping[str, Sequence[int]], table: str) -> int:
    if table == "tenant":
        return world.anna.id
    by_table = {entry.model.__tablename__: entry.slug for entry in app.extensions["admin"].entries}
    return ids[by_table[table]][0]


def _word(app: Flask, world: World, table: str, column: str) -> str:
    """That of some row of anna's: the first, which is her own people's."""
    with app.app_context(), tenant_scope(world.anna.id):
        found = metadata.tables[table]
        query = select(found.c[column]).where(found.c.tenant_id == world.anna.id)
        return str(db.session.scalars(query.order_by(found.c.id).limit(1)).one())


def _asset(app: Flask) -> str:
    """Some file that the front end's build made."""
    folder = Path(str(app.static_folder))
    return str(next(folder.glob("dist/app-*.css")).relative_to(folder))
