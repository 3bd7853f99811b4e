"""Processes that are measured: what they cost, and that they end with the benchmark."""

from __future__ import annotations

import contextlib
import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.shell.processes import spawn

ROOT = Path(__file__).resolve().parents[1]
FIRST_PORT, LAST_PORT = 8600, 8699
READY_SECONDS = 90.0
MEBIBYTE = 1024 * 1024


@dataclass
class Running:
    """A process with all that it forked."""

    name: str
    process: subprocess.Popen[bytes]
    port: int = 0
    log: Path | None = None

    def cpu(self) -> float:
        """Seconds of CPU so far, of the process, its children, and the children that ended."""
        root = psutil.Process(self.process.pid)
        times = root.cpu_times()
        total = times.user + times.system + times.children_user + times.children_system
        for child in root.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                of_child = child.cpu_times()
                total += of_child.user + of_child.system
        return float(total)

    def memory(self) -> float:
        """MiB, what processes share divided among them."""
        root = psutil.Process(self.process.pid)
        total = 0
        for each in [root, *root.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                full = each.memory_full_info()
                total += getattr(full, "pss", full.rss)
        return float(total / MEBIBYTE)

    def stop(self) -> None:
        """Ask it to end; kill what has not within ten seconds."""
        if self.process.poll() is None:
            self.process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(10)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait_until_ready(self, host: str, path: str = "/") -> None:
        """Until it answers without an error. Raises RuntimeError with the end of its log."""
        deadline = time.monotonic() + READY_SECONDS
        while not self._answers(host, path):
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace")[-2000:] if self.log else ""
                raise RuntimeError(f"{self.name} does not answer on port {self.port}:\n{said}")
            time.sleep(0.05)

    def _answers(self, host: str, path: str) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", path, headers={"Host": host})
            return connection.getresponse().status < 500
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def start(
    name: str, arguments: Sequence[str], *, directory: Path, environment: Mapping[str, str], port: int = 0
) -> Running:
    """A Python program of ours; it writes its log below `directory`."""
    log = directory / f"{name}.log"
    process = spawn([sys.executable, *arguments], log=log, extra_environment=environment, directory=ROOT)
    return Running(name, process, port, log)


@contextlib.contextmanager
def ending(*running: Running) -> Iterator[None]:
    """All of them end with the block."""
    try:
        yield
    finally:
        for each in reversed(running):
            each.stop()


def free_port() -> int:
    """The next port of ours that nobody listens on, and that was not given away before."""
    while True:
        port = next(_ports)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


_ports = iter(range(FIRST_PORT, LAST_PORT + 1))


def allow_many_files() -> None:
    """As many open sockets as the machine lets this process and its children have."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
