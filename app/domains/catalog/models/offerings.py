"""What is sold. An offering is what visitors see; a revision is what its tutor proposes, until a manager
agrees. So an approved version stays live and sellable while the next one is under review.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
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
from app.core.errors import InUse, name_constraint
from app.core.money import Money
from app.domains.accounts.models import Person
from app.domains.catalog.errors import SlugTaken, SubjectTaken

RECORDED, ONE_TO_ONE, GROUP, TRIAL = "recorded", "one_to_one", "group", "trial"
KINDS = (RECORDED, ONE_TO_ONE, GROUP, TRIAL)
KIND_NAMES = {
    RECORDED: _l("Recorded course"),
    ONE_TO_ONE: _l("One-to-one"),
    GROUP: _l("Group class"),
    TRIAL: _l("Trial lesson"),
}

DRAFT, PUBLISHED, PAUSED, ARCHIVED = "draft", "published", "paused", "archived"
OFFERING_STATUS = {
    DRAFT: _l("Draft"),
    PUBLISHED: _l("Published"),
    PAUSED: _l("Paused"),
    ARCHIVED: _l("Archived"),
}
SUBMITTED, RETURNED, APPROVED = "submitted", "returned", "approved"
REVISION_STATUS = {
    DRAFT: _l("Draft"),
    SUBMITTED: _l("Submitted"),
    RETURNED: _l("Sent back"),
    APPROVED: _l("Approved"),
}
LEVELS = ("beginner", "intermediate", "advanced", "all")
LEVEL_NAMES = {
    "beginner": _l("Beginners"),
    "intermediate": _l("Intermediate"),
    "advanced": _l("Advanced"),
    "all": _l("All levels"),
}


class Subject(TenantOwned, Timestamped, Model):
    """What is taught; a facet of the storefront's search."""

    __tablename__ = "subject"

    name: Mapped[str] = mapped_column(String(80))
    slug: Mapped[str] = mapped_column(String(80))
    position: Mapped[int] = mapped_column(Integer, default=0)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            UniqueConstraint("tenant_id", "name"),
            UniqueConstraint("tenant_id", "slug"),
            CheckConstraint("btrim(name) <> ''", name="name"),
            CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name="slug"),
        )

    def __str__(self) -> str:
        return self.name


class TaxRate(TenantOwned, Timestamped, Model):
    """A tax by its name; `rate_bp` in hundredths of a percent of the net price. Prices include it."""

    __tablename__ = "tax_rate"

    name: Mapped[str] = mapped_column(String(60))
    code: Mapped[str] = mapped_column(String(20))
    rate_bp: Mapped[int] = mapped_column(Integer)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            UniqueConstraint("tenant_id", "code"),
            CheckConstraint("rate_bp BETWEEN 0 AND 5000", name="rate_bp"),
            CheckConstraint("btrim(name) <> ''", name="name"),
        )

    def __str__(self) -> str:
        return self.name


class CancellationPolicy(TenantOwned, Timestamped, Model):
    """What a customer gets back, and until when a lesson can be moved; a seat keeps a copy of it as it stood
    when it was booked. Minutes are counted back from the lesson's start; `late_refund_bp` is the share, in
    hundredths of a percent, that a late cancellation still gives back."""

    __tablename__ = "cancellation_policy"

    name: Mapped[str] = mapped_column(String(80))
    free_until_minutes: Mapped[int] = mapped_column(Integer, default=1440)
    late_refund_bp: Mapped[int] = mapped_column(Integer, default=5000)
    move_until_minutes: Mapped[int] = mapped_column(Integer, default=720)
    max_moves: Mapped[int] = mapped_column(Integer, default=2)
    is_default: Mapped[bool] = mapped_column(default=False)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            UniqueConstraint("tenant_id", "name"),
            CheckConstraint("free_until_minutes BETWEEN 0 AND 525600", name="free_until_minutes"),
            CheckConstraint("move_until_minutes BETWEEN 0 AND 525600", name="move_until_minutes"),
            CheckConstraint("late_refund_bp BETWEEN 0 AND 10000", name="late_refund_bp"),
            CheckConstraint("max_moves BETWEEN 0 AND 100", name="max_moves"),
            Index("uq_cancellation_policy_default", "tenant_id", unique=True, postgresql_where="is_default"),
        )

    def snapshot(self) -> dict[str, Any]:
        """What a seat keeps."""
        return {
            "name": self.name,
            "free_until_minutes": self.free_until_minutes,
            "late_refund_bp": self.late_refund_bp,
            "move_until_minutes": self.move_until_minutes,
            "max_moves": self.max_moves,
        }

    def __str__(self) -> str:
        return self.name


