"""From the Host header to a site and a scope, before anything else of a request."""

from __future__ import annotations

import re
import secrets
import time
from contextlib import suppress
from typing import Any

from flask import Flask, abort, g, has_request_context, request
from redis.exceptions import RedisError

from app.core.db import db
from app.core.page_cache import PageCache
from app.core.scope import PlatformScope, RequestScope, TenantScope
from app.core.web import kept_pages
from app.core.web.site import Site
from app.domains.tenancy.models import ACTIVE, DEFAULT_PRIMARY
from app.domains.tenancy.queries import Place, place_of_host
from config import Settings

UNSCOPED = frozenset({"static", "health.healthz", "health.readyz", "metrics.show", None})
REVISION_KEY = "tenancy:revision"
FALLBACK_SECONDS = 2.0
# Whoever changes a company there must see it in their next answer there, whichever process gives it.
# Elsewhere what was heard a tenth of a second ago will do: Redis was a tenth of what a hold costs.
WHERE_COMPANIES_ARE_CHANGED = "/admin/"
_HOST = re.compile(r"^(\[[0-9a-f:]{2,39}\]|[a-z0-9.-]{1,253})(:[0-9]{1,5})?$")


class Places:
    """Tenants by host, remembered in this process until the revision in Redis moves.

    Where Redis is away the memory lives for two seconds: rather a query too many than a stale page.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._places: dict[str, tuple[Any, Place]] = {}  # with the revision that each was read under

    def find(self, host: str, slug: str | None, *, anew: bool = True) -> Place | None:
        """With `anew=False` as it was a tenth of a second ago."""
        under, known = self._places.get(host, (None, None))
        revision = self._current_revision(known, anew=anew)
        if known is not None and under == revision:
            return known
        place = place_of_host(db.engine, host, slug)
        if place is not None:
            self._places[host] = (revision, place)
        else:
            # A host that nobody has is asked for anew: it may be somebody's a moment later.
            self._places.pop(host, None)
        return place

    def _current_revision(self, likely: Place | None, *, anew: bool) -> Any:
        """In the same question also what the page cache has to know of the company this is likely to be."""
        revision: Any = ("no redis", int(time.monotonic() / FALLBACK_SECONDS))
        if likely is None:
            with suppress(RedisError):
                revision = self._cache.ask_word(REVISION_KEY, anew=anew)
            return revision
        words = PageCache.away()
        with suppress(RedisError):
            revision, words = self._cache.ask(likely.tenant_id, also=REVISION_KEY, anew=anew)
        if has_request_context():
            kept_pages.note_revisions(likely.tenant_id, revision, words)
        return revision

    def forget(self) -> None:
        """Let every process look anew; a hint that may be lost, so it is repeated by the outbox."""
        # Never a counter: emptied, Redis would count to a number again that a process still remembers.
        self._app.extensions["redis"].set(REVISION_KEY, secrets.token_hex(8))
        self._cache.ask_anew()

    @property
    def _cache(self) -> PageCache:
        cache: PageCache = self._app.extensions["page_cache"]
        return cache


def init_app(app: Flask, settings: Settings) -> None:
    """Every request gets its site and its scope; a host that is not ours is refused with 400."""
    places = app.extensions["places"] = Places(app)
    suffix, platform_hosts = f".{settings.BASE_DOMAIN}", settings.platform_hosts

    @app.before_request
    def enter() -> None:
        if request.endpoint in UNSCOPED and request.endpoint is not None:
            return
        match = _HOST.match((request.host or "").lower())
        if match is None:
            abort(400)
        host = match.group(1).rstrip(".")
        if host in platform_hosts:
            g.site = _platform(settings, host)
            g.request_scope = RequestScope(PlatformScope("a request to the platform's host"))
            return
        slug = host.removesuffix(suffix) if host.endswith(suffix) else None
        place = places.find(host, slug, anew=request.path.startswith(WHERE_COMPANIES_ARE_CHANGED))
        if place is None or place.status == "closed":
            abort(400)
        g.site = _tenant(settings, host, place)
        g.request_scope = RequestScope(TenantScope(place.tenant_id))

    @app.teardown_request
    def leave(error: BaseException | None) -> None:
        scope = g.pop("request_scope", None)
        if scope is not None:
            scope.leave(failed=error is not None)


def _platform(settings: Settings, host: str) -> Site:
    return Site(
        name="WeMaster",
        host=host,
        tenant_id=None,
        slug=None,
        locale=settings.DEFAULT_LOCALE,
        timezone="UTC",
        currency=None,
        is_active=True,
        is_test=False,
        theme_url=None,
        primary_color=DEFAULT_PRIMARY,
        url=settings.url_of(host, "").rstrip("/"),
    )


def _tenant(settings: Settings, host: str, place: Place) -> Site:
    return Site(
        name=place.name,
        host=host,
        tenant_id=place.tenant_id,
        slug=place.slug,
        locale=place.locale,
        timezone=place.timezone,
        currency=place.currency,
        is_active=place.status == ACTIVE,
        is_test=place.is_test,
        theme_url=f"/theme/{place.revision}.css",
        primary_color=place.primary_color,
        url=settings.url_of(host, "").rstrip("/"),
        tagline=place.tagline,
        corners=place.corners,
        contacts=place.contacts,
    )
