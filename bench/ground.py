"""The ground of all measuring: servers of its own, a database full of companies, and our processes on it."""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from flask import Flask, session
from flask_wtf.csrf import generate_csrf
from sqlalchemy import Engine, create_engine, text

from app.core import clock
from app.core.db import db
from app.core.rights import catalogue
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import MANAGER, OPERATOR
from app.domains.accounts.service import people
from app.domains.accounts.service.passwords import hash_password
from app.domains.tenancy import service as tenancy
from app.domains.tenancy.models import Plan
from app.shell import checks, embedded, migrations
from app.shell.cli import cli
from app.shell.factory import create_app
from app.shell.identity import SESSION_KEY
from bench.data import FIRST_PERSON, FIRST_USER, Size, add_companies, fill
from bench.measuring import Request, counted
from bench.running import Running, free_port, start
from config import Settings, load_settings

PASSWORD = "bench-password-1"  # noqa: S105 - of a database that lives for the length of the run
WEB_WORKERS = 2
DELIVERED_SECONDS = 180.0
Say = Callable[[str], None]


@dataclass(frozen=True)
class Person:
    """Somebody of the large company with a sign-in, whose cookie and token are known."""

    person_id: int
    cookie: str
    csrf: str

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        return (("Cookie", self.cookie),)


