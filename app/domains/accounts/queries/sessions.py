"""Reads of sign-ins. `viewer_of_session` runs on every signed-in request: one statement, plain columns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import LazyString
from sqlalchemy import ColumnElement, Select, and_, bindparam, or_, select

from app.core import clock
from app.core.db import UtcDateTime, db
from app.core.rights import PLATFORM, TENANT, catalogue
from app.core.viewer import Viewer
from app.domains.accounts import policies
from app.domains.accounts.models import (
    ACTIVE,
    VISIT,
    WEB,
    Account,
    HandoverTicket,
    Membership,
    Person,
    RefreshToken,
    TenantRole,
    UserSession,
)

# Asked by every request of somebody signed in: a Core select of plain columns, past the ORM, which costs
# several times as much. It names the tenant itself.
_SESSION, _ACCOUNT = UserSession.__table__.c, Account.__table__.c
_MEMBER, _PERSON, _ROLE = Membership.__table__.c, Person.__table__.c, TenantRole.__table__.c
_VIEWER = (
    select(
        _SESSION.id.label("session_id"),
        _SESSION.kind,
        _SESSION.last_seen_at,
        _SESSION.expires_at,
        _ACCOUNT.id.label("user_id"),
        _ACCOUNT.email,
        _ACCOUNT.first_name,
        _ACCOUNT.platform_role,
        _ACCOUNT.locale,
        _ACCOUNT.timezone,
        _MEMBER.person_id,
        _MEMBER.role_key,
        _PERSON.full_name,
        _ROLE.name.label("role_name"),
        _ROLE.rights,
    )
    .join_from(UserSession.__table__, Account.__table__, _ACCOUNT.id == _SESSION.user_id)
    .outerjoin(
        Membership.__table__,
        and_(
            _MEMBER.user_id == _ACCOUNT.id,
            _MEMBER.tenant_id == _SESSION.tenant_id,
            _MEMBER.status == ACTIVE,
        ),
    )
    .outerjoin(
        Person.__table__, and_(_PERSON.id == _MEMBER.person_id, _PERSON.tenant_id == _MEMBER.tenant_id)
    )
    .outerjoin(TenantRole.__table__, and_(_ROLE.id == _MEMBER.role_id, _ROLE.tenant_id == _MEMBER.tenant_id))
    .where(_ACCOUNT.active.is_(True))
    .order_by(_MEMBER.id)
)


def _since(name: str, idle: dt.timedelta) -> ColumnElement[dt.datetime]:
    """So long ago, worked out when a statement runs."""
    return bindparam(name, type_=UtcDateTime, callable_=lambda: clock.machine_now() - idle)


def is_live(of: Any = UserSession) -> ColumnElement[bool]:
    """Of a sign-in: not ended, not too old, and not left alone for too long. `of` has its columns."""
    return and_(
        of.ended_at.is_(None),
        of.expires_at > _since("now", dt.timedelta()),
        or_(
            of.last_seen_at > _since("seen_since", policies.PLATFORM_SESSION_IDLE),
            of.kind != WEB,
            and_(of.tenant_id.is_not(None), of.last_seen_at > _since("web_since", policies.WEB_SESSION_IDLE)),
        ),
    )


# Made once: putting them together costs more than running them.
_HERE = _VIEWER.where(_SESSION.tenant_id.is_not_distinct_from(bindparam("tenant_id")))
_BY_TOKEN = _HERE.where(_SESSION.token_hash == bindparam("token_hash"), is_live(_SESSION))
_BY_ID = _HERE.where(_SESSION.id == bindparam("session_id"), is_live(_SESSION))
_ANY_BY_ID = _HERE.where(
    _SESSION.id == bindparam("session_id"),
    # A visit's work ends with the visit.
    or_(
        _SESSION.kind != VISIT,
        and_(_SESSION.ended_at.is_(None), _SESSION.expires_at > _since("now", dt.timedelta())),
    ),
)


@dataclass(frozen=True)
class SeenSession:
    """A live sign-in, and when it was last noted as used."""

    viewer: Viewer
    kind: str
    last_seen_at: dt.datetime


def viewer_of_session(token_hash: bytes, *, tenant_id: int | None, ip: str | None) -> SeenSession | None:
    """The viewer behind a browser's session token in this place, or None."""
    return _look_up(_BY_TOKEN, tenant_id, ip, token_hash=token_hash)


def viewer_of_session_id(session_id: int, *, tenant_id: int | None, ip: str | None) -> SeenSession | None:
    """The viewer behind an access token's session in this place, or None."""
    return _look_up(_BY_ID, tenant_id, ip, session_id=session_id)


def viewer_who_began(session_id: int, *, tenant_id: int | None) -> Viewer | None:
    """The person whose sign-in began some work, with the rights they have by now. The work goes on when they
    sign out; a visit's work ends with the visit."""
    seen = _look_up(_ANY_BY_ID, tenant_id, None, session_id=session_id)
    return seen.viewer if seen else None


def _look_up(query: Select[Any], tenant_id: int | None, ip: str | None, **values: Any) -> SeenSession | None:
    rows = db.session().connection().execute(query, {"tenant_id": tenant_id, **values}).all()
    if not rows:
        return None
    first, known = rows[0], catalogue()
    rights: set[str] = set()
    roles: dict[str, LazyString | str] = {}
    if first.platform_role and (tenant_id is None or first.kind == VISIT):
        surface = PLATFORM if tenant_id is None else TENANT
        rights |= known.of_role(first.platform_role) & known.on(surface)
        roles[first.platform_role] = known.roles[first.platform_role].label
    for row in rows:
        if tenant_id is not None and row.person_id is not None:
            rights |= known.of_role(row.role_key) if row.role_key else known.of_own(row.rights)
            label = known.roles[row.role_key].label if row.role_key else row.role_name
            roles[row.role_key or f"own {row.role_name}"] = label
    if not roles:
        return None
    viewer = Viewer(
        user_id=first.user_id,
        session_id=first.session_id,
        email=first.email,
        name=first.full_name or first.first_name,
        rights=frozenset(rights),
        tenant_id=tenant_id,
        person_id=first.person_id,
        roles=tuple(roles.values()),
        role_keys=frozenset(row.role_key for row in rows if row.role_key),
        locale=first.locale,
        timezone=first.timezone,
        is_visiting=first.kind == VISIT,
        until=first.expires_at,
        ip=ip,
    )
    return SeenSession(viewer, first.kind, first.last_seen_at)


def session_for_update(session_id: int) -> UserSession | None:
    return db.session.scalars(
        select(UserSession).where(UserSession.id == session_id).with_for_update()
    ).one_or_none()


def refresh_token(token_hash: bytes) -> RefreshToken | None:
    return db.session.scalars(
        select(RefreshToken)
        .where(RefreshToken.token_hash == token_hash)
        .execution_options(populate_existing=True)
    ).one_or_none()


def sessions_of(user_id: int, tenant_id: int | None) -> Sequence[UserSession]:
    """Live sign-ins of one account in this place, newest first."""
    return db.session.scalars(
        select(UserSession)
        .where(
            UserSession.user_id == user_id,
            UserSession.tenant_id.is_not_distinct_from(tenant_id),
            is_live(),
        )
        .order_by(UserSession.last_seen_at.desc())
    ).all()


def ticket_for_update(token_hash: bytes) -> HandoverTicket | None:
    return db.session.scalars(
        select(HandoverTicket).where(HandoverTicket.token_hash == token_hash).with_for_update()
    ).one_or_none()
