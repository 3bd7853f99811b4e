"""Who is where, and when. Times of lessons are UTC; rules of availability are wall time in the tutor's zone.

A seat begins as a hold and is the same row to its end; a lesson is what tutor and seats meet in.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB, TSTZRANGE, ExcludeConstraint, Range
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.core.db import (
    Model,
    TenantOwned,
    Timestamped,
    UtcDateTime,
    owned_by_tenant,
    points_at,
    to_many,
    to_one,
)
from app.core.errors import name_constraint
from app.core.money import Money
from app.domains.accounts.models import Person
from app.domains.booking.errors import NoSeatLeft, SlotTaken
from app.domains.catalog.models import Offering, Variant

TUTOR, STUDENT, ROOM = "tutor", "student", "room"
RESOURCES = (TUTOR, STUDENT, ROOM)

# Lessons
HELD, SCHEDULED, DONE, CANCELLED, LAPSED = "held", "scheduled", "done", "cancelled", "lapsed"
LESSON_STATUS = {
    HELD: _l("Held"),
    SCHEDULED: _l("Scheduled"),
    DONE: _l("Took place"),
    CANCELLED: _l("Cancelled"),
    LAPSED: _l("Lapsed"),
}
# Seats
BOOKED, RELEASED, ATTENDED, MISSED = "booked", "released", "attended", "missed"
SEAT_STATUS = {
    HELD: _l("Held"),
    BOOKED: _l("Booked"),
    ATTENDED: _l("Attended"),
    MISSED: _l("Missed"),
    CANCELLED: _l("Cancelled"),
    RELEASED: _l("Released"),
    LAPSED: _l("Lapsed"),
}
TAKING = (HELD, BOOKED, ATTENDED, MISSED)  # the seats that count against a lesson's capacity


class AvailabilitySchedule(TenantOwned, Timestamped, Model):
    """When a tutor teaches, in their zone: minutes before and after each lesson that stay free, how long
    ahead a booking must be made, how many days ahead can be booked, and the raster of starting times."""

    __tablename__ = "availability_schedule"

    tutor_id: Mapped[int] = mapped_column(BigInteger)
    timezone: Mapped[str] = mapped_column(String(64))
    buffer_before_minutes: Mapped[int] = mapped_column(SmallInteger, default=0)
    buffer_after_minutes: Mapped[int] = mapped_column(SmallInteger, default=0)
    notice_minutes: Mapped[int] = mapped_column(Integer, default=120)
    horizon_days: Mapped[int] = mapped_column(SmallInteger, default=60)
    step_minutes: Mapped[int] = mapped_column(SmallInteger, default=30)

    tutor: Mapped[Person] = to_one(lambda: Person, lambda: AvailabilitySchedule.tutor_id)
    rules: Mapped[list[AvailabilityRule]] = to_many(
        lambda: AvailabilityRule.schedule_id,
        lambda: AvailabilitySchedule.id,
        lambda: AvailabilityRule.weekday,
        lambda: AvailabilityRule.starts_minute,
    )
    overrides: Mapped[list[AvailabilityOverride]] = to_many(
        lambda: AvailabilityOverride.schedule_id,
        lambda: AvailabilitySchedule.id,
        lambda: AvailabilityOverride.on_date,
        lambda: AvailabilityOverride.starts_minute,
    )

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("person", "tutor_id"),
            UniqueConstraint("tenant_id", "tutor_id"),
            CheckConstraint("buffer_before_minutes BETWEEN 0 AND 240", name="buffer_before_minutes"),
            CheckConstraint("buffer_after_minutes BETWEEN 0 AND 240", name="buffer_after_minutes"),
            CheckConstraint("notice_minutes BETWEEN 0 AND 43200", name="notice_minutes"),
            CheckConstraint("horizon_days BETWEEN 1 AND 365", name="horizon_days"),
            CheckConstraint("step_minutes IN (5, 10, 15, 20, 30, 60)", name="step_minutes"),
        )

    def __str__(self) -> str:
        return str(self.tutor)


class AvailabilityRule(TenantOwned, Model):
    """A weekday's stretch of wall time: minutes since midnight, `ends_minute` up to 1440. Monday is 0."""

    __tablename__ = "availability_rule"

    schedule_id: Mapped[int] = mapped_column(BigInteger)
    weekday: Mapped[int] = mapped_column(SmallInteger)
    starts_minute: Mapped[int] = mapped_column(SmallInteger)
    ends_minute: Mapped[int] = mapped_column(SmallInteger)

    schedule: Mapped[AvailabilitySchedule] = to_one(
        lambda: AvailabilitySchedule, lambda: AvailabilityRule.schedule_id
    )

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("availability_schedule", "schedule_id", ondelete="CASCADE"),
            CheckConstraint("weekday BETWEEN 0 AND 6", name="weekday"),
            CheckConstraint(
                "0 <= starts_minute AND starts_minute < ends_minute AND ends_minute <= 1440", name="span"
            ),
            Index("ix_availability_rule_schedule", "tenant_id", "schedule_id"),
        )

    def __str__(self) -> str:
        return f"{self.weekday} {self.starts_minute}-{self.ends_minute}"


