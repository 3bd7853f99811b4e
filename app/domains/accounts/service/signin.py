"""Signing in and out with a password, and changing it."""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from dataclasses import dataclass

from sqlalchemy import update

from app.core import clock, security_log, signing, tally, throttle
from app.core.audit import note, record
from app.core.db import db
from app.core.errors import NotFound, TooMany
from app.core.events import announce
from app.core.signing import LinkDead
from app.core.transaction import after_commit
from app.domains.accounts import events, policies, queries
from app.domains.accounts.errors import EmailTaken, WrongCredentials
from app.domains.accounts.models import Account, UserSession
from app.domains.accounts.service.passwords import hash_password, matches
from app.domains.tenancy import queries as tenancy

RESET, EMAIL = "password reset", "new e-mail address"


@dataclass(frozen=True)
class Device:
    """Where a sign-in comes from."""

    ip: str | None
    agent: str | None


@dataclass(frozen=True)
class SignIn:
    """A sign-in just made, and the token that only the browser or app will know."""

    session_id: int
    token: str


def hashed(token: str) -> bytes:
    """What is stored of a random token; its own entropy makes salt and slowness needless."""
    return hashlib.sha256(token.encode()).digest()


def normal_email(text: str) -> str:
    """Lower case, not case-folded: that makes `ss` of `ß`, which is another mailbox."""
    return text.strip().lower()


def count_attempt(email: str, ip: str | None) -> None:
    """Before the password is looked at. Raises TooMany per account and per address."""
    try:
        throttle.hit(db.engine, f"signin ip {throttle.network(ip)}", policies.PER_ADDRESS)
        throttle.hit(db.engine, _account_key(email), policies.PER_ACCOUNT)
    except TooMany:
        tally.add(tally.SIGN_INS, "throttled")
        raise


def authenticate(email: str, password: str, *, tenant_id: int | None) -> Account:
    """The account behind address and password, if it may sign in here. Raises WrongCredentials, with the
    same wording and the same work for an unknown address."""
    user = queries.user_by_email(normal_email(email))
    right = matches(user.password if user else None, password)
    if user is None or not right:
        raise _refused(user, "wrong password" if user else "no such account")
    if not user.active:
        raise _refused(user, "closed account")
    if not queries.has_place(user.id, tenant_id, user.platform_role):
        raise _refused(user, "no place here")
    after_commit(lambda: tally.add(tally.SIGN_INS, "ok"))
    # After the commit: a second connection in the middle of a transaction is how pools run dry.
    after_commit(lambda: throttle.clear(db.engine, _account_key(email)))
    return user


def strengthen(user: Account, password: str) -> None:
    """Hash the right password anew with the parameters of today; in the platform's scope. Past the audit
    trail: it is the same password. Links that were mailed before die by it, as with a new one."""
    db.session.execute(
        update(Account)
        .where(Account.id == user.id, Account.password == user.password)
        .values(password=hash_password(password))
        .execution_options(synchronize_session=False)
    )


def proves(user: Account, password: str) -> bool:
    """Whether it is the password of this account, which is open. The log hears of a wrong one."""
    if matches(user.password, password) and user.active:
        return True
    _refused(user, "wrong password" if user.active else "closed account")
    return False


def _refused(user: Account | None, reason: str) -> WrongCredentials:
    """To be raised. Only the log is told why."""
    tally.add(tally.SIGN_INS, "wrong")
    security_log.warn("sign-in refused", reason=reason, account_id=user.id if user else None)
    return WrongCredentials()


def start_session(
    user: Account, *, kind: str, tenant_id: int | None, device: Device, life: dt.timedelta
) -> SignIn:
    """Sign the account in here."""
    token, user_id = secrets.token_urlsafe(32), user.id
    now = clock.machine_now()
    session = UserSession(
        token_hash=hashed(token),
        user_id=user_id,
        tenant_id=tenant_id,
        kind=kind,
        created_at=now,
        last_seen_at=now,
        expires_at=now + life,
        ip=device.ip,
        agent=(device.agent or "")[:200] or None,
    )
    db.session.add(session)
    db.session.flush()  # its id is what access tokens and refresh tokens refer to
    after_commit(lambda: security_log.tell("signed in", kind=kind, account_id=user_id, tenant_id=tenant_id))
    return SignIn(session.id, token)


def end_session(session_id: int, *, reason: str) -> None:
    """End one sign-in: every copy of its cookie or token is dead from the next request."""
    _end(UserSession.id == session_id, reason)


def end_for_somebody(session: UserSession) -> None:
    """Sign somebody's device out from the admin; whose it was stands in the trail."""
    end_session(session.id, reason="ended in the admin")
    # An operator on a visit is no member: in the company's scope that account can't be read.
    record(db.session(), session, "signed out", label=str(session.user or session))


def end_session_of_token(token: str, *, reason: str) -> None:
    """End the sign-in that a browser's token stands for, if it is one."""
    _end(UserSession.token_hash == hashed(token), reason)


def end_sessions_of(user_id: int, *, reason: str, but: int | None = None) -> None:
    """End all sign-ins of an account, everywhere, except one."""
    _end(UserSession.user_id == user_id, reason, but)


