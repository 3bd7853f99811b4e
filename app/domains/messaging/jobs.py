"""Mails about messages: one for all that somebody has not read, after ten minutes."""

from __future__ import annotations

import datetime as dt

from flask_babel import ngettext

from app.core import clock
from app.core.errors import NotFound
from app.core.events import Delivery, announce
from app.core.rounds import for_each_tenant
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.messaging import policies, queries
from app.domains.messaging.events import UnreadReminded
from app.domains.notifications import queries as notifications
from app.domains.notifications import service
from app.domains.notifications.jobs import mailing

KIND = "messages"
BATCH = 100


def remind_unread() -> None:
    """Recurring: whoever has not looked for ten minutes gets a mail, and no other until they have."""
    until = clock.now() - policies.REMIND_AFTER
    with platform_scope("which companies have unread messages"):
        tenant_ids = notifications.tenants_with_unread(KIND, until=until)
    for_each_tenant(tenant_ids, lambda: _remind(until))


def _remind(until: dt.datetime) -> None:
    while True:
        with transaction():
            found = notifications.unread_for_update(KIND, until=until, limit=BATCH)
            for row in found:
                service.note_reminded(row)
                announce(UnreadReminded(row.tenant_id, row.data["conversation_id"], row.person_id))
        if len(found) < BATCH:
            break


def mail_unread(delivery: Delivery) -> None:
    """To somebody who signs in here and has not read it yet. What was written stays where its people are."""
    addressed = mailing.addressed(delivery.event.person_id)
    if addressed is None:
        return
    to, at = addressed
    if not to.has_login:
        return
    try:
        conversation = queries.conversation(delivery.event.conversation_id, to.person_id)
    except NotFound:
        return
    count = queries.new_to(conversation.id, to.person_id)
    if not count:
        return
    others = [part.name for part in queries.parts(conversation) if part.person_id != to.person_id]
    with mailing.worded_for(to):
        letter = mailing.Letter(
            "messaging/mail/unread",
            ngettext("A new message at %(site)s", "%(num)s new messages at %(site)s", count, site=at.name),
            policies.url_of(conversation.id),
            {"count": count, "others": ", ".join(others)},
        )
        mailing.send(delivery, letter, to=to, at=at)
