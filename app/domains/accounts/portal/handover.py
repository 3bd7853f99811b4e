"""Opening a tenant as an operator: four redirects between the platform's host and the tenant's."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint, current_app, redirect, request

from app.core import audit
from app.core.errors import NotFound
from app.core.scope import platform_scope
from app.core.signing import LinkDead
from app.core.transaction import transaction
from app.core.web import cookies
from app.core.web.handover import INTENT_SECONDS, take_intent
from app.core.web.site import platform_url
from app.core.web.viewing import on_platform, on_tenant, require, viewer
from app.domains.accounts.models import VISIT
from app.domains.accounts.portal.pages import begin_session, forget_session
from app.domains.accounts.service import handover, signin
from app.domains.tenancy import queries as tenancy

bp = Blueprint("handover", __name__)

NONCE_COOKIE = "wm-handover"


@bp.get("/handover/to/<id:tenant_id>")
def out(tenant_id: int) -> Any:
    """Platform, 1: the operator has confirmed "open this company"; go to its host."""
    on_platform()
    require("tenant.read")
    return redirect(f"{_tenant_url(tenant_id)}/handover/start")


@bp.get("/handover/start")
def start() -> Any:
    """Tenant, 2: give this browser a nonce of this host, and go back for the ticket."""
    tenant_id, nonce = on_tenant(), secrets.token_urlsafe(24)
    response = redirect(platform_url(f"/handover/ticket?tenant={tenant_id}&nonce={nonce}"))
    response.set_cookie(
        cookies.bound(NONCE_COOKIE),
        nonce,
        max_age=INTENT_SECONDS,
        secure=cookies.is_secure(),
        httponly=True,
        samesite="Lax",
    )
    return response


@bp.get("/handover/ticket")
def ticket() -> Any:
    """Platform, 3: make the ticket, if this very browser confirmed "open this company" a moment ago."""
    on_platform()
    who = require("tenant.read")
    tenant_id = take_intent()
    nonce = request.args.get("nonce", "")
    if tenant_id is None or request.args.get("tenant") != str(tenant_id) or not 16 <= len(nonce) <= 100:
        raise LinkDead
    with transaction():
        made = handover.make_ticket(user_id=who.user_id, tenant_id=tenant_id, nonce=nonce)
    return redirect(f"{_tenant_url(tenant_id)}/handover/in?ticket={made}")


@bp.get("/handover/in")
def arrive() -> Any:
    """Tenant, 4: the ticket and this browser's nonce together sign the operator in, once."""
    tenant_id = on_tenant()
    nonce = request.cookies.get(cookies.bound(NONCE_COOKIE), "")
    with platform_scope("an operator's account is the platform's"), transaction():
        user = handover.redeem(request.args.get("ticket", ""), tenant_id=tenant_id, nonce=nonce)
        begin_session(user, kind=VISIT)
        audit.set_actor(
            audit.Actor("user", user.id, f"{user.first_name} <{user.email}>", request.remote_addr)
        )
        signin.record_visit(tenancy.tenant(tenant_id), tenant_id)
    response = redirect("/admin/")
    response.delete_cookie(
        cookies.bound(NONCE_COOKIE), secure=cookies.is_secure(), httponly=True, samesite="Lax"
    )
    return response


@bp.post("/handover/leave")
def leave() -> Any:
    """Tenant: end the visit at once, and go back to the company's page on the platform."""
    tenant_id, who = on_tenant(), viewer()
    if who is None or not who.is_visiting:
        raise NotFound
    with transaction():
        signin.end_session(who.session_id, reason="signed out")
    forget_session()
    return redirect(platform_url(f"/admin/tenants/{tenant_id}"))


def _tenant_url(tenant_id: int) -> str:
    settings = current_app.extensions["settings"]
    return str(settings.url_of(f"{tenancy.tenant(tenant_id).slug}.{settings.BASE_DOMAIN}", ""))