def _end(criterion: object, reason: str, but: int | None = None) -> None:
    statement = update(UserSession).where(criterion, UserSession.ended_at.is_(None))  # type: ignore[arg-type]
    if but is not None:
        statement = statement.where(UserSession.id != but)
    ended = db.session.execute(
        statement.values(ended_at=clock.machine_now(), end_reason=reason)
        .returning(UserSession.user_id)
        .execution_options(synchronize_session=False)
    ).scalars()
    for user_id in ended.all():
        security_log.tell("signed out", reason=reason, account_id=user_id)


def note_seen(session_id: int) -> None:
    db.session.execute(
        update(UserSession)
        .where(UserSession.id == session_id)
        .values(last_seen_at=clock.machine_now())
        .execution_options(synchronize_session=False)
    )


def request_reset(email: str, *, tenant_id: int | None, ip: str | None) -> None:
    """Have a link mailed if there is such an account here; says nothing either way, also above the limit.

    The same work for every address, so that the time it takes tells nothing: the account is looked up
    when the mail is to be sent. Raises TooMany per network address.
    """
    throttle.hit(db.engine, f"reset ip {throttle.network(ip)}", policies.PER_ADDRESS)
    address = normal_email(email)
    try:
        throttle.hit(db.engine, f"reset {address_digest(address)}", policies.MAILS_PER_ACCOUNT)
    except TooMany:
        return
    announce(events.PasswordResetRequested(tenant_id=tenant_id, email=address))


def user_to_reset(email: str, *, tenant_id: int | None) -> Account | None:
    """Who gets a link for this address in this place."""
    user = queries.user_by_email(email)
    if user is None or not user.active or not queries.has_place(user.id, tenant_id, user.platform_role):
        return None
    return user


def reset_token(user: Account, tenant_id: int | None) -> str:
    """For the mail. Dies with the password or the address it was made for."""
    return signing.sign(RESET, [user.id, tenant_id, signing.fingerprint(user.password, user.email)])


def user_of_reset_token(token: str, *, tenant_id: int | None, lock: bool = False) -> Account:
    """Raises LinkDead, also on another tenant's host and after the password was changed."""
    user_id, place, mark = signing.read(RESET, token, max_age=int(policies.RESET_LIFE.total_seconds()))
    return _of_token(user_id, place == tenant_id, mark, lock=lock)


def _of_token(user_id: int, in_place: bool, mark: str, *, lock: bool = False) -> Account:
    try:
        user = queries.user(user_id, lock=lock)
    except NotFound:
        raise LinkDead from None
    if not in_place or not user.active or not signing.is_fingerprint(mark, user.password, user.email):
        raise LinkDead
    return user


def change_password(user: Account, password: str, *, tenant_id: int | None, keep_session: int | None) -> None:
    """Set a new password and end all other sign-ins. Raises WeakPassword."""
    policies.check_password(password, email=user.email, words=(user.first_name, place_name(tenant_id)))
    user.password = hash_password(password)
    note(user, "password changed")
    end_sessions_of(user.id, reason="password changed", but=keep_session)
    announce(events.PasswordChanged(tenant_id=tenant_id, user_id=user.id))


def place_name(tenant_id: int | None) -> str:
    """The company's name; the platform's is the product's."""
    return "" if tenant_id is None else tenancy.tenant(tenant_id).name


def request_email_change(user: Account, new_email: str, *, tenant_id: int | None) -> None:
    """Have a link mailed to the new address; nothing changes until it is followed. Above the limit no
    mail goes out and nothing is said: a session must not become a way to flood strangers."""
    try:
        throttle.hit(db.engine, f"new address account {user.id}", policies.MAILS_PER_ACCOUNT)
    except TooMany:
        return
    announce(
        events.EmailChangeRequested(tenant_id=tenant_id, user_id=user.id, new_email=normal_email(new_email))
    )


def email_token(user: Account, new_email: str) -> str:
    return signing.sign(EMAIL, [user.id, new_email, signing.fingerprint(user.password, user.email)])


def check_email_token(token: str, *, lock: bool = False) -> tuple[Account, str]:
    """The account and the new address behind a link. Raises LinkDead."""
    life = int(policies.EMAIL_CHANGE_LIFE.total_seconds())
    user_id, new_email, mark = signing.read(EMAIL, token, max_age=life)
    return _of_token(user_id, True, mark, lock=lock), new_email


def change_email_by_token(token: str, *, tenant_id: int | None) -> Account:
    """The holder of the link has proved the new address: all sign-ins end and the old address is told.

    Raises LinkDead, EmailTaken.
    """
    user, new_email = check_email_token(token, lock=True)
    taken = queries.user_by_email(new_email)
    if taken is not None and taken.id != user.id:
        raise EmailTaken
    former = user.email
    user.email = user.username = new_email
    user.email_verified_at = clock.machine_now()
    note(user, "e-mail address changed")
    for person in queries.persons_of_user(user.id, email=former):
        person.email = new_email
    end_sessions_of(user.id, reason="e-mail address changed")
    announce(events.EmailChanged(tenant_id=tenant_id, user_id=user.id, former_email=former))
    db.session.flush()
    return user


def record_visit(tenant: object, tenant_id: int) -> None:
    """An operator's visit stands in the tenant's own trail."""
    record(db.session(), tenant, "opened by an operator", tenant_id=tenant_id)


def _account_key(email: str) -> str:
    return f"signin account {address_digest(normal_email(email))}"


def address_digest(email: str) -> str:
    """Stands for an address where only its being the same matters."""
    return hashed(email).hex()[:32]
