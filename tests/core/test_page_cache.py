"""Pages that are kept: found again, forgotten, made once, and never more than there is room for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisAway

from app.core import metrics, page_cache
from app.core.page_cache import CONTENT, FREE_TIMES, Kept, Key, PageCache, Revisions
from tests.support.databases import Database

PAGE = Kept((b"<p>", "ä</p>\n".encode(), b"", b"end"), "ntn")


@pytest.fixture
def redis(database: Database) -> Iterator[Redis]:
    client = Redis.from_url(database.redis_url)
    client.flushdb()
    yield client
    client.close()


def cache(redis: Redis, *, megabytes: int = 1, build: str = "1") -> PageCache:
    return PageCache(redis, megabytes=megabytes, build=lambda: build)


def find(
    found: PageCache, key: Key, make: Callable[[], Kept | None], *, shared_by: int | None = None
) -> Kept | None:
    return found.find(key, make, kind=CONTENT, shared_by=shared_by)


def never() -> Kept:
    raise AssertionError("it was kept")


def test_what_is_each_requests_own_is_put_in() -> None:
    assert PAGE.filled({"n": b"N", "t": b"T"}) == "<p>Nä</p>\nTNend".encode()
    assert Kept((b"all",), "").filled({}) == b"all"


def test_a_page_survives_the_way_through_redis() -> None:
    assert Kept.unpacked(PAGE.packed()) == PAGE
    with pytest.raises(ValueError, match="no pieces"):
        Kept.unpacked(page_cache.lz4.frame.compress(b"nt 3,4\nabc"))
    with pytest.raises(ValueError, match="no pieces"):
        Kept.unpacked(page_cache.lz4.frame.compress(b"n -5,9\nabcd"))
    for rubbish in (b"", b"rubbish", PAGE.packed()[:-3]):
        with pytest.raises(ValueError, match="nothing packed"):
            Kept.unpacked(rubbish)


def test_a_page_is_made_once(redis: Redis) -> None:
    here = cache(redis)
    assert find(here, ("a",), lambda: PAGE) == PAGE
    assert find(here, ("a",), never) == PAGE
    assert find(here, ("b",), lambda: None) is None
    assert find(here, ("b",), lambda: PAGE) == PAGE, "what could not be kept is made again"
    assert (here.hits, here.misses) == (1, 3)


def asking(redis: Redis, build: str = "1") -> PageCache:
    """A process that has heard of company 7."""
    found = cache(redis, build=build)
    found.ask(7, also="tenancy")
    return found


def shared(redis: Redis, page: Kept = PAGE) -> None:
    """A page that somebody asked for again."""
    here = asking(redis)
    for _twice in range(2):
        assert find(here, ("a",), lambda: page, shared_by=7) == page


def test_what_is_asked_for_again_is_there_for_other_processes(redis: Redis) -> None:
    here, before = asking(redis), asking(redis)
    find(here, ("a",), lambda: PAGE, shared_by=7)
    assert not redis.exists("pages:7:shared"), "most pages are asked for once"
    find(here, ("a",), never, shared_by=7)
    assert find(asking(redis), ("a",), never, shared_by=7) == PAGE
    other = Kept((b"of another",), "")
    assert find(before, ("a",), lambda: other, shared_by=7) == other, "it had heard of none"
    assert find(asking(redis, build="2"), ("a",), lambda: None, shared_by=7) is None
    assert all(0 < redis.ttl(key) <= 300 for key in redis.scan_iter("pages:*"))


def test_it_is_shared_once_and_by_one(redis: Redis) -> None:
    """Whoever took it from there does not put it there again, nor who has put it there."""
    shared(redis)
    there = asking(redis)
    find(there, ("a",), never, shared_by=7)
    [name] = [key for key in redis.scan_iter("pages:*") if not key.startswith(b"pages:7:")]
    redis.delete(name)
    for _again in range(2):
        find(there, ("a",), never, shared_by=7)
    assert not redis.exists(name)


def test_in_redis_it_lives_no_longer_than_here(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    here, now = asking(redis), time.monotonic()
    find(here, ("a",), lambda: PAGE, shared_by=7)
    find(here, ("b",), lambda: PAGE, shared_by=7)
    monkeypatch.setattr(page_cache.time, "monotonic", lambda: now + page_cache.LIVES_SECONDS[CONTENT] - 10)
    find(here, ("a",), never, shared_by=7)
    [name] = [key for key in redis.scan_iter("pages:*") if not key.startswith(b"pages:7:")]
    assert 0 < redis.ttl(name) <= 10
    monkeypatch.setattr(page_cache.time, "monotonic", lambda: now + page_cache.LIVES_SECONDS[CONTENT] - 0.5)
    find(here, ("b",), never, shared_by=7)
    assert [key for key in redis.scan_iter("pages:*") if not key.startswith(b"pages:7:")] == [name]


def test_what_is_one_process_s_own_is_not_looked_for(redis: Redis) -> None:
    shared(redis)
    assert find(asking(redis), ("a",), lambda: None) is None
    for _number in range(2):
        find(asking(redis), ("own",), lambda: PAGE)
    assert len(list(redis.scan_iter("pages:*"))) == 2


def test_where_no_page_is_shared_nobody_looks_for_one(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each question to Redis is a twentieth of what making a page costs."""
    here = asking(redis)

    def ask(*_args: object, **_more: object) -> None:
        raise AssertionError("Redis was asked")

    for name in ("get", "set", "mget", "pipeline"):
        monkeypatch.setattr(redis, name, ask)
    assert find(here, ("a",), lambda: PAGE, shared_by=7) == PAGE


