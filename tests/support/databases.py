"""Real databases for the tests: one migrated template for each run, one clone for each xdist worker.

Everything commits for real, as wm_app, on the worker's own clone. Before each test that touches the database
the rows of the one before are removed, so a failed test leaves its rows to look at.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import psycopg
import pytest
import redis
from psycopg import sql
from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import NullPool

from app.shell import embedded
from config import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = "wm_template"
MAIN_WORKER = "main"
REDIS_NUMBERS_PER_WORKER = 16
SLOTS = 8


@dataclass(frozen=True)
class Database:
    """A clone of the template, and a Redis number that nobody else uses."""

    name: str
    servers: embedded.Servers
    redis_number: int

    @property
    def app_url(self) -> str:
        return self.servers.database_url("wm_app", self.name)

    @property
    def owner_url(self) -> str:
        return self.servers.database_url("wm_owner", self.name)

    @property
    def superuser_url(self) -> str:
        return self.servers.database_url("postgres", self.name)

    @property
    def redis_url(self) -> str:
        return self.servers.redis_database_url(self.redis_number)

    def connect(self, role: str = "postgres") -> psycopg.Connection[Any]:
        """A plain autocommit connection of psycopg, by default as superuser."""
        return _connect(self.servers, self.name, role)

    def drop(self) -> None:
        embedded.drop_database(self.servers, self.name)


def settings_for(database: Database, var_dir: Path, **overrides: Any) -> Settings:
    """Test settings on this database; no variable of the machine's environment changes them."""
    values: dict[str, Any] = {
        "ENVIRONMENT": "test",
        "SECRET_KEY": "only-for-the-tests-" + "x" * 32,
        "BASE_DOMAIN": "localhost",
        "DATABASE_URL": database.app_url,
        "MIGRATION_DATABASE_URL": "",
        "REDIS_URL": database.redis_url,
        "VAR_DIR": var_dir,
        "MAIL_PROVIDER": "mock",
        "DEFAULT_LOCALE": "en",
        "LOG_LEVEL": "WARNING",
    }
    return load_settings(**{**values, **overrides})


# -- The run: the controller starts the servers, the workers are told where they are -----------------------


