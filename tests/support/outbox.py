"""Throw-away events with a database handler and a queue handler, and a table that shows their effects."""

from __future__ import annotations

import contextvars
import datetime as dt
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.core import clock, dispatcher, scope
from app.core.db import db
from app.core.events import Delivery, Event, Later, Wiring, announce
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from tests.support.databases import Database
from tests.support.world import Browser


@dataclass(frozen=True)
class Happened(Event):
    """A throw-away event."""

    number: int


@dataclass(frozen=True)
class Called(Event):
    """A throw-away event whose handler calls the outside."""

    number: int


class Killed(BaseException):
    """Ends whatever is going on, as a SIGKILL would: nobody catches it."""


Behaviour = Callable[[Delivery], None]
_behaviour: dict[int, Behaviour] = {}


def effect(delivery: Delivery) -> None:
    """The database handler: one row, and whatever else the test wants of this number."""
    db.session.execute(
        text("INSERT INTO effect VALUES (:number, txid_current(), :tenant)"),
        {"number": delivery.event.number, "tenant": _tenant()},
    )
    _behaviour.get(delivery.event.number, lambda _delivery: None)(delivery)


def call(delivery: Delivery) -> None:
    """The queue handler: one row in a transaction of its own."""
    _behaviour.get(delivery.event.number, lambda _delivery: None)(delivery)
    with transaction():
        db.session.execute(
            text("INSERT INTO effect VALUES (:number, txid_current(), :tenant)"),
            {"number": delivery.event.number, "tenant": _tenant()},
        )


def _tenant() -> int | None:
    current = scope.current()
    return current.tenant_id if isinstance(current, scope.TenantScope) else None


@dataclass
class Post:
    """What a test does and sees: announces events, asks for rows, stops the clock."""

    connection: psycopg.Connection[Any]

    def send(self, *numbers: int, tenant_id: int | None = None, kind: Any = Happened) -> None:
        where = platform_scope("test") if tenant_id is None else tenant_scope(tenant_id)
        with where, transaction():
            for number in numbers:
                announce(kind(tenant_id, number))

    def behave(self, number: int, behaviour: Behaviour) -> None:
        _behaviour[number] = behaviour

    def effects(self) -> Counter[int]:
        return Counter(number for (number,) in self.connection.execute("SELECT number FROM effect"))

    def one(self, columns: str = "status") -> Any:
        """The one row of the outbox."""
        return self.connection.execute(f"SELECT {columns} FROM outbox").fetchall()[-1]

    def statuses(self) -> dict[str, int]:
        return dict(self.connection.execute("SELECT status, count(*) FROM outbox GROUP BY 1").fetchall())

    def pass_by(self, seconds: float) -> AbstractContextManager[None]:
        """As if so much machine time had gone by."""
        return clock.machine_frozen(clock.machine_now() + dt.timedelta(seconds=seconds))


class Aside:
    """A browser whose requests get an app context of their own, as on a server, and not the test's."""

    def __init__(self, sign_in: Callable[[], Browser]) -> None:
        self._browser = contextvars.Context().run(sign_in)

    def get(self, path: str) -> TestResponse:
        return contextvars.Context().run(self._browser.get, path)

    def post(self, path: str) -> TestResponse:
        return contextvars.Context().run(self._browser.post, path)


@pytest.fixture(scope="module")
def effect_table(database: Database) -> Iterator[None]:
    with database.connect() as connection:
        connection.execute("CREATE TABLE effect (number bigint, txid bigint, tenant_id bigint)")
        connection.execute("GRANT SELECT, INSERT ON effect TO wm_app, wm_platform")
        yield
        connection.execute("DROP TABLE effect")


@pytest.fixture
def post(
    app: Flask, database: Database, effect_table: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Post]:
    later = {Happened: (Later(effect),), Called: (Later(call, queue="mail"),)}
    monkeypatch.setitem(app.extensions, "wiring", Wiring({}, later))
    _behaviour.clear()
    with app.app_context(), database.connect() as connection:
        yield Post(connection)
    _behaviour.clear()


def boom(_delivery: Delivery) -> None:
    raise ZeroDivisionError("the cake is burnt")


def deliver_all(post: Post, hours: int = 0) -> None:
    """Dispatcher and worker, `hours` two hours later."""
    with post.pass_by(hours * 7200):
        for row in dispatcher.claim(100):
            if row.handler.endswith(".call"):
                dispatcher.deliver_outside(row.id, row.attempts)
            else:
                dispatcher.deliver_together(row.tenant_id, [row])


def wait_until(until: Callable[[], bool], seconds: float = 10) -> None:
    waited = threading.Event()
    for _ in range(int(seconds / 0.05)):
        if until():
            return
        waited.wait(0.05)
    raise AssertionError("it did not come about")
