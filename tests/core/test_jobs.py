"""RQ as it really runs: a dispatcher and a forking worker as processes, a mail relay that comes and goes."""

from __future__ import annotations

import json
import os
import pickle
import signal
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
import redis
from flask import Flask
from rq import Queue
from rq.serializers import JSONSerializer

from app.core import dispatcher, jobs
from app.core.db import db
from app.shell.factory import create_app
from tests.providers.mail.relay import Relay, RelayServer
from tests.support.databases import Clones, settings_for
from tests.support.outbox import Called, Post, wait_until
from tests.support.servers import LiveServers, free_port, live_servers
from tests.support.world import Company, World, make_world

LEASE_SECONDS = 3
PATIENCE_SECONDS = 30


@dataclass
class Site:
    """A dispatcher and a worker at work, and an app on the same database whose pages a test uses."""

    live: LiveServers
    world: World
    connection: psycopg.Connection[Any]
    redis: redis.Redis

    def invite(self, company: Company, email: str) -> None:
        answer = self.world.manager(company).post(
            "/admin/invitations/add", full_name="Ida Invited", email=email, role="tutor"
        )
        assert answer.status_code == 302, answer.text

    def row(self, email: str) -> tuple[Any, ...]:
        """Of the delivery that invites this address: status, attempts, error; the invitation's `sent_at`."""
        found = self.connection.execute(
            "SELECT o.status, o.attempts, o.last_error, i.sent_at FROM outbox o JOIN invitation i"
            " ON i.id = (o.payload ->> 'invitation_id')::bigint WHERE i.email = %s",
            [email],
        ).fetchall()
        assert len(found) == 1
        return tuple(found[0])

    def wait_delivered(self, email: str) -> None:
        wait_until(lambda: self.row(email)[0] == "delivered", PATIENCE_SECONDS)

    def mails(self, email: str) -> list[tuple[Any, ...]]:
        query = "SELECT tenant_id, copies, subject, text, message_id FROM mock_mail WHERE recipient = %s"
        return self.connection.execute(query, [email]).fetchall()


@contextmanager
def at_work(clones: Clones, var_dir: Path, **overrides: Any) -> Iterator[Site]:
    database = clones.make("jobs")
    overrides = {"OUTBOX_LEASE_SECONDS": LEASE_SECONDS, "LOG_LEVEL": "ERROR", **overrides}
    with (
        live_servers(database, var_dir, names=("dispatcher", "worker"), **overrides) as live,
        database.connect() as connection,
        closing(redis.Redis.from_url(database.redis_url)) as client,
    ):
        app = create_app(settings_for(database, var_dir, PORT=live.port, **overrides))
        yield Site(live, make_world(app), connection, client)
        with app.app_context():
            db.engine.dispose()
        app.extensions["redis"].close()


