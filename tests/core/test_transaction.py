"""transaction(): commits once, at the edge, or not at all; what the database refuses is a DomainError."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import g
from sqlalchemy import event, select, text, update
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from app.core import scope
from app.core.db import db
from app.core.errors import (
    AlreadyExists,
    Conflict,
    DomainError,
    InUse,
    Invalid,
    NotAllowed,
    NotFound,
)
from app.core.money import Money
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import NestedTransaction, after_commit, is_open, transaction
from app.domains.accounts.errors import RoleNameTaken
from app.domains.accounts.models import Account, Guardianship, Membership, Person, TenantRole
from app.domains.ledger import service as ledger
from app.domains.ledger.models import CUSTOMER_FUNDS, PROVIDER_BALANCE
from app.domains.ledger.service import Line
from app.domains.tenancy.models import Plan
from app.shell.factory import create_app
from tests.support.databases import Database, settings_for
from tests.support.world import World, make_world


@pytest.fixture
def anna(world: World) -> Iterator[World]:
    """Inside anna's scope."""
    with world.app.app_context(), tenant_scope(world.anna.id):
        yield world
        db.session.rollback()


def names() -> set[str]:
    """What everybody else sees: another session's view."""
    with platform_scope("what a test has to see"):
        return set(db.session.scalars(select(Person.full_name)))


def do(work: Callable[[Session], Any]) -> Any:
    with transaction() as session:
        return work(session)


# -- All or nothing ------------------------------------------------------------------------------------------


def test_it_commits_once_and_leaves_rows_readable(anna: World) -> None:
    with transaction() as session:
        person = Person(full_name="Kept")
        session.add(person)
        assert is_open()
        assert "Kept" not in names()
    assert not is_open()
    assert not scope.in_transaction()
    assert "Kept" in names()
    assert person.full_name == "Kept"
    assert not scope.in_transaction(), "a row that was read must not begin a transaction by being looked at"


@pytest.mark.parametrize("error", [KeyError, NotFound, KeyboardInterrupt, SystemExit])
def test_any_exception_rolls_back(anna: World, error: type[BaseException]) -> None:
    def fail(session: Session) -> None:
        session.add(Person(full_name="Lost"))
        session.flush()
        raise error

    with pytest.raises(error):
        do(fail)
    assert not is_open()
    assert not scope.in_transaction()
    assert "Lost" not in names()
    do(lambda session: session.add(Person(full_name="Next")))
    assert "Lost" not in names(), "a later commit must not save what an earlier one refused"


def test_it_works_after_a_mere_read(anna: World) -> None:
    assert db.session.scalars(select(Person)).all()
    do(lambda session: session.add(Person(full_name="After a read")))
    assert "After a read" in names()


def test_nesting_raises(anna: World) -> None:
    with transaction() as session:
        session.add(Person(full_name="Outer"))
        with pytest.raises(NestedTransaction):
            do(lambda _session: None)
        assert is_open()
    assert "Outer" in names()


def test_a_savepoint_inside_is_no_nesting(anna: World) -> None:
    """A part may fail by itself; the tenant stays what it is, and the rest is still unsaved work."""
    with transaction() as session:
        session.add(Person(full_name="Whole"))
        nested = session.begin_nested()
        session.add(Person(full_name="Part"))
        session.flush()
        nested.rollback()
        assert session.scalar(text("SELECT current_setting('app.tenant_id')")) == str(anna.anna.id)
        with pytest.raises(scope.ScopeError):
            scope.release()
    assert "Whole" in names()
    assert "Part" not in names()


def test_the_next_transaction_is_the_same_tenants(anna: World) -> None:
    """The setting ends with each transaction and is made anew with the next."""
    for number in range(3):
        do(lambda session, n=number: session.add(Person(full_name=f"Number {n}")))
        assert db.session.scalar(text("SELECT current_setting('app.tenant_id')")) == str(anna.anna.id)
        db.session.rollback()
    assert names() >= {"Number 0", "Number 1", "Number 2"}


