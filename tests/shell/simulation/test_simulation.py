"""A month of a market in which everything fails, and its books compared after each day."""

from __future__ import annotations

import gc
import os
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from app.core.db import db
from app.core.money import Money
from app.domains.payments import policies
from app.shell.factory import create_app
from app.shell.simulation.life import Size, Stopped, Told, simulate
from tests.support.databases import ROOT, Database, settings_for

SEED = int(os.environ.get("SEED", "7"))
SMALL = Size(customers=4, deeds=4, ticks=6)
MANY = range(100, 100 + int(os.environ.get("SEEDS", "12")))


@contextmanager
def place(database: Database, folder: Path, **more: Any) -> Iterator[Flask]:
    app = create_app(settings_for(database, folder, LOG_LEVEL="ERROR", **more))
    try:
        yield app
    finally:
        with app.app_context():
            db.engine.dispose()
        app.extensions["redis"].close()
        with warnings.catch_warnings():
            # Who was killed left a connection open, as a process leaves its own to the kernel.
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()


def live(database: Database, folder: Path, seed: int, days: int, size: Size) -> Told:
    journal: list[str] = []
    with place(database, folder) as app:
        try:
            told = simulate(app, seed=seed, days=days, size=size, say=journal.append)
        except Stopped as stopped:
            last = "\n".join(journal[-30:])
            pytest.fail(f"{stopped}\nmake replay SEED={seed} DAYS={days}\n{last}")
    print(f"\nseed {seed}: {told}")
    return told


def test_a_month_goes_by(fresh_database: Database, tmp_path: Path) -> None:
    told = live(fresh_database, tmp_path, SEED, 30, SMALL)
    assert told.days == 30
    assert told.deeds == 30 * SMALL.deeds
    # It was a month in which something happened, and went wrong.
    assert told.rows["paid lines"] > 15
    assert min(told.rows["refunds"], told.killed, told.post["lost"]) > 3
    assert sum(told.failures.values()) > 60


def test_the_same_seed_gives_the_same_history(fresh_database: Database, clones: Any, tmp_path: Path) -> None:
    """Also in another process, by the command, where sets are walked through in another order."""
    told = live(fresh_database, tmp_path, 3, 2, Size(deeds=14))
    assert told.post["delivered"] > 1
    other = clones.make("again")
    settings = settings_for(other, tmp_path / "again")
    given = settings.model_dump(mode="json", include=set(settings.model_fields_set))
    done = subprocess.run(
        [sys.executable, "run.py", "simulate", "--here", "--seed", "3", "--days", "2", "--deeds", "14"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, **{name: str(value) for name, value in given.items()}, "PYTHONHASHSEED": "4711"},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"digest (\w{64})", done.stdout)[1] == told.digest  # type: ignore[index]


def test_a_cent_is_noticed(fresh_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a house that works a tax out one unit too high."""
    right = policies.tax_within
    monkeypatch.setattr(
        policies,
        "tax_within",
        lambda gross, rate: right(gross, rate) + Money(1 if gross.minor else 0, gross.currency),
    )
    with place(fresh_database, tmp_path) as app, pytest.raises(Stopped, match="should be"):
        simulate(app, seed=1, days=4, size=Size(customers=4, deeds=20, ticks=4))


def test_nothing_is_simulated_in_production(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(app.config, "ENVIRONMENT", "production")
    with pytest.raises(RuntimeError, match="production"):
        simulate(app, seed=1, days=1)


def test_nor_by_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "run.py", "simulate"],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={
            **os.environ,
            "ENVIRONMENT": "production",
            "SECRET_KEY": "x" * 48,
            "DATABASE_URL": "postgresql://nobody@localhost/nothing",
            "REDIS_URL": "redis://localhost/0",
        },
    )  # fmt: skip
    assert done.returncode != 0
    assert "production" in done.stderr


@pytest.mark.soak
@pytest.mark.parametrize("seed", MANY)
def test_many_months_go_by(fresh_database: Database, tmp_path: Path, seed: int) -> None:
    live(fresh_database, tmp_path, seed, 30, Size())
