"""The web process as clients meet it: addresses, limits, and an end that lets requests finish."""

from __future__ import annotations

import contextlib
import http.client
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.shell.server import hosts
from tests.support.databases import Clones
from tests.support.outbox import wait_until
from tests.support.servers import LiveServers, live_servers


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
    with contextlib.suppress(ConnectionRefusedError):
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
