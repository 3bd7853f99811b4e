"""What nobody means to send, in each place that the API's description has: a clear refusal, never a fault.

The tables go by the description alone: each member of a body, each argument, each part of an address and
each header is tried with every value; what its schema does not allow must be refused, and save nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

import pytest
from jsonschema import Draft202012Validator
from werkzeug.test import TestResponse

from app.core import clock
from tests.domains.booking.support import DAY, MONDAY, NOW
from tests.shell.api_support import (
    Json,
    Operation,
    Scene,
    body_of,
    document,
    make_scene,
    operations,
    problem,
    takes_key,
    validator,
)
from tests.shell.support import changed, state
from tests.support.databases import Database
from tests.support.world import World

MEGABYTE = "x" * 1_000_000
FULL_WIDTH = "\uff11\uff10"  # 10
DEEP = "[" * 50_000 + "]" * 50_000
MOMENT = "2027-01-18T09:00:00+00:00"
WIDE_MOMENT = MOMENT.replace("2027", "\uff12\uff10\uff12\uff17")
WIDE_UUID = "\uff16b1f6d0e-2f9e-4f0e-9d43-0d8b8b4f6a11"

# As JSON spells them, since Python's own could not say some.
VALUES = (
    *("-1", "0", "-0", "0.001", "1.5", "1e309", "-1e309", "NaN", "Infinity", "-Infinity"),
    *(str(2**31), str(2**63), str(-(2**63) - 1), str(10**18), "9" * 400, "1e3"),
    *("null", "true", "false", "[]", "{}", "[1]", '["x"]', '{"a": 1}', '{"$gt": ""}', DEEP),
    *('""', '" "', '"0"', '"1"', '"-1"', '"1e309"', '"NaN"', f'"{FULL_WIDTH}"', '"true"', '"null"'),
    *('"\\u0000"', '"a\\u0000b"', '"\\ud800"', '"\\udc00\\ud800"', '"\\u202etxt"', '"\U0001f600\u0301"'),
    *(f'"{MEGABYTE}"', '"\' OR 1=1; --"', '"<script>alert(1)</script>"', '"../../etc/passwd"', '"%s%n{0}"'),
    *('"2027-01-18"', '"2027-01-18T09:00"', '"2027-02-30T09:00:00+00:00"', '"2027-01-18T09:00:00+99:00"'),
    *('"0001-01-01T00:00:00+23:59"', '"9999-12-31T23:59:59-23:59"', '"2027-01-18T24:00:01Z"', '"now"'),
    *(f'"{MOMENT}\\u0000"', f'"{WIDE_MOMENT}"', f'"{WIDE_UUID}"', '"1e999999999"'),
    *('"00000000-0000-0000-0000-00000000000"', '"{00000000-0000-4000-8000-000000000000"', '"ALL"'),
)
ARGUMENTS = (
    *("-1", "0", "0.001", "1e309", "NaN", "Infinity", str(2**31), str(2**63), "9" * 400, "9" * 5000),
    *("", " ", "+1", "1_0", "0x10", FULL_WIDTH, "\u0661", "\x00", "a\x00b", "\ud7ff\ufffe", "true", "null"),
    *("x" * 6000, "' OR 1=1; --", "<script>", "../../etc/passwd", "%00", "%", "%s", "[]", "{}", "*", "\\"),
    *("now", "2027-01-18", "2027-01-18T09:00", "2027-02-30T09:00:00Z", "0001-01-01T00:00:00+23:59"),
    *("9999-12-31T23:59:59-23:59", "2027-01-18T09:00:00+99:00", "-title", "\U0001f600", "\u202egnp.exe"),
)
KEYS = ("", "x" * 201, "k\xe9y", "a\tb", "\x7f")
IS_WHOLE = re.compile(r"-?[0-9]+", re.ASCII)


@pytest.fixture
def scene(world: World) -> Iterator[Scene]:
    with clock.frozen(NOW):
        yield make_scene(world)


def quiet(scene: Scene, database: Database) -> Mapping[str, str]:
    """The state of the database once everybody has signed in."""
    for operation in operations(scene.world):
        scene.caller(operation)
    return state(database)


def check(answer: TestResponse, must_refuse: bool, what: Any) -> None:
    """Never a fault; and what the description does not allow is refused with a problem."""
    assert answer.status_code < 500, (what, answer.text[:500])
    if answer.status_code >= 400:
        body = problem(answer, answer.status_code)
        # Nothing of the machinery shows.
        assert not re.search(r"psycopg|sqlalchemy|Traceback|/app/|SELECT ", json.dumps(body)), body
    else:
        assert not must_refuse, (what, answer.status_code, answer.text[:300])


def shortened(text: str) -> str:
    return text if len(text) < 60 else f"{text[:40]}… ({len(text)})"


BODIES: list[Operation] = [
    ("post", "/api/v1/auth/token"),
    ("post", "/api/v1/auth/refresh"),
    ("post", "/api/v1/holds"),
    ("post", "/api/v1/holds/{code}/order"),
    ("post", "/api/v1/lessons/{code}/cancel"),
    ("post", "/api/v1/lessons/{code}/move"),
    ("post", "/api/v1/teaching/lessons/{code}/attendance"),
    ("post", "/api/v1/conversations/{conversation_id}/messages"),
    ("post", "/api/v1/conversations/{conversation_id}/read"),
    ("post", "/api/v1/catalog/offerings/{slug}/reviews"),
    ("post", "/api/v1/catalog/reviews/{review_id}/reply"),
]


def test_each_body_is_tried(world: World) -> None:
    assert set(BODIES) == {each for each, described in operations(world).items() if body_of(described)}


@pytest.mark.parametrize("operation", BODIES, ids=lambda each: each[1].removeprefix("/api/v1/"))
def test_members_of_bodies(scene: Scene, database: Database, operation: Operation) -> None:
    described = operations(scene.world)[operation]
    components = document(scene.world)["components"]
    tried = Tried(scene, operation, validator(body_of(described) or {}, components), required(described))
    before = state(database)
    allowed = [
        (member, value) for member in tried.members for value in VALUES if not tried.send(member, value)
    ]
    assert changed(before, state(database)) == []
    assert len(tried.members) * len(VALUES) - len(allowed) > 25
    for member, value in allowed:
        tried.send(member, value, although_allowed=True)
    if (body_of(described) or {}).get("additionalProperties") is False:
        unknown = tried.call(operation[0], tried.path, {**tried.valid, "tenant_id": 2})
        assert problem(unknown, 422, "unknown_member")["field"] == "tenant_id"
    for member in required(described):
        short = {name: value for name, value in tried.valid.items() if name != member}
        check(tried.call(operation[0], tried.path, short), True, (operation, "without", member))


class Tried:
    """A call whose body is right but for one member."""

    def __init__(
        self, scene: Scene, operation: Operation, schema: Draft202012Validator, required: list[str]
    ) -> None:
        self.operation, self.schema, self.required = operation, schema, required
        self.call, self.path = scene.caller(operation), scene.path(operation)
        self.valid = scene.body(operation) or {}
        self.members = list(schema.schema["properties"])

    def send(self, member: str, value: str, *, although_allowed: bool = False) -> bool:
        """Whether it was sent: first what must be refused, since the rest may change something."""
        # A hold is for a time or for a date.
        rest = {name: each for name, each in self.valid.items() if (member, name) != ("lesson", "starts_at")}
        text = with_member(rest, member, value)
        may = is_allowed(self.schema, text) or (value == "null" and member not in self.required)
        if may and not although_allowed:
            return False
        answer = self.call(self.operation[0], self.path, text.encode("utf-8", "surrogatepass"))
        check(answer, not may, (self.operation, member, shortened(value)))
        return True


def required(described: Json) -> list[str]:
    return list((body_of(described) or {}).get("required", ()))


def with_member(body: Json, member: str, value: str) -> str:
    others = [f"{json.dumps(name)}: {json.dumps(each)}" for name, each in body.items() if name != member]
    return "{" + ", ".join([*others, f"{json.dumps(member)}: {value}"]) + "}"


def is_allowed(schema: Draft202012Validator, text: str) -> bool:
    """As far as the description goes: a text may still be no offering's name."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return bool(schema.is_valid(body))


