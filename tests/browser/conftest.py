"""The live installations that the browser tests visit: an operator and a plan, made through the services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask

from app.core.db import db
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.accounts.models import OPERATOR
from app.domains.accounts.service import people
from app.domains.tenancy.models import Plan
from app.shell.factory import create_app
from tests.support import lived
from tests.support.databases import Clones, settings_for
from tests.support.servers import LiveServers, live_servers
from tests.support.world import PASSWORD, World, make_company

OPERATOR_PASSWORD = "all quiet on the night shift"
SLUG = "looks"


@contextmanager
def operating(live: LiveServers, directory: Path) -> Iterator[Flask]:
    """An application on the live database, for what no page offers yet; the operator can sign in."""
    app = create_app(settings_for(live.database, directory, PORT=live.port))
    with app.app_context():
        with platform_scope("make the operator"), transaction() as session:
            session.add(Plan(code="studio", name="Studio", max_tutors=10))
            people.make_platform_user(
                email="operator@wemaster.test",
                full_name="Olga Operator",
                password=OPERATOR_PASSWORD,
                role=OPERATOR,
            )
        yield app
        db.engine.dispose()
    app.extensions["redis"].close()


@pytest.fixture(scope="package")  # with its context, in which other tests must not be
def operated(live: LiveServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """On the processes that all browser tests share."""
    with operating(live, tmp_path_factory.mktemp("operated")) as app:
        yield app


@pytest.fixture(scope="module")
def own_live(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServers]:
    """Processes of this module's own: whoever moves the clock moves it for the whole installation."""
    with live_servers(clones.make("job"), tmp_path_factory.mktemp("job")) as running:
        yield running


@pytest.fixture(scope="module")
def own_operated(own_live: LiveServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    with operating(own_live, tmp_path_factory.mktemp("own_operated")) as app:
        yield app


@dataclass(frozen=True)
class House:
    """A company in which everything has happened that can happen to a seat, on running servers."""

    live: LiveServers
    app: Flask

    def url(self, role: str, path: str = "/") -> str:
        return self.live.url(path, "localhost" if role == "operator" else f"{SLUG}.localhost")

    def host(self, role: str) -> str:
        return urlsplit(self.url(role)).netloc

    def account(self, role: str) -> tuple[str, str]:
        """The e-mail and the password of somebody with this role."""
        if role == "operator":
            return "operator@wemaster.test", OPERATOR_PASSWORD
        return f"{role}@{SLUG}.test", PASSWORD


@pytest.fixture(scope="package")
def house(live: LiveServers, operated: Flask) -> House:
    with operated.app_context():
        company = make_company(SLUG)
    lived.live(World(operated, company, company, 0))
    return House(live, operated)