@pytest.fixture(scope="module")
def site(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with at_work(clones, tmp_path_factory.mktemp("jobs")) as made:
        yield made


# -- with the mock provider --------------------------------------------------------------------------------


def test_a_mail_goes_all_the_way_and_each_in_its_tenants_scope(site: Site) -> None:
    world = site.world
    for company in (world.anna, world.bert):
        site.invite(company, f"tutor2@{company.slug}.test")
    platform = world.browser("localhost:8000").post("/forgot/", email="operator@wemaster.test")
    assert platform.status_code == 200
    for company in (world.anna, world.bert):
        email = f"tutor2@{company.slug}.test"
        site.wait_delivered(email)
        status, attempts, error, sent_at = site.row(email)
        assert (status, attempts, error) == ("delivered", 1, None)
        assert sent_at is not None
        ((tenant_id, copies, subject, body, message_id),) = site.mails(email)
        assert (tenant_id, copies) == (company.id, 1)
        assert f"{company.slug.capitalize()} Tutors" in subject
        assert f"http://{company.slug}.localhost:{site.live.port}/invitation/" in body
        assert message_id
    wait_until(lambda: len(site.mails("operator@wemaster.test")) == 1, PATIENCE_SECONDS)
    ((tenant_id, *_rest),) = site.mails("operator@wemaster.test")
    assert tenant_id is None


def test_a_provider_that_is_away_is_tried_again_and_a_refusal_is_not(site: Site) -> None:
    site.invite(site.world.anna, "someone@down.test")
    site.invite(site.world.anna, "nobody@refused.test")
    site.invite(site.world.anna, "else@anna.test")
    site.wait_delivered("else@anna.test")
    wait_until(lambda: site.row("nobody@refused.test")[0] == "dead", PATIENCE_SECONDS)
    wait_until(lambda: site.row("someone@down.test")[1] >= 2, PATIENCE_SECONDS)
    status, attempts, error, sent_at = site.row("nobody@refused.test")
    assert (attempts, sent_at) == (1, None)
    assert "550" in error
    status, _attempts, error, sent_at = site.row("someone@down.test")
    assert (status, sent_at) == ("due", None)
    assert "the mock is away" in error


def test_no_queue_starves_another(site: Site) -> None:
    """Rounds of schedules that take longer than the pause between two of them keep their queue full for good."""
    ticks = Queue("default", connection=site.redis, serializer=JSONSerializer)
    for _ in range(150):
        ticks.enqueue_call("app.core.tasks.tick", result_ttl=0, failure_ttl=0)
    site.invite(site.world.anna, "patient@anna.test")
    try:
        site.wait_delivered("patient@anna.test")
        assert len(ticks) > 0, "the mail did not wait for all of them"
    finally:
        ticks.empty()


class Bomb:
    """What an intruder in Redis would plant: unpickling it runs a command."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.file}",)


@pytest.mark.parametrize("packed", [True, False])
def test_a_pickle_planted_in_redis_is_not_run_and_stops_nobody(
    site: Site, tmp_path: Path, packed: bool
) -> None:
    target = tmp_path / "hit"
    data = pickle.dumps(("app.core.tasks.tick", None, (Bomb(target),), {}))
    name = f"planted-{packed}"
    fields = {
        "data": zlib.compress(data) if packed else data,
        "origin": "mail",
        "status": "queued",
        "created_at": "2026-01-01T00:00:00.000000Z",
        "timeout": "60",
        "description": "planted",
    }
    site.redis.hset(f"rq:job:{name}", mapping=fields)
    site.redis.rpush("rq:queue:mail", name)
    wait_until(lambda: site.redis.llen("rq:queue:mail") == 0, PATIENCE_SECONDS)
    email = f"after-{packed}@anna.test".lower()
    site.invite(site.world.anna, email)
    wait_until(_reviving(site, lambda: site.row(email)[0] == "delivered"), PATIENCE_SECONDS)
    assert not target.exists()
    pickle.loads(data)  # noqa: S301 - the bomb itself is live
    assert target.exists()


def _reviving(site: Site, until: Callable[[], bool]) -> Callable[[], bool]:
    """Starts the worker again where it has ended, as a supervisor does."""

    def look() -> bool:
        if site.live.processes["worker"].poll() is not None:
            site.live.start("worker")
        return until()

    return look


# -- what lies in Redis ------------------------------------------------------------------------------------


def test_redis_holds_json_and_ids_only(post: Post, app: Flask) -> None:
    post.send(1, kind=Called)
    dispatcher.run_once()
    jobs.enqueue_tick()
    client: redis.Redis = app.extensions["redis"]
    ((row_id,),) = post.connection.execute("SELECT id FROM outbox").fetchall()
    raw = client.hgetall(f"rq:job:delivery-{row_id}-0")
    packed = zlib.decompress(raw[b"data"])
    assert json.loads(packed) == ["app.core.tasks.deliver", None, [row_id, 0], {}]
    for key in client.keys("rq:job:*"):
        for field, value in client.hgetall(key).items():
            plain = zlib.decompress(value) if value[:1] == b"\x78" else value
            assert not plain.startswith(b"\x80"), f"{key!r} {field!r} is a pickle"
            plain.decode()


# -- with SMTP ---------------------------------------------------------------------------------------------


@contextmanager
def relay_at(port: int, relay: Relay) -> Iterator[Relay]:
    server = RelayServer(relay)
    server.port = port
    server.start()
    try:
        yield relay
    finally:
        server.stop()


@pytest.fixture(scope="module")
def smtp(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, int]]:
    port = free_port()
    smtp = {"MAIL_PROVIDER": "smtp", "SMTP_HOST": "127.0.0.1", "SMTP_PORT": port, "SMTP_SECURITY": "none"}
    with at_work(clones, tmp_path_factory.mktemp("smtp"), **smtp) as site:
        yield site, port


def test_a_relay_that_was_down_gets_the_mail_when_it_is_back(smtp: tuple[Site, int]) -> None:
    site, port = smtp
    site.invite(site.world.anna, "late@anna.test")
    wait_until(lambda: site.row("late@anna.test")[1] >= 1, PATIENCE_SECONDS)
    wait_until(lambda: site.row("late@anna.test")[2] is not None, PATIENCE_SECONDS)
    status, _attempts, error, _sent_at = site.row("late@anna.test")
    assert status == "due"
    assert "ProviderUnavailable" in error
    with relay_at(port, Relay()) as relay:
        site.wait_delivered("late@anna.test")
    assert [to for to, _content in relay.kept] == ["late@anna.test"]
    assert site.row("late@anna.test")[3] is not None


def test_sigterm_lets_the_job_at_work_end(smtp: tuple[Site, int]) -> None:
    site, port = smtp
    with relay_at(port, Relay(lag=1.5)) as relay:
        site.invite(site.world.anna, "calm@anna.test")
        wait_until(lambda: relay.open == 1, PATIENCE_SECONDS)
        site.live.kill("worker", signal.SIGTERM)
        assert site.live.processes["worker"].wait(20) == 0
        assert site.row("calm@anna.test")[:2] == ("delivered", 1)
        assert len(relay.kept) == 1
    site.live.start("worker")


@pytest.mark.parametrize("who", ["horse", "worker and horse"])
def test_a_killed_worker_sends_the_same_mail_again(smtp: tuple[Site, int], who: str) -> None:
    """The relay had the mail already: a repeat carries the same Message-ID, by which receivers know it."""
    site, port = smtp
    email = f"{who.replace(' ', '-')}@anna.test"
    with relay_at(port, Relay(plan=[{"KEPT": "hang"}])) as relay:
        site.invite(site.world.anna, email)
        wait_until(lambda: len(relay.kept) == 1, PATIENCE_SECONDS)
        killed = time.monotonic()
        horses = psutil.Process(site.live.processes["worker"].pid).children()
        if who != "horse":
            site.live.kill("worker")
        for horse in horses:
            horse.kill()
        if who != "horse":
            site.live.start("worker")
        site.wait_delivered(email)
        assert time.monotonic() - killed < 60
    assert site.row(email)[1] >= 2
    ids = [message_from_bytes(content)["Message-ID"] for _to, content in relay.kept]
    assert len(ids) >= 2
    assert len(set(ids)) == 1
