"""The embedded servers: roles and grants, recovery after every kind of death, clear refusals."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import psycopg
import pytest
import redis

from app.shell import embedded

Connect = Callable[..., psycopg.Connection[Any]]


def connect(servers: embedded.Servers, role: str, database: str = "wemaster") -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=str(servers.socket_dir), port=embedded.PORT, dbname=database, user=role, autocommit=True
    )


def process(servers: embedded.Servers, name: str) -> psutil.Process:
    return psutil.Process(servers.own[name].pid)


def alive(number: int) -> bool:
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Servers]:
    """Servers that the tests of this file share and do not harm."""
    started = embedded.start(tmp_path_factory.mktemp("shared"), durable=False)
    yield started
    started.stop()


@pytest.fixture
def starting(tmp_path: Path) -> Iterator[Callable[..., embedded.Servers]]:
    """Starts servers below tmp_path; whatever runs at the end is stopped."""
    made = list[embedded.Servers]()

    def start(**options: Any) -> embedded.Servers:
        made.append(embedded.start(tmp_path, **options))
        return made[-1]

    yield start
    for servers in made:
        servers.stop()


# -- Roles ----------------------------------------------------------------------------------------


def test_roles_have_exactly_their_attributes(running: embedded.Servers) -> None:
    with connect(running, "postgres") as connection:
        rows = connection.execute(
            "SELECT rolname, rolcanlogin, rolinherit, rolbypassrls, rolsuper OR rolcreatedb OR rolcreaterole"
            " OR rolreplication FROM pg_roles WHERE rolname LIKE 'wm%' ORDER BY 1"
        ).fetchall()
    assert rows == [
        ("wm_app", True, False, False, False),
        ("wm_backup", True, True, True, False),
        ("wm_owner", True, True, False, False),
        ("wm_platform", False, True, False, False),
    ]


def test_only_our_roles_may_connect(running: embedded.Servers) -> None:
    with connect(running, "postgres") as connection:
        connection.execute("CREATE ROLE stranger LOGIN")
    with pytest.raises(psycopg.OperationalError, match="does not have CONNECT privilege"):
        connect(running, "stranger")
    with connect(running, "wm_app") as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("CREATE TABLE mine ()")
    with connect(running, "wm_app") as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("CREATE TEMPORARY TABLE mine ()")


def test_row_security_sees_the_roles_as_designed(running: embedded.Servers) -> None:
    """Owner and backup see all under forced RLS; the app sees all only after SET ROLE."""
    with connect(running, "wm_owner") as owner:
        owner.execute("CREATE TABLE lesson AS SELECT 1 AS tenant_id")
        owner.execute("ALTER TABLE lesson ENABLE ROW LEVEL SECURITY")
        owner.execute("ALTER TABLE lesson FORCE ROW LEVEL SECURITY")
        owner.execute("CREATE POLICY app ON lesson TO wm_app USING (tenant_id = 2)")
        owner.execute("CREATE POLICY platform ON lesson TO wm_platform USING (true)")
        owner.execute("GRANT SELECT ON lesson TO wm_app, wm_platform")
    seen = {}
    for role in ("wm_owner", "wm_backup", "wm_app"):
        with connect(running, role) as connection:
            seen[role] = connection.execute("SELECT count(*) FROM lesson").fetchone()
            if role == "wm_app":
                connection.execute("SET ROLE wm_platform")
                seen["as platform"] = connection.execute("SELECT count(*) FROM lesson").fetchone()
    assert seen == {"wm_owner": (1,), "wm_backup": (1,), "wm_app": (0,), "as platform": (1,)}


def test_databases_are_cloned_with_their_grants_and_dropped_under_use(running: embedded.Servers) -> None:
    with connect(running, "wm_owner") as owner:
        owner.execute("CREATE TABLE plan AS SELECT 'free' AS code; GRANT SELECT ON plan TO wm_app")
    embedded.create_database(running, "copy", template="wemaster")
    with connect(running, "wm_app", "copy") as app:
        assert app.execute("SELECT code FROM plan").fetchall() == [("free",)]
        embedded.drop_database(running, "copy")
        with pytest.raises(psycopg.OperationalError):
            app.execute("SELECT 1")
    embedded.drop_database(running, "copy")
    with pytest.raises(embedded.EmbeddedServerError, match='template database "nothing" does not exist'):
        embedded.create_database(running, "copy", template="nothing")


# -- One starts, others attach --------------------------------------------------------------------


def test_a_second_start_attaches_and_stops_nothing(running: embedded.Servers) -> None:
    attached = embedded.start(running.var_dir, durable=False)
    assert (attached.own, attached.app_url, attached.redis_url) == ({}, running.app_url, running.redis_url)
    attached.stop()
    with connect(attached, "wm_app") as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("wm_app",)


def test_only_what_is_asked_for_is_started(starting: Callable[..., embedded.Servers]) -> None:
    assert list(starting(durable=False, only=["valkey"]).own) == ["valkey"]


def test_a_terminals_interrupt_does_not_reach_the_servers(running: embedded.Servers) -> None:
    for name in ("postgres", "valkey"):
        number = process(running, name).pid
        assert os.getsid(number) == number != os.getsid(0)


def test_a_fork_of_the_starter_stops_nothing(running: embedded.Servers) -> None:
    child = os.fork()
    if child == 0:
        try:
            running.stop()
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert running.dead() == []
    assert redis.Redis.from_url(running.redis_url).ping()


def test_postgres_never_runs_as_root(running: embedded.Servers) -> None:
    assert process(running, "postgres").uids().effective != 0


def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / "with a space"
    servers = embedded.start(deep, durable=False)
    try:
        assert servers.socket_dir.parent == Path("/tmp")  # noqa: S108
        assert servers.socket_dir.stat().st_mode & 0o777 == 0o700
        with connect(servers, "wm_app") as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        assert redis.Redis.from_url(servers.redis_url).ping()
    finally:
        servers.stop()
        shutil.rmtree(servers.socket_dir)


# -- Deaths ---------------------------------------------------------------------------------------


def test_killed_servers_recover_what_was_committed(
    starting: Callable[..., embedded.Servers], tmp_path: Path
) -> None:
    first = starting()
    with connect(first, "wm_owner") as owner:
        owner.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    with redis.Redis.from_url(first.redis_url) as queue:
        queue.set("kept", "42")
        queue.execute_command("WAITAOF", 1, 0, 5000)
    for name in ("postgres", "valkey"):
        first.own[name].kill()
        first.own[name].wait()
    assert sorted(first.dead()) == ["postgres", "valkey"]
    # The numbers in the pid files now belong to another live process: us.
    for file in (tmp_path / "postgres" / "postmaster.pid", tmp_path / "valkey" / "valkey.pid"):
        rest = file.read_text().split("\n")[1:]
        file.write_text("\n".join([str(os.getpid()), *rest]))

    first.revive()
    with connect(first, "wm_owner") as owner:
        assert owner.execute("SELECT answer FROM kept").fetchall() == [(42,)]
    with redis.Redis.from_url(first.redis_url) as queue:
        assert queue.get("kept") == b"42"


def test_a_clean_stop_keeps_everything_and_a_second_one_does_nothing(
    starting: Callable[..., embedded.Servers],
) -> None:
    first = starting()
    with redis.Redis.from_url(first.redis_url) as queue:
        queue.set("kept", "42")
    numbers = [process(first, name).pid for name in ("postgres", "valkey")]
    first.stop()
    first.stop()
    assert not any(map(alive, numbers))
    with redis.Redis.from_url(starting().redis_url) as queue:
        assert queue.get("kept") == b"42"


def test_the_servers_end_with_a_killed_starter(tmp_path: Path) -> None:
    """What the kernel promised: no orphan, whatever happens to the one who started them."""
    read, write = os.pipe()
    starter = os.fork()
    if starter == 0:
        try:
            servers = embedded.start(tmp_path, durable=False)
            numbers = [str(child.pid) for child in servers.own.values()]
            os.write(write, " ".join(numbers).encode())
            signal.pause()
        finally:
            os._exit(1)
    os.close(write)
    numbers = [int(number) for number in os.read(read, 100).split()]
    os.close(read)
    assert len(numbers) == 2
    os.kill(starter, signal.SIGKILL)
    os.waitpid(starter, 0)
    deadline = time.monotonic() + 20
    while any(map(alive, numbers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, numbers))


def test_an_interrupted_set_up_is_begun_anew(
    starting: Callable[..., embedded.Servers], tmp_path: Path
) -> None:
    half_made = tmp_path / "postgres.new"
    half_made.mkdir()
    (half_made / "PG_VERSION").write_text("18\n")
    with connect(starting(durable=False), "wm_app") as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    assert not half_made.exists()


# -- Refusals -------------------------------------------------------------------------------------


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(embedded.EmbeddedServerError) as refusal:
        embedded.start(tmp_path / "file" / "var")
    assert str(refusal.value) == f"{tmp_path}/file/var: Not a directory"


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=3 * 2**20))
    with pytest.raises(embedded.EmbeddedServerError) as refusal:
        embedded.start(tmp_path)
    assert str(refusal.value) == f"{tmp_path}: the disk is full (3 MB free, 200 MB are needed)"


def test_a_broken_cluster_says_why_in_one_line(
    starting: Callable[..., embedded.Servers], tmp_path: Path
) -> None:
    starting(durable=False).stop()
    (tmp_path / "postgres" / "postgresql.conf").write_text("max_connections = many\n")
    with pytest.raises(embedded.EmbeddedServerError) as refusal:
        starting(durable=False)
    assert "\n" not in str(refusal.value)
    assert "PostgreSQL could not start" in str(refusal.value)
    assert "max_connections" in str(refusal.value) or "configuration file" in str(refusal.value)
