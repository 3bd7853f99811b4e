"""Recurring work: due by machine time or by business time, each run once, whatever fails or is away."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
from flask import Flask
from sqlalchemy import event, select, text

from app.core import clock, jobs, schedule
from app.core.db import db
from app.core.schedule import OVERDUE_AFTER, Recurring, Schedule
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.shell.schedule import TABLE
from tests.support.databases import Clones, Database
from tests.support.outbox import wait_until
from tests.support.servers import live_servers

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
NOBODY = "redis://127.0.0.1:1/0"


class Plan:
    """The schedule of one test, and how often each of its works ran."""

    def __init__(self, app: Flask, patch: pytest.MonkeyPatch) -> None:
        self.app, self.patch = app, patch
        self.runs: Counter[str] = Counter()
        self.items: list[Recurring] = []

    def add(
        self,
        name: str,
        every: dt.timedelta = HOUR,
        *,
        work: Callable[[], None] | None = None,
        business_time: bool = False,
    ) -> None:
        def run() -> None:
            self.runs[name] += 1
            if work is not None:
                work()

        self.items.append(Recurring(name, run, every, business_time))
        self.patch.setitem(self.app.extensions, "schedule", tuple(self.items))
        schedule.ensure()

    def row(self, name: str) -> Schedule:
        with platform_scope("test"):
            found: Schedule = db.session.scalars(select(Schedule).where(Schedule.name == name)).one()
            return found


@pytest.fixture
def plan(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plan]:
    monkeypatch.setattr(clock, "_offset", clock._no_offset)
    with app.app_context():
        yield Plan(app, monkeypatch)


def later(span: dt.timedelta) -> Any:
    return clock.machine_frozen(clock.machine_now() + span)


# -- what is due -------------------------------------------------------------------------------------------


def test_rows_are_made_once_and_keep_when_they_are_due(plan: Plan, app: Flask) -> None:
    plan.add("tidy")
    assert schedule.run_due() == ["tidy"]
    due_at = plan.row("tidy").due_at

    def ensure() -> None:
        with app.app_context():
            schedule.ensure()

    threads = [threading.Thread(target=ensure) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with platform_scope("test"):
        assert [row.name for row in db.session.scalars(select(Schedule))] == ["tidy"]
    assert plan.row("tidy").due_at == due_at
    plan.add("count")
    assert schedule.run_due() == ["count"]


def test_a_due_work_runs_once_and_is_due_again_after_its_period(plan: Plan) -> None:
    plan.add("tidy")
    plan.add("count", DAY)
    assert schedule.run_due() == ["tidy", "count"]
    assert schedule.run_due() == []
    with later(HOUR - dt.timedelta(seconds=1)):
        assert schedule.run_due() == []
    with later(HOUR + dt.timedelta(seconds=1)):
        assert schedule.run_due() == ["tidy"]
        assert schedule.run_due() == []
    assert plan.runs == {"tidy": 2, "count": 1}


def test_what_was_missed_is_made_up_by_one_run(plan: Plan) -> None:
    plan.add("tidy")
    schedule.run_due()
    with later(10 * DAY):
        assert schedule.run_due() == ["tidy"]
        assert schedule.run_due() == []
        assert plan.row("tidy").due_at == clock.machine_now() + HOUR


def test_a_run_notes_when_it_was_and_how_long_it_took(plan: Plan) -> None:
    plan.add("slow", work=lambda: time.sleep(0.05))
    before = clock.machine_now()
    schedule.run_due()
    row = plan.row("slow")
    assert row.last_run_at is not None
    assert before <= row.last_run_at <= clock.machine_now()
    assert row.last_seconds is not None
    assert 0.05 <= row.last_seconds < 5


def test_a_shorter_period_holds_from_the_next_tick(plan: Plan) -> None:
    """Else a schedule that was daily until today's deployment would wait out its day."""
    plan.add("tidy", DAY)
    schedule.run_due()
    plan.items.clear()
    plan.add("tidy", HOUR)
    assert schedule.run_due() == ["tidy"]
    assert schedule.run_due() == []


# -- two at once -------------------------------------------------------------------------------------------


def test_two_tickers_at_once_run_each_work_once(plan: Plan, app: Flask) -> None:
    for number in range(5):
        plan.add(f"work {number}", work=lambda: time.sleep(0.05))
    barrier, ran = threading.Barrier(2), list[str]()

    def tick() -> None:
        barrier.wait()
        with app.app_context():
            ran.extend(schedule.run_due())

    threads = [threading.Thread(target=tick) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ran) == [f"work {number}" for number in range(5)]
    assert set(plan.runs.values()) == {1}


