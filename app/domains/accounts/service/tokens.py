"""Tokens of the API: short access tokens (JWT, RFC 7519) and refresh tokens that rotate.

A refresh token is used once; using it again after a short grace means that two hold it, so the whole
sign-in ends (RFC 9700, 4.14.2). Within the grace (two tabs at once) the repeat gets the same
successor, which is derived from the token and our key and so needs no storing.
"""

from __future__ import annotations

import datetime as dt
import secrets
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from app.core import clock, security_log, signing
from app.core.db import db
from app.core.events import announce
from app.domains.accounts import events, policies, queries
from app.domains.accounts.errors import TokenRefused
from app.domains.accounts.models import Account, RefreshToken
from app.domains.accounts.service import signin

ALGORITHM = "EdDSA"
MAX_LENGTH = 4096


@dataclass(frozen=True)
class TokenPair:
    access_token: str
    refresh_token: str
    expires_in: int


def issue(user: Account, *, tenant_id: int | None, audience: str, device: signin.Device) -> TokenPair:
    """Sign an app in: a session, its first refresh token and an access token."""
    made = signin.start_session(
        user, kind="api", tenant_id=tenant_id, device=device, life=policies.REFRESH_TOKEN_LIFE
    )
    refresh = secrets.token_urlsafe(32)
    _keep(made.session_id, tenant_id, refresh, clock.machine_now())
    return _pair(user.id, made.session_id, audience, refresh)


@dataclass(frozen=True)
class Reused:
    """The outcome of a replay: to be committed, then answered with 401."""


def rotate(token: str, *, tenant_id: int | None, audience: str) -> TokenPair | Reused:
    """Swap a refresh token for its successor. Raises TokenRefused; returns Reused where the chain had to
    be ended, which must be committed and not rolled back by an exception."""
    found = queries.refresh_token(signin.hashed(token)) if len(token) <= MAX_LENGTH else None
    if found is None:
        raise TokenRefused
    session = queries.session_for_update(found.session_id)
    now = clock.machine_now()
    if session is None or session.ended_at is not None or session.tenant_id != tenant_id:
        raise TokenRefused
    found = queries.refresh_token(signin.hashed(token))  # as it is now that the session is locked
    if found is None or found.expires_at <= now or session.expires_at <= now:
        raise TokenRefused
    seen = queries.viewer_of_session_id(session.id, tenant_id=tenant_id, ip=None)
    if seen is None:
        raise TokenRefused
    if found.used_at is None:
        following = signing.successor(token)
        found.used_at = now
        session.expires_at = min(
            now + policies.REFRESH_TOKEN_LIFE, session.created_at + policies.API_SESSION_LIFE
        )
        session.last_seen_at = now
        _keep(session.id, tenant_id, following, now)
    elif now - found.used_at > policies.REFRESH_GRACE:
        security_log.warn("refresh token reused", account_id=session.user_id)
        signin.end_session(session.id, reason="refresh token reused")
        announce(
            events.RefreshTokenReused(tenant_id=tenant_id, user_id=session.user_id, session_id=session.id)
        )
        return Reused()
    else:
        following = _handed_out(token)
    return _pair(session.user_id, session.id, audience, following)


def _handed_out(token: str) -> str:
    """The successor that the first use got; by the former key, where the key was changed in between."""
    known = (
        following
        for following in signing.successors(token)
        if queries.refresh_token(signin.hashed(following))
    )
    return next(known, signing.successor(token))


def session_of(access_token: str, *, audience: str) -> int:
    """The session id inside an access token of ours for this host. Raises TokenRefused."""
    if len(access_token) > MAX_LENGTH:
        raise TokenRefused
    try:
        claims: dict[str, Any] = jwt.decode(
            access_token,
            _key_of(access_token),
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=audience,
            options={"require": ["exp", "iat", "aud", "iss", "sub", "sid", "typ"]},
        )
        if claims["typ"] != "access":
            raise TokenRefused
        return int(claims["sid"])
    except (jwt.PyJWTError, ValueError, TypeError):
        raise TokenRefused from None


def _key_of(access_token: str) -> Ed25519PublicKey:
    """The key of ours that it names, the present one where it names none; the header is believed in nothing
    else. Raises TokenRefused."""
    named = jwt.get_unverified_header(access_token).get("kid", signing.public_jwk()["kid"])
    found = signing.public_keys().get(str(named))
    if found is None:
        raise TokenRefused
    return found


def _keep(session_id: int, tenant_id: int | None, token: str, now: dt.datetime) -> None:
    db.session.add(
        RefreshToken(
            session_id=session_id,
            tenant_id=tenant_id,
            token_hash=signin.hashed(token),
            issued_at=now,
            expires_at=now + policies.REFRESH_TOKEN_LIFE,
        )
    )


def _pair(user_id: int, session_id: int, audience: str, refresh: str) -> TokenPair:
    now = clock.machine_now()
    claims = {
        "iss": audience,
        "aud": audience,
        "sub": str(user_id),
        "sid": session_id,
        "typ": "access",
        "jti": secrets.token_hex(8),
        "iat": now,
        "exp": now + policies.ACCESS_TOKEN_LIFE,
    }
    key = signing.access_key()
    access = jwt.encode(claims, key, algorithm=ALGORITHM, headers={"kid": signing.public_jwk()["kid"]})
    return TokenPair(access, refresh, int(policies.ACCESS_TOKEN_LIFE.total_seconds()))