@dataclass
class Ground:
    """A filled database, the app in this process that filled it, and the processes that serve it."""

    servers: embedded.Servers
    database: str
    size: Size
    directory: Path
    settings: Settings
    app: Flask
    superuser: Engine
    tenant_id: int = 0
    house: Running | None = None
    sockets: Running | None = None
    others: list[Running] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.settings.PORT

    @property
    def host(self) -> str:
        """The large company's."""
        return f"bench.localhost:{self.port}"

    @property
    def postgres(self) -> Running:
        return Running("postgres", self.servers.own["postgres"])

    # -- Processes -----------------------------------------------------------------------------------------

    def start(self, name: str, port: int = 0, **more: object) -> Running:
        """One of `run.py`'s processes."""
        given = self.settings.model_dump(mode="json", include=set(self.settings.model_fields_set))
        given |= {"LOG_LEVEL": "INFO", "LOG_FORMAT": "json", **more}
        environment = {key: str(value) for key, value in given.items()}
        return start(name, ["run.py", name], directory=self.directory, environment=environment, port=port)

    def serve(self) -> Running:
        """The web process in its production form: HTTP workers, and a process for the sockets beside them
        where the application has one."""
        if self.house is None:
            apart = "sockets" in cli.commands
            more: dict[str, object] = {"WEB_SOCKETS": "apart"} if apart else {}
            self.house = self.start("serve", self.port, WEB_WORKERS=WEB_WORKERS, **more)
            self.house.wait_until_ready(f"localhost:{self.port}", "/readyz")
        return self.house

    def hold_sockets(self) -> Running:
        """What holds the web sockets: a process of its own, or else the web process."""
        if "sockets" not in cli.commands:
            return self.serve()
        if self.sockets is None:
            port = free_port()
            self.sockets = self.start("sockets", port, SOCKETS_PORT=port)
            self.sockets.wait_until_ready(f"localhost:{self.port}", "/socket.io/")
        return self.sockets

    def start_backstage(self) -> Sequence[Running]:
        """What finishes purchases: the payment simulator, the dispatcher and a worker. They are there, and
        idle, when this returns: a process that begins takes a core for seconds."""
        if not self.others:
            simulator = self.start("simulator", self.settings.SIMULATOR_PORT)
            simulator.wait_until_ready(f"localhost:{simulator.port}")
            self.others = [simulator, self.start("dispatcher"), self.start("worker")]
            self.wait_until_delivered()
        return self.others

    def wait_until_delivered(self) -> None:
        """Until the outbox is worked off. Raises AssertionError after minutes."""
        deadline = time.monotonic() + DELIVERED_SECONDS
        while self.rows("SELECT 1 FROM outbox WHERE status = 'due' LIMIT 1"):
            assert time.monotonic() < deadline, "the outbox is not worked off"
            time.sleep(0.05)

    def stop(self) -> None:
        for each in (*self.others, self.sockets, self.house):
            if each is not None:
                each.stop()
        self.house, self.sockets, self.others = None, None, []

    # -- People and requests -------------------------------------------------------------------------------

    def signed_in(self, place: int) -> Person:
        """The large company's n-th member, tutors first, from 1; with the session that `sign_in_all` made."""
        person_id = FIRST_PERSON + place
        return self.person(person_id, {SESSION_KEY: token_of(person_id)})

    def person(self, person_id: int, content: dict[str, str]) -> Person:
        """A browser's cookie with this session, as the application itself would sign it."""
        with self.app.test_request_context("/", base_url=f"http://{self.host}"):
            session.update(content)
            csrf = generate_csrf()
            serializer = self.app.session_interface.get_signing_serializer(self.app)  # type: ignore[attr-defined]
            value = serializer.dumps(dict(session))
        return Person(person_id, f"{self.app.config['SESSION_COOKIE_NAME']}={value}", csrf)

    def sign_in(self, email: str, host: str) -> Person:
        """Through the page, with the password."""
        client = self.app.test_client()
        base = f"http://{host}"
        page = client.get("/login/", base_url=base).text
        token = page.split('name="csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
        data = {"email": email, "password": PASSWORD, "csrf_token": token}
        assert client.post("/login/", base_url=base, data=data).status_code == 302
        name = str(self.app.config["SESSION_COOKIE_NAME"])
        cookie = client.get_cookie(name, domain=host.partition(":")[0])
        assert cookie is not None
        return Person(0, f"{name}={cookie.value}", token)

    def bearer(self, email: str) -> tuple[tuple[str, str], ...]:
        """The headers of an API client."""
        answer = self.app.test_client().post(
            "/api/v1/auth/token",
            base_url=f"http://{self.host}",
            json={"email": email, "password": PASSWORD},
        )
        assert answer.status_code == 200, answer.text
        return (("Authorization", f"Bearer {answer.json['access_token']}"),)

    def get(self, path: str, host: str = "", headers: tuple[tuple[str, str], ...] = ()) -> Request:
        return Request(host or self.host, path, headers=headers)

    def post(self, path: str, who: Person, **values: str) -> Request:
        """A form of the large company's pages."""
        body = urlencode({**values, "csrf_token": who.csrf})
        headers = (*who.headers, ("Content-Type", "application/x-www-form-urlencoded"))
        return Request(self.host, path, "POST", headers, body)

    def here(self, request: Request) -> Any:
        """The answer of the app in this process."""
        client = self.app.test_client(use_cookies=False)
        return client.open(
            request.path,
            method=request.method,
            base_url=f"http://{request.host}",
            headers=list(request.headers),
            data=request.body or None,
        )

    def statements(self, request: Request, *, warm: bool = True) -> int:
        """How many statements a request takes here; `warm` after it was answered before."""
        if warm:
            self.here(request)
            self.here(request)
        with self.app.app_context():
            engine = db.engine
        with counted(engine) as seen:
            answer = self.here(request)
        assert answer.status_code in (200, 302), f"{request.path}: {answer.status_code}"
        return len(seen)

    def just_seen(self) -> None:
        """All who are signed in were here a moment ago, as people are who click on: once in five minutes a
        request notes it, and that would be every one of those that are measured."""
        self.run("UPDATE user_session SET last_seen_at = clock_timestamp() WHERE ended_at IS NULL")

    def rows(self, statement: str, **values: object) -> list[Any]:
        """What the superuser reads."""
        with self.superuser.connect() as connection:
            return list(connection.execute(text(statement), values))

    def run(self, statement: str, **values: object) -> None:
        with self.superuser.begin() as connection:
            connection.execute(text(statement), values)

    def broken_rules(self) -> dict[str, list[str]]:
        """The rules of `run.py check` that do not hold, with what breaks them."""
        return {name: found for name, found in checks.broken_rules(self.app).items() if found}


def token_of(person_id: int) -> str:
    """The secret of the session that `sign_in_all` makes for a person."""
    return f"bench-session-of-{person_id}"


# -- Making it ---------------------------------------------------------------------------------------------


@contextlib.contextmanager
def servers(directory: Path) -> Iterator[embedded.Servers]:
    """A PostgreSQL that waits for its disk, and a Valkey, for the length of the block."""
    running = embedded.start(directory)
    try:
        yield running
    finally:
        running.stop()


@contextlib.contextmanager
def ground(
    running: embedded.Servers, name: str, size: Size, directory: Path, say: Say = lambda _: None
) -> Iterator[Ground]:
    """A database of its own, filled to `size`; the processes that were started on it end with the block."""
    started = time.monotonic()
    folder = directory / name
    folder.mkdir()
    embedded.create_database(running, name)
    migrations.upgrade(running.database_url("wm_owner", name))
    settings = load_settings(
        DATABASE_URL=running.database_url("wm_app", name),
        REDIS_URL=running.redis_database_url(1 + len(list(directory.iterdir()))),
        SECRET_KEY=secrets.token_urlsafe(48),
        PORT=free_port(),
        SIMULATOR_PORT=free_port(),
        VAR_DIR=folder,
        LOG_LEVEL="ERROR",
    )
    superuser = create_engine(running.database_url("postgres", name))
    made = Ground(running, name, size, folder, settings, create_app(settings), superuser)
    try:
        _fill(made, say)
        say(f"{name}: {size.tenants} companies, {size.lessons} lessons in {time.monotonic() - started:.0f} s")
        yield made
    finally:
        made.stop()
        with made.app.app_context():
            db.engine.dispose()
        made.app.extensions["redis"].close()
        superuser.dispose()


def _fill(made: Ground, say: Say) -> None:
    now = clock.now()
    with made.app.app_context():
        made.tenant_id = _open_companies()
    add_companies(made.superuser, made.size, now)
    fill(made.superuser, made.size, now, say)
    sign_in_all(made, now)


def _open_companies() -> int:
    """The large company with its manager, and an operator: they sign in, so the services make them."""
    with platform_scope("bench data"), transaction() as session:
        session.add(plan := Plan(code="bench", name="Bench"))
        session.flush()
        tenant = tenancy.open_tenant(tenancy.NewTenant("Bench", "bench", plan, "EUR", "Europe/Berlin", "en"))
        tenant_id = int(tenant.id)
        people.make_platform_user(
            email="operator@bench.test", full_name="Olga Operator", password=PASSWORD, role=OPERATOR
        )
    with tenant_scope(tenant_id), transaction():
        inviter = people.Inviter("bench", catalogue().of_role(MANAGER))
        invitation = people.invite(
            full_name="Zoe Manager",
            email="manager@bench.test",
            choice=people.RoleChoice(MANAGER),
            by=inviter,
        )
    with platform_scope("bench data"), transaction():
        people.accept(invitation, full_name="Zoe Manager", password=PASSWORD)
    return tenant_id


def sign_in_all(made: Ground, now: dt.datetime) -> None:
    """A session for each member of the large company: hundreds of passwords would be hashed for nothing. The
    first student has one, for the API."""
    made.run(
        """
        INSERT INTO user_session (token_hash, user_id, tenant_id, kind, created_at, last_seen_at, expires_at)
        SELECT sha256(convert_to('bench-session-of-' || person_id, 'UTF8')), user_id, tenant_id, 'web', :now,
               :now, CAST(:now AS timestamptz) + interval '1 day'
        FROM membership WHERE tenant_id = :tenant_id AND user_id >= :first_user
        """,
        now=now,
        tenant_id=made.tenant_id,
        first_user=FIRST_USER,
    )
    made.run(
        "UPDATE ab_user SET password = :password WHERE id = :user_id",
        password=hash_password(PASSWORD),
        user_id=FIRST_USER + FIRST_PERSON + made.size.large_tutors + 1,
    )
