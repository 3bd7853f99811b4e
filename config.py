"""Settings from the environment, validated at start. The only reader of os.environ."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(SystemExit):
    """A setting is missing or wrong; the message is one line that names it."""


class Settings(BaseSettings):
    """Every setting of an installation; `docs/operations.md` explains each to an operator."""

    model_config = SettingsConfigDict(env_prefix="", extra="ignore", case_sensitive=True, frozen=True)

    ENVIRONMENT: Literal["demo", "test", "production"] = "demo"
    SECRET_KEY: str = Field(default_factory=lambda: secrets.token_urlsafe(48), min_length=32)
    BASE_DOMAIN: str = "localhost"
    PORT: int = Field(default=8000, ge=1, le=65535)
    PUBLIC_SCHEME: Literal["http", "https"] = "http"
    PUBLIC_PORT: int | None = None
    PLATFORM_HOST_ALIASES: str = ""
    TRUSTED_PROXY_HOPS: int = Field(default=0, ge=0, le=5)

    DATABASE_URL: str = ""
    MIGRATION_DATABASE_URL: str = ""
    DATABASE_POOL_SIZE: int = Field(default=10, ge=1)
    REDIS_URL: str = ""
    VAR_DIR: Path = Path("var")

    MAIL_PROVIDER: Literal["mock", "smtp"] = "mock"
    MAIL_FROM: str = "WeMaster <no-reply@wemaster.test>"
    SMTP_HOST: str = "127.0.0.1"
    SMTP_PORT: int = 25
    SMTP_USERNAME: str = ""
    SMTP_PASSWORD: str = ""
    SMTP_SECURITY: Literal["none", "starttls", "tls"] = "starttls"

    DEFAULT_LOCALE: str = "en"
    LOG_FORMAT: Literal["console", "json"] = "json"
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    OUTBOX_LEASE_SECONDS: int = Field(default=60, ge=1)
    SCHEDULE_TICK_SECONDS: int = Field(default=5, ge=1)
    WEB_THREADS: int = Field(default=32, ge=1)

    @field_validator("DATABASE_URL", "MIGRATION_DATABASE_URL")
    @classmethod
    def _psycopg3(cls, url: str) -> str:
        """PostgreSQL only, and always through psycopg 3, whatever the URL's short form means."""
        if not url:
            return url
        scheme, separator, rest = url.partition("://")
        if not separator or scheme.split("+")[0] not in {"postgres", "postgresql"}:
            raise ValueError("must be a postgresql:// URL")
        return f"postgresql+psycopg://{rest}"

    @field_validator("REDIS_URL")
    @classmethod
    def _redis(cls, url: str) -> str:
        if url and urlsplit(url).scheme not in {"redis", "rediss", "unix"}:
            raise ValueError("must be a redis://, rediss:// or unix:// URL")
        return url

    @model_validator(mode="after")
    def _production_is_explicit(self) -> Settings:
        """What has a handy default for the demo must be said in production."""
        if self.ENVIRONMENT == "production":
            given = self.model_fields_set
            for name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "BASE_DOMAIN"):
                if name not in given:
                    raise ValueError(f"{name} must be set in production")
            if self.PUBLIC_SCHEME != "https":
                raise ValueError("PUBLIC_SCHEME must be https in production")
            if self.MAIL_PROVIDER == "mock":
                raise ValueError("MAIL_PROVIDER must be smtp in production")
        return self

    @property
    def public_port(self) -> int | None:
        """The port people see in URLs; None where it is the scheme's own."""
        port = self.PUBLIC_PORT or (None if self.ENVIRONMENT == "production" else self.PORT)
        return None if port == {"http": 80, "https": 443}[self.PUBLIC_SCHEME] else port

    @property
    def platform_hosts(self) -> frozenset[str]:
        """Host names (without a port) that answer as the operator's console."""
        names = {self.BASE_DOMAIN, *filter(None, self.PLATFORM_HOST_ALIASES.split(","))}
        if self.ENVIRONMENT != "production":
            names |= {"127.0.0.1", "[::1]"}
        return frozenset(names)

    def url_of(self, host: str, path: str = "/") -> str:
        """The public URL of a path on a host name of ours."""
        port = f":{self.public_port}" if self.public_port else ""
        return f"{self.PUBLIC_SCHEME}://{host}{port}{path}"


def load_settings(**overrides: Any) -> Settings:
    """Read and validate the environment; raises SettingsError with one line that names what is wrong."""
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"]) or "settings"
        raise SettingsError(f"configuration: {name}: {first['msg']}") from None