class AvailabilityOverride(TenantOwned, Model):
    """A date on which the week's rules don't count: these stretches instead; both empty, it is a day off."""

    __tablename__ = "availability_override"

    schedule_id: Mapped[int] = mapped_column(BigInteger)
    on_date: Mapped[dt.date] = mapped_column(Date)
    starts_minute: Mapped[int | None] = mapped_column(SmallInteger)
    ends_minute: Mapped[int | None] = mapped_column(SmallInteger)
    note: Mapped[str | None] = mapped_column(String(120))

    schedule: Mapped[AvailabilitySchedule] = to_one(
        lambda: AvailabilitySchedule, lambda: AvailabilityOverride.schedule_id
    )

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("availability_schedule", "schedule_id", ondelete="CASCADE"),
            CheckConstraint(
                "(starts_minute IS NULL AND ends_minute IS NULL)"
                " OR (0 <= starts_minute AND starts_minute < ends_minute AND ends_minute <= 1440)",
                name="span",
            ),
            Index("ix_availability_override_schedule", "tenant_id", "schedule_id", "on_date"),
        )

    def __str__(self) -> str:
        return f"{self.on_date}"


class Lesson(TenantOwned, Timestamped, Model):
    """Tutor and seats at one time. `taken` counts the seats that are held or booked; `sequence` rises with
    every change that calendars must hear of (RFC 5545); `timezone` is the tutor's when it was made."""

    __tablename__ = "lesson"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        HELD: frozenset({SCHEDULED, LAPSED}),
        LAPSED: frozenset({SCHEDULED}),
        SCHEDULED: frozenset({DONE, CANCELLED}),
        DONE: frozenset(),
        CANCELLED: frozenset(),
    }
    STATUS_NAMES: ClassVar[dict[str, Any]] = LESSON_STATUS
    QUIET: ClassVar[frozenset[str]] = frozenset({"taken", "sequence"})

    code: Mapped[str] = mapped_column(String(20))
    offering_id: Mapped[int] = mapped_column(BigInteger)
    variant_id: Mapped[int] = mapped_column(BigInteger)
    tutor_id: Mapped[int] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(10), default=HELD)
    starts_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    ends_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    timezone: Mapped[str] = mapped_column(String(64))
    capacity: Mapped[int] = mapped_column(SmallInteger, default=1)
    taken: Mapped[int] = mapped_column(SmallInteger, default=0)
    sequence: Mapped[int] = mapped_column(Integer, default=0)
    place: Mapped[str | None] = mapped_column(String(300))
    cancel_reason: Mapped[str | None] = mapped_column(Text)

    offering: Mapped[Offering] = to_one(lambda: Offering, lambda: Lesson.offering_id)
    variant: Mapped[Variant] = to_one(lambda: Variant, lambda: Lesson.variant_id)
    tutor: Mapped[Person] = to_one(lambda: Person, lambda: Lesson.tutor_id)
    seats: Mapped[list[Seat]] = to_many(lambda: Seat.lesson_id, lambda: Lesson.id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("offering", "offering_id"),
            points_at("variant", "variant_id"),
            points_at("person", "tutor_id"),
            UniqueConstraint("tenant_id", "code"),
            CheckConstraint(f"status IN {tuple(LESSON_STATUS)!r}", name="status"),
            CheckConstraint("starts_at < ends_at", name="span"),
            CheckConstraint("taken BETWEEN 0 AND capacity", name="taken"),
            CheckConstraint("capacity BETWEEN 1 AND 500", name="capacity"),
            Index("ix_lesson_tenant_id_tutor_id_starts_at", "tenant_id", "tutor_id", "starts_at"),
            Index("ix_lesson_tenant_id_offering_id_starts_at", "tenant_id", "offering_id", "starts_at"),
            Index("ix_lesson_tenant_id_starts_at", "tenant_id", "starts_at"),
            Index(
                "ix_lesson_tenant_id_ends_at", "tenant_id", "ends_at", postgresql_where="status = 'scheduled'"
            ),
        )

    def __str__(self) -> str:
        return self.code


