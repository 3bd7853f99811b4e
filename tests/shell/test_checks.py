"""`run.py check`: each rule is broken by hand, past the application and the database's own keys, and reported."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from app.shell import checks
from tests.support.databases import Database
from tests.support.world import World

DELIVERY = (
    "INSERT INTO outbox (event_id, handler, name, tenant_id, payload, request_id, status, attempts,"
    " announced_at, due_at) VALUES (gen_random_uuid(), 'h', 'E', NULL, '{{}}', '', '{status}', {attempts},"
    " clock_timestamp() - interval '{age}', clock_timestamp() - interval '{due}') RETURNING id"
)
TRAIL = (
    "INSERT INTO audit_entry (tenant_id, occurred_at, actor_kind, actor_label, request_id, verb, thing_type,"
    " thing_id, thing_label, changes) SELECT tenant_id, clock_timestamp(), 'system', 'x', '', 'changed',"
    " '{table}', id, 'x', '{{\"status\": [{before}, \"{after}\"]}}' FROM {table}"
)
OTHERS_PERSON = (
    "UPDATE membership SET person_id = (SELECT id FROM person WHERE tenant_id <> membership.tenant_id LIMIT 1)"
    " WHERE id = (SELECT min(id) FROM membership)"
)
INVITATION = (
    "WITH person AS (INSERT INTO person (tenant_id, full_name, created_at, changed_at) SELECT id, 'X',"
    " clock_timestamp(), clock_timestamp() FROM tenant LIMIT 1 RETURNING tenant_id, id)"
    " INSERT INTO invitation (tenant_id, person_id, email, role_key, status, issue, expires_at, invited_by,"
    " created_at, changed_at) SELECT tenant_id, id, 'x@x.test', 'tutor', 'accepted', 1, clock_timestamp(), 'x',"
    " clock_timestamp(), clock_timestamp() FROM person"
)

BREAKS = [
    ("no row refers to another tenant's row", OTHERS_PERSON, "person_id is another tenant's"),
    (
        "every tenant-owned table has its policies on",
        "ALTER TABLE person NO FORCE ROW LEVEL SECURITY",
        "person: ",
    ),
    ("every tenant-owned table has its policies on", "DROP POLICY person_tenant ON person", "person: "),
    (
        "every tenant-owned table has its policies on",
        "CREATE POLICY hole ON person TO wm_app USING (true)",
        "person: ",
    ),
    ("every tenant-owned table has its policies on", "ALTER TABLE person RENAME TO people", "person: "),
    (
        "each delivery was made or is due",
        DELIVERY.format(status="due", attempts=3, age="2 h", due="2 h"),
        "to h",
    ),
    (
        "each delivery was made or is due",
        DELIVERY.format(status="due", attempts=0, age="2 h", due="-30 s"),
        "to h",
    ),
    ("no delivery gave up", DELIVERY.format(status="dead", attempts=16, age="2 h", due="2 h"), "gave up"),
    (
        "each company that had a manager has one",
        "UPDATE membership SET status = 'ended' WHERE role_key = 'manager'",
        "has no manager",
    ),
    ("each accepted invitation has its member", INVITATION, "was accepted by nobody"),
    (
        "states moved as allowed only",
        TRAIL.format(table="membership", before='"ended"', after="ended"),
        "from ended to ended",
    ),
    (
        "states moved as allowed only",
        TRAIL.format(table="membership", before="null", after="lost"),
        "to lost",
    ),
    (
        "each state is the one that the audit trail ends with",
        "UPDATE tenant SET status = 'suspended' WHERE slug = 'anna'",
        "is suspended, but was last made active",
    ),
]
SOUND = [
    DELIVERY.format(status="due", attempts=0, age="1 min", due="-30 s"),
    DELIVERY.format(status="due", attempts=9, age="3 h", due="-30 min"),
    DELIVERY.format(status="delivered", attempts=1, age="3 h", due="2 h"),
]


@pytest.fixture
def by_hand(world: World, database: Database) -> Iterator[Connection]:
    """A superuser's transaction on the world, without the keys' own checks; it is rolled back."""
    engine = create_engine(database.superuser_url, poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        yield connection
        connection.rollback()


def broken(connection: Connection, name: str) -> list[str]:
    """What the rule finds, looked at as `run.py check` does."""
    connection.execute(text("SET LOCAL ROLE wm_platform"))
    (rule,) = (rule for rule in checks.RULES if rule.name == name)
    return rule.broken(connection)


def test_every_rule_is_broken_here() -> None:
    assert {name for name, _statement, _words in BREAKS} == {rule.name for rule in checks.RULES}


@pytest.mark.parametrize(("name", "statement", "words"), BREAKS)
def test_what_breaks_a_rule_is_reported(by_hand: Connection, name: str, statement: str, words: str) -> None:
    by_hand.exec_driver_sql(statement)
    found = broken(by_hand, name)
    assert found
    assert all(words in line for line in found)


@pytest.mark.parametrize("statement", SOUND)
def test_what_is_sound_is_not(by_hand: Connection, statement: str) -> None:
    by_hand.exec_driver_sql(statement)
    assert broken(by_hand, "each delivery was made or is due") == []


def test_a_delivery_that_an_operator_tries_again_is_not_late(by_hand: Connection) -> None:
    row_id = by_hand.exec_driver_sql(
        DELIVERY.format(status="due", attempts=0, age="2 days", due="-30 s")
    ).scalar()
    by_hand.exec_driver_sql(
        "INSERT INTO audit_entry (occurred_at, actor_kind, actor_label, request_id, verb, thing_type, thing_id,"
        " thing_label, changes) VALUES (clock_timestamp(), 'user', 'Olga', '', 'tried again', 'outbox',"
        f" {row_id}, 'E', '{{}}')"
    )
    assert broken(by_hand, "each delivery was made or is due") == []


def test_the_command_lists_each_rule_and_says_whether_all_hold(
    app: Flask, world: World, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    company = world.anna
    made = world.manager(company).post(
        "/admin/invitations/add", full_name="I", email="i@x.test", role="tutor"
    )
    assert made.status_code == 302
    assert checks.run(app) == 0
    assert capsys.readouterr().out.splitlines() == [f"ok   {rule.name}: 0" for rule in checks.RULES]
    with database.connect() as connection:
        connection.execute("UPDATE outbox SET status = 'dead' WHERE handler ~ 'send_invitation'")
    assert checks.run(app) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "FAIL no delivery gave up: 1" in lines
    assert sum(line.startswith("FAIL") for line in lines) == 1
    assert sum(line.startswith("       delivery ") for line in lines) == 1