def test_a_form_whose_token_expired_saves_nothing(world: World) -> None:
    """Such a request may run its view, to show the form again; it may read, and that is all."""
    with (
        world.app.test_request_context("/", base_url=f"http://{world.anna.host}"),
        tenant_scope(world.anna.id),
    ):
        g.csrf_failed = True
        assert db.session.scalars(select(Person)).all()
        with pytest.raises(NotAllowed):
            do(lambda session: session.add(Person(full_name="Forged")))
        db.session.rollback()
        g.pop("csrf_failed")
        do(lambda session: session.add(Person(full_name="Meant")))
        assert "Meant" in names()
        assert "Forged" not in names()


def test_a_posted_form_with_an_expired_token_keeps_text_and_saves_nothing(world: World) -> None:
    manager = world.manager()
    response = manager.post_raw("/admin/people/add", {"full_name": "Half typed", "csrf_token": "expired"})
    assert response.status_code == 422
    assert 'value="Half typed"' in response.text
    with world.app.app_context():
        assert "Half typed" not in names()


# -- What the database refuses -------------------------------------------------------------------------------


def _role(session: Session, name: str) -> TenantRole:
    role = TenantRole(name=name, rights=[])
    session.add(role)
    session.flush()
    return role


def _twice(session: Session) -> None:
    _role(session, "Twin")
    _role(session, "Twin")


def _plans(session: Session) -> None:
    with platform_scope("two plans of one code"), transaction() as platform:
        platform.add_all([Plan(code="twin", name="A"), Plan(code="twin", name="B")])


REFUSALS: dict[str, tuple[type[DomainError], str | None, Callable[[Session, World], Any]]] = {
    "unique, with words of its own": (RoleNameTaken, "name", lambda s, w: _twice(s)),
    "unique": (AlreadyExists, "code", lambda s, w: _plans(s)),
    "a key that is pointed at": (
        InUse, None, lambda s, w: s.delete(s.get(Person, w.anna.people["tutor"]))
    ),
    "a key that points nowhere": (
        NotFound, None,
        lambda s, w: s.add(Guardianship(guardian_id=w.anna.people["guardian"], child_id=777_777_777)),
    ),
    "a key that points at another tenant's": (
        NotFound, None,
        lambda s, w: s.add(
            Guardianship(guardian_id=w.anna.people["guardian"], child_id=w.bert.people["tutor"])
        ),
    ),
    "a check": (Invalid, "full_name", lambda s, w: s.add(Person(full_name="   "))),
    "a missing value": (Invalid, "full_name", lambda s, w: s.add(Person(email="a@b.test"))),
    "a text that is too long": (Invalid, None, lambda s, w: s.add(Person(full_name="x" * 121))),
    "a number that is too large": (
        Invalid, None, lambda s, w: s.execute(text("SELECT CAST('9223372036854775808' AS bigint)"))
    ),
    "text that is no date": (Invalid, None, lambda s, w: s.execute(text("SELECT CAST('soon' AS date)"))),
    "row-level security": (
        NotFound, None, lambda s, w: s.execute(update(Membership.__table__).values(tenant_id=w.bert.id))
    ),
    "a grant": (NotFound, None, lambda s, w: s.execute(update(Account).values(password="x"))),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSALS)
def test_a_refusal_is_a_domain_error_and_saves_nothing(anna: World, kind: str) -> None:
    wanted, field, work = REFUSALS[kind]

    def whole(session: Session) -> None:
        session.add(Person(full_name="With it"))
        session.flush()
        work(session, anna)

    with pytest.raises(wanted) as refused:
        do(whole)
    assert type(refused.value) is wanted
    assert refused.value.field == field
    words = str(refused.value)
    for word in ("SQL", "psycopg", "constraint", "relation", "violates", "DETAIL", "permission denied"):
        assert word not in words
    assert "With it" not in names()
    do(lambda session: session.add(Person(full_name="Next")))
    assert "Next" in names()


def test_a_fault_of_ours_stays_loud(anna: World) -> None:
    with pytest.raises(ProgrammingError):
        do(lambda session: session.execute(text("SELECT no_such_column FROM person")))