class Seat(TenantOwned, Timestamped, Model):
    """A place in a lesson: held for ten minutes, then booked by a paid order line. `actor` holds it
    (`u:<account>` or `v:<visitor>`), `student_id` learns; `price_minor` and `policy` are as they stood
    then."""

    __tablename__ = "seat"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        HELD: frozenset({BOOKED, RELEASED, LAPSED}),
        LAPSED: frozenset({BOOKED}),
        RELEASED: frozenset({BOOKED}),
        BOOKED: frozenset({ATTENDED, MISSED, CANCELLED}),
        ATTENDED: frozenset({MISSED}),
        MISSED: frozenset({ATTENDED}),
        CANCELLED: frozenset(),
    }
    STATUS_NAMES: ClassVar[dict[str, Any]] = SEAT_STATUS

    code: Mapped[str] = mapped_column(String(40))
    lesson_id: Mapped[int] = mapped_column(BigInteger)
    student_id: Mapped[int | None] = mapped_column(BigInteger)
    payer_id: Mapped[int | None] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(80))
    status: Mapped[str] = mapped_column(String(10), default=HELD)
    expires_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    renewals: Mapped[int] = mapped_column(SmallInteger, default=0)
    line_id: Mapped[int | None] = mapped_column(BigInteger)
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    policy: Mapped[dict[str, Any]] = mapped_column(JSONB)
    moves: Mapped[int] = mapped_column(SmallInteger, default=0)
    booked_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    cancelled_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    cancelled_by: Mapped[str | None] = mapped_column(String(200))
    cancel_reason: Mapped[str | None] = mapped_column(Text)
    refund_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    marked_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    lesson: Mapped[Lesson] = to_one(lambda: Lesson, lambda: Seat.lesson_id)
    student: Mapped[Person | None] = to_one(lambda: Person, lambda: Seat.student_id)
    payer: Mapped[Person | None] = to_one(lambda: Person, lambda: Seat.payer_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("lesson", "lesson_id"),
            points_at("person", "student_id"),
            points_at("person", "payer_id"),
            points_at("order_line", "line_id"),
            UniqueConstraint("tenant_id", "code"),
            CheckConstraint(f"status IN {tuple(SEAT_STATUS)!r}", name="status"),
            CheckConstraint("price_minor >= 0", name="price_minor"),
            CheckConstraint("refund_minor BETWEEN 0 AND price_minor", name="refund_minor"),
            CheckConstraint("status <> 'held' OR expires_at IS NOT NULL", name="held_until"),
            CheckConstraint(
                "status NOT IN ('booked', 'attended', 'missed')"
                " OR (student_id IS NOT NULL AND line_id IS NOT NULL)",
                name="booked_for_somebody",
            ),
            # A student has one place in a lesson.
            Index(
                "uq_seat_student",
                "tenant_id",
                "lesson_id",
                "student_id",
                unique=True,
                postgresql_where="status IN ('booked', 'attended', 'missed')",
            ),
            Index(
                "uq_seat_line", "tenant_id", "line_id", unique=True, postgresql_where="line_id IS NOT NULL"
            ),
            Index("ix_seat_tenant_id_lesson_id", "tenant_id", "lesson_id"),
            Index("ix_seat_tenant_id_student_id", "tenant_id", "student_id"),
            Index("ix_seat_tenant_id_payer_id", "tenant_id", "payer_id"),
            Index("ix_seat_held", "tenant_id", "expires_at", postgresql_where="status = 'held'"),
            Index("ix_seat_held_by", "tenant_id", "actor", postgresql_where="status = 'held'"),
        )

    @property
    def price(self) -> Money:
        return Money(self.price_minor, self.currency)

    def __str__(self) -> str:
        return self.code


