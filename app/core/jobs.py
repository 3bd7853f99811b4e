"""RQ: the messenger between the dispatcher and what calls the outside.

A job's arguments are a row's id and which try it is, nothing else; the row in PostgreSQL is the truth.
Four queues, worked off in this order.
"""

from __future__ import annotations

import logging
import uuid

from flask import Flask, current_app
from redis import Redis
from rq import Queue, Worker
from rq.job import Job
from rq.serializers import JSONSerializer

from app.core.db import db

log = logging.getLogger(__name__)

QUEUES = ("critical", "default", "mail", "low")
MAINTENANCE_SECONDS = 15
ROOM = 200  # jobs that may wait in a queue; the rest waits in the outbox, where nothing is lost

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


def enqueue_delivery(name: str, row_id: int, attempts: int) -> Job:
    """Hand one try of a delivery to the workers. Raises RedisError where the queue is away.

    A try has one job, however often it is handed over: its repeats in the queue are skipped.
    """
    timeout = current_app.config["OUTBOX_LEASE_SECONDS"]
    return queue(name).enqueue_call(
        "app.core.tasks.deliver",
        args=(row_id, attempts),
        job_id=f"delivery-{row_id}-{attempts}",
        timeout=timeout,
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

    def main_work_horse(self, job: Job, queue: Queue) -> None:
        assert _app is not None
        with _app.app_context():
            db.engine.dispose(close=False)
        super().main_work_horse(job, queue)


def use_app(app: Flask) -> None:
    """The application that jobs run in, in this process."""
    global _app
    _app = app


def run_worker(app: Flask, *, burst: bool = False) -> None:
    """Work the queues until SIGTERM (which lets the present job finish), or once through with `burst`."""
    use_app(app)
    with app.app_context():
        worker = HouseWorker(
            [queue(name) for name in QUEUES],
            connection=connection(),
            serializer=JSONSerializer,
            maintenance_interval=MAINTENANCE_SECONDS,
            name=f"worker-{uuid.uuid4().hex[:12]}",
        )
        worker.work(burst=burst, with_scheduler=False, logging_level="WARNING")
