"""Conversations and their messages: who is in them, the order, what is new, and when somebody is told."""

from __future__ import annotations

import datetime as dt
import threading
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from app.core import clock, plain
from app.core.db import db
from app.core.errors import NotAllowed, NotFound, TooMany
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Guardianship, Person
from app.domains.messaging import jobs, policies, queries, service
from app.domains.messaging.errors import EmptyMessage, MessageTooLong
from app.domains.messaging.models import Conversation, ConversationMember, Message
from app.domains.notifications.models import Notification
from app.providers.mail.mock import MockMailMessage
from tests.domains.messaging.support import open_conversation, say, stored
from tests.support.statements import assert_statements
from tests.support.world import World, drain


def test_one_conversation_for_a_pair(app: Flask, world: World) -> None:
    first = open_conversation(app, world.anna, with_guardian=True)
    with app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        people = [session.get(Person, world.anna.people[role]) for role in ("tutor", "student")]
        assert service.open_conversation(*people).id == first
        with pytest.raises(NotAllowed):
            service.open_conversation(people[0], people[0])
        members = [part.role for part in queries.parts(session.get(Conversation, first))]
        assert members == ["tutor", "student", "guardian"]
        assert session.query(ConversationMember).count() == 3


def test_opened_at_once_by_many(app: Flask, world: World) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(open_conversation(app, world.anna))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_families_as_they_are_now(app: Flask, world: World) -> None:
    """A guardian of later is in, one of earlier is out, whatever rows there are."""
    talk, anna = open_conversation(app, world.anna), world.anna
    say(app, anna, talk, "tutor", "before")
    with pytest.raises(NotFound):
        say(app, anna, talk, "guardian", "not yet")
    with app.app_context(), tenant_scope(anna.id), transaction() as session:
        session.add(Guardianship(guardian_id=anna.people["guardian"], child_id=anna.people["student"]))
    assert say(app, anna, talk, "guardian", "hello") == 2
    with app.app_context(), tenant_scope(anna.id), transaction() as session:
        assert [line.unread for line in queries.conversations_of(anna.people["guardian"])] == [0]
        session.delete(session.query(Guardianship).one())
    with pytest.raises(NotFound):
        say(app, anna, talk, "guardian", "still here?")
    with app.app_context(), tenant_scope(anna.id):
        assert queries.conversations_of(anna.people["guardian"]) == []
        assert len(queries.parts(queries.conversation(talk, anna.people["tutor"]))) == 2
        guardian = (talk, anna.people["guardian"])
        tutor = (talk, anna.people["tutor"])
        assert queries.pairs_that_hold({guardian, tutor}) == {tutor}


def test_the_same_client_id_is_the_same_message(app: Flask, world: World) -> None:
    talk, mine = open_conversation(app, world.anna), uuid4()
    assert say(app, world.anna, talk, "tutor", "one", mine) == 1
    assert say(app, world.anna, talk, "tutor", "something else", mine) == 1
    assert say(app, world.anna, talk, "student", "one", mine) == 2  # the other's own numbering
    assert [message.body for message in stored(app, world.anna, talk)] == ["one", "one"]


def test_the_same_again_leaves_no_trace(app: Flask, world: World) -> None:
    """Nor a place that nobody fills: pages would look for what is missing."""
    anna, talk, mine = world.anna, open_conversation(app, world.anna), uuid4()
    assert say(app, anna, talk, "tutor", "one") == 1
    with clock.frozen(clock.now() + dt.timedelta(hours=1)):
        assert say(app, anna, talk, "student", "two", mine) == 2
    with clock.frozen(clock.now() + dt.timedelta(hours=2)):
        assert say(app, anna, talk, "student", "two", mine) == 2
    with app.app_context(), tenant_scope(anna.id):
        conversation = queries.conversation(talk, anna.people["tutor"])
        last = queries.messages_before(talk)[-1]
        assert (conversation.last_seq, conversation.last_at) == (2, last.sent_at)
    assert say(app, anna, talk, "tutor", "three") == 3


def test_a_message_costs_few_statements(app: Flask, world: World) -> None:
    """The limit, the message with its place and marks, its delivery; others wait for the last two alone."""
    anna, talk = world.anna, open_conversation(app, world.anna, with_guardian=True)
    say(app, anna, talk, "tutor", "one")
    with app.app_context():
        with assert_statements(db.engine, 3):
            say(app, anna, talk, "tutor", "two")
        with assert_statements(db.engine, 4):  # what the student was told is read by that
            say(app, anna, talk, "student", "three")
        with tenant_scope(anna.id):
            with assert_statements(db.engine, 2), transaction():
                service.mark_read(talk, person_id=anna.people["tutor"], seq=3)
            with assert_statements(db.engine, 1), transaction():
                service.mark_delivered(talk, person_id=anna.people["guardian"], seq=3)
            with assert_statements(db.engine, 2), transaction():  # nothing new: is there anybody?
                service.mark_delivered(talk, person_id=anna.people["guardian"], seq=3)


