"""Reads of messaging. Who takes part is asked of families as they are now: the tutor, the student, and
whoever answers for the student today."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, ScalarSelect, Select, and_, bindparam, func, or_, select, union
from sqlalchemy.orm import InstrumentedAttribute, aliased, joinedload, raiseload
from sqlalchemy.sql import ColumnElement

from app.core import plain
from app.core.db import db
from app.core.errors import NotFound
from app.domains.accounts.models import Guardianship, Person
from app.domains.booking.models import Lesson, Seat
from app.domains.messaging.models import Conversation, ConversationMember, Message

PAGE = 50  # messages at a time
_NOTED = "messaging.said"


@dataclass(frozen=True)
class Line:
    """A conversation in somebody's list."""

    id: int
    tutor_name: str
    student_name: str
    is_tutor: bool
    is_student: bool
    last_body: str | None
    last_author: str | None
    last_at: dt.datetime | None
    unread: int


@dataclass(frozen=True)
class Part:
    """Somebody who takes part, and how far they are."""

    person_id: int
    name: str
    role: str  # tutor, student, guardian
    delivered_seq: int
    read_seq: int


@dataclass(frozen=True)
class Said:
    """A message, with who wrote it."""

    id: int
    conversation_id: int
    seq: int
    author_id: int
    author_name: str
    client_id: UUID
    body: str
    sent_at: dt.datetime


def _takes_part(person_id: int | InstrumentedAttribute[int]) -> ColumnElement[bool]:
    guardian = select(Guardianship.id).where(
        Guardianship.guardian_id == person_id, Guardianship.child_id == Conversation.student_id
    )
    return or_(Conversation.tutor_id == person_id, Conversation.student_id == person_id, guardian.exists())


def takes_part(conversation: Any, person: ColumnElement[int]) -> ColumnElement[bool]:
    """The same for a statement past the ORM: `conversation` has its table's columns."""
    family = Guardianship.__table__.c
    guardian = select(family.id).where(
        family.tenant_id == conversation.tenant_id,
        family.child_id == conversation.student_id,
        family.guardian_id == person,
    )
    return or_(conversation.tutor_id == person, conversation.student_id == person, guardian.exists())


def conversation(conversation_id: int, person_id: int) -> Conversation:
    """With tutor and student. Raises NotFound for one that the person takes no part in."""
    found = db.session.scalars(
        select(Conversation)
        .where(Conversation.id == conversation_id, _takes_part(person_id))
        .options(joinedload(Conversation.tutor), joinedload(Conversation.student), raiseload("*"))
    ).one_or_none()
    if found is None:
        raise NotFound
    return found


def between(tutor_id: int, student_id: int, person_id: int) -> Conversation | None:
    """The conversation of a pair, if there is one and the person takes part in it."""
    return db.session.scalars(
        select(Conversation).where(
            Conversation.tutor_id == tutor_id, Conversation.student_id == student_id, _takes_part(person_id)
        )
    ).one_or_none()


_OF_PAIR = (
    select(Conversation)
    .where(Conversation.key == bindparam("key"))
    .with_for_update()
    .execution_options(populate_existing=True)
)


def conversation_of_pair(key: str) -> Conversation:
    """Locked."""
    return db.session.scalars(_OF_PAIR, {"key": key}).one()


def person_ids(conversation: Conversation) -> list[int]:
    """Who takes part, the tutor first."""
    guardians = select(Guardianship.guardian_id).where(Guardianship.child_id == conversation.student_id)
    found = [conversation.tutor_id, conversation.student_id, *db.session.scalars(guardians.order_by("id"))]
    return list(dict.fromkeys(found))


def parts(conversation: Conversation) -> list[Part]:
    """Who takes part, the tutor first, with what they got and read; whoever never looked has read nothing."""
    ids = person_ids(conversation)
    query = (
        select(Person.id, Person.full_name, ConversationMember.delivered_seq, ConversationMember.read_seq)
        .outerjoin(
            ConversationMember,
            and_(
                ConversationMember.person_id == Person.id,
                ConversationMember.conversation_id == conversation.id,
            ),
        )
        .where(Person.id.in_(ids))
    )
    roles = {conversation.student_id: "student", conversation.tutor_id: "tutor"}
    found = {
        row.id: Part(
            row.id, row.full_name, roles.get(row.id, "guardian"), row.delivered_seq or 0, row.read_seq or 0
        )
        for row in db.session.execute(query)
    }
    return [found[person_id] for person_id in ids if person_id in found]


