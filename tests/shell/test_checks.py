"""`run.py check`: each rule is broken by hand, past the application and the database's own keys, and reported."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.pool import NullPool

from app.core import clock
from app.shell import checks
from tests.domains.accounts.support import second_app
from tests.shell.breaks import BREAKS, DELIVERY
from tests.support.databases import Clones, Database, settings_for
from tests.support.lived import AFTERWARDS, live
from tests.support.world import World, make_world

SOUND = [
    DELIVERY.format(status="due", attempts=0, age="1 min", due="-30 s"),
    DELIVERY.format(status="due", attempts=9, age="3 h", due="-30 min"),
    DELIVERY.format(status="delivered", attempts=1, age="3 h", due="2 h"),
]


@pytest.fixture(scope="module")
def lived(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Flask, Database]]:
    """A world in which a company has lived, on a clone of its own: nobody here leaves anything in it."""
    database = clones.make("lived")
    with second_app(settings_for(database, tmp_path_factory.mktemp("lived"))) as app:
        live(make_world(app))
        yield app, database


@pytest.fixture
def by_hand(lived: tuple[Flask, Database]) -> Iterator[Connection]:
    """A superuser's transaction on it, without the keys' own checks; it is rolled back."""
    _app, database = lived
    engine = create_engine(database.superuser_url, poolclass=NullPool)
    with clock.frozen(AFTERWARDS), engine.connect() as connection:
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


def test_a_life_breaks_no_rule(lived: tuple[Flask, Database]) -> None:
    app, _database = lived
    with clock.frozen(AFTERWARDS):
        found = checks.broken_rules(app)
    assert list(found) == [rule.name for rule in checks.RULES]
    assert {name: lines for name, lines in found.items() if lines} == {}


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


def test_a_rule_may_take_longer_than_a_request(
    lived: tuple[Flask, Database], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the rows of years it does: the application's own limit would end it with an error."""
    patience = checks.Rule(
        "patience", lambda connection: [connection.execute(text("SHOW statement_timeout")).scalar_one()]
    )
    monkeypatch.setattr(checks, "RULES", (patience,))
    assert checks.broken_rules(lived[0]) == {"patience": ["0"]}
