"""Files in a folder of this machine, one each, with the content type in a line before the content."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from app.core import clock
from app.core.outside import Breaker, ProviderUnavailable, breaker
from app.providers.storage.base import (
    NAME,
    FileMissing,
    StorageFull,
    StoredFile,
    checked_file,
    key_in_scope,
)

T = TypeVar("T")

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DRAFTS = ".drafts"
_ABANDONED_SECONDS = 3600


class LocalStorage:
    """Keeps files below one folder; see `StorageProvider` for what the verbs raise.

    A file is written beside and renamed into place, so a crash leaves at most a draft, which goes at a
    later start. The folder must be one that all processes see.
    """

    def __init__(self, folder: Path, *, guard: Breaker | None = None) -> None:
        self._folder, self._drafts = folder, folder / _DRAFTS
        # A disk needs no breaker, but what is written with this provider must work with the others, too:
        # no call inside a transaction.
        self._guard = guard or breaker(NAME)
        self._sweep()

    def put(self, key: str, data: bytes, content_type: str) -> None:
        path = self._path(key)
        checked_file(data, content_type)
        self._call(lambda: self._write(path, content_type.encode() + b"\n" + data))

    def get(self, key: str) -> StoredFile:
        path = self._path(key)
        content_type, separator, data = self._call(lambda: _read(path)).partition(b"\n")
        if not separator:
            raise ProviderUnavailable(NAME, f"{key} is damaged")
        return StoredFile(data, content_type.decode())

    def delete(self, key: str) -> None:
        path = self._path(key)
        self._call(lambda: path.unlink(missing_ok=True))

    def exists(self, key: str) -> bool:
        path = self._path(key)
        return self._call(path.is_file)

    def _path(self, key: str) -> Path:
        return self._folder / key_in_scope(key)

    def _call(self, work: Callable[[], T]) -> T:
        return self._guard.call(lambda: _translated(work))

    def _write(self, path: Path, content: bytes) -> None:
        for folder in (self._drafts, path.parent):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._drafts / secrets.token_hex(16)
        try:
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        # The name must survive a loss of power as well; that of a new folder is in the folder above.
        for folder in (path.parent, path.parent.parent, self._folder):
            _sync(folder)

    def _sweep(self) -> None:
        """Drop drafts of processes that died; what fails is left for the next start."""
        youngest = clock.machine_now().timestamp() - _ABANDONED_SECONDS
        with contextlib.suppress(OSError):
            for draft in self._drafts.iterdir():
                if draft.stat().st_mtime < youngest:
                    draft.unlink(missing_ok=True)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise FileMissing(NAME, "nothing under this key") from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _translated(work: Callable[[], T]) -> T:
    try:
        return work()
    except OSError as error:
        kind = StorageFull if error.errno in _FULL else ProviderUnavailable
        raise kind(NAME, f"{type(error).__name__}: {os.strerror(error.errno or 0)}") from error
