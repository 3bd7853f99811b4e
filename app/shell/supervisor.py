"""`python run.py demo`: everything at once on one machine, and nothing left behind.

It starts the embedded servers, migrates, seeds, runs every process as a child, starts again what dies, and
stops all of it on Ctrl-C. The kernel ends the children of one that is killed (see `processes.spawn`).
"""

from __future__ import annotations

import contextlib
import fcntl
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.shell import embedded, migrations
from app.shell.local import UNFINISHED_WORLD, complete
from app.shell.processes import spawn
from app.shell.server import hosts
from config import Settings

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = ("serve", "dispatcher", "worker", "scheduler")
SIMULATOR = "simulator"
PATIENCE_SECONDS = 10.0
READY_SECONDS = 180.0
STEADY_SECONDS = 60.0  # a child that ran this long has earned a quick restart again
LONGEST_PAUSE_SECONDS = 30.0
LONGEST_LOG_BYTES = 10_000_000
QUIET_LEVELS = ("debug", "info", "notset")
UNSAID = ("timestamp", "logger")


class Stopped(Exception):
    """Ctrl-C or SIGTERM came while something was being started."""


class DemoError(Exception):
    """The demo cannot run; the message is for the person at the terminal."""


def run_demo(settings: Settings, *, verbose: bool = False) -> int:
    """Run the demo until Ctrl-C or SIGTERM; returns the exit code. `verbose` shows all that is logged."""
    try:
        if settings.ENVIRONMENT == "production":
            raise DemoError("`demo` fills a database with invented people: not with ENVIRONMENT=production.")
        _check_port(settings)
        with _only_one(settings):
            return Demo(settings, verbose=verbose).run()
    except (DemoError, embedded.EmbeddedServerError) as error:
        say(str(error), stream=sys.stderr)
        return 1
    except Stopped:
        return 130


def say(text: str, stream: object = None) -> None:
    """One line to the terminal; a closed terminal is no reason to fail."""
    with contextlib.suppress(OSError, ValueError):
        print(text, file=stream or sys.stdout, flush=True)  # type: ignore[arg-type]


# -- Before anything starts --------------------------------------------------------------------------------


def _check_port(settings: Settings) -> None:
    if _is_free(settings.PORT, settings.BIND):
        return
    others = range(settings.PORT + 1, settings.PORT + 100)
    other = next((port for port in others if _is_free(port, settings.BIND)), 0)
    ours = " by this checkout's own demo" if _is_locked(settings.VAR_DIR / "demo.lock") else ""
    raise DemoError(f"Port {settings.PORT} is taken{ours}. Choose another: PORT={other} make demo")


def _free_port_from(first: int, settings: Settings) -> int:
    """`first`, or the next port that nobody has: two demos on one machine have two simulators."""
    others = (port for port in range(first, first + 100) if port != settings.PORT)
    return next((port for port in others if _is_free(port, settings.BIND)), first)


def _is_free(port: int, bind: str) -> bool:
    for host in hosts(bind):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as gunicorn does
            try:
                probe.bind((host, port))
            except OSError:
                return False
    return True


def _is_locked(file: Path) -> bool:
    try:
        with file.open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


@contextlib.contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Two demos on one VAR_DIR would stop each other's servers."""
    try:
        settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
        lock = (settings.VAR_DIR / "demo.lock").open("w")
    except OSError as error:
        raise DemoError(f"{error.filename}: {error.strerror}") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            advice = "Stop it, or choose another place: VAR_DIR=... make demo"
            raise DemoError(f"A demo runs in {settings.VAR_DIR} already. {advice}") from None
        yield


# -- A child process ---------------------------------------------------------------------------------------


