"""Passwords are hashed lightly here: argon2 is slow on purpose, and the suite signs in some thousand times."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher


@pytest.fixture(scope="session", autouse=True)
def _light_hashes() -> Iterator[PasswordHasher]:
    """The house's own hasher, which nobody uses meanwhile."""
    from app.domains.accounts.service import passwords

    light, real = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), passwords._hasher
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_hasher", light)
        patch.setattr(passwords, "_NOBODY", light.hash("nobody has this password"))
        yield real


@pytest.fixture
def real_hashes(_light_hashes: PasswordHasher, monkeypatch: pytest.MonkeyPatch) -> PasswordHasher:
    """For tests of the hashes themselves: as they are in production."""
    from app.domains.accounts.service import passwords

    monkeypatch.setattr(passwords, "_hasher", _light_hashes)
    monkeypatch.setattr(passwords, "_NOBODY", _light_hashes.hash("nobody has this password"))
    return _light_hashes
