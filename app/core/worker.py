"""`python run.py worker`: a keeper, and one horse that does job after job.

The horse is a process of its own, so that a job which takes its process down takes nothing else with it. It
lives for many jobs: what it has imported, compiled and connected to is there for the next one. When it is
spent (many jobs, much memory, a job that had to be broken off) it ends, and the keeper, which has everything
imported and does nothing, forks the next one.
"""

from __future__ import annotations

import ctypes
import faulthandler
import logging
import os
import resource
import signal
import sys
import time
import uuid
from typing import Any, ClassVar, NoReturn

from flask import Flask
from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import StopRequested
from rq.job import Job
from rq.serializers import JSONSerializer
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty
from rq.worker import DequeueStrategy, WorkerStatus
from rq.worker_registration import REDIS_WORKER_KEYS

from app.core import jobs, quick_redis
from app.core.db import db

log = logging.getLogger(__name__)

MOST_JOBS = 2000
MOST_MEBIBYTES = 512
MAINTENANCE_SECONDS = 15
PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 5.0  # between two looks at whether Redis is back
# A horse waits fifteen seconds less for a job, five less for an answer: a Redis whose machine is gone never
# says so.
TTL_SECONDS = 30
LOOK_SECONDS = 0.1
BEAT_SECONDS = 10.0
# A job whose time is up is told so by a signal. What does not listen (a library's endless loop) ends with its
# process, so much later.
DEAF_SECONDS = 10
STEADY_SECONDS = 5.0  # a horse that died sooner is not followed by the next at once

_STOPS = (signal.SIGTERM, signal.SIGINT)
_PR_SET_PDEATHSIG = 1
# Loaded before any fork.
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def run_worker(app: Flask) -> None:
    """Work the queues until SIGTERM, which lets the present job finish. Survives a Redis that is away, and
    horses that die."""
    jobs.use_app(app)
    Keeper(app).run()


class Keeper:
    """Has one horse at work, and does nothing that could take it down."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._redis = quick_redis.connect(app.config["REDIS_URL"])
        self._horse = 0
        self._was_asked_to_stop = False
        self._beat_at = 0.0

    def run(self) -> None:
        """Until the keeper is asked to stop, and its horse has ended."""
        for number in _STOPS:
            signal.signal(number, self._stop)
        while not self._was_asked_to_stop:
            begun, name = time.monotonic(), f"worker-{uuid.uuid4().hex[:12]}"
            self._start(name)
            code = self._wait(name)
            if code and not self._was_asked_to_stop:
                log.warning("a work horse died; another one takes over", extra={"exit_code": code})
                self._forget(name)
                if time.monotonic() - begun < STEADY_SECONDS:
                    time.sleep(PAUSE_SECONDS)

    def _start(self, name: str) -> None:
        """Fork. A signal that comes meanwhile waits until it is known whom to pass it on to."""
        keeper = os.getpid()
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
        self._horse = os.fork()
        if not self._horse:
            _be_a_horse(self._app, name, keeper)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)

    def _wait(self, name: str) -> int:
        """How the horse has ended: 0 for well."""
        while True:
            found, status = os.waitpid(self._horse, os.WNOHANG)
            if found:
                self._horse = 0
                return os.waitstatus_to_exitcode(status)
            self._beat(name)
            time.sleep(LOOK_SECONDS)

    def _stop(self, _number: int, _frame: object) -> None:
        self._was_asked_to_stop = True
        if self._horse:
            os.kill(self._horse, signal.SIGTERM)

    def _beat(self, name: str) -> None:
        """A horse in the midst of a long job says nothing; it counts as there for as long as we see it."""
        if time.monotonic() < self._beat_at:
            return
        self._beat_at = time.monotonic() + BEAT_SECONDS
        try:
            self._redis.expire(_key_of(name), TTL_SECONDS)
        except RedisError:
            log.info("Redis is away; the worker is not counted as there")

    def _forget(self, name: str) -> None:
        try:
            self._redis.delete(_key_of(name))
            self._redis.srem(REDIS_WORKER_KEYS, _key_of(name))
        except RedisError:
            log.info("Redis is away; a dead worker counts for half a minute more")


def _key_of(name: str) -> str:
    return SimpleWorker.redis_worker_namespace_prefix + name


# -- The horse -----------------------------------------------------------------------------------------------


def _be_a_horse(app: Flask, name: str, keeper: int) -> NoReturn:
    code = 1
    try:
        for number in _STOPS:
            signal.signal(number, signal.SIG_DFL)  # there is no job yet that would have to be finished
        _end_with(keeper)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
        with app.app_context():
            db.engine.dispose(close=False)  # they are the keeper's
        work(app, name)
        code = 0
    except Exception:
        log.exception("the work horse stumbled")
    finally:
        os._exit(code)


def _end_with(keeper: int) -> None:
    """Have the kernel ask us to stop when the keeper is gone: nobody else would."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
    if os.getppid() != keeper:
        os._exit(1)


