"""RQ: the messenger between the dispatcher and what calls the outside.

A job's arguments are a row's id and which try it is, nothing else; the row in PostgreSQL is the truth.
Four queues, worked off in turns: none can starve another.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from flask import Flask, current_app
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import utcparse

from app.core import clock

log = logging.getLogger(__name__)

QUEUES = ("critical", "default", "mail", "low")
ROOM = 200  # jobs that may wait in a queue; the rest waits in the outbox, where nothing is lost
DELIVER, TICK = "app.core.tasks.deliver", "app.core.tasks.tick"
TASKS = frozenset({DELIVER, TICK})
_HINT = "wm:outbox:hint"

_app: Flask | None = None


def connection() -> Redis:
    """The queue's connection; RQ stores bytes, so nothing is decoded."""
    found: Redis = current_app.extensions["redis"]
    return found


def queue(name: str) -> Queue:
    return Queue(name, connection=connection(), serializer=JSONSerializer)


def _key_of(name: str) -> str:
    """Where Redis has a queue; the dispatcher looks every quarter of a second."""
    return Queue.redis_queue_namespace_prefix + name


def queues_without_room() -> frozenset[str]:
    """The queues that hold enough for now. Raises RedisError where they are away."""
    with connection().pipeline(transaction=False) as pipe:
        for name in QUEUES:
            pipe.llen(_key_of(name))
        lengths = pipe.execute()
    return frozenset(name for name, length in zip(QUEUES, lengths, strict=True) if length >= ROOM)


@dataclass(frozen=True)
class Waiting:
    """A queue: how many jobs wait in it, and for how long the oldest of them."""

    name: str
    jobs: int
    oldest_seconds: float


def waiting() -> list[Waiting]:
    """How every queue is doing. Raises RedisError where they are away."""
    with connection().pipeline(transaction=False) as pipe:
        for name in QUEUES:
            pipe.llen(_key_of(name))
            pipe.lindex(_key_of(name), 0)
        answers = pipe.execute()
        lengths, first = answers[::2], answers[1::2]
        for job_id in first:
            pipe.hget(Job.key_for(job_id.decode() if job_id else ""), "enqueued_at")
        since = pipe.execute()
    ages = [(clock.machine_now() - utcparse(at.decode())).total_seconds() if at else 0.0 for at in since]
    return [Waiting(*row) for row in zip(QUEUES, lengths, ages, strict=True)]


def workers() -> int:
    """How many workers are there; one that was killed counts for half a minute more. Raises RedisError."""
    return Worker.count(connection=connection())


def hint() -> None:
    """Tell a dispatcher that rests that there is something in the outbox; never raises. One hint is kept: who
    finds it looks at all that is due."""
    try:
        with connection().pipeline(transaction=False) as pipe:
            pipe.lpush(_HINT, 1)
            pipe.ltrim(_HINT, 0, 0)
            pipe.execute()
    except RedisError:
        log.debug("Redis is away; the dispatcher looks by itself")


def wait_for_hint(seconds: float) -> None:
    """Until there is one, or so long. Raises RedisError where they are away."""
    connection().blpop([_HINT], timeout=seconds)


def enqueue_deliveries(name: str, tries: Iterable[tuple[int, int]]) -> None:
    """Hand tries of deliveries to the workers, each a row's id and how many tries it had. Raises RedisError
    where the queue is away.

    A try has one job, however often it is handed over: one that still waits in the queue is left alone.
    """
    there, wanted = queue(name), {f"delivery-{row_id}-{tried}": (row_id, tried) for row_id, tried in tries}
    with connection().pipeline(transaction=False) as pipe:
        for job_id in wanted:
            pipe.lpos(there.key, job_id)
        waits = dict(zip(wanted, pipe.execute(), strict=True))
    missing = {job_id: args for job_id, args in wanted.items() if waits[job_id] is None}
    if missing:
        timeout = current_app.config["OUTBOX_LEASE_SECONDS"]
        there.enqueue_many(
            Queue.prepare_data(DELIVER, args=args, job_id=job_id, timeout=timeout, result_ttl=0)
            for job_id, args in missing.items()
        )


def enqueue_tick() -> None:
    """Have a worker look at the schedules, unless that waits to be done already: without a worker for a
    day, ticks would bury all else. Raises RedisError where the queue is away."""
    ticks = queue("default")
    if ticks.get_job_position("tick") is None:
        ticks.enqueue_call(TICK, job_id="tick", timeout=600, result_ttl=0)


def app_of_worker() -> Flask:
    """The application of this worker, for `app.core.tasks`; raises RuntimeError in any other process."""
    if _app is None:
        raise RuntimeError("jobs run in a worker (app.core.worker)")
    return _app


def use_app(app: Flask) -> None:
    """The application that jobs run in, in this process."""
    global _app
    _app = app
