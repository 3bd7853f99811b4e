"""Where a request is: the platform's host or one tenant's. Set once per request by the shell."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from flask import current_app, g


@dataclass(frozen=True)
class Site:
    """Plain values of the place, for views and templates."""

    name: str
    host: str
    tenant_id: int | None
    slug: str | None
    locale: str
    timezone: str
    currency: str | None
    is_active: bool
    is_test: bool
    theme_url: str | None
    primary_color: str
    url: str
    tagline: str = ""
    corners: str = ""
    contacts: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def is_platform(self) -> bool:
        return self.tenant_id is None

    @property
    def surface(self) -> str:
        return "platform" if self.is_platform else "tenant"

    @property
    def initial(self) -> str:
        return self.name[:1].upper()


def platform_url(path: str = "") -> str:
    """An address on the platform's host."""
    settings = current_app.extensions["settings"]
    return str(settings.url_of(settings.BASE_DOMAIN, path))


def site() -> Site:
    """The site of this request; raises RuntimeError outside of one."""
    found: Site | None = g.get("site")
    if found is None:
        raise RuntimeError("this request has no site")
    return found
