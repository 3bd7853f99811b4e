"""From a letter to a mail: its reader's language and zone, the company's name and colour, a Message-ID that a
repeat carries, too."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from flask import current_app, render_template
from flask_babel import force_locale, format_date, format_time
from flask_babel import gettext as _

from app.core import ics, scope
from app.core.events import Delivery
from app.core.ids import fingerprint
from app.core.locales import reader_locale
from app.core.money import Money
from app.domains.notifications import queries
from app.domains.tenancy.models import CLOSED
from app.providers.mail import Attachment, CalendarPart, Mail, Mailbox

_HOLES = re.compile(r"\n{3,}")
_BREAKS = frozenset({"Cc", "Cs", "Zl", "Zp"})


@dataclass(frozen=True)
class Place:
    """The company that writes."""

    name: str
    host: str
    url: str
    brand_color: str
    locale: str
    timezone: str


@dataclass(frozen=True)
class Reader:
    """To whom a mail goes, in which language it is written and which clock it is read by."""

    person_id: int
    name: str
    email: str
    locale: str
    timezone: str
    has_login: bool


@dataclass(frozen=True)
class Letter:
    """What one mail says: its `template` without .html and .txt, the path its button leads to, and an
    invitation."""

    template: str
    subject: str
    path: str
    words: Mapping[str, Any] = field(default_factory=dict)
    invite: ics.Invite | None = None


def addressed(person_id: int) -> tuple[Reader, Place] | None:
    """Who is written to, and the company in scope, which writes. None for somebody without an address; a
    company that is closed writes to nobody."""
    found = queries.addressed(person_id)
    who, company = found or (None, None)
    if who is None or not who.email or company is None or company.status == CLOSED:
        return None
    settings = current_app.extensions["settings"]
    host = f"{company.slug}.{settings.BASE_DOMAIN}"
    place = Place(
        name=company.name,
        host=host,
        url=str(settings.url_of(host, "")).rstrip("/"),
        brand_color=company.color,
        locale=company.locale,
        timezone=company.timezone,
    )
    reader = Reader(
        person_id=who.person_id,
        name=who.name,
        email=who.email,
        locale=who.locale or company.locale,
        timezone=who.timezone or company.timezone,
        has_login=who.has_login,
    )
    return reader, place


@contextmanager
def worded_for(who: Reader) -> Iterator[None]:
    """In this person's language."""
    with force_locale(who.locale):
        yield


def send(delivery: Delivery, letter: Letter, *, to: Reader, at: Place) -> None:
    """Render both parts, end the read transaction, and hand the mail to the provider. A repeat of the
    delivery is the same mail: its Message-ID says so."""
    locale = reader_locale()
    context = {
        **letter.words,
        "site_name": at.name,
        "brand_color": at.brand_color,
        "locale_code": str(locale),
        "text_direction": locale.text_direction,
        "person_name": to.name,
        "url": at.url + letter.path if letter.path else "",
    }
    mail = Mail(
        to=to.email,
        subject=_one_line(letter.subject),
        # What a mail leaves out must not leave a hole.
        text=_HOLES.sub("\n\n", render_template(f"{letter.template}.txt", **context)),
        html=render_template(f"{letter.template}.html", **context),
        message_id=fingerprint(delivery.key)[:40],
        sender=Mailbox(current_app.extensions["mail_sender"].address, at.name),
        **_calendar(letter.invite),
    )
    scope.release()
    current_app.extensions["mail"].send(mail)


def _one_line(text: str) -> str:
    """A title or a name may hold what would end a header; the mail must go out all the same."""
    return " ".join("".join(" " if unicodedata.category(c) in _BREAKS else c for c in text).split())[:300]


def _calendar(invite: ics.Invite | None) -> dict[str, Any]:
    """Once for programs that show invitations, once as a file for those that don't."""
    if invite is None:
        return {}
    data = ics.invitation(invite)
    return {
        "calendar": CalendarPart(invite.method, data),
        "attachments": (Attachment("invite.ics", "application/ics", data),),
    }


def organizer(at: Place) -> ics.Party:
    return ics.Party(current_app.extensions["mail_sender"].address, at.name)


def span_words(starts_at: dt.datetime, ends_at: dt.datetime, zone: str) -> str:
    """A stretch of time by a zone's clock, with the zone's name: both readers must mean the same hour."""
    here = ZoneInfo(zone)
    return _(
        "%(day)s, %(start)s to %(end)s (%(zone)s)",
        day=_day_words(starts_at.astimezone(here)),
        start=_clock_words(starts_at.astimezone(here)),
        end=_clock_words(ends_at.astimezone(here)),
        zone=zone_words(zone),
    )


def moment_words(at: dt.datetime, zone: str) -> str:
    local = at.astimezone(ZoneInfo(zone))
    return _(
        "%(day)s, %(time)s (%(zone)s)",
        day=_day_words(local),
        time=_clock_words(local),
        zone=zone_words(zone),
    )


def _day_words(local: dt.datetime) -> str:
    return str(format_date(local, "full", rebase=False))


def _clock_words(local: dt.datetime) -> str:
    return str(format_time(local, "short", rebase=False))


def zone_words(zone: str) -> str:
    return zone.replace("_", " ")


def same_clock(one: str, other: str, at: dt.datetime) -> bool:
    """Whether the clocks of two zones show the same at that moment."""
    return at.astimezone(ZoneInfo(one)).utcoffset() == at.astimezone(ZoneInfo(other)).utcoffset()


def money_words(minor: int, currency: str) -> str:
    return Money(minor, currency).format(reader_locale())
