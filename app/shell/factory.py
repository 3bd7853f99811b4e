"""`create_app`: the house put together, top to bottom in the order in which a request meets it."""

from __future__ import annotations

import logging
import secrets
import time
from pathlib import Path

from flask import Flask, Response, g, request
from structlog.contextvars import bind_contextvars, clear_contextvars
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter

from app.core import audit, business_clock, outside, pool, quick_redis, scope, walls
from app.core import log as logs
from app.core.again import PatientFlask
from app.core.db import db
from app.core.page_cache import PageCache
from app.core.web import cookies, csrf, headers, openapi, uploads
from app.core.web.quick_json import QuickJSON
from app.domains.accounts import api as accounts_api
from app.domains.accounts.portal import BLUEPRINTS as ACCOUNTS
from app.domains.booking import api as booking_api
from app.domains.booking.portal import BLUEPRINTS as BOOKING
from app.domains.booking.portal.soon import free_times
from app.domains.catalog import api as catalog_api
from app.domains.catalog.portal import BLUEPRINTS as CATALOG
from app.domains.earnings import api as earnings_api
from app.domains.earnings import portal as earnings_portal
from app.domains.ledger import portal as ledger_portal
from app.domains.messaging import api as messaging_api
from app.domains.messaging import portal as messaging_portal
from app.domains.notifications import api as notifications_api
from app.domains.notifications import portal as notifications_portal
from app.domains.payments import api as payments_api
from app.domains.payments.portal import BLUEPRINTS as PAYMENTS
from app.domains.tenancy import portal as tenancy_portal
from app.providers import mail, payments, storage
from app.shell import (
    admin,
    assets,
    bulk,
    clock_page,
    context,
    errors,
    home,
    hosts,
    identity,
    lists,
    metrics,
    models,
    pages,
    providers_page,
    schedule,
    search,
    shown,
    sockets,
    style_page,
    suspension,
    templates,
    tour,
    wiring,
)
from app.shell.builder import HouseBuilder, register
from config import Settings, load_settings

log = logging.getLogger("wemaster.request")
ROOT = Path(__file__).resolve().parents[2]
APIS = (
    accounts_api,
    catalog_api,
    payments_api,
    earnings_api,
    booking_api,
    notifications_api,
    messaging_api,
)


class IdConverter(IntegerConverter):
    """A key in a path. 18 digits always fit a bigint; a longer number is no address of ours (404)."""

    regex = r"\d{1,18}"


def create_app(settings: Settings | None = None) -> Flask:
    """A complete application. Connects to nothing until the first request."""
    settings = settings or load_settings()
    logs.configure(settings.LOG_FORMAT, settings.LOG_LEVEL)
    app = PatientFlask("app", root_path=str(ROOT / "app"))
    app.jinja_environment = templates.Templates
    app.json = QuickJSON(app)
    app.config.update(_config(settings))
    app.session_interface = cookies.SignedSessions()
    app.extensions["settings"] = settings
    app.url_map.converters["id"] = IdConverter
    sockets.init_app(app, settings)
    if settings.TRUSTED_PROXY_HOPS:
        hops = settings.TRUSTED_PROXY_HOPS
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]

    db.init_app(app)
    _outside(app, settings)
    _data(app)
    _requests(app, settings)
    _surfaces(app)
    return app


def _config(settings: Settings) -> dict[str, object]:
    https = settings.PUBLIC_SCHEME == "https"
    return {
        **settings.model_dump(),
        "SECRET_KEY_FALLBACKS": settings.former_keys,
        "SQLALCHEMY_DATABASE_URI": settings.DATABASE_URL,
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "pool_size": settings.DATABASE_POOL_SIZE,
            "max_overflow": max(
                settings.DATABASE_POOL_SIZE, settings.WEB_THREADS + 8 - settings.DATABASE_POOL_SIZE
            ),
            "pool_events": pool.EVENTS,
            # The connection that was used last knows this moment's statements, and has their plans.
            "pool_use_lifo": True,
            "pool_recycle": 1800,
            "pool_timeout": 5,
            "hide_parameters": True,
            "connect_args": {
                "connect_timeout": 5,
                "application_name": "wemaster",
                # Planning a statement takes PostgreSQL longer than reading what it asks for.
                "prepare_threshold": 2,
                "options": "-c statement_timeout=15s -c lock_timeout=3s"
                " -c idle_in_transaction_session_timeout=60s",
            },
        },
        "SESSION_COOKIE_NAME": cookies.bound("wm", secure=https),
        "SESSION_COOKIE_SECURE": https,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_PATH": "/",
        "PERMANENT_SESSION_LIFETIME": 14 * 24 * 3600,
        # A sign-in does not grow older by being used, and what is cached publicly must carry no cookie.
        "SESSION_REFRESH_EACH_REQUEST": False,
        "MAX_FORM_PARTS": 2000,
        "PREFERRED_URL_SCHEME": settings.PUBLIC_SCHEME,
        "SEND_FILE_MAX_AGE_DEFAULT": 31536000,
        "BABEL_DEFAULT_LOCALE": settings.DEFAULT_LOCALE,
        "BABEL_TRANSLATION_DIRECTORIES": str(ROOT / "translations"),
        "LANGUAGES": {code: {"flag": "", "name": name} for code, name in context.LANGUAGES.items()},
        "FAB_CREATE_DB": False,
        "FAB_UPDATE_PERMS": False,
        "FAB_ADD_SECURITY_VIEWS": False,
        "APP_NAME": "WeMaster",
    }


