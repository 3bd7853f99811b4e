"""What somebody is about to hold, in one statement of plain columns: it is read in every hold."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, and_, bindparam, or_, select

from app.core import plain
from app.core.errors import NotFound
from app.domains.booking.models import AvailabilitySchedule, Lesson
from app.domains.booking.queries.tables import (
    NO_HOURS,
    Timetable,
    is_closed,
    read_timetable,
    timetable_columns,
    window,
)
from app.domains.catalog.models import PUBLISHED, CancellationPolicy, Offering, Variant
from app.domains.catalog.policies import BUILT_IN

_POLICY = tuple(BUILT_IN)  # what a seat keeps of it, by the columns' names


@dataclass(slots=True)
class OfferingToHold:
    id: int
    tutor_id: int
    kind: str
    status: str


@dataclass(slots=True)
class VariantToHold:
    id: int
    offering_id: int
    duration_minutes: int
    price_minor: int
    currency: str
    is_active: bool


@dataclass(frozen=True, slots=True)
class ToHold:
    """`variant` is empty where the offering has no such one; `policy` is what a seat keeps of it; `timetable`
    is the tutor's around the time that was asked for, if one was."""

    offering: OfferingToHold
    variant: VariantToHold | None
    policy: dict[str, Any]
    timetable: Timetable | None = None


_OFFERING = ("id", "tutor_id", "kind", "status")
_VARIANT = ("id", "offering_id", "duration_minutes", "price_minor", "currency", "is_active")
_END = len(_OFFERING) + len(_VARIANT) + 1 + len(_POLICY)


def _to_hold() -> Select[Any]:
    offering, variant, policy = Offering.__table__, Variant.__table__, CancellationPolicy.__table__
    theirs = and_(
        variant.c.tenant_id == offering.c.tenant_id,
        variant.c.offering_id == offering.c.id,
        variant.c.id == bindparam("variant"),
        variant.c.is_active,
    )
    # The offering's own, else the company's; see `catalog.policies.policy_snapshot`.
    holds = and_(
        policy.c.tenant_id == offering.c.tenant_id,
        or_(policy.c.id == offering.c.policy_id, and_(offering.c.policy_id.is_(None), policy.c.is_default)),
    )
    return (
        select(
            *(offering.c[name] for name in _OFFERING),
            *(variant.c[name] for name in _VARIANT),
            policy.c.id,
            *(policy.c[name] for name in _POLICY),
        )
        .select_from(offering.outerjoin(variant, theirs).outerjoin(policy, holds))
        .where(offering.c.tenant_id == plain.tenant())
    )


_BY_SLUG = _to_hold().where(
    Offering.__table__.c.slug == bindparam("slug"), Offering.__table__.c.status == PUBLISHED
)
_LESSON = Lesson.__table__
_BY_LESSON = (
    _to_hold()
    .join(
        _LESSON,
        and_(
            _LESSON.c.offering_id == Offering.__table__.c.id,
            _LESSON.c.tenant_id == Offering.__table__.c.tenant_id,
        ),
    )
    .where(_LESSON.c.id == bindparam("lesson"))
    .add_columns(is_closed(_LESSON.c))
)
_BY_ID = _to_hold().where(Offering.__table__.c.id == bindparam("offering"))
_SCHEDULE = AvailabilitySchedule.__table__
_TIME_BY_SLUG = _BY_SLUG.outerjoin(
    _SCHEDULE,
    and_(
        _SCHEDULE.c.tutor_id == Offering.__table__.c.tutor_id,
        _SCHEDULE.c.tenant_id == Offering.__table__.c.tenant_id,
    ),
).add_columns(*timetable_columns(), _SCHEDULE.c.id)
_LONGEST = dt.timedelta(days=1)  # a lesson


def to_hold(slug: str, variant_id: int | None, starts_at: dt.datetime | None = None) -> ToHold:
    """For a time of the variant, or a date of a class. Raises NotFound unless it is published."""
    if not slug.isascii() or not slug.isprintable():
        raise NotFound  # PostgreSQL refuses to look for NUL
    if starts_at is None:
        return _read(plain.rows(_BY_SLUG, slug=slug, variant=variant_id))
    around = window(starts_at, starts_at + _LONGEST)
    rows = plain.rows(_TIME_BY_SLUG, slug=slug, variant=variant_id, **around)
    asked = _read([row[:_END] for row in rows])
    if asked.variant is None:
        return asked
    ends_at = starts_at + dt.timedelta(minutes=asked.variant.duration_minutes)
    *timetable, has_hours = rows[0][_END:]
    found = read_timetable(timetable, starts_at, ends_at) if has_hours else NO_HOURS
    return replace(asked, timetable=found)


def class_to_hold(lesson_id: int) -> tuple[dict[str, Any], bool]:
    """Of a group class's date: what a seat keeps of the policy, and whether nothing can be booked with its
    tutor. Raises NotFound."""
    rows = plain.rows(_BY_LESSON, lesson=lesson_id, variant=None)
    if not rows:
        raise NotFound
    return _read([rows[0][:-1]]).policy, rows[0][-1]


def policy_now(offering_id: int) -> dict[str, Any]:
    """What a seat in this offering keeps of the policy that holds now. Raises NotFound."""
    return _read(plain.rows(_BY_ID, offering=offering_id, variant=None)).policy


def _read(rows: Any) -> ToHold:
    if not rows:
        raise NotFound
    row, end = rows[0], len(_OFFERING)
    middle = end + len(_VARIANT)
    variant = VariantToHold(*row[end:middle]) if row[end] is not None else None
    is_said = row[middle] is not None
    policy = dict(zip(_POLICY, row[middle + 1 :], strict=True)) if is_said else dict(BUILT_IN)
    return ToHold(OfferingToHold(*row[:end]), variant, policy)
