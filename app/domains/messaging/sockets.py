"""The chat on the web sockets: `/chat`. Each event is answered with `{"ok": true, ...}` or `{"error": ...}`.

    join      conversation_id, after_seq   what came after it, in order; from now on the room is heard
    send      conversation_id, client_id, body   the stored message
    typing    conversation_id
    delivered conversation_id, seq
    read      conversation_id, seq

Heard in a room: `message` (whose author has read what stands above), `marks` (who got and read how much),
`typing`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from itertools import groupby
from typing import Any, ClassVar
from uuid import UUID

from app.core import realtime
from app.core.errors import Invalid, NotFound
from app.core.realtime import Call, Channel, Ticket
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.messaging import queries, service
from app.domains.messaging.models import Conversation
from app.domains.messaging.reactions import room_of, wire_form


class Chat(Channel):
    EVENTS: ClassVar[Mapping[str, str]] = {
        "join": "join",
        "send": "write",
        "typing": "typing",
        "delivered": "delivered",
        "read": "read",
    }

    def join(self, call: Call) -> dict[str, Any]:
        conversation, person_id = _conversation(call)
        after = call.number("after_seq")
        # Into the room before the look: what comes in between is heard twice rather than not at all.
        self.enter(call, room_of(call.who.tenant_id, conversation.id))
        messages = [wire_form(message) for message in queries.messages_after(conversation.id, after)]
        return {
            "ok": True,
            "person_id": person_id,
            "messages": messages,
            "more": bool(messages) and messages[-1]["seq"] < conversation.last_seq,
            "parts": [
                {
                    "person_id": part.person_id,
                    "name": part.name,
                    "delivered_seq": part.delivered_seq,
                    "read_seq": part.read_seq,
                }
                for part in queries.parts(conversation)
            ],
        }

    def write(self, call: Call) -> dict[str, Any]:
        client_id, body = _uuid(call.text("client_id")), call.text("body")
        conversation_id, person_id = call.number("conversation_id"), _me(call)
        with transaction():
            said = service.send(conversation_id, author_id=person_id, client_id=client_id, body=body)
        return {"ok": True, "message": wire_form(said)}

    def typing(self, call: Call) -> dict[str, Any]:
        conversation, person_id = _conversation(call)
        realtime.tell(
            "typing",
            {"conversation_id": conversation.id, "person_id": person_id, "name": call.who.name},
            room=room_of(call.who.tenant_id, conversation.id),
            namespace=self.namespace,
            skip=call.sid,
        )
        return {"ok": True}

    def delivered(self, call: Call) -> dict[str, Any]:
        conversation_id, person_id = call.number("conversation_id"), _me(call)
        with transaction():
            service.mark_delivered(conversation_id, person_id=person_id, seq=call.number("seq"))
        return {"ok": True}

    def read(self, call: Call) -> dict[str, Any]:
        conversation_id, person_id = call.number("conversation_id"), _me(call)
        with transaction():
            service.mark_read(conversation_id, person_id=person_id, seq=call.number("seq"))
        return {"ok": True}

    def intruders(self, tickets: Collection[Ticket]) -> list[Ticket]:
        """Those who heard a conversation as a guardian and are none any more."""
        found = []
        by_tenant = sorted((ticket for ticket in tickets if ticket.tenant_id), key=_tenant_of)
        for tenant_id, group in groupby(by_tenant, key=_tenant_of):
            heard = {(ticket, pair) for ticket in group for pair in _pairs(ticket)}
            with tenant_scope(tenant_id):
                hold = queries.pairs_that_hold({pair for _ticket, pair in heard})
            found += [ticket for ticket, pair in heard if pair not in hold]
        return found


def _conversation(call: Call) -> tuple[Conversation, int]:
    """The one that is named, if the viewer takes part in it, and who they are there. Raises NotFound."""
    person_id = _me(call)
    return queries.conversation(call.number("conversation_id"), person_id), person_id


def _me(call: Call) -> int:
    """Raises NotFound for who is nobody here, such as an operator on a visit."""
    if call.who.tenant_id is None or call.who.person_id is None:
        raise NotFound
    return call.who.person_id


def _uuid(text: str) -> UUID:
    """Raises Invalid."""
    try:
        return UUID(text[:40])
    except ValueError as error:
        raise Invalid(field="client_id") from error


def _tenant_of(ticket: Ticket) -> int:
    return ticket.tenant_id or 0


def _pairs(ticket: Ticket) -> list[tuple[int, int]]:
    return [(int(room.rpartition(":")[2]), ticket.person_id) for room in ticket.rooms if ticket.person_id]
