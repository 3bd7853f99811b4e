"""`/metrics`: who may ask, what is told, what it costs, and that it is told when half of the house is down."""

from __future__ import annotations

import contextlib
import dataclasses
import re
import shutil
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import create_engine, insert
from sqlalchemy.exc import OperationalError

from app.core import clock, metrics, outside, tally
from app.core.db import db
from app.core.events import announce
from app.core.outbox import DEAD, DUE, Outbox
from app.core.outside import ProviderUnavailable
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.catalog.events import ReviewModerated
from app.domains.reporting.queries.alarms import alarms
from app.shell.factory import create_app
from app.shell.metrics import Figures
from tests.support import lived
from tests.support.databases import ROOT, Database, settings_for
from tests.support.statements import assert_statements
from tests.support.world import World

HERE = "http://127.0.0.1:8000"
TOKEN = "a-token-for-prometheus"
UNITS = ("_seconds", "_bytes", "_ratio", "_total", "_info")
NO_UNITS = re.compile(
    r"_(ms|milliseconds|us|minutes|hours|days|kb|mb|kilobytes|megabytes|percent|count|sum|bucket)$"
)


def ask(app: Flask, base: str = HERE, peer: str = "127.0.0.1", **headers: str) -> Any:
    environ = {"REMOTE_ADDR": peer}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return app.test_client().get("/metrics", base_url=base, headers=given, environ_base=environ)


def told(app: Flask) -> dict[str, Metric]:
    """What a scrape says now, not a moment ago."""
    app.extensions["figures"] = Figures()
    answer = ask(app)
    assert answer.status_code == 200, answer.text
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(families: dict[str, Metric], name: str, **labels: str) -> float:
    """Of one series; 0 where nothing was counted yet."""
    found = [sample.value for sample in families[name].samples if labels.items() <= sample.labels.items()]
    return sum(found)


@contextmanager
def another(database: Database, folder: Path, **settings: object) -> Iterator[Flask]:
    app = create_app(settings_for(database, folder, **settings))
    yield app
    with app.app_context():
        db.engine.dispose()
    app.extensions["redis"].close()


# -- Who may ask -----------------------------------------------------------------------------------------------------


def test_without_a_token_this_machine_alone_is_answered(app: Flask) -> None:
    for base in (HERE, "http://localhost:8000", "http://[::1]:8000"):
        assert ask(app, base).status_code == 200, base
    assert ask(app, peer="::1").status_code == 200
    for peer in ("10.0.0.5", "2001:db8::1", "::ffff:10.0.0.5"):
        assert ask(app, peer=peer).status_code == 404, peer


@pytest.mark.parametrize("name", ["X_Forwarded_For", "X_Real_IP", "Forwarded", "Via"])
def test_whoever_comes_by_a_proxy_is_not_of_this_machine(app: Flask, name: str) -> None:
    """A proxy that is not in the settings makes everybody look as if they sat here."""
    assert ask(app, **{name: "127.0.0.1"}).status_code == 404


def test_a_companys_host_has_no_such_page(world: World) -> None:
    for host in (world.anna.host, "nobody.localhost:8000", "evil.test"):
        assert ask(world.app, f"http://{host}").status_code == 404, host


def test_with_a_token_whoever_has_it_is_answered(database: Database, tmp_path: Path) -> None:
    with another(database, tmp_path, METRICS_TOKEN=TOKEN) as app:
        assert ask(app, peer="10.0.0.5", Authorization=f"Bearer {TOKEN}").status_code == 200
        assert ask(app, "http://10.0.0.7:8000", Authorization=f"Bearer {TOKEN}").status_code == 200
        for headers in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": f"Basic {TOKEN}"},
            {"Authorization": f"Bearer {TOKEN}x"},
            {"Authorization": "Bearer é"},
        ):
            answer = ask(app, **headers)
            assert answer.status_code == 401, headers
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert ask(app, "http://anna.localhost:8000", Authorization=f"Bearer {TOKEN}").status_code == 404


def test_nothing_may_keep_it(app: Flask) -> None:
    answer = ask(app)
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert app.test_client().post("/metrics", base_url=HERE).status_code in {400, 405}


# -- What is told ----------------------------------------------------------------------------------------------------


