"""Writes of messaging, one function per verb."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    Text,
    Update,
    Uuid,
    and_,
    bindparam,
    case,
    func,
    literal,
    or_,
    select,
    true,
    union,
    update,
)
from sqlalchemy.dialects.postgresql import Insert, insert

from app.core import clock, plain, scope, throttle
from app.core.db import UtcDateTime, db
from app.core.errors import NotAllowed, NotFound
from app.core.events import announce
from app.domains.accounts.models import Guardianship, Person
from app.domains.messaging import events, policies, queries
from app.domains.messaging.models import Conversation, ConversationMember, Message
from app.domains.messaging.queries import Said
from app.domains.notifications import service as notifications

_CONVERSATION, _MESSAGE = Conversation.__table__.c, Message.__table__.c
_MEMBER, _PERSON = ConversationMember.__table__.c, Person.__table__.c


def open_conversation(tutor: Person, student: Person) -> Conversation:
    """The one of this pair, made if there is none; whoever answers for the student is in it from the start.
    Raises NotAllowed for somebody with themselves."""
    return open_for_pair(tutor.id, student.id)


def open_for_pair(tutor_id: int, student_id: int) -> Conversation:
    """The same by their ids: each lesson that is booked asks for it."""
    if tutor_id == student_id:
        raise NotAllowed
    key = policies.key_of(tutor_id, student_id)
    now = clock.machine_now()
    row = {
        "tenant_id": scope.tenant_id(),
        "key": key,
        "tutor_id": tutor_id,
        "student_id": student_id,
        "last_seq": 0,
        "created_at": now,
        "changed_at": now,
    }
    db.session.execute(_OPEN, row)
    conversation = queries.conversation_of_pair(key)
    _seat_members(conversation.id)
    return conversation


def send(conversation_id: int, *, author_id: int, client_id: UUID, body: str) -> Said:
    """Put a message into the next place. The same `client_id` again gives the message that it made. Whoever
    writes has seen what stands above, which nobody is told apart from the message.
    Raises NotFound for who takes no part, EmptyMessage, MessageTooLong, TooMany."""
    body = policies.clean_body(body)
    # Before the conversation is locked: others wait for it until the commit.
    throttle.spend(f"messages {scope.tenant_id()} {author_id}", policies.MESSAGES_PER_PERSON)
    sent_at, now = clock.now(), clock.machine_now()
    placed = plain.write(
        _SEND, talk=conversation_id, author=author_id, client=client_id, text=body, at=sent_at, now=now
    )
    if not placed:
        raise NotFound
    [place] = placed
    if place.id is None:
        plain.write(_TAKE_BACK, talk=conversation_id, now=now)
        return queries.message_of_client(conversation_id, author_id, client_id)
    said = Said(place.id, conversation_id, place.seq, author_id, place.full_name, client_id, body, sent_at)
    queries.note(said)
    announce(events.MessageSent(scope.tenant_id(), conversation_id, said.id))
    if place.read_before is None:
        mark_read(conversation_id, person_id=author_id, seq=place.seq)
    elif place.read_before < place.seq - 1:
        notifications.mark_read(author_id, url=policies.url_of(conversation_id))
    return said


def mark_delivered(conversation_id: int, *, person_id: int, seq: int) -> None:
    """Their device has everything up to there. Marks never go back, nor beyond the last message.
    Raises NotFound for who takes no part."""
    _move_marks(conversation_id, person_id, delivered=seq, read=0)


def mark_read(conversation_id: int, *, person_id: int, seq: int) -> None:
    """They have seen everything up to there; what they were told about it is read, too. Raises NotFound."""
    _move_marks(conversation_id, person_id, delivered=seq, read=seq)


def _move_marks(conversation_id: int, person_id: int, *, delivered: int, read: int) -> None:
    marks: dict[str, Any] = {"talk": conversation_id, "person": person_id, "at": clock.now()}
    marks |= {"delivered": delivered, "read": read, "now": clock.machine_now()}
    moved = plain.write(_MARK, **marks)
    if not moved and not queries.is_seated(conversation_id, person_id):
        # Somebody who answers for the student since yesterday looks in for the first time.
        _seat_members(queries.conversation(conversation_id, person_id).id)
        moved = plain.write(_MARK, **marks)
    for now in moved:
        if read and now.read_seq == now.last_seq:
            notifications.mark_read(person_id, url=policies.url_of(conversation_id))
        announce(
            events.MarksMoved(scope.tenant_id(), conversation_id, person_id, now.delivered_seq, now.read_seq)
        )


# -- The statements of a message and of a mark, past the ORM ------------------------------------------------

# No parameter is called as a column that is written: it would be taken for that one's value.
_TALK, _AUTHOR = bindparam("talk", type_=BigInteger), bindparam("author", type_=BigInteger)
_READER, _AT = bindparam("person", type_=BigInteger), bindparam("at", type_=UtcDateTime)
_NOW = bindparam("now", type_=UtcDateTime)
_NOTHING = literal(0, BigInteger)
_HERE = and_(_CONVERSATION.tenant_id == plain.tenant(), _CONVERSATION.id == _TALK)


_OPEN = insert(Conversation.__table__).on_conflict_do_nothing()


def _seating() -> Insert:
    """Whoever takes part and has no marks yet gets some."""
    family = Guardianship.__table__.c
    people = union(
        select(_CONVERSATION.tutor_id.label("person_id")).where(_HERE),
        select(_CONVERSATION.student_id).where(_HERE),
        select(family.guardian_id)
        .join(Conversation.__table__, _CONVERSATION.student_id == family.child_id)
        .where(_HERE, family.tenant_id == plain.tenant()),
    ).subquery()
    marks = {
        "tenant_id": bindparam("tenant", type_=BigInteger),
        "conversation_id": _TALK,
        "person_id": people.c.person_id,
        "delivered_seq": _NOTHING,
        "read_seq": _NOTHING,
        "created_at": _NOW,
        "changed_at": _NOW,
    }
    seated = select(*marks.values()).order_by(people.c.person_id)
    return insert(ConversationMember.__table__).from_select(list(marks), seated).on_conflict_do_nothing()


_SEAT = _seating()


def _seat_members(conversation_id: int) -> None:
    db.session.execute(
        _SEAT, {"tenant": scope.tenant_id(), "talk": conversation_id, "now": clock.machine_now()}
    )


def _sending() -> Select[Any]:
    """The next place of a conversation that the author takes part in, the message in it, and the author's
    marks. No row: they take no part. A row without an `id`: the message was there already, and the place
    is empty. One statement, since others wait meanwhile."""
    place = (
        update(Conversation.__table__)
        .where(_HERE, queries.takes_part(_CONVERSATION, _AUTHOR))
        .values(last_seq=_CONVERSATION.last_seq + 1, last_at=_AT, changed_at=_NOW)
        .returning(_CONVERSATION.tenant_id, _CONVERSATION.id, _CONVERSATION.last_seq)
        .cte("place")
    ).c
    row = {
        "tenant_id": place.tenant_id,
        "conversation_id": place.id,
        "seq": place.last_seq,
        "author_id": _AUTHOR,
        "client_id": bindparam("client", type_=Uuid()),
        "body": bindparam("text", type_=Text),
        "sent_at": _AT,
    }
    said = (
        insert(Message.__table__)
        .from_select(list(row), select(*row.values()))
        .on_conflict_do_nothing(index_elements=["tenant_id", "conversation_id", "author_id", "client_id"])
        .returning(_MESSAGE.id, _MESSAGE.tenant_id, _MESSAGE.conversation_id, _MESSAGE.seq)
        .cte("said")
    ).c
    marks = (
        update(ConversationMember.__table__)
        .where(*_is_member(said.tenant_id, said.conversation_id, _AUTHOR))
        .values(delivered_seq=said.seq, read_seq=said.seq, read_at=_AT, changed_at=_NOW)
        .cte("marks")
    )
    return (
        # Of the member what was before: every part of a statement sees the same moment.
        select(said.id, place.last_seq.label("seq"), _PERSON.full_name, _MEMBER.read_seq.label("read_before"))
        .select_from(place.id.table)
        .outerjoin(said.id.table, true())
        .outerjoin(ConversationMember.__table__, and_(*_is_member(place.tenant_id, place.id, _AUTHOR)))
        .join(Person.__table__, and_(_PERSON.tenant_id == place.tenant_id, _PERSON.id == _AUTHOR))
        .add_cte(marks)
    )


def _is_member(tenant_id: Any, conversation_id: Any, person_id: Any) -> tuple[ColumnElement[bool], ...]:
    return (
        _MEMBER.tenant_id == tenant_id,
        _MEMBER.conversation_id == conversation_id,
        _MEMBER.person_id == person_id,
    )


def _marking() -> Update:
    """Marks of somebody who takes part, where they rise."""
    delivered = func.least(bindparam("delivered", type_=BigInteger), _CONVERSATION.last_seq)
    read = func.least(bindparam("read", type_=BigInteger), _CONVERSATION.last_seq)
    reads_on = _MEMBER.read_seq < read
    return (
        update(ConversationMember.__table__)
        .where(
            _HERE,
            queries.takes_part(_CONVERSATION, _READER),
            *_is_member(_CONVERSATION.tenant_id, _CONVERSATION.id, _READER),
            or_(_MEMBER.delivered_seq < delivered, reads_on),
        )
        .values(
            delivered_seq=func.greatest(_MEMBER.delivered_seq, delivered),
            read_seq=func.greatest(_MEMBER.read_seq, read),
            read_at=case((reads_on, _AT), else_=_MEMBER.read_at),
            changed_at=_NOW,
        )
        .returning(_MEMBER.delivered_seq, _MEMBER.read_seq, _CONVERSATION.last_seq)
    )


# The place of a message that turned out to be there already: nobody has seen it, the conversation is locked.
_LAST_AT = (
    select(_MESSAGE.sent_at)
    .where(
        _MESSAGE.tenant_id == _CONVERSATION.tenant_id,
        _MESSAGE.conversation_id == _CONVERSATION.id,
        _MESSAGE.seq == _CONVERSATION.last_seq - 1,
    )
    .scalar_subquery()
)
_TAKE_BACK = (
    update(Conversation.__table__)
    .where(_HERE)
    .values(last_seq=_CONVERSATION.last_seq - 1, last_at=_LAST_AT, changed_at=_NOW)
)
_SEND, _MARK = _sending(), _marking()