def test_sixteen_write_at_once_the_same(app: Flask, world: World) -> None:
    talk, mine = open_conversation(app, world.anna), uuid4()
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(say(app, world.anna, talk, "tutor", "once", mine)))
        for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [1] * 16
    assert len(stored(app, world.anna, talk)) == 1


def test_another_company_has_no_part(app: Flask, world: World) -> None:
    talk = open_conversation(app, world.anna)
    with app.app_context(), tenant_scope(world.bert.id), transaction():
        for person_id in (world.anna.people["tutor"], world.bert.people["tutor"]):
            with pytest.raises(NotFound):
                queries.conversation(talk, person_id)
        assert queries.messages_after(talk, 0) == []


def test_marks_only_rise(app: Flask, world: World) -> None:
    anna, talk = world.anna, open_conversation(app, world.anna)
    for number in range(3):
        say(app, anna, talk, "tutor", f"{number}")
    student = anna.people["student"]

    def marks() -> tuple[int, int]:
        part = queries.parts(queries.conversation(talk, student))[1]
        return part.delivered_seq, part.read_seq

    with app.app_context(), tenant_scope(anna.id):
        steps = [
            (service.mark_delivered, 2, (2, 0)),
            (service.mark_read, 1, (2, 1)),
            (service.mark_delivered, 1, (2, 1)),
            (service.mark_read, 1000, (3, 3)),
            (service.mark_read, 0, (3, 3)),
        ]
        for mark, seq, wanted in steps:
            with transaction():
                mark(talk, person_id=student, seq=seq)
            assert marks() == wanted


def unread(person_id: int) -> int:
    return int(plain.rows(select(queries.unread()), person=person_id)[0][0])


def test_unread_counts_what_others_wrote(app: Flask, world: World) -> None:
    anna, talk = world.anna, open_conversation(app, world.anna)
    say(app, anna, talk, "tutor", "one")
    say(app, anna, talk, "tutor", "two")
    with app.app_context(), tenant_scope(anna.id):
        line = queries.conversations_of(anna.people["student"])[0]
        assert (line.unread, line.last_body, line.last_author) == (2, "two", "Tutor anna")
        assert unread(anna.people["student"]) == 1
        assert unread(anna.people["tutor"]) == 0
        assert unread(anna.people["guardian"]) == 0, "not yet"
        with transaction() as session:
            session.add(Guardianship(guardian_id=anna.people["guardian"], child_id=anna.people["student"]))
        assert unread(anna.people["guardian"]) == 1
    with app.app_context(), tenant_scope(world.bert.id):
        assert unread(anna.people["student"]) == 0, "it is another company's"
    say(app, anna, talk, "student", "three")  # whoever answers has read
    with app.app_context(), tenant_scope(anna.id):
        assert unread(anna.people["student"]) == 0
        assert queries.conversations_of(anna.people["tutor"])[0].unread == 1


def test_unread_in_one_of_several_conversations(app: Flask, world: World) -> None:
    """What somebody has read is told apart by conversation."""
    anna, talk = world.anna, open_conversation(app, world.anna)
    with app.app_context(), tenant_scope(anna.id), transaction() as session:
        other = Person(full_name="Second student")
        session.add(other)
        session.flush()
        tutor = session.get(Person, anna.people["tutor"])
        second, other_id = service.open_conversation(tutor, other).id, other.id
    say(app, anna, talk, "student", "one")
    say(app, anna, talk, "tutor", "two")  # whoever answers has read
    with app.app_context(), tenant_scope(anna.id):
        assert [unread(anna.people["tutor"]), unread(other_id)] == [0, 0]
    say(app, anna, second, "tutor", "three")
    with app.app_context(), tenant_scope(anna.id):
        found = [unread(anna.people["tutor"]), unread(anna.people["student"]), unread(other_id)]
        assert found == [0, 1, 1]


def test_more_than_a_hand_can_write(app: Flask, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "MESSAGES_PER_PERSON", policies.Limit(3, dt.timedelta(minutes=1)))
    talk = open_conversation(app, world.anna)
    for _ in range(3):
        say(app, world.anna, talk, "tutor", "spam")
    with pytest.raises(TooMany):
        say(app, world.anna, talk, "tutor", "spam")
    assert say(app, world.anna, talk, "student", "not me") == 4


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  hello  ", "hello"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("a\n\n\n\n\n\nb", "a\n\n\nb"),
        ("nul\x00 bell\x07", "nul bell"),
        ("\ud800x", "x"),
        ("\u202edecrof\u2066", "decrof"),
        ("👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"),
        ("مرحبا שלום", "مرحبا שלום"),
        ("x" * 4000, "x" * 4000),
    ],
)
def test_what_is_kept_of_a_text(typed: str, kept: str) -> None:
    assert policies.clean_body(typed) == kept


