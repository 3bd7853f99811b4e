"""Reads of tenancy."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine, bindparam, select, text
from sqlalchemy.orm import joinedload

from app.core import plain
from app.core.db import db
from app.core.errors import NotFound
from app.core.scope import PlatformScope
from app.domains.tenancy.models import Plan, Tenant, TenantDomain


@dataclass(frozen=True)
class Place:
    """What a request must know of the tenant its host stands for; plain values, safe to cache."""

    tenant_id: int
    slug: str
    name: str
    status: str
    currency: str
    timezone: str
    locale: str
    primary_color: str
    revision: int
    is_test: bool
    tagline: str
    corners: str
    contacts: dict[str, str]


_PLACE = text("""
    SELECT t.id, t.slug, t.name, t.status, t.currency, t.timezone, t.locale,
           t.brand ->> 'primary', t.revision, t.is_test,
           coalesce(t.brand ->> 'tagline', ''), coalesce(t.brand ->> 'corners', ''),
           coalesce(t.brand -> 'contacts', '{}'::jsonb)
    FROM tenant t
    WHERE t.id IN (SELECT id FROM tenant WHERE slug = :slug
                   UNION ALL
                   SELECT tenant_id FROM tenant_domain WHERE host = :host AND activated_at IS NOT NULL)
""")


def place_of_host(engine: Engine, host: str, slug: str | None) -> Place | None:
    """The tenant behind a host name, on a connection of its own: a look-up by the request's session
    would begin its transaction before the tenant is known."""
    found = plain.alone(engine, _PLACE, {"host": host, "slug": slug}, whose=PlatformScope("whose host it is"))
    return Place(*found[0]) if found else None


def tenant(tenant_id: int) -> Tenant:
    """Raises NotFound."""
    found = db.session.scalars(
        select(Tenant).where(Tenant.id == tenant_id).options(joinedload(Tenant.plan))
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


_CURRENCY = select(Tenant.__table__.c.currency).where(Tenant.__table__.c.id == bindparam("tenant"))


_FEE = (
    select(Plan.__table__.c.platform_fee_bp)
    .join(Tenant.__table__, Tenant.__table__.c.plan_id == Plan.__table__.c.id)
    .where(Tenant.__table__.c.id == bindparam("tenant"))
)


def currency_of(tenant_id: int) -> str:
    """What a company sells in."""
    return str(db.session.connection().execute(_CURRENCY, {"tenant": tenant_id}).scalar_one())


def platform_fee_of(tenant_id: int) -> int:
    """What the platform keeps of a company's sales, in hundredths of a percent."""
    return int(db.session.connection().execute(_FEE, {"tenant": tenant_id}).scalar_one())


def tenant_for_update(tenant_id: int) -> Tenant:
    """The locked row, as it is now. Raises NotFound."""
    found = db.session.scalars(
        select(Tenant)
        .where(Tenant.id == tenant_id)
        .with_for_update(of=Tenant)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def tenant_by_slug(slug: str) -> Tenant | None:
    return db.session.scalars(select(Tenant).where(Tenant.slug == slug)).one_or_none()


def hosts_of(tenant_id: int) -> list[str]:
    return list(
        db.session.scalars(
            select(TenantDomain.host)
            .where(TenantDomain.tenant_id == tenant_id, TenantDomain.activated_at.is_not(None))
            .order_by(TenantDomain.host)
        )
    )


def plan_by_code(code: str) -> Plan | None:
    return db.session.scalars(select(Plan).where(Plan.code == code)).one_or_none()