# Messages are read past the ORM: each one that is written is read again for those who hear it.
_MESSAGE, _AUTHOR = Message.__table__.c, Person.__table__.c
_CONVERSATION, _MEMBER = Conversation.__table__.c, ConversationMember.__table__.c
_SAID = (
    select(
        _MESSAGE.id,
        _MESSAGE.conversation_id,
        _MESSAGE.seq,
        _MESSAGE.author_id,
        _AUTHOR.full_name,
        _MESSAGE.client_id,
        _MESSAGE.body,
        _MESSAGE.sent_at,
    )
    .join_from(
        Message.__table__,
        Person.__table__,
        and_(_AUTHOR.id == _MESSAGE.author_id, _AUTHOR.tenant_id == _MESSAGE.tenant_id),
    )
    .where(_MESSAGE.tenant_id == plain.tenant())
)
_IN_CONVERSATION = _SAID.where(_MESSAGE.conversation_id == bindparam("conversation_id"))
_BY_ID = _SAID.where(_MESSAGE.id == bindparam("message_id"))
_OF_CLIENT = _IN_CONVERSATION.where(
    _MESSAGE.author_id == bindparam("author_id"), _MESSAGE.client_id == bindparam("client_id")
)
_AFTER = (
    _IN_CONVERSATION.where(_MESSAGE.seq > bindparam("seq")).order_by(_MESSAGE.seq).limit(bindparam("most"))
)
_LAST = _IN_CONVERSATION.order_by(_MESSAGE.seq.desc()).limit(bindparam("most"))
_BEFORE = _LAST.where(_MESSAGE.seq < bindparam("seq"))


def _said(statement: Select[Any], **values: Any) -> list[Said]:
    return [Said(*row) for row in plain.rows(statement, **values)]


def note(said: Said) -> None:
    """What this session wrote need not be read again by those who react to it: messages never change."""
    db.session().info[_NOTED] = said


def message(message_id: int) -> Said:
    """Raises NotFound."""
    noted: Said | None = db.session().info.get(_NOTED)
    if noted is not None and noted.id == message_id:
        return noted
    for found in _said(_BY_ID, message_id=message_id):
        return found
    raise NotFound


def message_of_client(conversation_id: int, author_id: int, client_id: UUID) -> Said:
    """What this author sent under this id of theirs already. Raises NotFound."""
    for found in _said(_OF_CLIENT, conversation_id=conversation_id, author_id=author_id, client_id=client_id):
        return found
    raise NotFound


_SEATED = (
    select(_MEMBER.id)
    .join_from(
        Conversation.__table__,
        ConversationMember.__table__,
        and_(
            _MEMBER.tenant_id == _CONVERSATION.tenant_id,
            _MEMBER.conversation_id == _CONVERSATION.id,
            _MEMBER.person_id == bindparam("person_id"),
        ),
        isouter=True,
    )
    .where(
        _CONVERSATION.tenant_id == plain.tenant(),
        _CONVERSATION.id == bindparam("conversation_id"),
        takes_part(_CONVERSATION, bindparam("person_id")),
    )
)


def is_seated(conversation_id: int, person_id: int) -> bool:
    """Whether somebody who takes part has a row that says so. Raises NotFound for who takes no part."""
    for row in plain.rows(_SEATED, conversation_id=conversation_id, person_id=person_id):
        return row.id is not None
    raise NotFound


def messages_after(conversation_id: int, seq: int, limit: int = PAGE) -> list[Said]:
    """What comes after a place, in order."""
    return _said(_AFTER, conversation_id=conversation_id, seq=seq, most=limit)


def messages_before(conversation_id: int, seq: int | None = None, limit: int = PAGE) -> list[Said]:
    """The last ones, or those before a place, in order."""
    if seq is None:
        found = _said(_LAST, conversation_id=conversation_id, most=limit)
    else:
        found = _said(_BEFORE, conversation_id=conversation_id, seq=seq, most=limit)
    return found[::-1]


def conversations_of(person_id: int, limit: int = 200) -> list[Line]:
    """All that somebody takes part in, the liveliest first, with what is new to them; one statement."""
    tutor, student, author = aliased(Person), aliased(Person), aliased(Person)
    last = aliased(Message)
    read = func.coalesce(ConversationMember.read_seq, 0)
    new = (
        select(func.count())
        .select_from(Message)
        .where(
            Message.conversation_id == Conversation.id,
            Message.seq > read,
            Message.author_id != person_id,
        )
        .correlate(Conversation, ConversationMember)
        .scalar_subquery()
    )
    query = (
        select(
            Conversation.id,
            tutor.full_name.label("tutor_name"),
            student.full_name.label("student_name"),
            (Conversation.tutor_id == person_id).label("is_tutor"),
            (Conversation.student_id == person_id).label("is_student"),
            func.left(last.body, 200).label("last_body"),
            author.full_name.label("last_author"),
            Conversation.last_at,
            new.label("unread"),
        )
        .join(tutor, tutor.id == Conversation.tutor_id)
        .join(student, student.id == Conversation.student_id)
        .outerjoin(
            ConversationMember,
            and_(
                ConversationMember.conversation_id == Conversation.id,
                ConversationMember.person_id == person_id,
            ),
        )
        .outerjoin(last, and_(last.conversation_id == Conversation.id, last.seq == Conversation.last_seq))
        .outerjoin(author, author.id == last.author_id)
        .where(_takes_part(person_id))
        .order_by(Conversation.last_at.desc().nulls_last(), Conversation.id.desc())
        .limit(limit)
    )
    return [Line(**row._mapping) for row in db.session.execute(query)]


