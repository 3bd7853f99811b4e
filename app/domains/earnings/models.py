"""Commission plans and earnings. An earning is one sold seat's share of its tutor."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.core.db import Model, TenantOwned, Timestamped, UtcDateTime, owned_by_tenant, points_at, to_one
from app.core.money import Money
from app.domains.accounts.models import Person

PENDING, CLEARED, REVERSED = "pending", "cleared", "reversed"
STATUS_NAMES = {PENDING: _l("Pending"), CLEARED: _l("Cleared"), REVERSED: _l("Reversed")}


class CommissionPlan(TenantOwned, Timestamped, Model):
    """What share of the net price a tutor gets, in hundredths of a percent, from `valid_from` on; for one
    tutor or, without `person_id`, for all. `hold_days`: how long after the lesson an earning stays
    pending."""

    __tablename__ = "commission_plan"

    name: Mapped[str] = mapped_column(String(80))
    person_id: Mapped[int | None] = mapped_column(BigInteger)
    tutor_share_bp: Mapped[int] = mapped_column(Integer)
    hold_days: Mapped[int] = mapped_column(Integer, default=7)
    valid_from: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    person: Mapped[Person | None] = to_one(lambda: Person, lambda: CommissionPlan.person_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("person", "person_id"),
            CheckConstraint("tutor_share_bp BETWEEN 0 AND 10000", name="tutor_share_bp"),
            CheckConstraint("hold_days BETWEEN 0 AND 90", name="hold_days"),
            CheckConstraint("btrim(name) <> ''", name="name"),
            Index("ix_commission_plan_tenant_id_person_id", "tenant_id", "person_id", "valid_from"),
        )

    def __str__(self) -> str:
        return self.name


class Earning(TenantOwned, Timestamped, Model):
    """One sold seat: gross = tax + platform's fee + company's share + tutor's share (minor units).

    `seat_id` is the number of what was sold. The `*_minor` columns are what stands now: a refund in part
    lowers them; `refunded_minor` is the gross given back. `reason` says why it is where it is."""

    __tablename__ = "earning"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        PENDING: frozenset({CLEARED, REVERSED}),
        CLEARED: frozenset({REVERSED}),
        REVERSED: frozenset(),
    }
    STATUS_NAMES: ClassVar[dict[str, Any]] = STATUS_NAMES

    seat_id: Mapped[int] = mapped_column(BigInteger)
    tutor_id: Mapped[int] = mapped_column(BigInteger)
    plan_id: Mapped[int | None] = mapped_column(BigInteger)
    description: Mapped[str] = mapped_column(String(300))
    status: Mapped[str] = mapped_column(String(10), default=PENDING)
    reason: Mapped[str | None] = mapped_column(String(200))
    currency: Mapped[str] = mapped_column(String(3))
    gross_minor: Mapped[int] = mapped_column(BigInteger)
    tax_minor: Mapped[int] = mapped_column(BigInteger)
    platform_minor: Mapped[int] = mapped_column(BigInteger)
    tenant_minor: Mapped[int] = mapped_column(BigInteger)
    tutor_minor: Mapped[int] = mapped_column(BigInteger)
    refunded_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    tutor_share_bp: Mapped[int] = mapped_column(Integer)
    platform_fee_bp: Mapped[int] = mapped_column(Integer)
    tax_rate_bp: Mapped[int] = mapped_column(Integer)
    hold_days: Mapped[int] = mapped_column(Integer)
    earned_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    clears_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    cleared_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    is_held: Mapped[bool] = mapped_column(default=False)  # while its payment is disputed

    tutor: Mapped[Person] = to_one(lambda: Person, lambda: Earning.tutor_id)
    plan: Mapped[CommissionPlan | None] = to_one(lambda: CommissionPlan, lambda: Earning.plan_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("person", "tutor_id"),
            points_at("commission_plan", "plan_id"),
            UniqueConstraint("tenant_id", "seat_id"),
            CheckConstraint(f"status IN {tuple(STATUS_NAMES)!r}", name="status"),
            CheckConstraint(
                "gross_minor = tax_minor + platform_minor + tenant_minor + tutor_minor", name="adds_up"
            ),
            CheckConstraint(
                "least(gross_minor, tax_minor, platform_minor, tenant_minor, tutor_minor, refunded_minor)"
                " >= 0",
                name="not_negative",
            ),
            Index("ix_earning_tenant_id_tutor_id", "tenant_id", "tutor_id", "status"),
            Index(
                "ix_earning_clears_at",
                "tenant_id",
                "clears_at",
                postgresql_where="status = 'pending' AND clears_at IS NOT NULL",
            ),
        )

    @property
    def amount(self) -> Money:
        """The tutor's share as it stands now."""
        return Money(self.tutor_minor, self.currency)

    def __str__(self) -> str:
        return self.description
