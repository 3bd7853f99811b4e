"""Limits on guessing, counted in PostgreSQL on a connection of their own.

They hold for all processes, survive a rollback, and do not depend on Redis. Fixed windows of
machine time; a window's first hit starts it.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import math
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Integer, String, delete, text
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, security_log
from app.core.db import Model, UtcDateTime, db
from app.core.errors import TooMany
from app.core.scope import platform_scope
from app.core.transaction import transaction


class Throttle(Model):
    """How often something was tried since the window began. Keys are digests, not addresses."""

    __tablename__ = "throttle"
    AUDITED = False

    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    window_started_at: Mapped[dt.datetime] = mapped_column(UtcDateTime, index=True)
    hits: Mapped[int] = mapped_column(Integer)


@dataclass(frozen=True)
class Limit:
    hits: int
    per: dt.timedelta


_HIT = text("""
    INSERT INTO throttle AS t (key, window_started_at, hits) VALUES (:key, :now, 1)
    ON CONFLICT (key) DO UPDATE SET
        hits = CASE WHEN t.window_started_at <= :since THEN 1 ELSE t.hits + 1 END,
        window_started_at = CASE WHEN t.window_started_at <= :since THEN :now ELSE t.window_started_at END
    RETURNING hits, window_started_at
""")


def hit(engine: Engine, key: str, limit: Limit) -> None:
    """Count one try. Raises TooMany, with `retry_after` seconds, from the first try above the limit."""
    with engine.begin() as connection:
        retry_after = _count(connection, key, limit)
    if retry_after:
        security_log.warn("too many tries", limit=key)
        raise TooMany(retry_after=retry_after)


def spend(key: str, limit: Limit) -> None:
    """Count what the present transaction does: rolled back, it was never done. Whoever spends of the same
    key meanwhile waits for its end. Raises TooMany as `hit` does."""
    retry_after = _count(db.session.connection(), key, limit)
    if retry_after:
        raise TooMany(retry_after=retry_after)


def _count(connection: Connection, key: str, limit: Limit) -> int:
    """Seconds to wait, 0 below the limit."""
    now = clock.machine_now()
    hits, started = connection.execute(_HIT, {"key": key, "now": now, "since": now - limit.per}).one()
    return 0 if hits <= limit.hits else max(1, math.ceil((started + limit.per - now).total_seconds()))


def clear(engine: Engine, key: str) -> None:
    """Start afresh, e.g. after the right password."""
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM throttle WHERE key = :key"), {"key": key})


def network(address: str | None) -> str:
    """What counts as one address: an IPv4 address, or an IPv6 /64, which is one customer's."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped:
            return str(ip.ipv4_mapped)
        return str(ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)


def forget_old() -> None:
    """Drop windows that ended long ago."""
    with platform_scope("forget old throttle windows"), transaction():
        db.session.execute(
            delete(Throttle).where(Throttle.window_started_at < clock.machine_now() - dt.timedelta(days=1))
        )
