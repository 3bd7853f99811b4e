"""The real processes, `python run.py serve` and its kin, on a clone: to be called, killed and restarted."""

from __future__ import annotations

import contextlib
import errno
import http.client
import itertools
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.shell.processes import spawn
from tests.support.databases import ROOT, Clones, Database, settings_for

ALL = ("simulator", "serve", "dispatcher", "worker", "scheduler")
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
FIRST_PORT, WORKERS = 16_000, 8  # of the ports that are ours, in as many shares
READY_SECONDS = 180.0  # on a busy machine importing alone takes its time


@dataclass
class LiveServers:
    """Running processes by name, and where to reach `main`: the web process, or the one that holds sockets."""

    database: Database
    var_dir: Path
    port: int
    environment: dict[str, str]
    main: str = "serve"
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def url(self, path: str = "/", host: str = "localhost") -> str:
        """`host` is a host name of ours: localhost for the platform, <slug>.localhost for a tenant."""
        return f"http://{host}:{self.port}{path}"

    def start(self, name: str) -> None:
        self.processes[name] = spawn(
            [sys.executable, "run.py", name],
            log=self.log_file(name), extra_environment=self.environment, directory=ROOT,
        )  # fmt: skip

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to one process; SIGKILL also ends what it forked, as a machine's power cut would."""
        process = self.processes[name]
        if number == signal.SIGKILL:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        else:
            process.send_signal(number)

    def restart(self, name: str) -> None:
        """End one process, however it is, and start it anew."""
        self.kill(name)
        self.start(name)
        if name == self.main:
            self.wait_until_ready()

    def stop(self) -> None:
        """Ask all to end; kill those that do not within ten seconds."""
        for process in self.processes.values():
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + 10
        for name, process in self.processes.items():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            self.kill(name)

    def log_file(self, name: str) -> Path:
        return self.var_dir / f"{name}.log"

    def log(self, name: str) -> str:
        return self.log_file(name).read_text(errors="replace")

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers():
            for name, process in self.processes.items():
                assert process.poll() is None, f"{name} ended:\n{self.log(name)[-4000:]}"
            late = f"{self.main} is not ready:\n{self.log(self.main)[-4000:]}"
            assert time.monotonic() < deadline, late
            time.sleep(0.05)

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/readyz", headers={"Host": f"localhost:{self.port}"})
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


@contextmanager
def live_servers(
    database: Database, var_dir: Path, names: Sequence[str] = ALL, *, main: str = "serve", **overrides: object
) -> Iterator[LiveServers]:
    """Start the named processes on this database, wait for the main one; all end with the block."""
    port, others = free_port(), {"SIMULATOR_PORT": free_port(), "PORT": free_port()}
    ports = {**others, ("PORT" if main == "serve" else "SOCKETS_PORT"): port}
    settings = settings_for(database, var_dir, LOG_FORMAT="json", **{**ports, **overrides})
    given = settings.model_dump(mode="json", include=set(settings.model_fields_set))
    environment = {name: str(value) for name, value in given.items()}
    live = LiveServers(database, var_dir, port, environment, main)
    try:
        for name in names:
            live.start(name)
        if main in names:
            live.wait_until_ready()
        yield live
    finally:
        live.stop()


def _ports() -> Iterator[int]:
    """This worker's ports, from anywhere, round and round: never one that the kernel gives to a connection."""
    of_kernel = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % WORKERS
    width = (of_kernel - FIRST_PORT) // WORKERS
    first = FIRST_PORT + worker * width
    start = random.randrange(width)  # two runs on one machine must not meet
    return itertools.cycle(first + (start + number) % width for number in range(width))


_next_ports = _ports()


def free_port() -> int:
    """A port that nobody listens on now, on either loopback address, and that nobody else here is given."""
    return next(port for port in _next_ports if all(_is_free(family, port) for family in LOOPBACK))


def _is_free(family: socket.AddressFamily, port: int) -> bool:
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((LOOPBACK[family], port))
    except OSError as error:
        return error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}  # a machine without ::1
    return True


@pytest.fixture(scope="session")
def live(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServers]:
    """All processes on one clone, shared by the tests of this worker: each makes a tenant of its own."""
    with live_servers(clones.make("live"), tmp_path_factory.mktemp("live")) as running:
        yield running
