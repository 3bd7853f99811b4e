"""Rows past the ORM know what their models say of themselves, stand within the walls, and can't be written."""

from __future__ import annotations

from contextlib import suppress

import psycopg
import pytest
from sqlalchemy import column, func, select, table, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm.exc import UnmappedInstanceError

from app.core import plain, pool
from app.core.db import db
from app.core.plain import Records
from app.core.scope import ScopeError, nowhere, platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Guardianship, Invitation, Membership, Person
from tests.support.databases import Database
from tests.support.world import World


def guardianships(records: Records) -> list[Guardianship]:
    statement = select(*records.columns).select_from(records.source()).where(records.wall)
    return records.made(records.run(statement.order_by(records.column("id"))))


def family(world: World) -> tuple[int, int]:
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.add_all([elder := Person(full_name="Elder"), child := Person(full_name="Child")])
        session.flush()
        session.add(row := Guardianship(guardian_id=elder.id, child_id=child.id))
        session.flush()
        return row.id, elder.id


def test_a_row_is_its_models_own_with_what_it_points_at(world: World) -> None:
    row_id, elder = family(world)
    with world.app.app_context(), tenant_scope(world.anna.id):
        found = {r.id: r for r in guardianships(Records(Guardianship, ("guardian", "child"), walled=True))}
        row = found[row_id]
        assert isinstance(row, Guardianship)
        assert (row.guardian.id, row.guardian.full_name) == (elder, "Elder")
        assert str(row) == str(db.session.get_one(Guardianship, row_id))


def test_what_was_not_read_is_not_fetched_later_and_nothing_is_saved(world: World) -> None:
    family(world)
    with world.app.app_context(), tenant_scope(world.anna.id):
        row = guardianships(Records(Guardianship, ("guardian",), walled=True))[-1]
        with pytest.raises(UnmappedInstanceError):
            _ = row.child
        with pytest.raises(UnmappedInstanceError):
            _ = row.guardian.created_at
        with pytest.raises(UnmappedInstanceError):
            db.session.add(row)


def test_a_statement_names_its_tenant_and_another_ones_rows_are_not_there(world: World) -> None:
    records = Records(Membership, ("person", "user"), walled=True)
    statement = select(*records.columns).select_from(records.source()).where(records.wall)
    text = str(statement)
    assert "membership.tenant_id = :tenant" in text
    assert "person_1.tenant_id = :tenant" in text
    seen = {}
    with world.app.app_context():
        for company in (world.anna, world.bert):
            with tenant_scope(company.id):
                seen[company.id] = {r.tenant_id for r in records.made(records.run(statement))}
        assert seen == {company.id: {company.id} for company in (world.anna, world.bert)}
        with pytest.raises(ScopeError), platform_scope("a test"):
            records.run(statement)


ALL_PEOPLE = select(Person.__table__.c.tenant_id, Person.__table__.c.full_name)  # a fault: it names no tenant


def test_rows_alone_are_within_the_walls_and_leave_no_transaction(world: World) -> None:
    with world.app.app_context():
        for company in (world.anna, world.bert):
            with tenant_scope(company.id):
                assert {row.tenant_id for row in plain.rows_alone(ALL_PEOPLE)} == {company.id}
                assert not db.session().in_transaction()
                assert plain.rows_alone(ALL_PEOPLE) == plain.rows(ALL_PEOPLE)
        with pytest.raises(ScopeError), nowhere():
            plain.rows_alone(ALL_PEOPLE)
        with pytest.raises(ScopeError), platform_scope("a test"):
            plain.rows_alone(ALL_PEOPLE)
        assert plain.alone(db.engine, ALL_PEOPLE, {}, whose=None) == []


@pytest.mark.parametrize("times", range(1, 7))
def test_what_went_wrong_alone_is_over_with_its_cause(world: World, database: Database, times: int) -> None:
    """Also where psycopg was just about to prepare the statement, which it takes for prepared then, and where it
    was prepared and its result has another type now."""
    probe = select(column("id")).select_from(table("probe"))
    with database.connect() as owner, world.app.app_context(), tenant_scope(world.anna.id):
        owner.execute("CREATE TABLE probe (id int); GRANT SELECT ON probe TO wm_app")
        try:
            for cause, remedy in (
                ("ALTER TABLE probe RENAME TO gone", "ALTER TABLE gone RENAME TO probe"),
                ("ALTER TABLE probe ALTER id TYPE bigint", "SELECT 1"),
            ):
                db.engine.dispose()
                for _ in range(times):
                    assert plain.rows_alone(probe) == []
                owner.execute(cause)
                with suppress(DBAPIError):
                    plain.rows_alone(probe)
                owner.execute(remedy)
                for _ in range(4):
                    assert plain.rows_alone(probe) == []
        finally:
            owner.execute("DROP TABLE IF EXISTS probe, gone")


@pytest.mark.parametrize("broken", ["autocommit", "pipeline"])
def test_a_connection_that_was_interrupted_alone_comes_to_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    class Interrupted(BaseException):
        pass

    def interrupt(*_args: object, **_more: object) -> None:
        raise Interrupted

    with world.app.app_context(), tenant_scope(world.anna.id):
        with db.engine.connect() as connection:
            used = connection.connection.driver_connection
        with monkeypatch.context() as patched:
            if broken == "autocommit":  # it was just switched on
                patched.setattr(psycopg.Connection, "pipeline", interrupt)
            else:
                patched.setattr(pool.LeanCursor, "fetchall", interrupt)
            with pytest.raises(Interrupted):
                plain.rows_alone(ALL_PEOPLE)
        assert used.closed
        assert {row.tenant_id for row in plain.rows_alone(ALL_PEOPLE)} == {world.anna.id}


def test_rows_alone_are_not_alone_where_a_transaction_has_begun(world: World) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        lock = select(func.pg_advisory_xact_lock(4711))
        plain.rows_alone(lock)
        held = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 4711")
        assert session.scalar(held) == 1, "also before the session has asked anything"
        session.add(Person(full_name="Not written yet"))
        assert "Not written yet" in {row.full_name for row in plain.rows_alone(ALL_PEOPLE)}


def test_without_a_wall_only_the_platform_reads(world: World) -> None:
    records = Records(Membership, (), walled=False)
    statement = select(*records.columns).where(records.wall)
    with world.app.app_context():
        with platform_scope("a test"):
            assert {r.tenant_id for r in records.made(records.run(statement))} >= {
                world.anna.id,
                world.bert.id,
            }
        with pytest.raises(ScopeError), tenant_scope(world.anna.id):
            records.run(statement)
        with pytest.raises(ScopeError), nowhere():
            plain.on_platform()


def test_what_the_database_works_out_is_read_too(world: World) -> None:
    records = Records(Invitation, ("person",), walled=True)
    statement = select(*records.columns).select_from(records.source()).where(records.wall)
    with world.app.app_context(), tenant_scope(world.anna.id):
        for row in records.made(records.run(statement)):
            assert row.state == db.session.get_one(Invitation, row.id).state


def test_only_what_points_at_one_row_is_joined() -> None:
    from app.domains.booking.models import Lesson

    with pytest.raises(ValueError, match="does not point at one row"):
        Records(Lesson, ("seats",), walled=True)


def test_only_a_word_stands_in_a_statement() -> None:
    assert str(plain.word("one_to_one")) == "'one_to_one'"
    for wrong in ("", "a'b", "a b", "x; --", "1"):
        with pytest.raises(ValueError, match="no word"):
            plain.word(wrong)
