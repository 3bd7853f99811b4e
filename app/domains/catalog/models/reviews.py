"""What those who were there say about an offering, and the right to say it."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, CheckConstraint, Index, SmallInteger, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.core.db import Model, TenantOwned, Timestamped, UtcDateTime, owned_by_tenant, points_at, to_one
from app.core.errors import name_constraint
from app.domains.accounts.models import Person
from app.domains.catalog.errors import AlreadyReviewed
from app.domains.catalog.models.offerings import Offering

VISIBLE, HIDDEN, LAPSED = "visible", "hidden", "lapsed"
REVIEW_STATUS = {
    VISIBLE: _l("Shown"),
    HIDDEN: _l("Hidden"),
    LAPSED: _l("Lost its lesson"),
}
MOST_REVIEW_TEXT = 2000


class Participation(TenantOwned, Model):
    """A lesson of an offering that a student came to and that stayed paid: the right to review it. Written
    downward by booking, whose seat is `source_id`; taken back when its attendance or its price is."""

    __tablename__ = "participation"
    AUDITED = False

    offering_id: Mapped[int] = mapped_column(BigInteger)
    student_id: Mapped[int] = mapped_column(BigInteger)
    source_id: Mapped[int] = mapped_column(BigInteger)
    happened_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    offering: Mapped[Offering] = to_one(lambda: Offering, lambda: Participation.offering_id)
    student: Mapped[Person] = to_one(lambda: Person, lambda: Participation.student_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("offering", "offering_id"),
            points_at("person", "student_id"),
            UniqueConstraint("tenant_id", "source_id"),
            Index("ix_participation_student", "tenant_id", "student_id", "offering_id"),
            Index("ix_participation_offering", "tenant_id", "offering_id"),
        )

    def __str__(self) -> str:
        return f"{self.student_id} {self.offering_id}"


class Review(TenantOwned, Timestamped, Model):
    """What a student, or who answers for them (`author_id`), says about an offering; one for each student.
    It counts in the offering's rating while it is visible: hidden by the company with a reason, or lapsed
    because no lesson stands behind it any more, it does not. The tutor answers once."""

    __tablename__ = "review"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        VISIBLE: frozenset({HIDDEN, LAPSED}),
        HIDDEN: frozenset({VISIBLE}),
        LAPSED: frozenset({VISIBLE, HIDDEN}),
    }
    STATUS_NAMES: ClassVar[dict[str, Any]] = REVIEW_STATUS

    offering_id: Mapped[int] = mapped_column(BigInteger)
    student_id: Mapped[int] = mapped_column(BigInteger)
    author_id: Mapped[int] = mapped_column(BigInteger)
    rating: Mapped[int] = mapped_column(SmallInteger)
    text: Mapped[str] = mapped_column(Text, default="")
    status: Mapped[str] = mapped_column(String(10), default=VISIBLE)
    written_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    edited_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    hidden_reason: Mapped[str | None] = mapped_column(Text)
    hidden_by: Mapped[str | None] = mapped_column(String(200))
    reply: Mapped[str | None] = mapped_column(Text)
    replied_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    offering: Mapped[Offering] = to_one(lambda: Offering, lambda: Review.offering_id)
    student: Mapped[Person] = to_one(lambda: Person, lambda: Review.student_id)
    author: Mapped[Person] = to_one(lambda: Person, lambda: Review.author_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("offering", "offering_id"),
            points_at("person", "student_id"),
            points_at("person", "author_id"),
            UniqueConstraint("tenant_id", "student_id", "offering_id"),
            CheckConstraint("rating BETWEEN 1 AND 5", name="rating"),
            CheckConstraint(f"status IN {tuple(REVIEW_STATUS)!r}", name="status"),
            CheckConstraint(f"length(text) <= {MOST_REVIEW_TEXT}", name="text"),
            CheckConstraint(f"length(reply) BETWEEN 1 AND {MOST_REVIEW_TEXT}", name="reply"),
            CheckConstraint("(reply IS NULL) = (replied_at IS NULL)", name="replied"),
            CheckConstraint("status <> 'hidden' OR btrim(hidden_reason) <> ''", name="hidden_reason"),
            Index("ix_review_offering", "tenant_id", "offering_id", "status", "written_at"),
            Index("ix_review_written", "tenant_id", "status", "written_at"),
        )

    def __str__(self) -> str:
        return "★" * self.rating


name_constraint("uq_review_tenant_id_student_id_offering_id", AlreadyReviewed)
