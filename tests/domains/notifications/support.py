"""Mails as they arrived, and a school whose events are delivered."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from icalendar import Calendar, Event

from app.core import clock
from app.core.db import db
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Account, Person
from app.domains.notifications.models import Notification
from app.providers.mail.mock import MockMailMessage
from tests.domains.booking.support import NOW, School, make_school
from tests.support.world import drain

CALENDAR = "text/calendar; method="


@dataclass(frozen=True)
class Arrived:
    """A mail as its reader has it."""

    to: str
    subject: str
    text: str
    html: str
    files: dict[str, bytes]
    copies: int
    message_id: str

    @property
    def calendar(self) -> bytes:
        """What mail programs show as an invitation."""
        return next(data for kind, data in self.files.items() if kind.startswith(CALENDAR))

    @property
    def event(self) -> Event:
        [event] = [part for part in Calendar.from_ical(self.calendar).walk() if part.name == "VEVENT"]
        return event

    @property
    def method(self) -> str:
        return str(Calendar.from_ical(self.calendar)["METHOD"])


def arrived(to: str | None = None) -> list[Arrived]:
    """All mails, or those of one address, oldest first."""
    with platform_scope("test"):
        rows = db.session.query(MockMailMessage).order_by(MockMailMessage.id).all()
        return [
            Arrived(
                row.recipient,
                row.subject,
                row.text,
                row.html or "",
                {f["content_type"]: base64.b64decode(f["data"]) for f in row.attachments or ()},
                row.copies,
                row.message_id,
            )
            for row in rows
            if to in (None, row.recipient)
        ]


def forget_mails() -> None:
    with platform_scope("test"), transaction() as session:
        session.query(MockMailMessage).delete()


def told(school: School, person_id: int) -> list[tuple[str, dict[str, Any]]]:
    """What somebody is told in the app, oldest first."""
    with tenant_scope(school.tenant_id):
        rows = db.session.query(Notification).filter_by(person_id=person_id).order_by(Notification.id)
        return [(row.kind, row.data) for row in rows]


@dataclass
class Told:
    """A school with its real wiring."""

    app: Flask
    school: School

    def deliver(self) -> None:
        drain(self.app)

    def live_in(self, role: str, *, locale: str | None = None, timezone: str | None = None) -> None:
        """Have somebody read in this language and by this clock."""
        with platform_scope("test"), transaction() as session:
            account = session.query(Account).filter_by(email=f"{role}@anna.test").one()
            account.locale, account.timezone = locale, timezone

    def rename(self, person_id: int, name: str) -> None:
        with self.school.inside() as session:
            session.get(Person, person_id).full_name = name


@pytest.fixture
def here(app: Flask) -> Iterator[Told]:
    """In an app context, at `NOW`. Guardian anna pays, Student anna learns, Tutor anna teaches."""
    with app.app_context(), clock.frozen(NOW):
        yield Told(app, make_school())


def masked(mail: Arrived, *words: tuple[str, str]) -> str:
    """A mail for a golden file: what differs from run to run has names."""
    parts = [f"To: {mail.to}", f"Subject: {mail.subject}", "", mail.text]
    if any(kind.startswith(CALENDAR) for kind in mail.files):
        unfolded = mail.calendar.decode().replace("\r\n ", "").replace("\r\n", "\n")
        parts += ["--- " + next(kind for kind in mail.files if kind.startswith(CALENDAR)), unfolded]
    parts += ["--- text/html", mail.html]
    text = "\n".join(parts)
    text = re.sub(r"DTSTAMP:\w+", "DTSTAMP:…", text)
    text = re.sub(r"\b(lessons|orders|receipts)/[0-9A-Z]{10,40}", r"\1/CODE", text)
    text = re.sub(r"\b(seat|lesson)-\d+@", r"\1-1@", text)
    text = re.sub(r"\bmaths-\d+|\bMaths \d+", lambda found: found.group(0).split("-")[0].split(" ")[0], text)
    text = re.sub(r"\b(proposals|offerings)/\d+", r"\1/1", text)
    return "\n".join(line.rstrip() for line in text.splitlines())
