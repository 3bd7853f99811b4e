"""Reviews and ratings in the reader's words, member by member."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from flask import Flask

from app.core.errors import Invalid
from app.domains.accounts.models import Person
from app.domains.catalog.models import Offering, Review
from app.domains.catalog.policies.review_words import (
    RatingSeen,
    ReviewSeen,
    author_words,
    month_words,
    rating_of,
    rating_seen,
    reviews_seen,
    stars_words,
)
from app.domains.catalog.policies.reviews import Rating, check_rating, clean_text

EN, DE = {"Accept-Language": "en"}, {"Accept-Language": "de"}


def review(**changes: Any) -> Review:
    values: dict[str, Any] = {
        "id": 7,
        "rating": 4,
        "text": "Clear.",
        "author": Person(full_name="Maria da Silva"),
        "author_id": 3,
        "student_id": 3,
        "written_at": dt.datetime(2026, 11, 27, tzinfo=dt.UTC),
        "offering": Offering(title="Calculus", slug="calculus"),
    }
    return Review(**{**values, **changes})


def test_a_rating(app: Flask) -> None:
    with app.test_request_context(headers=EN):
        assert rating_seen(Rating(0, 0)) is None
        assert rating_seen(Rating(1, 5)) == RatingSeen(
            10, "5.0", 1, "1 review", "5.0 out of 5 stars, 1 review"
        )
        assert rating_of(Offering(rating_count=3, rating_sum=13)) == RatingSeen(
            9, "4.3", 3, "3 reviews", "4.3 out of 5 stars, 3 reviews"
        )
    with app.test_request_context(headers=DE):
        seen = rating_seen(Rating(3, 13))
    assert seen is not None
    assert seen.average == "4,3"


def test_stars(app: Flask) -> None:
    with app.test_request_context(headers=EN):
        assert [stars_words(number) for number in (1, 4)] == ["1 out of 5 stars", "4 out of 5 stars"]


def test_a_review(app: Flask) -> None:
    answered = review(id=8, rating=5, text="", reply="Thank you.")
    with app.test_request_context(headers=EN):
        found = reviews_seen([review(), answered], tutor="Tutor Anna")
    assert found[0] == ReviewSeen(
        id=7,
        rating=4,
        words="4 out of 5 stars",
        text="Clear.",
        author="Maria S.",
        when="November 2026",
        offering="Calculus",
        offering_url="/o/calculus",
        reply=None,
        replied_by="Tutor Anna answers",
    )
    assert (found[1].id, found[1].rating, found[1].text, found[1].reply) == (8, 5, "", "Thank you.")


def test_a_child_is_not_named(app: Flask) -> None:
    with app.test_request_context(headers=EN):
        assert author_words(review(student_id=4)) == "Maria S., for a child"


def test_no_more_than_the_month_is_said(app: Flask) -> None:
    """By UTC, so that nobody's zone is told."""
    late = dt.datetime(2026, 11, 30, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-5)))
    with app.test_request_context(headers=EN):
        assert month_words(late) == "December 2026"
    with app.test_request_context(headers=DE):
        assert month_words(late) == "Dezember 2026"


@pytest.mark.parametrize("rating", [0, 6])
def test_a_rating_is_refused_at_its_field(app: Flask, rating: int) -> None:
    with app.test_request_context(headers=EN):
        with pytest.raises(Invalid, match="Please choose one to five stars") as refused:
            check_rating(rating)
        assert refused.value.field == "rating"
        check_rating(1)
        check_rating(5)


def test_a_text_is_refused_at_its_field(app: Flask) -> None:
    with app.test_request_context(headers=EN):
        for field in ("text", "reply"):
            with pytest.raises(Invalid, match="2000 characters at most") as refused:
                clean_text("x" * 2001, field=field)
            assert refused.value.field == field
        with pytest.raises(Invalid) as refused:
            clean_text("x" * 2001)
        assert refused.value.field == "text"
