"""A mail is checked when it is made, and reads the same after its way over the wire."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.ics import Attendee, Invite, Party, invitation
from app.providers.mail.base import (
    LARGEST_ATTACHMENTS,
    Attachment,
    CalendarPart,
    Mail,
    Mailbox,
    MailInvalid,
    compose,
)
from tests.providers.mail.contract import INVITATION, SENDER, Received, mail, read

BREAKS = [
    "\r\nBcc: x@y.test",
    "\nBcc: x",
    "\rBcc: x",
    "\0",
    "\x0bBcc: x",
    "\x85",
    "\u2028",
    "\u2029",
    "\x1b[31m",
    "\ud800",
]


@pytest.mark.parametrize("end", BREAKS)
@pytest.mark.parametrize("where", ["to", "subject", "reply_to", "sender", "header"])
def test_nothing_ends_a_header(where: str, end: str) -> None:
    values: dict[str, Any] = {
        "to": {"to": "a@b.test" + end},
        "subject": {"subject": "x" + end},
        "reply_to": {"reply_to": "a@b.test" + end},
        "header": {"headers": {"X-A": "x" + end}},
        "sender": {},
    }
    with pytest.raises(MailInvalid) as refusal:
        mail(sender=Mailbox("a@b.test", "x" + end)) if where == "sender" else mail(**values[where])
    assert refusal.value.field == ("headers" if where == "header" else where)
    assert (refusal.value.status, refusal.value.permanent) == (422, True)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "a",
        "a@",
        "@b.test",
        "a@b",
        "a@b\r\nBcc: x",
        "a b@c.test",
        "a@b c.test",
        "<a@b.test>",
        "A <a@b.test>",
    ]
    + [
        "a@b.test,c@d.test",
        "a@b.test;c@d.test",
        '"a b"@c.test',
        "a@[127.0.0.1]",
        "a@localhost",
        "a..b@c.test",
    ]
    + [
        "a@-b.test",
        "a@b..test",
        "a@" + "b" * 64 + ".test",
        "a" * 1_000_000,
        "a@b.test ",
        " a@b.test",
    ],
)
def test_invalid_addresses(address: str) -> None:
    for field in ("to", "reply_to"):
        with pytest.raises(MailInvalid) as refusal:
            mail(**{field: address})
        assert refusal.value.field == field
    with pytest.raises(MailInvalid):
        Mailbox(address)


def test_addresses_get_their_normal_form() -> None:
    assert mail(to="Anna.B+x@SCHOOL.test").to == "Anna.B+x@school.test"
    assert mail(to="anna@schüle.test").to == "anna@xn--schle-mva.test"


@pytest.mark.parametrize(
    ("text", "address", "name"),
    [
        ("WeMaster <no-reply@wemaster.test>", "no-reply@wemaster.test", "WeMaster"),
        ("no-reply@wemaster.test", "no-reply@wemaster.test", ""),
        ('"Ms, Quote" <a@b.test>', "a@b.test", "Ms, Quote"),
        ("Schüle <a@schüle.test>", "a@xn--schle-mva.test", "Schüle"),
    ],
)
def test_a_sender_from_the_settings(text: str, address: str, name: str) -> None:
    assert Mailbox.parse(text) == Mailbox(address, name)


@pytest.mark.parametrize(
    "text", ["", "WeMaster", "WeMaster <>", "a@b.test\r\nBcc: x", "A <a@b.test> <c@d.test>"]
)
def test_a_sender_that_is_none(text: str) -> None:
    with pytest.raises(MailInvalid):
        Mailbox.parse(text)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"subject": ""}, "subject"),
        ({"subject": "   "}, "subject"),
        ({"subject": "x" * 501}, "subject"),
        ({"subject": "x" * 1_000_000}, "subject"),
        ({"text": ""}, "text"),
        ({"text": " \n "}, "text"),
        ({"text": "x" * 1_000_001}, "text"),
        ({"text": "ü" * 500_001}, "text"),
        ({"text": "a\0b"}, "text"),
        ({"text": "a\udfff"}, "text"),
        ({"html": "x" * 1_000_001}, "html"),
        ({"message_id": ""}, "message_id"),
        ({"message_id": "a b"}, "message_id"),
        ({"message_id": "<a@b>"}, "message_id"),
        ({"message_id": "a\r\nBcc: x"}, "message_id"),
        ({"message_id": "a\n"}, "message_id"),
        ({"message_id": "x" * 201}, "message_id"),
        ({"headers": {"Bcc": "x@y.test"}}, "headers"),
        ({"headers": {"bcc": "x@y.test"}}, "headers"),
        ({"headers": {"To": "x@y.test"}}, "headers"),
        ({"headers": {"Content-Type": "text/html"}}, "headers"),
        ({"headers": {"X A": "x"}}, "headers"),
        ({"headers": {"X-A:": "x"}}, "headers"),
        ({"headers": {"X-A\r\nBcc": "x"}}, "headers"),
        ({"headers": {"Ünïcode": "x"}}, "headers"),
        ({"headers": {"": "x"}}, "headers"),
        ({"headers": {"X-A": "x", "x-a": "y"}}, "headers"),
        ({"headers": {"X-A": "x" * 501}}, "headers"),
    ],
)
def test_what_can_not_be_sent(values: dict[str, Any], field: str) -> None:
    with pytest.raises(MailInvalid) as refusal:
        mail(**values)
    assert refusal.value.field == field
    assert str(refusal.value.text)


@pytest.mark.parametrize(
    ("filename", "content_type"),
    [
        *[
            (name, "application/pdf")
            for name in ("", " ", ".", "..", "a/b.pdf", "a\\b.pdf", "../x", "x" * 121)
        ],
        *[("a\r\nBcc: x", "application/pdf"), ("a\0.pdf", "application/pdf"), ("a\u2028", "application/pdf")],
        *[
            ("a.pdf", kind)
            for kind in ("", "pdf", "a/", "/b", "A/B", "text/html; x=y", "a/b\r\nX: y", "a/b\n")
        ],
        *[("a.eml", "message/rfc822"), ("a", "multipart/mixed")],
    ],
)
def test_what_can_not_be_attached(filename: str, content_type: str) -> None:
    with pytest.raises(MailInvalid) as refusal:
        Attachment(filename, content_type, b"x")
    assert refusal.value.field == "attachments"


def test_files_that_are_too_large_together() -> None:
    half = Attachment("a.bin", "application/octet-stream", bytes(LARGEST_ATTACHMENTS // 2))
    assert mail(attachments=(half, half)).attachments == (half, half)
    with pytest.raises(MailInvalid) as refusal:
        mail(attachments=(half, half, Attachment("b.bin", "application/octet-stream", b"x")))
    assert refusal.value.field == "attachments"


def test_an_invitation_says_its_method_itself() -> None:
    with pytest.raises(MailInvalid) as refusal:
        CalendarPart("CANCEL", b"BEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\n")
    assert refusal.value.field == "calendar"


def test_the_largest_mail_is_taken() -> None:
    largest = mail(
        subject="x" * 500, text="x" * 999_999 + "\n", html="ü" * 499_999 + "\n", message_id="x" * 200
    )
    assert len(compose(largest, SENDER)) > 1_500_000


def test_a_mail_is_not_changed_afterwards() -> None:
    headers = {"X-A": "1"}
    made = mail(headers=headers)
    headers["X-A"] = "2\r\nBcc: x"
    assert made.headers == {"X-A": "1"}
    with pytest.raises(AttributeError):
        made.to = "b@c.test"  # type: ignore[misc]


def over_the_wire(made: Mail) -> Received:
    raw = compose(made, SENDER)
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert raw.isascii()
    return read(made.to, raw)


LINE = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]) | st.sampled_from(" ,;:\"'\\<>()@=?_.üßعبא🎓"),
    max_size=120,
)
BODY = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0") | st.sampled_from("\r\n .-=Fromü")
)


@given(LINE.filter(str.strip), LINE, LINE, BODY.filter(str.strip), st.none() | BODY.filter(str.strip))
def test_what_is_written_is_what_is_read(
    subject: str, name: str, extra: str, text: str, html: str | None
) -> None:
    made = mail(
        subject=subject, text=text, html=html, sender=Mailbox("a@b.test", name), headers={"X-Extra": extra}
    )
    got = over_the_wire(made)
    assert made.sender is not None
    assert (got.subject, got.sender) == (made.subject, f"{made.sender.name} <a@b.test>")
    assert (got.text, got.html) == (made.text, made.html)
    assert (got.headers["To"], got.headers["X-Extra"]) == ("anna@school.test", made.headers["X-Extra"])
    assert set(got.headers) == {
        *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "X-Extra"),
        *("MIME-Version", "Content-Type"),
        *(["Content-Transfer-Encoding"] if html is None else []),
    }


FILENAME = LINE.map(lambda name: name.replace("/", "").replace("\\", "").strip()).filter(
    lambda name: name.strip(". ")
)


@given(st.lists(st.tuples(FILENAME, st.binary(max_size=400)), max_size=3), st.none() | BODY.filter(str.strip))
def test_names_of_files_and_their_contents_survive_the_wire(
    files: list[tuple[str, bytes]], html: str | None
) -> None:
    attachments = tuple(Attachment(name, "application/pdf", data) for name, data in files)
    made = mail(html=html, attachments=attachments, calendar=CalendarPart("REQUEST", INVITATION))
    got = over_the_wire(made)
    assert got.files == [(one.filename, one.content_type, one.data) for one in attachments]
    assert (got.text, got.html) == (made.text, made.html)
    assert got.calendar is not None
    assert got.calendar[1] == INVITATION


@pytest.mark.parametrize("cancelled", [False, True])
def test_our_own_invitation_goes_through_as_it_is(cancelled: bool) -> None:
    invite = Invite(
        uid="lesson-42@anna.test",
        sequence=3,
        starts_at=dt.datetime(2026, 7, 1, 14, tzinfo=dt.UTC),
        ends_at=dt.datetime(2026, 7, 1, 15, tzinfo=dt.UTC),
        zone="Europe/Berlin",
        summary="日本語の授業 — Grüße " * 20,
        organizer=Party("office@anna.test", "Anna"),
        attendees=(Attendee("zoe@student.test", "Zoë"),),
        cancelled=cancelled,
    )
    data = invitation(invite)
    got = over_the_wire(mail(calendar=CalendarPart(invite.method, data)))
    assert got.calendar is not None
    assert got.calendar[1] == data
    assert f'method="{invite.method}"' in got.calendar[0]
