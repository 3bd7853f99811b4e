"""Every refusal of the API is a problem JSON with the right status, whatever was asked of which address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from app.core import clock
from app.core.ids import code
from app.domains.booking.policies import MAX_HOLDS
from app.domains.messaging.policies import MESSAGES_PER_PERSON
from tests.domains.booking.support import DAY, HOUR, MONDAY, NOW
from tests.shell.api_support import (
    Caller,
    Judge,
    Operation,
    Scene,
    body_of,
    caller,
    document,
    make_scene,
    operations,
    problem,
)
from tests.shell.support import changed, state
from tests.support import lived
from tests.support.databases import Database
from tests.support.world import PASSWORD, World

OPEN_BODIES = ("/api/v1/auth/token", "/api/v1/auth/refresh")


@pytest.fixture
def scene(world: World) -> Iterator[Scene]:
    with clock.frozen(NOW):
        yield make_scene(world)


def closed(world: World) -> Iterator[Operation]:
    """Those that ask who calls."""
    for operation, described in operations(world).items():
        if described.get("security") != []:
            yield operation


def with_body(world: World) -> Iterator[Operation]:
    yield from (operation for operation, described in operations(world).items() if body_of(described))


# -- 401, 403, 404, 405 ------------------------------------------------------------------------------------


def test_without_a_good_token_it_is_401(scene: Scene) -> None:
    world = scene.world
    strangers = {
        "nobody": caller(world),
        "nonsense": Caller(world, world.anna.host, "x.y.z"),
        "far too long": Caller(world, world.anna.host, "x" * 8000),
        "another company's": Caller(world, world.anna.host, world.token(world.bert, "student")),
    }
    judge = Judge(document(world))
    found = list(closed(world))
    assert len(found) > 15
    for operation in found:
        for stranger in strangers.values():
            answer = stranger(operation[0], scene.path(operation), scene.body(operation))
            problem(answer, 401, "sign_in_needed")
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            judge(answer)


def test_a_cookie_is_no_token(scene: Scene) -> None:
    """Nor may a page of somebody else's ride on it."""
    browser = scene.world.browser(scene.world.anna.host, scene.world.anna.email("student"))
    for operation in closed(scene.world):
        answer = browser.client.open(
            f"/api/v1/{scene.path(operation)}",
            method=operation[0].upper(),
            base_url=browser.base,
            json=scene.body(operation),
        )
        problem(answer, 401, "sign_in_needed")


def test_what_a_role_may_not_is_403(scene: Scene) -> None:
    student = caller(scene.world, "student")
    for path in ("people/", "seats/", "payments/", "ledger-entries/", "conversation-members/"):
        problem(student("get", path), 403, "not_allowed")
    problem(student("post", "people/", {"full_name": "X"}), 403, "not_allowed")


REVIEWED_BY_ALL = ("post", "/api/v1/catalog/offerings/{slug}/reviews")


def test_what_is_somebody_elses_is_404(scene: Scene, database: Database) -> None:
    """A colleague's, another company's, and codes that nothing has, all alike."""
    world = scene.world
    theirs = lived.hold(
        world, lived.publish(world, title="Bert's", company=world.bert), MONDAY, company=world.bert
    )
    before = state(database)
    callers = {
        "student": [
            caller(world, "guardian"),
            caller(world, "manager"),
            caller(world, "student", world.bert),
        ],
        "tutor": [caller(world, "guardian"), caller(world, "student"), caller(world, "tutor", world.bert)],
    }
    unknown = {
        "code": code(40),
        "slug": "nothing-of-the-kind",
        "conversation_id": "77777777",
        "earning_id": "77777777",
        "review_id": "77777777",
    }
    short = {**unknown, "code": code(10)}
    signs_in = changed(before, state(database))
    for operation, described in operations(world).items():
        if "{" not in operation[1]:
            continue
        body = scene.body(operation)
        for other in callers[scene.role(operation)]:
            if operation == REVIEWED_BY_ALL and other.host == world.anna.host:
                continue  # who took part may say how it was, whoever they are
            answer = other(operation[0], scene.path(operation), body)
            if described.get("security") == [] and other.host == world.anna.host:
                assert answer.status_code == 200
            else:
                problem(answer, 404, "not_found")
        for values in (
            unknown,
            short,
            {**unknown, "code": theirs.code},
            {**unknown, "code": theirs.lesson.code},
        ):
            path = operation[1].removeprefix("/api/v1/").format_map(values)
            problem(scene.caller(operation)(operation[0], path, body), 404, "not_found")
    new_sign_ins = {"user_session", "refresh_token"}
    assert set(changed(before, state(database))) - set(signs_in) <= new_sign_ins


