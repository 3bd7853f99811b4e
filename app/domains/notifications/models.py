"""The in-app list. A row keeps what happened as a kind and plain values; it is worded when it is read, in the
reader's language."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, Index, String, UniqueConstraint
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.core.db import Model, TenantOwned, UtcDateTime, owned_by_tenant, points_at, to_one
from app.domains.accounts.models import Person


class Notification(TenantOwned, Model):
    """Something that a person is told; `key` makes it once only, however often its event is delivered."""

    __tablename__ = "notification"
    AUDITED = False

    person_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(40))
    key: Mapped[str] = mapped_column(String(200))
    data: Mapped[dict[str, Any]] = mapped_column(JSONB)
    url: Mapped[str] = mapped_column(String(300))
    happened_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    read_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    person: Mapped[Person] = to_one(lambda: Person, lambda: Notification.person_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("person", "person_id"),
            UniqueConstraint("tenant_id", "person_id", "key"),
            CheckConstraint("url LIKE '/%' AND url NOT LIKE '//%'", name="url"),
            Index("ix_notification_tenant_id_person_id", "tenant_id", "person_id", "happened_at"),
            Index("ix_notification_unread", "tenant_id", "person_id", postgresql_where="read_at IS NULL"),
        )

    def __str__(self) -> str:
        return self.kind
