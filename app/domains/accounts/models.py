"""People and how they sign in. What belongs to a tenant says so; users and sign-ins are the platform's."""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from flask_appbuilder.security.sqla.models import User as FabUser
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
    and_,
    bindparam,
    case,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, column_property, declared_attr, mapped_column, relationship

from app.core import clock
from app.core.db import (
    Id,
    Model,
    TenantMarked,
    TenantOwned,
    Timestamped,
    UtcDateTime,
    owned_by_tenant,
    points_at,
    to_one,
)
from app.core.errors import InUse, name_constraint
from app.core.moments import moment
from app.core.rights import ACT, READ, WRITE, catalogue, right
from app.domains.accounts.errors import (
    AlreadyConnected,
    AlreadyInvited,
    AlreadyMember,
    EmailTaken,
    NotOneself,
    RoleInUse,
    RoleNameTaken,
)

MANAGER, TUTOR, STUDENT, GUARDIAN = "manager", "tutor", "student", "guardian"
TENANT_ROLES = (MANAGER, TUTOR, STUDENT, GUARDIAN)
OPEN_ROLES = (STUDENT, GUARDIAN)  # what anybody can become by registering; a role above these is given
OPERATOR, SUPPORT = "operator", "support"
ACTIVE, ENDED = "active", "ended"
PENDING, ACCEPTED, WITHDRAWN = "pending", "accepted", "withdrawn"
EXPIRED = "expired"  # never stored: an open invitation whose time is over
_NOW = bindparam("machine_now", type_=UtcDateTime, callable_=clock.machine_now)
WEB, API, VISIT = "web", "api", "visit"
VERB_NAMES = {READ: _l("Read"), WRITE: _l("Write"), ACT: _l("Act")}
KINDS = {WEB: _l("Browser"), API: _l("App"), VISIT: _l("Operator's visit")}


def role_label(role_key: str | None, role: TenantRole | None) -> LazyString | str:
    """A role in words: a system role's in the reader's language, a company's own as it is called."""
    if role is not None:
        return role.name
    return catalogue().roles[role_key].label if role_key else ""


class Account(FabUser):
    """An account that signs in: one e-mail, one account on the whole installation."""

    __tablename__ = "ab_user"
    SECRETS: ClassVar[frozenset[str]] = frozenset({"password"})
    QUIET: ClassVar[frozenset[str]] = frozenset(
        {"last_login", "login_count", "fail_login_count", "created_on", "changed_on", "username"}
    )

    platform_role: Mapped[str | None] = mapped_column(
        String(20), CheckConstraint("platform_role IN ('operator', 'support')", name="platform_role")
    )
    locale: Mapped[str | None] = mapped_column(String(10))
    timezone: Mapped[str | None] = mapped_column(String(64))
    email_verified_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    def __str__(self) -> str:
        return self.email


class Person(TenantOwned, Timestamped, Model):
    """Somebody in a company: takes part in lessons, orders and chats, with or without a login."""

    __tablename__ = "person"

    full_name: Mapped[str] = mapped_column(String(120))
    email: Mapped[str | None] = mapped_column(String(320))
    phone: Mapped[str | None] = mapped_column(String(40))
    birth_date: Mapped[dt.date | None] = mapped_column(Date)
    notes: Mapped[str | None] = mapped_column(Text)
    # How mails to them are worded and timed; None means as the company's own.
    timezone: Mapped[str | None] = mapped_column(String(64))
    locale: Mapped[str | None] = mapped_column(String(10))

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            CheckConstraint("btrim(full_name) <> ''", name="full_name"),
            Index("ix_person_tenant_id_full_name", "tenant_id", "full_name"),
        )

    def __str__(self) -> str:
        return self.full_name