def work(app: Flask, name: str) -> None:
    """Do jobs until the horse is spent or asked to stop.

    RQ's own loop ends where it loses Redis in the midst of something.
    """
    while not _worked(app, name):
        log.warning("the worker has lost its queues; trying again")
        try:
            time.sleep(PAUSE_SECONDS)
        except StopRequested:  # RQ's handler of SIGTERM is still in its place
            return


def _worked(app: Flask, name: str) -> bool:
    """Whether the work is over; not, where Redis was lost."""
    with app.app_context(), quick_redis.connect_patiently(app.config["REDIS_URL"]) as patient:
        horse = None
        try:
            horse = _horse(patient, name)
            horse.work(
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
    return horse is not None and (horse.was_asked_to_stop or horse.is_spent)


def _horse(patient: Redis, name: str) -> Horse:
    """Raises RedisError where the queues are away: RQ asks them at once."""
    return Horse(
        [Queue(queue, connection=patient, serializer=JSONSerializer) for queue in jobs.QUEUES],
        connection=patient,
        serializer=JSONSerializer,
        maintenance_interval=MAINTENANCE_SECONDS,
        worker_ttl=TTL_SECONDS,
        name=name,
    )


class Limit(UnixSignalDeathPenalty):
    """Tells a job that its time is up."""

    was_reached: ClassVar[bool] = False

    def handle_death_penalty(self, signum: int, frame: Any) -> None:
        Limit.was_reached = True
        super().handle_death_penalty(signum, frame)


class UnknownJob(Exception):
    """Somebody else has put it into the queue."""


class Horse(SimpleWorker):
    """RQ's worker that does its jobs itself, until it is spent.

    It keeps no books of them in Redis, which would cost more than most jobs do: what has to be done stands in
    PostgreSQL, and what was not done comes back from there.
    """

    max_connection_wait_time = LONGEST_PAUSE_SECONDS
    was_asked_to_stop = False
    is_spent = False
    _jobs = 0
    _beat_at = 0.0

    def execute_job(self, job: Job, queue: Queue) -> None:
        self.set_state(WorkerStatus.BUSY)
        faulthandler.dump_traceback_later((job.timeout or 0) + DEAF_SECONDS, exit=True)
        try:
            self._do(job)
        finally:
            faulthandler.cancel_dump_traceback_later()
            self.set_state(WorkerStatus.IDLE)  # also where Redis went away: who waits is stopped at once
        self._jobs += 1
        # What was broken off may have left anything half done: a lock held, a connection in mid-sentence.
        if Limit.was_reached or self._jobs >= MOST_JOBS or mebibytes() > MOST_MEBIBYTES:
            self.is_spent = self._stop_requested = True

    def _do(self, job: Job) -> None:
        """Whoever gets at Redis must not be able to have any function of Python's called."""
        self.connection.delete(job.key)  # before, or those of horses that die would stay there for ever
        try:
            if job.func_name not in jobs.TASKS:
                raise UnknownJob(job.func_name)
            with Limit(job.timeout or self.queue_class.DEFAULT_TIMEOUT, JobTimeoutException):
                job.perform()
        except Exception:
            log.exception("a job failed", extra={"job": job.id})

    def set_state(self, state: str, pipeline: Any = None) -> None:
        """For ourselves: nobody else asks."""
        self._state = state

    def heartbeat(self, timeout: int | None = None, pipeline: Any = None) -> None:
        """Now and then; RQ would several times a job. The keeper lengthens it anyway."""
        if time.monotonic() >= self._beat_at:
            super().heartbeat(timeout, pipeline)
            self._beat_at = time.monotonic() + BEAT_SECONDS

    def check_for_suspension(self, burst: bool) -> None:
        """Nobody suspends a worker by RQ's means."""

    def handle_warm_shutdown_request(self) -> None:
        self.was_asked_to_stop = True

    def _shutdown(self) -> None:
        """RQ would note it in Redis, from a signal's handler, in the midst of whatever the job does."""
        if self.get_state() != WorkerStatus.BUSY:
            raise StopRequested
        self._stop_requested = True

    def subscribe(self) -> None:
        """To no commands: nobody sends any, and the thread that waits for them dies with its connection."""


def mebibytes() -> float:
    """The most memory that this process has had."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most / 1024 if sys.platform == "linux" else most / 1024**2)
