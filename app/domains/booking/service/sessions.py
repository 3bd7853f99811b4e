"""Dates of group classes."""

from __future__ import annotations

import datetime as dt

from flask_babel import lazy_gettext as _l

from app.core import clock, ids, scope
from app.core.audit import note
from app.core.db import db
from app.core.errors import Invalid
from app.core.events import announce
from app.domains.booking import events, queries
from app.domains.booking.errors import NotOffered
from app.domains.booking.models import SCHEDULED, Lesson
from app.domains.booking.service.holds import in_utc
from app.domains.booking.service.new_holds import LESSON_CODE
from app.domains.booking.service.occupation import occupy, slot_taken, tutor_claim
from app.domains.catalog.models import ARCHIVED, GROUP, Offering, Variant
from app.domains.tenancy import queries as tenancy

MOST_SEATS = 500


def schedule_session(
    *,
    offering: Offering,
    variant: Variant,
    starts_at: dt.datetime,
    capacity: int | None = None,
    place: str | None = None,
) -> Lesson:
    """Give a group class a date, in or out of working hours. It is sold once the offering is published.
    Raises NotOffered (past, gap, by_slot, not_published), SlotTaken (the tutor is elsewhere), Invalid."""
    starts_at, duration = in_utc(starts_at), dt.timedelta(minutes=variant.duration_minutes)
    seats = offering.capacity if capacity is None else capacity
    _check(offering, variant, starts_at, seats)
    queries.lock_people([offering.tutor_id])
    terms = queries.terms_of(offering.tutor_id)
    lesson = Lesson(
        code=ids.code(LESSON_CODE),
        offering_id=offering.id,
        variant_id=variant.id,
        tutor_id=offering.tutor_id,
        status=SCHEDULED,
        starts_at=starts_at,
        ends_at=starts_at + duration,
        timezone=terms.timezone if terms else tenancy.tenant(scope.tenant_id()).timezone,
        capacity=seats,
        taken=0,
        place=(place or "").strip()[:300] or None,
    )
    db.session.add(lesson)
    note(lesson, "scheduled")
    db.session.flush()  # the occupation points at it, and its id goes into the event
    if not occupy(lesson, [tutor_claim(lesson, terms)], expires_at=None):
        raise slot_taken(offering.tutor_id, duration, after=starts_at)
    announce(events.LessonScheduled(tenant_id=lesson.tenant_id, lesson_id=lesson.id))
    return lesson


def _check(offering: Offering, variant: Variant, starts_at: dt.datetime, seats: int) -> None:
    if offering.kind != GROUP:
        raise NotOffered(why="by_slot")
    if offering.status == ARCHIVED or variant.offering_id != offering.id or not variant.is_active:
        raise NotOffered(why="not_published")
    if starts_at <= clock.now():
        raise NotOffered(why="past")
    if not 1 <= seats <= MOST_SEATS:
        raise Invalid(_l("Between 1 and %(most)s seats, please.", most=MOST_SEATS), field="capacity")
