"""What this process counts of itself, for `/metrics`: requests, connections to the database, open sockets.

Several workers of one server keep their figures in files below a folder that the server names, so that
whichever of them is asked can tell for all (prometheus_client's own way). What outlives no process, or is
counted by those that nobody can ask, is in `app.core.tally`.
"""

from __future__ import annotations

import time
from typing import Any

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy import Engine, event

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)

REGISTRY = CollectorRegistry()


def _gauge(name: str, help_text: str, labels: tuple[str, ...] = ()) -> Gauge:
    """Summed over the workers that live."""
    return Gauge(name, help_text, labels, registry=REGISTRY, multiprocess_mode="livesum")


REQUESTS = Counter(
    "wemaster_http_requests",
    "Requests that were answered, by address (with its variables' names), method and class of status.",
    ("route", "method", "status"),
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "wemaster_http_request_seconds",
    "How long the answers took to make.",
    ("route", "method"),
    buckets=SECONDS,
    registry=REGISTRY,
)
IN_PROGRESS = _gauge("wemaster_http_requests_in_progress", "Requests that are being answered now.")
CONNECTIONS = _gauge("wemaster_database_connections_in_use", "Connections of the pools that are at work.")
MOST_CONNECTIONS = _gauge("wemaster_database_connections_limit", "Connections that the pools may open.")
DATABASE_AWAY = Counter(
    "wemaster_database_unavailable",
    "Requests answered with 503: the database did not answer (away), or no connection was free (pool).",
    ("reason",),
    registry=REGISTRY,
)
PAGE_CACHE = Counter(
    "wemaster_page_cache_lookups",
    "Visitors' pages that were looked for among those that are kept: hit, or miss (made anew).",
    ("outcome",),
    registry=REGISTRY,
)
SOCKETS = _gauge("wemaster_sockets_open", "Web sockets that are open.")
SOCKETS_REFUSED = Counter(
    "wemaster_sockets_refused", "Web sockets that were not let in, by reason.", ("code",), registry=REGISTRY
)
SOCKET_EVENTS = Counter(
    "wemaster_socket_events", "What was said over web sockets, by kind.", ("event",), registry=REGISTRY
)


def init_app(app: Flask) -> None:
    """Count and time every request."""

    @app.before_request
    def begin() -> None:
        g.counted_since = time.perf_counter()
        IN_PROGRESS.inc()

    @app.after_request
    def count(response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in METHODS else "other"
        REQUESTS.labels(route, method, f"{response.status_code // 100}xx").inc()
        if (since := g.get("counted_since")) is not None:
            REQUEST_SECONDS.labels(route, method).observe(time.perf_counter() - since)
        return response

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        if g.pop("counted_since", None) is not None:
            IN_PROGRESS.dec()


def watch_pool(engine: Engine, *, limit: int) -> None:
    """Count the connections that are lent out of this engine's pool.

    The pool also gives back what it could not connect and so never lent; what was lent is marked.
    """
    MOST_CONNECTIONS.set(limit)

    def lent(_connection: Any, record: Any, _proxy: Any) -> None:
        record.record_info["lent"] = True
        CONNECTIONS.inc()

    def back(_connection: Any, record: Any) -> None:
        if record.record_info.pop("lent", False):
            CONNECTIONS.dec()

    event.listen(engine, "checkout", lent)
    event.listen(engine, "checkin", back)
