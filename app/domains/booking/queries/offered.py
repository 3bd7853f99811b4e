"""What an offering's page shows, and when its tutor is free, in one statement: the hottest page there is, so
plain columns. What belongs to the offering is asked for one by one, each by its key: of joins PostgreSQL
makes plans for longer than it reads."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, literal_column, or_, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.core import plain
from app.core.errors import NotFound
from app.core.money import Money
from app.domains.accounts.models import Person
from app.domains.booking.models import AvailabilitySchedule
from app.domains.booking.policies import Slot
from app.domains.booking.queries.tables import (
    NO_HOURS,
    Timetable,
    read_timetable,
    timetable_columns,
    window,
)
from app.domains.booking.queries.timetable import BY_SLOT, bookable, slots_of_tutor
from app.domains.catalog.models import (
    PUBLISHED,
    CancellationPolicy,
    Offering,
    Subject,
    TutorProfile,
    Variant,
)
from app.domains.catalog.policies import BUILT_IN


@dataclass(frozen=True, slots=True)
class VariantSeen:
    """One way to buy it."""

    id: int
    name: str
    duration_minutes: int
    price_minor: int
    currency: str

    @property
    def price(self) -> Money:
        return Money(self.price_minor, self.currency)


@dataclass(frozen=True, slots=True)
class ProfileSeen:
    """How its tutor is shown."""

    slug: str
    headline: str | None
    image_key: str | None


@dataclass(frozen=True, slots=True)
class OfferingSeen:
    """What can be booked. `subject` and `tutor` are names; `policy` is what a seat would keep of the policy
    that holds: its own, else the company's, else ours. `timetable` is the tutor's from `since` to `until`;
    empty for what is not sold by the slot."""

    id: int
    tutor_id: int
    kind: str
    title: str
    slug: str
    summary: str
    description: str
    level: str
    language: str
    capacity: int
    image_key: str | None
    rating_count: int
    rating_sum: int
    subject: str | None
    tutor: str
    profile: ProfileSeen | None
    policy: Mapping[str, Any]
    variants: tuple[VariantSeen, ...]
    timetable: Timetable
    since: dt.datetime
    until: dt.datetime

    def variant(self, variant_id: int | None) -> VariantSeen:
        """The one that was asked for, else the first."""
        return next((each for each in self.variants if each.id == variant_id), self.variants[0])


COLUMNS = (
    "id",
    "tutor_id",
    "kind",
    "title",
    "slug",
    "summary",
    "description",
    "level",
    "language",
    "capacity",
    "image_key",
    "rating_count",
    "rating_sum",
)


def _offered() -> Select[Any]:
    """Made once."""
    row, subject, tutor = Offering.__table__.c, Subject.__table__.c, Person.__table__.c
    profile, policy, variant = TutorProfile.__table__.c, CancellationPolicy.__table__.c, Variant.__table__.c
    subjects = select(subject.name).where(subject.tenant_id == row.tenant_id, subject.id == row.subject_id)
    tutors = select(tutor.full_name).where(tutor.tenant_id == row.tenant_id, tutor.id == row.tutor_id)
    profiles = select(func.json_build_array(profile.slug, profile.headline, profile.image_key)).where(
        profile.tenant_id == row.tenant_id, profile.person_id == row.tutor_id
    )
    kept = ("name", "free_until_minutes", "late_refund_bp", "move_until_minutes", "max_moves")
    terms = (
        select(func.json_build_object(*(part for name in kept for part in (plain.word(name), policy[name]))))
        .where(policy.tenant_id == row.tenant_id, or_(policy.id == row.policy_id, policy.is_default))
        .order_by((policy.id == row.policy_id).desc().nulls_last())
        .limit(literal_column("1"))
    )
    each = func.json_build_array(
        variant.id, variant.name, variant.duration_minutes, variant.price_minor, variant.currency
    )
    variants = select(func.json_agg(aggregate_order_by(each, variant.position, variant.id))).where(
        variant.tenant_id == row.tenant_id, variant.offering_id == row.id, variant.is_active
    )
    parts = (subjects, tutors, profiles, terms, variants)
    schedule = AvailabilitySchedule.__table__
    theirs = and_(
        schedule.c.tenant_id == row.tenant_id,
        schedule.c.tutor_id == row.tutor_id,
        row.kind.in_([plain.word(kind) for kind in sorted(BY_SLOT)]),
    )
    return (
        select(
            *(row[name] for name in COLUMNS),
            *(part.scalar_subquery() for part in parts),
            schedule.c.id,
            *timetable_columns(),
        )
        .select_from(Offering.__table__.outerjoin(schedule, theirs))
        .where(
            row.tenant_id == plain.tenant(),
            row.slug == bindparam("slug"),
            row.status == plain.word(PUBLISHED),
        )
    )


_OFFERED = _offered()
_PARTS = len(COLUMNS) + 2  # columns, and the names of subject and tutor


def offering_seen(slug: str, since: dt.datetime, until: dt.datetime) -> OfferingSeen:
    """With its tutor's time from one moment to another. One statement. Raises NotFound unless it is published
    and can be bought."""
    if not slug.isascii() or not slug.isprintable():
        raise NotFound  # PostgreSQL refuses to look for NUL
    since, until = bookable(since, until)
    for row in plain.rows_alone(_OFFERED, slug=slug, **window(since, until)):
        profile, policy, variants, has_hours, *times = row[_PARTS:]
        if variants:
            shown_as = ProfileSeen(*profile) if profile else None
            ways = tuple(VariantSeen(*each) for each in variants)
            timetable = read_timetable(times, since, until) if has_hours else NO_HOURS
            rest = (shown_as, policy or dict(BUILT_IN), ways, timetable, since, until)
            return OfferingSeen(*[*row[:_PARTS], *rest])
    raise NotFound


def slots_of(
    seen: OfferingSeen, variant: VariantSeen, *, since: dt.datetime, until: dt.datetime
) -> list[Slot]:
    """As `slots`: when a lesson of it can begin, in order; nothing for what is not sold by the slot. A
    statement only for what lies outside of the time that it was read with."""
    if seen.kind not in BY_SLOT:
        return []
    duration = dt.timedelta(minutes=variant.duration_minutes)
    since, until = bookable(since, until)
    if seen.since <= since and until <= seen.until:
        return seen.timetable.slots(duration, since, until)
    return slots_of_tutor(seen.tutor_id, duration, since, until)