def test_a_work_that_runs_longer_than_its_period_is_not_started_twice(plan: Plan, app: Flask) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def dawdle() -> None:
        begun.set()
        go_on.wait(10)

    plan.add("long", dt.timedelta(milliseconds=1), work=dawdle)
    plan.add("short", DAY)

    def tick() -> None:
        with app.app_context():
            schedule.run_due()

    thread = threading.Thread(target=tick)
    thread.start()
    assert begun.wait(10)
    started = time.monotonic()
    assert schedule.run_due() == ["short"], "the second ticker neither waits nor runs it"
    assert time.monotonic() - started < 2
    go_on.set()
    thread.join()
    assert plan.runs == {"long": 1, "short": 1}


# -- failures ----------------------------------------------------------------------------------------------


def test_a_failing_work_is_noted_and_the_others_go_on(plan: Plan) -> None:
    broken = [True]

    def fail() -> None:
        if broken:
            raise ZeroDivisionError("the cake is burnt")

    plan.add("first")
    plan.add("fails", work=fail)
    plan.add("last")
    assert schedule.run_due() == ["first", "fails", "last"]
    assert plan.row("fails").last_error == "ZeroDivisionError: the cake is burnt"
    assert plan.row("last").last_error is None
    assert schedule.run_due() == [], "it waits for its next turn"
    broken.clear()
    with later(HOUR + dt.timedelta(minutes=1)):
        schedule.run_due()
    assert plan.row("fails").last_error is None


def test_a_work_whose_transaction_breaks_leaves_nothing_and_is_noted(plan: Plan) -> None:
    def fail() -> None:
        with platform_scope("test"), transaction() as session:
            session.execute(text("INSERT INTO throttle VALUES ('x', '2030-01-01+00', 1)"))
            session.execute(text("SELECT 1 / 0"))

    plan.add("fails", work=fail)
    plan.add("last")
    assert schedule.run_due() == ["fails", "last"]
    assert plan.row("fails").last_error is not None
    with platform_scope("test"):
        assert db.session.scalar(text("SELECT count(*) FROM throttle")) == 0


def test_a_work_that_costs_the_ticker_its_connection_holds_no_other_up(
    plan: Plan, database: Database
) -> None:
    def cut() -> None:
        with database.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'wm_app'"
                " AND datname = current_database() AND state = 'idle in transaction'"
            )

    plan.add("cuts", work=cut)
    plan.add("last")
    assert schedule.run_due() == ["last"]
    assert plan.runs == {"cuts": 1, "last": 1}


def test_a_work_may_take_longer_than_an_idle_transaction_may(plan: Plan) -> None:
    """The ticker's own transaction holds the row and does nothing meanwhile."""

    def impatient(connection: Any, _record: Any) -> None:
        connection.execute("SET idle_in_transaction_session_timeout = '150ms'")
        connection.commit()

    plan.add("long", work=lambda: time.sleep(0.4))
    event.listen(db.engine, "connect", impatient)
    db.engine.dispose()
    try:
        assert schedule.run_due() == ["long"]
    finally:
        event.remove(db.engine, "connect", impatient)
        db.engine.dispose()
    assert plan.row("long").last_run_at is not None


# -- the two times -----------------------------------------------------------------------------------------


def test_moving_business_time_fires_what_lives_by_it_and_nothing_else(plan: Plan) -> None:
    plan.add("renewals", DAY, business_time=True)
    plan.add("leases", DAY)
    assert schedule.run_due() == ["renewals", "leases"]
    clock.use_offset(lambda: 365 * DAY)
    assert schedule.run_due() == ["renewals"]
    assert schedule.run_due() == []
    clock.use_offset(lambda: 366 * DAY + HOUR)
    assert schedule.run_due() == ["renewals"]
    assert plan.runs == {"renewals": 3, "leases": 1}
    row = plan.row("renewals")
    assert row.due_at > clock.machine_now() + 366 * DAY
    assert row.last_run_at is not None
    assert row.last_run_at <= clock.machine_now(), "what an operator reads is machine time"


def test_business_time_that_is_moved_back_does_not_stop_its_schedules(plan: Plan) -> None:
    plan.add("renewals", DAY, business_time=True)
    clock.use_offset(lambda: 365 * DAY)
    assert schedule.run_due() == ["renewals"]
    clock.use_offset(dt.timedelta)
    assert schedule.run_due() == ["renewals"], "it would have waited for a year"
    assert schedule.run_due() == []
    assert plan.row("renewals").due_at < clock.now() + DAY + HOUR


