"""What a message may be, how many, and when somebody is written to about them."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata

from app.core.throttle import Limit
from app.domains.messaging.errors import EmptyMessage, MessageTooLong
from app.domains.messaging.models import MOST_CHARACTERS

MESSAGES_PER_PERSON = Limit(240, dt.timedelta(minutes=1))
REMIND_AFTER = dt.timedelta(minutes=10)

_MANY_LINES = re.compile(r"\n{4,}")
# What turns the direction of a text and forgets to turn it back would reorder the page around it.
_TURNS = dict.fromkeys(map(ord, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))


def clean_body(text: str) -> str:
    """What is stored of what was typed: no control characters, no more than two empty lines in a row.
    Raises EmptyMessage, MessageTooLong."""
    if len(text) > 4 * MOST_CHARACTERS:
        raise MessageTooLong(field="body")
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_TURNS)
    text = "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs"})
    text = _MANY_LINES.sub("\n\n\n", text).strip()
    if not any(unicodedata.category(char)[0] not in "ZC" for char in text):
        raise EmptyMessage(field="body")
    if len(text) > MOST_CHARACTERS:
        raise MessageTooLong(field="body")
    return text


def key_of(tutor_id: int, student_id: int) -> str:
    """What makes a conversation the one of its pair."""
    return f"tutor:{tutor_id}|student:{student_id}"


def url_of(conversation_id: int) -> str:
    """Its page: where what is told about it leads."""
    return f"/messages/{conversation_id}"


def unread_key(conversation_id: int, read_seq: int) -> str:
    """One notification for all that comes after what was read last."""
    return f"messages:{conversation_id}:{read_seq}"
