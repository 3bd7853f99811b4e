"""Two connections for two tenants, 10,000 times: what a connection was last used for must never show."""

from __future__ import annotations

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, text

from app.core.db import db
from app.core.scope import ScopeError, platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.shell.factory import create_app
from tests.support.databases import Clones, settings_for
from tests.support.world import make_company

TURNS, THREADS = 10_000, 3


class Interrupted(Exception):
    """Something went wrong in the middle of somebody's work."""


@pytest.fixture(scope="module")
def small_pool(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    directory: Path = tmp_path_factory.mktemp("pool")
    clone = clones.make("pool")
    app = create_app(settings_for(clone, directory, DATABASE_POOL_SIZE=2))
    with app.app_context():
        db.engine.pool._max_overflow = 0
        db.engine.pool._timeout = 60  # three threads contend for two connections, and the pool is not fair
        yield app
        db.engine.dispose()
    app.extensions["redis"].close()


def test_ten_thousand_turns_on_two_connections(small_pool: Flask) -> None:
    """Reads by ORM and by plain SQL, failures in the middle, and platform scopes in between: 0 leaks."""
    companies = [make_company(slug, roles=("manager",)) for slug in ("anna", "bert")]
    own = {company.id: {f"Manager {company.slug}"} for company in companies}

    def work(seed: int) -> int:
        random_ = random.Random(seed)
        leaks = 0
        with small_pool.app_context():
            for _ in range(TURNS // THREADS):
                tenant_id = random_.choice(list(own))
                kind = random_.random()
                try:
                    with tenant_scope(tenant_id):
                        seen = set(db.session.scalars(select(Person.full_name)))
                        bare = set(db.session.execute(text("SELECT full_name FROM person")).scalars())
                        leaks += seen != own[tenant_id] or bare != own[tenant_id]
                        if kind < 0.1:
                            raise Interrupted
                except Interrupted:
                    pass
                if kind > 0.95:
                    with platform_scope("count the people of all"), transaction():
                        leaks += len(list(db.session.scalars(select(Person.id)))) != len(companies)
        return leaks

    with ThreadPoolExecutor(THREADS) as threads:
        leaks = sum(threads.map(work, range(THREADS)))
    assert leaks == 0
    assert db.engine.pool.size() == 2
    with pytest.raises(ScopeError):
        db.session.scalars(select(Person))
    db.session.remove()
