"""Fixtures of the payment provider's tests."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from app.core import outside
from tests.providers.payments.rig import Bench, Receiver, receiving, simulating

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _of_no_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "_redis", lambda: None)
    monkeypatch.setattr(outside, "_in_transaction", outside._never)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A simulator that tells nobody."""
    with simulating(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One for all tests of a module that leave no faults behind and look at what is their own only."""
    with simulating(tmp_path_factory.mktemp("shared")) as running:
        yield running


@pytest.fixture
def told(tmp_path: Path, receiver: Receiver) -> Iterator[Bench]:
    """A simulator whose webhooks `told.receiver` takes."""
    with simulating(tmp_path, receiver) as running:
        yield running


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here may speak to another machine."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        assert isinstance(address, str) or address[0] in {"127.0.0.1", "::1", "localhost"}, address
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)
