"""`Idempotency-Key` on every call that moves money or seats: done once, answered alike, whatever is repeated."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from app.core import clock
from app.core.idempotency import IdempotencyKey
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import ACTIVE, Membership, Person
from tests.domains.booking.support import DAY, HOUR, MONDAY, NOW
from tests.domains.payments.support import race, simulating
from tests.shell.api_support import (
    REPLAYED,
    Caller,
    Json,
    Operation,
    Scene,
    caller,
    make_scene,
    operations,
    problem,
    takes_key,
    variant_of,
)
from tests.support import lived
from tests.support.databases import Database
from tests.support.world import World

THREADS = 16
KEY = "once-1"
# They need none: signing in makes a sign-in each time, a message has its `client_id`, and to have read, or
# to have given up a hold, twice is the same as once.
WITHOUT = {
    ("post", "/api/v1/auth/token"),
    ("post", "/api/v1/auth/refresh"),
    ("post", "/api/v1/auth/logout"),
    ("post", "/api/v1/conversations/{conversation_id}/messages"),
    ("post", "/api/v1/conversations/{conversation_id}/read"),
    ("post", "/api/v1/inbox/read"),
    ("delete", "/api/v1/holds/{code}"),
}


@dataclass(frozen=True)
class Case:
    """A call that changes something; `other` is another body, which would be taken as well without a key;
    `effects` counts what it has done."""

    operation: Operation
    effects: str
    body: Callable[[Scene], Json | None]
    other: Callable[[Scene], Json]
    status: int = 200
    at: dt.datetime = NOW
    done_before: int = 0

    def send(self, scene: Scene, call: Caller, body: Json | None, key: str | None = KEY) -> TestResponse:
        return call(self.operation[0], scene.path(self.operation), body, key=key)

    def count(self, raw: psycopg.Connection[Any]) -> int:
        row = raw.execute(self.effects.encode()).fetchone()
        assert row is not None
        return int(row[0]) - self.done_before


def at(scene: Scene, moment: dt.datetime) -> Json:
    return {"offering": scene.offering.slug, "variant": scene.variant_id, "starts_at": moment.isoformat()}


def marked(scene: Scene, attended: bool) -> Json:
    return {"seat": scene.attended.code, "attended": attended}


CASES = {
    "hold": Case(
        ("post", "/api/v1/holds"),
        "SELECT count(*) FROM seat WHERE status = 'held'",
        lambda scene: at(scene, MONDAY + 2 * DAY),
        lambda scene: at(scene, MONDAY + 3 * DAY),
        status=201,
        done_before=2,
    ),
    "order": Case(
        ("post", "/api/v1/holds/{code}/order"),
        "SELECT count(*) FROM sales_order",
        lambda scene: {"student": scene.world.anna.people["student"]},
        lambda scene: {"student": scene.world.anna.people["tutor"]},
        done_before=5,
    ),
    "pay": Case(
        ("post", "/api/v1/orders/{code}/pay"),
        "SELECT count(*) FROM payment WHERE status IN ('created', 'pending')",
        lambda scene: None,
        lambda scene: {"again": True},
    ),
    "cancel": Case(
        ("post", "/api/v1/lessons/{code}/cancel"),
        "SELECT count(*) FROM refund",
        lambda scene: {"reason": "ill", "expected_minor": 4000},
        lambda scene: {"reason": "well"},
    ),
    "move": Case(
        ("post", "/api/v1/lessons/{code}/move"),
        "SELECT count(*) FROM seat_move",
        lambda scene: {"starts_at": (MONDAY + 2 * DAY).isoformat()},
        lambda scene: {"starts_at": (MONDAY + 3 * DAY).isoformat()},
    ),
    "attendance": Case(
        ("post", "/api/v1/teaching/lessons/{code}/attendance"),
        "SELECT count(*) FROM seat WHERE status IN ('attended', 'missed')",
        lambda scene: marked(scene, True),
        lambda scene: marked(scene, False),
        at=MONDAY + 2 * HOUR,
        done_before=2,
    ),
    "review": Case(
        ("post", "/api/v1/catalog/offerings/{slug}/reviews"),
        "SELECT count(*) FROM review",
        lambda scene: {"rating": 5, "text": "Clear."},
        lambda scene: {"rating": 4},
        status=201,
        done_before=1,
    ),
    "reply": Case(
        ("post", "/api/v1/catalog/reviews/{review_id}/reply"),
        "SELECT count(*) FROM review WHERE reply IS NOT NULL",
        lambda scene: {"reply": "Thank you."},
        lambda scene: {"reply": "Thanks."},
    ),
}
EACH = pytest.mark.parametrize("name", CASES)


@pytest.fixture
def scene(app: Flask, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    with (
        simulating(app, tmp_path / "simulator") as (_simulator, provider, _keys),
        clock.frozen(NOW),
    ):
        monkeypatch.setitem(app.extensions, "payments", provider)
        yield make_scene(world)


@pytest.fixture
def raw(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        yield connection


def test_there_is_a_case_for_each_call_that_takes_a_key(world: World) -> None:
    described = operations(world)
    keyed = {operation for operation, found in described.items() if takes_key(found)}
    assert keyed == {case.operation for case in CASES.values()}
    changing = {operation for operation in described if operation[0] != "get"}
    assert changing - keyed == WITHOUT


@EACH
def test_a_repeat_is_answered_alike_and_another_body_refused(
    scene: Scene, raw: psycopg.Connection[Any], name: str
) -> None:
    case = CASES[name]
    call, body = scene.caller(case.operation), case.body(scene)
    with clock.frozen(case.at):
        first = case.send(scene, call, body)
        assert first.status_code == case.status, first.text
        assert REPLAYED not in first.headers
        assert case.count(raw) == 1
        for _ in range(3):
            again = case.send(scene, call, body)
            assert (again.status_code, again.json) == (case.status, first.json)
            assert again.headers[REPLAYED] == "true"
        assert case.count(raw) == 1
        answer = case.send(scene, call, case.other(scene))
        # Whom one may not book for is refused before anything else.
        problem(answer, 422, "invalid" if name == "order" else "idempotency_key_reused")
        assert REPLAYED not in answer.headers
        assert case.count(raw) == 1


@EACH
def test_sixteen_at_once_do_it_once(scene: Scene, raw: psycopg.Connection[Any], name: str) -> None:
    case = CASES[name]
    call, body = scene.caller(case.operation), case.body(scene)
    with clock.frozen(case.at):
        found = race(scene.world.app, THREADS, lambda _number: case.send(scene, call, body))
        answers = [each for each in found if isinstance(each, TestResponse)]
        assert len(answers) == THREADS, found
        statuses = Counter(answer.status_code for answer in answers)
        assert set(statuses) <= {case.status, 409}, [answer.text for answer in answers]
        assert statuses[case.status] >= 1
        for answer in answers:
            if answer.status_code == 409:
                problem(answer, 409, "idempotency_still_running")
        done = [answer for answer in answers if answer.status_code == case.status]
        assert len({json.dumps(answer.json, sort_keys=True) for answer in done}) == 1
        assert case.count(raw) == 1
        again = case.send(scene, call, body)
        assert (again.json, again.headers[REPLAYED]) == (done[0].json, "true")


@EACH
def test_while_the_first_is_at_work_it_is_409(scene: Scene, raw: psycopg.Connection[Any], name: str) -> None:
    """Somebody else has the key's lock, as the first request has while it works."""
    case = CASES[name]
    call = scene.caller(case.operation)
    actor = f"u:{scene.world.anna.accounts[scene.role(case.operation)]}"
    route = f"POST /api/v1/{scene.path(case.operation)}"
    mark = f"{scene.world.anna.id}|{actor}|{route}|{KEY}"
    with clock.frozen(case.at):
        with raw.transaction():
            raw.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 4))", [mark])
            problem(case.send(scene, call, case.body(scene)), 409, "idempotency_still_running")
            assert case.count(raw) == 0
        assert case.send(scene, call, case.body(scene)).status_code == case.status


