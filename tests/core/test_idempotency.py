"""The same key with the same body changes nothing and gives the same answer: over the API, for a day."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.core import idempotency
from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.admin import PersonEntry
from app.domains.accounts.models import ACTIVE, MANAGER, Membership
from tests.support.databases import Database
from tests.support.world import Company, World

THREADS = 16
REPLAYED = "Idempotent-Replayed"
IDA = {"full_name": "Ida Idempotent", "email": "ida@anna.test"}


@dataclass
class Caller:
    """Posts to the API of a company as one of its people."""

    app: Flask
    company: Company
    token: str

    def post(self, path: str, body: Any, key: str | None = None) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}", **({"Idempotency-Key": key} if key else {})}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.app.test_client().post(
            path,
            data=data,
            headers={**headers, "Content-Type": "application/json"},
            base_url=f"http://{self.company.host}",
        )

    def person(self, body: Any = IDA, key: str | None = "k-1") -> TestResponse:
        return self.post("/api/v1/people/", body, key)


@pytest.fixture
def manager(world: World) -> Caller:
    return Caller(world.app, world.anna, world.token(world.anna))


@pytest.fixture
def raw(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        yield connection


def idas(raw: psycopg.Connection[Any]) -> int:
    return len(raw.execute("SELECT FROM person WHERE full_name = 'Ida Idempotent'").fetchall())


def keys(raw: psycopg.Connection[Any]) -> int:
    return len(raw.execute("SELECT FROM idempotency_key").fetchall())


def test_a_repeat_gets_the_stored_answer(manager: Caller, raw: psycopg.Connection[Any]) -> None:
    first = manager.person()
    assert (first.status_code, REPLAYED in first.headers) == (201, False)
    for _ in range(3):
        again = manager.person()
        assert again.status_code == 201
        assert again.headers[REPLAYED] == "true"
        assert again.json == first.json
    assert (idas(raw), keys(raw)) == (1, 1)
    audited = raw.execute("SELECT count(*) FROM audit_entry WHERE thing_label = 'Ida Idempotent'")
    assert audited.fetchone() == (1,)


def test_the_answer_is_the_one_of_then(manager: Caller, raw: psycopg.Connection[Any]) -> None:
    first = manager.person()
    assert first.json is not None
    raw.execute("DELETE FROM person WHERE id = %s", [first.json["id"]])
    again = manager.person()
    assert (again.status_code, again.json, again.headers[REPLAYED]) == (201, first.json, "true")
    assert idas(raw) == 0


@pytest.mark.parametrize(
    "other",
    [{**IDA, "full_name": "Eve Else"}, {**IDA, "phone": "1"}, {"full_name": IDA["full_name"]}],
)
def test_another_body_is_refused(manager: Caller, raw: psycopg.Connection[Any], other: Any) -> None:
    manager.person()
    answer = manager.person(other)
    assert answer.status_code == 422
    assert answer.mimetype == "application/problem+json"
    assert answer.json is not None
    assert answer.json["code"] == "idempotency_key_reused"
    assert REPLAYED not in answer.headers
    assert manager.person().status_code == 201
    assert raw.execute("SELECT count(*) FROM person WHERE full_name = 'Eve Else'").fetchone() == (0,)


def test_without_a_key_each_request_counts(manager: Caller, raw: psycopg.Connection[Any]) -> None:
    assert [manager.person(key=None).status_code for _ in range(2)] == [201, 201]
    assert manager.person(key="k-2").status_code == 201
    assert (idas(raw), keys(raw)) == (3, 1)


def test_sixteen_at_once_make_one_row(manager: Caller, raw: psycopg.Connection[Any]) -> None:
    for round_number in range(4):
        outcomes = _at_once(manager, f"k-{round_number}")
        made = [answer for answer in outcomes if answer[0] == 201 and not answer[1]]
        assert len(made) == 1, outcomes
        assert set(Counter(answer[:2] for answer in outcomes)) <= {(201, False), (201, True), (409, False)}
        assert {answer[2] for answer in outcomes if answer[0] == 201} == {made[0][2]}
        assert idas(raw) == round_number + 1
        assert manager.person(key=f"k-{round_number}").headers[REPLAYED] == "true"


def _at_once(manager: Caller, key: str) -> list[tuple[int, bool, Any]]:
    barrier, outcomes = threading.Barrier(THREADS), list[tuple[int, bool, Any]]()

    def post() -> None:
        barrier.wait()
        answer = manager.person(key=key)
        assert answer.json is not None
        outcomes.append((answer.status_code, REPLAYED in answer.headers, answer.json.get("id")))

    threads = [threading.Thread(target=post) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == THREADS
    return outcomes


def test_the_second_is_told_to_wait_while_the_first_is_at_work(
    manager: Caller, raw: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    create = PersonEntry.create

    def slow(self: PersonEntry, data: Any, by: Any) -> Any:
        begun.set()
        go_on.wait(10)
        return create(self, data, by)

    monkeypatch.setattr(PersonEntry, "create", slow)
    first: list[int] = []
    thread = threading.Thread(target=lambda: first.append(manager.person().status_code))
    thread.start()
    assert begun.wait(10)
    second = manager.person()
    go_on.set()
    thread.join()
    assert second.status_code == 409
    assert second.json is not None
    assert second.json["code"] == "idempotency_still_running"
    assert (first, idas(raw)) == ([201], 1)
    assert manager.person().headers[REPLAYED] == "true"


def test_another_tenants_key_is_another_key(
    manager: Caller, world: World, raw: psycopg.Connection[Any]
) -> None:
    bert = Caller(world.app, world.bert, world.token(world.bert))
    first, theirs = manager.person(), bert.person()
    assert [first.status_code, theirs.status_code] == [201, 201]
    assert REPLAYED not in theirs.headers
    assert first.json != theirs.json
    assert bert.person({"full_name": "Ida Idempotent"}).status_code == 422
    assert idas(raw) == 2


def test_another_users_key_is_another_key(
    manager: Caller, world: World, app: Flask, raw: psycopg.Connection[Any]
) -> None:
    anna = world.anna
    with app.app_context(), tenant_scope(anna.id), transaction():
        colleague = {"user_id": anna.accounts["tutor"], "person_id": anna.people["tutor"]}
        db.session.add(Membership(**colleague, role_key=MANAGER, status=ACTIVE))
    other = Caller(world.app, anna, world.token(anna, "tutor"))
    assert manager.person().status_code == 201
    answer = other.person({**IDA, "phone": "2"})
    assert (answer.status_code, REPLAYED in answer.headers) == (201, False)
    assert idas(raw) == 2


def test_another_routes_key_is_another_key(manager: Caller) -> None:
    assert manager.person().status_code == 201
    invited = manager.post(
        "/api/v1/invitations/", {"full_name": "Ida", "email": "new@anna.test", "role": "tutor"}, "k-1"
    )
    assert (invited.status_code, REPLAYED in invited.headers) == (201, False)


def test_a_refused_try_leaves_no_trace(manager: Caller, raw: psycopg.Connection[Any]) -> None:
    for wrong in ({"full_name": ""}, {"full_name": "Ida", "nonsense": 1}, b"{", {"email": "no address"}):
        assert manager.person(wrong).status_code in {400, 422}
    assert keys(raw) == 0
    assert manager.person().status_code == 201


def test_what_the_service_refuses_may_be_tried_again_with_the_same_key(
    manager: Caller, raw: psycopg.Connection[Any]
) -> None:
    body = {"full_name": "Nora New", "email": "nora@anna.test", "role": "tutor"}
    first = manager.post("/api/v1/invitations/", body, "k-1")
    assert first.json is not None
    refused = manager.post("/api/v1/invitations/", body, "k-2")
    assert refused.status_code == 409
    assert keys(raw) == 1
    assert manager.post(f"/api/v1/invitations/{first.json['id']}/withdraw", {}).status_code == 200
    assert manager.post("/api/v1/invitations/", body, "k-2").status_code == 201


def test_a_try_that_broke_leaves_no_trace(
    manager: Caller, raw: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    create = PersonEntry.create

    def stumble(self: PersonEntry, data: Any, by: Any) -> Any:
        create(self, data, by)
        db.session.flush()
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(PersonEntry, "create", stumble)
        patch.setitem(manager.app.config, "PROPAGATE_EXCEPTIONS", False)
        assert manager.person().status_code == 500
    assert (idas(raw), keys(raw)) == (0, 0)
    assert manager.person().status_code == 201


def test_an_action_is_done_once(manager: Caller, raw: psycopg.Connection[Any]) -> None:
    body = {"full_name": "Nora New", "email": "nora@anna.test", "role": "tutor"}
    made = manager.post("/api/v1/invitations/", body)
    assert made.json is not None
    path = f"/api/v1/invitations/{made.json['id']}/resend"
    first, again = manager.post(path, {}, "k-1"), manager.post(path, {}, "k-1")
    assert [first.status_code, again.status_code] == [200, 200]
    assert again.json == first.json
    assert again.headers[REPLAYED] == "true"
    assert raw.execute("SELECT issue FROM invitation").fetchone() == (2,)
    mails = raw.execute("SELECT count(*) FROM outbox WHERE name = 'accounts.PersonInvited'").fetchone()
    assert mails == (2,)
    withdraw = f"/api/v1/invitations/{made.json['id']}/withdraw"
    assert [manager.post(withdraw, {}, "k-1").status_code for _ in range(2)] == [200, 200]
    assert manager.post(withdraw, {}, "k-2").status_code == 409


@pytest.mark.parametrize("key", ["x" * 201, "Schlüssel", "a\tb"])
def test_a_key_that_can_not_be_one_is_refused(
    manager: Caller, raw: psycopg.Connection[Any], key: str
) -> None:
    answer = manager.person(key=key.encode().decode("latin-1"))
    assert answer.status_code == 422
    assert answer.json is not None
    assert answer.json["field"] == "Idempotency-Key"
    assert idas(raw) == 0


def test_keys_are_forgotten_after_a_day(manager: Caller, app: Flask, raw: psycopg.Connection[Any]) -> None:
    manager.person()
    for hours, kept in ((23, 1), (25, 0)):
        raw.execute("UPDATE idempotency_key SET made_at = now() - %s * interval '1 hour'", [hours])
        with app.app_context():
            idempotency.forget_old()
        assert keys(raw) == kept
    again = manager.person()
    assert (again.status_code, REPLAYED in again.headers) == (201, False)
    assert idas(raw) == 2