def test_names_units_and_words_are_as_prometheus_wants_them(world: World) -> None:
    world.manager().get("/admin/people/")
    for family in told(world.app).values():
        name = f"{family.name}_total" if family.type == "counter" else family.name
        assert re.fullmatch(r"wemaster_[a-z][a-z_]*", name), name
        assert not NO_UNITS.search(family.name), name
        assert (family.type == "counter") == name.endswith("_total"), name
        assert "second" not in family.documentation.lower() or "seconds" in name, name
        assert family.documentation[0].isupper(), name
        assert family.documentation.endswith("."), name
        assert family.type in {"counter", "gauge", "histogram"}, name
        for sample in family.samples:
            assert all(re.fullmatch(r"[a-z]+", label) for label in sample.labels), sample


def test_the_alarms_ask_for_figures_that_exist(app: Flask) -> None:
    """Whether Prometheus can read the rules is asked in `make soak`."""
    families = told(app).values()
    known = {f.name + ending for f in families for ending in ("", "_total", "_bucket")}
    text = (ROOT / "deploy/prometheus-alerts.yml").read_text()
    asked = set(re.findall(r"\bwemaster_\w+", text))
    assert len(asked) > 12
    assert asked - known == set()
    names = re.findall(r"- alert: (\w+)", text)
    assert len(names) == len(set(names)) == text.count("summary:") == text.count("severity:")


def test_addresses_are_told_without_what_stands_in_them(world: World) -> None:
    manager = world.manager()
    before = told(world.app)
    assert manager.get(f"/admin/people/{world.anna.people['tutor']}").status_code == 200
    assert manager.get("/admin/people/123456789").status_code == 404
    assert manager.get("/no/such/page/secret-token").status_code == 404
    manager.client.open("/login/", method="BREW", base_url=manager.base)
    after = told(world.app)
    label = {"route": "/admin/people/<id:record_id>", "method": "GET"}
    routes = {s.labels["route"] for s in after["wemaster_http_requests"].samples}
    (label["route"],) = [route for route in routes if re.fullmatch(r"/admin/people/<[^>]+>", route)]
    for status, more in (("2xx", 1), ("4xx", 1)):
        counted = [value(of, "wemaster_http_requests", status=status, **label) for of in (before, after)]
        assert counted[1] - counted[0] == more, status
    assert value(after, "wemaster_http_requests", route="none") > value(
        before, "wemaster_http_requests", route="none"
    )
    everything = str(after)
    assert "secret-token" not in everything
    assert "123456789" not in everything
    assert "BREW" not in everything


def test_how_long_answers_take_and_how_many_are_at_work(world: World) -> None:
    manager = world.manager()
    # Other applications of this test process may hold some, too.
    before = value(told(world.app), "wemaster_database_connections_in_use")
    assert before >= 0
    manager.get("/admin/people/")
    families = told(world.app)
    taken = families["wemaster_http_request_seconds"].samples
    (count,) = [s.value for s in taken if s.name.endswith("_count") and s.labels["route"] == "/admin/people/"]
    (last,) = [
        s.value for s in taken if s.labels.get("le") == "+Inf" and s.labels["route"] == "/admin/people/"
    ]
    assert count == last >= 1
    assert value(families, "wemaster_http_requests_in_progress") == 1  # the scrape itself
    assert value(families, "wemaster_database_connections_in_use") == before
    assert value(families, "wemaster_database_connections_limit") > 0


def test_an_outage_takes_nothing_off_the_connections_in_use(fresh_database: Database) -> None:
    """What could not be connected is given back to the pool without ever having been lent."""

    def in_use() -> float:
        return metrics.REGISTRY.get_sample_value("wemaster_database_connections_in_use") or 0

    name, engine = fresh_database.name, create_engine(fresh_database.app_url, pool_pre_ping=True)
    metrics.watch_pool(engine, limit=1)
    before = in_use()
    with engine.connect():
        assert in_use() == before + 1
    assert in_use() == before
    with fresh_database.connect() as admin:
        admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT 0")  # superusers pass all the same
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'wm_app' AND datname = %s",
            [name],
        )
        for _time in range(3):
            with pytest.raises(OperationalError):
                engine.connect()
        assert in_use() == before
        admin.execute(f"ALTER DATABASE {name} CONNECTION LIMIT -1")
    with engine.connect():
        assert in_use() == before + 1
    assert in_use() == before
    engine.dispose()


