"""What an offering may say: each limit itself is allowed, one more is refused at its field, in words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from app.core.errors import Invalid
from app.domains.catalog.errors import KindNotYet
from app.domains.catalog.models import GROUP, ONE_TO_ONE
from app.domains.catalog.policies.content import Content, VariantContent, check, missing

HOUR = VariantContent("An hour", 60, 4000)
GOOD = Content("Conversation", variants=(HOUR,))


def variants(**changes: Any) -> dict[str, Any]:
    return {"variants": (replace(HOUR, **changes),)}


def many(number: int) -> dict[str, Any]:
    return {"variants": tuple(replace(HOUR, name=f"No. {place}") for place in range(number))}


@pytest.mark.parametrize(
    "bound",
    [
        {"title": "é" * 120},
        {"summary": "é" * 300},
        {"description": "é" * 20_000},
        {"capacity": 1},
        {"capacity": 500},
        {"variants": ()},
        many(6),
        variants(name="é" * 80),
        variants(duration_minutes=5),
        variants(duration_minutes=1440),
    ],
    ids=lambda bound: ",".join(bound),
)
def test_each_limit_is_allowed(app: Flask, bound: dict[str, Any]) -> None:
    with app.test_request_context():
        check(replace(GOOD, **bound), kind=GROUP, currency="EUR")


@pytest.mark.parametrize(
    ("wrong", "field", "words"),
    [
        ({"title": ""}, "title", "fill this in"),
        ({"title": "é" * 121}, "title", "120 characters at most"),
        ({"summary": "é" * 301}, "summary", "300 characters at most"),
        ({"description": "é" * 20_001}, "description", "20000 characters at most"),
        ({"level": "none"}, "level", "check this value"),
        ({"language": "xx"}, "language", "check this value"),
        ({"capacity": 0}, "capacity", "From 1 to 500 seats"),
        ({"capacity": 501}, "capacity", "From 1 to 500 seats"),
        (many(7), "variants", "6 at most"),
        (variants(name=""), "variant_1_name", "up to 80 characters"),
        (variants(name="é" * 81), "variant_1_name", "up to 80 characters"),
        ({"variants": (HOUR, replace(HOUR, name="AN HOUR"))}, "variant_2_name", "the same name"),
        (variants(duration_minutes=4), "variant_1_minutes", "From 5 to 1440 minutes"),
        (variants(duration_minutes=1441), "variant_1_minutes", "From 5 to 1440 minutes"),
    ],
)
def test_what_is_beyond_is_refused_at_its_field(
    app: Flask, wrong: dict[str, Any], field: str, words: str
) -> None:
    with app.test_request_context(headers={"Accept-Language": "en"}), pytest.raises(Invalid) as refused:
        check(replace(GOOD, **wrong), kind=GROUP, currency="EUR")
    with app.test_request_context(headers={"Accept-Language": "en"}):
        assert words in str(refused.value)
    assert refused.value.field == field


def test_a_kind_that_is_to_come_is_refused(app: Flask) -> None:
    with app.test_request_context(), pytest.raises(KindNotYet) as refused:
        check(GOOD, kind="recorded", currency="EUR")
    assert refused.value.field == "kind"


def test_what_is_missing_is_named() -> None:
    assert missing(Content("Conversation")) == ["summary", "description", "subject", "variants"]
    assert missing(replace(GOOD, summary="s", description="d", subject_id=1)) == []


def test_blanks_are_taken_away_and_one_has_one_seat() -> None:
    written = Content(" a ", " b ", " c ", capacity=5, variants=(replace(HOUR, name=" d "),))
    tidy = written.tidy(ONE_TO_ONE)
    assert (tidy.title, tidy.summary, tidy.description, tidy.capacity) == ("a", "b", "c", 1)
    assert [row.name for row in tidy.variants] == ["d"]
    assert written.tidy(GROUP).capacity == 5
