"""The web process as clients meet it: addresses, limits, and an end that lets requests finish."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from app.core.db import db
from app.core.page_cache import HEARD_SECONDS
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.tenancy import queries as tenancy
from app.domains.tenancy import service as tenancy_service
from app.shell.factory import create_app
from app.shell.server import hosts
from tests.support.databases import ROOT, Cleaner, Clones, settings_for
from tests.support.outbox import wait_until
from tests.support.servers import LiveServers, live_servers
from tests.support.world import World, make_world


@pytest.fixture(scope="module")
def web(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServers]:
    with live_servers(clones.make("server"), tmp_path_factory.mktemp("server"), ["serve"]) as running:
        yield running


def get(
    web: LiveServers, path: str, address: str = "127.0.0.1", **headers: str
) -> tuple[int, http.client.HTTPMessage]:
    """Status and headers of an answer."""
    connection = http.client.HTTPConnection(address, web.port, timeout=10)
    try:
        connection.request("GET", path, headers={"Host": f"localhost:{web.port}", **headers})
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.headers
    finally:
        connection.close()


def test_every_loopback_address_answers(web: LiveServers) -> None:
    found = hosts("loopback")
    assert "127.0.0.1" in found
    assert [get(web, "/healthz", host)[0] for host in found] == [200] * len(found)


def test_nobody_outside_this_machine_is_served(web: LiveServers) -> None:
    outside = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)}
    for address in outside - {"127.0.0.1"}:
        if address.startswith("127."):
            continue
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((address, web.port), timeout=5).close()


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/healthz?" + "q" * 10_000, {}, 414),
        ("/healthz", {f"X-{number}": "v" for number in range(150)}, 431),
        ("/healthz", {"X-Long": "v" * 20_000}, 431),
    ],
)
def test_oversized_requests_are_refused(
    web: LiveServers, path: str, headers: dict[str, str], status: int
) -> None:
    assert get(web, path, **headers)[0] in {400, status}


def test_a_clients_word_does_not_change_the_scheme(web: LiveServers) -> None:
    status, headers = get(
        web, "/admin/", **{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    )
    assert status in {301, 302, 303}
    assert "https:" not in headers["Location"]
    assert "evil" not in headers["Location"]


def test_a_chosen_address_is_served_and_no_other(clones: Clones, tmp_path: Path) -> None:
    """All of 127/8 is this machine on Linux, so an address of its own is at hand."""
    with live_servers(clones.make("bind"), tmp_path, names=(), BIND="127.0.0.2") as running:
        running.start("serve")
        wait_until(lambda: _answers(running, "127.0.0.2"), 60)
        assert get(running, "/healthz", "127.0.0.2")[0] == 200
        with pytest.raises(ConnectionRefusedError):
            get(running, "/healthz")


def _answers(web: LiveServers, address: str) -> bool:
    with contextlib.suppress(OSError):  # refused, or heard and not yet answered
        return get(web, "/healthz", address)[0] == 200
    assert web.processes["serve"].poll() is None, web.log("serve")
    return False


def test_sigterm_ends_it_cleanly_and_it_starts_again(web: LiveServers) -> None:
    web.kill("serve", signal.SIGTERM)
    assert web.processes["serve"].wait(30) == 0
    with pytest.raises(ConnectionRefusedError):
        get(web, "/healthz")
    web.restart("serve")
    assert get(web, "/readyz")[0] == 200


# -- Several workers ---------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crew(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServers]:
    """One server with three worker processes."""
    folder = tmp_path_factory.mktemp("crew")
    with live_servers(clones.make("crew"), folder, ["serve"], WEB_WORKERS=3) as running:
        yield running


@pytest.fixture(scope="module")
def town(crew: LiveServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    app = create_app(settings_for(crew.database, tmp_path_factory.mktemp("town"), PORT=crew.port))
    cleaner = Cleaner(crew.database)
    cleaner.clean()
    yield make_world(app)
    cleaner.close()
    with app.app_context():
        db.engine.dispose()
    app.extensions["redis"].close()


def workers(running: LiveServers) -> list[psutil.Process]:
    return psutil.Process(running.processes["serve"].pid).children()


def figures(running: LiveServers) -> dict[str, float]:
    """Every series of a scrape, by its name and labels."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
    try:
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
    finally:
        connection.close()
    lines = [line.rpartition(" ") for line in text.splitlines() if line and line[0] != "#"]
    return {name: float(number) for name, _space, number in lines}


SEEN = 'wemaster_http_requests_total{method="GET",route="/healthz",status="2xx"}'


def test_whichever_worker_is_asked_tells_for_all_of_them(crew: LiveServers) -> None:
    wait_until(lambda: len(workers(crew)) == 3, 60)
    before = figures(crew).get(SEEN, 0)
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: get(crew, "/healthz")[0], range(60))) == {200}
    assert [figures(crew)[SEEN] - before for _ in range(5)] == [60] * 5
    assert figures(crew)["wemaster_database_connections_limit"] % 40 == 0  # of each worker that has started


