"""Messaging in the admin: whoever runs a company sees what is written in it, and changes nothing. Those who
write are told so."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from app.core.web.categories import TALK
from app.core.web.entry import AdminEntry, Related
from app.domains.messaging.models import Conversation, ConversationMember, Message


class ConversationEntry(AdminEntry):
    model = Conversation
    label, plural = _l("Conversation"), _l("Conversations")
    lead = _l("Between tutors, students and guardians. You can read along; they are told so.")
    category, icon, rank = TALK, "message", 10
    columns = ("tutor", "student", "last_seq", "last_at")
    details = (*columns, "created_at")
    search = ("student.full_name",)
    filters = ("tutor_id", "student_id", "last_at")
    order = ("last_at", "desc")
    labels = {
        "tutor": _l("Tutor"),
        "student": _l("Student"),
        "last_seq": _l("Messages"),
        "last_at": _l("Last one"),
    }
    related = (
        Related("messages", "conversation_id", _l("Messages"), told=False),
        Related("conversation-members", "conversation_id", _l("Who takes part"), told=False),
    )
    can_delete = False
    has_api = False  # its people have one of their own, under this address
    empty_title = _l("No conversations yet")
    empty_text = _l("The first booking between a student and a tutor opens theirs.")


class MemberEntry(AdminEntry):
    model = ConversationMember
    slug = "conversation-members"
    label, plural = _l("Participant"), _l("Participants")
    lead = _l("Who takes part in which conversation, and how far they have read.")
    category, icon = TALK, "users"
    columns: tuple[str, ...] = ("person", "delivered_seq", "read_seq", "read_at")
    details: tuple[str, ...] = ("conversation", *columns)
    only_on_page = ("conversation",)
    search = ("person.full_name",)
    eager = ("conversation.tutor", "conversation.student")  # by whom conversations are called
    filters = ("conversation_id", "person_id")
    labels = {
        "conversation": _l("Conversation"),
        "delivered_seq": _l("Delivered up to"),
        "read_seq": _l("Read up to"),
        "read_at": _l("Last read"),
    }
    can_delete = False
    rare = True
    empty_title = _l("Nobody yet")


class MessageEntry(AdminEntry):
    model = Message
    label, plural = _l("Message"), _l("Messages")
    lead = _l("Everything that was written. Nobody can change it, here neither.")
    category, icon, rare = TALK, "mail", True
    menu_label = _l("All messages")
    # A conversation is called by its two people, so a list of them would ask for each.
    columns: tuple[str, ...] = ("sent_at", "author", "body", "seq")
    details: tuple[str, ...] = ("conversation", *columns)
    only_on_page = ("conversation",)
    search = ("body", "author.full_name")
    eager = ("conversation.tutor", "conversation.student")  # by whom conversations are called
    filters = ("conversation_id", "author_id", "sent_at")
    order = ("sent_at", "desc")
    labels = {
        "sent_at": _l("Sent"),
        "author": _l("Author"),
        "body": _l("Text"),
        "conversation": _l("Conversation"),
        "seq": _l("No."),
    }
    can_delete = False
    empty_title = _l("Nothing was written yet")


ADMIN = (ConversationEntry, MemberEntry, MessageEntry)
