"""What every mail provider promises. A suite per provider inherits these tests and brings a `bench`."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import parseaddr
from typing import Literal, Protocol

import pytest

from app.core import outside
from app.core.outside import (
    ProviderCalledInTransaction,
    ProviderDeferred,
    ProviderRefused,
    ProviderUnavailable,
)
from app.providers.mail import Attachment, CalendarPart, Mail, Mailbox, MailProvider

Failure = Literal["refused", "deferred", "unavailable", "reply_lost"]

SENDER = Mailbox("no-reply@wemaster.test", "WeMaster")
FAIL_MAX, RESET_SECONDS = 5, 0.5


@dataclass(frozen=True)
class Received:
    """A mail as it reads at its destination."""

    recipient: str
    subject: str
    text: str
    html: str | None
    sender: str
    reply_to: str | None
    message_id: str
    headers: dict[str, str]
    files: list[tuple[str, str, bytes]]
    calendar: tuple[str, bytes] | None


def read(recipient: str, raw: bytes) -> Received:
    """What a mail program makes of a message."""
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert not message.defects
    # The newer parser of the standard library puts spaces between the encoded words of a name.
    name, address = parseaddr(message_from_bytes(raw)["From"])
    html = message.get_body(["html"])
    text = message.get_body(["plain"])
    assert text is not None
    calendars = [part for part in message.walk() if part.get_content_type() == "text/calendar"]
    return Received(
        recipient=recipient,
        subject=message["Subject"],
        text=text.get_content().replace("\r\n", "\n"),
        html=html and html.get_content().replace("\r\n", "\n"),
        sender=f"{make_header(decode_header(name))} <{address}>",
        reply_to=message["Reply-To"],
        message_id=message["Message-ID"],
        headers=dict(message.items()),
        files=[
            (part.get_filename() or "", part.get_content_type(), part.get_content())
            for part in message.walk()
            if part.is_attachment()
        ],
        calendar=None
        if not calendars
        else (calendars[0]["Content-Type"], calendars[0].get_payload(decode=True)),
    )


class Bench(Protocol):
    """A provider together with the far end of its line.

    Its breaker has the limits above; its sender is SENDER.
    """

    provider: MailProvider

    def fail_next(self, sends: int, failure: Failure) -> None: ...

    def lag(self, seconds: float) -> None: ...

    def received(self) -> list[Received]:
        """Every copy that arrived, in order of first arrival."""


def mail(to: str = "anna@school.test", message_id: str = "e1.invite", **more: object) -> Mail:
    values: dict[str, object] = {"subject": "Welcome", "text": "Hello\n\nAnna\n", **more}
    return Mail(to=to, message_id=message_id, **values)  # type: ignore[arg-type]


INVITATION = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nSUMMARY:Grüße 日本語\r\n"
    "DESCRIPTION:" + "long and longer " * 4 + "\r\n  folded\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
).encode()

HOSTILE = [
    "plain",
    "Zoë Müller-Lüdenscheidt",
    "👩‍🏫 Ms. Emoji 🎓",
    "مدرسة اللغات",
    "Mixed מעורב and عربي, with a comma",
    'Quote" <evil@wemaster.test>',
    "back\\slash (comment) ; group: a@b.test;",
    "=?utf-8?q?Bcc=3A_x?=",
    "{{ 7*7 }} ${x} %s %(a)s",
    "\u202egnp.exe\u202c",
    "a" * 200,
    "ü" * 200,
    "word " * 39 + "end",
    "Ω word " * 28,
    ".",
]


class MailContract:
    """Inherited by the suite of each provider."""

    def test_a_mail_arrives_as_it_was_written(self, bench: Bench) -> None:
        bench.provider.send(
            mail(
                subject="Grüße — مرحبا 🎓",
                text="Line one\r\n.\r\n..two\n\nFrom me\nÄ" + "x" * 2000 + "\n",
                html="<p>Hello <b>Änna</b> \U0001f393</p>\n" + "<br>" * 1000,
                sender=Mailbox("office@lingua.test", "Lingua"),
                reply_to="boss@lingua.test",
                headers={"X-Tenant": "lingua", "List-Unsubscribe": "<https://lingua.test/u>"},
            )
        )
        (got,) = bench.received()
        assert got.recipient == "anna@school.test"
        assert got.subject == "Grüße — مرحبا 🎓"
        assert got.text == "Line one\n.\n..two\n\nFrom me\nÄ" + "x" * 2000 + "\n"
        assert got.html == "<p>Hello <b>Änna</b> \U0001f393</p>\n" + "<br>" * 1000 + "\n"
        assert (got.sender, got.reply_to) == ("Lingua <office@lingua.test>", "boss@lingua.test")
        assert got.headers["X-Tenant"] == "lingua"
        assert got.headers["List-Unsubscribe"] == "<https://lingua.test/u>"

    def test_a_bare_mail_comes_from_the_house(self, bench: Bench) -> None:
        bench.provider.send(mail())
        (got,) = bench.received()
        assert (got.sender, got.reply_to, got.html) == ("WeMaster <no-reply@wemaster.test>", None, None)
        assert got.message_id == "<e1.invite@wemaster.test>"
        assert got.headers["Auto-Submitted"] == "auto-generated"
        assert got.headers["Date"].endswith("+0000")
        assert not [name for name in got.headers if name.startswith("List-")]

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_names_and_subjects_arrive_unchanged_and_change_nothing_else(
        self, bench: Bench, name: str
    ) -> None:
        bench.provider.send(mail(subject=name, text=name, sender=Mailbox("office@lingua.test", name)))
        (got,) = bench.received()
        assert got.subject == " ".join(name.split())
        assert got.text == name + "\n"
        assert got.sender == f"{' '.join(name.split())} <office@lingua.test>"
        assert got.recipient == "anna@school.test"
        assert {"Bcc", "Cc"}.isdisjoint(got.headers)

    def test_an_international_domain_is_reached_by_its_ascii_form(self, bench: Bench) -> None:
        bench.provider.send(mail(to="anna@schüle.test"))
        assert [got.recipient for got in bench.received()] == ["anna@xn--schle-mva.test"]

    def test_files_arrive_as_they_were(self, bench: Bench) -> None:
        files = [
            ("Receipt LS-2026-0042.pdf", "application/pdf", bytes(range(256)) * 4000),
            ("Quittung Zoë Müller.pdf", "application/pdf", b"%PDF\r\n.\r\n..\n"),
            ("領収書.png", "image/png", b"\x89PNG"),
            ("notes.txt", "text/plain", b"a\r\nb\nc\xff"),
            ("empty.bin", "application/octet-stream", b""),
        ]
        bench.provider.send(mail(html="<p>x</p>", attachments=tuple(Attachment(*file) for file in files)))
        (got,) = bench.received()
        assert [(name, kind) for name, kind, _ in got.files] == [(name, kind) for name, kind, _ in files]
        for (_, kind, data), (_, _, sent) in zip(got.files, files, strict=True):
            assert kind == "text/plain" or data == sent
        assert (got.text, got.html) == ("Hello\n\nAnna\n", "<p>x</p>\n")

    @pytest.mark.parametrize("html", [None, "<p>x</p>"])
    @pytest.mark.parametrize("attachments", [(), (Attachment("a.pdf", "application/pdf", b"%PDF"),)])
    def test_an_invitation_arrives_with_its_method(
        self, bench: Bench, html: str | None, attachments: tuple[Attachment, ...]
    ) -> None:
        part = CalendarPart("REQUEST", INVITATION)
        bench.provider.send(mail(html=html, attachments=attachments, calendar=part))
        (got,) = bench.received()
        assert got.calendar is not None
        kind, data = got.calendar
        assert kind.replace('"', "").lower().split("; ")[0] == "text/calendar"
        assert {"method=request", "charset=utf-8"} == set(kind.replace('"', "").lower().split("; ")[1:])
        assert data == INVITATION
        assert [name for name, _, _ in got.files] == [attachment.filename for attachment in attachments]
        assert (got.text, got.html) == ("Hello\n\nAnna\n", html and html + "\n")

    def test_a_refused_recipient_is_final_and_nobody_elses_trouble(self, bench: Bench) -> None:
        for number in range(FAIL_MAX + 1):
            with pytest.raises(ProviderRefused, match="recipient: 550") as refusal:
                bench.provider.send(mail(to="x@refused.test", message_id=f"e{number}"))
            assert refusal.value.permanent is True
        bench.provider.send(mail())
        assert len(bench.received()) == 1

    def test_a_deferred_recipient_is_for_later_and_nobody_elses_trouble(self, bench: Bench) -> None:
        for number in range(FAIL_MAX + 1):
            with pytest.raises(ProviderDeferred, match="recipient: 451") as refusal:
                bench.provider.send(mail(to="x@deferred.test", message_id=f"e{number}"))
            assert refusal.value.permanent is False
        bench.provider.send(mail())
        assert len(bench.received()) == 1

    def test_an_outage_is_for_later(self, bench: Bench) -> None:
        bench.fail_next(1, "unavailable")
        with pytest.raises(ProviderUnavailable) as refusal:
            bench.provider.send(mail())
        assert not isinstance(refusal.value, ProviderDeferred)
        assert (refusal.value.status, refusal.value.permanent) == (503, False)
        with pytest.raises(ProviderUnavailable):
            bench.provider.send(mail(to="x@down.test"))
        bench.provider.send(mail())
        assert len(bench.received()) == 1

    def test_after_a_lost_reply_the_second_copy_is_known_by_its_id(self, bench: Bench) -> None:
        bench.fail_next(1, "reply_lost")
        with pytest.raises(ProviderUnavailable):
            bench.provider.send(mail())
        bench.provider.send(mail())
        first, second = bench.received()
        assert first.message_id == second.message_id
        assert first.text == second.text

    def test_a_lasting_outage_opens_the_breaker_and_its_end_closes_it(self, bench: Bench) -> None:
        bench.fail_next(FAIL_MAX, "unavailable")
        for _ in range(FAIL_MAX):
            with pytest.raises(ProviderUnavailable) as refusal:
                bench.provider.send(mail())
            assert "not called" not in refusal.value.detail
        with pytest.raises(ProviderUnavailable, match="not called"):
            bench.provider.send(mail())
        time.sleep(RESET_SECONDS)
        bench.provider.send(mail())
        bench.provider.send(mail(message_id="e2"))
        assert [got.message_id.partition("@")[0] for got in bench.received()] == ["<e1.invite", "<e2"]

    def test_a_slow_far_end_does_not_hold_up_the_others(self, bench: Bench) -> None:
        bench.lag(0.3)
        sends = [
            threading.Thread(target=bench.provider.send, args=(mail(message_id=f"e{number}"),))
            for number in range(8)
        ]
        started = time.monotonic()
        for send in sends:
            send.start()
        for send in sends:
            send.join()
        assert time.monotonic() - started < 8 * 0.3
        assert len({got.message_id for got in bench.received()}) == 8

    def test_it_refuses_to_be_called_inside_a_transaction(
        self, bench: Bench, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(outside, "_in_transaction", lambda: True)
        with pytest.raises(ProviderCalledInTransaction):
            bench.provider.send(mail())
        assert bench.received() == []
