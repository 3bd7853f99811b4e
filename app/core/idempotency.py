"""Idempotency: the same key with the same body gives the stored answer, so a repeat changes nothing.

For POSTs that move money or seats, or send something: the `Idempotency-Key` header or the hidden
field rendered with the form (draft-ietf-httpapi-idempotency-key-header). Where no provider is
called, key row, work and stored answer are one transaction.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import Index, Integer, LargeBinary, String, UniqueConstraint, delete, select, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.core import clock, scope
from app.core.db import Model, TenantOwned, UtcDateTime, db, owned_by_tenant
from app.core.errors import DomainError
from app.core.scope import platform_scope
from app.core.transaction import transaction

KEPT = dt.timedelta(hours=24)


class KeyReused(DomainError):
    code, status = "idempotency_key_reused", 422
    message = _l("This request was already made with other content.")


class StillRunning(DomainError):
    code, status = "idempotency_still_running", 409
    message = _l("This request is still being worked on. Please wait a moment.")


class IdempotencyKey(TenantOwned, Model):
    """One request that was made, and what it was answered. Actor is `u:<user id>` or `v:<visitor>`."""

    __tablename__ = "idempotency_key"
    AUDITED = False

    actor: Mapped[str] = mapped_column(String(80))
    route: Mapped[str] = mapped_column(String(200))
    key: Mapped[str] = mapped_column(String(200))
    body_hash: Mapped[bytes] = mapped_column(LargeBinary(32))
    status: Mapped[int] = mapped_column(Integer)
    answer: Mapped[dict[str, Any]] = mapped_column(JSONB)
    made_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            UniqueConstraint("tenant_id", "actor", "route", "key"),
            Index("ix_idempotency_key_made_at", "made_at"),
        )

    def __str__(self) -> str:
        return f"{self.route} {self.key}"


Answer = tuple[int, dict[str, Any]]


def once(*, actor: str, route: str, key: str, body: bytes, work: Callable[[], Answer]) -> tuple[Answer, bool]:
    """Inside the edge's transaction, do `work` unless it was done: (answer, whether it is a replay).

    Raises KeyReused where the key came with another body, StillRunning while the first try is in
    flight. A refused or failed try rolls back and leaves no trace: the same key may try again.
    """
    where = (IdempotencyKey.actor == actor, IdempotencyKey.route == route, IdempotencyKey.key == key)
    mark = f"{scope.tenant_id()}|{actor}|{route}|{key}"
    free = db.session.scalar(
        text("SELECT pg_try_advisory_xact_lock(hashtextextended(:mark, 4))"), {"mark": mark}
    )
    if not free:
        raise StillRunning
    body_hash = hashlib.sha256(body).digest()
    done = db.session.scalars(select(IdempotencyKey).where(*where)).one_or_none()
    if done is not None:
        if done.body_hash != body_hash:
            raise KeyReused
        return (done.status, done.answer), True
    status, answer = work()
    db.session.add(
        IdempotencyKey(
            actor=actor,
            route=route,
            key=key,
            body_hash=body_hash,
            status=status,
            answer=answer,
            made_at=clock.machine_now(),
        )
    )
    return (status, answer), False


def forget_old() -> None:
    """Drop keys older than a day; their repeats are new requests then."""
    with platform_scope("forget old idempotency keys"), transaction() as session:
        session.execute(delete(IdempotencyKey).where(IdempotencyKey.made_at < clock.machine_now() - KEPT))
