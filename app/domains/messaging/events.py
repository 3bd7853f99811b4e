"""What messaging announces."""

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True)
class MessageSent(Event):
    conversation_id: int
    message_id: int


@dataclass(frozen=True)
class MarksMoved(Event):
    """Somebody got or read what was written up to there."""

    conversation_id: int
    person_id: int
    delivered_seq: int
    read_seq: int


@dataclass(frozen=True)
class UnreadReminded(Event):
    """What somebody has not read for a while is worth a mail."""

    conversation_id: int
    person_id: int