def test_what_came_to_nothing_is_not_shared(redis: Redis) -> None:
    here = asking(redis)

    def fail() -> Kept:
        raise LookupError

    for _number in range(2):
        assert find(here, ("a",), lambda: None, shared_by=7) is None
        with pytest.raises(LookupError):
            find(here, ("b",), fail, shared_by=7)
    assert not redis.exists("pages:7:shared")


def test_rubbish_in_redis_is_no_page_and_gives_way_to_one(redis: Redis) -> None:
    shared(redis)
    for key in redis.scan_iter("pages:*"):
        redis.set(key, b"rubbish")
    assert find(asking(redis), ("a",), lambda: None, shared_by=7) is None
    shared(redis, Kept((b"another",), ""))
    assert find(asking(redis), ("a",), never, shared_by=7) == Kept((b"another",), "")


def test_nothing_is_kept_longer_than_its_kind_lives(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    here, now = cache(redis), time.monotonic()
    here.find(("a",), lambda: PAGE, kind=FREE_TIMES, shared_by=None)
    monkeypatch.setattr(page_cache.time, "monotonic", lambda: now + page_cache.LIVES_SECONDS[FREE_TIMES] + 1)
    assert find(here, ("a",), lambda: None) is None


def test_the_page_that_nobody_asked_for_longest_goes_first(redis: Redis) -> None:
    here = cache(redis)
    large = Kept((b"x" * 400_000,), "")
    for key in ("a", "b"):
        find(here, (key,), lambda: large)
    find(here, ("a",), never)
    find(here, ("c",), lambda: large)
    find(here, ("a",), never)
    assert find(here, ("b",), lambda: None) is None
    huge = Kept((b"x" * 2_000_000,), "")
    assert find(here, ("d",), lambda: huge) == huge
    assert find(here, ("d",), lambda: None) is None, "what does not fit is not kept"


def test_a_change_is_another_revision_of_its_kind_and_company(redis: Redis) -> None:
    here, there = cache(redis), cache(redis)
    before, other = here.revisions(7), here.revisions(8)
    assert there.revisions(7) == before, "all processes say the same"
    there.forget(7, [FREE_TIMES])
    after = here.revisions(7)
    assert [one == other for one, other in zip(before, after, strict=True)] == [True, False]
    assert here.revisions(8) == other
    redis.flushdb()
    assert not set(here.revisions(7)) & set(before + after), "an emptied Redis brings no old page back"


def test_the_words_are_asked_for_once_in_a_tenth_of_a_second(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there, now = cache(redis), cache(redis), [1000.0]
    monkeypatch.setattr(page_cache.time, "monotonic", lambda: now[0])
    redis.set("another", "word")
    words = here.revisions(7)
    first = here.ask(7, also="another")
    assert first == (b"word", words)
    there.forget(7)
    assert here.ask(7, also="another") == first
    now[0] += page_cache.HEARD_SECONDS
    second = here.ask(7, also="another")
    assert not set(second[1]) & set(words)
    here.forget(7, [FREE_TIMES])
    redis.set("another", "not asked for")
    another, third = here.ask(7, also="another")
    assert [one == other for one, other in zip(second[1], third, strict=True)] == [True, False], (
        "what is changed here is known here at once"
    )
    assert another == b"word", "and nobody was asked for it"
    now[0] += page_cache.HEARD_SECONDS
    assert there.ask(7, also="another")[1] == third, "the others hear the same"


def test_nothing_is_kept_under_a_word_that_is_late_in_redis(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody changes more while our word is on its way, and it takes the place of theirs: whoever looked
    meanwhile must not have known it yet."""
    here, there = asking(redis), asking(redis)
    seen: list[Revisions] = []
    usual = redis.mset

    def late(words: Any) -> Any:
        monkeypatch.setattr(redis, "mset", usual)
        seen.append(here.ask(7, also="tenancy")[1])
        there.forget(7)
        return usual(words)

    here.revisions(7)
    here.ask(7, also="tenancy", anew=True)
    monkeypatch.setattr(redis, "mset", late)
    here.forget(7)
    [meanwhile] = seen
    assert not set(meanwhile) & set(here.ask(7, also="tenancy", anew=True)[1])


def test_without_redis_a_page_lives_for_two_seconds(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    here = cache(redis)

    def away(*_args: object, **_more: object) -> None:
        raise RedisAway("away")

    for name in ("get", "set", "mget", "mset", "pipeline"):
        monkeypatch.setattr(redis, name, away)
    here.forget(7)
    now = [1000.0]
    monkeypatch.setattr(page_cache.time, "monotonic", lambda: now[0])
    first = here.revisions(7)
    assert find(here, (*first, "a"), lambda: PAGE) == PAGE
    assert find(here, (*here.revisions(7), "a"), never) == PAGE
    now[0] += 2.0
    assert find(here, (*here.revisions(7), "a"), lambda: None) is None


def test_what_many_ask_for_at_once_is_made_once(redis: Redis) -> None:
    here, made, began = cache(redis), [], threading.Event()

    def make() -> Kept:
        made.append(1)
        began.wait(1)
        time.sleep(0.05)
        return PAGE

    found: list[Kept | None] = []
    threads = [threading.Thread(target=lambda: found.append(find(here, ("a",), make))) for _ in range(12)]
    for thread in threads:
        thread.start()
    began.set()
    for thread in threads:
        thread.join(10)
    assert (len(made), found) == (1, [PAGE] * 12)


def test_whoever_waited_for_a_page_that_failed_makes_their_own(redis: Redis) -> None:
    here, began, go_on = cache(redis), threading.Event(), threading.Event()

    def fail() -> Kept:
        began.set()
        go_on.wait(5)
        raise LookupError

    failed: list[bool] = []

    def first() -> None:
        try:
            find(here, ("a",), fail)
        except LookupError:
            failed.append(True)

    found: list[Kept | None] = []
    one = threading.Thread(target=first)
    one.start()
    began.wait(5)
    other = threading.Thread(target=lambda: found.append(find(here, ("a",), lambda: PAGE)))
    other.start()
    go_on.set()
    one.join(5)
    other.join(5)
    assert (failed, found) == ([True], [PAGE])


def test_hits_and_misses_are_counted(redis: Redis) -> None:
    def counted(outcome: str) -> float:
        return (
            metrics.REGISTRY.get_sample_value("wemaster_page_cache_lookups_total", {"outcome": outcome}) or 0
        )

    before = counted("hit"), counted("miss")
    here = asking(redis)
    for _number in range(3):
        find(here, ("a",), lambda: PAGE, shared_by=7)
    find(asking(redis), ("a",), never, shared_by=7)
    find(cache(redis), ("a",), lambda: PAGE)
    assert (counted("hit") - before[0], counted("miss") - before[1]) == (3, 2)
