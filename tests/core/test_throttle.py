"""Limits on guessing: counted in PostgreSQL on a connection of their own, whatever becomes of the request."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Engine

from app.core import clock, throttle
from app.core.db import db
from app.core.errors import TooMany
from app.core.scope import platform_scope
from app.core.throttle import Limit
from app.core.transaction import transaction
from app.domains.accounts import policies
from tests.support.databases import Database
from tests.support.world import PASSWORD, Browser, World

NOW = dt.datetime(2031, 5, 6, 7, 8, 9, tzinfo=dt.UTC)
QUARTER = dt.timedelta(minutes=15)
THREE = Limit(3, QUARTER)


@pytest.fixture
def engine(app: Flask, database: Database) -> Iterator[Engine]:
    with app.app_context():
        yield db.engine


def refused(engine: Engine, key: str, limit: Limit = THREE) -> int:
    """0, or after how many seconds one may come back."""
    try:
        throttle.hit(engine, key, limit)
    except TooMany as error:
        return int(error.data["retry_after"])
    return 0


def hits(database: Database) -> dict[str, int]:
    with database.connect() as connection:
        return dict(connection.execute("SELECT key, hits FROM throttle").fetchall())


# -- windows -----------------------------------------------------------------------------------------------


def test_the_limit_itself_is_allowed_and_the_next_is_not(engine: Engine) -> None:
    with clock.machine_frozen(NOW):
        assert [refused(engine, "a") for _ in range(5)] == [0, 0, 0, 900, 900]


def test_each_key_counts_for_itself(engine: Engine, database: Database) -> None:
    for _ in range(3):
        assert refused(engine, "a") == 0
    assert refused(engine, "b") == 0
    assert refused(engine, "a") > 0
    assert hits(database) == {"a": 4, "b": 1}


def test_a_window_begins_with_its_first_hit_and_ends_after_its_length(engine: Engine) -> None:
    with clock.machine_frozen(NOW):
        refused(engine, "a")
    with clock.machine_frozen(NOW + dt.timedelta(minutes=10)):
        assert [refused(engine, "a") for _ in range(3)] == [0, 0, 300]
    with clock.machine_frozen(NOW + QUARTER - dt.timedelta(milliseconds=300)):
        assert refused(engine, "a") == 1, "never 0 seconds"
    with clock.machine_frozen(NOW + QUARTER):
        assert [refused(engine, "a") for _ in range(4)] == [0, 0, 0, 900]


def test_refused_tries_do_not_make_the_wait_longer(engine: Engine) -> None:
    with clock.machine_frozen(NOW):
        for _ in range(50):
            refused(engine, "a")
    with clock.machine_frozen(NOW + QUARTER):
        assert refused(engine, "a") == 0


def test_moved_business_time_opens_no_door(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_offset", lambda: dt.timedelta(days=365))
    assert [bool(refused(engine, "a")) for _ in range(4)] == [False, False, False, True]
    monkeypatch.setattr(clock, "_offset", lambda: dt.timedelta(days=730))
    assert refused(engine, "a") > 0


def test_clear_starts_afresh_and_concerns_nobody_else(engine: Engine, database: Database) -> None:
    for key in ("a", "b"):
        for _ in range(4):
            refused(engine, key)
    throttle.clear(engine, "a")
    assert refused(engine, "a") == 0
    assert refused(engine, "b") > 0
    throttle.clear(engine, "never seen")


def test_old_windows_are_forgotten_and_present_ones_are_not(engine: Engine, database: Database) -> None:
    for age, key in ((25, "old"), (23, "recent"), (0, "new")):
        with clock.machine_frozen(NOW - dt.timedelta(hours=age)):
            refused(engine, key)
    with clock.machine_frozen(NOW):
        throttle.forget_old()
    assert set(hits(database)) == {"recent", "new"}


# -- at the same moment ------------------------------------------------------------------------------------


def test_parallel_hits_never_exceed_the_limit(engine: Engine, app: Flask, database: Database) -> None:
    limit = Limit(20, QUARTER)
    barrier, allowed = threading.Barrier(16), list[bool]()

    def guess() -> None:
        with app.app_context():
            barrier.wait()
            for _ in range(5):
                allowed.append(not refused(db.engine, "a", limit))

    threads = [threading.Thread(target=guess) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(allowed) == 80
    assert sum(allowed) == limit.hits
    assert hits(database) == {"a": 80}


def test_parallel_hits_at_the_end_of_a_window_begin_one_new_one(
    engine: Engine, app: Flask, database: Database
) -> None:
    with clock.machine_frozen(NOW):
        for _ in range(9):
            refused(engine, "a")
    barrier, allowed = threading.Barrier(8), list[bool]()

    def guess() -> None:
        with app.app_context():
            barrier.wait()
            allowed.append(not refused(db.engine, "a"))

    with clock.machine_frozen(NOW + QUARTER):
        threads = [threading.Thread(target=guess) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(allowed) == 3
    assert hits(database) == {"a": 8}


# -- the request -------------------------------------------------------------------------------------------


class _ChangedMind(Exception):
    pass


def test_a_rollback_does_not_forget_the_hit(engine: Engine, database: Database) -> None:
    def roll_back() -> None:
        with platform_scope("test"), transaction() as session:
            session.connection()  # the request's transaction is open, and is not the one that counts
            refused(engine, "a")
            raise _ChangedMind

    with pytest.raises(_ChangedMind):
        roll_back()
    assert hits(database) == {"a": 1}


def test_a_lock_of_the_request_does_not_hold_the_count_up(engine: Engine, database: Database) -> None:
    """A hit is committed at once: whoever guesses in parallel need not wait for a slow request."""
    with platform_scope("test"), transaction() as session:
        session.connection()
        refused(engine, "a")
        with database.connect("wm_app") as other:
            other.execute("SET lock_timeout = '500ms'")
            other.execute("UPDATE throttle SET hits = hits + 1 WHERE key = 'a'")
    assert hits(database) == {"a": 2}


def _try(world: World, email: str, ip: str) -> int:
    """The API's door; the form's is the same count (tests/domains/accounts/test_limits.py)."""
    answer = world.app.test_client().post(
        "/api/v1/auth/token",
        json={"email": email, "password": "wrong wrong wrong"},
        base_url=f"http://{world.anna.host}",
        environ_base={"REMOTE_ADDR": ip},
    )
    return answer.status_code


def test_a_refused_sign_in_counts_for_its_account_and_its_address(world: World, database: Database) -> None:
    assert _try(world, "manager@anna.test", "203.0.113.7") == 401
    counted = hits(database)
    assert counted.pop("signin ip 203.0.113.7") == 1
    ((account, count),) = counted.items()
    assert (account.startswith("signin account "), count) == (True, 1)
    assert "manager" not in account


def _fill(world: World, key: str, limit: Limit, but: int) -> None:
    """As if it had been tried almost as often as it may be; passwords are slow to check on purpose."""
    with world.app.app_context():
        for _ in range(limit.hits - but):
            throttle.hit(db.engine, key, limit)


def test_an_accounts_limit_holds_from_every_address_and_for_no_other_account(
    world: World, database: Database
) -> None:
    assert _try(world, "manager@anna.test", "203.0.113.1") == 401
    account = next(key for key in hits(database) if key.startswith("signin account"))
    _fill(world, account, policies.PER_ACCOUNT, but=2)
    answers = [_try(world, "manager@anna.test", f"203.0.113.{number}") for number in (2, 3, 4)]
    assert answers == [401, 429, 429]
    assert _try(world, "tutor@anna.test", "203.0.113.1") == 401


def test_an_addresss_limit_holds_for_every_account(world: World) -> None:
    _fill(world, "signin ip 2001:db8:1:2::/64", policies.PER_ADDRESS, but=1)
    assert _try(world, "manager@anna.test", "2001:db8:1:2::1") == 401
    for email in ("manager@anna.test", "tutor@anna.test", "nobody@anna.test"):
        assert _try(world, email, "2001:db8:1:2:ffff::9") == 429, "the same /64"
    assert _try(world, "manager@anna.test", "2001:db8:1:3::1") == 401
    assert _try(world, "manager@anna.test", "203.0.113.1") == 401


def test_the_door_opens_again_when_the_window_is_over(world: World, database: Database) -> None:
    _try(world, "manager@anna.test", "203.0.113.1")
    account = next(key for key in hits(database) if key.startswith("signin account"))
    _fill(world, account, policies.PER_ACCOUNT, but=1)
    form = {"email": "manager@anna.test", "password": PASSWORD}
    browser = Browser(world.app, world.anna.host)
    assert browser.post("/login/", **form).status_code == 429, "also for the right password"
    with clock.machine_frozen(clock.machine_now() + policies.PER_ACCOUNT.per):
        assert Browser(world.app, world.anna.host).post("/login/", **form).status_code == 302


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        (None, "unknown"),
        ("203.0.113.7, 10.0.0.1", "unknown"),
        ("x" * 500, "unknown"),
    ],
)
def test_what_counts_as_one_address(address: str | None, network: str) -> None:
    assert throttle.network(address) == network


def test_no_key_is_too_long_for_its_column(world: World, database: Database) -> None:
    for email in ("x" * 300 + "@anna.test", "manager@anna.test" + " " * 200, "é" * 300):
        assert _try(world, email, "2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff") in {400, 401, 422}
    with psycopg.connect(database.superuser_url.replace("+psycopg", "")) as connection:
        (longest,) = connection.execute("SELECT max(length(key)) FROM throttle").fetchone() or (0,)
    assert 0 < longest <= 100