class Guardianship(TenantOwned, Timestamped, Model):
    """`guardian` answers and pays for `child`."""

    __tablename__ = "guardianship"

    guardian_id: Mapped[int] = mapped_column(BigInteger)
    child_id: Mapped[int] = mapped_column(BigInteger)

    guardian: Mapped[Person] = to_one(lambda: Person, lambda: Guardianship.guardian_id)
    child: Mapped[Person] = to_one(lambda: Person, lambda: Guardianship.child_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("person", "guardian_id"),
            points_at("person", "child_id"),
            UniqueConstraint("tenant_id", "guardian_id", "child_id"),
            CheckConstraint("guardian_id <> child_id", name="not_oneself"),
            Index("ix_guardianship_tenant_id_child_id", "tenant_id", "child_id"),
        )

    def __str__(self) -> str:
        return f"{self.guardian} → {self.child}"


class TenantRole(TenantOwned, Timestamped, Model):
    """A role that a company composed itself from the rights there are."""

    __tablename__ = "role"

    name: Mapped[str] = mapped_column(String(60))
    rights: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls, UniqueConstraint("tenant_id", "name"), CheckConstraint("btrim(name) <> ''", name="name")
        )

    @property
    def rights_labels(self) -> list[str]:
        """What the role may do, in words: `Invitations (Read, Write)`."""
        found = []
        for resource in catalogue().resources.values():
            held = [
                str(VERB_NAMES[verb]) for verb in resource.verbs if right(resource.name, verb) in self.rights
            ]
            if held:
                found.append(f"{resource.label} ({', '.join(held)})")
        return found

    def __str__(self) -> str:
        return self.name


class Membership(TenantOwned, Timestamped, Model):
    """A user has a role in a tenant, as a person: a system role by key, or one of the tenant's own."""

    __tablename__ = "membership"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {ACTIVE: frozenset({ENDED}), ENDED: frozenset({ACTIVE})}

    user_id: Mapped[int] = mapped_column(Integer)
    person_id: Mapped[int] = mapped_column(BigInteger)
    role_key: Mapped[str | None] = mapped_column(String(20))
    role_id: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(10), default=ACTIVE)

    user: Mapped[Account] = relationship(
        Account,
        primaryjoin=lambda: Membership.user_id == Account.id,
        foreign_keys=lambda: [Membership.user_id],
    )
    person: Mapped[Person] = to_one(lambda: Person, lambda: Membership.person_id)
    role: Mapped[TenantRole | None] = to_one(lambda: TenantRole, lambda: Membership.role_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            ForeignKeyConstraint(["user_id"], ["ab_user.id"]),
            points_at("person", "person_id"),
            points_at("role", "role_id"),
            CheckConstraint("status IN ('active', 'ended')", name="status"),
            CheckConstraint("(role_key IS NULL) <> (role_id IS NULL)", name="one_role"),
            CheckConstraint(f"role_key IN {TENANT_ROLES!r}", name="role_key"),
            Index(
                "uq_membership_role",
                "tenant_id",
                "user_id",
                "role_key",
                "role_id",
                unique=True,
                postgresql_nulls_not_distinct=True,
            ),
            Index("ix_membership_user_id", "user_id"),
        )

    @property
    def email(self) -> str:
        return self.user.email

    @property
    def role_label(self) -> str:
        return str(role_label(self.role_key, self.role))

    def __str__(self) -> str:
        return f"{self.person}, {self.role_label}"


