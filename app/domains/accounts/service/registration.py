"""Registration: anybody becomes a student or a guardian of a company, once their address is proved.

Whoever asks learns nothing of an address: the same answer and the same work for each. What a link says
is signed, so nothing is stored until it is followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flask_babel import lazy_gettext as _l
from sqlalchemy import text

from app.core import clock, signing, throttle
from app.core.audit import note
from app.core.db import db
from app.core.errors import Invalid, TooMany
from app.core.events import announce
from app.core.signing import LinkDead
from app.domains.accounts import events, policies, queries
from app.domains.accounts.errors import MembershipEnded, WrongCredentials
from app.domains.accounts.models import ACTIVE, ENDED, OPEN_ROLES, STUDENT, Account, Membership, Person
from app.domains.accounts.service import people
from app.domains.accounts.service.signin import address_digest, proves

REGISTER = "registration"
LONGEST_NEXT = 400  # a link must fit into the request line that servers take


@dataclass(frozen=True)
class Registration:
    """What somebody asked for, as their link says it. `kind` is one of OPEN_ROLES."""

    tenant_id: int
    email: str
    full_name: str
    kind: str
    next: str
    locale: str | None


@dataclass(frozen=True)
class Standing:
    """What there is behind a link already: an account of the address, and the very place asked for."""

    has_account: bool
    is_member: bool


def request(
    *,
    full_name: str,
    email: str,
    kind: str,
    next_path: str,
    locale: str | None,
    tenant_id: int,
    ip: str | None,
) -> None:
    """Have a link mailed to the address; says nothing of it, also above the mailbox's limit.

    Raises Invalid, and TooMany per network address.
    """
    if kind not in OPEN_ROLES:
        raise Invalid(_l("Please choose one."), field="kind")
    address = people.clean_email(email)
    throttle.hit(db.engine, f"register ip {throttle.network(ip)}", policies.PER_ADDRESS)
    try:
        throttle.hit(db.engine, f"register {address_digest(address)}", policies.MAILS_PER_ACCOUNT)
    except TooMany:
        return
    announce(
        events.RegistrationRequested(
            tenant_id=tenant_id,
            email=address,
            full_name=full_name.strip(),
            kind=kind,
            next=next_path if len(next_path) <= LONGEST_NEXT else "",
            locale=locale,
        )
    )


def token_of(asked: events.RegistrationRequested) -> str:
    """For the mail; good in this company, for this address, for what was asked."""
    return signing.sign(
        REGISTER, [asked.tenant_id, asked.email, asked.full_name, asked.kind, asked.next, asked.locale]
    )


def of_token(token: str, *, tenant_id: int) -> Registration:
    """What a link asks for. Raises LinkDead, also on another tenant's host."""
    life = int(policies.REGISTRATION_LIFE.total_seconds())
    try:
        asked = Registration(*signing.read(REGISTER, token, max_age=life))
    except TypeError:  # a link of an older version of ours, which said something else
        raise LinkDead from None
    if asked.tenant_id != tenant_id or asked.kind not in OPEN_ROLES:
        raise LinkDead
    return asked


def standing(asked: Registration) -> Standing:
    """In the platform's scope, since accounts are the platform's."""
    user = queries.user_by_email(asked.email)
    if user is None:
        return Standing(has_account=False, is_member=False)
    found = queries.memberships_in(asked.tenant_id, user.id)
    return Standing(True, any((m.role_key, m.status) == (asked.kind, ACTIVE) for m in found))


def join(asked: Registration, *, full_name: str, password: str, timezone: str | None = None) -> Account:
    """Become a member, with a new account or the one that the address has already (`password` proves it).
    Whoever is one already stays one: a link that is followed twice at once joins once. A new account lives
    by the clock that was chosen while looking at free times.

    An open invitation of the address stays as it is: what it gives is above this. Runs in the platform's
    scope, since accounts are the platform's. Raises WeakPassword, WrongCredentials, MembershipEnded.
    """
    _take_turns(asked.email)
    user = queries.user_by_email(asked.email)
    if user is None:
        user = people.new_user(asked.email, full_name, password, tenant_id=asked.tenant_id)
        user.timezone = timezone
    elif not proves(user, password):
        raise WrongCredentials(field="password")
    elif user.email_verified_at is None:
        user.email_verified_at = clock.machine_now()
    members = queries.memberships_in(asked.tenant_id, user.id)
    if any((m.role_key, m.status) == (asked.kind, ACTIVE) for m in members):
        return user
    check_open(members)
    person = members[0].person if members else _person(asked, full_name or user.first_name)
    people.adopt_preferences(person, user, locale=asked.locale)
    add_member(user.id, person, asked.kind)
    return user


def learn_too(person: Person, *, user_id: int) -> None:
    """A guardian who signs in takes lessons, too. Does nothing for a student. Raises MembershipEnded."""
    queries.person(person.id, lock=True)
    members = queries.memberships_in(person.tenant_id, user_id)
    if any((m.role_key, m.status) == (STUDENT, ACTIVE) for m in members):
        return
    check_open(members)
    add_member(user_id, person, STUDENT)


def check_open(members: Sequence[Membership]) -> None:
    """A company that took such a place away is asked to give it back. Raises MembershipEnded."""
    if any(m.role_key in OPEN_ROLES and m.status == ENDED for m in members):
        raise MembershipEnded


def add_member(user_id: int, person: Person, kind: str) -> None:
    """A membership below all that is given by invitation."""
    if kind not in OPEN_ROLES:
        raise ValueError(f"nobody becomes {kind} by registering")
    member = Membership(
        tenant_id=person.tenant_id, user_id=user_id, person=person, role_key=kind, status=ACTIVE
    )
    db.session.add(member)
    note(member, "registered")
    db.session.flush()  # a new person's id goes into the event
    announce(events.PersonRegistered(tenant_id=person.tenant_id, person_id=person.id, role_key=kind))


def _person(asked: Registration, full_name: str) -> Person:
    """Whom the company knows by this address, under the name it knows, or somebody new. A child that was
    entered with its parent's address is not the parent."""
    known = queries.unclaimed_person(asked.tenant_id, asked.email, may_be_child=asked.kind == STUDENT)
    if known is not None:
        return known
    person = Person(tenant_id=asked.tenant_id, full_name=full_name.strip(), email=asked.email)
    db.session.add(person)
    return person


def _take_turns(email: str) -> None:
    """Two who follow links of one address at once do it one after the other."""
    db.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:mark, 4))"), {"mark": f"registration|{email}"}
    )