class TutorProfile(TenantOwned, Timestamped, Model):
    """How a tutor is shown on the storefront."""

    __tablename__ = "tutor_profile"

    person_id: Mapped[int] = mapped_column(BigInteger)
    slug: Mapped[str] = mapped_column(String(80))
    headline: Mapped[str | None] = mapped_column(String(160))
    bio: Mapped[str | None] = mapped_column(Text)
    languages: Mapped[str | None] = mapped_column(String(200))
    image_key: Mapped[str | None] = mapped_column(String(200))

    person: Mapped[Person] = to_one(lambda: Person, lambda: TutorProfile.person_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("person", "person_id"),
            UniqueConstraint("tenant_id", "person_id"),
            UniqueConstraint("tenant_id", "slug"),
            CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name="slug"),
            CheckConstraint("length(bio) <= 10000", name="bio"),
        )

    def __str__(self) -> str:
        return str(self.person)


class Offering(TenantOwned, Timestamped, Model):
    """What visitors see and buy: the content that was approved last. `language` is what it is taught in."""

    __tablename__ = "offering"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        DRAFT: frozenset({PUBLISHED, ARCHIVED}),
        PUBLISHED: frozenset({PAUSED, ARCHIVED}),
        PAUSED: frozenset({PUBLISHED, ARCHIVED}),
        ARCHIVED: frozenset(),
    }
    STATUS_NAMES: ClassVar[dict[str, Any]] = OFFERING_STATUS
    QUIET: ClassVar[frozenset[str]] = frozenset({"rating_count", "rating_sum"})

    tutor_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(12))
    status: Mapped[str] = mapped_column(String(10), default=DRAFT)
    title: Mapped[str] = mapped_column(String(120))
    slug: Mapped[str] = mapped_column(String(140))
    summary: Mapped[str] = mapped_column(String(300), default="")
    description: Mapped[str] = mapped_column(Text, default="")
    subject_id: Mapped[int | None] = mapped_column(BigInteger)
    level: Mapped[str] = mapped_column(String(20), default="all")
    language: Mapped[str] = mapped_column(String(10), default="en")
    capacity: Mapped[int] = mapped_column(SmallInteger, default=1)
    policy_id: Mapped[int | None] = mapped_column(BigInteger)
    tax_rate_id: Mapped[int | None] = mapped_column(BigInteger)
    image_key: Mapped[str | None] = mapped_column(String(200))
    published_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    version: Mapped[int] = mapped_column(Integer, default=0)
    # Of its visible reviews, kept by `service.reviews`: searches sort by it.
    rating_count: Mapped[int] = mapped_column(Integer, default=0, server_default="0")
    rating_sum: Mapped[int] = mapped_column(Integer, default=0, server_default="0")

    tutor: Mapped[Person] = to_one(lambda: Person, lambda: Offering.tutor_id)
    subject: Mapped[Subject | None] = to_one(lambda: Subject, lambda: Offering.subject_id)
    policy: Mapped[CancellationPolicy | None] = to_one(lambda: CancellationPolicy, lambda: Offering.policy_id)
    tax_rate: Mapped[TaxRate | None] = to_one(lambda: TaxRate, lambda: Offering.tax_rate_id)
    variants: Mapped[list[Variant]] = to_many(
        lambda: Variant.offering_id, lambda: Offering.id, lambda: Variant.position
    )

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("person", "tutor_id"),
            points_at("subject", "subject_id"),
            points_at("cancellation_policy", "policy_id"),
            points_at("tax_rate", "tax_rate_id"),
            UniqueConstraint("tenant_id", "slug"),
            CheckConstraint(f"kind IN {KINDS!r}", name="kind"),
            CheckConstraint(f"status IN {tuple(OFFERING_STATUS)!r}", name="status"),
            CheckConstraint(f"level IN {LEVELS!r}", name="level"),
            CheckConstraint("btrim(title) <> ''", name="title"),
            CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name="slug"),
            CheckConstraint("length(description) <= 20000", name="description"),
            CheckConstraint("capacity BETWEEN 1 AND 500", name="capacity"),
            CheckConstraint("kind = 'group' OR kind = 'recorded' OR capacity = 1", name="capacity_of_kind"),
            CheckConstraint(
                "rating_count >= 0 AND rating_sum BETWEEN rating_count AND 5 * rating_count", name="rating"
            ),
            Index("ix_offering_tenant_id_status_published_at", "tenant_id", "status", "published_at"),
            Index("ix_offering_tenant_id_tutor_id", "tenant_id", "tutor_id"),
            Index("ix_offering_tenant_id_subject_id", "tenant_id", "subject_id"),
        )

    def __str__(self) -> str:
        return self.title


