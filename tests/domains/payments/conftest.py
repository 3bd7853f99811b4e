"""The till of these tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

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
        yield Till(app, world, SimulatorControls(simulator.port, keys), provider, keys)
    broken = {rule: lines for rule, lines in broken_rules(app).items() if lines}
    assert not broken, "whatever happens, these hold"
