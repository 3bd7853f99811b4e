"""The real processes on a PostgreSQL and a Valkey of their own, which a test may stop, kill and start again."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core.db import db
from app.shell import embedded
from app.shell.factory import create_app
from tests.shell.degradation.support import wait_for
from tests.shell.http_racing import Answer, Client
from tests.support.databases import TEMPLATE, Database, settings_for
from tests.support.servers import LiveServers, live_servers
from tests.support.world import make_world

PROCESSES = ("serve", "dispatcher", "worker", "scheduler")
MANAGER = "manager@anna.test"


@dataclass
class Ground:
    servers: embedded.Servers
    database: Database
    live: LiveServers
    pids: dict[str, int] = field(default_factory=dict)
    invited: int = 0
    usual: float = 0.0  # a mail's way while all is well, on this machine as busy as it is

    def client(self, email: str = MANAGER) -> Client:
        """Somebody who is signed in, with a form at hand."""
        client = Client(self.live.port)
        client.sign_in(email, "/admin/invitations/add")
        return client

    def invite(self, client: Client) -> tuple[str, Answer]:
        """A write with something that follows: a mail, by dispatcher, queue and worker."""
        self.invited += 1
        email = f"invited{self.invited}@anna.test"
        form = {"full_name": "Ida Invited", "email": email, "role": "tutor"}
        return email, client.ask("POST", "/admin/invitations/add", form)

    def invites(self, client: Client, sent: list[tuple[str, int]]) -> Callable[[], Answer]:
        """To be asked again and again, though not more often than one worker follows."""

        def invite() -> Answer:
            time.sleep(0.8)
            email, answer = self.invite(client)
            sent.append((email, answer.status))
            return answer

        return invite

    def query(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self.database.connect() as connection:
            return connection.execute(query, values).fetchall()  # type: ignore[arg-type]

    def forget_limits(self) -> None:
        """A manager may not invite as many as the tests do."""
        self.query("DELETE FROM throttle RETURNING 1")

    def has_mail(self, email: str) -> bool:
        return bool(self.query("SELECT 1 FROM mock_mail WHERE recipient = %s", email))

    def ticked_since(self, moment: Any) -> bool:
        return bool(self.query("SELECT 1 FROM schedule WHERE last_run_at > %s", moment))

    def now(self) -> Any:
        return self.query("SELECT clock_timestamp()")[0][0]

    def seconds_to_work_again(self, client: Client, most: float) -> dict[str, float]:
        """From now on: until a page is seen, a mail goes out, a schedule runs."""
        begun, moment = time.monotonic(), None
        seen: dict[str, float] = {}
        wait_for("a page", lambda: client.ask("GET", "/account/").status == 200, most)
        seen["page"] = time.monotonic() - begun
        moment = self.now()
        self.forget_limits()
        email, answer = self.invite(client)
        assert answer.status == 302, answer.text[:500]
        wait_for("the mail", lambda: self.has_mail(email), most)
        seen["mail"] = time.monotonic() - begun
        wait_for("a schedule", lambda: self.ticked_since(moment), most)
        seen["schedule"] = time.monotonic() - begun
        return seen

    def end(self, name: str, number: signal.Signals) -> None:
        """End one of the two servers; who uses it is told nothing."""
        process = self.servers.own[name]
        process.send_signal(number)
        process.wait(30)

    @contextmanager
    def hung(self, name: str) -> Iterator[None]:
        """It takes connections and answers nothing."""
        process = self.servers.own[name]
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    def assert_nobody_was_restarted(self) -> None:
        assert {name: self.live.processes[name].pid for name in PROCESSES} == self.pids
        for name in PROCESSES:
            assert self.live.processes[name].poll() is None, self.live.log(name)[-3000:]


@contextmanager
def ground(run: embedded.Servers, var_dir: Path, **settings: object) -> Iterator[Ground]:
    """On a copy of the template of this test run."""
    servers = embedded.start(var_dir / "own", durable=False)
    try:
        _copy(run, servers)
        database = Database(embedded.DATABASE, servers, 0)
        with database.connect() as admin:
            # The tests' servers promise less than one in production: what is committed must survive a crash.
            admin.execute(f"ALTER DATABASE {database.name} SET synchronous_commit = on")
        app = create_app(settings_for(database, var_dir))
        make_world(app)
        with app.app_context():
            db.engine.dispose()
        app.extensions["redis"].close()
        settings = {"TRUSTED_PROXY_HOPS": 1, **settings}
        with live_servers(database, var_dir, names=PROCESSES, **settings) as live:
            made = Ground(servers, database, live)
            made.pids = {name: live.processes[name].pid for name in PROCESSES}
            yield made
    finally:
        servers.stop()


def _copy(run: embedded.Servers, servers: embedded.Servers) -> None:
    place = ["-U", "postgres", "-p", str(embedded.PORT)]
    dump = subprocess.run(
        [embedded.postgres_program("pg_dump"), *place, "-h", str(run.socket_dir), "-d", TEMPLATE],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    subprocess.run(
        [embedded.postgres_program("psql"), *place, "-q", "-h", str(servers.socket_dir), "-d", embedded.DATABASE],
        input=dump, check=True, capture_output=True,
    )  # fmt: skip


@dataclass
class Traffic:
    """Some who ask all the time; what they were answered, and how long each waited."""

    asks: list[Callable[[], Answer]]
    statuses: Counter[int] = field(default_factory=Counter)
    longest: float = 0.0
    wrong: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Traffic:
        self._threads = [threading.Thread(target=self._run, args=(ask,)) for ask in self.asks]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, ask: Callable[[], Answer]) -> None:
        while not self._stop.is_set():
            time.sleep(0.05)
            begun = time.monotonic()
            answer = ask()
            self.longest = max(self.longest, time.monotonic() - begun)
            self.statuses[answer.status] += 1
            if answer.status not in {200, 302, 503}:
                self.wrong.append(f"{answer.status}: {answer.text[:300]}")
            if answer.status == 503 and not answer.headers.get("Retry-After"):
                self.wrong.append("503 without Retry-After")


def terminate(database: Database, role: str = "wm_app") -> int:
    """End all connections of a role; returns how many there were."""
    with database.connect() as connection:
        found = connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s", [role]
        ).fetchall()
    return len(found)
