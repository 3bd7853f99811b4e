"""announce(): NOW handlers at once in its transaction, LATER ones through the outbox after its commit."""

from __future__ import annotations

import dataclasses
import datetime as dt
import importlib
import pkgutil
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, text
from structlog.contextvars import bound_contextvars

import app.domains
from app.core import clock
from app.core.db import db
from app.core.errors import NotFound
from app.core.events import Delivery, Event, Later, Wiring, announce, event_name, from_json
from app.core.outbox import DUE, Outbox
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.shell import wiring as house
from tests.support.databases import Database
from tests.support.world import World, drain

SECRET = re.compile("token|password|secret|link", re.IGNORECASE)
# What travels in an event beside ids, each for a reason that stands in the event's docstring.
# What happened, beside whom it happened to: nothing here opens a door, and nothing can be read again later.
PLAIN = {
    *("email", "new_email", "former_email"),
    *("full_name", "kind", "next", "locale"),  # who asked to register; no row has them yet
    *("role_key", "letter", "attended", "by_company", "refund_minor", "was_expired", "won"),
    *("delivered_seq", "read_seq"),
}


@dataclass(frozen=True)
class Baked(Event):
    """A throw-away event with every kind of member that events have."""

    cake_id: int
    name: str
    at: dt.datetime
    day: dt.date
    eaten_at: dt.datetime | None = None
    best_before: dt.date | None = None
    sweet: bool = True


@dataclass(frozen=True)
class Unheard(Event):
    """Nobody listens to it."""


AT = dt.datetime(2031, 3, 4, 5, 6, 7, 890123, tzinfo=dt.UTC)
CAKE = Baked(None, 7, "Käse & Sahne", AT, dt.date(2031, 3, 4))


def first(delivery: Delivery) -> None:
    """A LATER handler for the wirings of this file."""


def second(delivery: Delivery) -> None:
    """Another."""