def test_another_method_is_405(scene: Scene) -> None:
    known: dict[str, set[str]] = {}
    for method, path in operations(scene.world):
        known.setdefault(path, set()).add(method)
    student = caller(scene.world, "student")
    for path, methods in known.items():
        for method in {"get", "post", "put", "patch", "delete"} - methods:
            if path == "/api/v1/conversations" and method == "post":
                continue  # it is not there; the other rule's slash is asked for
            answer = student(method, scene.path((method, path)))
            problem(answer, 405)
            allowed = {each.strip().lower() for each in answer.headers["Allow"].split(",")}
            assert methods <= allowed


def test_an_address_that_is_none_is_404(world: World) -> None:
    student = caller(world, "student")
    for path in (
        "",
        "nothing",
        "orders",
        "orders/",
        "holds/",
        "lessons/",
        "lessons/x/y",
        "catalog",
        "../login/",
    ):
        answer = student("get", path)
        assert answer.status_code in {404, 405}, (path, answer.status_code)
        problem(answer, answer.status_code)


# -- 400, 413, 415: what is no body ------------------------------------------------------------------------

BODIES = {
    b"": 400,
    b"{": 400,
    b"null": 400,
    b'"text"': 400,
    b"[1]": 400,
    b"[" * 100_000: 400,
    b'{"reason": ' + b"[" * 50_000 + b"]" * 50_000 + b"}": 400,
    b'{"variant": ' + b"9" * 5000 + b"}": 400,  # more digits than Python reads
    b"\xff\xfe{\x00": 400,
    b"\x00": 400,
    b'{"x": "' + b"x" * 3_000_000 + b'"}': 413,
}


def test_what_is_no_object_of_json_is_400_or_413(scene: Scene, database: Database) -> None:
    for operation in with_body(scene.world):
        call, path = scene.caller(operation), scene.path(operation)
        before = state(database)
        for body, status in BODIES.items():
            if not body and operation[1].endswith("/cancel"):
                continue  # it needs none
            answer = call(operation[0], path, body)
            assert answer.status_code == status, (operation, body[:40], answer.text[:300])
            problem(answer, status)
        assert changed(before, state(database)) == [], operation


def test_what_is_said_to_be_something_else_is_415(scene: Scene) -> None:
    kinds = ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "text/xml", "", "x")
    for operation in with_body(scene.world):
        for kind in kinds:
            body = b'{"email": "a", "password": "b"}'
            answer = scene.caller(operation)(operation[0], scene.path(operation), body, content_type=kind)
            problem(answer, 415)


def test_a_client_that_asks_for_pages_gets_problems(scene: Scene) -> None:
    for accept in ("text/html", "*/*", "image/png", "", "text/html;q=0.9,application/json;q=0.1"):
        answer = caller(scene.world)("get", "lessons", headers={"Accept": accept})
        problem(answer, 401)
        problem(caller(scene.world, "student")("get", f"orders/{code(20)}", headers={"Accept": accept}), 404)


# -- 409, 422, 429 -----------------------------------------------------------------------------------------


