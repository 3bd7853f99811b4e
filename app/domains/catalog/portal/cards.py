"""Offerings and tutors as cards show them, and what such a card says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from flask import current_app
from flask_babel import gettext as _
from flask_babel import ngettext

from app.core.locales import reader_locale
from app.core.money import Money
from app.domains.catalog.models import KIND_NAMES, LEVEL_NAMES
from app.domains.catalog.policies.comparison import language_name
from app.domains.catalog.policies.free_times import FindTimes, FreeTime
from app.domains.catalog.policies.pictures import small_path_of
from app.domains.catalog.policies.review_words import RatingSeen, rating_of, rating_seen
from app.domains.catalog.queries import TutorSeen
from app.domains.catalog.queries.storefront import Hit, OfferingShown


@dataclass(frozen=True)
class Card:
    """An offering as a card shows it."""

    url: str
    title: str
    summary: str
    kind: str
    facts: Sequence[str]
    price: str
    rating: RatingSeen | None
    image_url: str | None
    tutor_name: str
    tutor_initial: str
    tutor_headline: str | None
    tutor_url: str | None
    tutor_image_url: str | None


@dataclass(frozen=True)
class TutorCard:
    url: str
    name: str
    initial: str
    image_url: str | None
    headline: str | None
    languages: str | None
    subjects: str
    offerings: str
    rating: RatingSeen | None
    next_time: FreeTime | None = None


def card_of(hit: Hit) -> Card:
    row, profile = hit.offering, hit.profile
    name = row.tutor.full_name
    return Card(
        url=f"/o/{row.slug}",
        title=row.title,
        summary=row.summary,
        kind=str(KIND_NAMES[row.kind]),
        facts=_facts(row),
        price=price_words(hit.lowest, hit.highest),
        rating=rating_of(row),
        image_url=small_path_of(row.image_key),
        tutor_name=name,
        tutor_initial=initial_of(name),
        tutor_headline=profile.headline if profile else None,
        tutor_url=f"/tutors/{profile.slug}" if profile else None,
        tutor_image_url=small_path_of(profile.image_key) if profile else None,
    )


def _facts(row: OfferingShown) -> list[str]:
    """Subject, level, and what it is taught in; “Spanish” is not said twice."""
    subject = row.subject.name if row.subject else ""
    return list(
        dict.fromkeys(filter(None, (subject, str(LEVEL_NAMES[row.level]), language_name(row.language))))
    )


def tutor_card(seen: TutorSeen, next_time: FreeTime | None = None) -> TutorCard:
    return TutorCard(
        url=f"/tutors/{seen.profile.slug}",
        name=seen.name,
        initial=initial_of(seen.name),
        image_url=small_path_of(seen.profile.image_key),
        headline=seen.profile.headline,
        languages=seen.profile.languages,
        subjects=", ".join(seen.subjects),
        offerings=ngettext("%(num)s offering", "%(num)s offerings", seen.offerings),
        rating=rating_seen(seen.rating),
        next_time=next_time,
    )


def initial_of(name: str) -> str:
    return name[:1].upper()


def price_words(lowest: Money, highest: Money) -> str:
    """What a card says: “Free”, “€50.00” or “from €50.00”."""
    words = lowest.format(reader_locale()) if lowest.minor else _("Free")
    return words if lowest == highest else _("from %(price)s", price=words)


def find_times() -> FindTimes:
    """Booking's way of finding free times, as the shell wired it."""
    return cast(FindTimes, current_app.extensions["free_times"])


def spread(times: Sequence[FreeTime], limit: int) -> list[FreeTime]:
    """The first of each tutor before the second of any, then by time: a page shows many, not one."""
    seen: dict[int, int] = {}
    ranked = []
    for time in times:
        place = seen[time.tutor_id] = seen.get(time.tutor_id, 0) + 1
        ranked.append((place, time.starts_at, time.url, time))
    chosen = sorted(ranked, key=lambda each: each[:3])[:limit]
    return sorted((each[3] for each in chosen), key=lambda time: (time.starts_at, time.url))
