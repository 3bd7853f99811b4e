"""A throw-away event with a database handler and a queue handler, and the real processes that deliver it.

The handlers' effects are rows. The database handler's table has no key at all: an effect that happened
twice is two rows. A third handler is careless, to show that the kills do hit. `Nursery` starts
dispatchers and workers in no time, to be killed at any moment.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from flask import Flask
from sqlalchemy import text

from app.core import dispatcher, worker
from app.core.db import db
from app.core.events import Delivery, Event, Later, Wiring
from app.core.transaction import transaction
from app.shell.factory import create_app
from app.shell.processes import PR_SET_PDEATHSIG
from config import Settings, load_settings
from tests.support.databases import Database
from tests.support.nurseries import started

# A kill must find the handlers at work, and more often than at the moments in between.
HANDLER_SECONDS = 0.002

TABLES = """
    CREATE TABLE kill_inside (number int NOT NULL, delivery text NOT NULL);
    CREATE TABLE kill_careless (number int NOT NULL);
    CREATE TABLE kill_outside (delivery text PRIMARY KEY, number int NOT NULL);
    CREATE TABLE kill_try (number int NOT NULL);
    GRANT SELECT, INSERT ON kill_inside, kill_careless, kill_outside, kill_try TO wm_app, wm_platform;
"""


@dataclass(frozen=True)
class Struck(Event):
    """Something happened that has a number; no two have the same."""

    number: int


def inside(delivery: Delivery) -> None:
    """The database handler: its row and the mark "delivered" are one transaction."""
    time.sleep(HANDLER_SECONDS)
    db.session.execute(
        text("INSERT INTO kill_inside VALUES (:number, :key)"),
        {"number": delivery.event.number, "key": delivery.key},
    )
    time.sleep(HANDLER_SECONDS)


def careless(delivery: Delivery) -> None:
    """The control: its row is committed on a connection of its own, before the mark "delivered" is."""
    with db.engine.begin() as connection:
        connection.execute(
            text("INSERT INTO kill_careless VALUES (:number)"), {"number": delivery.event.number}
        )
    time.sleep(HANDLER_SECONDS)


def outside(delivery: Delivery) -> None:
    """The queue handler: counts the try, then acts as a provider does that knows a delivery by its key."""
    with transaction() as session:
        session.execute(text("INSERT INTO kill_try VALUES (:number)"), {"number": delivery.event.number})
    time.sleep(HANDLER_SECONDS)
    with transaction() as session:
        session.execute(
            text("INSERT INTO kill_outside VALUES (:key, :number) ON CONFLICT (delivery) DO NOTHING"),
            {"number": delivery.event.number, "key": delivery.key},
        )
    time.sleep(HANDLER_SECONDS)


def create_kill_app(settings: Settings) -> Flask:
    """The application as it is, but with one event and its three handlers in its wiring."""
    app = create_app(settings)
    later = (Later(inside), Later(careless), Later(outside, queue="default"))
    app.extensions["wiring"] = Wiring({}, {Struck: later})
    return app


def create_tables(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(TABLES)


# -- The processes -----------------------------------------------------------------------------------------


@dataclass
class Nursery:
    """A process that has everything imported and forks the dispatchers and workers it is asked for."""

    process: subprocess.Popen[str]
    running: dict[str, int] = field(default_factory=dict)

    def start(self, name: str) -> None:
        """Start the dispatcher or the worker, each in a session of its own."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        self.running[name] = int(self.process.stdout.readline())

    def is_alive(self, name: str) -> bool:
        return psutil.pid_exists(self.running[name])

    def horses(self) -> list[psutil.Process]:
        """What the worker has forked and is at work now."""
        try:
            return psutil.Process(self.running["worker"]).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    def end(self, name: str, number: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal to one process and wait for its end."""
        try:
            process = psutil.Process(self.running[name])
            process.send_signal(number)
            process.wait(30)
        except psutil.NoSuchProcess:
            pass


@contextmanager
def nursery(settings: Settings, log: Path) -> Iterator[Nursery]:
    """A nursery for these settings; with the block all that it forked ends."""
    with started("tests.support.kill_app", settings, log) as process:
        made = Nursery(process)
        try:
            yield made
        finally:
            for horse in made.horses():
                horse.kill()
            for name in made.running:
                made.end(name, signal.SIGKILL)


def main() -> None:
    """The nursery's program: each line of stdin names a process to fork; its number is the answer."""
    app = create_kill_app(load_settings())
    nursery_id = os.getpid()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the killed
    _die_with_parent(signal.SIGKILL)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            os.setsid()
            _die_with_parent(signal.SIGKILL)
            if os.getppid() == nursery_id:
                _run(line.strip(), app)
            os._exit(0)
        print(child, flush=True)


def _run(name: str, app: Flask) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # RQ waits for its horses
    if name == "worker":
        worker.run_worker(app)
        return
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    dispatcher.run(app, stop)


def _die_with_parent(number: signal.Signals) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