def test_arguments(scene: Scene, database: Database) -> None:
    before, tried = quiet(scene, database), 0
    for operation, described in operations(scene.world).items():
        for parameter in described["parameters"]:
            if parameter["in"] != "query":
                continue
            call, path = scene.caller(operation), scene.path(operation)
            for value in ARGUMENTS:
                may = not value or argument_fits(parameter["schema"], value)
                answer = call(operation[0], path, query_string=f"{parameter['name']}={quote(value)}")
                check(answer, not may, (operation, parameter["name"], shortened(value)))
                tried += 1
            twice = call(operation[0], path, query_string=f"{parameter['name']}=1&{parameter['name']}=%00")
            check(twice, False, (operation, parameter["name"], "twice"))
    assert tried > 500
    assert changed(before, state(database)) == []


def argument_fits(schema: Json, value: str) -> bool:
    """Whether a text from the address is one that the schema allows."""
    if schema.get("type") != "integer":
        return validator(schema, {}).is_valid(value)
    return bool(IS_WHOLE.fullmatch(value)) and validator(schema, {}).is_valid(int(value[:4000]))


def test_parts_of_addresses(scene: Scene, database: Database) -> None:
    before, tried = quiet(scene, database), 0
    for operation, described in operations(scene.world).items():
        for parameter in described["parameters"]:
            if parameter["in"] != "path":
                continue
            call = scene.caller(operation)
            for value in ARGUMENTS:
                name = f"{{{parameter['name']}}}"
                path = operation[1].removeprefix("/api/v1/").replace(name, quote(value, safe=""))
                answer = call(operation[0], path, scene.body(operation))
                check(answer, bool(value), (operation, shortened(value)))
                tried += 1
    assert tried > 500
    assert changed(before, state(database)) == []


def test_keys_of_repeats(scene: Scene, database: Database) -> None:
    before = quiet(scene, database)
    for operation, described in operations(scene.world).items():
        if not takes_key(described):
            continue
        call = scene.caller(operation)
        for key in KEYS:
            headers = {"Idempotency-Key": key}
            answer = call(operation[0], scene.path(operation), scene.body(operation), headers=headers)
            assert problem(answer, 422, "invalid")["field"] == "Idempotency-Key", (operation, key)
    assert changed(before, state(database)) == []


@pytest.mark.parametrize(
    "header", ["Authorization", "Accept-Language", "Accept", "Content-Type", "X-Forwarded-For"]
)
def test_headers(scene: Scene, header: str) -> None:
    for value in (
        "",
        "\xff\xfe",
        "x" * 8000,
        "Bearer",
        "Bearer ",
        "Bearer a b c",
        "Basic eDp4",
        "*;q=NaN",
        "de;q=1e309",
    ):
        for operation in (("get", "/api/v1/lessons"), ("post", "/api/v1/holds")):
            bare = scene.caller(operation)
            bare = bare if header != "Authorization" else type(bare)(bare.world, bare.host)
            body = scene.body(operation, MONDAY + 9 * DAY)
            options = {"content_type": value} if header == "Content-Type" else {"headers": {header: value}}
            check(bare(operation[0], scene.path(operation), body, **options), False, (header, value))
