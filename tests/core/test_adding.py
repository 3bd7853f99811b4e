"""Rows that are added past the ORM are as the flush would have written them, trail and walls included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import bindparam, func, select

from app.core import adding
from app.core.adding import Added, Addition
from app.core.audit import Actor, AuditEntry, acting, of_new
from app.core.db import db
from app.core.errors import DomainError
from app.core.outbox import Outbox
from app.core.scope import ScopeError, nowhere, platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Account, Invitation, Person
from app.domains.catalog.models import RECORDED, Offering, Subject
from app.domains.payments.models import Payment
from app.domains.tenancy.models import Tenant
from tests.support.statements import assert_statements
from tests.support.world import Company, World

_THERE = Subject.__table__.alias()
ROWS = (
    Added(Subject, ["name", "slug"]),
    Added(Offering, ["tutor_id", "kind", "title", "slug", "image_key"], points={"subject_id": Subject}),
)
_UNKNOWN = ~select(_THERE.c.id).where(_THERE.c.slug == bindparam("known")).exists()
TABLES = (Subject.__table__, Offering.__table__, AuditEntry.__table__)


@pytest.fixture
def anna(world: World) -> Iterator[Company]:
    with world.app.app_context(), acting(Actor("user", 7, "Ada", "203.0.113.9")):
        yield world.anna


def both() -> Addition:
    return Addition(*ROWS)


def once() -> Addition:
    return Addition(*ROWS, where=_UNKNOWN)


def a_tutor(company: Company) -> int:
    with tenant_scope(company.id), transaction() as session:
        session.add(tutor := Person(full_name="Tina"))
        session.flush()
        return tutor.id


def values(tutor: int, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    offering = {"tutor_id": tutor, "kind": RECORDED, "title": name, "slug": name.lower(), "image_key": None}
    return {"name": name, "slug": name.lower()}, offering


def add(company: Company, addition: Addition, *rows: dict[str, Any], **more: Any) -> tuple[int | None, ...]:
    with tenant_scope(company.id), transaction():
        return addition.write(*rows, **more)


def last(company: Company) -> list[int]:
    """The highest ids."""
    with tenant_scope(company.id):
        return [db.session.scalar(select(func.max(table.c.id))) or 0 for table in TABLES]


def since(company: Company, before: list[int]) -> list[list[dict[str, Any]]]:
    """What was written since, of each table."""
    with tenant_scope(company.id):
        return [
            [
                dict(row._mapping)
                for row in db.session.execute(select(table).where(table.c.id > least).order_by(table.c.id))
            ]
            for table, least in zip(TABLES, before, strict=True)
        ]


def test_it_is_what_the_flush_would_have_written(anna: Company) -> None:
    """Apart from the rows' own names, ids and moments."""
    tutor, before = a_tutor(anna), last(anna)
    subject, offering = values(tutor, "Xqalpha")
    with tenant_scope(anna.id), transaction() as session:
        session.add(made := Subject(**subject))
        session.flush()
        session.add(Offering(subject_id=made.id, **offering))
    ids = add(anna, both(), *values(tutor, "Xqbravo"))
    subjects, offerings, entries = since(anna, before)
    assert [subjects[1]["id"], offerings[1]["id"]] == list(ids)
    assert offerings[1]["subject_id"] == ids[0]
    entries.sort(key=lambda entry: (entry["thing_type"], entry["thing_id"]))

    def told(row: dict[str, Any]) -> str:
        moments = {"id", "thing_id", "created_at", "changed_at", "occurred_at"}
        text = str({key: value for key, value in row.items() if key not in moments})
        text = text.replace(f"subject_id': {ids[0]}", "subject_id': #")
        text = text.replace(f"[None, {ids[0]}]", "[None, #]").replace(
            f"[None, {subjects[0]['id']}]", "[None, #]"
        )
        text = text.replace(f"subject_id': {subjects[0]['id']}", "subject_id': #")
        return text.replace("qbravo", "qalpha")

    for one, other in (subjects, offerings, entries[:2], entries[2:]):
        assert told(other) == told(one)
    assert [entry["thing_id"] for entry in entries] == [row["id"] for row in (*offerings, *subjects)]
    assert entries[1]["changes"]["subject_id"] == [None, ids[0]]
    assert (entries[1]["actor_label"], entries[1]["ip"], entries[1]["tenant_id"]) == (
        "Ada",
        "203.0.113.9",
        anna.id,
    )


def test_it_is_one_statement(anna: Company) -> None:
    tutor = a_tutor(anna)
    with tenant_scope(anna.id), transaction(), assert_statements(db.engine, 1):
        both().write(*values(tutor, "Xqone"))


