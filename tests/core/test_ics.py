"""Invitations, judged by two other readers: icalendar's parser, and dateutil's for the rules of zones."""

from __future__ import annotations

import datetime as dt
import io
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from dateutil.tz import tzical
from hypothesis import given
from hypothesis import strategies as st
from icalendar import Calendar, Event

from app.core import clock
from app.core.ics import Attendee, Invite, Party, invitation

BERLIN, UTC = ZoneInfo("Europe/Berlin"), dt.UTC
HOUR = dt.timedelta(hours=1)
ZONES = [
    "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "America/St_Johns", "Asia/Tokyo", "Asia/Kolkata",
    "Asia/Kathmandu", "Australia/Lord_Howe", "Australia/Sydney", "Africa/Casablanca", "Europe/Dublin",
    "Pacific/Chatham", "Pacific/Apia", "Pacific/Honolulu", "America/Asuncion", "Africa/Cairo", "Europe/London",
]  # fmt: skip


def invite(**more: Any) -> Invite:
    values: dict[str, Any] = {
        "uid": "lesson-42@anna.wemaster.test",
        "sequence": 0,
        "starts_at": dt.datetime(2026, 7, 1, 14, tzinfo=UTC),
        "ends_at": dt.datetime(2026, 7, 1, 15, tzinfo=UTC),
        "zone": "Europe/Berlin",
        "summary": "Spanish with Carla",
        "organizer": Party("office@anna.test", "Anna Tutors"),
        "attendees": (Attendee("zoe@student.test", "Zoë", "ACCEPTED"), Attendee("carla@anna.test")),
        **more,
    }
    return Invite(**values)


def parsed(data: bytes) -> tuple[Calendar, Event]:
    calendar = Calendar.from_ical(data)
    assert calendar.errors == []
    (event,) = calendar.walk("VEVENT")
    assert event.errors == []
    return calendar, event


def lines_of(data: bytes) -> list[str]:
    return data.decode().replace("\r\n ", "").split("\r\n")


def instant(data: bytes, name: str) -> dt.datetime:
    """The instant that a program without a database of zones gets from the VTIMEZONE alone."""
    lines = lines_of(data)
    (line,) = [line for line in lines[lines.index("BEGIN:VEVENT") :] if line.startswith(name)]
    head, _, value = line.partition(":")
    if value.endswith("Z"):
        return dt.datetime.strptime(value, "%Y%m%dT%H%M%S%z").astimezone(UTC)
    local = dt.datetime.strptime(value, "%Y%m%dT%H%M%S")  # noqa: DTZ007
    rules = tzical(io.StringIO("\n".join(lines))).get(head.partition("TZID=")[2])
    return local.replace(tzinfo=rules).astimezone(UTC)


def test_an_invitation_reads_as_it_was_meant() -> None:
    with clock.machine_frozen(dt.datetime(2026, 6, 1, 9, 30, 15, 999, tzinfo=UTC)):
        data = invitation(
            invite(
                description="Bring\nthe book", location="Room 3, 2nd floor", url="https://a.test/l/42?x=1,2;3"
            )
        )
    calendar, event = parsed(data)
    assert (calendar["version"], calendar["method"], calendar["calscale"]) == ("2.0", "REQUEST", "GREGORIAN")
    assert (event["uid"], event["sequence"], event["status"]) == (
        "lesson-42@anna.wemaster.test",
        0,
        "CONFIRMED",
    )
    assert event["dtstamp"].dt == dt.datetime(2026, 6, 1, 9, 30, 15, tzinfo=UTC)
    assert event["dtstart"].dt == dt.datetime(2026, 7, 1, 16, tzinfo=BERLIN)
    assert event["dtend"].dt == dt.datetime(2026, 7, 1, 17, tzinfo=BERLIN)
    assert (event["summary"], event["description"]) == ("Spanish with Carla", "Bring\nthe book")
    assert (event["location"], event["url"]) == ("Room 3, 2nd floor", "https://a.test/l/42?x=1,2;3")
    assert (event["organizer"], event["organizer"].params["CN"]) == ("mailto:office@anna.test", "Anna Tutors")
    first, second = event["attendee"]
    assert (first, first.params["CN"], first.params["PARTSTAT"]) == (
        "mailto:zoe@student.test",
        "Zoë",
        "ACCEPTED",
    )
    assert (second, second.params["PARTSTAT"]) == ("mailto:carla@anna.test", "NEEDS-ACTION")
    assert "CN" not in second.params
    assert {attendee.params["RSVP"] for attendee in (first, second)} == {"TRUE"}


