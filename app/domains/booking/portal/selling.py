"""What an offering's page says beside its times: what one gets, what others say, what search engines read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext

from app.core.web.meta import Meta, absolute, describe, organization, rating_data
from app.domains.booking.portal.words import duration_words
from app.domains.booking.queries.offered import OfferingSeen
from app.domains.catalog.models import GROUP, TRIAL
from app.domains.catalog.policies.comparison import language_name
from app.domains.catalog.policies.pictures import path_of
from app.domains.catalog.policies.review_words import RatingSeen, ReviewSeen, rating_seen, reviews_seen
from app.domains.catalog.policies.reviews import Rating
from app.domains.catalog.queries import reviews

REVIEWS = 5


@dataclass(frozen=True)
class Said:
    """The newest reviews, and where all of them are."""

    rating: RatingSeen | None
    reviews: Sequence[ReviewSeen] = ()
    url: str = ""
    has_more: bool = False


def said_of(seen: OfferingSeen) -> Said:
    """Without a statement where nobody has said anything."""
    rating = rating_seen(Rating(seen.rating_count, seen.rating_sum))
    if rating is None:
        return Said(None)
    rows = reviews.reviews_of(seen.id, size=REVIEWS)
    found = reviews_seen(rows, tutor=seen.tutor)
    return Said(rating, found, f"/o/{seen.slug}/reviews", has_more=rating.count > len(rows))


def what_you_get(seen: OfferingSeen) -> list[tuple[str, str]]:
    """(icon, words), true of every offering of its kind."""
    lengths = list(dict.fromkeys(duration_words(v.duration_minutes) for v in seen.variants))
    length = lengths[0] if len(lengths) == 1 else _("%(first)s or more", first=lengths[0])
    return [
        ("clock", _first_line(seen, length)),
        ("language", _("Taught in %(language)s", language=language_name(seen.language))),
        ("message", _("You can write to your tutor before and after the lesson")),
        ("calendar", _("An entry for your calendar, and a receipt")),
    ]


def _first_line(seen: OfferingSeen, length: str) -> str:
    name = seen.tutor
    if seen.kind == GROUP:
        most = ngettext("one seat", "at most %(num)s seats", seen.capacity)
        return _("%(length)s in a small group: %(seats)s", length=length, seats=most)
    if seen.kind == TRIAL:
        return _("%(length)s to meet %(tutor)s and see whether it suits you", length=length, tutor=name)
    return _("%(length)s with %(tutor)s, just for you", length=length, tutor=name)


def meta_of(seen: OfferingSeen) -> Meta:
    words = seen.summary or seen.description or seen.title
    image = path_of(seen.image_key)
    return describe(f"/o/{seen.slug}", words, image=image, kind="product", data=[_course(seen, words)])


def _course(seen: OfferingSeen, words: str) -> Mapping[str, Any]:
    tutor = {"@type": "Person", "name": seen.tutor}
    if seen.profile is not None:
        tutor["url"] = absolute(f"/tutors/{seen.profile.slug}")
    image = path_of(seen.image_key)
    rating = Rating(seen.rating_count, seen.rating_sum)
    return {
        "@type": "Course",
        "name": seen.title,
        "description": " ".join(words.split()),
        "url": absolute(f"/o/{seen.slug}"),
        "inLanguage": seen.language,
        "provider": organization(),
        "offers": [
            {
                "@type": "Offer",
                "name": variant.name,
                "price": str(variant.price.decimal),
                "priceCurrency": variant.currency,
                "category": "Paid" if variant.price_minor else "Free",
                "availability": "https://schema.org/InStock",
            }
            for variant in seen.variants
        ],
        "hasCourseInstance": {"@type": "CourseInstance", "instructor": tutor},
        **({"image": absolute(image)} if image else {}),
        **rating_data(rating.count, rating.average),
    }