@pytest.fixture
def wired(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Gives the app a wiring for the length of a test, in an app context."""

    def put(now: Any, later: Any) -> None:
        monkeypatch.setitem(app.extensions, "wiring", Wiring(now, later))

    with app.app_context():
        yield put


def rows(database: Database) -> list[tuple[Any, ...]]:
    """What others see of the outbox."""
    with database.connect() as connection:
        query = "SELECT name, handler, tenant_id, status FROM outbox ORDER BY id"
        return connection.execute(query).fetchall()


class _ChangedMind(Exception):
    """Rolls a transaction back."""


@contextmanager
def undone(scope: AbstractContextManager[None]) -> Iterator[Any]:
    """A transaction that goes well until its last moment, and is rolled back then."""
    try:
        with scope, transaction() as session:
            yield session
            raise _ChangedMind
    except _ChangedMind:
        pass


# -- announce ----------------------------------------------------------------------------------------------


def test_outside_of_a_transaction_it_raises(wired: Any, database: Database) -> None:
    wired({}, {Baked: (Later(first),)})
    with pytest.raises(RuntimeError, match="transaction"):
        announce(CAKE)
    with platform_scope("test"), pytest.raises(RuntimeError, match="transaction"):
        announce(CAKE)
    with platform_scope("test"):
        db.session.execute(text("SELECT 1"))  # a mere read is no edge's transaction
        with pytest.raises(RuntimeError, match="transaction"):
            announce(CAKE)
    assert rows(database) == []


def test_now_handlers_run_at_once_in_their_order(wired: Any) -> None:
    said: list[tuple[str, Baked]] = []
    wired({Baked: (lambda event: said.append(("a", event)), lambda event: said.append(("b", event)))}, {})
    with platform_scope("test"), transaction():
        announce(CAKE)
        assert said == [("a", CAKE), ("b", CAKE)]


def test_a_now_handler_is_in_the_transaction_and_rolls_back_with_it(wired: Any, world: World) -> None:
    def add(event: Baked) -> None:
        db.session.add(Person(full_name=event.name))
        db.session.flush()

    backends = []

    def look(_event: Baked) -> None:
        backends.append(db.session.scalar(text("SELECT pg_backend_pid()")))

    wired({Baked: (add, look)}, {Baked: (Later(first),)})
    event = dataclasses.replace(CAKE, tenant_id=world.anna.id)
    with undone(tenant_scope(world.anna.id)) as session:
        announce(event)
        assert session.scalar(text("SELECT pg_backend_pid()")) == backends[0]
    assert _cakes(world) == 0
    with tenant_scope(world.anna.id), transaction():
        announce(event)
    assert _cakes(world) == 1


def _cakes(world: World) -> int:
    with tenant_scope(world.anna.id):
        return len(db.session.scalars(select(Person).where(Person.full_name == CAKE.name)).all())


def test_a_now_handler_that_refuses_undoes_the_announcers_work_and_the_outbox(
    wired: Any, world: World, database: Database
) -> None:
    def refuse(_event: Baked) -> None:
        raise ZeroDivisionError

    def bake() -> None:
        with tenant_scope(world.anna.id), transaction() as session:
            session.add(Person(full_name=CAKE.name))
            session.flush()
            announce(dataclasses.replace(CAKE, tenant_id=world.anna.id))

    ran: list[str] = []
    wired({Baked: (refuse, lambda _event: ran.append("after"))}, {Baked: (Later(first),)})
    with pytest.raises(ZeroDivisionError):
        bake()
    assert _cakes(world) == 0
    assert ran == []
    assert [row for row in rows(database) if row[0] == "core.Baked"] == []


def test_later_rows_appear_with_the_commit_and_one_for_each_handler(wired: Any, database: Database) -> None:
    wired({}, {Baked: (Later(first), Later(second, queue="mail"))})
    with platform_scope("test"), transaction():
        announce(CAKE)
        assert rows(database) == []
    here = "tests.core.test_events"
    assert rows(database) == [
        ("core.Baked", f"{here}.first", None, DUE),
        ("core.Baked", f"{here}.second", None, DUE),
    ]
    with undone(platform_scope("test")):
        announce(CAKE)
    assert len(rows(database)) == 2


def test_the_rows_of_one_event_share_its_id_and_name_the_request(wired: Any, database: Database) -> None:
    wired({}, {Baked: (Later(first), Later(second))})
    at = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    with (
        bound_contextvars(request_id="abc123"),
        clock.machine_frozen(at),
        platform_scope("test"),
        transaction(),
    ):
        announce(CAKE)
        announce(CAKE)
    with platform_scope("test"):
        found = db.session.scalars(select(Outbox).order_by(Outbox.id)).all()
    assert len({row.event_id for row in found}) == 2
    assert found[0].event_id == found[1].event_id != found[2].event_id
    assert {row.request_id for row in found} == {"abc123"}
    assert {(row.announced_at, row.due_at, row.attempts) for row in found} == {(at, at, 0)}


def test_an_event_that_nobody_hears_leaves_nothing(wired: Any, database: Database) -> None:
    wired({}, {Unheard: ()})
    with platform_scope("test"), transaction():
        announce(Unheard(None))
        announce(CAKE)  # not even wired
    assert rows(database) == []


def test_a_tenant_announces_for_itself_only(wired: Any, world: World, database: Database) -> None:
    wired({}, {Unheard: (Later(first),)})

    def announce_for(tenant_id: int | None) -> None:
        with tenant_scope(world.anna.id), transaction():
            announce(Unheard(tenant_id))

    announce_for(world.anna.id)
    for other in (world.bert.id, None):
        with pytest.raises(NotFound):
            announce_for(other)
    assert [row[2] for row in rows(database) if row[0] == "core.Unheard"] == [world.anna.id]


# -- the payload -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        CAKE,
        dataclasses.replace(CAKE, eaten_at=AT, best_before=dt.date(2032, 2, 29), sweet=False),
        dataclasses.replace(CAKE, at=AT.astimezone(dt.timezone(dt.timedelta(hours=-9, minutes=-30)))),
        dataclasses.replace(CAKE, cake_id=2**62, name='"quoted" \\ \u2028 🎂'),
    ],
)
def test_what_arrives_is_what_was_announced(wired: Any, event: Baked) -> None:
    arrived: list[Delivery] = []
    wired({}, {Baked: (Later(_named(arrived.append)),)})
    with platform_scope("test"), transaction():
        announce(event)
    assert drain_all() == 1
    assert arrived[0].event == event
    assert type(arrived[0].event.at) is dt.datetime


def _named(work: Any) -> Any:
    def handler(delivery: Delivery) -> None:
        work(delivery)

    return handler


def drain_all() -> int:
    from flask import current_app

    return drain(current_app._get_current_object())  # type: ignore[attr-defined]


def test_a_member_that_is_gone_is_ignored_and_one_that_is_new_takes_its_default(wired: Any) -> None:
    wired({}, {Baked: (Later(first),)})
    stored = {"tenant_id": 3, "cake_id": 7, "name": "x", "at": AT.isoformat(), "day": "2031-03-04", "oven": 4}
    assert from_json("core.Baked", stored) == Baked(3, 7, "x", AT, dt.date(2031, 3, 4))


def test_an_event_is_frozen_and_named_by_its_domain() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        CAKE.name = "other"  # type: ignore[misc]
    assert event_name(Baked) == "core.Baked"


# -- the house's own events and wiring ---------------------------------------------------------------------


def _event_modules() -> list[ModuleType]:
    packages = pkgutil.iter_modules(app.domains.__path__, "app.domains.")
    names = [f"{found.name}.events" for found in packages]
    return [importlib.import_module(name) for name in names if importlib.util.find_spec(name)]


def _events() -> list[type[Event]]:
    return [
        item
        for module in _event_modules()
        for item in vars(module).values()
        if isinstance(item, type) and issubclass(item, Event) and item.__module__ == module.__name__
    ]


EVENTS = _events()


def test_there_are_events() -> None:
    assert len(EVENTS) >= 10
    assert {event.__module__.split(".")[2] for event in EVENTS} >= {"accounts", "tenancy"}


@pytest.mark.parametrize("event", EVENTS, ids=event_name)
def test_an_event_carries_ids_and_no_secrets(event: type[Event]) -> None:
    assert dataclasses.is_dataclass(event)
    assert event.__dataclass_params__.frozen  # type: ignore[attr-defined]
    names = [member.name for member in dataclasses.fields(event)]
    assert [name for name in names if SECRET.search(name)] == []
    assert [name for name in names if not name.endswith("_id") and name not in PLAIN] == []


@pytest.mark.parametrize("event", EVENTS, ids=event_name)
def test_every_event_is_in_the_wiring(event: type[Event]) -> None:
    made = house.make()
    assert made.events[event_name(event)] is event


def test_two_events_or_handlers_never_share_a_name() -> None:
    made = house.make()
    assert len({event_name(event) for event in EVENTS}) == len(EVENTS)
    pairs = [(event, item.name) for event, items in made.later.items() for item in items]
    assert len(set(pairs)) == len(pairs), "a handler is wired twice to one event"
    by_name: dict[str, set[Any]] = {}
    for items in made.later.values():
        for item in items:
            by_name.setdefault(item.name, set()).add((item.handler, item.queue))
    assert [name for name, found in by_name.items() if len(found) > 1] == []


def test_every_name_in_the_wiring_leads_back_to_its_handler() -> None:
    made = house.make()
    assert made.handlers
    for name, item in made.handlers.items():
        module, _, function = name.rpartition(".")
        assert getattr(importlib.import_module(module), function) is item.handler, name
        assert item.queue in {None, "critical", "default", "mail", "low"}
    for event, handlers in made.now.items():
        assert event in EVENTS
        assert all(callable(handler) for handler in handlers)