def test_a_change_and_a_cancellation_are_of_the_same_event() -> None:
    asked, moved, off = (
        parsed(invitation(one))
        for one in (
            invite(),
            invite(sequence=1, starts_at=dt.datetime(2026, 7, 2, 14, tzinfo=UTC),
                   ends_at=dt.datetime(2026, 7, 2, 15, tzinfo=UTC)),
            invite(sequence=2, cancelled=True),
        )
    )  # fmt: skip
    assert {event["uid"] for _, event in (asked, moved, off)} == {"lesson-42@anna.wemaster.test"}
    assert [event["sequence"] for _, event in (asked, moved, off)] == [0, 1, 2]
    assert [calendar["method"] for calendar, _ in (asked, moved, off)] == ["REQUEST", "REQUEST", "CANCEL"]
    assert [event["status"] for _, event in (asked, moved, off)] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]
    assert all("RSVP" not in attendee.params for attendee in off[1]["attendee"])
    assert off[1]["organizer"] == asked[1]["organizer"]
    assert (invite().method, invite(cancelled=True).method) == ("REQUEST", "CANCEL")


def test_lines_end_and_fold_as_the_standard_says() -> None:
    data = invitation(invite(summary="Grüße 日本語 🎓 " * 40, description="x" * 1000 + "\n" + "ü" * 500))
    assert data.endswith(b"END:VCALENDAR\r\n")
    assert b"\n" not in data.replace(b"\r\n", b"")
    for line in data.split(b"\r\n"):
        assert len(line) <= 75
        line.decode()  # no letter is torn
    _, event = parsed(data)
    assert event["summary"] == " ".join(("Grüße 日本語 🎓 " * 40).split())
    assert event["description"] == "x" * 1000 + "\n" + "ü" * 500


TEXTS = [
    "a;b,c\\d:e\"f'g",
    "\\n is not \\N a break",
    "BEGIN:VEVENT",
    "x\r\nATTENDEE:mailto:evil@x.test",
    "x\rEND:VEVENT\nEND:VCALENDAR",
    "x\u2028y\x85z\0\x1b[31m\x07",
    "^n ^' ^^",
    "=?utf-8?q?x?=",
    "مدرسة 👩‍🏫",
    " " * 80 + "x",
]


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_texts_stay_texts(text: str) -> None:
    data = invitation(
        invite(
            summary=text,
            description=text,
            location=text,
            organizer=Party("office@anna.test", text),
            attendees=(Attendee("zoe@student.test", text),),
        )
    )
    calendar, event = parsed(data)
    names = [line.partition(":")[0].partition(";")[0] for line in lines_of(data)]
    assert (names.count("BEGIN"), names.count("END"), names.count("ATTENDEE")) == (6, 6, 1)
    assert [component.name for component in calendar.subcomponents] == ["VTIMEZONE", "VEVENT"]
    kept = "".join(
        char for char in text.replace("\r\n", "\n").replace("\r", "\n") if char >= " " or char == "\n"
    )
    assert event["description"] == kept.replace("\x85", "")
    assert event["summary"] == event["location"] == " ".join(kept.replace("\x85", "").split())
    shown = event["attendee"].params.get("CN", "")
    assert shown == " ".join(kept.replace("\x85", "").replace('"', "'").split())


def test_utc_needs_no_rules() -> None:
    data = invitation(invite(zone="UTC"))
    assert b"VTIMEZONE" not in data
    assert b"DTSTART:20260701T140000Z\r\n" in data
    assert parsed(data)[1]["dtstart"].dt == dt.datetime(2026, 7, 1, 14, tzinfo=UTC)


