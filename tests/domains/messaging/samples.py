"""Rows of messaging's admin entries, for the tests that look at every entry."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from app.core import clock
from app.domains.messaging.models import Conversation, ConversationMember, Message
from app.domains.messaging.policies import key_of
from tests.support.sample import Sample, add, person


def conversation(session: Any, word: str) -> Conversation:
    """Of a tutor and a student of its own."""
    tutor, student = person(session, f"{word}a", "Tutor"), person(session, f"{word}b", "Student")
    made = Conversation(
        key=key_of(tutor.id, student.id),
        tutor_id=tutor.id,
        student_id=student.id,
        last_seq=1,
        last_at=clock.now(),
    )
    return add(session, made)


def member(session: Any, word: str) -> ConversationMember:
    talk = conversation(session, word)
    made = ConversationMember(
        conversation_id=talk.id, person_id=talk.student_id, delivered_seq=1, read_seq=1, read_at=clock.now()
    )
    return add(session, made)


def message(session: Any, word: str) -> Message:
    talk = conversation(session, word)
    made = Message(
        conversation_id=talk.id,
        seq=1,
        author_id=talk.tutor_id,
        client_id=uuid4(),
        body=f"Hello {word}",
        sent_at=clock.now(),
    )
    return add(session, made)


SAMPLES = {
    "conversations": Sample(conversation),
    "conversation-members": Sample(member),
    "messages": Sample(message),
}
