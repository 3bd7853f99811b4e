"""Reads of accounts: people, memberships, roles and invitations here, families and sign-ins beside."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import joinedload

from app.core import scope
from app.core.db import db
from app.core.errors import NotFound
from app.domains.accounts.models import (
    ACTIVE,
    MANAGER,
    PENDING,
    TUTOR,
    Account,
    Guardianship,
    Invitation,
    Membership,
    Person,
    TenantRole,
)
from app.domains.accounts.queries.family import child_of, children_of, guardianships_of, learners_for
from app.domains.accounts.queries.sessions import (
    SeenSession,
    is_live,
    refresh_token,
    session_for_update,
    sessions_of,
    ticket_for_update,
    viewer_of_session,
    viewer_of_session_id,
    viewer_who_began,
)

__all__ = [  # beside what is defined here
    "SeenSession",
    "child_of",
    "children_of",
    "guardianships_of",
    "is_live",
    "learners_for",
    "refresh_token",
    "session_for_update",
    "sessions_of",
    "ticket_for_update",
    "viewer_of_session",
    "viewer_of_session_id",
    "viewer_who_began",
]


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
