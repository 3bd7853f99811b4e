"""The till of these tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.core.events import Later
from app.domains.payments.events import ReceiptIssued
from app.domains.payments.jobs import render_receipt
from app.providers.payments.controls import SimulatorControls
from app.shell.checks import broken_rules
from tests.domains.payments.support import Till, simulating

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flask import Flask

    from tests.support.world import World


@pytest.fixture
def till(app: Flask, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Till]:
    with simulating(app, tmp_path / "simulator") as (simulator, provider, keys):
        monkeypatch.setitem(app.extensions, "payments", provider)
        # Drawing takes a while, and is no matter of these tests but for those that ask for `drawing`.
        monkeypatch.setitem(app.extensions["wiring"].later, ReceiptIssued, ())
        yield Till(app, world, SimulatorControls(simulator.port, keys), provider, keys)
    broken = {rule: lines for rule, lines in broken_rules(app).items() if lines}
    assert not broken, "whatever happens, these hold"


@pytest.fixture
def drawing(till: Till, monkeypatch: pytest.MonkeyPatch) -> Till:
    """A till that draws its receipts by itself."""
    later = (Later(render_receipt, queue="low"),)
    monkeypatch.setitem(till.app.extensions["wiring"].later, ReceiptIssued, later)
    return till
