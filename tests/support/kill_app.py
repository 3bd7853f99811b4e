"""A throw-away event with a database handler and a queue handler, and the real processes that deliver it.

The handlers' effects are rows. The database handler's table has no key at all: an effect that happened
twice is two rows. Each process is started with `start(...)`, to be killed at any moment.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import Flask
from sqlalchemy import text

from app.core import dispatcher, jobs
from app.core.db import db
from app.core.events import Delivery, Event, Later, Wiring
from app.core.transaction import transaction
from app.shell.factory import create_app
from app.shell.processes import spawn
from config import Settings, load_settings
from tests.support.databases import ROOT, Database

if TYPE_CHECKING:
    from pathlib import Path

# A kill must find the handlers at work, and more often than at the moments in between.
HANDLER_SECONDS = 0.002

TABLES = """
    CREATE TABLE kill_inside (number int NOT NULL, delivery text NOT NULL);
    CREATE TABLE kill_outside (delivery text PRIMARY KEY, number int NOT NULL);
    CREATE TABLE kill_try (number int NOT NULL);
    GRANT SELECT, INSERT ON kill_inside, kill_outside, kill_try TO wm_app, wm_platform;
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
    """The application as it is, but with one event and two handlers in its wiring."""
    app = create_app(settings)
    app.extensions["wiring"] = Wiring({}, {Struck: (Later(inside), Later(outside, queue="default"))})
    return app


def create_tables(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(TABLES)


def start(name: str, settings: Settings, log: Path) -> subprocess.Popen[bytes]:
    """Start the dispatcher or the worker; from the main thread only (see `spawn`)."""
    given = settings.model_dump(mode="json", include=set(settings.model_fields_set))
    program = "from tests.support.kill_app import main; main()"
    return spawn(
        [sys.executable, "-c", program, name],
        log=log,
        extra_environment={key: str(value) for key, value in given.items()},
        directory=ROOT,
    )


def main() -> None:
    """The entry point of both processes."""
    app = create_kill_app(load_settings())
    if sys.argv[1] == "worker":
        jobs.run_worker(app)
        return
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    dispatcher.run(app, stop)
