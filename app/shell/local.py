"""What a bare checkout lacks: without DATABASE_URL or REDIS_URL it uses servers of its own below VAR_DIR."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.shell import embedded
from config import Settings, load_settings

# Below VAR_DIR while the demo's world is being lived: nothing else may be at work meanwhile.
UNFINISHED_WORLD = "world.unfinished"


@contextlib.contextmanager
def local_settings(**overrides: Any) -> Iterator[Settings]:
    """The settings, completed by embedded servers and a kept secret key where the environment names none.

    Servers that this process had to start end with the block; those it found running stay.
    """
    given = load_settings(**overrides)
    completed, servers = complete(given)
    try:
        yield load_settings(**overrides, **completed)
    finally:
        if servers is not None:
            servers.stop()


def complete(settings: Settings) -> tuple[dict[str, str], embedded.Servers | None]:
    """The settings that are missing, by name, and the servers behind them (None where none are needed)."""
    missing: dict[str, str] = {}
    if "SECRET_KEY" not in settings.model_fields_set:
        missing["SECRET_KEY"] = secret_key(settings.VAR_DIR)
    wants = {"postgres": not settings.DATABASE_URL, "valkey": not settings.REDIS_URL}
    if not any(wants.values()):
        return missing, None
    servers = embedded.start(settings.VAR_DIR, only=[name for name, wanted in wants.items() if wanted])
    if wants["postgres"]:
        missing["DATABASE_URL"] = servers.app_url
        missing["MIGRATION_DATABASE_URL"] = servers.owner_url
    if wants["valkey"]:
        missing["REDIS_URL"] = servers.redis_url
    return missing, servers


def secret_key(var_dir: Path) -> str:
    """The checkout's own key, made once, so that sessions outlive a restart. Raises EmbeddedServerError."""
    try:
        return _kept_key(var_dir / "secret_key")
    except OSError as error:
        raise embedded.EmbeddedServerError(f"{error.filename}: {error.strerror}") from None


def _kept_key(file: Path) -> str:
    with contextlib.suppress(FileNotFoundError):
        if len(key := file.read_text().strip()) >= 32:
            return key
        file.unlink()  # cut short, by a full disk or by hand
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_name(f"secret_key.{secrets.token_hex(4)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(secrets.token_urlsafe(48))
    with contextlib.suppress(FileExistsError):
        os.link(fresh, file)  # of two processes at once, one wins and both read the winner's
    fresh.unlink()
    return file.read_text().strip()