class Variant(TenantOwned, Timestamped, Model):
    """One way to buy an offering: how long, and for how much (tax included) per seat."""

    __tablename__ = "variant"

    offering_id: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(80))
    duration_minutes: Mapped[int] = mapped_column(SmallInteger)
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    position: Mapped[int] = mapped_column(SmallInteger, default=0)
    is_active: Mapped[bool] = mapped_column(default=True)

    offering: Mapped[Offering] = to_one(lambda: Offering, lambda: Variant.offering_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("offering", "offering_id"),
            UniqueConstraint("tenant_id", "offering_id", "name"),
            CheckConstraint("btrim(name) <> ''", name="name"),
            CheckConstraint("duration_minutes BETWEEN 5 AND 1440", name="duration_minutes"),
            CheckConstraint("price_minor BETWEEN 0 AND 100000000000", name="price_minor"),
            CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        )

    @property
    def price(self) -> Money:
        return Money(self.price_minor, self.currency)

    def __str__(self) -> str:
        return self.name


class PriceChange(TenantOwned, Model):
    """What a variant cost from when on. Append-only."""

    __tablename__ = "price_change"

    variant_id: Mapped[int] = mapped_column(BigInteger)
    price_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    valid_from: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    set_by: Mapped[str] = mapped_column(String(200))

    variant: Mapped[Variant] = to_one(lambda: Variant, lambda: PriceChange.variant_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("variant", "variant_id"),
            CheckConstraint("price_minor >= 0", name="price_minor"),
            Index("ix_price_change_variant", "tenant_id", "variant_id", "valid_from"),
        )

    @property
    def price(self) -> Money:
        return Money(self.price_minor, self.currency)

    def __str__(self) -> str:
        return f"{self.price}"


class OfferingRevision(TenantOwned, Timestamped, Model):
    """What a tutor proposes for an offering: `content` is the whole of it, as
    `{title, summary, description, subject_id, level, language, capacity, policy_id, tax_rate_id, image_key,
    variants: [{id?, name, duration_minutes, price_minor}]}`. One is open (draft, submitted, returned) at a
    time."""

    __tablename__ = "offering_revision"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        DRAFT: frozenset({SUBMITTED}),
        SUBMITTED: frozenset({APPROVED, RETURNED, DRAFT}),
        RETURNED: frozenset({SUBMITTED}),
        APPROVED: frozenset(),
    }
    STATUS_NAMES: ClassVar[dict[str, Any]] = REVISION_STATUS

    offering_id: Mapped[int] = mapped_column(BigInteger)
    number: Mapped[int] = mapped_column(Integer)
    status: Mapped[str] = mapped_column(String(10), default=DRAFT)
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    submitted_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    reviewed_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    reviewed_by: Mapped[str | None] = mapped_column(String(200))
    review_reason: Mapped[str | None] = mapped_column(Text)

    offering: Mapped[Offering] = to_one(lambda: Offering, lambda: OfferingRevision.offering_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("offering", "offering_id"),
            UniqueConstraint("tenant_id", "offering_id", "number"),
            CheckConstraint(f"status IN {tuple(REVISION_STATUS)!r}", name="status"),
            CheckConstraint("length(review_reason) <= 2000", name="review_reason"),
            Index(
                "uq_offering_revision_open",
                "tenant_id",
                "offering_id",
                unique=True,
                postgresql_where="status <> 'approved'",
            ),
            Index("ix_offering_revision_tenant_id_status", "tenant_id", "status"),
        )

    def __str__(self) -> str:
        return f"{self.content.get('title', '')} ({self.number})"


name_constraint("uq_offering_tenant_id_slug", SlugTaken, field="title")
name_constraint("uq_subject_tenant_id_name", SubjectTaken, field="name")
name_constraint("uq_subject_tenant_id_slug", SubjectTaken, field="name")
name_constraint("fk_offering_tenant_id_subject_id", InUse)
