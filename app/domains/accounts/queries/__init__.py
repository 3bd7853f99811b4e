"""Reads of accounts. `viewer_of_session` runs on every signed-in request: one statement, plain columns."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import LazyString
from sqlalchemy import ColumnElement, and_, func, or_, select, text
from sqlalchemy.orm import joinedload

from app.core import clock, scope
from app.core.db import db
from app.core.errors import NotFound
from app.core.rights import PLATFORM, TENANT, catalogue
from app.core.viewer import Viewer
from app.domains.accounts import policies
from app.domains.accounts.models import (
    ACTIVE,
    MANAGER,
    PENDING,
    TUTOR,
    VISIT,
    WEB,
    Account,
    Guardianship,
    HandoverTicket,
    Invitation,
    Membership,
    Person,
    RefreshToken,
    TenantRole,
    UserSession,
)
from app.domains.accounts.queries.family import child_of, children_of, guardianships_of, learners_for

__all__ = ["child_of", "children_of", "guardianships_of", "learners_for"]  # beside what is defined here

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


@dataclass(frozen=True)
class SeenSession:
    """A live sign-in, and when it was last noted as used."""

    viewer: Viewer
    kind: str
    last_seen_at: dt.datetime


def viewer_of_session(token_hash: bytes, *, tenant_id: int | None, ip: str | None) -> SeenSession | None:
    """The viewer behind a browser's session token in this place, or None."""
    return _seen(_SESSION.token_hash == token_hash, tenant_id, ip)


def viewer_of_session_id(session_id: int, *, tenant_id: int | None, ip: str | None) -> SeenSession | None:
    """The viewer behind an access token's session in this place, or None."""
    return _seen(_SESSION.id == session_id, tenant_id, ip)


def viewer_who_began(session_id: int, *, tenant_id: int | None) -> Viewer | None:
    """The person whose sign-in began some work, with the rights they have by now. The work goes on when they
    sign out; a visit's work ends with the visit."""
    visit_is_on = and_(_SESSION.ended_at.is_(None), _SESSION.expires_at > clock.machine_now())
    criterion = and_(_SESSION.id == session_id, or_(_SESSION.kind != VISIT, visit_is_on))
    seen = _look_up(criterion, tenant_id, None)
    return seen.viewer if seen else None


def _seen(criterion: ColumnElement[bool], tenant_id: int | None, ip: str | None) -> SeenSession | None:
    return _look_up(and_(criterion, is_live(_SESSION)), tenant_id, ip)


def is_live(of: Any = UserSession) -> ColumnElement[bool]:
    """Of a sign-in: not ended, not too old, and not left alone for too long. `of` has its columns."""
    now = clock.machine_now()
    return and_(
        of.ended_at.is_(None),
        of.expires_at > now,
        or_(
            of.last_seen_at > now - policies.PLATFORM_SESSION_IDLE,
            of.kind != WEB,
            and_(of.tenant_id.is_not(None), of.last_seen_at > now - policies.WEB_SESSION_IDLE),
        ),
    )


def _look_up(criterion: ColumnElement[bool], tenant_id: int | None, ip: str | None) -> SeenSession | None:
    query = _VIEWER.where(criterion, _SESSION.tenant_id.is_not_distinct_from(tenant_id))
    rows = db.session().connection().execute(query).all()
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


def user_by_email(email: str) -> Account | None:
    """In a tenant's scope only those who belong to it are found: row-level security sees to it."""
    return db.session.scalars(select(Account).where(Account.email == email)).one_or_none()


