"""What messaging announces."""

from dataclasses import dataclass

from app.core.events import Event


@dataclass(frozen=True)
class MessageSent(Event):
    conversation_id: int
    message_id: int