def unread() -> ScalarSelect[Any]:
    """In how many conversations there is something new for `person`: of a statement past the ORM. Those that
    somebody takes part in are looked up one way after the other, since each way has its index."""
    talk, family = Conversation.__table__.c, Guardianship.__table__.c
    member, message = ConversationMember.__table__.c, Message.__table__.c
    person = bindparam("person", type_=BigInteger)
    here = select(talk.id).where(talk.tenant_id == plain.tenant())
    children = select(family.child_id).where(family.tenant_id == plain.tenant(), family.guardian_id == person)
    theirs = union(
        here.where(talk.tutor_id == person),
        here.where(talk.student_id == person),
        here.where(talk.student_id.in_(children)),
    ).subquery()
    seen = and_(
        member.tenant_id == plain.tenant(), member.conversation_id == theirs.c.id, member.person_id == person
    )
    new = select(message.id).where(
        message.tenant_id == plain.tenant(),
        message.conversation_id == theirs.c.id,
        message.seq > func.coalesce(member.read_seq, 0),
        message.author_id != person,
    )
    talks = theirs.outerjoin(ConversationMember.__table__, seen)
    return select(func.count()).select_from(talks).where(new.exists()).scalar_subquery()


def pairs_that_hold(pairs: Collection[tuple[int, int]]) -> set[tuple[int, int]]:
    """Of pairs of conversation and person those where the person takes part still."""
    here = Conversation.id.in_({conversation_id for conversation_id, _person_id in pairs})
    guardians = (
        select(Conversation.id, Guardianship.guardian_id)
        .join(Guardianship, Guardianship.child_id == Conversation.student_id)
        .where(here)
    )
    found = {(row[0], row[1]) for row in db.session.execute(guardians)}
    for row in db.session.execute(
        select(Conversation.id, Conversation.tutor_id, Conversation.student_id).where(here)
    ):
        found |= {(row.id, row.tutor_id), (row.id, row.student_id)}
    return found & set(pairs)


def members_for_update(conversation_id: int, *, without: int) -> Sequence[ConversationMember]:
    """All but one, of those who take part still; locked in one order."""
    return db.session.scalars(
        select(ConversationMember)
        .join(Conversation, Conversation.id == ConversationMember.conversation_id)
        .where(
            ConversationMember.conversation_id == conversation_id,
            ConversationMember.person_id != without,
            _takes_part(ConversationMember.person_id),
        )
        .order_by(ConversationMember.person_id)
        .with_for_update(of=ConversationMember)
        .execution_options(populate_existing=True)
    ).all()


def _pair() -> Select[Any]:
    seat, lesson = Seat.__table__, Lesson.__table__
    in_lesson = and_(lesson.c.tenant_id == seat.c.tenant_id, lesson.c.id == seat.c.lesson_id)
    return (
        select(lesson.c.tutor_id, seat.c.student_id)
        .select_from(seat.join(lesson, in_lesson))
        .where(seat.c.tenant_id == plain.tenant(), seat.c.id == bindparam("seat"))
    )


_PAIR = _pair()


def pair_of_seat(seat_id: int) -> tuple[int, int | None]:
    """The ids of a seat's tutor and student. Raises NotFound."""
    for tutor_id, student_id in plain.rows(_PAIR, seat=seat_id):
        return tutor_id, student_id
    raise NotFound


def new_to(conversation_id: int, person_id: int) -> int:
    """How many messages of others somebody who takes part has not read."""
    read = (
        select(ConversationMember.read_seq)
        .where(
            ConversationMember.conversation_id == conversation_id, ConversationMember.person_id == person_id
        )
        .scalar_subquery()
    )
    query = select(func.count(Message.id)).where(
        Message.conversation_id == conversation_id,
        Message.author_id != person_id,
        Message.seq > func.coalesce(read, 0),
    )
    return int(db.session.scalar(query) or 0)