def test_each_conflict_says_what_it_is(scene: Scene) -> None:
    student, tutor = caller(scene.world, "student"), caller(scene.world, "tutor")
    booked, attended = f"lessons/{scene.booked.code}", f"teaching/lessons/{scene.attended.lesson.code}"
    taken = {
        "offering": scene.offering.slug,
        "variant": scene.variant_id,
        "starts_at": (MONDAY + DAY).isoformat(),
    }
    assert problem(tutor("post", "holds", taken), 409, "slot_taken")["alternatives"]
    answer = problem(student("post", f"{booked}/move", {"starts_at": MONDAY.isoformat()}), 409, "slot_taken")
    assert answer["alternatives"]
    same = {"starts_at": (MONDAY + DAY).isoformat()}
    assert problem(student("post", f"{booked}/move", same), 409, "cannot_move")["why"] == "same_time"
    mark = {"seat": scene.attended.code, "attended": True}
    problem(tutor("post", f"{attended}/attendance", mark), 409, "not_yet")
    assert student("post", f"{booked}/cancel").status_code == 200
    assert problem(student("post", f"{booked}/cancel"), 409, "cannot_cancel")["why"] == "not_booked"
    problem(student("delete", f"holds/{scene.booked.code}"), 404)
    with clock.frozen(NOW + HOUR):
        person = {"student": scene.world.anna.people["student"]}
        problem(student("post", f"holds/{scene.held.code}/order", person), 409, "hold_expired")
        problem(student("post", f"orders/{scene.order.code}/pay"), 409)


@pytest.mark.parametrize(
    ("starts_at", "why"),
    [
        (NOW - DAY, "past"),
        (NOW + HOUR / 2, "notice"),
        (NOW + 300 * DAY, "horizon"),
        (MONDAY + 7 * HOUR / 60, "step"),
        (MONDAY + 14 * HOUR, "outside_hours"),
    ],
)
def test_a_time_that_is_not_offered_says_why(scene: Scene, starts_at: Any, why: str) -> None:
    asked = {"offering": scene.offering.slug, "variant": scene.variant_id, "starts_at": starts_at.isoformat()}
    answer = caller(scene.world, "tutor")("post", "holds", asked)
    assert problem(answer, 422, "not_offered")["why"] == why


def test_too_much_at_once_is_429_and_says_when_to_come_back(scene: Scene) -> None:
    tutor = caller(scene.world, "tutor")
    asked = {"offering": scene.offering.slug, "variant": scene.variant_id}
    for number in range(MAX_HOLDS + 1):
        starts_at = (MONDAY + (8 + number) * DAY).isoformat()
        answer = tutor("post", "holds", {**asked, "starts_at": starts_at})
        assert answer.status_code == (201 if number < MAX_HOLDS else 429), answer.text
    problem(answer, 429, "too_many_holds")
    assert re.fullmatch(r"[1-9]\d*", answer.headers["Retry-After"])


def test_guessing_passwords_is_429(world: World) -> None:
    anybody = caller(world)
    given = {"email": world.anna.email("student"), "password": "guess"}
    answers = [anybody("post", "auth/token", given) for _ in range(9)]
    assert {answer.status_code for answer in answers[:8]} == {401}
    problem(answers[8], 429, "too_many")
    assert int(answers[8].headers["Retry-After"]) > 60
    problem(anybody("post", "auth/token", {**given, "password": PASSWORD}), 429)


def test_a_flood_of_messages_is_429(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    student, path = caller(scene.world, "student"), f"conversations/{scene.conversation_id}/messages"
    limit = MESSAGES_PER_PERSON.hits
    assert limit <= 1000
    statuses = []
    for number in range(limit + 1):
        body = {"client_id": f"00000000-0000-4000-8000-{number:012d}", "body": "again"}
        answer = student("post", path, body)
        statuses.append(answer.status_code)
        if answer.status_code == 429:
            break
    assert statuses == [201] * limit + [429]
    assert problem(answer, 429)["retry_after"] > 0


def test_a_suspended_company_is_closed_to_programs_too(scene: Scene, database: Database) -> None:
    world, student = scene.world, caller(scene.world, "student")
    page = f"/admin/tenants/{world.anna.id}/do/suspend"
    assert world.operator().post(page, reason="late fees").status_code == 302
    before = state(database)
    for operation in operations(world):
        answer = student(operation[0], scene.path(operation), scene.body(operation))
        problem(answer, 503, "tenant_suspended")
        assert int(answer.headers["Retry-After"]) > 0
    assert changed(before, state(database)) == []
