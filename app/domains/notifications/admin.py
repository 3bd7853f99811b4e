"""Notifications in the admin: what people were told, for questions about it."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

from app.core.web.categories import TALK
from app.core.web.entry import AdminEntry
from app.core.web.pages import Cell
from app.domains.notifications.models import Notification
from app.domains.notifications.policies.words import words_of


def _in_words(_value: Any, row: Notification) -> Cell:
    return Cell("text", words_of(row.kind, row.data).title)


class NotificationEntry(AdminEntry):
    model = Notification
    label, plural = _l("Notification"), _l("Notifications")
    lead = _l("What people were told in the app, and whether they have seen it.")
    category, icon, rank = TALK, "bell", 20
    columns = ("person", "kind", "happened_at", "read_at")
    search = ("person.full_name",)
    filters = ("person_id", "happened_at", "read_at")
    labels = {"kind": _l("What"), "happened_at": _l("When"), "read_at": _l("Seen")}
    formats = {"kind": _in_words}
    can_delete = False
    empty_title = _l("Nobody was told anything yet")
    empty_text = _l("Bookings, refunds and messages appear here.")

    def title_of(self, row: Notification) -> str:
        return str(words_of(row.kind, row.data).title)


ADMIN = (NotificationEntry,)
