"""All of `test_sockets` once more, with the sockets in a process of their own, on greenlets: `run.py sockets`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.domains.messaging.test_sockets import *  # noqa: F403
from tests.support.databases import Clones
from tests.support.servers import LiveServers, live_servers


@pytest.fixture(scope="module")
def served(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServers]:
    place = tmp_path_factory.mktemp("apart")
    with live_servers(clones.make("apart"), place, names=("sockets",), main="sockets") as running:
        yield running
