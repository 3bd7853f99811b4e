"""What follows: a booked lesson opens a conversation, and what is written reaches open pages."""

from __future__ import annotations

from typing import Any

from app.core import realtime
from app.core.events import Delivery
from app.core.transaction import after_commit
from app.domains.messaging import policies, queries, service
from app.domains.messaging.events import MarksMoved, MessageSent
from app.domains.messaging.queries import Said
from app.domains.notifications import service as notifications

CHAT = "/chat"


def open_for_seat(delivery: Delivery) -> None:
    """Who has a lesson together can write to each other, from the first one on."""
    tutor_id, student_id = queries.pair_of_seat(delivery.event.seat_id)
    if student_id is not None and student_id != tutor_id:
        service.open_for_pair(tutor_id, student_id)


def tell_members(delivery: Delivery) -> None:
    """One notification for all that somebody has not read, however much it becomes."""
    message = queries.message(delivery.event.message_id)
    conversation_id = message.conversation_id
    for member in queries.members_for_update(conversation_id, without=message.author_id):
        if member.read_seq < message.seq:
            notifications.notify(
                member.person_id,
                kind="messages",
                key=policies.unread_key(conversation_id, member.read_seq),
                data={"name": message.author_name, "conversation_id": conversation_id},
                url=policies.url_of(conversation_id),
            )


def push_message(event: MessageSent) -> None:
    """With the commit, to whoever has the conversation open. Killed in between, nobody is told; then the
    client that finds a gap, or comes back, asks for what it lacks."""
    message = queries.message(event.message_id)
    _tell_after_commit(event.tenant_id, event.conversation_id, "message", wire_form(message))


def push_marks(event: MarksMoved) -> None:
    """The same for what was delivered and read."""
    marks = {
        "conversation_id": event.conversation_id,
        "person_id": event.person_id,
        "delivered_seq": event.delivered_seq,
        "read_seq": event.read_seq,
    }
    _tell_after_commit(event.tenant_id, event.conversation_id, "marks", marks)


def room_of(tenant_id: int | None, conversation_id: int) -> str:
    """The room of a conversation; only who takes part is let into it."""
    return f"t:{tenant_id}:c:{conversation_id}"


def wire_form(message: Said) -> dict[str, Any]:
    """A message as sockets and the API say it."""
    return {
        "conversation_id": message.conversation_id,
        "seq": message.seq,
        "author_id": message.author_id,
        "author_name": message.author_name,
        "client_id": str(message.client_id),
        "body": message.body,
        "sent_at": message.sent_at.isoformat(),
    }


def _tell_after_commit(tenant_id: int | None, conversation_id: int, event: str, data: dict[str, Any]) -> None:
    room = room_of(tenant_id, conversation_id)
    after_commit(lambda: realtime.tell(event, data, room=room, namespace=CHAT))
