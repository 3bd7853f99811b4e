"""The breaker: stops calling a failing provider, in every process, and finds out when it is well again."""

from __future__ import annotations

import contextvars
import datetime as dt
import os
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import redis
from flask import Flask, current_app, has_app_context
from flask.ctx import AppContext
from flask_babel import Babel
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.core import clock, outside
from app.core.outside import (
    Breaker,
    ProviderCalledInTransaction,
    ProviderDeferred,
    ProviderRefused,
    ProviderUnavailable,
)

if TYPE_CHECKING:
    from tests.support.databases import Clones, Database

SOON = 0.3
NEVER = Retry(NoBackoff(), 0)


class Provider:
    """Counts its calls and does what it is told."""

    def __init__(self) -> None:
        self.calls = 0
        self.error: Exception | None = ProviderUnavailable("x", "down")

    def __call__(self) -> str:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return "done"


def redis_of_this_test() -> redis.Redis | None:
    if not has_app_context() or current_app.import_name != __name__:
        return None
    found: redis.Redis = current_app.extensions["redis"]
    return found


@pytest.fixture(autouse=True)
def _nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "_redis", redis_of_this_test)  # whatever other application is at hand
    monkeypatch.setattr(outside, "_breakers", {})
    monkeypatch.setattr(outside, "_in_transaction", outside._never)


def application(client: redis.Redis) -> AppContext:
    app = Flask(__name__)
    Babel(app)
    app.extensions["redis"] = client
    return app.app_context()


@pytest.fixture
def shared(database: Database) -> Iterator[redis.Redis]:
    """The state is kept in a real server."""
    with redis.Redis.from_url(database.redis_url) as client, application(client):
        client.flushdb()
        yield client


@pytest.fixture(params=["alone", "shared"])
def either(request: pytest.FixtureRequest) -> str:
    """Whatever holds for one process's breaker holds for the shared one."""
    if request.param == "shared":
        request.getfixturevalue("shared")
    return str(request.param)


def fail(breaker: Breaker, provider: Provider, times: int) -> None:
    provider.error = ProviderUnavailable("x", "down")
    for _ in range(times):
        with pytest.raises(ProviderUnavailable, match="x: down"):
            breaker.call(provider)


def state(breaker: Breaker) -> tuple[str, int]:
    return breaker.describe().state, breaker.describe().failures