def _outside(app: Flask, settings: Settings) -> None:
    app.extensions["redis"] = quick_redis.connect(settings.REDIS_URL)
    app.extensions["page_cache"] = PageCache(
        app.extensions["redis"],
        megabytes=settings.PAGE_CACHE_MB,
        build=lambda: str(app.extensions["assets"].build),
    )
    outside.forbid_inside(scope.in_transaction)
    with app.app_context():
        app.extensions["mail"] = mail.build(settings, db.engine)
    app.extensions["mail_sender"] = mail.Mailbox.parse(settings.MAIL_FROM)
    app.extensions["payments"] = payments.build(settings)
    app.extensions["storage"] = storage.build(settings)


def _data(app: Flask) -> None:
    assert models.metadata is not None
    assert walls.filter_statements is not None
    assert shown.SHOWN
    registry = admin.make_registry()
    app.extensions["admin"] = registry
    app.extensions["rights"] = admin.make_catalogue(registry)
    app.extensions["wiring"] = wiring.make()
    app.extensions["schedule"] = schedule.TABLE
    app.extensions["free_times"] = free_times
    business_clock.init_app(app)


def _requests(app: Flask, settings: Settings) -> None:
    """What happens to every request, in this order."""

    @app.before_request
    def begin() -> None:
        clear_contextvars()
        g.request_id = secrets.token_hex(8)
        g.started = time.perf_counter()
        bind_contextvars(request_id=g.request_id)
        # Threads serve one request after the other: whoever the last one was must not act in this one.
        audit.set_actor(audit.Actor("visitor", None, "Visitor", request.remote_addr))

    @app.teardown_request
    def end(_error: BaseException | None) -> None:
        audit.reset_actor()
        clear_contextvars()

    metrics.init_app(app)
    uploads.init_app(app)
    hosts.init_app(app, settings)
    identity.init_app(app)
    csrf.init_app(app)
    app.before_request(suspension.close_pages)
    app.before_request(csrf.check)
    handover = f"{settings.PUBLIC_SCHEME}://*.{settings.BASE_DOMAIN}"
    port = f":{settings.public_port}" if settings.public_port else ""
    headers.init_app(app, https=settings.PUBLIC_SCHEME == "https", handover_target=handover + port)

    @app.after_request
    def note(response: Response) -> Response:
        if request.endpoint != "static":
            site = g.get("site")
            log.info(
                "request",
                extra={
                    "method": request.method,
                    "path": request.path,
                    "status": response.status_code,
                    "ms": round((time.perf_counter() - g.get("started", time.perf_counter())) * 1000, 1),
                    "tenant_id": site.tenant_id if site else None,
                    **({"refused": g.refused} if "refused" in g else {}),
                },
            )
        return response


def _surfaces(app: Flask) -> None:
    """Admin and API through FAB, then the pages of the domains, then errors."""
    app.extensions["api_docs"] = APIS
    with app.app_context():
        builder = HouseBuilder(app)
        register(builder, app.extensions["admin"])
        context.init_app(app)
    assets.serve_compressed(app)
    for blueprint in (
        pages.health,
        metrics.bp,
        pages.preferences,
        home.bp,
        search.bp,
        clock_page.bp,
        providers_page.bp,
        tour.bp,
        style_page.bp,
        lists.bp,
        bulk.bp,
        tenancy_portal.bp,
        *ACCOUNTS,
        *CATALOG,
        *PAYMENTS,
        *BOOKING,
        ledger_portal.bp,
        earnings_portal.bp,
        notifications_portal.bp,
        messaging_portal.bp,
        *(api.bp for api in APIS),
        openapi.bp,
    ):
        app.register_blueprint(blueprint)
    errors.init_app(app)
