"""What all processes count together, for `/metrics`: in Redis, since a job's process ends with its job.

`add` only notes; `flush` carries what was noted to Redis, once a second at most, from places where nobody
waits. A hint like all that is in Redis: emptied, the counts begin anew, which Prometheus knows how to read.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from flask import current_app
from redis.exceptions import RedisError

log = logging.getLogger(__name__)

_KEY = "wm:tally"
EVERY_SECONDS = 1.0
AWAY_SECONDS = 10.0


@dataclass(frozen=True)
class Kind:
    """Something that is counted: its name as Prometheus shows it, what it means, by what it is split."""

    name: str
    help: str
    labels: tuple[str, ...]


EVENTS = Kind("wemaster_events_total", "What happened in the business, by event.", ("event",))
DELIVERIES = Kind(
    "wemaster_deliveries_total",
    "Tries of deliveries from the outbox: delivered, failed (another try follows), dead.",
    ("handler", "outcome"),
)
CALLS = Kind(
    "wemaster_provider_calls_total",
    "Calls of providers: ok, refused, deferred, unavailable, fault (ours), held_back (the breaker is open).",
    ("provider", "outcome"),
)
CALL_SECONDS = Kind(
    "wemaster_provider_call_seconds_total", "Time spent waiting for providers.", ("provider",)
)
SIGN_INS = Kind("wemaster_sign_ins_total", "Sign-ins with a password: ok, wrong, throttled.", ("outcome",))
KINDS = {kind.name: kind for kind in (EVENTS, DELIVERIES, CALLS, CALL_SECONDS, SIGN_INS)}

_lock = threading.Lock()
_noted: dict[tuple[str, ...], float] = {}
_next_at = 0.0


def add(kind: Kind, *labels: str, by: float = 1) -> None:
    """Note that something happened; costs a dictionary's entry."""
    assert len(labels) == len(kind.labels)
    with _lock:
        _note((kind.name, *labels), by)


def _note(entry: tuple[str, ...], count: float) -> None:
    _noted[entry] = _noted.get(entry, 0) + count


def flush(*, now: bool = False) -> None:
    """Carry what was noted to Redis, if a second has passed since the last time, or `now`; never raises.
    Where Redis is away it is kept, and tried again later."""
    global _next_at
    with _lock:
        if not _noted or (time.monotonic() < _next_at and not now):
            return
        _next_at = time.monotonic() + EVERY_SECONDS
        carried = dict(_noted)
        _noted.clear()
    try:
        with current_app.extensions["redis"].pipeline(transaction=False) as pipe:
            for entry, count in carried.items():
                pipe.hincrbyfloat(_KEY, json.dumps(entry), count)
            pipe.execute()
    except RedisError:
        with _lock:
            # Twice rather than never: of a pipeline that broke off, some may have been taken.
            for entry, count in carried.items():
                _note(entry, count)
            _next_at = time.monotonic() + AWAY_SECONDS


def counts() -> Iterator[tuple[Kind, dict[tuple[str, ...], float]]]:
    """Each kind, with its counts by its labels' values. Raises RedisError where they are away."""
    found: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in KINDS}
    for entry, count in current_app.extensions["redis"].hgetall(_KEY).items():
        name, *labels = json.loads(entry)
        if name in KINDS and len(labels) == len(KINDS[name].labels):
            found[name][tuple(labels)] = float(count)
    for name, kind in KINDS.items():
        yield kind, found[name]
