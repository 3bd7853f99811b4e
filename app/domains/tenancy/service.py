"""Writes of tenancy, one function per verb."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask_babel import lazy_gettext as _l

from app.core import clock
from app.core.audit import note
from app.core.db import db
from app.core.errors import Invalid
from app.core.events import announce
from app.core.ids import slug_ok
from app.core.money import exponent
from app.core.states import move_to
from app.domains.tenancy import events, policies, queries
from app.domains.tenancy.errors import BadHost, BadSlug, TenantNotActive, TooFaint
from app.domains.tenancy.models import ACTIVE, CLOSED, SUSPENDED, Plan, Tenant, TenantDomain


@dataclass(frozen=True)
class NewTenant:
    """What the operator says of a new company."""

    name: str
    slug: str
    plan: Plan
    currency: str
    timezone: str
    locale: str
    is_test: bool = False


def open_tenant(new: NewTenant) -> Tenant:
    """Create a company. Raises BadSlug, SlugTaken, Invalid (name, currency, zone)."""
    if not slug_ok(new.slug):
        raise BadSlug(field="slug")
    if not new.name.strip():
        raise Invalid(_l("Please give the company a name."), field="name")
    _check_place(new.currency, new.timezone)
    tenant = Tenant(
        name=new.name.strip(),
        slug=new.slug,
        plan=new.plan,
        currency=new.currency,
        timezone=new.timezone,
        locale=new.locale,
        is_test=new.is_test,
        status=ACTIVE,
        revision=1,
    )
    db.session.add(tenant)
    db.session.flush()  # its id names the scope that everything of it lives in
    announce(events.TenantOpened(tenant_id=tenant.id))
    return tenant


def suspend(tenant: Tenant, *, reason: str) -> None:
    """Close its pages to everybody but the operator; nothing of it is lost. Raises MoveNotAllowed."""
    tenant = queries.tenant_for_update(tenant.id)
    move_to(tenant, SUSPENDED)
    tenant.status_reason = reason
    note(tenant, "suspended", reason=reason)
    _changed(tenant)
    announce(events.TenantSuspended(tenant_id=tenant.id))


def resume(tenant: Tenant) -> None:
    """Bring it back as it was. Raises MoveNotAllowed."""
    tenant = queries.tenant_for_update(tenant.id)
    move_to(tenant, ACTIVE)
    tenant.status_reason = None
    note(tenant, "brought back")
    _changed(tenant)
    announce(events.TenantResumed(tenant_id=tenant.id))


_WRONG_CONTACT = {
    "email": _l("This is not an e-mail address."),
    "phone": _l("This is not a phone number."),
    **dict.fromkeys(policies.CONTACT_ADDRESSES, _l("Please write the whole address, from https:// on.")),
}


@dataclass(frozen=True)
class Brand:
    """How a company shows itself: `primary` is #rrggbb, `corners` a word of `policies.CORNERS`, `contacts`
    has some of `policies.CONTACTS`."""

    name: str
    primary: str
    tagline: str = ""
    corners: str = policies.DEFAULT_CORNERS
    contacts: Mapping[str, str] = field(default_factory=dict)


def rebrand(tenant: Tenant, brand: Brand, *, timezone: str, locale: str) -> None:
    """Change what its pages look like and say. Raises TooFaint (contrast below 4.5:1), Invalid."""
    tenant = queries.tenant_for_update(tenant.id)
    if not policies.is_readable(brand.primary):
        raise TooFaint(field="primary")
    if brand.corners not in policies.CORNERS:
        raise Invalid(_l("Please choose."), field="corners")
    if not policies.is_timezone(timezone):
        raise Invalid(_l("This is not a time zone."), field="timezone")
    contacts = {name: brand.contacts.get(name, "").strip() for name in policies.CONTACTS}
    for name, value in contacts.items():
        if not policies.is_contact(name, value):
            raise Invalid(_WRONG_CONTACT[name], field=name)
    tenant.name = brand.name.strip()
    tenant.brand = {
        **tenant.brand,
        "primary": brand.primary.lower(),
        "tagline": brand.tagline.strip(),
        "corners": brand.corners,
        "contacts": {name: value for name, value in contacts.items() if value},
    }
    tenant.timezone, tenant.locale = timezone, locale
    note(tenant, "rebranded")
    _changed(tenant)


def correct(tenant: Tenant, *, name: str, plan: Plan, timezone: str, locale: str, is_test: bool) -> None:
    """Put right what was said of a company; its currency and its address stay. Raises Invalid,
    TenantNotActive (closed)."""
    tenant = queries.tenant_for_update(tenant.id)
    if tenant.status == CLOSED:
        raise TenantNotActive
    if not name.strip():
        raise Invalid(_l("Please give the company a name."), field="name")
    _check_place(tenant.currency, timezone)
    tenant.name, tenant.plan = name.strip(), plan
    tenant.timezone, tenant.locale, tenant.is_test = timezone, locale, is_test
    _changed(tenant)


def add_domain(tenant: Tenant, *, host: str, base_domain: str, remark: str | None = None) -> TenantDomain:
    """Let a host name of its own answer for the tenant. Raises BadHost, HostTaken."""
    host = host.strip().rstrip(".").lower()
    if not policies.is_host(host, base_domain=base_domain):
        raise BadHost(field="host")
    domain = TenantDomain(tenant_id=tenant.id, host=host, note=remark, activated_at=clock.machine_now())
    db.session.add(domain)
    db.session.flush()  # the unique host is refused here, at the field
    _changed(queries.tenant_for_update(tenant.id))
    return domain


def remove_domain(domain: TenantDomain) -> None:
    """Stop answering on a host name."""
    tenant = queries.tenant_for_update(domain.tenant_id)
    db.session.delete(domain)
    _changed(tenant)


def _check_place(currency: str, timezone: str) -> None:
    try:
        exponent(currency)
    except ValueError:
        raise Invalid(_l("This is not a currency."), field="currency") from None
    if not policies.is_timezone(timezone):
        raise Invalid(_l("This is not a time zone."), field="timezone")


def _changed(tenant: Tenant) -> None:
    tenant.revision += 1
    announce(events.TenantChanged(tenant_id=tenant.id))
