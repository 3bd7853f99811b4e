"""Writes of messaging, one function per verb."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from app.core import clock, scope, throttle
from app.core.db import db
from app.core.errors import NotAllowed
from app.core.events import announce
from app.domains.accounts.models import Person
from app.domains.messaging import events, policies, queries
from app.domains.messaging.models import Conversation, ConversationMember, Message
from app.domains.notifications import service as notifications


def open_conversation(tutor: Person, student: Person) -> Conversation:
    """The one of this pair, made if there is none; whoever answers for the student is in it from the start.
    Raises NotAllowed for somebody with themselves."""
    if tutor.id == student.id:
        raise NotAllowed
    key = policies.key_of(tutor.id, student.id)
    now = clock.machine_now()
    row = {
        "tenant_id": scope.tenant_id(),
        "key": key,
        "tutor_id": tutor.id,
        "student_id": student.id,
        "last_seq": 0,
        "created_at": now,
        "changed_at": now,
    }
    db.session.execute(insert(Conversation.__table__).values(row).on_conflict_do_nothing())
    conversation = queries.conversation_of_pair(key)
    _seat_members(conversation)
    return conversation


def send(conversation: Conversation, *, author_id: int, client_id: UUID, body: str) -> Message:
    """Put a message into the next place. The same `client_id` again gives the message that it made.
    Raises NotFound for who takes no part, EmptyMessage, MessageTooLong, TooMany."""
    body = policies.clean_body(body)
    locked = queries.conversation(conversation.id, author_id, lock=True)
    known = queries.message_of_client(locked.id, author_id, client_id)
    if known is not None:
        return known
    throttle.spend(f"messages {scope.tenant_id()} {author_id}", policies.MESSAGES_PER_PERSON)
    sent_at = clock.now()
    locked.last_seq += 1
    locked.last_at = sent_at
    message = Message(
        conversation_id=locked.id,
        seq=locked.last_seq,
        author_id=author_id,
        client_id=client_id,
        body=body,
        sent_at=sent_at,
    )
    db.session.add(message)
    db.session.flush()  # the event names it
    announce(events.MessageSent(scope.tenant_id(), locked.id, message.id))
    # Whoever writes has seen what stands above.
    _move_marks(locked, author_id, delivered=message.seq, read=message.seq)
    return message


def mark_delivered(conversation: Conversation, *, person_id: int, seq: int) -> None:
    """Their device has everything up to there. Marks never go back, nor beyond the last message."""
    _move_marks(conversation, person_id, delivered=seq, read=0)


def mark_read(conversation: Conversation, *, person_id: int, seq: int) -> None:
    """They have seen everything up to there; what they were told about it is read, too."""
    _move_marks(conversation, person_id, delivered=seq, read=seq)


def _move_marks(conversation: Conversation, person_id: int, *, delivered: int, read: int) -> None:
    member = _member_for_update(conversation, person_id)
    delivered, read = min(delivered, conversation.last_seq), min(read, conversation.last_seq)
    before = member.read_seq
    if delivered <= member.delivered_seq and read <= before:
        return
    member.delivered_seq = max(member.delivered_seq, delivered)
    if read > before:
        member.read_seq, member.read_at = read, clock.now()
        if read == conversation.last_seq:
            notifications.mark_read(person_id, url=policies.url_of(conversation.id))
    announce(
        events.MarksMoved(
            scope.tenant_id(), conversation.id, person_id, member.delivered_seq, member.read_seq
        )
    )


def _member_for_update(conversation: Conversation, person_id: int) -> ConversationMember:
    member = queries.member_for_update(conversation.id, person_id)
    if member is None:
        # Somebody who answers for the student since yesterday looks in for the first time.
        _seat_members(conversation)
        member = queries.member_for_update(conversation.id, person_id)
    assert member is not None
    return member


def _seat_members(conversation: Conversation) -> None:
    now = clock.machine_now()
    rows = [
        {
            "tenant_id": scope.tenant_id(),
            "conversation_id": conversation.id,
            "person_id": person_id,
            "delivered_seq": 0,
            "read_seq": 0,
            "created_at": now,
            "changed_at": now,
        }
        for person_id in queries.person_ids(conversation)
    ]
    db.session.execute(insert(ConversationMember.__table__).values(rows).on_conflict_do_nothing())
