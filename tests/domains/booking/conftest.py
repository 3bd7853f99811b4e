"""A school on the worker's database, at a fixed time."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from app.core import clock
from tests.domains.booking.support import NOW, School, make_school, wire


@pytest.fixture
def school(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[School]:
    """In an app context, at `NOW`."""
    heard = wire(app, monkeypatch)
    with app.app_context(), clock.frozen(NOW):
        yield make_school(heard)
