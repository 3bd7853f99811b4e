"""Tenants, their hosts and plans. These tables are the platform's; a tenant sees its own row only."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Integer, String, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.core.db import Id, Model, TenantMarked, Timestamped, UtcDateTime
from app.core.errors import InUse, name_constraint
from app.domains.tenancy.errors import HostTaken, SlugTaken

ACTIVE, SUSPENDED, CLOSED = "active", "suspended", "closed"
DEFAULT_PRIMARY = "#0b5fa5"


class Plan(Id, Timestamped, Model):
    """What a tenant may use, and what the platform keeps of each sale: `platform_fee_bp`, in hundredths of a
    percent of the net price."""

    __tablename__ = "plan"
    __table_args__ = (
        CheckConstraint("max_tutors > 0", name="max_tutors"),
        CheckConstraint("platform_fee_bp BETWEEN 0 AND 5000", name="platform_fee_bp"),
    )

    code: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(80))
    max_tutors: Mapped[int | None] = mapped_column(Integer)
    platform_fee_bp: Mapped[int] = mapped_column(Integer, default=500, server_default="500")

    def __str__(self) -> str:
        return self.name


class Tenant(Id, Timestamped, Model):
    """A tutoring company. `currency` is ISO 4217, `timezone` IANA; both never change once money has moved."""

    __tablename__ = "tenant"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'suspended', 'closed')", name="status"),
        CheckConstraint("slug ~ '^[a-z0-9]([a-z0-9-]{1,38})[a-z0-9]$' AND slug !~ '--'", name="slug"),
        CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
        CheckConstraint("btrim(name) <> ''", name="name"),
        CheckConstraint("brand ->> 'primary' ~ '^#[0-9a-f]{6}$'", name="brand_primary"),
    )
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        ACTIVE: frozenset({SUSPENDED}),
        SUSPENDED: frozenset({ACTIVE, CLOSED}),
        CLOSED: frozenset(),
    }
    QUIET: ClassVar[frozenset[str]] = frozenset({"revision"})

    slug: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str] = mapped_column(String(120))
    plan_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("plan.id"))
    currency: Mapped[str] = mapped_column(String(3))
    timezone: Mapped[str] = mapped_column(String(64))
    locale: Mapped[str] = mapped_column(String(10))
    status: Mapped[str] = mapped_column(String(10), default=ACTIVE)
    status_reason: Mapped[str | None] = mapped_column(Text)
    is_test: Mapped[bool] = mapped_column(default=False)
    brand: Mapped[dict[str, Any]] = mapped_column(JSONB, default=lambda: {"primary": DEFAULT_PRIMARY})
    settings: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'::jsonb"))
    revision: Mapped[int] = mapped_column(Integer, default=1)

    plan: Mapped[Plan] = relationship(Plan)

    @property
    def audit_tenant_id(self) -> int:
        """What is done to a tenant stands in that tenant's own trail."""
        return self.id

    @property
    def primary_color(self) -> str:
        return str(self.brand.get("primary", DEFAULT_PRIMARY))

    @property
    def tagline(self) -> str:
        """What it says of itself in a sentence; may be empty."""
        return str(self.brand.get("tagline", ""))

    @property
    def corners(self) -> str:
        """The word for how round its corners are, or empty."""
        return str(self.brand.get("corners", ""))

    @property
    def contacts(self) -> dict[str, str]:
        """How visitors reach it, by the words of `policies.CONTACTS`; what is not there was not given."""
        return dict(self.brand.get("contacts", {}))

    def __str__(self) -> str:
        return self.name


class TenantDomain(TenantMarked, Id, Timestamped, Model):
    """A host name of a tenant's own, beside `<slug>.<base domain>`. Allow-listed by the operator."""

    __tablename__ = "tenant_domain"
    __table_args__ = (CheckConstraint("host = lower(host) AND host ~ '^[a-z0-9.-]+$'", name="host"),)

    tenant_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("tenant.id"), index=True)
    host: Mapped[str] = mapped_column(String(253), unique=True)
    note: Mapped[str | None] = mapped_column(String(200))
    activated_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    tenant: Mapped[Tenant] = relationship(Tenant)

    def __str__(self) -> str:
        return self.host


name_constraint("uq_tenant_slug", SlugTaken, field="slug")
name_constraint("uq_tenant_domain_host", HostTaken, field="host")
name_constraint("fk_tenant_plan_id", InUse)