class Run:
    """The servers of one test run; a second run in the same checkout at the same time takes another slot."""

    def __init__(self) -> None:
        self.lock, var_dir = _free_slot()
        self.servers = embedded.start(var_dir, durable=False)
        try:
            self.drop_leftovers()
            self._prepare_template()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self.servers.stop()
        self.lock.close()

    def describe(self) -> dict[str, str]:
        """What a worker needs, in types that travel between processes."""
        return {"var_dir": str(self.servers.var_dir), "socket_dir": str(self.servers.socket_dir)}

    def drop_leftovers(self) -> None:
        for name in _names(self.servers):
            if name.startswith("test_"):
                embedded.drop_database(self.servers, name)

    def _prepare_template(self) -> None:
        """Migrate the template, unless the one of the last run was made by the same migrations."""
        wanted = _fingerprint()
        if _names(self.servers).get(TEMPLATE) == wanted:
            return
        embedded.drop_database(self.servers, TEMPLATE)
        embedded.create_database(self.servers, TEMPLATE)
        environment = {
            **os.environ,
            "MIGRATION_DATABASE_URL": self.servers.database_url("wm_owner", TEMPLATE),
            "ENVIRONMENT": "test",
        }
        done = subprocess.run(
            [sys.executable, "run.py", "migrate"],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            pytest.exit(f"the migrations failed:\n{done.stdout}{done.stderr}", returncode=3)
        with _connect(self.servers) as connection:
            # The mark that the template is whole: an interrupted one has none and is made again.
            connection.execute(
                sql.SQL("COMMENT ON DATABASE {} IS {}").format(sql.Identifier(TEMPLATE), sql.Literal(wanted))
            )


def _free_slot() -> tuple[TextIO, Path]:
    for number in range(SLOTS):
        var_dir = ROOT / "var" / ("test" if number == 0 else f"test-{number}")
        var_dir.mkdir(parents=True, exist_ok=True)
        lock = (var_dir / "run.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return lock, var_dir
    raise RuntimeError(f"{SLOTS} test runs are going on in this checkout already")


def _fingerprint() -> str:
    digest = hashlib.sha256()
    files = sorted((ROOT / "migrations").rglob("*.py")) + [embedded.ROLES_SQL]
    for file in files:
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _connect(
    servers: embedded.Servers, database: str = "postgres", role: str = "postgres"
) -> psycopg.Connection[Any]:
    place = {"host": str(servers.socket_dir), "port": embedded.PORT}
    return psycopg.connect(dbname=database, user=role, autocommit=True, **place)


def _names(servers: embedded.Servers) -> dict[str, str | None]:
    with _connect(servers) as connection:
        rows = connection.execute(
            "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database WHERE NOT datistemplate"
        )
        return dict(rows.fetchall())


RUN = pytest.StashKey[Run]()


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    config = session.config
    if not _is_worker(config) and not config.option.collectonly and RUN not in config.stash:
        config.stash[RUN] = Run()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    if RUN in node.config.stash:
        node.workerinput["wm_servers"] = node.config.stash[RUN].describe()


@pytest.hookimpl(trylast=True)
def pytest_unconfigure(config: pytest.Config) -> None:
    if RUN in config.stash:
        config.stash[RUN].close()


# -- Fixtures ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> embedded.Servers:
    """The run's PostgreSQL and Valkey."""
    if _is_worker(request.config):
        place = request.config.workerinput["wm_servers"]
        return embedded.Servers(Path(place["var_dir"]), Path(place["socket_dir"]), durable=False)
    return request.config.stash[RUN].servers


@pytest.fixture(scope="session")
def clones(servers: embedded.Servers, worker_id: str) -> Iterator[Clones]:
    """Makes clones of the template; drops those that are left at the end."""
    maker = Clones(servers, MAIN_WORKER if worker_id == "master" else worker_id)
    yield maker
    for database in maker.made:
        database.drop()


class Clones:
    def __init__(self, servers: embedded.Servers, worker: str) -> None:
        self.servers, self.worker, self.made = servers, worker, list[Database]()
        number = int(worker.removeprefix("gw")) if worker.startswith("gw") else 0
        self.first_redis_number = number * REDIS_NUMBERS_PER_WORKER

    def make(self, purpose: str) -> Database:
        """A clone of its own for one test or one group of processes, with an empty Redis."""
        count = len(self.made)
        # Numbers are used again after a while; those of the first few clones of a worker stay theirs.
        number = count if count < 4 else 4 + count % (REDIS_NUMBERS_PER_WORKER - 4)
        database = Database(
            f"test_{self.worker}_{purpose}_{count}", self.servers, self.first_redis_number + number
        )
        embedded.create_database(self.servers, database.name, TEMPLATE)
        self.made.append(database)
        with redis.Redis.from_url(database.redis_url) as connection:
            connection.flushdb()
        return database


@pytest.fixture(scope="session")
def database(clones: Clones) -> Database:
    """The worker's own database, on which `app` runs."""
    return clones.make("app")


@pytest.fixture
def fresh_database(clones: Clones) -> Iterator[Database]:
    """A clone for a test that changes the database itself (row security off, a broken constraint)."""
    made = clones.make("fresh")
    yield made
    made.drop()


@pytest.fixture(scope="session")
def owner_engine(database: Database) -> Iterator[Engine]:
    """The worker's database as wm_owner sees it."""
    engine = create_engine(database.owner_url, poolclass=NullPool)
    yield engine
    engine.dispose()


# -- Clean between tests -----------------------------------------------------------------------------------

TOUCH_THE_DATABASE = {"app", "client", "database", "owner_engine", "settings"}

# One round trip: delete from every table that has rows, without triggers (append-only tables refuse), in
# any order. DELETE, not TRUNCATE: it is quicker for a handful of rows and waits for no reader.
DELETE_ROWS = """
DO $$
DECLARE name regclass; filled boolean;
BEGIN
  PERFORM set_config('session_replication_role', 'replica', true), set_config('lock_timeout', '5s', true);
  FOR name IN SELECT oid FROM pg_class
              WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition
                AND oid <> ALL (%s::regclass[]) LOOP
    EXECUTE format('SELECT EXISTS (SELECT FROM %%s)', name) INTO filled;
    IF filled THEN EXECUTE format('DELETE FROM %%s', name); END IF;
  END LOOP;
END $$
"""


class Cleaner:
    """Takes a database back to the rows that the migrations themselves put there."""

    def __init__(self, database: Database) -> None:
        self.connection = database.connect()
        self.redis = redis.Redis.from_url(database.redis_url)
        self.baseline = {name: self._rows(name) for name in self._tables() if self._rows(name)}

    def clean(self) -> None:
        names = list(self.baseline)
        self.connection.execute(psycopg.ClientCursor(self.connection).mogrify(DELETE_ROWS, [names]))
        for name, rows in self.baseline.items():
            if self._rows(name) != rows:
                self._restore(name, rows)
        self.redis.flushdb()

    def close(self) -> None:
        self.connection.close()
        self.redis.close()

    def _tables(self) -> list[str]:
        query = (
            "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = 'public'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relispartition ORDER BY 1"
        )
        return [name for (name,) in self.connection.execute(query)]

    def _rows(self, table: str) -> list[Any]:
        query = f"SELECT to_jsonb(row) FROM {table} AS row ORDER BY row::text"
        return [row for (row,) in self.connection.execute(query)]

    def _restore(self, table: str, rows: list[Any]) -> None:
        with self.connection.transaction():
            self.connection.execute("SET LOCAL session_replication_role = replica")
            self.connection.execute("SET LOCAL lock_timeout = '5s'")
            (columns,) = self.connection.execute(
                "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute"
                " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
                [table],
            ).fetchone()
            self.connection.execute(f"DELETE FROM {table}")
            self.connection.execute(
                f"INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE"
                f" SELECT {columns} FROM jsonb_populate_recordset(NULL::{table}, %s)",
                [json.dumps(rows)],
            )


@pytest.fixture(scope="session")
def cleaner(database: Database) -> Iterator[Cleaner]:
    made = Cleaner(database)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def clean_slate(request: pytest.FixtureRequest) -> None:
    """Each test that touches the database begins without the rows of the one before."""
    if TOUCH_THE_DATABASE.intersection(request.fixturenames):
        request.getfixturevalue("cleaner").clean()
