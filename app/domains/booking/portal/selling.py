"""What an offering's page says beside its times: what one gets, what others say, what search engines read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import ngettext

from app.core.web.meta import Meta, absolute, describe, organization, rating_data
from app.domains.booking.portal.words import duration_words
from app.domains.catalog.models import GROUP, TRIAL, Offering, TutorProfile
from app.domains.catalog.policies.comparison import language_name
from app.domains.catalog.policies.pictures import path_of
from app.domains.catalog.policies.review_words import RatingSeen, ReviewSeen, rating_of, reviews_seen
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


def said_of(offering: Offering) -> Said:
    """Without a statement where nobody has said anything."""
    rating = rating_of(offering)
    if rating is None:
        return Said(None)
    rows = reviews.reviews_of(offering.id, size=REVIEWS)
    seen = reviews_seen(rows, tutor=offering.tutor.full_name)
    return Said(rating, seen, f"/o/{offering.slug}/reviews", has_more=rating.count > len(rows))


def what_you_get(offering: Offering) -> list[tuple[str, str]]:
    """(icon, words), true of every offering of its kind."""
    lengths = list(dict.fromkeys(duration_words(v.duration_minutes) for v in offering.variants))
    length = lengths[0] if len(lengths) == 1 else _("%(first)s or more", first=lengths[0])
    return [
        ("clock", _first_line(offering, length)),
        ("language", _("Taught in %(language)s", language=language_name(offering.language))),
        ("message", _("You can write to your tutor before and after the lesson")),
        ("calendar", _("An entry for your calendar, and a receipt")),
    ]


def _first_line(offering: Offering, length: str) -> str:
    name = offering.tutor.full_name
    if offering.kind == GROUP:
        most = ngettext("one seat", "at most %(num)s seats", offering.capacity)
        return _("%(length)s in a small group: %(seats)s", length=length, seats=most)
    if offering.kind == TRIAL:
        return _("%(length)s to meet %(tutor)s and see whether it suits you", length=length, tutor=name)
    return _("%(length)s with %(tutor)s, just for you", length=length, tutor=name)


def meta_of(offering: Offering, profile: TutorProfile | None) -> Meta:
    words = offering.summary or offering.description or offering.title
    image = path_of(offering.image_key)
    return describe(
        f"/o/{offering.slug}", words, image=image, kind="product", data=[_course(offering, profile, words)]
    )


def _course(offering: Offering, profile: TutorProfile | None, words: str) -> Mapping[str, Any]:
    tutor = {"@type": "Person", "name": offering.tutor.full_name}
    if profile is not None:
        tutor["url"] = absolute(f"/tutors/{profile.slug}")
    image = path_of(offering.image_key)
    rating = Rating(offering.rating_count, offering.rating_sum)
    return {
        "@type": "Course",
        "name": offering.title,
        "description": " ".join(words.split()),
        "url": absolute(f"/o/{offering.slug}"),
        "inLanguage": offering.language,
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
            for variant in offering.variants
        ],
        "hasCourseInstance": {"@type": "CourseInstance", "instructor": tutor},
        **({"image": absolute(image)} if image else {}),
        **rating_data(rating.count, rating.average),
    }
