"""The outbox is worked off: in batches, again after a failure, never for ever; the loop goes on."""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from sqlalchemy import text
from structlog.contextvars import get_contextvars

from app.core import clock, dispatcher
from app.core.db import db
from app.core.events import Delivery, Event, Wiring
from app.core.outbox import DEAD, DELIVERED, DUE, MAX_ATTEMPTS
from app.core.outside import ProviderRefused
from tests.support.outbox import Aside, Called, Happened, Killed, Post, boom, deliver_all, wait_until
from tests.support.world import World

NOW = dt.datetime(2031, 5, 6, 7, 8, 9, tzinfo=dt.UTC)


# -- batches -----------------------------------------------------------------------------------------------


def test_it_works_in_batches_oldest_first(post: Post) -> None:
    post.send(*range(250))
    assert [dispatcher.run_once() for _ in range(4)] == [100, 100, 50, 0]
    assert post.effects() == Counter(range(250))
    assert post.statuses() == {DELIVERED: 250}
    transactions = post.connection.execute("SELECT DISTINCT txid FROM effect").fetchall()
    assert len(transactions) == 3
    first = post.connection.execute("SELECT min(number), max(number) FROM effect GROUP BY txid ORDER BY 1")
    assert first.fetchall() == [(0, 99), (100, 199), (200, 249)]


def test_a_claim_never_takes_more_than_its_limit(post: Post) -> None:
    post.send(*range(40))
    post.connection.execute("ANALYZE outbox")
    assert len(dispatcher.claim(7)) == 7
    assert post.connection.execute("SELECT count(*) FROM outbox WHERE lease IS NOT NULL").fetchone() == (7,)


def test_each_tenants_rows_run_in_its_own_scope(post: Post, world: World) -> None:
    for number, tenant_id in enumerate([world.anna.id, None, world.bert.id, world.anna.id]):
        post.send(number, tenant_id=tenant_id)
    assert dispatcher.run_once() == 4
    found = post.connection.execute("SELECT number, tenant_id FROM effect ORDER BY number").fetchall()
    assert found == [(0, world.anna.id), (1, None), (2, world.bert.id), (3, world.anna.id)]


def test_a_handler_runs_with_the_request_id_that_announced(post: Post) -> None:
    seen: list[str] = []
    post.send(1)
    post.connection.execute("UPDATE outbox SET request_id = 'r-77'")
    post.behave(1, lambda _delivery: seen.append(get_contextvars()["request_id"]))
    dispatcher.run_once()
    assert seen == ["r-77"]
    assert "request_id" not in get_contextvars()


# -- failures ----------------------------------------------------------------------------------------------


def test_one_failing_row_holds_nobody_back(post: Post) -> None:
    post.behave(5, boom)
    post.send(*range(10))
    dispatcher.run_once()
    assert post.effects() == Counter([0, 1, 2, 3, 4, 6, 7, 8, 9])
    assert post.statuses() == {DELIVERED: 9, DUE: 1}
    query = "SELECT payload ->> 'number', attempts, last_error FROM outbox WHERE status = 'due'"
    assert post.connection.execute(query).fetchall() == [("5", 1, "ZeroDivisionError: the cake is burnt")]


def test_a_failing_tenant_holds_no_other_back(post: Post, world: World) -> None:
    post.behave(1, boom)
    post.send(1, tenant_id=world.anna.id)
    post.send(2, tenant_id=world.bert.id)
    post.send(3)
    dispatcher.run_once()
    assert post.effects() == Counter([2, 3])


def test_what_the_database_refuses_fails_its_row_alone(post: Post) -> None:
    post.behave(2, lambda _delivery: db.session.execute(text("SELECT 1 / 0")))
    post.send(1, 2, 3)
    dispatcher.run_once()
    assert post.effects() == Counter([1, 3])


def test_a_statement_that_takes_too_long_fails_its_row_alone(post: Post) -> None:
    """PostgreSQL's timeout is an OperationalError, as is its absence: it must not be taken for that."""

    def dawdle(_delivery: Delivery) -> None:
        db.session.execute(text("SET LOCAL statement_timeout = '20ms'"))
        db.session.execute(text("SELECT pg_sleep(1)"))

    post.behave(2, dawdle)
    post.send(1, 2, 3)
    dispatcher.run_once()
    assert post.effects() == Counter([1, 3])
    query = "SELECT attempts, last_error FROM outbox WHERE status = 'due'"
    attempts, error = post.connection.execute(query).fetchall()[0]
    assert attempts == 1
    assert "statement timeout" in error


