"""Two connections for two tenants, 10,000 times: what a connection was last used for must never show."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from flask import Flask, g
from psycopg.errors import DivisionByZero
from sqlalchemy import Connection, select, text
from sqlalchemy.exc import DBAPIError

from app.core import pool
from app.core.db import db
from app.core.scope import ScopeError, platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.shell.factory import create_app
from tests.support.databases import Clones, settings_for
from tests.support.world import Company, make_company

TURNS, THREADS = 10_000, 3


class Interrupted(Exception):
    """Something went wrong in the middle of somebody's work."""


def read_and_fail() -> str:
    """A page of ours whose fault comes in the middle of a transaction, after it has read and written."""
    seen = set(db.session.scalars(select(Person.full_name)))
    if seen != {f"Manager {g.site.slug}"}:
        return "a leak"
    with transaction() as session:
        session.add(Person(full_name="Lost"))
        session.flush()
        raise Interrupted


@pytest.fixture(scope="module")
def small_pool(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    directory: Path = tmp_path_factory.mktemp("pool")
    clone = clones.make("pool")
    app = create_app(settings_for(clone, directory, DATABASE_POOL_SIZE=2))
    app.add_url_rule("/read-and-fail", view_func=read_and_fail)
    with app.app_context():
        db.engine.pool._max_overflow = 0
        db.engine.pool._timeout = 60  # three threads contend for two connections, and the pool is not fair
        yield app
        db.engine.dispose()
    app.extensions["redis"].close()


@pytest.fixture(scope="module")
def companies(small_pool: Flask) -> list[Company]:
    return [make_company(slug, roles=("manager",)) for slug in ("anna", "bert")]


def test_ten_thousand_turns_on_two_connections(small_pool: Flask, companies: list[Company]) -> None:
    """Reads by ORM and by plain SQL, failures in the middle, and platform scopes in between: 0 leaks."""
    own = {company.id: {f"Manager {company.slug}"} for company in companies}

    def work(seed: int) -> int:
        random_ = random.Random(seed)
        leaks = 0
        with small_pool.app_context():
            for _ in range(TURNS // THREADS):
                tenant_id = random_.choice(list(own))
                kind = random_.random()
                try:
                    with tenant_scope(tenant_id):
                        seen = set(db.session.scalars(select(Person.full_name)))
                        bare = set(db.session.execute(text("SELECT full_name FROM person")).scalars())
                        leaks += seen != own[tenant_id] or bare != own[tenant_id]
                        if kind < 0.1:
                            raise Interrupted
                except Interrupted:
                    pass
                if kind > 0.95:
                    with platform_scope("count the people of all"), transaction():
                        leaks += len(list(db.session.scalars(select(Person.id)))) != len(companies)
        return leaks

    with ThreadPoolExecutor(THREADS) as threads:
        leaks = sum(threads.map(work, range(THREADS)))
    sys.stdout.write(f"\n{TURNS} turns of {THREADS} threads on 2 connections: {leaks} leaks\n")
    assert leaks == 0
    assert db.engine.pool.size() == 2
    with pytest.raises(ScopeError):
        db.session.scalars(select(Person))
    db.session.remove()


def test_requests_that_fail_in_the_middle_leave_nothing_behind(
    small_pool: Flask, companies: list[Company]
) -> None:
    """A connection comes back to the pool as nobody's: no tenant, no role, no transaction."""

    def ask(number: int) -> int:
        company = companies[number % 2]
        path = ("/read-and-fail", "/login/", "/admin/people/999")[number % 3]
        client = small_pool.test_client()
        return client.get(path, base_url=f"http://{company.host}").status_code

    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(ask, range(300)))
    assert {answers[n] for n in range(0, 300, 3)} == {500}
    assert {answers[n] for n in range(1, 300, 3)} == {200}
    assert {answers[n] for n in range(2, 300, 3)} == {302}
    with db.engine.connect() as one, db.engine.connect() as other:
        for connection in (one, other):
            query = "SELECT current_user, coalesce(current_setting('app.tenant_id', true), '')"
            assert tuple(connection.execute(text(query)).one()) == ("wm_app", "")
            assert connection.scalar(text("SELECT count(*) FROM person")) == 0
    with platform_scope("what a test has to see"):
        assert set(db.session.scalars(select(Person.full_name))) == {"Manager anna", "Manager bert"}


# -- Whether a connection still lives ------------------------------------------------------------------------


def backend_of(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)


def backend() -> int:
    """Of the connection that the pool gives first."""
    with db.engine.connect() as connection:
        return backend_of(connection)


def test_a_connection_that_was_ended_in_the_pool_is_never_given_to_anybody(small_pool: Flask) -> None:
    with db.engine.connect() as one, db.engine.connect() as other:
        both = {backend_of(one), backend_of(other)}
    with db.engine.connect() as connection:
        [ended] = both - {backend_of(connection)}
        connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": ended})
        with db.engine.connect() as another:
            assert backend_of(another) not in both


def test_only_what_lay_long_is_asked(small_pool: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    answers = pool._answers
    monkeypatch.setattr(pool, "_answers", lambda it: asked.append(answers(it)) or asked[-1])
    same = {backend() for _ in range(5)}
    assert len(same) == 1
    assert asked == []
    monkeypatch.setattr(pool, "LONG_SECONDS", 0.0)
    assert {backend() for _ in range(2)} == same
    assert asked == [True, True]


def test_what_requests_have_prepared_outlives_them(small_pool: Flask, companies: list[Company]) -> None:
    """psycopg forgets it with every rollback; requests that merely read end without one."""
    client = small_pool.test_client()
    for number in range(5):  # none of these is kept
        answer = client.get(f"/search?other={number}", base_url=f"http://{companies[0].host}")
        assert answer.status_code == 200
    with db.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM pg_prepared_statements")) > 0
        for number in range(200):  # more than psycopg keeps by itself
            for _ in range(3):
                connection.execute(text(f"SELECT {number}"))
        assert connection.scalar(text("SELECT count(*) FROM pg_prepared_statements")) > 200


def test_what_was_written_without_an_edge_is_lost(small_pool: Flask, companies: list[Company]) -> None:
    def careless() -> str:
        db.session.add(Person(full_name="Nobody"))
        db.session.flush()
        return "done"

    small_pool.view_functions["read_and_fail"], before = careless, small_pool.view_functions["read_and_fail"]
    try:
        answer = small_pool.test_client().get("/read-and-fail", base_url=f"http://{companies[0].host}")
    finally:
        small_pool.view_functions["read_and_fail"] = before
    assert answer.text == "done"
    with platform_scope("what a test has to see"):
        assert "Nobody" not in set(db.session.scalars(select(Person.full_name)))


def test_a_list_is_planned_anew(small_pool: Flask) -> None:
    """A plan that is kept would be for a company of the usual size."""
    prepared = text("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE :which")
    with db.engine.connect() as connection:
        for _ in range(5):
            connection.execute(text("SELECT 41, 'a list'").execution_options(**pool.PLANNED_ANEW))
            connection.execute(text("SELECT 42, 'a row'"))
        assert connection.scalar(prepared, {"which": "SELECT 41, 'a list'"}) == 0
        assert connection.scalar(prepared, {"which": "SELECT 42, 'a row'"}) == 1


# -- How a transaction begins --------------------------------------------------------------------------------

TOLD = b"SELECT set_config('app.tenant_id', '7', true)"


def told(connection: Connection) -> str:
    return str(connection.scalar(text("SELECT current_setting('app.tenant_id', true)")) or "")


def test_a_transaction_begins_with_its_first_statement(small_pool: Flask) -> None:
    with db.engine.connect() as connection:
        assert pool.begin(connection, TOLD)
        assert told(connection) == "7"
        assert not pool.begin(connection, TOLD), "it has begun"
        connection.rollback()
        assert told(connection) == "", "and it was one transaction"


def test_one_of_another_kind_begins_as_usual(small_pool: Flask) -> None:
    for level in ("AUTOCOMMIT", "SERIALIZABLE"):
        with db.engine.connect().execution_options(isolation_level=level) as connection:
            assert not pool.begin(connection, TOLD)


def test_where_the_server_refuses_the_usual_way_says_why(small_pool: Flask) -> None:
    with db.engine.connect() as connection:
        assert not pool.begin(connection, b"SELECT 1 / 0")
        with pytest.raises(DBAPIError) as refused:
            connection.execute(text("SELECT 1 / 0"))
        assert isinstance(refused.value.orig, DivisionByZero)


def test_of_a_connection_that_was_cut_sqlalchemy_hears_as_usual(small_pool: Flask) -> None:
    with db.engine.connect() as connection, db.engine.connect() as other:
        ended = backend_of(connection)
        connection.rollback()
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": ended})
        assert not pool.begin(connection, TOLD)
        with pytest.raises(DBAPIError) as refused:
            connection.execute(text("SELECT 1"))
        assert refused.value.connection_invalidated


def test_each_session_begins_so(small_pool: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[bool] = []
    begin = pool.begin
    monkeypatch.setattr(pool, "begin", lambda *given: begun.append(begin(*given)) or begun[-1])
    with tenant_scope(7):
        assert told(db.session.connection()) == "7"
    with platform_scope("test"):
        assert db.session.scalar(text("SELECT current_user")) == "wm_platform"
    assert begun == [True, True]


# -- A statement alone ---------------------------------------------------------------------------------------

AS_SEVEN = {pool.AFTER: ("SELECT set_config('app.tenant_id', %s, true)", ("7",))}
SETTING = text("SELECT current_setting('app.tenant_id', true)")


def test_a_statement_alone_comes_after_what_tells_whose_it_is(small_pool: Flask) -> None:
    with db.engine.connect() as connection:
        for _ in range(7):  # more often than what psycopg waits for before it prepares
            assert connection.execute(SETTING, execution_options=AS_SEVEN).scalar_one() == "7"
            assert connection.connection.driver_connection.info.transaction_status.name == "IDLE"
        connection.rollback()
        assert told(connection) == "", "and nothing is left of it"
        prepared = connection.scalars(text("SELECT statement FROM pg_prepared_statements")).all()
        assert {str(SETTING), "SELECT set_config('app.tenant_id', $1, true)"} <= set(prepared)


def test_a_list_alone_is_planned_anew_as_well(small_pool: Flask) -> None:
    query = text("SELECT current_setting('app.tenant_id', true), 43").execution_options(**pool.PLANNED_ANEW)
    with db.engine.connect() as connection:
        for _ in range(7):
            assert connection.execute(query, execution_options=AS_SEVEN).one() == ("7", 43)
        connection.rollback()
        prepared = connection.scalars(text("SELECT statement FROM pg_prepared_statements")).all()
        assert str(query) not in prepared


@pytest.mark.parametrize("wrong", ["first", "second"])
def test_what_is_refused_alone_says_why(small_pool: Flask, wrong: str) -> None:
    first = ("SELECT 1 / 0", ()) if wrong == "first" else AS_SEVEN[pool.AFTER]
    query = text("SELECT 1" if wrong == "first" else "SELECT 1 / 0")
    with db.engine.connect() as connection, pytest.raises(DBAPIError) as refused:
        connection.execute(query, execution_options={pool.AFTER: first})
    assert isinstance(refused.value.orig, DivisionByZero)
    db.engine.dispose()  # as `plain.alone` would


def test_a_statement_alone_on_a_connection_that_was_cut_says_so(small_pool: Flask) -> None:
    with db.engine.connect() as connection, db.engine.connect() as other:
        ended = backend_of(connection)
        connection.rollback()
        other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": ended})
        with pytest.raises(DBAPIError) as refused:
            connection.execute(SETTING, execution_options=AS_SEVEN)
        assert refused.value.connection_invalidated


# -- What a result is described by ---------------------------------------------------------------------------


def test_a_results_columns_are_described_as_psycopg_does(small_pool: Flask) -> None:
    query = "SELECT 1 AS one, 'x'::varchar(7) AS two, '{}'::jsonb AS three"
    with db.engine.connect() as connection:
        cursor = connection.connection.cursor()
        assert cursor.description is None
        cursor.execute(query)
        usual = psycopg.Cursor(connection.connection.driver_connection)
        usual.execute(query)
        lean, columns = cursor.description, usual.description
        assert columns is not None
        assert [tuple(column) for column in lean] == [tuple(column) for column in columns]
        assert len(lean) == 3
        assert [column.name for column in lean[1:]] == ["two", "three"]
        assert lean[-1].name == "three"
        with pytest.raises(IndexError):
            _ = lean[3]
        cursor.execute("SET LOCAL lock_timeout = 0")
        assert cursor.description is None
