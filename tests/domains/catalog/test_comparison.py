"""What a proposal would change, in words: of each field, of each variant."""

from __future__ import annotations

from dataclasses import replace

from flask import Flask

from app.domains.catalog.policies.comparison import (
    Change,
    Names,
    compare,
    language_name,
    pair_up,
)
from app.domains.catalog.policies.content import Content, VariantContent
from tests.domains.catalog.support import HOUR, NINETY

EN = {"Accept-Language": "en"}
NAMES = Names(
    "EUR",
    subject_id={1: "Mathematics", 2: "Music"},
    policy_id={3: "Strict"},
    tax_rate_id={4: "VAT"},
)
BEFORE = Content(
    title="Calculus",
    summary="One.",
    description="Two.",
    subject_id=1,
    level="all",
    language="en",
    policy_id=3,
    variants=(VariantContent("60 minutes", 60, 5000, 11), VariantContent("90 minutes", 90, 7000, 12)),
)


def test_nothing_differs_from_itself(app: Flask) -> None:
    with app.test_request_context(headers=EN):
        assert compare(BEFORE, Content.from_json(BEFORE.as_json()), NAMES) == []


def test_each_difference_in_words(app: Flask) -> None:
    after = Content(
        title="Calculus II",
        summary="One.",
        description="Three.",
        subject_id=2,
        level="advanced",
        language="de",
        capacity=4,
        policy_id=None,
        tax_rate_id=4,
        image_key="t1/offerings/x",
        variants=(
            VariantContent("One hour", 60, 5000, 11),
            VariantContent("90 minutes", 90, 7500, 12),
            VariantContent("Trial", 30, 0),
        ),
    )
    with app.test_request_context(headers=EN):
        found = [
            (change.field, str(change.label), change.before, change.after)
            for change in compare(BEFORE, after, NAMES)
        ]
    assert found == [
        ("title", "Title", "Calculus", "Calculus II"),
        ("description", "Description", "Two.", "Three."),
        ("subject_id", "Subject taught", "Mathematics", "Music"),
        ("level", "Level", "All levels", "Advanced"),
        ("language", "Taught in", "English", "German"),
        ("capacity", "Seats", "1", "4"),
        ("policy_id", "Cancellation", "Strict", ""),
        ("tax_rate_id", "Tax", "", "VAT"),
        ("image_key", "Picture", "", "a picture"),
        ("variants", "One hour", "60 minutes: 60 minutes, €50.00", "One hour: 60 minutes, €50.00"),
        ("variants", "90 minutes", "90 minutes, €70.00", "90 minutes, €75.00"),
        ("variants", "Trial", "", "30 minutes, €0.00"),
    ]


def test_what_goes_and_another_picture(app: Flask) -> None:
    before = Content(title="A", image_key="t1/offerings/a", variants=(HOUR, NINETY))
    after = Content(title="A", image_key="t1/offerings/b", variants=(NINETY,))
    with app.test_request_context(headers=EN):
        found = compare(before, after, NAMES)
    assert found == [
        Change("image_key", found[0].label, "a picture", "another picture"),
        Change("variants", "60 minutes", "60 minutes, €50.00", ""),
    ]


def test_all_that_is_said_where_there_was_nothing(app: Flask) -> None:
    after = replace(BEFORE, summary="", image_key="t1/offerings/x", subject_id=9)
    with app.test_request_context(headers=EN):
        found = [(change.field, change.before, change.after) for change in compare(None, after, NAMES)]
    assert found == [
        ("title", "", "Calculus"),
        ("description", "", "Two."),
        ("subject_id", "", "#9"),  # nobody knows its name any more
        ("level", "", "All levels"),
        ("language", "", "English"),
        ("capacity", "", "1"),
        ("policy_id", "", "Strict"),
        ("image_key", "", "a picture"),
        ("variants", "", "60 minutes, €50.00"),
        ("variants", "", "90 minutes, €70.00"),
    ]


def test_a_picture_that_goes(app: Flask) -> None:
    with app.test_request_context(headers=EN):
        (found,) = compare(Content("A", image_key="t1/offerings/a"), Content("A"), NAMES)
    assert (found.field, found.before, found.after) == ("image_key", "a picture", "")


def test_a_former_variant_is_the_same_as_one_at_most() -> None:
    """By its name first; whoever has its number besides is a new one."""
    first, second = replace(HOUR, id=1), replace(NINETY, id=2)
    taken, left = replace(first, id=2), replace(second, name="Trial", id=1)
    assert list(pair_up((first, second), (taken, left))) == [(taken, first)]
    twice = (replace(second, name="A"), replace(second, name="B"))
    assert list(pair_up((first, second), twice)) == [(twice[0], second)]


def test_languages_as_the_reader_calls_them(app: Flask) -> None:
    assert language_name("de") == "German"  # nobody reads: English
    assert language_name("xx") == "Xx"
    with app.test_request_context(headers={"Accept-Language": "es"}):
        assert language_name("de") == "Alemán"
