"""The application and its database, made once: every fork of the tests has them, and opens only its
connections anew. To make them for each mutant takes longer than its tests do."""

from __future__ import annotations

from typing import Any


def warm(session: Any) -> None:
    """Run the first test that needs the application, so that the session's fixtures are there."""
    from _pytest.runner import runtestprotocol

    from app.core.db import db

    items = _with_app(session)
    if len(items) < 2:
        return
    runtestprotocol(items[0], log=False, nextitem=items[-1])
    app, cleaner = _made(session, "app"), _made(session, "cleaner")
    with app.app_context():
        db.engine.dispose()
    app.extensions["redis"].close()
    cleaner.close()


def begin(session: Any) -> None:
    """In a fork: connections of its own, and the database outlives it."""
    from tests.support.databases import Database

    if not _with_app(session) or (cleaner := _made(session, "cleaner")) is None:
        return
    lasting = _made(session, "database")
    cleaner.connection = lasting.connect()
    drop = Database.drop

    def drop_others(database: Database) -> None:
        if database is not lasting:
            drop(database)

    Database.drop = drop_others  # type: ignore[method-assign, assignment]


def sweep(run: Any) -> None:
    """After a fork that was killed: its own databases go, and whatever it holds in the one of all."""
    from app.shell import embedded
    from tests.support import databases

    for name in databases._names(run.servers):
        if name.startswith("test_") and "_app_" not in name:
            embedded.drop_database(run.servers, name)
    with databases._connect(run.servers) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'test\\_%'"
        )


def _with_app(session: Any) -> list[Any]:
    return [item for item in session.items if "app" in item.fixturenames]


def _made(session: Any, name: str) -> Any:
    """What a fixture of the session gave, None before it did."""
    found = session._fixturemanager.getfixturedefs(name, _with_app(session)[0])[-1]
    return found.cached_result[0] if found.cached_result else None