@pytest.mark.parametrize(
    ("starts_at", "said"),
    [
        (dt.datetime(2026, 3, 29, 0, tzinfo=UTC), ";TZID=Europe/Berlin:20260329T010000"),
        (dt.datetime(2026, 3, 29, 1, tzinfo=UTC), ";TZID=Europe/Berlin:20260329T030000"),
        (dt.datetime(2026, 3, 29, 1, 59, tzinfo=UTC), ";TZID=Europe/Berlin:20260329T035900"),
        (dt.datetime(2026, 10, 24, 23, tzinfo=UTC), ":20261024T230000Z"),  # it ends in the repeated hour
        (dt.datetime(2026, 10, 25, 0, 30, tzinfo=UTC), ":20261025T003000Z"),  # 02:30, for the first time
        (dt.datetime(2026, 10, 25, 1, 30, tzinfo=UTC), ":20261025T013000Z"),  # 02:30, for the second time
        (dt.datetime(2026, 10, 25, 2, tzinfo=UTC), ";TZID=Europe/Berlin:20261025T030000"),
        (dt.datetime(2026, 12, 31, 23, 30, tzinfo=UTC), ";TZID=Europe/Berlin:20270101T003000"),
        (dt.datetime(2026, 12, 31, 22, 30, tzinfo=UTC), ";TZID=Europe/Berlin:20261231T233000"),
    ],
)
def test_around_the_change_of_the_clock(starts_at: dt.datetime, said: str) -> None:
    data = invitation(invite(starts_at=starts_at, ends_at=starts_at + HOUR))
    assert f"DTSTART{said}" in lines_of(data)
    assert (instant(data, "DTSTART"), instant(data, "DTEND")) == (starts_at, starts_at + HOUR)


@given(
    st.sampled_from(ZONES),
    st.datetimes(dt.datetime(2024, 1, 1), dt.datetime(2030, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.timedeltas(dt.timedelta(minutes=1), dt.timedelta(hours=30)),
)
def test_no_time_shifts_in_any_zone(zone: str, starts_at: dt.datetime, length: dt.timedelta) -> None:
    starts_at, length = starts_at.replace(microsecond=0), dt.timedelta(seconds=int(length.total_seconds()))
    data = invitation(invite(zone=zone, starts_at=starts_at, ends_at=starts_at + length))
    assert instant(data, "DTSTART") == starts_at
    assert instant(data, "DTEND") == starts_at + length
    _, event = parsed(data)
    assert event["dtstart"].dt.astimezone(UTC) == starts_at
    assert event["dtend"].dt.astimezone(UTC) == starts_at + length


@pytest.mark.parametrize("zone", ZONES)
def test_every_change_of_a_clock_is_told_to_the_minute(zone: str) -> None:
    """Of each hour around each change the rules that are sent say what the zone's own do."""
    at = dt.datetime(2026, 1, 1, tzinfo=UTC)
    changes = []
    while at.year < 2027:
        if at.astimezone(ZoneInfo(zone)).utcoffset() != (at + HOUR).astimezone(ZoneInfo(zone)).utcoffset():
            changes.append(at)
        at += HOUR
    for change in changes or [at.replace(year=2026)]:
        for minutes in range(-180, 200, 20):
            starts_at = change + dt.timedelta(minutes=minutes)
            data = invitation(
                invite(zone=zone, starts_at=starts_at, ends_at=starts_at + dt.timedelta(minutes=45))
            )
            assert instant(data, "DTSTART") == starts_at


@pytest.mark.parametrize(
    "values",
    [
        {"starts_at": dt.datetime(2026, 7, 1)},  # noqa: DTZ001
        {"ends_at": dt.datetime(2026, 7, 1, 14, tzinfo=UTC)},
        {"sequence": -1},
        {"sequence": 2**31},
        {"uid": ""},
        {"uid": "a b"},
        {"uid": "a\r\nX:y"},
        {"uid": "a\n"},
        {"url": "javascript:alert(1)"},
        {"url": "https://x.test/\r\nX:y"},
        {"url": "https://x.test/ü"},
        {"url": "https://"},
        {"attendees": ()},
    ],
)
def test_what_no_calendar_would_take_is_a_fault_of_ours(values: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        invite(**values)


def test_an_unknown_zone_is_a_fault_of_ours() -> None:
    with pytest.raises(KeyError):
        invite(zone="Europe/Atlantis")


@pytest.mark.parametrize(
    "email", ["", "x", "a@b@c", "a b@c.test", "a@b.test\r\nX:y", "a@b.test\n", "<a@b.test>", "a;b@c.test"]
)
def test_what_is_no_address(email: str) -> None:
    with pytest.raises(ValueError, match="address"):
        Party(email)
    with pytest.raises(ValueError, match="address"):
        Attendee(email)