def test_where_it_must_not_be_nothing_is_written(anna: Company) -> None:
    tutor = a_tutor(anna)
    assert None not in add(anna, once(), *values(tutor, "Xqonce"), known="xqonce")
    before = last(anna)
    assert add(anna, once(), *values(tutor, "Xqonce"), known="xqonce") == (None, None)
    assert since(anna, before) == [[], [], []]


def test_what_the_session_has_not_written_comes_first(anna: Company) -> None:
    tutor = a_tutor(anna)
    with tenant_scope(anna.id), transaction() as session:
        session.add(Subject(name="Xqfirst", slug="xqfirst"))
        assert once().write(*values(tutor, "Xqfirst"), known="xqfirst") == (None, None)


def test_with_its_transaction_all_of_it_goes(anna: Company) -> None:
    tutor, before = a_tutor(anna), last(anna)

    def add_and_fail() -> None:
        with tenant_scope(anna.id), transaction():
            both().write(*values(tutor, "Xqgone"))
            raise LookupError

    with pytest.raises(LookupError):
        add_and_fail()
    assert since(anna, before) == [[], [], []]


def test_it_can_t_point_at_another_tenants_row(anna: Company, world: World) -> None:
    theirs, before = a_tutor(world.bert), last(anna)
    with pytest.raises(DomainError):
        add(anna, both(), *values(theirs, "Xqtheirs"))
    assert since(anna, before) == [[], [], []]


def test_it_needs_a_tenant_and_an_edge(anna: Company) -> None:
    rows = values(1, "Xqnowhere")
    with platform_scope("test"), pytest.raises(ScopeError), transaction():
        both().write(*rows)
    with nowhere(), pytest.raises(ScopeError), transaction():
        both().write(*rows)
    with tenant_scope(anna.id), pytest.raises(AssertionError):
        both().write(*rows)


def test_what_is_left_out_has_no_id_and_no_entry(anna: Company) -> None:
    tutor = a_tutor(anna)
    add(anna, both(), *values(tutor, "Xqleft"))
    before, [subject, offering] = last(anna), values(tutor, "Xqleft")
    once = Addition(ROWS[0], Added(Offering, ROWS[1].names, points=ROWS[1].points, or_nothing=True))
    subject_id, offering_id = add(anna, once, {**subject, "name": "Other", "slug": "xqother"}, offering)
    subjects, offerings, entries = since(anna, before)
    assert [row["id"] for row in subjects] == [subject_id]
    assert (offering_id, offerings) == (None, [])
    assert [entry["thing_type"] for entry in entries] == ["subject"]


def test_others_hear_of_it_where_something_was_written(
    anna: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[int, set[Any]]] = []
    monkeypatch.setattr(adding, "_listeners", [])
    adding.after_adding(lambda _session, tenant_id, models: heard.append((tenant_id, set(models))))
    tutor = a_tutor(anna)
    for _twice in range(2):
        add(anna, once(), *values(tutor, "Xqheard"), known="xqheard")
    assert heard == [(anna.id, {Subject, Offering})]


def test_it_counts_as_written(anna: Company) -> None:
    """A scope that is left without a commit would lose it in silence."""
    tutor = a_tutor(anna)

    def leave() -> None:
        with tenant_scope(anna.id):
            db.session().info["edge"] = True
            both().write(*values(tutor, "Xqlost"))

    with pytest.raises(ScopeError):
        leave()


def test_secrets_are_named_and_not_shown() -> None:
    given = {"code": "P1", "client_secret": "hush", "amount_minor": 400, "currency": "EUR", "due": None}
    label, changes = of_new(Payment, given)
    assert "P1" in label
    assert (changes["code"], changes["client_secret"]) == ([None, "P1"], ["•••", "•••"])


@pytest.mark.parametrize(
    "rows",
    [
        [Added(Account, ["email"])],  # no tenant's
        [Added(Tenant, ["slug"])],
        [Added(Subject, ["name", "slug", "shoe_size"])],
        [Added(Subject, ["name"])],
        [Added(Subject, ["name", "slug"]), Added(Subject, ["name", "slug"])],
        [Added(Invitation, [])],
    ],
)
def test_what_can_t_be_written_is_refused_when_it_is_made(rows: list[Added]) -> None:
    with pytest.raises(ValueError, match="tenant|has no"):
        Addition(*rows)


def test_plumbing_leaves_no_entry() -> None:
    assert "audit_entry" in str(both()._statement)
    names = ["event_id", "handler", "name", "payload", "announced_at", "due_at"]
    assert "audit_entry" not in str(Addition(Added(Outbox, names))._statement)