def test_the_pause_doubles_with_jitter_and_ends_at_an_hour(
    post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "MAX_ATTEMPTS", 99)
    pauses: dict[int, set[float]] = {}
    post.behave(1, boom)
    for _repeat in range(6):
        post.connection.execute("DELETE FROM outbox")
        post.send(1)
        for attempt in range(1, 16):
            with clock.machine_frozen(NOW + attempt * dt.timedelta(days=1)):
                dispatcher.run_once()
                made, due_at = post.one("attempts, due_at")
                assert made == attempt
                pauses.setdefault(attempt, set()).add((due_at - clock.machine_now()).total_seconds())
    for attempt, seconds in pauses.items():
        most = min(3600, 2**attempt)
        assert most / 2 <= min(seconds) <= max(seconds) <= most, attempt
        assert len(seconds) > 1, "no jitter"
    assert max(pauses[15]) > 1800


def test_it_is_tried_for_hours_before_it_is_given_up(post: Post) -> None:
    """A relay that greylists (RFC 6647) takes a mail after minutes, one that is down perhaps after an hour."""
    post.behave(1, boom)
    with clock.machine_frozen(NOW):
        post.send(1)
    while post.one()[0] == DUE:
        (due_at,) = post.one("due_at")
        with clock.machine_frozen(due_at):
            dispatcher.run_once()
    assert dt.timedelta(hours=2) < due_at - NOW < dt.timedelta(hours=24)


def test_a_row_is_not_due_before_its_pause_is_over(post: Post) -> None:
    post.behave(1, boom)
    with clock.machine_frozen(NOW):
        post.send(1)
        assert dispatcher.run_once() == 1
        assert dispatcher.run_once() == 0
    (due_at,) = post.one("due_at")
    with clock.machine_frozen(due_at - dt.timedelta(milliseconds=1)):
        assert dispatcher.run_once() == 0
    with clock.machine_frozen(due_at):
        assert dispatcher.run_once() == 1


@pytest.mark.parametrize("kind", [Happened, Called])
def test_after_the_last_attempt_it_is_dead(post: Post, kind: type[Event]) -> None:
    post.behave(1, boom)
    post.send(1, kind=kind)
    for attempt in range(MAX_ATTEMPTS):
        assert post.one("status, attempts") == (DUE, attempt)
        deliver_all(post, attempt)
    assert post.one("status, attempts") == (DEAD, MAX_ATTEMPTS)
    deliver_all(post, MAX_ATTEMPTS)
    assert post.one("status, attempts, last_error")[1:] == (
        MAX_ATTEMPTS,
        "ZeroDivisionError: the cake is burnt",
    )
    assert post.effects() == Counter()


@pytest.mark.parametrize("kind", [Happened, Called])
def test_what_can_never_work_is_dead_at_once(post: Post, kind: type[Event]) -> None:
    def refuse(_delivery: Delivery) -> None:
        raise ProviderRefused("mail", "550 nobody of this name")

    post.behave(1, refuse)
    post.send(1, kind=kind)
    deliver_all(post)
    assert post.one("status, attempts, last_error") == (
        DEAD,
        1,
        "ProviderRefused: mail: 550 nobody of this name",
    )


