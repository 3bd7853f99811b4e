"""Which namespaces there are on the web sockets, and which sign-ins hold them open."""

from __future__ import annotations

from collections.abc import Collection

from flask import Flask
from sqlalchemy import and_, or_, select

from app.core import realtime
from app.core.db import db
from app.core.ids import fingerprint
from app.core.scope import platform_scope
from app.core.wire import on_greenlets
from app.domains.accounts import queries as accounts
from app.domains.accounts.models import ACTIVE, VISIT, Account, Membership, UserSession
from app.domains.messaging.sockets import Chat
from app.domains.tenancy.models import ACTIVE as OPEN
from app.domains.tenancy.models import Tenant
from config import Settings


def init_app(app: Flask, settings: Settings) -> None:
    """Sockets come in before the pages do, and behind the proxy: what it says of the client must hold."""
    realtime.init_app(
        app,
        redis_url=settings.REDIS_URL,
        # A Redis has one set of channels for all its databases.
        channel=f"sockets.{fingerprint(settings.SECRET_KEY + settings.REDIS_URL.rpartition('/')[2])[:16]}",
        is_alive=live_sessions,
        channels=[Chat("/chat")],
        held_here=settings.WEB_SOCKETS == "serve" or on_greenlets(),
    )


def live_sessions(session_ids: Collection[int]) -> set[int]:
    """Those sign-ins that still hold, in companies that are open: asked each second, for all at once."""
    member = (
        select(Membership.id)
        .where(
            Membership.user_id == UserSession.user_id,
            Membership.tenant_id == UserSession.tenant_id,
            Membership.status == ACTIVE,
        )
        .exists()
    )
    query = (
        select(UserSession.id)
        .join(Account, Account.id == UserSession.user_id)
        .outerjoin(Tenant, Tenant.id == UserSession.tenant_id)
        .where(
            UserSession.id.in_(session_ids),
            accounts.is_live(),
            Account.active.is_(True),
            or_(
                UserSession.kind == VISIT,
                UserSession.tenant_id.is_(None),
                and_(Tenant.status == OPEN, member),
            ),
        )
    )
    with platform_scope("open sockets of all tenants are looked after together"):
        return set(db.session.scalars(query))
