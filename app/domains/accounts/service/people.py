"""People of a company: persons, invitations, memberships and roles of its own."""

from __future__ import annotations

from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email
from flask_babel import lazy_gettext as _l

from app.core import clock, signing, throttle
from app.core.audit import note
from app.core.db import db
from app.core.errors import Invalid, NotFound, TooMany
from app.core.events import announce
from app.core.rights import catalogue
from app.core.signing import LinkDead
from app.core.states import move_to
from app.domains.accounts import events, policies, queries
from app.domains.accounts.errors import (
    AlreadyMember,
    InvitationClosed,
    LastManager,
    PlanTooSmall,
    TooManyInvitations,
    TooManyToAddress,
    TutorLimit,
    WrongCredentials,
)
from app.domains.accounts.models import (
    ACCEPTED,
    ACTIVE,
    ENDED,
    MANAGER,
    PENDING,
    TENANT_ROLES,
    TUTOR,
    WITHDRAWN,
    Account,
    Invitation,
    Membership,
    Person,
    TenantRole,
)
from app.domains.accounts.service.passwords import hash_password, is_published
from app.domains.accounts.service.signin import address_digest, normal_email, place_name, proves

INVITE = "invitation"


@dataclass(frozen=True)
class RoleChoice:
    """A system role by key, or one of the tenant's own by id."""

    key: str | None = None
    role: TenantRole | None = None

    def __post_init__(self) -> None:
        if (self.key is None) == (self.role is None) or (self.key and self.key not in TENANT_ROLES):
            raise Invalid(_l("Please choose a role."), field="role")

    @property
    def rights(self) -> frozenset[str]:
        return rights_of(self.key, self.role)


@dataclass(frozen=True)
class Inviter:
    """Who invites: the name that the mail shows, and the rights that can be passed on."""

    label: str
    rights: frozenset[str]


def clean_email(text: str, *, field: str = "email") -> str:
    """The normal form of an address. Raises Invalid."""
    try:
        found = validate_email(text.strip(), check_deliverability=False, test_environment=True)
    except EmailNotValidError:
        raise Invalid(_l("This is not an e-mail address."), field=field) from None
    return normal_email(found.normalized)


def invite(
    *, full_name: str, email: str, choice: RoleChoice, by: Inviter, max_tutors: int | None = None
) -> Invitation:
    """Open the door for an address and have a mail sent. Raises Invalid, AlreadyInvited, AlreadyMember,
    MoreThanHeld, TutorLimit (`max_tutors` is the plan's, None without a limit), TooManyInvitations,
    TooManyToAddress."""
    address = clean_email(email)
    policies.check_grant(choice.rights, held=by.rights)
    if choice.key == TUTOR and max_tutors is not None and queries.tutor_seats() >= max_tutors:
        raise TutorLimit(field="role")
    user = queries.user_by_email(address)
    members = queries.memberships_of_user(user.id) if user else ()
    role_id = choice.role.id if choice.role else None
    if any((m.role_key, m.role_id) == (choice.key, role_id) for m in members):
        raise AlreadyMember(field="email")
    known = [members[0].person] if members else queries.persons_with_email(address)
    # Whoever has the address is the one invited; two who share it (siblings) can't be told apart.
    person = known[0] if len(known) == 1 else Person(full_name=full_name.strip(), email=address)
    db.session.add(person)
    db.session.flush()  # the invitation's key points at it
    invitation = Invitation(
        person_id=person.id,
        email=address,
        role_key=choice.key,
        role_id=role_id,
        status=PENDING,
        issue=1,
        invited_by=by.label,
        expires_at=clock.machine_now() + policies.INVITATION_LIFE,
    )
    db.session.add(invitation)
    note(invitation, "invited")
    db.session.flush()  # its id goes into the event
    _count_mail(invitation)
    announce(events.PersonInvited(tenant_id=person.tenant_id, invitation_id=invitation.id))
    return invitation


