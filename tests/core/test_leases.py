"""A row that nobody finished comes back, and is done once: leases, leftovers, a Redis that is away, kills."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
import redis
from flask import Flask
from sqlalchemy import event as sqla_event

from app.core import dispatcher, jobs
from app.core.db import ScopedSession
from app.core.events import Delivery
from app.core.outbox import DELIVERED, DUE
from app.core.scope import platform_scope
from app.core.transaction import transaction
from tests.support.outbox import Called, Killed, Post, boom
from tests.support.world import World

NOBODY = "redis://127.0.0.1:1/0"


# -- leases ------------------------------------------------------------------------------------------------


def test_a_lease_that_runs_out_brings_the_row_back(post: Post, app: Flask) -> None:
    post.send(1)
    assert len(dispatcher.claim(100)) == 1  # and the dispatcher dies
    assert dispatcher.run_once() == 0
    seconds = app.config["OUTBOX_LEASE_SECONDS"]
    with post.pass_by(seconds - 1):
        assert dispatcher.run_once() == 0
    with post.pass_by(seconds + 1):
        assert dispatcher.run_once() == 1
    assert post.effects() == Counter([1])


def test_who_has_lost_the_lease_leaves_no_effect(post: Post, app: Flask) -> None:
    post.send(1)
    slow = dispatcher.claim(100)
    with post.pass_by(app.config["OUTBOX_LEASE_SECONDS"] + 1):
        dispatcher.run_once()  # another dispatcher is quicker
        dispatcher.deliver_together(None, slow)
    assert post.effects() == Counter([1])
    assert post.one("status, last_error") == (DELIVERED, None)


def test_who_loses_the_lease_in_the_midst_of_it_leaves_no_effect_either(post: Post) -> None:
    def steal(_delivery: Delivery) -> None:
        post.connection.execute(
            "UPDATE outbox SET lease = gen_random_uuid() WHERE payload ->> 'number' = '2'"
        )

    post.behave(2, steal)
    post.send(1, 2, 3)
    dispatcher.run_once()
    assert post.effects() == Counter([1, 3])
    query = "SELECT payload ->> 'number', attempts, last_error FROM outbox WHERE status = 'due'"
    assert post.connection.execute(query).fetchall() == [("2", 1, None)], "the thief's row is not touched"
    with pytest.raises(dispatcher.LeaseLost), platform_scope("test"), transaction():
        dispatcher._mark_delivered([_some_claim(post)])


def _some_claim(post: Post) -> dispatcher.Claim:
    row_id, handler = post.connection.execute(
        "SELECT id, handler FROM outbox WHERE status = 'due'"
    ).fetchall()[0]
    return dispatcher.Claim(row_id, uuid.uuid4(), uuid.uuid4(), handler, "support.Happened", None, {}, "", 1)


def test_a_leftover_job_does_nothing(post: Post) -> None:
    post.send(1, kind=Called)
    row = dispatcher.claim(100)[0]
    dispatcher.deliver_outside(row.id, row.attempts)
    dispatcher.deliver_outside(row.id, row.attempts)
    dispatcher.deliver_outside(row.id, row.attempts + 1)
    dispatcher.deliver_outside(2**62, 0)
    assert post.effects() == Counter([1])
    assert post.one("status, attempts") == (DELIVERED, 1)


def test_a_job_for_a_try_that_failed_already_does_nothing(post: Post) -> None:
    post.behave(1, boom)
    post.send(1, kind=Called)
    row = dispatcher.claim(100)[0]
    dispatcher.deliver_outside(row.id, row.attempts)
    post.behave(1, lambda _delivery: None)
    dispatcher.deliver_outside(row.id, row.attempts)
    assert post.one("status, attempts") == (DUE, 1)
    assert post.effects() == Counter()


def test_a_job_that_waited_longer_than_its_lease_is_still_good(post: Post, app: Flask) -> None:
    """Or a queue with more than a lease's worth of work would hold nothing but leftovers."""
    post.send(1, kind=Called)
    dispatcher.run_once()
    with post.pass_by(app.config["OUTBOX_LEASE_SECONDS"] + 1):
        assert dispatcher.run_once() == 1  # handed over again
        first, *others = jobs.queue("mail").get_jobs()
        assert post.one("attempts") == (0,)
        dispatcher.deliver_outside(*first.args)
        for job in others:
            dispatcher.deliver_outside(*job.args)
    assert post.effects() == Counter([1])
    assert post.one("status, attempts") == (DELIVERED, 1)


def test_a_slow_worker_that_was_given_up_can_not_mark_the_row(post: Post, app: Flask) -> None:
    """An orphaned work horse that wakes after another took the row over: its mark is refused."""
    seen: list[str] = []

    def be_overtaken(delivery: Delivery) -> None:
        post.behave(1, lambda _delivery: seen.append("second"))
        with post.pass_by(app.config["OUTBOX_LEASE_SECONDS"] + 1):
            row = dispatcher.claim(100)[0]
            dispatcher.deliver_outside(row.id, row.attempts)

    post.behave(1, be_overtaken)
    post.send(1, kind=Called)
    row = dispatcher.claim(100)[0]
    with pytest.raises(dispatcher.LeaseLost):
        dispatcher.deliver_outside(row.id, row.attempts)
    assert seen == ["second"]
    assert post.one("status, attempts, last_error") == (DELIVERED, 2, None)


# -- Redis -------------------------------------------------------------------------------------------------


def test_jobs_carry_the_rows_number_and_try_only(post: Post) -> None:
    post.send(1, 2, kind=Called)
    assert dispatcher.run_once() == 2
    ids = [row_id for (row_id,) in post.connection.execute("SELECT id FROM outbox ORDER BY id")]
    assert [job.args for job in jobs.queue("mail").get_jobs()] == [[row_id, 0] for row_id in ids]
    assert post.statuses() == {DUE: 2}


