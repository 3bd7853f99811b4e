"""Where a simulation lives: servers and a database of its own, made anew each time, or one that is named."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from flask import Flask
from sqlalchemy import select

from app.core.db import db
from app.core.scope import platform_scope
from app.domains.tenancy.models import Tenant
from app.shell import embedded, migrations
from app.shell.factory import create_app
from app.shell.local import local_settings, secret_key
from config import Settings, load_settings

DATABASE = "simulation"
# Mails and payments go to the simulators, and business time may be moved, whatever the environment says.
SIMULATED = {"ENVIRONMENT": "test", "PAYMENT_PROVIDER": "mock", "MAIL_PROVIDER": "mock", "LOG_LEVEL": "ERROR"}


class NoPlace(Exception):
    """It can't live there; the text says why."""


@contextmanager
def own_place() -> Iterator[Flask]:
    """Servers below VAR_DIR/simulation that end with the block, and an empty database. Raises NoPlace."""
    given = _given()
    servers = embedded.start(given.VAR_DIR / "simulation", durable=False)
    try:
        embedded.drop_database(servers, DATABASE)
        embedded.create_database(servers, DATABASE)
        migrations.upgrade(servers.database_url("wm_owner", DATABASE))
        settings = load_settings(
            **SIMULATED,
            SECRET_KEY=secret_key(given.VAR_DIR),
            VAR_DIR=servers.var_dir,
            DATABASE_URL=servers.database_url("wm_app", DATABASE),
            MIGRATION_DATABASE_URL="",
            REDIS_URL=servers.redis_database_url(0),
        )
        with _opened(settings) as app:
            app.extensions["redis"].flushdb()
            yield app
    finally:
        servers.stop()


@contextmanager
def named_place() -> Iterator[Flask]:
    """The database of DATABASE_URL, migrated and without any company. Raises NoPlace."""
    given = _given()
    if not given.DATABASE_URL:
        raise NoPlace("DATABASE_URL names no database to be used.")
    with local_settings(**SIMULATED) as settings, _opened(settings) as app:
        with app.app_context(), platform_scope("look whether anybody lives here"):
            is_used = db.session.scalar(select(Tenant.id).limit(1)) is not None
        if is_used:
            raise NoPlace("Somebody lives in this database. A simulation needs an empty one.")
        yield app


def _given() -> Settings:
    given = load_settings()
    if given.ENVIRONMENT == "production":
        raise NoPlace("Nothing is simulated with ENVIRONMENT=production.")
    return given


@contextmanager
def _opened(settings: Settings) -> Iterator[Flask]:
    app = create_app(settings)
    try:
        yield app
    finally:
        with app.app_context():
            db.engine.dispose()
        app.extensions["redis"].close()
