"""The tests' own tools, where a mistake would make every other test say nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from tests.support import golden
from tests.support.databases import Cleaner, Clones, Database
from tests.support.statements import assert_statements, count_statements


def test_cleaning_takes_a_database_back_to_what_the_migrations_made(fresh_database: Database) -> None:
    with fresh_database.connect() as connection:
        connection.execute(
            "CREATE TABLE settled (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz,"
            " words text[], twice bigint GENERATED ALWAYS AS (id * 2) STORED)"
        )
        connection.execute("CREATE TABLE kept (id int PRIMARY KEY)")
        connection.execute("CREATE TABLE pointing (id int PRIMARY KEY REFERENCES kept)")
        connection.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE; END'")
        connection.execute(
            "CREATE TRIGGER append_only BEFORE DELETE ON pointing FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
        connection.execute(
            "INSERT INTO settled (at, words) VALUES ('2026-01-01 10:00:00.123456+00', '{a,\"b,c\"}')"
        )
        baseline = connection.execute("SELECT * FROM settled").fetchall()
        cleaner = Cleaner(fresh_database)
        cleaner.redis.set("key", "value")
        connection.execute("INSERT INTO kept VALUES (1)")
        connection.execute("INSERT INTO pointing VALUES (1)")
        connection.execute("UPDATE settled SET at = now()")
        cleaner.clean()
        assert connection.execute("SELECT count(*) FROM kept, pointing").fetchone() == (0,)
        assert connection.execute("SELECT * FROM settled").fetchall() == baseline
        assert cleaner.redis.dbsize() == 0
        connection.execute("INSERT INTO kept VALUES (1)")
        connection.execute("DELETE FROM settled")
        cleaner.clean()
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)
        assert connection.execute("SELECT * FROM settled").fetchall() == baseline
        cleaner.close()


def test_clones_and_redis_numbers_are_apart(clones: Clones, database: Database) -> None:
    one, two = clones.make("apart"), clones.make("apart")
    assert len({database.name, one.name, two.name}) == 3
    assert len({database.redis_number, one.redis_number, two.redis_number}) == 3
    with one.connect() as connection:
        connection.execute("CREATE TABLE only_here ()")
    for other in (two, database):
        with other.connect() as connection:
            assert connection.execute("SELECT to_regclass('only_here')").fetchone() == (None,)


def test_the_app_is_tested_as_wm_app(database: Database) -> None:
    with database.connect("wm_app") as connection:
        found = connection.execute(
            "SELECT current_user, rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user"
        )
        assert found.fetchall() == [("wm_app", False)]


def test_statements_are_counted_without_the_housekeeping(database: Database) -> None:
    engine = create_engine(database.app_url, poolclass=NullPool)
    with count_statements(engine) as seen, engine.connect() as connection:
        connection.execute(text("SELECT set_config('app.tenant_id', '1', true)"))
        connection.execute(text("SET LOCAL lock_timeout = '1s'"))
        connection.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
        connection.execute(text("SELECT 1"))
        with connection.begin_nested():
            connection.execute(text("SELECT 2"))
        connection.commit()
    assert seen == ["SELECT 1", "SELECT 2"]
    with (
        pytest.raises(AssertionError, match="1 statements instead of 0:\n1. SELECT 3"),
        assert_statements(engine, 0),
        engine.connect() as connection,
    ):
        connection.execute(text("SELECT 3"))


def test_golden_files_compare_and_are_rewritten_on_demand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(golden, "GOLDEN", tmp_path)
    monkeypatch.delenv("UPDATE_GOLDEN", raising=False)
    with pytest.raises(AssertionError, match=r"\+one"):
        golden.assert_golden("folder/name.txt", "one")
    monkeypatch.setenv("UPDATE_GOLDEN", "1")
    golden.assert_golden("folder/name.txt", "one")
    monkeypatch.delenv("UPDATE_GOLDEN")
    golden.assert_golden("folder/name.txt", "one\n")
    with pytest.raises(AssertionError, match=r"-one\n\+two"):
        golden.assert_golden("folder/name.txt", "two")