def test_an_event_or_a_handler_that_exists_no_more_fails_and_is_named(
    post: Post, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    post.send(1)
    monkeypatch.setitem(app.extensions, "wiring", Wiring({}, {}))
    dispatcher.run_once()
    status, error = post.one("status, last_error")
    assert status == DUE
    assert error == "LookupError: no event support.Happened is wired any more"
    with post.pass_by(10):
        monkeypatch.setitem(app.extensions, "wiring", Wiring({Happened: ()}, {}))
        dispatcher.run_once()
    assert post.one("last_error") == ("LookupError: no handler of this name is wired any more",)


def test_a_job_that_ends_its_worker_each_time_gives_up_in_the_end(post: Post) -> None:
    def die(_delivery: Delivery) -> None:
        raise Killed

    post.behave(1, die)
    post.send(1, kind=Called)
    for attempt in range(MAX_ATTEMPTS):
        with pytest.raises(Killed):
            deliver_all(post, attempt)
        assert post.one("status, attempts") == (DUE, attempt + 1)
    deliver_all(post, MAX_ATTEMPTS)
    status, error = post.one("status, last_error")
    assert status == DEAD
    assert error.startswith("Abandoned")


def test_the_operator_has_a_dead_delivery_tried_again(post: Post, world: World, app: Flask) -> None:
    def refuse(_delivery: Delivery) -> None:
        raise ProviderRefused("mail", "550 nobody of this name")

    post.behave(1, refuse)
    post.send(1, tenant_id=world.anna.id)
    deliver_all(post)
    (row_id,) = post.one("id")
    operator = Aside(world.operator)
    assert "550 nobody of this name" in operator.get(f"/admin/deliveries/{row_id}").text
    address = f"/admin/deliveries/{row_id}/do/retry"
    assert address in operator.get(f"/admin/deliveries/{row_id}").text
    post.behave(1, lambda _delivery: None)

    assert operator.get(address).status_code == 200
    assert post.one()[0] == DEAD, "asking is not doing"
    assert operator.post(address).status_code == 302
    assert post.one("status, attempts, last_error") == (DUE, 0, None)
    assert address not in operator.get(f"/admin/deliveries/{row_id}").text
    assert dispatcher.run_once() == 1
    assert post.one()[0] == DELIVERED
    assert post.effects() == Counter([1])
    assert operator.post(address).status_code == 409
    assert post.one()[0] == DELIVERED


def test_many_dead_ones_are_tried_again_together_and_nobody_else_may(post: Post, world: World) -> None:
    post.send(1, 2, 3)
    post.connection.execute(
        "UPDATE outbox SET status = 'dead', attempts = 8 WHERE payload ->> 'number' > '1'"
    )
    ids = [row_id for (row_id,) in post.connection.execute("SELECT id FROM outbox WHERE status = 'dead'")]
    page = "/admin/deliveries/do/retry?" + "&".join(f"id={row_id}" for row_id in ids)
    assert Aside(world.manager).get(page).status_code == 404
    operator = Aside(world.operator)
    assert operator.post(page).status_code == 302
    assert post.statuses() == {DUE: 3}


# -- the loop ----------------------------------------------------------------------------------------------


@pytest.fixture
def loop(post: Post, app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Starts the loop in a thread; it ends with the test."""
    monkeypatch.setattr(dispatcher, "IDLE_SECONDS", 0.02)
    monkeypatch.setitem(app.config, "OUTBOX_LEASE_SECONDS", 1)
    stop, threads = threading.Event(), list[threading.Thread]()

    def start() -> None:
        threads.append(threading.Thread(target=dispatcher.run, args=(app, stop)))
        threads[0].start()

    yield start
    stop.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive(), "the loop does not stop"


def test_the_loop_rests_as_soon_as_it_has_caught_up(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a full batch there is more; after any other, whatever came meanwhile has left its hint."""
    stop, done = threading.Event(), list[str]()
    rounds = iter((dispatcher.BATCH, 3, 0))

    def run_once() -> int:
        done.append("round")
        return next(rounds)

    def rest(_stop: threading.Event) -> None:
        done.append("rest")
        if done.count("rest") == 2:
            stop.set()

    monkeypatch.setattr(dispatcher, "run_once", run_once)
    monkeypatch.setattr(dispatcher, "_rest", rest)
    dispatcher.run(app, stop)
    assert done == ["round", "round", "rest", "round", "rest"]


def cut_all(post: Post) -> None:
    """End the connections of the application, and see them gone: what is sent in between is another story."""
    theirs = "FROM pg_stat_activity WHERE datname = current_database() AND usename = 'wm_app'"
    found = post.connection.execute(f"SELECT pid, pg_terminate_backend(pid) {theirs}").fetchall()
    pids = [pid for pid, _done in found]
    query = "SELECT 1 FROM pg_stat_activity WHERE pid = ANY(%s)"
    wait_until(lambda: not post.connection.execute(query, [pids]).fetchall())


def test_the_loop_survives_the_loss_of_its_connections(post: Post, loop: Callable[[], None]) -> None:
    loop()
    post.send(1)
    wait_until(lambda: post.effects() == Counter([1]))
    for number in (2, 3, 4):
        cut_all(post)
        post.send(number)
    wait_until(lambda: post.effects() == Counter([1, 2, 3, 4]))


def test_the_loop_survives_what_nobody_thought_of(
    post: Post, loop: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[int] = []
    claim = dispatcher.claim

    def stumble(limit: int) -> list[dispatcher.Claim]:
        tries.append(limit)
        if len(tries) == 1:
            raise ZeroDivisionError
        return claim(limit)

    monkeypatch.setattr(dispatcher, "claim", stumble)
    post.send(1)
    loop()
    wait_until(lambda: post.effects() == Counter([1]))
