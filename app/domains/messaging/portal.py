"""Conversations on pages: the list, one of them, writing without script, and the way to one from a lesson."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from itertools import groupby
from typing import Any
from uuid import UUID, uuid4

from flask import Blueprint, redirect, render_template, request, url_for
from flask_babel import get_timezone

from app.core.errors import DomainError, NotFound
from app.core.ids import row_id
from app.core.moments import moment
from app.core.transaction import transaction
from app.core.web.csrf import keeps_text
from app.core.web.viewing import login_required, on_tenant, signed_in
from app.domains.messaging import queries, service
from app.domains.messaging.forms import MessageForm
from app.domains.messaging.models import MOST_CHARACTERS, Conversation
from app.domains.messaging.queries import Part, Said

bp = Blueprint("messaging", __name__, template_folder="templates", url_prefix="/messages")


@bp.get("/")
@login_required
def index() -> Any:
    person_id = _person_id()
    return render_template(
        "messaging/index.html",
        lines=queries.conversations_of(person_id),
        roles=signed_in().role_keys,
        moment=moment,
    )


@bp.get("/<id:conversation_id>")
@login_required
def show(conversation_id: int) -> Any:
    """The last messages, or those before a place. Who sees the last ones has read them."""
    person_id = _person_id()
    conversation = queries.conversation(conversation_id, person_id)
    before = row_id(request.args.get("before", ""))
    parts = queries.parts(conversation)
    if before is None and conversation.last_seq > _read_by(person_id, parts):
        with transaction():
            service.mark_read(conversation_id, person_id=person_id, seq=conversation.last_seq)
    form = MessageForm(formdata=None, data={"client_id": str(uuid4())})
    return _page(conversation, parts, person_id, form, before=before), 200


@bp.post("/<id:conversation_id>")
@login_required
@keeps_text
def write(conversation_id: int) -> Any:
    """Without script: the message, and the page again. The same form sent twice writes once."""
    person_id, form = _person_id(), MessageForm()
    conversation = queries.conversation(conversation_id, person_id)
    if not form.validate():
        return _page(conversation, queries.parts(conversation), person_id, form), 422
    try:
        with transaction():
            service.send(
                conversation_id,
                author_id=person_id,
                client_id=UUID(form.client_id.data),
                body=form.body.data or "",
            )
    except DomainError as error:
        form.show_refusal(error)
        return _page(conversation, queries.parts(conversation), person_id, form), error.status
    return redirect(url_for(".show", conversation_id=conversation_id) + "#write")


@bp.get("/with/<id:tutor_id>/<id:student_id>")
@login_required
def between(tutor_id: int, student_id: int) -> Any:
    """From a lesson to its conversation, which the first booking opened."""
    found = queries.between(tutor_id, student_id, _person_id())
    if found is None:
        raise NotFound
    return redirect(url_for(".show", conversation_id=found.id))


def _read_by(person_id: int, parts: Sequence[Part]) -> int:
    return next((part.read_seq for part in parts if part.person_id == person_id), 0)


def _page(
    conversation: Conversation,
    parts: Sequence[Part],
    person_id: int,
    form: MessageForm,
    *,
    before: int | None = None,
) -> str:
    messages = queries.messages_before(conversation.id, before)
    others = [part for part in parts if part.person_id != person_id]
    return render_template(
        "messaging/show.html",
        conversation=conversation,
        title=", ".join(part.name for part in others),
        days=[(day.isoformat(), list(rows)) for day, rows in groupby(messages, key=_day)],
        zone=str(get_timezone()),
        parts=parts,
        me=person_id,
        delivered_seq=max((part.delivered_seq for part in others), default=0),
        read_seq=max((part.read_seq for part in others), default=0),
        earlier_url=_earlier(conversation, messages),
        is_latest=before is None,
        form=form,
        most_characters=MOST_CHARACTERS,
    )


def _day(message: Said) -> dt.date:
    """By the clock of whoever looks."""
    return message.sent_at.astimezone(get_timezone()).date()


def _earlier(conversation: Conversation, messages: Sequence[Said]) -> str | None:
    if not messages or messages[0].seq <= 1:
        return None
    return url_for(".show", conversation_id=conversation.id, before=messages[0].seq)


def _person_id() -> int:
    """An operator on a visit takes part in nothing. Raises NotFound."""
    on_tenant()
    person_id = signed_in().person_id
    if person_id is None:
        raise NotFound
    return person_id