def test_events_are_counted_once_they_are_committed(world: World) -> None:
    name = "catalog.ReviewModerated"
    before = value(told(world.app), "wemaster_events", event=name)
    with world.app.app_context(), tenant_scope(world.anna.id):
        with transaction():
            announce(_event(world))
        with contextlib.suppress(ZeroDivisionError), transaction():
            announce(_event(world))
            raise ZeroDivisionError
        tally.flush(now=True)
    assert value(told(world.app), "wemaster_events", event=name) == before + 1


def _event(world: World) -> ReviewModerated:
    members = {field.name: 1 for field in dataclasses.fields(ReviewModerated)}
    return ReviewModerated(**{**members, "tenant_id": world.anna.id})


def test_sign_ins_are_counted_by_how_they_end(world: World) -> None:
    def counted() -> list[float]:
        with world.app.app_context():
            tally.flush(now=True)
        families = told(world.app)
        return [value(families, "wemaster_sign_ins", outcome=word) for word in ("ok", "wrong")]

    before = counted()
    world.manager()
    browser = world.browser(world.anna.host)
    assert browser.post("/login/", email=world.anna.email("tutor"), password="wrong").status_code == 401
    assert [after - b for after, b in zip(counted(), before, strict=True)] == [1, 1]


def test_calls_of_providers_are_counted_by_how_they_end(app: Flask) -> None:
    name = f"test-{uuid.uuid4().hex[:6]}"
    breaker = outside.breaker(name, fail_max=2, reset_seconds=60)

    def fail() -> None:
        raise ProviderUnavailable(name, "no answer")

    with app.app_context():
        breaker.call(lambda: None)
        for _ in range(3):
            with pytest.raises(ProviderUnavailable):
                breaker.call(fail)
        tally.flush(now=True)
    families = told(app)
    counted = {
        s.labels["outcome"]: s.value
        for s in families["wemaster_provider_calls"].samples
        if s.labels["provider"] == name
    }
    assert counted == {"ok": 1, "unavailable": 2, "held_back": 1}
    assert value(families, "wemaster_provider_breaker_open", provider=name) == 1
    assert value(families, "wemaster_provider_failures_in_a_row", provider=name) == 2


def test_what_stands_in_the_outbox(app: Flask, world: World) -> None:
    now = clock.machine_now()
    row = {
        "name": "test.Happened", "handler": "test", "payload": {}, "announced_at": now, "tenant_id": None,
        "request_id": "", "attempts": 0,
    }  # fmt: skip
    before = told(app)
    minutes = (("due", DUE, -7), ("due", DUE, -1), ("later", DUE, 5), ("dead", DEAD, -60))
    with app.app_context(), platform_scope("test"), transaction() as session:
        session.execute(
            insert(Outbox.__table__),
            [
                {
                    **row,
                    "event_id": uuid.uuid4(),
                    "status": status,
                    "due_at": now + clock.dt.timedelta(minutes=minute),
                }
                for _kind, status, minute in minutes
            ],
        )
    families = told(app)
    kinds = ("due", "later", "dead")
    more = [value(families, f"wemaster_outbox_{k}") - value(before, f"wemaster_outbox_{k}") for k in kinds]
    assert more == [2, 1, 1]
    assert 420 <= value(families, "wemaster_outbox_oldest_due_seconds") < 480


def test_what_stands_in_the_business(world: World) -> None:
    """Against counts of the plain tables, after some lessons were bought, cancelled and disputed."""
    lived.live(world)
    counts = {
        "payments_unknown": "SELECT count(*) FROM payment WHERE status = 'unknown'",
        "refunds_failed": "SELECT count(*) FROM refund WHERE status = 'failed'",
        "disputes_open": "SELECT count(*) FROM dispute WHERE status = 'open'",
        "orders_open": "SELECT count(*) FROM sales_order WHERE status = 'open'",
    }
    with world.app.app_context(), platform_scope("test"):
        found = alarms()
        for name, query in counts.items():
            assert getattr(found, name) == db.session.scalar(db.text(query)), name
        today = clock.now().date()
        lessons = db.session.execute(
            db.text("SELECT starts_at FROM lesson WHERE status IN ('scheduled', 'done') AND taken > 0")
        ).scalars()
        assert found.lessons_today == sum(at.astimezone(clock.dt.UTC).date() == today for at in lessons)


