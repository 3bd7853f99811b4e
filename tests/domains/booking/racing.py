"""Threads that start at once, each with an application context and transactions of its own."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.core.db import db
from app.shell.factory import create_app
from tests.domains.booking.support import School, make_school, wire
from tests.support.databases import Database, settings_for

Work = Callable[[], Any]


@dataclass
class Race:
    """What came of each attempt: by target who won, and all outcomes by name."""

    winners: list[int] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)


def run_together(app: Flask, rounds: Sequence[Sequence[Work]], allowed: set[str]) -> Race:
    """Round by round, all works of a round at once. A work that returns has won; a refusal is counted by its
    name; what is not in `allowed` is an error."""
    race, lock = Race(winners=[0] * len(rounds)), threading.Lock()
    barrier = threading.Barrier(max(len(works) for works in rounds))

    def contend(place: int) -> None:
        with app.app_context():
            for number, works in enumerate(rounds):
                barrier.wait()
                try:
                    works[place]()
                    outcome = "won"
                except Exception as error:
                    outcome = type(error).__name__
                    if outcome not in allowed:
                        with lock:
                            race.errors.append(f"round {number}: {error!r} {error.__cause__!r}")
                with lock:
                    race.outcomes[outcome] += 1
                    race.winners[number] += outcome == "won"

    threads = [threading.Thread(target=contend, args=(place,)) for place in range(barrier.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return race


def deadlocks(database: Database) -> int:
    """So far; PostgreSQL tells when a backend goes idle, so this asks it to tell now."""
    with database.connect() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        row = connection.execute(
            "SELECT deadlocks FROM pg_stat_database WHERE datname = %s", [database.name]
        ).fetchone()
    assert row is not None
    return int(row[0])


@contextmanager
def raced_app(
    database: Database, var_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Flask, School]]:
    """An application on a clone of its own, with a connection for each contender, and a school in it."""
    app = create_app(settings_for(database, var_dir, DATABASE_POOL_SIZE=20))
    heard = wire(app, monkeypatch)
    with app.app_context():
        try:
            yield app, make_school(heard)
        finally:
            db.session.remove()
            db.engine.dispose()
            app.extensions["redis"].close()
