"""Dispatcher, worker and work horse are killed at random moments, Redis is emptied and restarted: nothing is
lost and nothing happens twice."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis
from flask import Flask

from app.core.db import db
from app.core.events import announce
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.shell import embedded
from tests.support.databases import Database, settings_for
from tests.support.kill_app import Nursery, Struck, create_kill_app, create_tables, nursery
from tests.support.world import make_world

LEASE_SECONDS = 2
THREADS = 4
NEVER = 1_000_000  # numbers from here on are announced in transactions that roll back
HANDLERS = 3
EVENTS_PER_KILL = 8  # then it is left in peace, or the restarts would be all that happens
EVENTS_PER_SECOND = 15  # or all of it is over before anything can be killed
DOUBLES_ARE_SEEN_FROM = 1000  # with fewer events the control may be lucky
FEWEST_SECONDS = 600  # that it is given, and more the more events there are
TOLD_EVERY = 100  # kills

FORMS = [  # events, and how many kills at least they must be given
    pytest.param(300, 21, id="300"),
    pytest.param(1500, 100, id="1500", marks=pytest.mark.soak),
    pytest.param(12_000, 1_000, id="12000", marks=pytest.mark.soak),  # in a quarter of an hour
]


class _ChangedMind(Exception):
    """Rolls a transaction back that has announced something."""


@dataclass
class Announcers:
    """Threads that announce `events` numbered events over some seconds, for tenants and for the platform."""

    app: Flask
    tenants: tuple[int | None, ...]
    events: int
    seconds: float
    seed: int
    threads: list[threading.Thread] = field(default_factory=list)
    errors: list[BaseException] = field(default_factory=list)

    def start(self) -> None:
        share = self.events // THREADS
        for index in range(THREADS):
            numbers = range(index * share, self.events if index == THREADS - 1 else (index + 1) * share)
            self.threads.append(threading.Thread(target=self._announce, args=(index, list(numbers))))
            self.threads[-1].start()

    def join(self) -> None:
        for thread in self.threads:
            thread.join()
        assert not self.errors, self.errors

    def _announce(self, index: int, numbers: list[int]) -> None:
        rng = random.Random(self.seed * 100 + index)
        pause = self.seconds / max(1, len(numbers))
        try:
            while numbers:
                count = rng.randint(1, 5)
                some, numbers = numbers[:count], numbers[count:]
                with self.app.app_context():
                    self._once(rng.choice(self.tenants), some)
                    if rng.random() < 0.1:
                        self._never(rng.choice(self.tenants), some)
                time.sleep(pause * len(some))
        except BaseException as error:
            self.errors.append(error)

    def _once(self, tenant_id: int | None, numbers: list[int]) -> None:
        with self._scope(tenant_id), transaction():
            for number in numbers:
                announce(Struck(tenant_id, number))

    def _never(self, tenant_id: int | None, numbers: list[int]) -> None:
        try:
            with self._scope(tenant_id), transaction():
                for number in numbers:
                    announce(Struck(tenant_id, NEVER + number))
                raise _ChangedMind
        except _ChangedMind:
            pass

    def _scope(self, tenant_id: int | None) -> Any:
        return platform_scope("announce") if tenant_id is None else tenant_scope(tenant_id)


@dataclass
class Killer:
    """Kills one thing after the other, and starts again what is gone, as a supervisor would."""

    place: Nursery
    rng: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    ended_alone: Counter[str] = field(default_factory=Counter)

    def strike(self) -> None:
        kind = self.rng.choices(["dispatcher", "worker and horse", "worker alone", "horse"], [3, 2, 2, 3])[0]
        self.kills[kind] += getattr(self, "_" + kind.replace(" ", "_"))()
        if self.count and self.count % TOLD_EVERY == 0:
            print(f"{self.count} kills", flush=True)
        time.sleep(self.rng.uniform(0, 0.2))
        self.mend(by_us=True)

    def mend(self, *, by_us: bool = False) -> None:
        for name in ("dispatcher", "worker"):
            if not self.place.is_alive(name):
                if not by_us:
                    self.ended_alone[name] += 1
                self.place.start(name)

    @property
    def count(self) -> int:
        return sum(self.kills.values())

    def _dispatcher(self) -> int:
        return _kill(self.place.running["dispatcher"])

    def _worker_and_horse(self) -> int:
        horses = self.place.horses()
        killed = _kill(self.place.running["worker"])
        for horse in horses:
            _kill(horse.pid)
        return killed

    def _worker_alone(self) -> int:
        """A horse at work runs on as an orphan."""
        return _kill(self.place.running["worker"])

    def _horse(self) -> int:
        deadline = time.monotonic() + 0.5
        while time.monotonic() < deadline:
            if horses := self.place.horses():
                time.sleep(self.rng.uniform(0, 0.03))
                return _kill(horses[0].pid)
        return 0


def _kill(pid: int) -> int:
    try:
        process = psutil.Process(pid)
        os.kill(pid, signal.SIGKILL)
        process.wait(10)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return 0
    return 1


@dataclass
class Run:
    """One run: what was announced, what came of it."""

    connection: psycopg.Connection[Any]
    events: int

    def due(self) -> int:
        return int(self._one("SELECT count(*) FROM outbox WHERE status = 'due'"))

    def announced(self) -> int:
        return int(self._one("SELECT count(*) FROM outbox")) // HANDLERS

    def tries(self) -> int:
        return int(self._one("SELECT count(*) FROM kill_try"))

    def statuses(self) -> dict[str, int]:
        return dict(self.connection.execute("SELECT status, count(*) FROM outbox GROUP BY 1").fetchall())

    def tally(self, table: str) -> tuple[int, int, int]:
        """How many events have no effect, how many more than one, how many have one but never happened."""
        found = dict(self.connection.execute(f"SELECT number, count(*) FROM {table} GROUP BY 1").fetchall())
        lost = sum(number not in found for number in range(self.events))
        doubled = sum(count > 1 for count in found.values())
        return lost, doubled, sum(number not in range(self.events) for number in found)

    def _one(self, query: str) -> Any:
        row = self.connection.execute(query).fetchone()
        assert row is not None
        return row[0]


def run(
    database: Database,
    tmp_path: Path,
    events: int,
    kills: int,
    *,
    redis_url: str,
    meanwhile: Callable[[float], None],
) -> None:
    """Announce, kill, finish, judge: `kills` times at least. `meanwhile` is told how much of the work is done,
    from 0 to 1."""
    seed = int(os.environ.get("KILL_SEED", 0)) or random.randrange(1, 10**6)
    print(f"\nseed {seed} (KILL_SEED={seed} repeats it)")
    settings = settings_for(
        database, tmp_path, OUTBOX_LEASE_SECONDS=LEASE_SECONDS, REDIS_URL=redis_url, LOG_LEVEL="ERROR"
    )
    create_tables(database)
    app = create_kill_app(settings)
    world = make_world(app)
    begun, most_seconds = time.monotonic(), max(FEWEST_SECONDS, events / 2)
    with database.connect() as connection, nursery(settings, tmp_path / "processes.log") as place:
        result = Run(connection, events)
        killer = Killer(place, random.Random(seed))
        announcers = Announcers(
            app, (world.anna.id, world.bert.id, None), events, events / EVENTS_PER_SECOND, seed
        )
        for name in ("dispatcher", "worker"):
            place.start(name)
        announcers.start()
        try:
            while (done := 1 - result.due() / (HANDLERS * events)) < 0.9 or result.announced() < events:
                time.sleep(killer.rng.uniform(0.05, 0.5))
                killer.mend()
                meanwhile(done if result.announced() == events else 0.0)
                if killer.count < max(kills, events / EVENTS_PER_KILL):
                    killer.strike()
                assert time.monotonic() - begun < most_seconds, (result.statuses(), _tail(tmp_path))
        finally:
            announcers.join()
        while result.due():
            killer.mend()
            time.sleep(0.1)
            assert time.monotonic() - begun < most_seconds, (result.statuses(), _tail(tmp_path))
        meanwhile(1.0)
        seconds = time.monotonic() - begun
        inside, outside, careless = map(result.tally, ("kill_inside", "kill_outside", "kill_careless"))
        print(
            f"{events} events, {killer.count} kills {dict(killer.kills)}, ended alone"
            f" {dict(killer.ended_alone)}, {result.tries() - events} repeated tries, {seconds:.1f} s;"
            f" (lost, doubled, never happened): database handler {inside}, queue handler {outside},"
            f" the careless control {careless}"
        )
        assert result.statuses() == {"delivered": HANDLERS * events}, _tail(tmp_path)
        assert (inside, outside) == ((0, 0, 0), (0, 0, 0))
        assert killer.count >= kills
        assert careless[1] > 0 or events < DOUBLES_ARE_SEEN_FROM, "the kills hit nothing"
    with app.app_context():
        db.engine.dispose()
    app.extensions["redis"].close()


def _tail(tmp_path: Path) -> str:
    return (tmp_path / "processes.log").read_text(errors="replace")[-4000:]


@pytest.mark.parametrize(("events", "kills"), FORMS)
def test_kills_lose_nothing_and_double_nothing(
    fresh_database: Database, tmp_path: Path, events: int, kills: int
) -> None:
    url = fresh_database.redis_url
    run(fresh_database, tmp_path, events, kills, redis_url=url, meanwhile=lambda _done: None)


@pytest.mark.parametrize(("events", "kills"), FORMS)
def test_nor_does_an_emptied_and_a_restarted_redis(
    fresh_database: Database, tmp_path: Path, events: int, kills: int
) -> None:
    servers = embedded.start(tmp_path / "valkey", durable=False, only=("valkey",))
    happened = []

    def meanwhile(done: float) -> None:
        if done > 0.25 and not happened:
            with redis.Redis.from_url(servers.redis_url) as client:
                client.flushall()
            happened.append("emptied")
        if done > 0.5 and len(happened) == 1:
            servers.own["valkey"].kill()
            servers.own["valkey"].wait()
            time.sleep(0.5)
            servers.revive()
            happened.append("killed and started empty")
        if done > 0.75 and len(happened) == 2:
            with redis.Redis.from_url(servers.redis_url) as client:
                client.flushall()
            happened.append("emptied again")

    try:
        run(fresh_database, tmp_path, events, kills, redis_url=servers.redis_url, meanwhile=meanwhile)
    finally:
        servers.stop()
    assert happened == ["emptied", "killed and started empty", "emptied again"]
