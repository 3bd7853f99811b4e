"""RQ: the messenger between the dispatcher and what calls the outside.

A job's arguments are a row's id and which try it is, nothing else; the row in PostgreSQL is the truth.
Four queues, worked off in turns: none can starve another.
"""

from __future__ import annotations

import logging
import time
import uuid
from dataclasses import dataclass

from flask import Flask, current_app
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, Worker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.utils import utcparse
from rq.worker import DequeueStrategy

from app.core import clock, quick_redis
from app.core.db import db

log = logging.getLogger(__name__)

QUEUES = ("critical", "default", "mail", "low")
MAINTENANCE_SECONDS = 15
ROOM = 200  # jobs that may wait in a queue; the rest waits in the outbox, where nothing is lost
PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 5.0  # between two looks at whether Redis is back
# A worker waits fifteen seconds less for a job, five less for an answer: a Redis whose machine is gone never
# says so.
TTL_SECONDS = 30

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


def enqueue_delivery(name: str, row_id: int, attempts: int) -> None:
    """Hand one try of a delivery to the workers. Raises RedisError where the queue is away.

    A try has one job, however often it is handed over: one that still waits in the queue is left alone.
    """
    waiting, job_id = queue(name), f"delivery-{row_id}-{attempts}"
    if waiting.get_job_position(job_id) is None:
        waiting.enqueue_call(
            "app.core.tasks.deliver",
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
        ticks.enqueue_call("app.core.tasks.tick", job_id="tick", timeout=600, result_ttl=0, failure_ttl=3600)


def app_of_worker() -> Flask:
    """The application of this worker, for `app.core.tasks`; raises RuntimeError in any other process."""
    if _app is None:
        raise RuntimeError("jobs run in a worker started by run_worker()")
    return _app


class HouseWorker(Worker):
    """RQ's forking worker; a fork must not talk over the parent's database connections."""

    max_connection_wait_time = LONGEST_PAUSE_SECONDS
    was_asked_to_stop = False

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        assert _app is not None
        with _app.app_context():
            db.engine.dispose(close=False)
        super().main_work_horse(job, queue)

    def handle_warm_shutdown_request(self) -> None:
        self.was_asked_to_stop = True
        super().handle_warm_shutdown_request()

    def subscribe(self) -> None:
        """To no commands: nobody sends any, and the thread that waits for them dies with its connection."""


def use_app(app: Flask) -> None:
    """The application that jobs run in, in this process."""
    global _app
    _app = app


def run_worker(app: Flask, *, burst: bool = False) -> None:
    """Work the queues until SIGTERM (which lets the present job finish), or once through with `burst`.

    Survives a Redis that is away: RQ's own loop ends where it loses it in the midst of something.
    """
    use_app(app)
    while not _worked(app, burst=burst):
        log.warning("the worker has lost its queues; trying again")
        try:
            time.sleep(PAUSE_SECONDS)
        except StopRequested:  # RQ's handler of SIGTERM is still in its place
            return


def _worked(app: Flask, *, burst: bool) -> bool:
    """Whether the work is over; not, where Redis was lost."""
    with app.app_context(), quick_redis.connect_patiently(app.config["REDIS_URL"]) as patient:
        worker = HouseWorker(
            [Queue(name, connection=patient, serializer=JSONSerializer) for name in QUEUES],
            connection=patient,
            serializer=JSONSerializer,
            maintenance_interval=MAINTENANCE_SECONDS,
            worker_ttl=TTL_SECONDS,
            name=f"worker-{uuid.uuid4().hex[:12]}",
        )
        try:
            worker.work(
                burst=burst,
                with_scheduler=False,
                logging_level="WARNING",
                # In turns: were the first queue always first, a round of schedules that takes longer than the
                # pause between two of them would let no mail go out ever.
                dequeue_strategy=DequeueStrategy.ROUND_ROBIN,
            )
        except StopRequested:
            return True
        except RedisError as error:
            log.warning("the queues are away", extra={"error": str(error)})
            return worker.was_asked_to_stop
    return burst or worker.was_asked_to_stop
