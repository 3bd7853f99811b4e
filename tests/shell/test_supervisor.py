"""`run.py demo` as a person meets it: ready, robust, and gone when it is told to go."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.shell import supervisor
from app.shell.supervisor import Demo
from config import Settings
from tests.support.databases import ROOT
from tests.support.servers import free_port

PATIENCE = 240.0
PROCESSES = {"serve", "dispatcher", "worker", "scheduler"}


class RunningDemo:
    """A `run.py demo` in a process of its own, and everything that belongs to its VAR_DIR."""

    def __init__(self, var_dir: Path, port: int) -> None:
        self.var_dir, self.port = var_dir, port
        self.output = var_dir / "terminal"
        var_dir.mkdir(parents=True, exist_ok=True)
        unwanted = {"DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENVIRONMENT"}
        environment = {name: value for name, value in os.environ.items() if name not in unwanted}
        environment |= {"VAR_DIR": str(var_dir), "PORT": str(port), "WORLD": "tiny"}
        with self.output.open("wb") as terminal:
            self.process = subprocess.Popen(
                [sys.executable, "run.py", "demo"],
                cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=terminal, stderr=terminal,
            )  # fmt: skip

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def wait_until(self, what: str, true: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < deadline, f"not {what} after {PATIENCE} s:\n{self.said()}"
            time.sleep(0.1)

    def wait_until_ready(self) -> None:
        self.wait_until("ready", lambda: "is ready" in self.said() or self.process.poll() is not None)
        assert self.process.poll() is None, self.said()

    def child(self, name: str) -> psutil.Process | None:
        """The process `run.py <name>` that the supervisor itself started."""
        for process in psutil.Process(self.process.pid).children():
            try:
                command = process.cmdline()
                # gunicorn gives itself a title where setproctitle is installed, which a tool of ours brings.
                is_web = name == "serve" and command[0].startswith("gunicorn: master")
                if is_web or command[1:] == ["run.py", name]:
                    return process
            except psutil.Error:
                continue
        return None

    def belongings(self) -> list[psutil.Process]:
        """Every live process that works in or for our VAR_DIR."""
        found, place = [], str(self.var_dir)
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if process.environ().get("VAR_DIR") == place or process.cwd().startswith(place):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def status(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", path, headers={"Host": f"localhost:{self.port}"})
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()


@pytest.fixture(scope="module")
def var_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "var"


@pytest.fixture
def demo(var_dir: Path) -> Iterator[RunningDemo]:
    """The demo, ready. The tests of this file start it one after the other on the same VAR_DIR."""
    running = RunningDemo(var_dir, free_port())
    try:
        running.wait_until_ready()
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
        running.process.wait()
        running.wait_until("all gone", lambda: not running.belongings())


def test_ready_then_mended_then_killed(demo: RunningDemo) -> None:
    said = demo.said()
    assert f"http://localhost:{demo.port}/" in said
    assert "operator@wemaster.test" in said
    assert "demo-operator" in said
    assert "has ended" not in said, said
    assert {name for name in PROCESSES if demo.child(name)} == PROCESSES, demo.said()
    assert (demo.status("/healthz"), demo.status("/readyz"), demo.status("/login/")) == (200, 200, 200)

    # A second one refuses: by the port, and on another port by the place.
    again = _run_demo(demo.var_dir, demo.port)
    assert again.returncode == 1
    assert f"Port {demo.port} is taken by this checkout's own demo. Choose another: PORT=" in again.stderr
    again = _run_demo(demo.var_dir, free_port())
    assert again.returncode == 1
    assert "runs in" in again.stderr
    assert "already" in again.stderr

    # A dead process and a dead server come back by themselves.
    before = demo.child("dispatcher")
    assert before is not None
    before.kill()
    demo.wait_until("mended", lambda: "[dispatcher] has ended: signal SIGKILL" in demo.said())
    demo.wait_until("restarted", lambda: demo.child("dispatcher") not in (None, before))
    postmaster = int((demo.var_dir / "postgres" / "postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    demo.wait_until("revived", lambda: "postgres ended; starting again" in demo.said())
    demo.wait_until("ready again", lambda: demo.status("/readyz") == 200)

    # No orphan is left, whatever happens to the supervisor.
    assert len(demo.belongings()) >= len(PROCESSES) + 3
    demo.process.kill()
    demo.process.wait()
    demo.wait_until("all gone", lambda: not demo.belongings())


def test_started_again_then_stopped_by_an_impatient_person(demo: RunningDemo) -> None:
    assert (demo.status("/readyz"), demo.status("/login/")) == (200, 200)
    demo.process.send_signal(signal.SIGINT)
    time.sleep(0.1)
    demo.process.send_signal(signal.SIGINT)
    assert demo.process.wait(PATIENCE) == 0, demo.said()
    assert demo.belongings() == []
    assert demo.said().rstrip().endswith("Stopped.")
    assert not (demo.var_dir / "postgres" / "postmaster.pid").exists(), "PostgreSQL was not stopped cleanly"


def _run_demo(var_dir: Path, port: int, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "run.py", "demo"],
        cwd=ROOT, env={**os.environ, "VAR_DIR": str(var_dir), "PORT": str(port), **environment},
        capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip


def test_a_taken_port_is_said_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _run_demo(tmp_path / "var", port)
    assert done.returncode == 1
    line = done.stderr.strip()
    assert line.startswith(f"Port {port} is taken. Choose another: PORT=")
    assert line.endswith(" make demo")
    assert not (tmp_path / "var").exists()


def test_the_demo_holds_its_sockets_where_its_pages_are(tmp_path: Path) -> None:
    settings = Settings(VAR_DIR=tmp_path, WEB_SOCKETS="apart")
    assert Demo(settings, verbose=False)._environment({})["WEB_SOCKETS"] == "serve"


def test_the_demo_refuses_production(tmp_path: Path) -> None:
    production = {
        "ENVIRONMENT": "production",
        "SECRET_KEY": "x" * 40,
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "BASE_DOMAIN": "example.org",
        "PUBLIC_SCHEME": "https",
        "MAIL_PROVIDER": "smtp",
        "PAYMENT_PROVIDER": "stripe",
        "STRIPE_SECRET_KEY": "sk_live_x",
        "STRIPE_PUBLISHABLE_KEY": "pk_live_x",
        "STRIPE_WEBHOOK_SECRET": "whsec_x",
    }
    done = _run_demo(tmp_path / "var", free_port(), **production)
    assert (done.returncode, "not with ENVIRONMENT=production" in done.stderr) == (1, True)
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ({"level": "info", "event": "request"}, None),
        ({"level": "debug", "event": "request"}, None),
        ({"level": "warning", "event": "slow", "seconds": 3, "timestamp": "now"}, "warning: slow seconds=3"),
        (
            {"level": "error", "event": "lost", "exception": "Traceback\n  boom"},
            "error: lost\nTraceback\n  boom",
        ),
        ("Segmentation fault", "Segmentation fault"),
        ("", None),
        ("17", "17"),
        ("[1]", "[1]"),
    ],
)
def test_only_warnings_and_strange_lines_reach_the_terminal(
    line: str | dict[str, object], shown: str | None
) -> None:
    assert supervisor.worth_showing(line if isinstance(line, str) else json.dumps(line)) == shown


def test_a_child_that_keeps_dying_is_started_with_growing_pauses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = supervisor.Child("no-such-command", tmp_path / "child.log", {})
    now = [1000.0]
    monkeypatch.setattr(supervisor.time, "monotonic", lambda: now[0])
    pauses = []
    for _ in range(3):
        child.start()
        assert child.process is not None
        child.process.wait(PATIENCE)
        child.watch()
        assert child.start_again_at is not None
        pauses.append(child.start_again_at - now[0])
        child.watch()  # not due yet
        assert child.start_again_at is not None
        now[0] = child.start_again_at
    assert (pauses, child.ends) == ([0.5, 1.0, 2.0], 3)
    assert child.reader is not None
    child.reader.join()
    assert "No such command 'no-such-command'" in (tmp_path / "child.log").read_text()
