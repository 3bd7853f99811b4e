"""Invitations for calendars (RFC 5545, 5546): one event, asked for or called off.

A calendar knows an event by its `uid` and believes the highest `sequence`: whoever changes a lesson
raises the number and sends again, and calls it off with the same uid. Otherwise it stays in calendars.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from icalendar import (
    Calendar,
    Event,
    Timezone,
    TimezoneDaylight,
    TimezoneStandard,
    vCalAddress,
    vText,
    vUri,
)

from app.core import clock

Method = Literal["REQUEST", "CANCEL"]
Answer = Literal["NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE"]

CONTENT_TYPE = "text/calendar"

_END = b"END:VCALENDAR\r\n"
_PRODUCT = "-//WeMaster//WeMaster//EN"
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9.@_+-]{0,199}", re.ASCII)
_ADDRESS = re.compile(r"[^\s<>\"(),:;\\\[\]@]+@[^\s<>\"(),:;\\\[\]@]+")
_URL = re.compile(r"https?://[!-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody with an e-mail address. Raises ValueError for what is none."""

    email: str
    name: str = ""

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.email):
            raise ValueError("not an e-mail address")


@dataclass(frozen=True, slots=True)
class Attendee(Party):
    """Who is invited, and what they have answered so far."""

    answer: Answer = "NEEDS-ACTION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Invite:
    """An event as a calendar shall know it. Times are aware; `zone` is the one in which they are shown.

    Raises ValueError for what no calendar would take: that is a fault of the caller.
    """

    uid: str
    sequence: int
    starts_at: dt.datetime
    ends_at: dt.datetime
    zone: str
    summary: str
    organizer: Party
    attendees: tuple[Attendee, ...]
    description: str = ""
    location: str = ""
    url: str = ""
    cancelled: bool = False

    def __post_init__(self) -> None:
        if self.starts_at.tzinfo is None or self.ends_at.tzinfo is None:
            raise ValueError("a time needs its zone")
        if self.ends_at <= self.starts_at:
            raise ValueError("an event ends after it starts")
        if not 0 <= self.sequence < 2**31:
            raise ValueError("a sequence counts up from nought")
        if not _TOKEN.fullmatch(self.uid):
            raise ValueError("not a uid")
        if self.url and not _URL.fullmatch(self.url):
            raise ValueError("not a URL")
        if not self.attendees:
            raise ValueError("an invitation invites somebody")
        ZoneInfo(self.zone)

    @property
    def method(self) -> Method:
        return "CANCEL" if self.cancelled else "REQUEST"


def invitation(invite: Invite) -> bytes:
    """The calendar object, to be sent as `text/calendar` with the same method in its content type."""
    starts, ends = _times(invite)
    zone = b"" if starts.tzinfo is dt.UTC else _zone(invite.zone, starts.year)
    event = bytes(_event(invite, starts, ends).to_ical())
    return b"".join((_beginning(invite.method), zone, event, _END))


@lru_cache
def _beginning(method: Method) -> bytes:
    """What all invitations have in common."""
    calendar = Calendar()
    calendar.add("prodid", _PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", method)
    return bytes(calendar.to_ical()).removesuffix(_END)


class _Text(vText):
    """A text that is escaped as the standard says; the library takes a written "\\N" for a line break."""

    def to_ical(self) -> bytes:
        text = str(self).replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
        return text.replace("\n", "\\n").encode()


def _event(invite: Invite, starts: dt.datetime, ends: dt.datetime) -> Event:
    event = Event()
    event.add("uid", invite.uid)
    event.add("sequence", invite.sequence)
    event.add("dtstamp", clock.machine_now().replace(microsecond=0))
    event.add("dtstart", starts)
    event.add("dtend", ends)
    event.add("status", "CANCELLED" if invite.cancelled else "CONFIRMED")
    event.add("transp", "OPAQUE")
    texts = {
        "summary": " ".join(_text(invite.summary).split()),
        "description": _text(invite.description),
        "location": " ".join(_text(invite.location).split()),
    }
    for name, text in texts.items():
        if text:
            event.add(name, _Text(text))
    if invite.url:
        event.add("url", vUri(invite.url))
    event.add("organizer", _address(invite.organizer), encode=False)
    for attendee in invite.attendees:
        address = _address(attendee)
        address.params["CUTYPE"] = "INDIVIDUAL"
        address.params["ROLE"] = "REQ-PARTICIPANT"
        address.params["PARTSTAT"] = attendee.answer
        if not invite.cancelled:
            address.params["RSVP"] = "TRUE"
        event.add("attendee", address, encode=False)
    return event


def _times(invite: Invite) -> tuple[dt.datetime, dt.datetime]:
    """Beginning and end in the event's zone; in UTC where the zone's clock shows one of them twice.

    A local time within the hour that autumn repeats would be taken for the first of the two.
    """
    zone = ZoneInfo(invite.zone)
    local = [at.astimezone(zone).replace(microsecond=0) for at in (invite.starts_at, invite.ends_at)]
    if invite.zone == "UTC" or any(
        at.utcoffset() != at.replace(fold=1 - at.fold).utcoffset() for at in local
    ):
        local = [at.astimezone(dt.UTC) for at in local]
    return local[0], local[1]


@lru_cache(maxsize=256)
def _zone(name: str, year: int) -> bytes:
    """The zone's clock in a year, and a little before and after: all that the event's times need. It is the
    same for all in a zone, and most of what an invitation is made of.

    Put together here, since the library's own says an hour too late when summer time begins.
    """
    zone = ZoneInfo(name)
    described = Timezone()
    described.add("tzid", name)
    at = dt.datetime(year - 1, 12, 1, tzinfo=dt.UTC)
    end = dt.datetime(year + 1, 2, 1, tzinfo=dt.UTC)
    described.add_component(_observance(zone, at, at))
    while at < end:
        before, at = at, at + dt.timedelta(days=1)
        if _clock(zone, before) != _clock(zone, at):
            described.add_component(_observance(zone, before, _change(zone, before, at)))
    return bytes(described.to_ical())


def _change(zone: ZoneInfo, before: dt.datetime, after: dt.datetime) -> dt.datetime:
    """The first second at which the clock goes as it does at `after`."""
    while after - before > dt.timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        before, after = (before, middle) if _clock(zone, middle) == _clock(zone, after) else (middle, after)
    return after


def _clock(zone: ZoneInfo, at: dt.datetime) -> tuple[dt.timedelta, bool, str]:
    """How the zone's clock goes: before Greenwich by so much, in summer time, and under which name."""
    local = at.astimezone(zone)
    return local.utcoffset() or dt.timedelta(), bool(local.dst()), local.tzname() or ""


def _observance(zone: ZoneInfo, before: dt.datetime, at: dt.datetime) -> TimezoneDaylight | TimezoneStandard:
    (offset_from, _was, _old), (offset, summer, name) = _clock(zone, before), _clock(zone, at)
    observance = TimezoneDaylight() if summer else TimezoneStandard()
    # It begins at what the clock showed until then.
    observance.add("dtstart", (at + offset_from).replace(tzinfo=None))
    observance.add("tzoffsetfrom", offset_from)
    observance.add("tzoffsetto", offset)
    observance.add("tzname", name)
    return observance


def _address(party: Party) -> vCalAddress:
    address = vCalAddress(f"mailto:{party.email}")
    # A parameter can't hold a double quote at all.
    if name := " ".join(_text(party.name).replace('"', "'").split()):
        address.params["CN"] = name
    return address


def _text(text: str) -> str:
    """Without the control characters that no calendar may hold; line breaks stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) not in {"Cc", "Cs"})
