"""Mail that goes nowhere: kept in a table, for the demo's operator page and the tests.

It behaves as the real one does when things go well, and fails on demand: by the recipient
(`*@refused.test`, `*@deferred.test`, `*@down.test`) or for the next sends.
"""

from __future__ import annotations

import base64
import datetime as dt
import re
import threading
import time
from fnmatch import fnmatchcase
from typing import Any, Literal

from sqlalchemy import BigInteger, Engine, Index, Integer, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Mapped, mapped_column

from app.core import clock, scope
from app.core.db import Id, Model, UtcDateTime
from app.core.outside import Breaker, ProviderDeferred, ProviderRefused, ProviderUnavailable, breaker
from app.providers.mail.base import Mail, Mailbox, headers_of

Failure = Literal["refused", "deferred", "unavailable", "reply_lost"]

INVITATION = "invite.ics"  # how the calendar part, which has no name, is shown

_NAME = "mail"
_BY_RECIPIENT: dict[str, Failure] = {
    "*@refused.test": "refused",
    "*@deferred.test": "deferred",
    "*@down.test": "unavailable",
}


class MockMailMessage(Id, Model):
    """A mail that the mock took. `copies` above 1 shows that the same delivery was sent again."""

    __tablename__ = "mock_mail"
    AUDITED = False
    __table_args__ = (UniqueConstraint("message_id"), Index("ix_mock_mail_sent_at", "sent_at"))

    tenant_id: Mapped[int | None] = mapped_column(BigInteger)
    message_id: Mapped[str] = mapped_column(Text)
    copies: Mapped[int] = mapped_column(Integer, default=1)
    recipient: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    html: Mapped[str | None] = mapped_column(Text)
    headers: Mapped[dict[str, Any]] = mapped_column(JSONB)
    sent_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    # Of each file its filename, content_type and data (base 64); read only where it is asked for.
    attachments: Mapped[list[dict[str, str]] | None] = mapped_column(JSONB(none_as_null=True), deferred=True)

    @property
    def link(self) -> str | None:
        """The first link in the text: what its reader would follow."""
        found = re.search(r"https?://\S+", self.text)
        return found.group(0) if found else None

    @property
    def attached(self) -> str:
        """The names of the files that went along."""
        return ", ".join(file["filename"] for file in self.attachments or ())

    def __str__(self) -> str:
        return f"{self.subject} → {self.recipient}"


_AS_PLATFORM = text("SET LOCAL ROLE wm_platform")
_KEEP = insert(MockMailMessage.__table__).on_conflict_do_update(
    index_elements=["message_id"], set_={"copies": MockMailMessage.__table__.c.copies + 1}
)


class MockMail:
    """Keeps mail in `mock_mail`, by a connection of its own; see `MailProvider.send` for what it raises."""

    def __init__(
        self, engine: Engine, *, sender: Mailbox, lag_seconds: float = 0.0, guard: Breaker | None = None
    ) -> None:
        self._engine, self._sender = engine, sender
        self._guard = guard or breaker(_NAME)
        self._lock = threading.Lock()
        self._next: list[Failure] = []
        self.lag_seconds = lag_seconds

    def send(self, mail: Mail) -> None:
        self._guard.call(lambda: self._send(mail))

    def fail_next(self, sends: int, failure: Failure) -> None:
        """Have the next sends of this process fail; "reply_lost" fails after the mail was taken."""
        with self._lock:
            self._next += [failure] * sends

    def _send(self, mail: Mail) -> None:
        time.sleep(self.lag_seconds)
        failure = self._failure(mail)
        if failure == "refused":
            raise ProviderRefused(_NAME, "recipient: 550 the mock refuses")
        if failure == "deferred":
            raise ProviderDeferred(_NAME, "recipient: 451 the mock says later")
        if failure == "unavailable":
            raise ProviderUnavailable(_NAME, "the mock is away")
        self._keep(mail)
        if failure == "reply_lost":
            raise ProviderUnavailable(_NAME, "the mock went away before it answered")

    def _failure(self, mail: Mail) -> Failure | None:
        with self._lock:
            if self._next:
                return self._next.pop(0)
        return next((what for pattern, what in _BY_RECIPIENT.items() if fnmatchcase(mail.to, pattern)), None)

    def _keep(self, mail: Mail) -> None:
        present = scope.current()
        row = {
            "tenant_id": present.tenant_id if isinstance(present, scope.TenantScope) else None,
            "message_id": mail.message_id,
            "copies": 1,
            "recipient": mail.to,
            "subject": mail.subject,
            "text": mail.text,
            "html": mail.html,
            "headers": {name: str(value) for name, value in headers_of(mail, self._sender).items()},
            "sent_at": clock.machine_now(),
            "attachments": _attachments(mail),
        }
        try:
            with self._engine.begin() as connection:
                connection.execute(_AS_PLATFORM)
                connection.execute(_KEEP, row)
        except OperationalError as error:
            raise ProviderUnavailable(_NAME, "the mock's database is away") from error


def _attachments(mail: Mail) -> list[dict[str, str]] | None:
    """The files of a mail, and its invitation as one."""
    files = [(one.filename, one.content_type, one.data) for one in mail.attachments]
    if mail.calendar is not None:
        files.append((INVITATION, mail.calendar.content_type, mail.calendar.data))
    return [
        {"filename": name, "content_type": kind, "data": base64.b64encode(data).decode()}
        for name, kind, data in files
    ] or None