class SeatMove(TenantOwned, Model):
    """A seat went from one time to another. Append-only."""

    __tablename__ = "seat_move"

    seat_id: Mapped[int] = mapped_column(BigInteger)
    from_lesson_id: Mapped[int] = mapped_column(BigInteger)
    to_lesson_id: Mapped[int] = mapped_column(BigInteger)
    from_starts_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    to_starts_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    moved_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    moved_by: Mapped[str] = mapped_column(String(200))

    seat: Mapped[Seat] = to_one(lambda: Seat, lambda: SeatMove.seat_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("seat", "seat_id"),
            points_at("lesson", "from_lesson_id"),
            points_at("lesson", "to_lesson_id"),
            Index("ix_seat_move_tenant_id_seat_id", "tenant_id", "seat_id"),
        )

    def __str__(self) -> str:
        return f"{self.from_starts_at} → {self.to_starts_at}"


class Occupation(TenantOwned, Model):
    """Who is where: nobody is in two places at once (the exclusion). A hold's row has `expires_at`; a tutor's
    row includes the buffers. `seat_id` is set on a student's row."""

    __tablename__ = "occupation"
    AUDITED = False

    resource_kind: Mapped[str] = mapped_column(String(10))
    resource_id: Mapped[int] = mapped_column(BigInteger)
    during: Mapped[Range[dt.datetime]] = mapped_column(TSTZRANGE())
    expires_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    lesson_id: Mapped[int] = mapped_column(BigInteger)
    seat_id: Mapped[int | None] = mapped_column(BigInteger)

    lesson: Mapped[Lesson] = to_one(lambda: Lesson, lambda: Occupation.lesson_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("lesson", "lesson_id"),
            points_at("seat", "seat_id"),
            CheckConstraint(f"resource_kind IN {RESOURCES!r}", name="resource_kind"),
            CheckConstraint("NOT isempty(during)", name="during"),
            ExcludeConstraint(
                ("tenant_id", "="),
                ("resource_kind", "="),
                ("resource_id", "="),
                ("during", "&&"),
                name="ex_occupation_one_place",
                using="gist",
            ),
            Index("ix_occupation_tenant_id_lesson_id", "tenant_id", "lesson_id"),
        )

    def __str__(self) -> str:
        return f"{self.resource_kind} {self.resource_id}"


name_constraint("ex_occupation_one_place", SlotTaken)
name_constraint("ck_lesson_taken", NoSeatLeft)
name_constraint("uq_seat_student", SlotTaken, message=_l("This person has a place in this lesson already."))
