"""Reviews and ratings in the reader's words, ready to be printed on any page."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from babel.dates import format_skeleton
from flask_babel import format_decimal, ngettext
from flask_babel import gettext as _

from app.core.locales import reader_locale
from app.domains.catalog.models import Review
from app.domains.catalog.policies.reviews import Rating, short_name


class Rated(Protocol):
    """An offering, in whichever form it was read."""

    @property
    def rating_count(self) -> int: ...

    @property
    def rating_sum(self) -> int: ...


@dataclass(frozen=True)
class RatingSeen:
    """`halves` are the stars to draw; `average` and `count` stand beside them, `words` say it all."""

    halves: int
    average: str
    count: int
    count_words: str
    words: str


@dataclass(frozen=True)
class ReviewSeen:
    """A review as everybody sees it: of its author no more than the first name and a letter."""

    id: int
    rating: int
    words: str
    text: str
    author: str
    when: str
    offering: str
    offering_url: str
    reply: str | None = None
    replied_by: str = ""


def rating_seen(rating: Rating) -> RatingSeen | None:
    """Nothing where nobody has said anything yet."""
    if not rating.count:
        return None
    average = format_decimal(rating.average, format="0.0")
    count_words = ngettext("%(num)s review", "%(num)s reviews", rating.count)
    return RatingSeen(
        halves=rating.halves,
        average=average,
        count=rating.count,
        count_words=count_words,
        words=_("%(average)s out of 5 stars, %(reviews)s", average=average, reviews=count_words),
    )


def rating_of(offering: Rated) -> RatingSeen | None:
    return rating_seen(Rating(offering.rating_count, offering.rating_sum))


def stars_words(rating: int) -> str:
    return str(ngettext("%(num)s out of 5 stars", "%(num)s out of 5 stars", rating))


def review_seen(review: Review, *, tutor: str) -> ReviewSeen:
    return ReviewSeen(
        id=review.id,
        rating=review.rating,
        words=stars_words(review.rating),
        text=review.text,
        author=author_words(review),
        when=month_words(review.written_at),
        offering=review.offering.title,
        offering_url=f"/o/{review.offering.slug}",
        reply=review.reply,
        replied_by=_("%(name)s answers", name=tutor),
    )


def reviews_seen(reviews: Sequence[Review], *, tutor: str) -> list[ReviewSeen]:
    """Of one tutor's offerings."""
    return [review_seen(review, tutor=tutor) for review in reviews]


def author_words(review: Review) -> str:
    """“Maria S.”; a child is not named, whoever answers for them is."""
    name = short_name(review.author.full_name)
    if review.author_id == review.student_id:
        return name
    return str(_("%(name)s, for a child", name=name))


def month_words(at: dt.datetime) -> str:
    """“November 2026”: no more is anybody's business."""
    return format_skeleton("yMMMM", at.astimezone(dt.UTC), tzinfo=dt.UTC, locale=reader_locale())