def test_overdue_names_what_has_not_run(plan: Plan) -> None:
    plan.add("tidy")
    plan.add("count", DAY)
    plan.add("renewals", HOUR, business_time=True)
    assert schedule.overdue() == []
    schedule.run_due()
    with later((OVERDUE_AFTER + 1) * HOUR - dt.timedelta(minutes=1)):
        assert schedule.overdue() == []
    with later((OVERDUE_AFTER + 1) * HOUR + dt.timedelta(minutes=1)):
        assert schedule.overdue() == ["tidy", "renewals"]
        schedule.run_due()
        assert schedule.overdue() == []
    with later(30 * DAY):
        assert schedule.overdue() == ["tidy", "count", "renewals"]
    clock.use_offset(lambda: 30 * DAY)
    assert schedule.overdue() == ["renewals"]


# -- the scheduler -----------------------------------------------------------------------------------------


@pytest.fixture
def scheduler(plan: Plan, app: Flask) -> Iterator[Callable[[], None]]:
    """Starts the scheduler's loop in a thread, ticking a hundred times a second."""
    plan.patch.setitem(app.config, "SCHEDULE_TICK_SECONDS", 0.01)
    stop, threads = threading.Event(), list[threading.Thread]()

    def start() -> None:
        threads.append(threading.Thread(target=schedule.run_scheduler, args=(app, stop)))
        threads[0].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_it_ticks_through_the_queue(plan: Plan, scheduler: Callable[[], None]) -> None:
    plan.add("tidy")
    scheduler()
    for _ in range(2):
        wait_until(lambda: len(jobs.queue("default")) > 0)
        time.sleep(0.1)
        (tick,) = jobs.queue("default").get_jobs()  # a tick that nobody takes is not repeated
        assert (tick.func_name, tuple(tick.args)) == ("app.core.tasks.tick", ())
        jobs.queue("default").empty()
    assert plan.runs == {}, "the work is the worker's"


def test_ticks_that_nobody_takes_leave_the_queue_its_room(app: Flask) -> None:
    """A day without a worker, and two schedulers at it."""

    def tick() -> None:
        with app.app_context():
            for _ in range(300):
                jobs.enqueue_tick()

    with app.app_context():
        jobs.enqueue_tick()
        threads = [threading.Thread(target=tick) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(jobs.queue("default")) == 1
        assert jobs.queues_without_room() == frozenset()
        jobs.enqueue_deliveries("default", [(number, 0) for number in range(jobs.ROOM - 2)])
        jobs.enqueue_tick()  # found among all the others
        assert len(jobs.queue("default")) == jobs.ROOM - 1
        assert jobs.queues_without_room() == frozenset()
        jobs.enqueue_deliveries("default", [(jobs.ROOM, 0), (0, 0)])
        assert jobs.queues_without_room() == {"default"}


def test_without_redis_it_does_the_work_itself(plan: Plan, app: Flask, scheduler: Callable[[], None]) -> None:
    plan.add("tidy")
    with redis.Redis.from_url(NOBODY) as nobody:
        plan.patch.setitem(app.extensions, "redis", nobody)
        scheduler()
        wait_until(lambda: plan.runs["tidy"] == 1)
        time.sleep(0.1)
    assert plan.runs == {"tidy": 1}


def test_it_survives_a_database_that_is_away(
    plan: Plan, app: Flask, database: Database, scheduler: Callable[[], None]
) -> None:
    plan.add("tidy", dt.timedelta(milliseconds=1))
    connect = app.extensions["sqlalchemy"]
    assert connect is db
    away = [True]

    def refuse(*_arguments: Any) -> None:
        if away:
            raise RuntimeError("no connection today")

    plan.patch.setattr(schedule, "PAUSE_SECONDS", 0.05)
    event.listen(db.engine, "do_connect", refuse)
    db.engine.dispose()
    try:
        with redis.Redis.from_url(NOBODY) as nobody:
            plan.patch.setitem(app.extensions, "redis", nobody)
            scheduler()
            time.sleep(0.3)
            assert plan.runs == {}
            away.clear()
            wait_until(lambda: plan.runs["tidy"] >= 2)
    finally:
        event.remove(db.engine, "do_connect", refuse)


def _ran(database: Database) -> Sequence[str]:
    with database.connect() as connection:
        query = "SELECT name FROM schedule WHERE last_run_at IS NOT NULL AND last_error IS NULL"
        return [name for (name,) in connection.execute(query)]


@pytest.mark.parametrize("names", [("scheduler", "worker"), ("scheduler",)], ids=["queue", "no Redis"])
def test_the_real_processes_run_all_that_the_house_has(
    clones: Clones, tmp_path: Path, names: Sequence[str]
) -> None:
    database = clones.make("schedule")
    away = {} if "worker" in names else {"REDIS_URL": NOBODY}
    with live_servers(database, tmp_path, names=names, SCHEDULE_TICK_SECONDS=1, **away):
        wait_until(lambda: sorted(_ran(database)) == sorted(item.name for item in TABLE), 40)