@pytest.mark.parametrize("typed", ["", " ", "\n\t", "\x00", "\u200b\u2060", "\u202e"])
def test_nothing_is_no_message(typed: str) -> None:
    with pytest.raises(EmptyMessage):
        policies.clean_body(typed)


@pytest.mark.parametrize("typed", ["x" * 4001, "👍" * 4001, "x" * 10_000_000])
def test_too_long(typed: str) -> None:
    with pytest.raises(MessageTooLong):
        policies.clean_body(typed)


# -- Being told -------------------------------------------------------------------------------------------------------


def told(app: Flask, world: World) -> list[tuple[int, str, bool]]:
    with app.app_context(), tenant_scope(world.anna.id):
        rows = db.session.query(Notification).order_by(Notification.id)
        return [(row.person_id, row.key, row.read_at is not None) for row in rows]


def mails(app: Flask) -> list[MockMailMessage]:
    with app.app_context():
        from app.core.scope import platform_scope

        with platform_scope("test"):
            return db.session.query(MockMailMessage).order_by(MockMailMessage.id).all()


def test_told_once_until_it_is_read(app: Flask, world: World) -> None:
    anna, talk = world.anna, open_conversation(app, world.anna)
    student = anna.people["student"]
    for number in range(3):
        say(app, anna, talk, "tutor", f"{number}")
    drain(app)
    assert told(app, world) == [(student, f"messages:{talk}:0", False)]
    with app.app_context(), tenant_scope(anna.id), transaction():
        service.mark_read(talk, person_id=student, seq=2)
    assert told(app, world) == [(student, f"messages:{talk}:0", False)]  # not all of it
    with app.app_context(), tenant_scope(anna.id), transaction():
        service.mark_read(talk, person_id=student, seq=3)
    assert told(app, world) == [(student, f"messages:{talk}:0", True)]
    say(app, anna, talk, "tutor", "again")
    drain(app)
    assert told(app, world)[1:] == [(student, f"messages:{talk}:3", False)]
    assert mails(app) == []


def test_a_mail_after_ten_minutes_and_no_other_until_it_is_read(app: Flask, world: World) -> None:
    anna, talk = world.anna, open_conversation(app, world.anna)
    say(app, anna, talk, "tutor", "one")
    say(app, anna, talk, "tutor", "the secret is 42")
    drain(app)

    def pass_by(minutes: int) -> None:
        with clock.frozen(clock.now() + dt.timedelta(minutes=minutes)), app.app_context():
            jobs.remind_unread()
        drain(app)

    pass_by(9)
    assert mails(app) == []
    pass_by(11)
    [mail] = mails(app)
    assert (mail.recipient, mail.subject) == ("student@anna.test", "2 new messages at Anna Tutors")
    assert f"http://anna.localhost:8000/messages/{talk}" in mail.text
    assert "Tutor anna" in mail.text
    assert "42" not in mail.text.replace(str(talk), "")
    say(app, anna, talk, "tutor", "three")
    drain(app)
    pass_by(60)
    assert len(mails(app)) == 1


def test_no_mail_about_what_was_read_meanwhile(app: Flask, world: World) -> None:
    anna, talk = world.anna, open_conversation(app, world.anna)
    say(app, anna, talk, "tutor", "one")
    drain(app)
    with clock.frozen(clock.now() + dt.timedelta(minutes=11)), app.app_context():
        jobs.remind_unread()
    say(app, anna, talk, "student", "I have seen it")
    drain(app)
    assert [mail.recipient for mail in mails(app)] == []


def test_messages_are_never_changed_by_the_admin(app: Flask, world: World) -> None:
    talk = open_conversation(app, world.anna)
    say(app, world.anna, talk, "tutor", "<b>as it is</b>")
    manager = world.manager()
    page = manager.get("/admin/messages/")
    assert "&lt;b&gt;as it is&lt;/b&gt;" in page.text
    with app.app_context(), tenant_scope(world.anna.id):
        number = db.session.query(Message).one().id
    assert manager.get(f"/admin/messages/{number}").status_code == 200
    for path in (f"/admin/messages/{number}/edit", f"/admin/messages/{number}/delete", "/admin/messages/add"):
        assert manager.get(path).status_code in (403, 404), path
    assert manager.get(f"/admin/conversations/{talk}").status_code == 200
    assert (
        world.browser(world.anna.host, world.anna.email("tutor")).get("/admin/messages/").status_code == 403
    )
