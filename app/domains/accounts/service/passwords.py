"""Password hashes: argon2id (RFC 9106) by argon2-cffi's own parameters."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

_hasher = PasswordHasher()
# Checked where there is no account, so that an unknown address costs the same time as a known one.
_NOBODY = _hasher.hash("nobody has this password")
_published: dict[str, str] = {}


def is_published(password: str) -> bool:
    """Whether everybody may know it: the demo's logins keep no rules of passwords."""
    return password in _published


def hash_password(password: str) -> str:
    return _published.get(password) or _hasher.hash(password)


@contextmanager
def published(passwords: Collection[str]) -> Iterator[None]:
    """Within the block these passwords, which everybody may know, are hashed once for all who have them: a
    demo makes hundreds of accounts."""
    _published.update({password: _hasher.hash(password) for password in passwords})
    try:
        yield
    finally:
        _published.clear()


def matches(stored: str | None, password: str) -> bool:
    """Constant work whether or not there is a stored hash."""
    try:
        return _hasher.verify(stored or _NOBODY, password) and stored is not None
    except (VerificationError, InvalidHashError):
        return False


def needs_new_hash(stored: str) -> bool:
    """Whether it was made with other parameters than are usual now. Raises InvalidHashError."""
    return _hasher.check_needs_rehash(stored)
