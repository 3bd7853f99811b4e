"""Guessing is limited per account and per address, on the form and on the API alike (F22, F55)."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.core import throttle
from app.core.db import db
from app.domains.accounts import policies
from config import Settings
from tests.domains.accounts.support import later, rows, second_app
from tests.support.databases import Database
from tests.support.world import PASSWORD, Browser, World

ACCOUNT, ADDRESS = policies.PER_ACCOUNT.hits, policies.PER_ADDRESS.hits
SPELLINGS = itertools.cycle(
    ["manager@anna.test", "MANAGER@anna.test", " Manager@Anna.Test", "manager@ANNA.test\t"]
)
_forwarded = (f"198.51.{i // 250}.{i % 250 + 1}" for i in itertools.count())

Try = Callable[[Flask, str, str, str], TestResponse]


def headers(ip: str) -> dict[str, Any]:
    """A caller at `ip` who claims with every request to come from somewhere else."""
    fake = next(_forwarded)
    claims = {"X-Forwarded-For": f"{fake}, 10.0.0.1", "X-Real-IP": fake, "Forwarded": f"for={fake}"}
    return {"headers": {**claims, "Accept": "text/html"}, "environ_base": {"REMOTE_ADDR": ip}}


def by_form(app: Flask, email: str, password: str, ip: str) -> TestResponse:
    browser = Browser(app, "anna.localhost:8000")
    form = {"email": email, "password": password, "csrf_token": browser.csrf("/login/")}
    return browser.client.post("/login/", data=form, base_url=browser.base, **headers(ip))


def by_api(app: Flask, email: str, password: str, ip: str) -> TestResponse:
    body = {"email": email, "password": password}
    base = "http://anna.localhost:8000"
    return app.test_client().post("/api/v1/auth/token", json=body, base_url=base, **headers(ip))


both_doors = pytest.mark.parametrize("door", [by_form, by_api])


def assert_limited(answer: TestResponse) -> None:
    assert answer.status_code == 429, answer.text
    assert 1 <= int(answer.headers["Retry-After"]) <= 15 * 60


@both_doors
def test_an_account_is_closed_to_guessers_wherever_they_come_from(world: World, door: Try) -> None:
    """Each try comes from another address and spells the name anew; Redis plays no part (see below)."""
    for number in range(ACCOUNT):
        assert door(world.app, next(SPELLINGS), "wrong", f"203.0.113.{number}").status_code == 401
    assert_limited(door(world.app, "manager@anna.test", "wrong", "203.0.113.200"))
    assert_limited(door(world.app, "manager@anna.test", PASSWORD, "203.0.113.201"))
    assert door(world.app, "tutor@anna.test", "wrong", "203.0.113.202").status_code == 401
    with later(minutes=15, seconds=1):
        assert door(world.app, "manager@anna.test", PASSWORD, "203.0.113.203").status_code in {200, 302}


def test_the_two_doors_share_one_count(world: World) -> None:
    for number in range(ACCOUNT):
        door = by_form if number % 2 else by_api
        assert door(world.app, "manager@anna.test", "wrong", f"203.0.113.{number}").status_code == 401
    assert_limited(by_form(world.app, "manager@anna.test", "wrong", "203.0.113.100"))
    assert_limited(by_api(world.app, "manager@anna.test", "wrong", "203.0.113.100"))


@both_doors
def test_an_address_is_closed_to_guessers_whatever_they_claim(
    world: World, database: Database, door: Try
) -> None:
    """40 accounts from one address; X-Forwarded-For and its kin differ each time and count for nothing."""
    assert door(world.app, "someone@anna.test", "wrong", "203.0.113.7").status_code == 401
    [(key,)] = rows(database, "SELECT key FROM throttle WHERE key LIKE 'signin ip %%'")
    assert key == "signin ip 203.0.113.7"
    with world.app.app_context():
        for _number in range(ADDRESS - 2):  # as the door did, without 38 slow hashes
            throttle.hit(db.engine, key, policies.PER_ADDRESS)
    assert door(world.app, "somebody@anna.test", "wrong", "203.0.113.7").status_code == 401
    assert_limited(door(world.app, "manager@anna.test", PASSWORD, "203.0.113.7"))
    assert door(world.app, "manager@anna.test", PASSWORD, "203.0.113.8").status_code in {200, 302}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.9", "203.0.113.9", True),
    ],
)
def test_what_counts_as_one_address(
    world: World, database: Database, one: str, other: str, same: bool
) -> None:
    for ip in (one, other):
        by_api(world.app, f"{ip}@anna.test".replace(":", "-"), "wrong", ip)
    hits = rows(database, "SELECT hits FROM throttle WHERE key LIKE 'signin ip %%'")
    assert hits == ([(2,)] if same else [(1,), (1,)])


def test_the_right_password_starts_the_accounts_count_afresh(world: World, database: Database) -> None:
    count = "SELECT hits FROM throttle WHERE key LIKE 'signin account %%'"
    for _number in range(2):
        assert by_api(world.app, "manager@anna.test", "wrong", "203.0.113.5").status_code == 401
    assert rows(database, count) == [(2,)]
    assert by_api(world.app, "manager@anna.test", PASSWORD, "203.0.113.5").status_code == 200
    assert rows(database, count) == []


def test_guesses_at_the_same_moment_are_all_counted(world: World) -> None:
    def guess(number: int) -> int:
        return by_api(world.app, "manager@anna.test", "wrong", f"203.0.113.{number}").status_code

    with ThreadPoolExecutor(16) as threads:
        statuses = list(threads.map(guess, range(16)))
    assert sorted(statuses) == [401] * ACCOUNT + [429] * (16 - ACCOUNT)


def test_the_limits_hold_while_redis_is_away(world: World, settings: Settings) -> None:
    with second_app(settings, REDIS_URL="redis://127.0.0.1:1/0") as app:
        for number in range(ACCOUNT):
            assert by_api(app, "manager@anna.test", "wrong", f"203.0.113.{number}").status_code == 401
        assert_limited(by_form(app, "manager@anna.test", PASSWORD, "203.0.113.100"))


def test_the_method_and_the_slash_open_no_other_door(world: World) -> None:
    client, base = world.app.test_client(), f"http://{world.anna.host}"
    body = {"email": "manager@anna.test", "password": PASSWORD}
    for path in ("/api/v1/auth/token/", "/API/v1/auth/token", "/api/v1//auth/token", "/login", "//login/"):
        answer = client.post(path, json=body, base_url=base)
        assert answer.status_code in {308, 400, 404, 405}, (path, answer.status_code)
    for method in ("GET", "PUT", "PATCH", "DELETE"):
        assert client.open("/api/v1/auth/token", method=method, json=body, base_url=base).status_code == 405


def test_password_guesses_in_an_open_session_are_limited_too(world: World) -> None:
    browser = world.manager()
    form = {"current": "wrong", "new": "another staple battery", "repeat": "another staple battery"}
    token = browser.csrf("/account/")
    statuses = [
        browser.post_raw("/account/password", {**form, "csrf_token": token}).status_code
        for _number in range(ACCOUNT + 1)
    ]
    assert statuses == [422] * ACCOUNT + [429]


@pytest.mark.parametrize("name", ["forgot", "refresh"])
def test_other_doors_have_a_limit_per_address(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(policies, "REFRESHES", policies.PER_ADDRESS)  # 5,000 would take a minute
    browser = Browser(world.app, world.anna.host)
    token = browser.csrf("/forgot/")

    def one() -> TestResponse:
        if name == "forgot":
            form = {"email": "nobody@anna.test", "csrf_token": token}
            return browser.client.post("/forgot/", data=form, base_url=browser.base, **headers("203.0.113.7"))
        body = {"refresh_token": "x"}
        return browser.client.post(
            "/api/v1/auth/refresh", json=body, base_url=browser.base, **headers("203.0.113.7")
        )

    expected = 200 if name == "forgot" else 401
    assert {one().status_code for _number in range(ADDRESS)} == {expected}
    assert_limited(one())
