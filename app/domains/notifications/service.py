"""Writes of notifications, one function per verb."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, plain, scope
from app.core.db import UtcDateTime, db
from app.core.events import announce
from app.domains.notifications.events import MailDue
from app.domains.notifications.models import Notification

_NOTIFICATION = Notification.__table__.c
_NOTIFY = insert(Notification.__table__).on_conflict_do_nothing().returning(_NOTIFICATION.id)
_READ_THERE = (
    update(Notification.__table__)
    .where(
        _NOTIFICATION.tenant_id == plain.tenant(),
        _NOTIFICATION.person_id == bindparam("reader"),
        _NOTIFICATION.url == bindparam("page"),
        _NOTIFICATION.read_at.is_(None),
    )
    .values(read_at=bindparam("now", type_=UtcDateTime))
)


def notify(person_id: int, *, kind: str, key: str, data: Mapping[str, Any], url: str) -> bool:
    """Tell somebody in the app; whether this is news: the same `key` is told once, however often it comes.
    `data` are plain values, worded when they are read: policies/words.py."""
    row = {
        "tenant_id": scope.tenant_id(),
        "person_id": person_id,
        "kind": kind,
        "key": key,
        "data": dict(data),
        "url": url,
        "happened_at": clock.now(),
    }
    return db.session.execute(_NOTIFY, row).scalar() is not None


def tell(
    person_id: int,
    *,
    kind: str,
    key: str,
    data: Mapping[str, Any],
    url: str,
    letter: str | None = None,
    subject_id: int = 0,
) -> None:
    """As `notify`, and the first time a mail as well."""
    if notify(person_id, kind=kind, key=key, data=data, url=url) and letter is not None:
        announce(MailDue(scope.tenant_id(), letter, person_id, subject_id))


def mark_read(person_id: int, *, url: str) -> None:
    """Somebody has been where these lead. Each message that is read or written asks for it."""
    plain.write(_READ_THERE, reader=person_id, page=url, now=clock.now())


def mark_one_read(notification: Notification) -> None:
    _mark_read(Notification.id == notification.id)


def mark_all_read(person_id: int) -> None:
    _mark_read(Notification.person_id == person_id)


def _mark_read(*which: Any) -> None:
    db.session.execute(
        update(Notification)
        .where(Notification.read_at.is_(None), *which)
        .values(read_at=clock.now())
        .execution_options(synchronize_session=False)
    )


def note_reminded(notification: Notification) -> None:
    """Somebody is written to about what they have not read: once."""
    notification.data = {**notification.data, "reminded": True}
