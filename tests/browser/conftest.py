"""The live installation that the browser tests visit: an operator and a plan, made through the services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from app.core.db import db
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.accounts.models import OPERATOR
from app.domains.accounts.service import people
from app.domains.tenancy.models import Plan
from app.shell.factory import create_app
from tests.support.databases import settings_for
from tests.support.servers import LiveServers

OPERATOR_PASSWORD = "demo-operator"


@pytest.fixture(scope="session")
def operated(live: LiveServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application on the live database, for what no page offers yet; the operator can sign in."""
    directory: Path = tmp_path_factory.mktemp("operated")
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