def user(user_id: int, *, lock: bool = False) -> Account:
    """Raises NotFound; with `lock` the row as it is now, for changing it (in the platform's scope)."""
    query = select(Account).where(Account.id == user_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = db.session.scalars(query).one_or_none()
    if found is None:
        raise NotFound
    return found


def has_place(user_id: int, tenant_id: int | None, platform_role: str | None) -> bool:
    """Whether the account may sign in here: a role on the platform, or an active membership of the tenant."""
    if tenant_id is None:
        return platform_role is not None
    return bool(
        db.session.scalar(
            select(Membership.id).where(Membership.user_id == user_id, Membership.status == ACTIVE).limit(1)
        )
    )


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


def person(person_id: int, *, lock: bool = False) -> Person:
    """Raises NotFound; with `lock` the row as it is now, whoever locks it too waits."""
    found = db.session.get(Person, person_id, with_for_update=lock or None, populate_existing=lock)
    if found is None:
        raise NotFound
    return found


def role(role_id: int) -> TenantRole:
    found = db.session.scalars(select(TenantRole).where(TenantRole.id == role_id)).one_or_none()
    if found is None:
        raise NotFound
    return found


def roles() -> Sequence[TenantRole]:
    return db.session.scalars(select(TenantRole).order_by(TenantRole.name)).all()


def invitation(invitation_id: int) -> Invitation:
    """With its person and role. Raises NotFound."""
    found = db.session.scalars(
        select(Invitation)
        .where(Invitation.id == invitation_id)
        .options(joinedload(Invitation.person), joinedload(Invitation.role))
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def latest_invitation(email: str) -> Invitation | None:
    """The newest one of an address."""
    return db.session.scalars(
        select(Invitation).where(Invitation.email == email).order_by(Invitation.id.desc()).limit(1)
    ).one_or_none()


def invitation_for_update(invitation_id: int) -> Invitation:
    found = db.session.scalars(
        select(Invitation)
        .where(Invitation.id == invitation_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def membership_for_update(membership_id: int) -> Membership:
    found = db.session.scalars(
        select(Membership)
        .where(Membership.id == membership_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def memberships_of_user(user_id: int) -> Sequence[Membership]:
    return db.session.scalars(
        select(Membership)
        .where(Membership.user_id == user_id, Membership.status == ACTIVE)
        .options(joinedload(Membership.role), joinedload(Membership.person))
    ).all()


def persons_with_email(email: str) -> Sequence[Person]:
    return db.session.scalars(select(Person).where(Person.email == email).order_by(Person.id).limit(2)).all()


def persons_of_user(user_id: int, *, email: str | None = None) -> Sequence[Person]:
    """Who this account is in all companies, or where they carry this address; in the platform's scope."""
    query = (
        select(Person)
        .join(Membership, and_(Membership.person_id == Person.id, Membership.tenant_id == Person.tenant_id))
        .where(Membership.user_id == user_id)
    )
    return db.session.scalars(query if email is None else query.where(Person.email == email)).unique().all()


def memberships_in(tenant_id: int, user_id: int) -> Sequence[Membership]:
    """An account's memberships of one company, those in force first; in the platform's scope."""
    return db.session.scalars(
        select(Membership)
        .where(Membership.tenant_id == tenant_id, Membership.user_id == user_id)
        .options(joinedload(Membership.person))
        .order_by(Membership.status, Membership.id)
    ).all()


def unclaimed_person(tenant_id: int, email: str, *, may_be_child: bool) -> Person | None:
    """The one person of a company who has this address, unless an account stands for them already or,
    where that is asked, somebody answers for them; in the platform's scope."""
    found = db.session.scalars(
        select(Person)
        .where(Person.tenant_id == tenant_id, Person.email == email)
        .order_by(Person.id)
        .limit(2)
        .with_for_update()
    ).all()
    if len(found) != 1:
        return None
    here = {"tenant_id": tenant_id}
    claimed = select(Membership.id).filter_by(**here, person_id=found[0].id).exists()
    child = select(Guardianship.id).filter_by(**here, child_id=found[0].id).exists()
    taken = db.session.scalar(select(claimed if may_be_child else or_(claimed, child)))
    return None if taken else found[0]


def membership_of(invitation: Invitation, user_id: int) -> Membership | None:
    """The membership that the invitation would make, if there was one already; locked."""
    return db.session.scalars(
        select(Membership)
        .where(
            Membership.tenant_id == invitation.tenant_id,
            Membership.user_id == user_id,
            Membership.role_key.is_not_distinct_from(invitation.role_key),
            Membership.role_id.is_not_distinct_from(invitation.role_id),
        )
        .with_for_update()
    ).one_or_none()


def active_managers() -> int:
    """How many there are, locked until the transaction ends: two who end each other's role take turns."""
    query = (
        select(Membership.id)
        .join(Account, Account.id == Membership.user_id)
        .where(Membership.role_key == MANAGER, Membership.status == ACTIVE, Account.active.is_(True))
    )
    return len(db.session.scalars(query.order_by(Membership.id).with_for_update(of=Membership)).all())


def has_manager(tenant_id: int) -> bool:
    """Whether anybody runs the company, or is invited to; in the platform's scope."""
    manager = select(Membership.id).where(
        Membership.tenant_id == tenant_id, Membership.role_key == MANAGER, Membership.status == ACTIVE
    )
    invited = select(Invitation.id).where(
        Invitation.tenant_id == tenant_id, Invitation.role_key == MANAGER, Invitation.state == PENDING
    )
    return bool(db.session.scalar(select(or_(manager.exists(), invited.exists()))))


def managers_of(tenant_id: int) -> Sequence[Membership]:
    """Who runs a company; in the platform's scope."""
    return db.session.scalars(
        select(Membership)
        .where(Membership.tenant_id == tenant_id, Membership.role_key == MANAGER, Membership.status == ACTIVE)
        .options(joinedload(Membership.person), joinedload(Membership.user))
        .order_by(Membership.id)
    ).all()


def invited_managers_of(tenant_id: int) -> Sequence[Invitation]:
    """Who is to run a company and has not accepted yet, the expired ones as well; in the platform's scope."""
    return db.session.scalars(
        select(Invitation)
        .where(
            Invitation.tenant_id == tenant_id, Invitation.role_key == MANAGER, Invitation.status == PENDING
        )
        .order_by(Invitation.id)
    ).all()


def tutor_seats(tenant_id: int | None = None) -> int:
    """Tutors there are and tutors who were invited, of the tenant in scope or, in the platform's scope, of
    the one named; whoever asks next waits until the transaction ends."""
    tenant_id = scope.tenant_id() if tenant_id is None else tenant_id
    db.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:mark, 4))"),
        {"mark": f"tutor seats|{tenant_id}"},
    )
    members = (
        select(func.count())
        .select_from(Membership)
        .where(Membership.tenant_id == tenant_id, Membership.role_key == TUTOR, Membership.status == ACTIVE)
    )
    invited = (
        select(func.count())
        .select_from(Invitation)
        .where(Invitation.tenant_id == tenant_id, Invitation.role_key == TUTOR, Invitation.state == PENDING)
    )
    return int(db.session.scalar(members) or 0) + int(db.session.scalar(invited) or 0)