def test_redis_away_when_it_is_asked_costs_no_attempt_and_no_lease(
    post: Post, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.send(1, kind=Called)
    post.send(2)
    with redis.Redis.from_url(NOBODY) as nobody, monkeypatch.context() as away:
        away.setitem(app.extensions, "redis", nobody)
        assert dispatcher.run_once() == 1
        assert dispatcher.run_once() == 0
    assert post.effects() == Counter([2]), "what needs no queue goes on"
    query = "SELECT attempts, lease FROM outbox WHERE name = 'support.Called'"
    assert post.connection.execute(query).fetchall() == [(0, None)]
    assert dispatcher.run_once() == 1
    assert len(jobs.queue("mail")) == 1


def test_redis_away_at_the_hand_over_the_lease_brings_the_row_back(
    post: Post, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.send(1, kind=Called)
    with redis.Redis.from_url(NOBODY) as nobody, monkeypatch.context() as away:
        away.setattr(jobs, "queues_without_room", frozenset)
        away.setitem(app.extensions, "redis", nobody)
        assert dispatcher.run_once() == 1
    assert dispatcher.run_once() == 0
    assert len(jobs.queue("mail")) == 0
    with post.pass_by(app.config["OUTBOX_LEASE_SECONDS"] + 1):
        assert dispatcher.run_once() == 1
    assert [job.args for job in jobs.queue("mail").get_jobs()] == [[post.one("id")[0], 0]]


def test_an_emptied_redis_loses_no_delivery(post: Post, app: Flask) -> None:
    post.send(1, kind=Called)
    dispatcher.run_once()
    app.extensions["redis"].flushdb()
    with post.pass_by(app.config["OUTBOX_LEASE_SECONDS"] + 1):
        dispatcher.run_once()
        dispatcher.deliver_outside(*jobs.queue("mail").get_jobs()[0].args)
    assert post.effects() == Counter([1])


def test_a_full_queue_lets_its_rows_wait_and_nobody_else(post: Post, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "ROOM", 3)
    post.send(*range(10), kind=Called)
    monkeypatch.setattr(dispatcher, "BATCH", 2)
    for _ in range(5):
        dispatcher.run_once()
    assert len(jobs.queue("mail")) == 4
    post.send(100, 101)
    assert dispatcher.run_once() == 2
    assert post.effects() == Counter([100, 101])
    waiting = "SELECT count(*) FROM outbox WHERE lease IS NULL AND attempts = 0"
    assert post.connection.execute(waiting).fetchone() == (6,)
    jobs.queue("mail").empty()
    assert dispatcher.run_once() == 2


# -- two at once, and kills in between ---------------------------------------------------------------------


def test_two_dispatchers_at_once_deliver_each_row_once(post: Post, app: Flask, world: World) -> None:
    for start, tenant_id in ((0, None), (200, world.anna.id), (400, world.bert.id)):
        post.send(*range(start, start + (100 if start == 400 else 200)), tenant_id=tenant_id)
    errors: list[BaseException] = []
    batches: Counter[str] = Counter()
    barrier = threading.Barrier(2)

    def work(name: str) -> None:
        try:
            barrier.wait()
            idle = 0
            while idle < 3:
                with app.app_context():
                    claimed = dispatcher.run_once()
                batches[name] += bool(claimed)
                idle = 0 if claimed else idle + 1
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "other")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert post.effects() == Counter(range(500))
    assert post.statuses() == {DELIVERED: 500}
    attempts = post.connection.execute("SELECT DISTINCT attempts FROM outbox").fetchall()
    assert attempts == [(1,)], "no row was taken twice"
    assert min(batches.values()) >= 1


CRASHES = ["before the mark", "after the mark", "before the commit"]


@pytest.mark.parametrize("where", CRASHES)
def test_an_effect_and_its_mark_are_committed_together(
    post: Post, app: Flask, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    post.send(1, 2, 3)
    with monkeypatch.context() as patch:
        _crash(patch, where)
        with pytest.raises(Killed):
            dispatcher.run_once()
    assert post.effects() == Counter()
    assert post.statuses() == {DUE: 3}
    with post.pass_by(app.config["OUTBOX_LEASE_SECONDS"] + 1):
        assert dispatcher.run_once() == 3
    assert post.effects() == Counter([1, 2, 3])
    assert post.statuses() == {DELIVERED: 3}


def _crash(patch: pytest.MonkeyPatch, where: str) -> None:
    mark = dispatcher._mark_delivered

    def around(rows: Sequence[dispatcher.Claim]) -> None:
        if where == "before the mark":
            raise Killed
        mark(rows)
        if where == "after the mark":
            raise Killed
        if where == "before the commit":
            sqla_event.listen(ScopedSession, "before_commit", _kill, once=True)

    patch.setattr(dispatcher, "_mark_delivered", around)


def _kill(_session: Any) -> None:
    raise Killed


def test_a_queue_handlers_mark_that_is_lost_means_one_more_call(post: Post, app: Flask) -> None:
    """At least once: what the outside did can't be taken back, so the handler must bear a repeat."""
    post.send(1, kind=Called)
    row = dispatcher.claim(100)[0]
    with pytest.MonkeyPatch.context() as patch:
        _crash(patch, "before the mark")
        with pytest.raises(Killed):
            dispatcher.deliver_outside(row.id, row.attempts)
    assert post.effects() == Counter([1])
    with post.pass_by(app.config["OUTBOX_LEASE_SECONDS"] + 1):
        again = dispatcher.claim(100)[0]
        dispatcher.deliver_outside(again.id, again.attempts)
    assert post.effects() == Counter({1: 2})
    assert post.one("status, attempts") == (DELIVERED, 2)
