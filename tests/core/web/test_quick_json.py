"""Quick JSON says what Flask's own says, whatever is said."""

from __future__ import annotations

import datetime as dt
import json
import math
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from flask.json.provider import DefaultJSONProvider
from hypothesis import given
from hypothesis import strategies as some
from markupsafe import Markup

from app.core.web.quick_json import QuickJSON

APP = Flask(__name__)
APP.json = QUICK = QuickJSON(APP)
FLASK = DefaultJSONProvider(APP)


@dataclass
class Point:
    _x: int
    at: dt.date


VALUES = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text()
    | some.text(some.characters(categories=["Cs", "Ll"])),
    lambda inner: (
        some.lists(inner) | some.dictionaries(some.text(), inner) | some.dictionaries(some.integers(), inner)
    ),
    max_leaves=20,
)


@given(VALUES)
def test_any_value(value: Any) -> None:
    quick, flask = QUICK.response(value), FLASK.response(value)
    assert json.loads(quick.data) == json.loads(flask.data)
    assert (quick.mimetype, quick.data[-1:]) == (flask.mimetype, b"\n")


@pytest.mark.parametrize(
    "value",
    [
        dt.datetime(2026, 11, 27, 3, tzinfo=dt.UTC),
        dt.date(2026, 11, 27),
        Decimal("1.10"),
        uuid.UUID(int=7),
        Point(1, dt.date(2026, 11, 27)),
        Markup("<b>"),
        {10: "a", 9: "b"},
        (1, 2),
        2**64,
        "\ud800",
    ],
    ids=repr,
)
def test_what_is_written_by_rules(value: Any) -> None:
    assert json.loads(QUICK.response(value).data) == json.loads(FLASK.response(value).data)


def test_members_stand_in_order_and_text_as_it_is() -> None:
    assert QUICK.response({"b": "ä", "a": 1}).data == '{"a":1,"b":"ä"}\n'.encode()
    assert QUICK.response(a=1).data == b'{"a":1}\n'


def test_what_pages_hold_is_safe_in_them() -> None:
    page = APP.jinja_env.from_string("{{ value|tojson }}").render(value={"b": "</script>'&", "a": "ä"})
    assert page == '{"a":"ä","b":"\\u003c/script\\u003e\\u0027\\u0026"}'


def test_other_ways_are_flask_s() -> None:
    assert QUICK.dumps({"b": 1, "a": 2}, indent=1, sort_keys=False) == '{\n "b": 1,\n "a": 2\n}'


def test_what_is_no_number_is_none() -> None:
    """Flask writes NaN, which is no JSON."""
    assert QUICK.response([math.nan, math.inf]).data == b"[null,null]\n"


def test_what_can_not_be_written_says_so() -> None:
    with pytest.raises(TypeError):
        QUICK.response(object())