class Invitation(TenantOwned, Timestamped, Model):
    """An open door for one address. The link in the mail is signed from the id and `issue`, never stored."""

    __tablename__ = "invitation"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        PENDING: frozenset({ACCEPTED, WITHDRAWN}),
        ACCEPTED: frozenset(),
        WITHDRAWN: frozenset(),
    }
    QUIET: ClassVar[frozenset[str]] = frozenset({"state"})

    person_id: Mapped[int] = mapped_column(BigInteger)
    email: Mapped[str] = mapped_column(String(320))
    role_key: Mapped[str | None] = mapped_column(String(20))
    role_id: Mapped[int | None] = mapped_column(BigInteger)
    status: Mapped[str] = mapped_column(String(10), default=PENDING)
    issue: Mapped[int] = mapped_column(Integer, default=1)
    invited_by: Mapped[str] = mapped_column(String(200))
    sent_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    expires_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # What people are told: the status, or EXPIRED. Worked out when it is read, since nothing happens then.
    state: Mapped[str] = column_property(
        case((and_(status == PENDING, expires_at <= _NOW), EXPIRED), else_=status)
    )

    person: Mapped[Person] = to_one(lambda: Person, lambda: Invitation.person_id)
    role: Mapped[TenantRole | None] = to_one(lambda: TenantRole, lambda: Invitation.role_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("person", "person_id"),
            points_at("role", "role_id"),
            CheckConstraint("status IN ('pending', 'accepted', 'withdrawn')", name="status"),
            CheckConstraint("(role_key IS NULL) <> (role_id IS NULL)", name="one_role"),
            CheckConstraint(f"role_key IN {TENANT_ROLES!r}", name="role_key"),
            CheckConstraint("email = lower(email)", name="email"),
            Index(
                "uq_invitation_pending",
                "tenant_id",
                "email",
                unique=True,
                postgresql_where="status = 'pending'",
            ),
        )

    @property
    def is_expired(self) -> bool:
        return self.status == PENDING and self.expires_at <= clock.machine_now()

    @property
    def role_label(self) -> str:
        return str(role_label(self.role_key, self.role))

    def __str__(self) -> str:
        return self.email


class UserSession(TenantMarked, Id, Model):
    """A sign-in. Its token is known to the browser or app only; ending the row ends every copy of it."""

    __tablename__ = "user_session"
    __table_args__ = (
        CheckConstraint("kind IN ('web', 'api', 'visit')", name="kind"),
        Index("ix_user_session_user_id", "user_id"),
        Index("ix_user_session_expires_at", "expires_at"),
    )
    AUDITED = False

    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    user_id: Mapped[int] = mapped_column(Integer, ForeignKey("ab_user.id", ondelete="CASCADE"))
    tenant_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("tenant.id"))
    kind: Mapped[str] = mapped_column(String(10))
    created_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    end_reason: Mapped[str | None] = mapped_column(String(40))
    ip: Mapped[str | None] = mapped_column(String(45))
    agent: Mapped[str | None] = mapped_column(String(200))

    user: Mapped[Account] = relationship(Account, foreign_keys=lambda: [UserSession.user_id])

    def __str__(self) -> str:
        return f"{KINDS[self.kind]}, {moment(self.created_at)}"


class RefreshToken(TenantMarked, Id, Model):
    """One link of a sign-in's chain of refresh tokens; only its hash is kept."""

    __tablename__ = "refresh_token"
    AUDITED = False

    session_id: Mapped[int] = mapped_column(
        BigInteger, ForeignKey("user_session.id", ondelete="CASCADE"), index=True
    )
    tenant_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("tenant.id"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    issued_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


class HandoverTicket(TenantMarked, Id, Model):
    """Lets an operator who is signed in on the platform into one tenant's host: once, for 30 seconds."""

    __tablename__ = "handover_ticket"
    AUDITED = False

    tenant_id: Mapped[int] = mapped_column(BigInteger, ForeignKey("tenant.id"))
    user_id: Mapped[int] = mapped_column(Integer, ForeignKey("ab_user.id", ondelete="CASCADE"))
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    nonce_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    expires_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)


name_constraint("uq_ab_user_email", EmailTaken, field="email")
name_constraint("uq_ab_user_username", EmailTaken, field="email")
name_constraint("uq_membership_role", AlreadyMember)
name_constraint("uq_invitation_pending", AlreadyInvited, field="email")
name_constraint("uq_role_tenant_id_name", RoleNameTaken, field="name")
name_constraint("fk_membership_tenant_id_role_id", RoleInUse)
name_constraint("fk_invitation_tenant_id_role_id", RoleInUse)
name_constraint("fk_membership_tenant_id_person_id", InUse)
name_constraint("uq_guardianship_tenant_id_guardian_id_child_id", AlreadyConnected, field="child")
name_constraint("ck_guardianship_not_oneself", NotOneself, field="child")
