"""The horse: job after job in one process, none of which may hold up, poison or call what it likes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis
from flask import Flask
from rq import Queue
from rq.job import Job
from rq.serializers import JSONSerializer

from app.core import jobs, tasks, worker
from tests.core.test_jobs import PATIENCE_SECONDS, Site, at_work
from tests.support.databases import Clones
from tests.support.outbox import wait_until

__all__ = ["site"]


@pytest.fixture(scope="module")
def site(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with at_work(clones, tmp_path_factory.mktemp("worker")) as made:
        yield made


def horse_of(site: Site) -> int:
    """The process at work, once there is one."""
    keeper = psutil.Process(site.live.processes["worker"].pid)
    found: list[int] = []

    def is_there() -> bool:
        found[:] = [child.pid for child in keeper.children()]
        return bool(found)

    wait_until(is_there, PATIENCE_SECONDS)
    return found[0]


def test_a_horse_does_many_jobs_and_a_dead_one_is_replaced(site: Site) -> None:
    site.invite(site.world.anna, "first@anna.test")
    site.wait_delivered("first@anna.test")
    first = horse_of(site)
    site.invite(site.world.anna, "second@anna.test")
    site.wait_delivered("second@anna.test")
    assert horse_of(site) == first, "a job does not cost a process"
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: horse_of(site) != first, PATIENCE_SECONDS)
    site.invite(site.world.anna, "third@anna.test")
    site.wait_delivered("third@anna.test")
    assert site.live.processes["worker"].poll() is None, "the keeper lives on"


def test_only_our_own_tasks_are_called(site: Site, tmp_path: Path) -> None:
    """JSON can't carry code, but a job names the function that is called."""
    target = tmp_path / "made by a stranger"
    queue = Queue("low", connection=site.redis, serializer=JSONSerializer)
    job = queue.enqueue_call("os.mkdir", args=(str(target),))
    wait_until(lambda: not site.redis.exists(job.key), PATIENCE_SECONDS)
    site.invite(site.world.anna, "unharmed@anna.test")
    site.wait_delivered("unharmed@anna.test")
    assert not target.exists()


def test_jobs_leave_nothing_in_redis(site: Site) -> None:
    """Or it would fill with them."""
    site.invite(site.world.anna, "tidy@anna.test")
    site.wait_delivered("tidy@anna.test")
    wait_until(lambda: not site.redis.keys("rq:job:delivery-*"), PATIENCE_SECONDS)
    assert not site.redis.keys("rq:wip:*")
    assert not site.redis.keys("rq:execution*")


class Untied(worker.Horse):
    """Without Redis: what a job may cost."""

    def __init__(self) -> None:
        self._stop_requested = False


def done(monkeypatch: pytest.MonkeyPatch, work: Any = lambda: None, timeout: int = 60) -> Untied:
    """A horse after this job."""
    horse = Untied()
    monkeypatch.setattr(worker.Limit, "was_reached", False)

    def do(_self: Any, _job: Any) -> None:
        try:
            with worker.Limit(timeout, TimeoutError):
                work()
        except TimeoutError:
            pass

    monkeypatch.setattr(worker.Horse, "_do", do)
    job = Job("one", connection=redis.Redis(), serializer=JSONSerializer)
    job.timeout = timeout
    horse.execute_job(job, None)  # type: ignore[arg-type]
    return horse


def test_a_horse_goes_on_until_it_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MOST_MEBIBYTES", 10**6)  # the suite's own process has much of it by now
    assert not done(monkeypatch).is_spent
    monkeypatch.setattr(worker, "MOST_JOBS", 1)
    horse = done(monkeypatch)
    assert horse.is_spent
    assert horse._stop_requested


def test_much_memory_spends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "MOST_MEBIBYTES", 1)
    assert worker.mebibytes() > 1
    assert done(monkeypatch).is_spent


def test_a_job_that_was_broken_off_spends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    assert done(monkeypatch, lambda: time.sleep(30), timeout=1).is_spent
    assert time.monotonic() - begun < 10


def test_a_job_is_out_of_redis_before_it_is_done(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """One whose horse dies of it would stay there for ever."""
    horse, found = Untied(), []
    horse.connection = app.extensions["redis"]
    job = Queue("low", connection=horse.connection, serializer=JSONSerializer).enqueue_call(jobs.TICK)
    monkeypatch.setattr(tasks, "tick", lambda: found.append(horse.connection.exists(job.key)))
    horse.execute_job(job, None)  # type: ignore[arg-type]
    assert found == [0]


def test_a_job_that_fails_is_told_and_the_next_is_done(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    horse = Untied()
    horse.connection = app.extensions["redis"]

    def fail() -> None:
        raise LookupError("nothing there")

    monkeypatch.setattr(tasks, "tick", fail)
    job = Queue("low", connection=horse.connection, serializer=JSONSerializer).enqueue_call(jobs.TICK)
    horse.execute_job(job, None)  # type: ignore[arg-type]
    assert "nothing there" in caplog.text


DEAF = """
import signal, sys, time
from types import SimpleNamespace
from app.core import worker
worker.DEAF_SECONDS = 1
def deaf(self, job):
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    time.sleep(60)
worker.Horse._do = deaf
horse = worker.Horse.__new__(worker.Horse)
horse.execute_job(SimpleNamespace(timeout=0), None)
"""


def test_a_job_that_hears_nothing_ends_with_its_process() -> None:
    begun = time.monotonic()
    found = subprocess.run([sys.executable, "-c", DEAF], capture_output=True, timeout=50, check=False)
    assert found.returncode == 1
    assert b"Timeout" in found.stderr
    assert b"in deaf" in found.stderr, "it says where it hung"
    assert time.monotonic() - begun < 50


def test_all_tasks_are_there() -> None:
    assert {f"{tasks.__name__}.{name}" for name in ("deliver", "tick")} == jobs.TASKS