@dataclass
class Child:
    """One process, started again when it dies, with a pause that doubles."""

    name: str
    log: Path
    environment: dict[str, str]
    verbose: bool = False
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_again_at: float | None = None
    pause: float = 0.5
    ends: int = 0
    reader: threading.Thread | None = field(default=None, repr=False)

    def start(self) -> None:
        self.started_at, self.start_again_at = time.monotonic(), None
        command = [sys.executable, "run.py", self.name]
        # From the main thread, always: the kernel ties a child's life to the thread that started it.
        self.process = spawn(command, log=subprocess.PIPE, extra_environment=self.environment, directory=ROOT)
        self.reader = threading.Thread(target=self._read, args=(self.process,), daemon=True)
        self.reader.start()

    def watch(self) -> None:
        """See whether it still runs; plan its restart, or restart it when that is due."""
        now = time.monotonic()
        if self.start_again_at is not None:
            if now >= self.start_again_at:
                self.start()
            return
        assert self.process is not None
        code = self.process.poll()
        if code is None:
            return
        end_group(self.process)  # gunicorn's worker or a worker's horse may be left of it
        self.ends += 1
        if now - self.started_at > STEADY_SECONDS:
            self.pause = 0.5
        how = f"{_exit_text(code)}; it starts again in {self.pause:g} s"
        say(f"[{self.name}] has ended: {how}. Log: {self.log}")
        self.start_again_at = now + self.pause
        self.pause = min(self.pause * 2, LONGEST_PAUSE_SECONDS)

    def _read(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        with contextlib.suppress(OSError, ValueError), self.log.open("ab") as log, process.stdout as output:
            for line in output:
                log.write(line)
                log.flush()
                text = line.decode(errors="replace").rstrip()
                if shown := text if self.verbose else worth_showing(text):
                    say(f"[{self.name}] {shown}")


def worth_showing(line: str) -> str | None:
    """What of a child's line belongs on the terminal: warnings, errors, and what is no log line at all."""
    try:
        entry = json.loads(line)
        level = str(entry.pop("level"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return line or None
    if level in QUIET_LEVELS:
        return None
    event, exception = entry.pop("event", ""), entry.pop("exception", "")
    rest = " ".join(f"{key}={value}" for key, value in entry.items() if key not in UNSAID)
    return "\n".join(filter(None, [" ".join(filter(None, [f"{level}: {event}", rest])), str(exception)]))


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of a child and of its own children (they share its session)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _exit_text(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


# -- The demo ----------------------------------------------------------------------------------------------


class Demo:
    """The servers and children of one run."""

    def __init__(self, settings: Settings, *, verbose: bool) -> None:
        self.settings, self.verbose = settings, verbose
        self.servers: embedded.Servers | None = None
        self.children: list[Child] = []
        self.steps: list[subprocess.Popen[bytes]] = []
        self.stops = 0
        self.begun = time.monotonic()

    def run(self) -> int:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)
        try:
            logins = self._start()
            self._announce(logins)
            while not self.stops:
                time.sleep(0.2)
                self._watch()
            return 0
        finally:
            self._stop()

    def _on_signal(self, _number: int, _frame: object) -> None:
        self.stops += 1
        if self.stops == 2:
            say("Still stopping; the processes are ended now, the servers close their files.")

    def _start(self) -> str:
        say("Starting PostgreSQL and Valkey ...")
        completed, self.servers = complete(self.settings)
        environment = self._environment(completed)
        is_new = self._migrate(environment) or (self.settings.VAR_DIR / UNFINISHED_WORLD).exists()
        seed = self._step("seed", environment)
        if is_new:
            # Alone: the others would do today what is to be done in the past.
            say("Living three months of three companies ...")
            self._finish(seed, "seed")
        # All at once: where there is nothing left to live, importing the application is most of the work.
        say("Starting the processes ...")
        for name in (*PROCESSES, *([SIMULATOR] if self.settings.PAYMENT_PROVIDER == "mock" else [])):
            child = Child(name, self._log(name), environment, verbose=self.verbose)
            self.children.append(child)
            child.start()
        logins = self._finish(seed, "seed")
        self._wait("the web process", self._answers)
        return logins

    def _environment(self, completed: dict[str, str]) -> dict[str, str]:
        return {
            "ENVIRONMENT": self.settings.ENVIRONMENT,
            "SECRET_KEY": self.settings.SECRET_KEY,
            "PORT": str(self.settings.PORT),
            "VAR_DIR": str(self.settings.VAR_DIR.resolve()),
            "DATABASE_URL": self.settings.DATABASE_URL,
            "MIGRATION_DATABASE_URL": self.settings.MIGRATION_DATABASE_URL,
            "REDIS_URL": self.settings.REDIS_URL,
            "SIMULATOR_PORT": str(_free_port_from(self.settings.SIMULATOR_PORT, self.settings)),
            **completed,
            "WEB_SOCKETS": "serve",  # apart, they would need a proxy that puts both at one address
            "LOG_FORMAT": "json",
            "PYTHONUNBUFFERED": "1",
        }

    def _migrate(self, environment: dict[str, str]) -> bool:
        """Whether there was anything to migrate: then the world may be missing, too."""
        if migrations.current(environment["DATABASE_URL"]) == migrations.head():
            return False
        if not environment["MIGRATION_DATABASE_URL"]:
            raise DemoError(
                "The database is not at the newest version. Set MIGRATION_DATABASE_URL to its owner's URL,"
                " or run the statements that `python run.py migrate` prints."
            )
        say("Migrating the database ...")
        self._finish(self._step("migrate", environment), "migrate")
        return True

    # Steps: commands that end by themselves

    def _step(self, name: str, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        log = self._log(name)
        log.unlink(missing_ok=True)
        command = [sys.executable, "run.py", name]
        process = spawn(command, log=log, extra_environment=environment, directory=ROOT)
        self.steps.append(process)
        return process

    def _finish(self, process: subprocess.Popen[bytes], name: str) -> str:
        """Wait for a step; returns what it said. Raises DemoError with its last words if it failed."""
        self._wait(f"`{name}`", lambda: process.poll() is not None, limit=None, news=lambda: self._said(name))
        said = self._log(name).read_text(errors="replace").strip()
        if process.returncode != 0:
            last = "\n".join(said.splitlines()[-15:])
            raise DemoError(f"`run.py {name}` failed ({_exit_text(process.returncode)}):\n{last}")
        return said

    def _said(self, name: str) -> str:
        """The last thing that a step said to people, while it is at work: its result is after a gap."""
        lines = self._log(name).read_text(errors="replace").partition("\n\n")[0].splitlines()
        return next((line for line in reversed(lines) if line and line[0] != "{"), "")

    def _wait(
        self,
        what: str,
        done: Callable[[], bool],
        limit: float | None = READY_SECONDS,
        news: Callable[[], str] = lambda: "",
    ) -> None:
        begun = said = time.monotonic()
        while not done():
            if self.stops:
                raise Stopped
            now = time.monotonic()
            if limit is not None and now - begun > limit:
                raise DemoError(
                    f"{what} is not ready after {limit:.0f} s; see {self.settings.VAR_DIR / 'log'}"
                )
            if now - said > 2:
                said = now
                say(f"  {news() or f'waiting for {what}'} ({now - begun:.0f} s)")
            time.sleep(0.05)
            self._watch()
            for child in self.children:
                if child.ends >= 3:
                    raise DemoError(f"{child.name} does not start; see {child.log}")

    def _answers(self) -> bool:
        connection = http.client.HTTPConnection(hosts(self.settings.BIND)[0], self.settings.PORT, timeout=2)
        host = f"{self.settings.BASE_DOMAIN}:{self.settings.PORT}"
        try:
            connection.request("GET", "/readyz", headers={"Host": host})
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _watch(self) -> None:
        for child in self.children:
            child.watch()
        if self.servers is not None and (dead := self.servers.dead()):
            say(f"{' and '.join(dead)} ended; starting again. Log: {self.settings.VAR_DIR / 'log'}")
            self.servers.revive()

    def _announce(self, logins: str) -> None:
        seconds = time.monotonic() - self.begun
        url, logs = self.settings.url_of(self.settings.BASE_DOMAIN), self.settings.VAR_DIR / "log"
        lines = ["", f"WeMaster is ready after {seconds:.1f} s: {url}", ""]
        lines += [f"  {line}" for line in logins.rpartition("\n\n")[2].splitlines() if line[:1] != "{"]
        lines += ["", f"What to try, test cards, where mails land: {url}tour/", ""]
        lines += [f"Logs lie in {logs}. Ctrl-C stops everything and loses nothing.", ""]
        say("\n".join(lines))

    def _log(self, name: str) -> Path:
        log = self.settings.VAR_DIR.resolve() / "log" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileNotFoundError):
            if log.stat().st_size > LONGEST_LOG_BYTES:
                log.replace(log.with_suffix(".log.1"))
        return log

    # The end

    def _stop(self) -> None:
        """Ask every process to end, then insist; the servers go last: nothing loses its database at work."""
        running = [child.process for child in self.children if child.process is not None] + self.steps
        if running:
            say("Stopping ...")
        for process in running:
            if process.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
        deadline = time.monotonic() + PATIENCE_SECONDS
        asked = self.stops
        while any(process.poll() is None for process in running) and time.monotonic() < deadline:
            if self.stops > max(asked, 1):
                break
            time.sleep(0.05)
        for process in running:
            end_group(process)
        if self.servers is not None:
            self.servers.stop()
        for child in self.children:
            if child.reader is not None:
                child.reader.join(2)
        if running:
            say("Stopped.")
