"""Conversations. A message has its place `seq` in its conversation, given out under the conversation's lock,
so that a client that knows the last one it has can ask for what came after it: each once, in order."""

from __future__ import annotations

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, Index, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.core.db import Model, TenantOwned, Timestamped, UtcDateTime, owned_by_tenant, points_at, to_one
from app.domains.accounts.models import Person

MOST_CHARACTERS = 4000


class Conversation(TenantOwned, Timestamped, Model):
    """Tutor and student (with the guardians of a child). `key` makes one per pair:
    `tutor:<id>|student:<id>`."""

    __tablename__ = "conversation"
    AUDITED = False

    key: Mapped[str] = mapped_column(String(80))
    tutor_id: Mapped[int] = mapped_column(BigInteger)
    student_id: Mapped[int] = mapped_column(BigInteger)
    last_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    last_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    tutor: Mapped[Person] = to_one(lambda: Person, lambda: Conversation.tutor_id)
    student: Mapped[Person] = to_one(lambda: Person, lambda: Conversation.student_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("person", "tutor_id"),
            points_at("person", "student_id"),
            UniqueConstraint("tenant_id", "key"),
            CheckConstraint("last_seq >= 0", name="last_seq"),
            Index("ix_conversation_tenant_id_tutor_id", "tenant_id", "tutor_id"),
            Index("ix_conversation_tenant_id_student_id", "tenant_id", "student_id"),
        )

    def __str__(self) -> str:
        return f"{self.tutor} – {self.student}"


class ConversationMember(TenantOwned, Timestamped, Model):
    """Somebody who reads and writes in a conversation; the marks are the last `seq` delivered and read."""

    __tablename__ = "conversation_member"
    AUDITED = False

    conversation_id: Mapped[int] = mapped_column(BigInteger)
    person_id: Mapped[int] = mapped_column(BigInteger)
    delivered_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    read_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    read_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    conversation: Mapped[Conversation] = to_one(
        lambda: Conversation, lambda: ConversationMember.conversation_id
    )
    person: Mapped[Person] = to_one(lambda: Person, lambda: ConversationMember.person_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("conversation", "conversation_id"),
            points_at("person", "person_id"),
            UniqueConstraint("tenant_id", "conversation_id", "person_id"),
            CheckConstraint("0 <= read_seq AND read_seq <= delivered_seq", name="marks"),
            Index("ix_conversation_member_tenant_id_person_id", "tenant_id", "person_id"),
        )

    def __str__(self) -> str:
        return str(self.person)


class Message(TenantOwned, Model):
    """What somebody wrote. `client_id` is the writer's own: sent twice, it is stored once."""

    __tablename__ = "message"
    AUDITED = False

    conversation_id: Mapped[int] = mapped_column(BigInteger)
    seq: Mapped[int] = mapped_column(BigInteger)
    author_id: Mapped[int] = mapped_column(BigInteger)
    client_id: Mapped[UUID] = mapped_column(Uuid)
    body: Mapped[str] = mapped_column(Text)
    sent_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    conversation: Mapped[Conversation] = to_one(lambda: Conversation, lambda: Message.conversation_id)
    author: Mapped[Person] = to_one(lambda: Person, lambda: Message.author_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("conversation", "conversation_id"),
            points_at("person", "author_id"),
            UniqueConstraint("tenant_id", "conversation_id", "seq"),
            UniqueConstraint("tenant_id", "conversation_id", "author_id", "client_id"),
            CheckConstraint(f"length(body) BETWEEN 1 AND {MOST_CHARACTERS}", name="body"),
        )

    def __str__(self) -> str:
        return f"{self.seq}"
