"""`/metrics`, for Prometheus: what this server counted of itself, what all processes counted together, and
how the parts of the installation stand.

The last two are the same whichever server is asked. A scrape costs two statements and two trips to Redis, at
most every few seconds; where one of the two is away, the rest is told all the same.
"""

from __future__ import annotations

import hmac
import ipaddress
import logging
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from flask import Blueprint, Flask, Response, current_app, request
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from app.core import jobs, metrics, outside, schedule, tally
from app.core.db import db
from app.core.errors import NotFound, SignInNeeded
from app.core.scope import platform_scope
from app.domains.reporting.queries.alarms import alarms
from app.shell.errors import answer

log = logging.getLogger(__name__)

bp = Blueprint("metrics", __name__)
REMEMBERED_SECONDS = 5.0
FORWARDED = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via")


def init_app(app: Flask) -> None:
    """Connects to nothing yet."""
    metrics.init_app(app)
    app.extensions["metrics_folder"] = None
    app.extensions["figures"] = Figures()
    with app.app_context():
        pool = app.config["SQLALCHEMY_ENGINE_OPTIONS"]
        metrics.watch_pool(db.engine, limit=pool["pool_size"] + pool["max_overflow"])

    @app.teardown_request
    def count(_error: BaseException | None) -> None:
        tally.flush()


@bp.get("/metrics")
def show() -> Any:
    """In Prometheus' text form. Raises NotFound where there is no such page for who asks."""
    if not _may_ask():
        headers = {"WWW-Authenticate": 'Bearer realm="metrics"'}
        return answer(401, SignInNeeded.code, str(SignInNeeded.message), headers=headers)
    registry = CollectorRegistry()
    folder = current_app.extensions["metrics_folder"]
    if folder is None:
        registry.register(metrics.REGISTRY)
    else:
        MultiProcessCollector(registry, str(folder))
    registry.register(current_app.extensions["figures"])
    headers = {"Cache-Control": "no-store"}
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4, headers=headers)


def _may_ask() -> bool:
    """With METRICS_TOKEN whoever has it; else only who asks on this machine, and not by way of a proxy. At a
    company's host there is no such page. Raises NotFound."""
    settings = current_app.extensions["settings"]
    host = re.sub(r":\d+$", "", request.host)
    if host not in settings.platform_hosts and not _is_address(host):
        raise NotFound
    if settings.METRICS_TOKEN:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        return kind.lower() == "bearer" and _same(token.strip(), settings.METRICS_TOKEN)
    came_by_proxy = any(name in request.headers for name in FORWARDED)
    if came_by_proxy or not _is_address(request.remote_addr, loopback=True):
        raise NotFound
    return True


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _is_address(text: str | None, *, loopback: bool = False) -> bool:
    try:
        address = ipaddress.ip_address((text or "").strip("[]"))
    except ValueError:
        return text == "localhost"
    return address.is_loopback or not loopback


class Figures:
    """How the installation stands, asked for at most every few seconds, by one at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: list[Metric] = []
        self._fresh_until = 0.0

    def describe(self) -> list[Metric]:
        return []

    def collect(self) -> list[Metric]:
        with self._lock:
            if time.monotonic() >= self._fresh_until:
                self._found = list(_figures())
                self._fresh_until = time.monotonic() + REMEMBERED_SECONDS
            return self._found


def _figures() -> Iterator[Metric]:
    for name, read, away in (
        ("database", _of_database, SQLAlchemyError),
        ("redis", _of_redis, RedisError),
    ):
        try:
            found, is_up = list(read()), 1
        except away:
            log.warning("figures for Prometheus can't be asked for", exc_info=True, extra={"part": name})
            found, is_up = [], 0
        yield _gauge(f"{name}_up", f"Whether {name} answers.", is_up)
        yield from found
    yield from _of_breakers()


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"wemaster_{name}", help_text, value=value)


def _gauges(name: str, help_text: str, label: str, values: list[tuple[str, float]]) -> Metric:
    family = GaugeMetricFamily(f"wemaster_{name}", help_text, labels=[label])
    for labelled, value in values:
        family.add_metric([labelled], value)
    return family


def _of_database() -> Iterator[Metric]:
    with platform_scope("count for Prometheus how things stand"):
        now = alarms()
    for name, value, help_text in (
        ("outbox_due", now.outbox_due, "Deliveries that are due and that nobody works at."),
        ("outbox_oldest_due_seconds", now.outbox_oldest_seconds, "For how long the oldest of them is due."),
        ("outbox_later", now.outbox_later, "Deliveries that are under way or wait for their next try."),
        ("outbox_dead", now.outbox_dead, "Deliveries that gave up."),
        ("payments_unknown", now.payments_unknown, "Payments whose end we do not know."),
        (
            "payments_unknown_oldest_seconds",
            now.payments_unknown_oldest_seconds,
            "Age of the oldest of them.",
        ),
        ("refunds_failed", now.refunds_failed, "Refunds that failed and wait for somebody."),
        ("disputes_open", now.disputes_open, "Disputes that are open."),
        ("orders_open", now.orders_open, "Orders that wait for their payment."),
        ("seats_held", now.seats_held, "Seats that are reserved and not yet paid."),
        ("holds_late", now.holds_late, "Reservations that ran out a quarter of an hour ago and still stand."),
        ("lessons_today", now.lessons_today, "Lessons of this day in UTC that have students."),
    ):
        yield _gauge(name, help_text, value)
    yield from _of_schedules()


def _of_schedules() -> Iterator[Metric]:
    works = schedule.standing()

    def of(name: str, help_text: str, value: Callable[[schedule.Standing], float]) -> Metric:
        return _gauges(name, help_text, "schedule", [(work.name, value(work)) for work in works])

    yield of("schedule_late_seconds", "By how much a schedule is past due.", lambda work: work.late_seconds)
    yield of("schedule_overdue", "Whether it missed three of its periods.", lambda work: work.is_overdue)
    yield of("schedule_failed", "Whether its last run failed.", lambda work: work.failed)


def _of_redis() -> Iterator[Metric]:
    queues = jobs.waiting()
    yield _gauges("queue_jobs", "Jobs that wait.", "queue", [(queue.name, queue.jobs) for queue in queues])
    yield _gauges(
        "queue_oldest_job_seconds",
        "For how long the oldest job waits.",
        "queue",
        [(queue.name, queue.oldest_seconds) for queue in queues],
    )
    yield _gauge("workers", "Worker processes that have said lately that they are there.", jobs.workers())
    for kind, counts in tally.counts():
        family = CounterMetricFamily(kind.name, kind.help, labels=kind.labels)
        for labels, count in sorted(counts.items()):
            family.add_metric(labels, count)
        yield family


def _of_breakers() -> Iterator[Metric]:
    states = outside.states()
    yield _gauges(
        "provider_breaker_open",
        "Whether calls of a provider are held back: 1 open, 0.5 tried again, 0 closed.",
        "provider",
        [(state.name, {"open": 1.0, "half-open": 0.5}.get(state.state, 0.0)) for state in states],
    )
    yield _gauges(
        "provider_failures_in_a_row",
        "Failures since the last call that went through.",
        "provider",
        [(state.name, state.failures) for state in states],
    )
