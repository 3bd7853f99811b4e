"""The web process on a clone of its own, and the world on its database."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from flask import Flask

from app.core.db import db
from app.core.page_cache import HEARD_SECONDS
from app.shell.factory import create_app
from tests.support.databases import Cleaner, Clones, settings_for
from tests.support.servers import LiveServers, live_servers
from tests.support.world import World, make_world


@pytest.fixture(scope="module")
def served(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServers]:
    """The web process alone, on a clone of its own."""
    with live_servers(clones.make("chat"), tmp_path_factory.mktemp("chat"), names=("serve",)) as running:
        yield running


@pytest.fixture(scope="module")
def here(served: LiveServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application on the same database, in this process."""
    app = create_app(settings_for(served.database, tmp_path_factory.mktemp("here"), PORT=served.port))
    yield app
    with app.app_context():
        db.engine.dispose()
    app.extensions["redis"].close()


@pytest.fixture(scope="module")
def cleaner_of_chat(served: LiveServers) -> Iterator[Cleaner]:
    made = Cleaner(served.database)
    yield made
    made.close()


@pytest.fixture
def town(here: Flask, cleaner_of_chat: Cleaner) -> World:
    cleaner_of_chat.clean()
    made = make_world(here)
    time.sleep(HEARD_SECONDS)  # until the server has forgotten the companies of the test before
    return made