# -- What it costs, and what it survives -----------------------------------------------------------------------------


def test_a_scrape_costs_two_statements_and_the_next_one_none(app: Flask, world: World) -> None:
    app.extensions["figures"] = Figures()
    with app.app_context():
        with assert_statements(db.engine, 2):
            assert ask(app).status_code == 200
        with assert_statements(db.engine, 0):
            assert ask(app).status_code == 200


def test_many_at_once_ask_once(app: Flask, world: World) -> None:
    app.extensions["figures"] = Figures()
    answers: list[int] = []
    with app.app_context(), assert_statements(db.engine, 2):
        threads = [threading.Thread(target=lambda: answers.append(ask(app).status_code)) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert answers == [200] * 6


def test_without_the_database_the_rest_is_told(database: Database, tmp_path: Path) -> None:
    with another(database, tmp_path, DATABASE_URL="postgresql://wm_app@127.0.0.1:1/none") as app:
        families = told(app)
        assert value(families, "wemaster_database_up") == 0
        assert value(families, "wemaster_redis_up") == 1
        assert "wemaster_outbox_due" not in families
        before = value(families, "wemaster_database_unavailable", reason="away")
        assert app.test_client().get("/login/", base_url="http://anna.localhost:8000").status_code == 503
        assert value(told(app), "wemaster_database_unavailable", reason="away") == before + 1


def test_without_redis_the_rest_is_told_and_counts_are_kept(
    database: Database, tmp_path: Path, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"kept-{uuid.uuid4().hex[:6]}"
    with another(database, tmp_path, REDIS_URL="redis://127.0.0.1:1/0") as alone:
        families = told(alone)
        assert value(families, "wemaster_redis_up") == 0
        assert value(families, "wemaster_database_up") == 1
        assert "wemaster_queue_jobs" not in families
        tally.add(tally.EVENTS, name)
        with alone.app_context():
            tally.flush(now=True)
    with app.app_context():
        tally.flush(now=True)
    assert value(told(app), "wemaster_events", event=name) == 1


def test_a_thousand_threads_notes_are_all_there(app: Flask) -> None:
    name = f"many-{uuid.uuid4().hex[:6]}"

    def note() -> None:
        for _ in range(500):
            tally.add(tally.EVENTS, name)
        with app.app_context():
            tally.flush(now=True)

    threads = [threading.Thread(target=note) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with app.app_context():
        tally.flush(now=True)
    assert value(told(app), "wemaster_events", event=name) == 4000


def test_what_is_no_count_of_ours_is_passed_over(app: Flask) -> None:
    """An older or newer version of this program may have counted something else."""
    redis = app.extensions["redis"]
    redis.hset(tally._KEY, '["wemaster_gone_total", "x"]', 1)
    redis.hset(tally._KEY, '["wemaster_events_total", "a", "b"]', 1)
    try:
        assert "wemaster_gone" not in told(app)
    finally:
        redis.hdel(tally._KEY, '["wemaster_gone_total", "x"]', '["wemaster_events_total", "a", "b"]')


@pytest.mark.soak
def test_prometheus_own_judge_finds_nothing(world: World) -> None:
    """Debian's package `prometheus` brings promtool."""
    promtool = shutil.which("promtool")
    assert promtool, "promtool is needed: apt-get install prometheus"
    world.manager().get("/admin/people/")
    text = ask(world.app).get_data()
    for command, given in (
        (["check", "metrics"], text),
        (["check", "rules", "--lint-fatal", str(ROOT / "deploy/prometheus-alerts.yml")], b""),
    ):
        done = subprocess.run([promtool, *command], input=given, capture_output=True)
        assert (done.returncode, done.stderr.decode()) == (0, ""), done.stdout.decode()
    bad = text + b"# HELP wemaster_taken_ms wrong\n# TYPE wemaster_taken_ms counter\nwemaster_taken_ms 1\n"
    control = subprocess.run([promtool, "check", "metrics"], input=bad, capture_output=True)
    assert control.returncode != 0


def test_each_instrument_belongs_to_the_registry_that_is_told() -> None:
    names = {family.name for family in metrics.REGISTRY.collect()}
    assert {
        "wemaster_http_requests",
        "wemaster_sockets_open",
        "wemaster_database_connections_in_use",
    } <= names
