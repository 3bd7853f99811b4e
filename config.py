"""Settings from the environment, validated at start. The only reader of os.environ."""

from __future__ import annotations

import contextlib
import ipaddress
import re
import secrets
import sys
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_TRANSLATIONS = Path(__file__).parent / "translations"


class SettingsError(SystemExit):
    """A setting is missing or wrong; the text is one line that names it, the exit code 2."""

    def __init__(self, text: str) -> None:
        super().__init__(2)
        self.text = text

    def __str__(self) -> str:
        return self.text


class Settings(BaseSettings):
    """Every setting of an installation; `docs/operations.md` explains each to an operator."""

    model_config = SettingsConfigDict(
        env_prefix="", env_ignore_empty=True, extra="ignore", case_sensitive=True, frozen=True
    )

    ENVIRONMENT: Literal["demo", "test", "production"] = "demo"
    SECRET_KEY: str = Field(default_factory=lambda: secrets.token_urlsafe(48), min_length=32)
    SECRET_KEY_FALLBACKS: str = ""
    BASE_DOMAIN: str = "localhost"
    BIND: str = "loopback"
    PORT: int = Field(default=8000, ge=1, le=65535)
    PUBLIC_SCHEME: Literal["http", "https"] = "http"
    PUBLIC_PORT: int | None = Field(default=None, ge=1, le=65535)
    PLATFORM_HOST_ALIASES: str = ""
    TRUSTED_PROXY_HOPS: int = Field(default=0, ge=0, le=5)

    DATABASE_URL: str = ""
    MIGRATION_DATABASE_URL: str = ""
    DATABASE_POOL_SIZE: int = Field(default=10, ge=1, le=1000)
    REDIS_URL: str = ""
    VAR_DIR: Path = Path("var")

    MAIL_PROVIDER: Literal["mock", "smtp"] = "mock"
    MAIL_FROM: str = "WeMaster <no-reply@wemaster.test>"
    SMTP_HOST: str = "127.0.0.1"
    SMTP_PORT: int = Field(default=25, ge=1, le=65535)
    SMTP_USERNAME: str = ""
    SMTP_PASSWORD: str = ""
    SMTP_SECURITY: Literal["none", "starttls", "tls"] = "starttls"

    PAYMENT_PROVIDER: Literal["mock", "stripe"] = "mock"
    STRIPE_SECRET_KEY: str = ""
    STRIPE_PUBLISHABLE_KEY: str = ""
    STRIPE_WEBHOOK_SECRET: str = ""
    STRIPE_API_BASE: str = ""
    SIMULATOR_PORT: int = Field(default=8002, ge=1, le=65535)

    STORAGE_PROVIDER: Literal["local", "s3"] = "local"
    S3_ENDPOINT_URL: str = ""
    S3_BUCKET: str = ""
    S3_ACCESS_KEY: str = ""
    S3_SECRET_KEY: str = ""
    S3_REGION: str = "us-east-1"

    DEFAULT_LOCALE: str = "en"
    SEED: str = Field(default="1", min_length=1, max_length=40)
    WORLD: Literal["whole", "small", "tiny"] = "whole"
    LOG_FORMAT: Literal["console", "json"] = "json"
    LOG_LEVEL: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    OUTBOX_LEASE_SECONDS: int = Field(default=50, ge=1, le=3600)
    SCHEDULE_TICK_SECONDS: int = Field(default=5, ge=1, le=3600)
    WEB_WORKERS: int = Field(default=1, ge=1, le=64)
    WEB_THREADS: int = Field(default=32, ge=1, le=1000)
    PAGE_CACHE_MB: int = Field(default=32, ge=0, le=4096)
    WEB_SOCKETS: Literal["serve", "apart"] = "serve"
    SOCKETS_PORT: int = Field(default=8001, ge=1, le=65535)
    METRICS_TOKEN: str = ""

    @field_validator("SECRET_KEY_FALLBACKS")
    @classmethod
    def _keys(cls, keys: str) -> str:
        if any(len(key) < 32 for key in keys.split(",") if keys):
            raise ValueError("must be former keys of 32 characters at least, separated by commas")
        return keys

    @field_validator("BASE_DOMAIN", "SMTP_HOST")
    @classmethod
    def _host(cls, name: str) -> str:
        return _host_name(name)

    @field_validator("PLATFORM_HOST_ALIASES")
    @classmethod
    def _hosts(cls, names: str) -> str:
        return ",".join(_host_name(name) for name in names.split(",") if name.strip())

    @field_validator("BIND")
    @classmethod
    def _address(cls, bind: str) -> str:
        try:
            return bind if bind == "loopback" else str(ipaddress.ip_address(bind))
        except ValueError:
            raise ValueError("must be loopback or an IP address of this machine") from None

    @field_validator("DATABASE_URL", "MIGRATION_DATABASE_URL")
    @classmethod
    def _psycopg3(cls, url: str) -> str:
        """PostgreSQL only, and always through psycopg 3, whatever the URL's short form means."""
        if not url:
            return url
        scheme, separator, rest = url.partition("://")
        if not separator or scheme.split("+")[0] not in {"postgres", "postgresql"}:
            raise ValueError("must be a postgresql:// URL")
        return _checked_database(f"postgresql+psycopg://{rest}")

    @field_validator("REDIS_URL")
    @classmethod
    def _redis(cls, url: str) -> str:
        return _checked_redis(url) if url else url

    @field_validator("METRICS_TOKEN")
    @classmethod
    def _hard_to_guess(cls, token: str) -> str:
        if token and not re.fullmatch(r"[!-~]{16,}", token):
            raise ValueError("must have at least 16 characters, and no blanks")
        return token

    @field_validator("MAIL_FROM")
    @classmethod
    def _sender(cls, text: str) -> str:
        # Late, since this reads the application's own code: the very parser that sending uses.
        from app.providers.mail.base import Mailbox, MailInvalid

        try:
            Mailbox.parse(text)
        except MailInvalid:
            raise ValueError("must be an e-mail address, or: Name <address>") from None
        return text

    @field_validator("DEFAULT_LOCALE")
    @classmethod
    def _language(cls, code: str) -> str:
        known = ["en", *sorted(folder.name for folder in _TRANSLATIONS.iterdir() if folder.is_dir())]
        if code not in known:
            raise ValueError(f"must be one of {', '.join(dict.fromkeys(known))}")
        return code

    @model_validator(mode="after")
    def _passwords_travel_encrypted(self) -> Settings:
        if self.SMTP_USERNAME and self.SMTP_SECURITY == "none":
            raise ValueError(
                "SMTP_USERNAME: needs SMTP_SECURITY starttls or tls, lest the password travel in clear"
            )
        if bool(self.SMTP_USERNAME) != bool(self.SMTP_PASSWORD):
            raise ValueError("SMTP_PASSWORD: belongs to SMTP_USERNAME; set both or neither")
        return self

    @model_validator(mode="after")
    def _providers_are_complete(self) -> Settings:
        """A provider that is chosen has all it needs: better no start than the first customer's error."""
        needed = {
            "stripe": ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRET"),
            "s3": ("S3_BUCKET", "S3_ACCESS_KEY", "S3_SECRET_KEY"),
        }
        for choice in (self.PAYMENT_PROVIDER, self.STORAGE_PROVIDER):
            for name in needed.get(choice, ()):
                if not getattr(self, name):
                    raise ValueError(f"{name}: is needed with {choice}")
        return self

    @model_validator(mode="after")
    def _production_is_explicit(self) -> Settings:
        """What has a handy default for the demo must be said in production."""
        if self.ENVIRONMENT == "production":
            given = self.model_fields_set
            for name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "BASE_DOMAIN"):
                if name not in given or not getattr(self, name):
                    raise ValueError(f"{name}: must be set in production")
            if self.PUBLIC_SCHEME != "https":
                raise ValueError("PUBLIC_SCHEME: must be https in production")
            if self.MAIL_PROVIDER == "mock":
                raise ValueError("MAIL_PROVIDER: must be smtp in production")
            if self.PAYMENT_PROVIDER == "mock":
                raise ValueError("PAYMENT_PROVIDER: must be stripe in production")
        return self

    @model_validator(mode="after")
    def _other_machines_are_reached_by_tls(self) -> Settings:
        """And their certificates are checked. On this machine nobody listens in between."""
        if self.ENVIRONMENT != "production":
            return self
        for name in ("DATABASE_URL", "MIGRATION_DATABASE_URL"):
            if not _is_private_database(getattr(self, name)):
                raise ValueError(f"{name}: needs sslmode=verify-full for a server on another machine")
        if not _is_private_redis(self.REDIS_URL):
            raise ValueError("REDIS_URL: must be rediss:// for a server on another machine")
        if self.SMTP_SECURITY == "none" and not _is_here(self.SMTP_HOST):
            raise ValueError("SMTP_SECURITY: must be starttls or tls for a relay on another machine")
        for name in ("S3_ENDPOINT_URL", "STRIPE_API_BASE"):
            parts = urlsplit(getattr(self, name))
            if parts.scheme == "http" and not _is_here(parts.hostname or ""):
                raise ValueError(f"{name}: must be https:// for a server on another machine")
        return self

    @property
    def former_keys(self) -> list[str]:
        """What they signed is still accepted; the first is the last that was in use."""
        return self.SECRET_KEY_FALLBACKS.split(",") if self.SECRET_KEY_FALLBACKS else []

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


