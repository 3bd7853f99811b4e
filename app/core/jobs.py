"""RQ: the messenger between the dispatcher and what calls the outside.

A job's arguments are a row's id and which try it is, nothing else; the row in PostgreSQL is the truth.
Four queues, worked off in turns: none can starve another.
"""

from __future__ import annotations

import logging
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


def queues_without_room() -> frozenset[str]:
    """The queues that hold enough for now. Raises RedisError where they are away."""
    with connection().pipeline(transaction=False) as pipe:
        for name in QUEUES:
            pipe.llen(queue(name).key)
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
            pipe.llen(queue(name).key)
            pipe.lindex(queue(name).key, 0)
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


def enqueue_delivery(name: str, row_id: int, attempts: int) -> None:
    """Hand one try of a delivery to the workers. Raises RedisError where the queue is away.

    A try has one job, however often it is handed over: one that still waits in the queue is left alone.
    """
    waiting, job_id = queue(name), f"delivery-{row_id}-{attempts}"
    if waiting.get_job_position(job_id) is None:
        waiting.enqueue_call(
            DELIVER,
            args=(row_id, attempts),
            job_id=job_id,
            timeout=current_app.config["OUTBOX_LEASE_SECONDS"],
            result_ttl=0,
            failure_ttl=3600,
        )


def enqueue_tick() -> None:
    """Have a worker look at the schedules, unless that waits to be done already: without a worker for a
    day, ticks would bury all else. Raises RedisError where the queue is away."""
    ticks = queue("default")
    if ticks.get_job_position("tick") is None:
        ticks.enqueue_call(TICK, job_id="tick", timeout=600, result_ttl=0, failure_ttl=3600)


def app_of_worker() -> Flask:
    """The application of this worker, for `app.core.tasks`; raises RuntimeError in any other process."""
    if _app is None:
        raise RuntimeError("jobs run in a worker (app.core.worker)")
    return _app


def use_app(app: Flask) -> None:
    """The application that jobs run in, in this process."""
    global _app
    _app = app