def send_again(invitation: Invitation, *, by_rights: frozenset[str], max_tutors: int | None = None) -> None:
    """Mail a fresh link, also where the former one expired; that one is dead. Raises InvitationClosed,
    MoreThanHeld, TutorLimit (an expired one holds no seat), TooManyInvitations, TooManyToAddress."""
    invitation = _open_invitation(invitation.id)
    policies.check_grant(_rights(invitation), held=by_rights)
    needs_seat = invitation.role_key == TUTOR and invitation.is_expired
    if needs_seat and max_tutors is not None and queries.tutor_seats() >= max_tutors:
        raise TutorLimit
    _count_mail(invitation)
    invitation.issue += 1
    invitation.expires_at = clock.machine_now() + policies.INVITATION_LIFE
    note(invitation, "invited again")
    announce(events.PersonInvited(tenant_id=invitation.tenant_id, invitation_id=invitation.id))


def _count_mail(invitation: Invitation) -> None:
    """Per company, whoever of it invites; per address in one company only, since a limit that companies
    share would tell one what another does."""
    place = f"invitations of {invitation.tenant_id}"
    try:
        throttle.spend(place, policies.INVITATIONS_PER_COMPANY)
    except TooMany as error:
        raise TooManyInvitations(**error.data) from None
    try:
        throttle.spend(f"{place} to {address_digest(invitation.email)}", policies.INVITATIONS_PER_ADDRESS)
    except TooMany as error:
        raise TooManyToAddress(field="email", **error.data) from None


def withdraw(invitation: Invitation, *, by_rights: frozenset[str]) -> None:
    """Close the door again. Raises InvitationClosed, MoreThanHeld."""
    invitation = _open_invitation(invitation.id)
    policies.check_grant(_rights(invitation), held=by_rights)
    move_to(invitation, WITHDRAWN)
    note(invitation, "withdrawn")


def invitation_token(invitation: Invitation) -> str:
    """For the mail; bound to this issue of this invitation."""
    return signing.sign(INVITE, [invitation.tenant_id, invitation.id, invitation.issue])


def invitation_of_token(token: str, *, tenant_id: int) -> Invitation:
    """The open invitation behind a link. Raises LinkDead, also on another tenant's host."""
    life = int(policies.INVITATION_LIFE.total_seconds())
    place, invitation_id, issue = signing.read(INVITE, token, max_age=life)
    if place != tenant_id:
        raise LinkDead
    try:
        invitation = queries.invitation(invitation_id)
    except NotFound:
        raise LinkDead from None
    if invitation.tenant_id != tenant_id or invitation.issue != issue or invitation.status != PENDING:
        raise LinkDead
    if invitation.expires_at <= clock.machine_now():  # a mail that went out late has a younger token
        raise LinkDead
    return invitation


def accept(invitation: Invitation, *, full_name: str, password: str) -> Account:
    """Join the company, with a new account or the one that the address has already (`password` proves it).

    Runs in the platform's scope, since accounts are the platform's. Raises WeakPassword,
    WrongCredentials, InvitationClosed.
    """
    invitation = _open_invitation(invitation.id)
    person = queries.person(invitation.person_id)
    user = queries.user_by_email(invitation.email)
    if user is None:
        user = new_user(invitation.email, full_name, password, tenant_id=invitation.tenant_id)
        if full_name.strip():
            person.full_name = full_name.strip()
    elif not proves(user, password):
        raise WrongCredentials(field="password")
    elif user.email_verified_at is None:
        user.email_verified_at = clock.machine_now()
    adopt_preferences(person, user)
    _join(invitation, user, person)
    move_to(invitation, ACCEPTED)
    note(invitation, "accepted")
    announce(events.InvitationAccepted(tenant_id=invitation.tenant_id, invitation_id=invitation.id))
    return user


def adopt_preferences(person: Person, user: Account, *, locale: str | None = None) -> None:
    """Mails to a person come in the language and the zone of their account, unless theirs are known."""
    person.locale = person.locale or user.locale or locale
    person.timezone = person.timezone or user.timezone


def _join(invitation: Invitation, user: Account, person: Person) -> None:
    """A new membership, or the one that was taken away before. Raises AlreadyMember for one in force."""
    former = queries.membership_of(invitation, user.id)
    if former is None:
        db.session.add(
            Membership(
                tenant_id=invitation.tenant_id,
                user_id=user.id,
                person=person,
                role_key=invitation.role_key,
                role=invitation.role,
                status=ACTIVE,
            )
        )
    elif former.status == ACTIVE:
        raise AlreadyMember
    else:
        move_to(former, ACTIVE)
        note(former, "restored")