@EACH
def test_what_failed_may_be_tried_again(scene: Scene, raw: psycopg.Connection[Any], name: str) -> None:
    """A try that fails at its very end leaves no trace of its key, nor of anything else."""
    case = CASES[name]
    call, body = scene.caller(case.operation), case.body(scene)

    def fail(session: Any, _context: Any, _instances: Any) -> None:
        if any(isinstance(row, IdempotencyKey) for row in session.new):
            raise OSError("the cable")

    event.listen(Session, "before_flush", fail)
    try:
        with clock.frozen(case.at):
            assert case.send(scene, call, body).status_code == 500
    finally:
        event.remove(Session, "before_flush", fail)
    # What the provider knows stays known: the next try goes on with it.
    assert case.count(raw) == (1 if name == "pay" else 0)
    assert raw.execute("SELECT count(*) FROM idempotency_key").fetchone() == (0,)
    with clock.frozen(case.at):
        second = case.send(scene, call, body)
        assert (second.status_code, REPLAYED in second.headers) == (case.status, False)
        assert case.count(raw) == 1


def test_the_same_key_in_another_company_is_another_one(scene: Scene, raw: psycopg.Connection[Any]) -> None:
    """One account, a student of both, holds at both at once with one key and one body."""
    world = scene.world
    theirs = lived.publish(world, company=world.bert)
    assert theirs.slug == scene.offering.slug
    with world.app.app_context(), tenant_scope(world.bert.id), transaction() as session:
        person = Person(full_name="Student of both", email=world.anna.email("student"))
        session.add(person)
        session.flush()
        account = {"user_id": world.anna.accounts["student"], "person_id": person.id}
        session.add(Membership(**account, role_key="student", status=ACTIVE))
    bearer = world.app.test_client().post(
        "/api/v1/auth/token",
        json={"email": world.anna.email("student"), "password": "correct horse battery"},
        base_url=f"http://{world.bert.host}",
    )
    callers = [caller(world, "student"), Caller(world, world.bert.host, bearer.json["access_token"])]
    variants = [scene.variant_id, variant_of(world, theirs, world.bert)]

    def hold(number: int) -> TestResponse:
        where = number % 2
        body = {**at(scene, MONDAY + 2 * DAY), "variant": variants[where]}
        return callers[where]("post", "holds", body, key=KEY)

    found = race(world.app, THREADS, hold)
    answers = [each for each in found if isinstance(each, TestResponse)]
    assert len(answers) == THREADS, found
    for where, company in enumerate((world.anna, world.bert)):
        here = [answer for number, answer in enumerate(answers) if number % 2 == where]
        assert {answer.status_code for answer in here} <= {201, 409}
        codes = {answer.json["code"] for answer in here if answer.status_code == 201}
        assert len(codes) == 1
        held = raw.execute(
            "SELECT count(*) FROM seat WHERE tenant_id = %s AND code = ANY(%s)", [company.id, list(codes)]
        ).fetchone()
        assert held == (1,)
        keys = raw.execute(
            "SELECT count(*) FROM idempotency_key WHERE tenant_id = %s", [company.id]
        ).fetchone()
        assert keys == (1,)
