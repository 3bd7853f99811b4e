"""Stored files: their keys, what every provider promises, and which refusals there are."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Protocol

from flask_babel import lazy_gettext as _l

from app.core import scope
from app.core.errors import Invalid
from app.core.outside import ProviderDeferred, ProviderRefused

NAME = "storage"
LARGEST_FILE = 25_000_000

_KEY = re.compile(r"t(?P<tenant>[1-9][0-9]{0,17})/[a-z][a-z0-9-]{0,39}/[0-9a-f]{32}", re.ASCII)
_CONTENT_TYPE = re.compile(r"[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}(; charset=utf-8)?", re.ASCII)


class KeyInvalid(Invalid):
    """Not a key that `new_key` can have made, or not one of the tenant in scope."""

    code, message = "storage_key_invalid", _l("There is no such file.")


class FileTooLarge(Invalid):
    code, status = "file_too_large", 413
    message = _l("This file is too large to be kept.")


class FileMissing(ProviderRefused):
    """The provider is well and has nothing under this key."""

    code, status, message = "file_missing", 404, _l("This file is not there any more.")


class StorageFull(ProviderDeferred):
    """No room for another file; what is there can still be read."""

    code, status = "storage_full", 507
    message = _l("There is no room for this file right now. Please try again later.")


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it was put."""

    data: bytes
    content_type: str


class StorageProvider(Protocol):
    """A place for files. Besides what is said below each verb raises KeyInvalid or ProviderUnavailable.

    A file is there completely or not at all, and is never changed: another content gets another key.
    """

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Keep a file, durably before it returns. Again under the same key replaces it: a redelivery does no
        harm. Raises StorageFull or FileTooLarge."""

    def get(self, key: str) -> StoredFile:
        """The file; raises FileMissing."""

    def delete(self, key: str) -> None:
        """Forget the file; without a word where there is none."""

    def exists(self, key: str) -> bool:
        """Whether there is a file under the key."""


def new_key(tenant_id: int, kind: str) -> str:
    """A random key for a file of a tenant. No name that a person gave is ever part of one."""
    return _checked(f"t{tenant_id}/{kind}/{secrets.token_hex(16)}")


def key_in_scope(key: str) -> str:
    """The key if it is one and no other tenant's than that in scope; raises KeyInvalid."""
    tenant_id = int(_matched(key)["tenant"])
    present = scope.current()
    if isinstance(present, scope.TenantScope) and present.tenant_id != tenant_id:
        raise KeyInvalid()
    return key


def checked_file(data: bytes, content_type: str) -> None:
    """Raises FileTooLarge, or ValueError for a content type that is a fault of ours."""
    if len(data) > LARGEST_FILE:
        raise FileTooLarge()
    if not _CONTENT_TYPE.fullmatch(content_type):
        raise ValueError(f"not a content type: {content_type!r:.100}")


def _checked(key: str) -> str:
    _matched(key)
    return key


def _matched(key: str) -> re.Match[str]:
    found = _KEY.fullmatch(key)
    if found is None:
        raise KeyInvalid()
    return found
