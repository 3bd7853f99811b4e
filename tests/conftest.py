"""Fixtures for every test: settings, the app on the worker's own database, and a client."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flask import Flask
    from flask.testing import FlaskClient

    from config import Settings
    from tests.support.databases import Database

# Loaded as plugins, not imported here: pytest wants to rewrite their assertions first.
pytest_plugins = [
    "tests.support.databases",
    "tests.support.passwords",
    "tests.support.world",
    "tests.support.servers",
    "tests.support.browser",
    "tests.support.scheduling",
]


@pytest.fixture(scope="session")
def settings(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The settings of the app under test."""
    from tests.support.databases import settings_for

    return settings_for(database, tmp_path_factory.mktemp("var"))


@pytest.fixture(scope="session")
def app(settings: Settings) -> Iterator[Flask]:
    """The application, running as wm_app on the worker's database."""
    from app.core.db import db
    from app.shell.factory import create_app

    made = create_app(settings)
    yield made
    with made.app_context():
        db.engine.dispose()
    made.extensions["redis"].close()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser without JavaScript: it keeps cookies and follows nothing by itself."""
    return app.test_client()


@pytest.fixture(autouse=True)
def _push_request_context() -> None:
    """Switch off pytest-flask's fixture of this name: it wraps the whole test in one request context.

    All requests of the test would share its `g` (the signed-in user among it) and one endless session.
    """
