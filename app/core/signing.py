"""Signed things: links in mails, the successor of a refresh token, and the key of our access tokens.

All keys are derived from SECRET_KEY (HKDF, RFC 5869), one per purpose, so there is one secret to
keep and to rotate.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import current_app
from flask_babel import lazy_gettext as _l
from itsdangerous import BadData, TimestampSigner, URLSafeTimedSerializer

from app.core import clock
from app.core.errors import DomainError

# How itsdangerous signs for us; by itself it would take SHA-1.
SHA256_SIGNATURE = {"key_derivation": "hmac", "digest_method": hashlib.sha256}


class LinkDead(DomainError):
    code, status = "link_dead", 410
    message = _l("This link does not work any more. It may have been used, or it is too old.")


def derived(purpose: str) -> bytes:
    """A 32 byte key of its own for one purpose."""
    secret = str(current_app.config["SECRET_KEY"]).encode()
    return HKDF(SHA256(), length=32, salt=None, info=f"wemaster {purpose}".encode()).derive(secret)


def sign(purpose: str, payload: Any) -> str:
    """A URL-safe token for a mail; it holds ids only and says when it was made."""
    return _serializer(purpose).dumps(payload)


def read(purpose: str, token: str, *, max_age: int) -> Any:
    """The payload of `sign`, at most `max_age` seconds old. Raises LinkDead."""
    try:
        return _serializer(purpose).loads(token, max_age=max_age)
    except BadData:
        raise LinkDead from None


class _MachineTime(TimestampSigner):
    def get_timestamp(self) -> int:
        return int(clock.machine_now().timestamp())


def _serializer(purpose: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(
        derived(f"link {purpose}"), salt=purpose, signer=_MachineTime, signer_kwargs=SHA256_SIGNATURE
    )


def successor(token: str) -> str:
    """The one refresh token that may follow `token`; nobody without our key can compute it."""
    digest = hmac.new(derived("refresh successor"), token.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def fingerprint(*parts: object) -> str:
    """A short keyed digest, e.g. of a password's hash: a link that carries it dies when that changes."""
    text = "\x1f".join(str(part) for part in parts)
    return hmac.new(derived("fingerprint"), text.encode(), hashlib.sha256).hexdigest()[:32]


def access_key() -> Ed25519PrivateKey:
    """The key that signs access tokens (EdDSA, RFC 8037)."""
    return Ed25519PrivateKey.from_private_bytes(derived("access tokens"))


def public_jwk() -> dict[str, str]:
    """Its public half as a JWK (RFC 8037) whose `kid` is the RFC 7638 thumbprint."""
    raw = access_key().public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    thumb = hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest()
    kid = base64.urlsafe_b64encode(thumb).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig"}