@pytest.mark.usefixtures("either")
class TestBreaker:
    def test_passes_on_what_the_work_returns_or_raises(self) -> None:
        breaker, provider = Breaker("x"), Provider()
        for error in (
            ProviderUnavailable("x", "1"),
            ProviderDeferred("x", "2"),
            ProviderRefused("x", "3"),
            KeyError(4),
        ):
            provider.error = error
            with pytest.raises(type(error)) as raised:
                breaker.call(provider)
            assert raised.value is error
        provider.error = None
        assert breaker.call(provider) == "done"

    def test_opens_after_failures_in_a_row_and_then_does_not_call(self) -> None:
        breaker, provider = Breaker("x", fail_max=3, reset_seconds=40), Provider()
        fail(breaker, provider, 2)
        assert state(breaker) == ("closed", 2)
        fail(breaker, provider, 1)
        assert breaker.describe().state == "open"
        assert breaker.describe().opened_at is not None
        for _ in range(3):
            with pytest.raises(ProviderUnavailable, match="not called") as refusal:
                breaker.call(provider)
            assert refusal.value.data == {"retry_after": 40}
        assert provider.calls == 3

    def test_a_success_in_between_starts_the_count_again(self) -> None:
        breaker, provider = Breaker("x", fail_max=3), Provider()
        fail(breaker, provider, 2)
        provider.error = None
        breaker.call(provider)
        fail(breaker, provider, 2)
        assert state(breaker) == ("closed", 2)

    def test_a_refusal_is_a_sign_of_health_and_a_fault_of_ours_is_not(self) -> None:
        breaker, provider = Breaker("x", fail_max=2), Provider()
        for error in (ProviderRefused("x", "no such person"), ProviderDeferred("x", "mailbox full")):
            provider.error = error
            for _ in range(5):
                with pytest.raises(type(error)):
                    breaker.call(provider)
        assert state(breaker) == ("closed", 0)
        provider.error = KeyError("a reply we can't read")
        for _ in range(2):
            with pytest.raises(KeyError):
                breaker.call(provider)
        assert breaker.describe().state == "open"

    def test_a_trial_that_succeeds_closes_it(self) -> None:
        breaker, provider = Breaker("x", fail_max=2, reset_seconds=SOON), Provider()
        fail(breaker, provider, 2)
        time.sleep(SOON)
        provider.error = None
        assert breaker.call(provider) == "done"
        assert state(breaker) == ("closed", 0)
        assert breaker.describe().opened_at is None
        assert [breaker.call(provider) for _ in range(3)] == ["done"] * 3

    def test_calls_refused_meanwhile_do_not_put_off_the_trial(self) -> None:
        breaker, provider = Breaker("x", fail_max=1, reset_seconds=1.0), Provider()
        fail(breaker, provider, 1)
        time.sleep(0.6)
        with pytest.raises(ProviderUnavailable, match="not called"):
            breaker.call(provider)
        time.sleep(0.4)
        provider.error = None
        assert breaker.call(provider) == "done"

    def test_a_trial_that_fails_opens_it_again(self) -> None:
        breaker, provider = Breaker("x", fail_max=2, reset_seconds=SOON), Provider()
        fail(breaker, provider, 2)
        first = breaker.describe().opened_at
        time.sleep(SOON)
        fail(breaker, provider, 1)
        again = breaker.describe().opened_at
        assert first is not None
        assert again is not None
        assert again > first
        with pytest.raises(ProviderUnavailable, match="not called"):
            breaker.call(provider)
        assert provider.calls == 3

    def test_one_trial_at_a_time(self) -> None:
        breaker, provider = Breaker("x", fail_max=1, reset_seconds=SOON), Provider()
        fail(breaker, provider, 1)
        time.sleep(SOON)
        inside, go_on = threading.Event(), threading.Event()

        def slow() -> str:
            inside.set()
            assert go_on.wait(10)
            return "done"

        trial = threading.Thread(target=contextvars.copy_context().run, args=(breaker.call, slow))
        trial.start()
        assert inside.wait(10)
        provider.error = None
        for other in (breaker, Breaker("x", fail_max=1, reset_seconds=SOON))[: 2 if outside._redis() else 1]:
            with pytest.raises(ProviderUnavailable, match="not called"):
                other.call(provider)
        go_on.set()
        trial.join()
        assert provider.calls == 1
        assert breaker.call(provider) == "done"

    def test_calls_do_not_wait_for_each_other(self) -> None:
        breaker = Breaker("x")
        together = threading.Barrier(8, timeout=10)
        threads = [threading.Thread(target=breaker.call, args=(together.wait,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not together.broken
        assert state(breaker) == ("closed", 0)

    def test_only_so_many_wait_for_one_that_hangs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The other threads of the process have other pages to answer."""
        monkeypatch.setattr(outside, "PLACE_SECONDS", 0.1)
        breaker, hang, within = Breaker("x", at_once=2), threading.Event(), threading.Barrier(3)

        def work() -> str:
            within.wait(5)
            hang.wait(5)
            return "late"

        with ThreadPoolExecutor(2) as threads:
            waiting = [threads.submit(breaker.call, work) for _ in range(2)]
            within.wait(5)
            begun = time.monotonic()
            with pytest.raises(ProviderUnavailable, match="too many"):
                breaker.call(lambda: "never")
            assert time.monotonic() - begun < 1
            hang.set()
            assert [call.result() for call in waiting] == ["late", "late"]
        assert breaker.call(lambda: "done") == "done"
        assert state(breaker) == ("closed", 0), "that was no failure of the provider's"

    def test_says_what_happened_and_when_it_is_tried_again(self) -> None:
        breaker, provider = Breaker("x", fail_max=2, reset_seconds=40), Provider()
        assert breaker.describe() == ("x", "closed", 0, None, None, None, None, "")
        fail(breaker, provider, 2)
        seen = breaker.describe()
        assert seen.last_error == "x: down"
        assert seen.opened_at is not None
        assert seen.next_try_at == seen.opened_at + dt.timedelta(seconds=40)
        for moment in (seen.changed_at, seen.failed_at):
            assert moment is not None
            assert abs((clock.machine_now() - moment).total_seconds()) < 10
        breaker._circuit.reset_timeout = 0
        provider.error = None
        breaker.call(provider)
        well = breaker.describe()
        assert (well.state, well.opened_at, well.next_try_at) == ("closed", None, None)
        assert well.last_error == "x: down", "what it was last time stays to be seen"
        assert well.changed_at is not None
        assert well.changed_at >= seen.changed_at  # type: ignore[operator]

    def test_refuses_to_call_inside_a_transaction(self) -> None:
        breaker, provider = Breaker("x", fail_max=1), Provider()
        outside.forbid_inside(lambda: True)
        with pytest.raises(ProviderCalledInTransaction, match="x was called"):
            breaker.call(provider)
        assert provider.calls == 0
        assert state(breaker) == ("closed", 0)


def in_a_child(work: Callable[[], object]) -> None:
    """Run the work in a forked process, as RQ does."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


class TestSharedState:
    def test_forked_processes_share_it(self, shared: redis.Redis) -> None:
        breaker, provider = Breaker("x", fail_max=3, reset_seconds=SOON), Provider()
        fail(breaker, provider, 1)
        for _ in range(2):
            in_a_child(lambda: fail(breaker, provider, 1))
        assert breaker.describe().state == "open"
        with pytest.raises(ProviderUnavailable, match="not called"):
            breaker.call(provider)
        time.sleep(SOON)
        provider.error = None
        in_a_child(lambda: breaker.call(provider))
        assert state(breaker) == ("closed", 0)

    def test_the_claim_of_a_process_that_died_in_its_trial_runs_out(self, shared: redis.Redis) -> None:
        breaker, provider = Breaker("x", fail_max=1, reset_seconds=SOON), Provider()
        fail(breaker, provider, 1)
        time.sleep(SOON)
        in_a_child(lambda: breaker.call(lambda: os._exit(9)))
        assert breaker.describe().state == "half-open"
        provider.error = None
        with pytest.raises(ProviderUnavailable, match="not called"):
            breaker.call(provider)
        time.sleep(SOON)
        assert breaker.call(provider) == "done"
        assert state(breaker) == ("closed", 0)

    def test_an_emptied_redis_means_closed(self, shared: redis.Redis) -> None:
        breaker, provider = Breaker("x", fail_max=1), Provider()
        fail(breaker, provider, 1)
        shared.flushdb()
        provider.error = None
        assert breaker.call(provider) == "done"
        assert state(breaker) == ("closed", 0)

    def test_without_redis_each_process_goes_on_alone(self) -> None:
        with redis.Redis(host="127.0.0.1", port=1, retry=NEVER) as nobody, application(nobody):
            breaker, provider = outside.breaker("x", fail_max=2), Provider()
            fail(breaker, provider, 2)
            with pytest.raises(ProviderUnavailable, match="not called"):
                breaker.call(provider)
            assert [(row.name, row.state) for row in outside.states()] == [("x", "open")]

    def test_an_outage_of_redis_in_between_keeps_what_this_process_knows(
        self, shared: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        breaker, provider = Breaker("x", fail_max=2), Provider()
        fail(breaker, provider, 1)
        with redis.Redis(host="127.0.0.1", port=1, retry=NEVER) as nobody, application(nobody):
            fail(breaker, provider, 1)
            assert breaker.describe().state == "open"
        monkeypatch.setattr(breaker._state, "_away_until", 0.0)
        assert state(breaker) == ("closed", 1)

    def test_another_application_of_this_process_keeps_its_own(
        self, shared: redis.Redis, clones: Clones
    ) -> None:
        with redis.Redis.from_url(clones.make("breakers").redis_url) as another, application(another):
            fail(Breaker("x", fail_max=1), Provider(), 1)
            assert [(row.name, row.state) for row in outside.states()] == [("x", "open")]
        assert outside.states() == []
        assert Breaker("x").call(lambda: "done") == "done"

    def test_states_lists_the_breakers_of_all_processes(self, shared: redis.Redis) -> None:
        mail = outside.breaker("mail")
        assert outside.breaker("mail") is mail
        in_a_child(lambda: fail(Breaker("payments", fail_max=2), Provider(), 2))
        in_a_child(lambda: fail(Breaker("sms", fail_max=9), Provider(), 1))
        rows = outside.states()
        assert [(row.name, row.state, row.failures) for row in rows] == [
            ("mail", "closed", 0),
            ("payments", "open", 2),
            ("sms", "closed", 1),
        ]
        assert rows[0].opened_at is None
        assert rows[1].opened_at is not None
        assert rows[1].opened_at.tzinfo is not None


def test_a_call_that_goes_well_asks_redis_once(shared: redis.Redis) -> None:
    breaker = Breaker("smtp")
    shared.config_resetstat()
    assert breaker.call(lambda: "done") == "done"
    asked = {
        name.removeprefix("cmdstat_"): found["calls"] for name, found in shared.info("commandstats").items()
    }
    assert asked.pop("hmget") == 1
    assert not asked.keys() & {"hget", "hset", "hincrby", "sadd"}


def test_what_fails_during_a_call_is_not_forgiven_by_it(either: str) -> None:
    """It is newer than the question; the next call that goes well forgives it."""
    breaker, provider = Breaker("smtp"), Provider()

    def slow() -> str:
        with ThreadPoolExecutor(1) as others:
            others.submit(contextvars.copy_context().run, fail, breaker, provider, 2).result()
        return "done"

    assert breaker.call(slow) == "done"
    assert state(breaker) == ("closed", 2 if either == "shared" else 0)
    assert breaker.call(lambda: "done") == "done"
    assert state(breaker) == ("closed", 0)


def test_errors_say_what_to_do_with_them() -> None:
    away = ProviderUnavailable("mail", "421 try later", retry_after=7)
    assert (away.status, away.data, away.permanent) == (503, {"retry_after": 7}, False)
    assert away.detail == "mail: 421 try later"
    assert "421" not in str(away)
    assert "421" in "".join(traceback.format_exception(away))
    never = ProviderRefused("mail", "550 nobody here")
    assert (never.status, never.data, never.permanent) == (422, {}, True)
    assert never.detail == "mail: 550 nobody here"
    assert "550" not in str(never)
