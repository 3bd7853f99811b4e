"""Cookies: names that bind them to this very host, and the signature of the one that holds the session."""

from __future__ import annotations

from flask import Flask, current_app
from flask.sessions import SecureCookieSessionInterface

from app.core.signing import SHA256_SIGNATURE, BriefSerializer


class SignedSessions(SecureCookieSessionInterface):
    """Flask's sessions, signed with HMAC-SHA-256 in place of SHA-1."""

    def __init__(self) -> None:
        self._made: tuple[object, BriefSerializer | None] = (None, None)

    def get_signing_serializer(self, app: Flask) -> BriefSerializer | None:
        """Made once for as long as the keys stay what they are, where Flask makes two for each request."""
        keys = (*app.config["SECRET_KEY_FALLBACKS"], app.config["SECRET_KEY"])
        known, made = self._made
        if known != keys:
            # The last one is what signs.
            made = BriefSerializer(
                keys, salt=self.salt, serializer=self.serializer, signer_kwargs=SHA256_SIGNATURE
            )
            self._made = (keys, made)
        return made


def is_secure() -> bool:
    """Whether people reach us over https, and cookies travel over nothing else."""
    return bool(current_app.config["SESSION_COOKIE_SECURE"])


def bound(name: str, *, secure: bool | None = None) -> str:
    """`name` with the prefix `__Host-` where cookies are secure: browsers then insist on Secure, on the
    path / and on no Domain (RFC 6265bis, 4.1.3.2)."""
    return f"__Host-{name}" if (is_secure() if secure is None else secure) else name
