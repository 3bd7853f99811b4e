"""The scope and wall (a), the ORM's: alone, on a database whose row-level security is off; then wall (b)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, exists, func, insert, select, text, update
from sqlalchemy.orm import aliased, joinedload, selectinload

from app.core import clock, scope
from app.core.db import db
from app.core.errors import NotFound
from app.core.outside import ProviderCalledInTransaction, breaker
from app.core.scope import PlatformScope, ScopeError, TenantScope, platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Account, Guardianship, Membership, Person, UserSession
from app.shell.factory import create_app
from tests.support.databases import Clones, settings_for
from tests.support.world import World, make_world

Read = Callable[[World], Any]


@pytest.fixture
def inside(world: World) -> Iterator[World]:
    """The world, in an app context and no scope."""
    with world.app.app_context():
        yield world


@pytest.fixture(scope="module")
def orm_only(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose only wall between tenants is the ORM's; nobody commits in it."""
    clone = clones.make("orm")
    app: Flask = create_app(settings_for(clone, tmp_path_factory.mktemp("orm")))
    made = make_world(app)
    for company in (made.anna, made.bert):
        made.browser(company.host, company.email("tutor"))
    with clone.connect() as connection:
        for table in ("person", "membership", "guardianship", "user_session", "ab_user", "audit_entry"):
            connection.execute(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
            connection.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    with app.app_context():
        yield made
        db.engine.dispose()
    app.extensions["redis"].close()


# -- A tenant's model without a scope ------------------------------------------------------------------------

STATEMENTS: dict[str, Callable[[], Any]] = {
    "rows": lambda: db.session.scalars(select(Person)).all(),
    "a column": lambda: db.session.execute(select(Person.id)).all(),
    "get": lambda: db.session.get(Person, 1),
    "query": lambda: db.session.query(Person).all(),
    "count": lambda: db.session.query(Person).count(),
    "count from": lambda: db.session.scalar(select(func.count()).select_from(Person)),
    "a subquery": lambda: db.session.scalar(select(select(func.count(Person.id)).scalar_subquery())),
    "a join": lambda: db.session.execute(
        select(Account.id).join(Membership, Membership.user_id == Account.id)
    ).all(),
    "in a criterion": lambda: db.session.execute(
        select(Account.id).where(Account.id.in_(select(Membership.user_id)))
    ).all(),
    "exists": lambda: db.session.scalar(select(exists().where(Person.id == 1))),
    "a table": lambda: db.session.execute(select(Person.__table__)).all(),
    "insert": lambda: db.session.execute(insert(Person).values(full_name="Nobody's")),
    "update": lambda: db.session.execute(update(Person).values(notes="x")),
    "delete": lambda: db.session.execute(delete(Person)),
    "a sign-in": lambda: db.session.scalars(select(UserSession)).all(),
    "a new row": lambda: (db.session.add(Person(full_name="Nobody's")), db.session.flush()),
}


@pytest.mark.parametrize("kind", STATEMENTS)
def test_without_a_scope_it_raises(inside: World, kind: str) -> None:
    with pytest.raises(ScopeError):
        STATEMENTS[kind]()
    db.session.rollback()


def test_text_sees_nothing_without_a_scope(inside: World) -> None:
    """Row-level security denies by default."""
    assert db.session.scalar(text("SELECT count(*) FROM person")) == 0
    assert db.session.scalar(text("SELECT count(*) FROM ab_user")) == 0
    assert db.session.scalar(text("SELECT count(*) FROM tenant")) == 0
    with pytest.raises(ScopeError):
        scope.tenant_id()


# -- Entering and leaving ------------------------------------------------------------------------------------


def test_each_entry_has_a_session_of_its_own(inside: World) -> None:
    sessions = []
    with tenant_scope(inside.anna.id):
        sessions.append(db.session())
        with platform_scope("look around"):
            sessions.append(db.session())
            assert scope.current() == PlatformScope("look around")
        assert scope.current() == TenantScope(inside.anna.id)
        assert db.session() is sessions[0]
    with tenant_scope(inside.anna.id):
        sessions.append(db.session())
    assert len(set(map(id, sessions))) == 3
    assert scope.current() is None


def test_no_tenant_is_entered_in_a_transaction(inside: World) -> None:
    with tenant_scope(inside.anna.id):
        db.session.scalars(select(Person)).all()
        with pytest.raises(ScopeError), tenant_scope(inside.bert.id):
            pass
        scope.release()
        with tenant_scope(inside.bert.id):
            assert scope.tenant_id() == inside.bert.id
        assert scope.tenant_id() == inside.anna.id


CHANGES: dict[str, Callable[[], Any]] = {
    "added": lambda: db.session.add(Person(full_name="Added")),
    "flushed": lambda: (db.session.add(Person(full_name="Flushed")), db.session.flush()),
    "dirty": lambda: setattr(db.session.scalars(select(Person)).first(), "notes", "dirty"),
    "deleted": lambda: db.session.delete(db.session.scalars(select(Person)).first()),
    "updated": lambda: db.session.execute(update(Person).values(notes="updated")),
    "text": lambda: db.session.execute(text("UPDATE person SET notes = 'text'")),
    "inserted": lambda: db.session.execute(
        insert(Membership.__table__).from_select(["id"], select(1).where(False))
    ),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_scope_is_not_left_with_uncommitted_changes(inside: World, kind: str) -> None:
    before = _names(inside)

    def leave() -> None:
        with tenant_scope(inside.anna.id):
            db.session.execute(text("SELECT 1"))
            CHANGES[kind]()

    with pytest.raises(ScopeError, match="uncommitted"):
        leave()
    assert scope.current() is None
    assert _names(inside) == before


def test_an_exception_passes_a_scope_as_it_is(inside: World) -> None:
    """Not hidden behind a complaint about the changes that it has made pointless."""

    def fail() -> None:
        with tenant_scope(inside.anna.id):
            db.session.add(Person(full_name="Lost"))
            db.session.flush()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert scope.current() is None


def test_the_platform_inside_a_transaction_has_one_of_its_own(inside: World) -> None:
    def outside_fails() -> None:
        with tenant_scope(inside.anna.id), transaction() as outer:
            outer.add(Person(full_name="Rolled back"))
            outer.flush()
            with platform_scope("in between"), transaction() as inner:
                assert inner is not outer
                assert inner.scalar(select(func.count()).where(Person.full_name == "Rolled back")) == 0
                inner.add(Person(tenant_id=inside.bert.id, full_name="Stays"))
            assert outer.in_transaction()
            assert db.session.scalar(select(func.count()).where(Person.full_name == "Stays")) == 0
            raise KeyError

    with pytest.raises(KeyError):
        outside_fails()
    with platform_scope("look"):
        found = set(db.session.scalars(select(Person.full_name)))
    assert "Stays" in found
    assert "Rolled back" not in found


def test_a_clean_read_is_released_and_stays_readable(inside: World) -> None:
    with tenant_scope(inside.anna.id):
        person = db.session.scalars(select(Person)).first()
        assert scope.in_transaction()
        scope.release()
        assert not scope.in_transaction()
        assert person.full_name
        db.session.add(Person(full_name="Changed"))
        db.session.flush()
        with pytest.raises(ScopeError):
            scope.release()
        db.session.rollback()


def test_a_provider_is_not_called_in_a_transaction(inside: World) -> None:
    door = breaker("a test's provider")
    with tenant_scope(inside.anna.id):
        db.session.scalars(select(Person)).all()
        with pytest.raises(ProviderCalledInTransaction):
            door.call(lambda: "answer")
        scope.release()
        assert door.call(lambda: "answer") == "answer"
        with transaction():
            db.session.execute(text("SELECT 1"))
            with pytest.raises(ProviderCalledInTransaction):
                door.call(lambda: "answer")


# -- Wall (a) alone: reads -----------------------------------------------------------------------------------

READS: dict[str, Read] = {
    "rows": lambda _w: {p.tenant_id for p in db.session.scalars(select(Person))},
    "columns": lambda _w: set(db.session.scalars(select(Person.tenant_id))),
    "query": lambda _w: {p.tenant_id for p in db.session.query(Person)},
    "an alias": lambda _w: {p.tenant_id for p in db.session.scalars(select(aliased(Person)))},
    "a join": lambda _w: set(
        db.session.scalars(select(Membership.tenant_id).join(Account, Account.id == Membership.user_id))
    ),
    "joined from outside": lambda _w: set(
        db.session.scalars(
            select(Person.tenant_id).select_from(Account).join(Person, Person.email == Account.email)
        )
    ),
    "sign-ins": lambda w: {s.tenant_id for s in db.session.scalars(select(UserSession))},
    "in pieces": lambda _w: {p.tenant_id for p in db.session.query(Person).yield_per(2)},
}
COUNTS: dict[str, Read] = {
    "query": lambda w: db.session.query(Person).count(),
    "select": lambda w: db.session.scalar(select(func.count()).select_from(Person)),
    "column": lambda w: db.session.scalar(select(func.count(Person.id))),
    "subquery": lambda w: db.session.scalar(
        select(select(func.count()).select_from(Person).scalar_subquery())
    ),
    "cte": lambda w: db.session.scalar(select(func.count()).select_from(select(Person).cte())),
}


@pytest.mark.parametrize("kind", READS)
def test_reads_see_one_tenant(orm_only: World, kind: str) -> None:
    for company in (orm_only.anna, orm_only.bert, orm_only.anna):
        with tenant_scope(company.id):
            assert READS[kind](orm_only) == {company.id}
    with platform_scope("all of them"):
        assert READS[kind](orm_only) == {orm_only.anna.id, orm_only.bert.id}


@pytest.mark.parametrize("kind", COUNTS)
def test_counts_are_of_one_tenant(orm_only: World, kind: str) -> None:
    with tenant_scope(orm_only.anna.id):
        assert COUNTS[kind](orm_only) == len(orm_only.anna.people)
    with platform_scope("all of them"):
        assert COUNTS[kind](orm_only) == len(orm_only.anna.people) + len(orm_only.bert.people)


def test_get_finds_no_row_of_another_tenant(orm_only: World) -> None:
    with tenant_scope(orm_only.anna.id):
        assert db.session.get(Person, orm_only.anna.people["tutor"]) is not None
        assert db.session.get(Person, orm_only.bert.people["tutor"]) is None
        assert db.session.query(Person).filter_by(id=orm_only.bert.people["tutor"]).one_or_none() is None


@pytest.mark.parametrize("load", [None, joinedload, selectinload])
def test_relations_do_not_lead_out(orm_only: World, load: Any) -> None:
    """Even where a row did point at another tenant's, which the keys forbid."""
    anna, bert = orm_only.anna, orm_only.bert
    with tenant_scope(anna.id):
        options = [load(Membership.person)] if load else []
        found = db.session.scalars(select(Membership).options(*options)).all()
        assert {m.person.tenant_id for m in found} == {anna.id}
        mine = found[0]
        mine.person_id = bert.people["tutor"]
        db.session.expire(mine, ["person"])
        with db.session.no_autoflush:
            assert mine.person is None
        db.session.rollback()


# -- Wall (a) alone: writes ----------------------------------------------------------------------------------


def test_a_new_row_is_stamped(orm_only: World) -> None:
    with tenant_scope(orm_only.anna.id):
        person = Person(full_name="Stamped")
        db.session.add(person)
        db.session.flush()
        assert person.tenant_id == orm_only.anna.id
        db.session.rollback()


@pytest.fixture
def foreign(orm_only: World) -> Person:
    """A row of bert's that somebody carries into anna's scope."""
    with platform_scope("carry a row around"):
        person = db.session.get(Person, orm_only.bert.people["tutor"])
        db.session.expunge(person)
        return person


def test_a_new_foreign_row_is_refused(orm_only: World) -> None:
    with tenant_scope(orm_only.anna.id):
        db.session.add(Person(tenant_id=orm_only.bert.id, full_name="Smuggled"))
        with pytest.raises(NotFound):
            db.session.flush()
        db.session.rollback()


def test_a_changed_foreign_row_is_refused(orm_only: World, foreign: Person) -> None:
    with tenant_scope(orm_only.anna.id):
        db.session.add(foreign)
        foreign.notes = "changed"
        with pytest.raises(NotFound):
            db.session.flush()
        db.session.rollback()


def test_a_deleted_foreign_row_is_refused(orm_only: World, foreign: Person) -> None:
    with tenant_scope(orm_only.anna.id):
        db.session.add(foreign)
        db.session.delete(foreign)
        with pytest.raises(NotFound):
            db.session.flush()
        db.session.rollback()


def test_an_own_row_is_not_given_away(orm_only: World) -> None:
    with tenant_scope(orm_only.anna.id):
        person = db.session.get(Person, orm_only.anna.people["tutor"])
        person.tenant_id = orm_only.bert.id
        with pytest.raises(NotFound):
            db.session.flush()
        db.session.rollback()


def test_mass_updates_and_deletes_touch_one_tenant(orm_only: World) -> None:
    with tenant_scope(orm_only.anna.id):
        both = [orm_only.anna.people["tutor"], orm_only.bert.people["tutor"]]
        assert db.session.execute(update(Person).where(Person.id.in_(both)).values(notes="x")).rowcount == 1
        assert db.session.query(Person).update({"notes": "y"}) == len(orm_only.anna.people)
        assert db.session.execute(delete(Membership)).rowcount == len(orm_only.anna.people)
        assert db.session.query(Person).filter(Person.id.in_(both)).delete() == 1
        db.session.rollback()


# -- Wall (b): what the ORM can't see ------------------------------------------------------------------------

PLAIN: dict[str, Callable[[int], Any]] = {
    "a table": lambda pk: db.session.execute(
        select(Person.__table__.c.id).where(Person.__table__.c.id == pk)
    ).all(),
    "text": lambda pk: db.session.execute(text("SELECT id FROM person WHERE id = :id"), {"id": pk}).all(),
    "exists": lambda pk: [1] if db.session.scalar(select(exists().where(Person.id == pk))) else [],
    "an account": lambda pk: db.session.execute(
        select(Account.__table__.c.id).where(Account.__table__.c.email == "tutor@bert.test")
    ).all(),
    "a company": lambda pk: db.session.execute(text("SELECT id FROM tenant WHERE slug = 'bert'")).all(),
    "a connection": lambda pk: (
        db.session.connection().exec_driver_sql(f"SELECT id FROM person WHERE id = {pk}").all()
    ),
}


@pytest.mark.parametrize("kind", PLAIN)
def test_plain_sql_sees_one_tenant(inside: World, kind: str) -> None:
    pk = inside.bert.people["tutor"]
    with tenant_scope(inside.bert.id):
        assert len(PLAIN[kind](pk)) == 1
    with tenant_scope(inside.anna.id):
        assert PLAIN[kind](pk) == []


WRITES: dict[str, Callable[[World], Any]] = {
    "an insert": lambda w: insert(Person.__table__).values(
        tenant_id=w.bert.id, full_name="x", created_at=clock.machine_now(), changed_at=clock.machine_now()
    ),
    "an ORM insert": lambda w: insert(Person).values(tenant_id=w.bert.id, full_name="x"),
    "giving rows away": lambda w: update(Person.__table__).values(tenant_id=w.bert.id),
    "giving rows away by ORM": lambda w: update(Person).values(tenant_id=w.bert.id),
}


@pytest.mark.parametrize("kind", WRITES)
def test_plain_writes_for_another_tenant_are_refused(inside: World, kind: str) -> None:
    before = _names(inside)
    with tenant_scope(inside.anna.id), pytest.raises(NotFound), transaction() as session:
        session.execute(WRITES[kind](inside))
    assert _names(inside) == before


def test_plain_changes_touch_one_tenant(inside: World) -> None:
    with tenant_scope(inside.anna.id), transaction() as session:
        changed = session.execute(text("UPDATE person SET notes = 'x'"))
        assert changed.rowcount == len(inside.anna.people)
        assert session.execute(text("DELETE FROM membership")).rowcount == len(inside.anna.people)
    with tenant_scope(inside.bert.id):
        assert set(db.session.scalars(select(Person.notes))) == {None}
        assert db.session.query(Membership).count() == len(inside.bert.people)


def test_a_guardian_is_found_in_one_tenant_only(inside: World) -> None:
    """A relation written through the ORM: the composite key refuses what both filters would have missed."""
    with tenant_scope(inside.anna.id), pytest.raises(NotFound), transaction() as session:
        session.add(
            Guardianship(guardian_id=inside.anna.people["guardian"], child_id=inside.bert.people["student"])
        )


def _names(world: World) -> set[tuple[int, str]]:
    with platform_scope("what a test has to see"):
        return {
            tuple(row) for row in db.session.execute(select(Person.tenant_id, Person.full_name, Person.notes))
        }
