"""Stored files (attachments, pictures, receipts): `build` makes the provider that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from app.providers.storage.base import (
    FileMissing,
    FileTooLarge,
    KeyInvalid,
    StorageFull,
    StorageProvider,
    StoredFile,
    new_key,
)
from app.providers.storage.local import LocalStorage

__all__ = [
    "FileMissing",
    "FileTooLarge",
    "KeyInvalid",
    "StorageFull",
    "StorageProvider",
    "StoredFile",
    "build",
    "new_key",
]

FOLDER = "storage"  # below VAR_DIR


class StorageSettings(Protocol):
    """The settings that say where files are kept."""

    @property
    def VAR_DIR(self) -> Path: ...
    @property
    def STORAGE_PROVIDER(self) -> str: ...
    @property
    def S3_ENDPOINT_URL(self) -> str: ...
    @property
    def S3_BUCKET(self) -> str: ...
    @property
    def S3_ACCESS_KEY(self) -> str: ...
    @property
    def S3_SECRET_KEY(self) -> str: ...
    @property
    def S3_REGION(self) -> str: ...


def build(settings: StorageSettings) -> StorageProvider:
    """The provider of this installation; raises ValueError where S3 is chosen and not described."""
    if settings.STORAGE_PROVIDER == "local":
        return LocalStorage(settings.VAR_DIR / FOLDER)
    # Late, since most installations do without: the library takes its time and some 30 MB of memory.
    from app.providers.storage.s3 import S3Storage

    return S3Storage(
        endpoint_url=settings.S3_ENDPOINT_URL,
        bucket=settings.S3_BUCKET,
        access_key=settings.S3_ACCESS_KEY,
        secret_key=settings.S3_SECRET_KEY,
        region=settings.S3_REGION,
    )
