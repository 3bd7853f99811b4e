"""Redis is asked quickly or not at all: whoever hangs or is away holds nobody up, and is found again."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import redis
from redis.exceptions import RedisError

from app.core import quick_redis
from app.core.quick_redis import LeftAlone
from app.shell import embedded
from tests.support.servers import free_port

MUCH_QUICKER_THAN_ASKING = 0.1


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded.Servers]:
    servers = embedded.start(tmp_path_factory.mktemp("valkey"), durable=False, only=("valkey",))
    yield servers
    servers.stop()


@pytest.fixture
def client(valkey: embedded.Servers, monkeypatch: pytest.MonkeyPatch) -> Iterator[redis.Redis]:
    monkeypatch.setattr(quick_redis, "AWAY_SECONDS", 0.6)
    made = quick_redis.connect(valkey.redis_url)
    made.connection_pool.patience._away_seconds = 0.6
    yield made
    made.close()


def seconds_of(work: object) -> float:
    begun = time.monotonic()
    with pytest.raises(RedisError):
        work()  # type: ignore[operator]
    return time.monotonic() - begun


def wait_until_it_answers(client: redis.Redis, most: float = 5.0) -> float:
    begun = time.monotonic()
    while True:
        try:
            client.ping()
            return time.monotonic() - begun
        except RedisError:
            assert time.monotonic() - begun < most, "it is not found again"
            time.sleep(0.05)


class Hung:
    """A Valkey that takes connections and answers nothing, as one that swaps or waits for its disk."""

    def __init__(self, servers: embedded.Servers) -> None:
        self.process = servers.own["valkey"]

    def __enter__(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def __exit__(self, *_error: object) -> None:
        self.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("how", ["command", "pipeline"])
@pytest.mark.parametrize("warm", [True, False])
def test_one_that_hangs_costs_half_a_second_once(
    client: redis.Redis, valkey: embedded.Servers, how: str, warm: bool
) -> None:
    def ask() -> object:
        if how == "command":
            return client.get("key")
        with client.pipeline(transaction=False) as pipe:
            return pipe.llen("a").llen("b").execute()

    if warm:
        ask()
    with Hung(valkey):
        assert seconds_of(ask) < quick_redis.ANSWER_SECONDS + 0.4
        for _ in range(20):
            assert seconds_of(ask) < MUCH_QUICKER_THAN_ASKING
    assert wait_until_it_answers(client) < 2
    for _ in range(20):
        ask()


def test_of_many_threads_one_at_a_time_finds_out(client: redis.Redis, valkey: embedded.Servers) -> None:
    client.ping()
    with Hung(valkey):
        seconds_of(client.ping)
        time.sleep(0.7)
        together = threading.Barrier(8)

        def ask(_number: int) -> float:
            together.wait()
            return seconds_of(client.ping)

        with ThreadPoolExecutor(8) as threads:
            waited = sorted(threads.map(ask, range(8)))
        assert waited[-1] > 0.4, "one of them asks"
        assert all(seconds < 0.3 for seconds in waited[:-1]), waited
    wait_until_it_answers(client)


def test_a_late_answer_is_nobody_elses(client: redis.Redis, valkey: embedded.Servers) -> None:
    """The connection of a call that was given up is not used again."""
    client.set("mine", "1")
    client.set("yours", "2")
    with Hung(valkey):
        seconds_of(lambda: client.get("mine"))
    wait_until_it_answers(client)
    assert [client.get("yours") for _ in range(5)] == [b"2"] * 5


def test_a_restart_in_between_is_not_even_noticed(client: redis.Redis, valkey: embedded.Servers) -> None:
    client.set("key", "1")
    valkey.own["valkey"].kill()
    valkey.own["valkey"].wait()
    valkey.revive()
    assert client.get("key") is None


def test_one_that_is_away_is_found_again(client: redis.Redis, valkey: embedded.Servers) -> None:
    client.ping()
    valkey.own["valkey"].kill()
    valkey.own["valkey"].wait()
    assert seconds_of(client.ping) < 0.3
    with pytest.raises(LeftAlone):
        client.ping()
    valkey.revive()
    assert wait_until_it_answers(client) < 2


def test_nobody_there_at_all() -> None:
    client = quick_redis.connect(f"redis://127.0.0.1:{free_port()}/0")
    assert seconds_of(client.ping) < 0.3
    client.close()


def test_the_answer_of_a_well_one_is_worth_nothing_special(client: redis.Redis, tmp_path: Path) -> None:
    assert client.set("key", "1", nx=True, px=1000) is True
    with pytest.raises(redis.exceptions.ResponseError):
        client.lpush("key", "x")
    assert client.get("key") == b"1", "a refusal is an answer, too"
