"""What a checkout without any configuration is given."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.shell import embedded, local
from config import load_settings
from tests.support.databases import Database


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENVIRONMENT"):
        monkeypatch.delenv(name, raising=False)


def test_the_secret_key_is_made_once_and_is_private(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: local.secret_key(tmp_path / "var"), range(8)))
    assert len(keys) == 1
    assert len(keys.pop()) >= 32
    assert [file.name for file in (tmp_path / "var").iterdir()] == ["secret_key"]
    assert (tmp_path / "var" / "secret_key").stat().st_mode & 0o777 == 0o600


def test_a_broken_secret_key_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("short")
    assert len(local.secret_key(tmp_path)) >= 32


def test_nothing_is_started_where_everything_is_given(database: Database, tmp_path: Path) -> None:
    given = load_settings(
        DATABASE_URL=database.app_url, REDIS_URL=database.redis_url, SECRET_KEY="k" * 40, VAR_DIR=tmp_path
    )
    assert local.complete(given) == ({}, None)
    assert list(tmp_path.iterdir()) == []


def test_a_given_database_is_kept_beside_an_embedded_valkey(database: Database, tmp_path: Path) -> None:
    with local.local_settings(DATABASE_URL=database.app_url, VAR_DIR=tmp_path) as settings:
        assert settings.DATABASE_URL == database.app_url
        assert settings.MIGRATION_DATABASE_URL == ""
        assert settings.REDIS_URL == f"unix://{tmp_path}/run/valkey.sock?db=0"
        assert not (tmp_path / "postgres").exists()


def test_what_was_running_stays_running(tmp_path: Path) -> None:
    servers = embedded.start(tmp_path, durable=False)
    try:
        with local.local_settings(VAR_DIR=tmp_path) as settings:
            assert settings.DATABASE_URL == servers.app_url
            assert settings.MIGRATION_DATABASE_URL == servers.owner_url
        assert servers.dead() == []
    finally:
        servers.stop()
