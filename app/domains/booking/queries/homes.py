"""What the first pages of those who learn and those who teach ask beside the lists of lessons."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, cast, extract, func, or_, select
from sqlalchemy.types import BigInteger

from app.core.db import db
from app.domains.booking.models import (
    ATTENDED,
    DONE,
    SCHEDULED,
    AvailabilityRule,
    AvailabilitySchedule,
    Lesson,
    Seat,
)
from app.domains.catalog.models import PUBLISHED, SUBMITTED, Offering, OfferingRevision, Subject, TutorProfile

_MINUTES = cast(
    func.coalesce(func.sum(extract("epoch", Lesson.ends_at - Lesson.starts_at) / 60), 0), BigInteger
)


@dataclass(frozen=True)
class Progress:
    """What somebody has learned of a subject (None where the offering names none): lessons they came to."""

    student_id: int
    subject: str | None
    lessons: int
    minutes: int


def progress_of(student_ids: Collection[int]) -> Sequence[Progress]:
    """Of each student by subject, the one with most hours first."""
    query = (
        select(Seat.student_id, Subject.name, func.count(), _MINUTES.label("minutes"))
        .join(Lesson, and_(Lesson.id == Seat.lesson_id, Lesson.tenant_id == Seat.tenant_id))
        .join(Offering, and_(Offering.id == Lesson.offering_id, Offering.tenant_id == Lesson.tenant_id))
        .outerjoin(Subject, and_(Subject.id == Offering.subject_id, Subject.tenant_id == Offering.tenant_id))
        .where(Seat.student_id.in_(student_ids), Seat.status == ATTENDED)
        .group_by(Seat.student_id, Subject.id, Subject.name)
        .order_by(Seat.student_id, _MINUTES.desc(), Subject.name)
    )
    return [Progress(int(row[0] or 0), *row[1:]) for row in db.session.execute(query)]


@dataclass(frozen=True)
class Taught:
    """How much a tutor taught in a stretch of time."""

    lessons: int
    minutes: int


def taught_by(tutor_id: int, *, since: dt.datetime, now: dt.datetime) -> Taught:
    """Lessons that are over and in which somebody had a place."""
    query = select(func.count(), _MINUTES).where(
        Lesson.tutor_id == tutor_id,
        Lesson.status.in_((SCHEDULED, DONE)),
        Lesson.taken > 0,
        Lesson.starts_at >= since,
        Lesson.ends_at <= now,
    )
    return Taught(*db.session.execute(query).one())


@dataclass(frozen=True)
class SetUp:
    """What a tutor has done to be found and booked."""

    has_profile: bool
    has_hours: bool
    has_offering: bool
    has_submitted: bool
    is_sold: bool

    @property
    def is_done(self) -> bool:
        return self.has_profile and self.has_hours and self.has_offering and self.has_submitted


def set_up_of(tutor_id: int) -> SetUp:
    """One statement."""
    profile = select(TutorProfile.id).where(
        TutorProfile.person_id == tutor_id,
        or_(func.coalesce(TutorProfile.headline, "") != "", func.coalesce(TutorProfile.bio, "") != ""),
    )
    hours = select(AvailabilityRule.id).join(
        AvailabilitySchedule,
        and_(
            AvailabilitySchedule.id == AvailabilityRule.schedule_id,
            AvailabilitySchedule.tenant_id == AvailabilityRule.tenant_id,
            AvailabilitySchedule.tutor_id == tutor_id,
        ),
    )
    offering = select(Offering.id).where(Offering.tutor_id == tutor_id)
    sold = offering.where(Offering.status == PUBLISHED)
    submitted = (
        select(OfferingRevision.id)
        .join(
            Offering,
            and_(
                Offering.id == OfferingRevision.offering_id, Offering.tenant_id == OfferingRevision.tenant_id
            ),
        )
        .where(
            Offering.tutor_id == tutor_id,
            or_(OfferingRevision.status == SUBMITTED, OfferingRevision.reviewed_at.is_not(None)),
        )
    )
    row = db.session.execute(
        select(
            profile.exists(),
            hours.exists(),
            offering.exists(),
            or_(submitted.exists(), sold.exists()),
            sold.exists(),
        )
    ).one()
    return SetUp(*row)