def test_a_lock_that_is_held_is_a_conflict(anna: World) -> None:
    """Better asked again than waited for."""
    mine = select(Person).where(Person.id == anna.anna.people["tutor"])
    with transaction() as session:
        session.scalars(mine.with_for_update()).one()

        def contend() -> None:
            with platform_scope("somebody else"), transaction() as other:
                other.execute(text("SET LOCAL lock_timeout = '50ms'"))
                other.scalars(mine.with_for_update()).one()

        with pytest.raises(Conflict):
            contend()


def test_a_deferred_constraint_is_refused_inside(fresh_database: Database, tmp_path: Any) -> None:
    """At the commit itself it would be nobody's: the edge is over by then."""
    app = create_app(settings_for(fresh_database, tmp_path))
    world = make_world(app)
    with fresh_database.connect() as connection:
        connection.execute(
            "ALTER TABLE guardianship ALTER CONSTRAINT fk_guardianship_tenant_id_child_id"
            " DEFERRABLE INITIALLY DEFERRED"
        )
    dangling = {"guardian_id": world.anna.people["guardian"], "child_id": 777_777_777}
    late: list[str] = []

    def work(session: Session) -> None:
        session.add(Guardianship(**dangling))
        session.flush()
        late.append("the flush let it pass")
        after_commit(lambda: late.append("committed"))

    with app.app_context(), tenant_scope(world.anna.id):
        with pytest.raises(NotFound):
            do(work)
        assert late == ["the flush let it pass"]
        db.session.remove()
        db.engine.dispose()
    app.extensions["redis"].close()


# -- After the commit ----------------------------------------------------------------------------------------


def test_work_after_a_commit_runs_after_it(anna: World) -> None:
    seen: list[bool] = []
    with transaction() as session:
        session.add(Person(full_name="Committed"))
        after_commit(lambda: seen.append("Committed" in names()))
        session.flush()
        assert seen == []
    assert seen == [True]
    do(lambda session: session.add(Person(full_name="Another")))
    assert seen == [True], "once, not after every commit to come"


def test_work_after_a_commit_is_forgotten_with_it(anna: World) -> None:
    seen: list[str] = []

    def fail(session: Session) -> None:
        after_commit(lambda: seen.append("ran"))
        session.add(Person(full_name="   "))

    with pytest.raises(Invalid):
        do(fail)
    do(lambda session: session.add(Person(full_name="Another")))
    assert seen == []


def test_work_after_a_commit_can_fail_by_itself(anna: World, caplog: pytest.LogCaptureFixture) -> None:
    """What is committed is committed; the failure is told, and what follows still runs."""
    seen: list[str] = []

    def fail() -> None:
        raise KeyError

    with caplog.at_level(logging.ERROR), transaction() as session:
        session.add(Person(full_name="Safe"))
        after_commit(fail)
        after_commit(lambda: seen.append("ran"))
    assert seen == ["ran"]
    assert "Safe" in names()
    assert "work after a commit failed" in caplog.text


# -- What the database checks last ---------------------------------------------------------------------------


def checked_last(work: Callable[[Session], Any]) -> int:
    """How often the database was asked for it before the commit."""
    seen: list[str] = []

    def remember(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(db.engine, "before_cursor_execute", remember)
    try:
        do(work)
    finally:
        event.remove(db.engine, "before_cursor_execute", remember)
    return seen.count("SET CONSTRAINTS ALL IMMEDIATE")


def test_what_is_checked_last_is_asked_for_where_there_is_something(anna: World) -> None:
    def post(_session: Session) -> None:
        amount = Money(100, "EUR")
        ledger.post(
            key="a test's",
            kind="capture",
            memo="",
            source=("payment", 1),
            lines=[Line(PROVIDER_BALANCE, amount), Line(CUSTOMER_FUNDS, -amount)],
        )

    assert checked_last(lambda session: session.add(Person(full_name="Nothing to check"))) == 0
    assert checked_last(post) == 1
    assert checked_last(lambda session: session.add(Person(full_name="Nothing any more"))) == 0