def test_a_killed_worker_is_followed_by_another_and_its_counts_stay(crew: LiveServers) -> None:
    before = figures(crew)[SEEN]
    victim, *_ = workers(crew)
    victim.kill()
    wait_until(lambda: len(workers(crew)) == 3 and victim not in workers(crew), 60)
    assert get(crew, "/healthz")[0] == 200
    wait_until(lambda: figures(crew)["wemaster_http_requests_in_progress"] == 1, 20)
    assert figures(crew)[SEEN] == before + 1


def test_kept_connections_are_shared_evenly(crew: LiveServers) -> None:
    """As a proxy keeps them: each to the worker that holds fewest, also when one of them has ended."""
    assert are_even(shares(crew))
    victim, *_ = workers(crew)
    victim.kill()
    wait_until(lambda: len(workers(crew)) == 3 and victim not in workers(crew), 60)
    assert are_even(shares(crew))


def are_even(held: list[int]) -> bool:
    """On a busy machine one may come too late for its turn; left to chance it is one against ten."""
    return sum(held) == 12 and max(held) - min(held) <= 2


def shares(running: LiveServers) -> list[int]:
    """How many of twelve open connections each worker holds, when a request was answered on each."""
    with opened(running) as open_one:

        def all_serve() -> bool:  # a worker that has just begun imports for a while
            open_one()
            return all(held_by_each(running))

        wait_until(all_serve, 60)
    wait_until(lambda: not any(held_by_each(running)), 30)
    with opened(running) as open_one:
        for _ in range(12):
            open_one()
        return sorted(held_by_each(running))


@contextlib.contextmanager
def opened(running: LiveServers) -> Iterator[Callable[[], None]]:
    """Call it for one more connection that was served and stays open; all end with the block."""
    with contextlib.ExitStack() as connections:

        def open_one() -> None:
            connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
            connections.callback(connection.close)
            connection.request("GET", "/healthz")
            assert connection.getresponse().read()

        yield open_one


def held_by_each(running: LiveServers) -> list[int]:
    """Of every worker: the connections that it holds open."""
    return [
        sum(
            each.status == psutil.CONN_ESTABLISHED and each.laddr.port == running.port
            for each in worker.net_connections("tcp")
        )
        for worker in workers(running)
    ]


def test_what_one_worker_changes_holds_in_all_a_moment_later(crew: LiveServers, town: World) -> None:
    """A company's name, kept by each worker for itself; a sign-in; and a company that is stopped."""
    host = f"anna.localhost:{crew.port}"

    def titles(number: int) -> set[tuple[int, bool]]:
        with ThreadPoolExecutor(6) as threads:
            return set(threads.map(lambda _: _page(crew, host), range(number)))

    assert titles(30) == {(200, False)}
    with town.app.app_context(), platform_scope("test"), transaction():
        tenancy_service.suspend(tenancy.tenant_for_update(town.anna.id), reason="test")
    time.sleep(HEARD_SECONDS)
    assert titles(30) == {(503, False)}
    with town.app.app_context(), platform_scope("test"), transaction():
        tenancy_service.resume(tenancy.tenant_for_update(town.anna.id))
    time.sleep(HEARD_SECONDS)
    assert titles(30) == {(200, False)}


def _page(running: LiveServers, host: str) -> tuple[int, bool]:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
    try:
        connection.request("GET", "/login/", headers={"Host": host})
        answer = connection.getresponse()
        return answer.status, "Traceback" in answer.read().decode()
    finally:
        connection.close()


# -- A new version, while people are there -----------------------------------------------------------------------------


def test_whoever_connects_while_it_is_started_anew_waits(clones: Clones, tmp_path: Path) -> None:
    """The port is systemd's, as with deploy/systemd/wemaster@serve.socket: nobody is turned away meanwhile."""
    with (
        live_servers(clones.make("handover"), tmp_path, names=()) as running,
        socket.create_server(("127.0.0.1", running.port), backlog=512) as listening,
    ):
        statuses: list[int] = []
        stop = threading.Event()

        def visit() -> None:
            while not stop.is_set():
                connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=120)
                connection.request("GET", "/healthz", headers={"Connection": "close"})
                statuses.append(connection.getresponse().status)
                connection.close()
                time.sleep(0.02)

        serve = _activated(running, listening)
        running.processes["serve"] = serve
        running.wait_until_ready()
        with ThreadPoolExecutor(3) as threads:
            visits = [threads.submit(visit) for _ in range(3)]
            wait_until(lambda: len(statuses) > 20, 60)
            serve.send_signal(signal.SIGTERM)
            assert serve.wait(60) == 0
            running.processes["serve"] = _activated(running, listening)
            running.wait_until_ready()
            seen = len(statuses)
            wait_until(lambda: len(statuses) > seen + 20, 60)
            stop.set()
            for visitor in visits:
                visitor.result(60)  # raises what it met: refused, reset, cut off
        assert set(statuses) == {200}


ACTIVATE = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
os.execv(sys.executable, [sys.executable, "run.py", "serve"])
"""


def _activated(running: LiveServers, listening: socket.socket) -> subprocess.Popen[bytes]:
    """Started as systemd starts it: the port is descriptor 3, and the process's own number stands beside it."""
    number = listening.fileno()
    with running.log_file("serve").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", ACTIVATE, str(number)],
            cwd=ROOT, env={**os.environ, **running.environment}, pass_fds=[number],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
