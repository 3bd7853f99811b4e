"""The stage of these tests: a school with people in front of browsers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from app.core import clock
from tests.domains.booking.pages.support import Stage, open_school
from tests.domains.booking.support import NOW, wire
from tests.support.world import World


@pytest.fixture
def stage(app: Flask, world: World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """At `NOW`. No app context stays open: requests would share its `g`."""
    heard = wire(app, monkeypatch)
    with clock.frozen(NOW):
        yield Stage(world, open_school(world, heard))
