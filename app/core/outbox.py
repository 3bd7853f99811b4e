"""The outbox: one row per event and LATER handler, written in the announcing transaction.

It is the truth about what still has to happen; Redis only carries hints. `app.core.dispatcher`
works it off.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any, ClassVar

from sqlalchemy import BigInteger, CheckConstraint, Index, Integer, String, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import Id, Model, TenantMarked, UtcDateTime

DUE, DELIVERED, DEAD = "due", "delivered", "dead"
MAX_ATTEMPTS = 16  # over some four hours: a relay's greylisting or an evening's outage must not lose mail


class Outbox(TenantMarked, Id, Model):
    """A delivery. The application's role may only add rows and mark its own as delivered."""

    __tablename__ = "outbox"
    AUDITED = False
    __table_args__ = (
        UniqueConstraint("event_id", "handler"),
        CheckConstraint("status IN ('due', 'delivered', 'dead')", name="status"),
        Index("ix_outbox_due", "due_at", postgresql_where="status = 'due'"),
        Index("ix_outbox_dead", "id", postgresql_where="status = 'dead'"),
    )
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        DUE: frozenset({DELIVERED, DEAD}),
        DEAD: frozenset({DUE}),
        DELIVERED: frozenset(),
    }

    event_id: Mapped[uuid.UUID] = mapped_column(Uuid)
    handler: Mapped[str] = mapped_column(String(200))
    name: Mapped[str] = mapped_column(String(100))
    tenant_id: Mapped[int | None] = mapped_column(BigInteger)
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    request_id: Mapped[str] = mapped_column(String(64), default="")
    status: Mapped[str] = mapped_column(String(10), default=DUE)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    announced_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    lease: Mapped[uuid.UUID | None] = mapped_column(Uuid)
    delivered_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    last_error: Mapped[str | None] = mapped_column(Text)

    def __str__(self) -> str:
        return f"{self.name} → {self.handler.rsplit('.', 1)[-1]}"