def _host_name(text: str) -> str:
    name = text.strip().lower()
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        return name
    if not _HOST.fullmatch(name):
        raise ValueError("must be a host name, without a scheme and a port")
    return name


def _checked_database(url: str) -> str:
    """What the drivers themselves would refuse later. The refusal quotes nothing: a password may be in it."""
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        parts = make_url(url)
        given: dict[str, Any] = {
            **parts.translate_connect_args(database="dbname", username="user"),
            **parts.query,
        }
        make_conninfo(**given)
    except (ArgumentError, ProgrammingError, ValueError):
        raise ValueError("must look like postgresql://user:password@host:port/database") from None
    if parts.port is not None and not 0 < parts.port < 65536:
        raise ValueError("has a port that can't be one")
    return url


def _checked_redis(url: str) -> str:
    """As `_checked_database`; nothing connects here."""
    from redis import ConnectionPool

    try:
        ConnectionPool.from_url(url).make_connection()
    except (TypeError, ValueError):
        raise ValueError("must be a redis://, rediss:// or unix:// URL such as redis://host:6379/0") from None
    return url


def _is_here(host: str) -> bool:
    """Whether a host is this machine, reached over loopback or a socket's file."""
    if host in {"", "localhost"} or host.startswith(("/", "@")):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_private_database(url: str) -> bool:
    from sqlalchemy.engine import make_url

    if not url:
        return True
    parts = make_url(url)
    query = parts.normalized_query
    named = (parts.host or "", *query.get("host", ()), *query.get("hostaddr", ()))
    hosts = [
        host.partition(":")[0] if host.count(":") == 1 else host for text in named for host in text.split(",")
    ]
    return query.get("sslmode") == ("verify-full",) or all(map(_is_here, hosts))


def _is_private_redis(url: str) -> bool:
    parts = urlsplit(url)
    if parts.scheme == "rediss":
        return "ssl_cert_reqs=none" not in parts.query.lower()
    return parts.scheme == "unix" or _is_here(parts.hostname or "")


def load_settings(**overrides: Any) -> Settings:
    """Read and validate the environment; what is wrong goes to stderr in one line that names the variable.

    Raises SettingsError then, which ends the process with 2.
    """
    try:
        return Settings(**overrides)
    except ValidationError as error:
        first = error.errors()[0]
        place = "".join(f"{part}: " for part in first["loc"][:1])
        refusal = SettingsError(f"configuration: {place}{first['msg'].removeprefix('Value error, ')}")
        print(refusal, file=sys.stderr)  # noqa: T201 - before there is a log
        raise refusal from None