def end_membership(membership: Membership, *, by_rights: frozenset[str]) -> None:
    """Take a role away; it holds from the next request. Raises LastManager, MoreThanHeld."""
    # All managers are locked before this one is, so that two ends of two managers can't block each other.
    managers = queries.active_managers() if membership.role_key == MANAGER else 0
    membership = queries.membership_for_update(membership.id)
    policies.check_grant(_rights(membership), held=by_rights)
    if membership.role_key == MANAGER and membership.status == ACTIVE and managers <= 1:
        raise LastManager
    move_to(membership, ENDED)
    note(membership, "ended")


def restore_membership(
    membership: Membership, *, by_rights: frozenset[str], max_tutors: int | None = None
) -> None:
    """Give a role back. Raises MoreThanHeld, TutorLimit."""
    membership = queries.membership_for_update(membership.id)
    policies.check_grant(_rights(membership), held=by_rights)
    if membership.role_key == TUTOR and max_tutors is not None and queries.tutor_seats() >= max_tutors:
        raise TutorLimit
    move_to(membership, ACTIVE)
    note(membership, "restored")


def check_plan(tenant_id: int, *, max_tutors: int | None) -> None:
    """Whether a plan has room for a company's tutors; in the platform's scope. Raises PlanTooSmall."""
    if max_tutors is not None and queries.tutor_seats(tenant_id) > max_tutors:
        raise PlanTooSmall(field="plan")


def compose_role(role: TenantRole, *, name: str, rights: list[str], by_rights: frozenset[str]) -> TenantRole:
    """Say what a new or known role is called and may do. Raises MoreThanHeld, RoleNameTaken, Invalid."""
    if not name.strip():
        raise Invalid(_l("Please give the role a name."), field="name")
    if not rights:
        raise Invalid(_l("Please choose at least one right."), field="rights")
    policies.check_grant(rights, held=by_rights)
    policies.check_grant(role.rights or (), held=by_rights)
    role.name, role.rights = name.strip(), sorted(set(rights))
    db.session.add(role)
    db.session.flush()  # a name that is taken is refused here, at the field
    return role


def delete_role(role: TenantRole, *, by_rights: frozenset[str]) -> None:
    """Raises RoleInUse while somebody has it, MoreThanHeld."""
    policies.check_grant(role.rights, held=by_rights)
    db.session.delete(role)
    db.session.flush()  # the keys that point at it refuse here


def rights_of(role_key: str | None, role: TenantRole | None) -> frozenset[str]:
    """What a role gives in a tenant."""
    if role is not None:
        return catalogue().of_own(role.rights)
    return catalogue().of_role(role_key or "")


def _rights(place: Membership | Invitation) -> frozenset[str]:
    role = queries.role(place.role_id) if place.role_id else None
    return rights_of(place.role_key, role)


def _open_invitation(invitation_id: int) -> Invitation:
    invitation = queries.invitation_for_update(invitation_id)
    if invitation.status != PENDING:
        raise InvitationClosed
    return invitation


def new_user(email: str, full_name: str, password: str, *, tenant_id: int | None = None) -> Account:
    """An account whose address was proved by a link, made on a tenant's host or the platform's. Raises
    Invalid, WeakPassword."""
    name = full_name.strip()
    if not name:
        raise Invalid(_l("Please tell us your name."), field="full_name")
    if not is_published(password):
        policies.check_password(password, email=email, words=(name, place_name(tenant_id)))
    user = Account(
        first_name=name[:64],
        last_name="",
        username=email,
        email=email,
        password=hash_password(password),
        active=True,
        email_verified_at=clock.machine_now(),
    )
    db.session.add(user)
    db.session.flush()  # the membership needs its id
    return user


def make_platform_user(*, email: str, full_name: str, password: str, role: str) -> Account:
    """An account of the platform's own staff; called from the command line and the seed."""
    user = new_user(clean_email(email), full_name, password)
    user.platform_role = role
    return user
