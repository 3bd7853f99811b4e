"""Signed things: links in mails, the successor of a refresh token, and the key of our access tokens.

All keys are derived from SECRET_KEY (HKDF, RFC 5869), one per purpose, so there is one secret to
keep and to rotate. What one of SECRET_KEY_FALLBACKS signed is still read; nothing new is signed with it.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from flask import current_app
from flask_babel import lazy_gettext as _l
from itsdangerous import BadData, Serializer, TimestampSigner, URLSafeTimedSerializer
from itsdangerous.encoding import base64_encode

from app.core import clock
from app.core.errors import DomainError

_ACCESS_TOKENS = "access tokens"
# How itsdangerous signs for us; by itself it would take SHA-1.
SHA256_SIGNATURE = {"key_derivation": "hmac", "digest_method": hashlib.sha256}


# Bytes below which a signed text is not compressed. It would hardly become shorter, and itsdangerous has to
# try to find that out: twice in the page of each new visitor.
BRIEF = 400


class BriefSerializer(URLSafeTimedSerializer):
    """Reads all that itsdangerous's own writes, and the other way round."""

    def dump_payload(self, obj: Any) -> bytes:
        plain = Serializer.dump_payload(self, obj)
        return base64_encode(plain) if len(plain) < BRIEF else super().dump_payload(obj)


class LinkDead(DomainError):
    code, status = "link_dead", 410
    message = _l("This link does not work any more. It may have been used, or it is too old.")


def derived(purpose: str) -> bytes:
    """A 32 byte key of its own for one purpose."""
    return _derived(current_app.config["SECRET_KEY"], purpose)


def _all_derived(purpose: str) -> list[bytes]:
    """The present key first, then those that are still read."""
    config = current_app.config
    secrets: list[str] = [config["SECRET_KEY"], *config["SECRET_KEY_FALLBACKS"]]
    return [_derived(secret, purpose) for secret in secrets]


@lru_cache(maxsize=64)
def _derived(secret: str, purpose: str) -> bytes:
    info = f"wemaster {purpose}".encode()
    return HKDF(SHA256(), length=32, salt=None, info=info).derive(secret.encode())


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
        _all_derived(f"link {purpose}")[::-1],  # itsdangerous signs with the last
        salt=purpose,
        signer=_MachineTime,
        signer_kwargs=SHA256_SIGNATURE,
    )


def successor(token: str) -> str:
    """The one refresh token that may follow `token`; nobody without our key can compute it."""
    return successors(token)[0]


def successors(token: str) -> list[str]:
    """The same by each key, the present one's first: one of them was handed out already."""
    digests = [_digest(key, token) for key in _all_derived("refresh successor")]
    return [base64.urlsafe_b64encode(digest).rstrip(b"=").decode() for digest in digests]


def fingerprint(*parts: object) -> str:
    """A short keyed digest, e.g. of a password's hash: a link that carries it dies when that changes."""
    return _fingerprints(parts)[0]


def is_fingerprint(mark: object, *parts: object) -> bool:
    """Whether `mark` is the fingerprint of these parts, by any of the keys."""
    return any(hmac.compare_digest(str(mark).encode(), known.encode()) for known in _fingerprints(parts))


def _fingerprints(parts: tuple[object, ...]) -> list[str]:
    text = "\x1f".join(str(part) for part in parts)
    return [_digest(key, text).hex()[:32] for key in _all_derived("fingerprint")]


def _digest(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def access_key() -> Ed25519PrivateKey:
    """The key that signs access tokens (EdDSA, RFC 8037)."""
    return _pair(derived(_ACCESS_TOKENS))[0]


def public_keys() -> dict[str, Ed25519PublicKey]:
    """The public halves of the keys whose access tokens are accepted, by their `kid`."""
    return {jwk["kid"]: key for _private, key, jwk in map(_pair, _all_derived(_ACCESS_TOKENS))}


def public_jwk() -> Mapping[str, str]:
    """The public half of the key that signs."""
    return _pair(derived(_ACCESS_TOKENS))[2]


def public_jwks() -> list[dict[str, str]]:
    """Those of all keys whose access tokens are accepted, the one that signs first."""
    return [dict(_pair(raw)[2]) for raw in _all_derived(_ACCESS_TOKENS)]


@lru_cache(maxsize=16)
def _pair(raw: bytes) -> tuple[Ed25519PrivateKey, Ed25519PublicKey, Mapping[str, str]]:
    """A key with its public half, and that as a JWK. Each request of the API asks: made once."""
    private = Ed25519PrivateKey.from_private_bytes(raw)
    return private, private.public_key(), MappingProxyType(_jwk(private.public_key()))


def _jwk(key: Ed25519PublicKey) -> dict[str, str]:
    """As a JWK (RFC 8037) whose `kid` is the RFC 7638 thumbprint."""
    raw = key.public_bytes(Encoding.Raw, PublicFormat.Raw)
    x = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    thumb = hashlib.sha256(f'{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}'.encode()).digest()
    kid = base64.urlsafe_b64encode(thumb).rstrip(b"=").decode()
    return {"kty": "OKP", "crv": "Ed25519", "x": x, "kid": kid, "alg": "EdDSA", "use": "sig"}
