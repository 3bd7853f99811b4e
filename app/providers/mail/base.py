"""Mail: what is sent, what every provider promises, and how a mail becomes a message on the wire."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import ClassVar, Literal, Protocol

from email_validator import EmailNotValidError, validate_email
from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

from app.core import clock
from app.core.errors import Invalid

LONGEST_ADDRESS = 320
LONGEST_NAME = 200
LONGEST_HEADER = 500
LARGEST_BODY = 1_000_000
LARGEST_ATTACHMENTS = 10_000_000  # together; what most mailboxes take, encoded
LONGEST_FILENAME = 120

_NAMED_ADDRESS = re.compile(r"\s*(?P<name>[^<>]*?)\s*<(?P<address>[^<>]*)>\s*", re.DOTALL)
_MESSAGE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}", re.ASCII)
_CONTENT_TYPE = re.compile(r"(?!multipart/|message/)[a-z0-9.+-]{1,60}/[a-z0-9.+-]{1,60}", re.ASCII)
_HEADER_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,60}", re.ASCII)
_UNSENDABLE = re.compile("[\0\ud800-\udfff]")
# Headers that follow from the mail's own fields, and those that say how the body is built.
_OURS = frozenset(
    ["from", "sender", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "return-path"]
    + ["auto-submitted", "mime-version", "received"]
)


class MailInvalid(Invalid):
    """A mail that can't be sent as it is; `field` names what is wrong. Trying again is useless."""

    code = "mail_invalid"
    permanent: ClassVar[bool] = True


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A sender: an address and the name shown with it. Raises MailInvalid."""

    address: str
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", address(self.address, field="sender"))
        object.__setattr__(self, "name", line(self.name, field="sender", longest=LONGEST_NAME))

    @classmethod
    def parse(cls, text: str) -> Mailbox:
        """Read `Name <address>` or a bare address; raises MailInvalid."""
        found = _NAMED_ADDRESS.fullmatch(text)
        if found is None:
            return cls(text)
        name = found["name"]
        if len(name) > 1 and name[0] == name[-1] == '"':
            name = re.sub(r"\\(.)", r"\1", name[1:-1])
        return cls(found["address"], name)

    def __str__(self) -> str:
        return f"{self.name} <{self.address}>" if self.name else self.address


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes along. Raises MailInvalid."""

    filename: str
    content_type: str
    data: bytes

    def __post_init__(self) -> None:
        name = line(self.filename, field="attachments", longest=LONGEST_FILENAME)
        if not name.strip(". ") or "/" in name or "\\" in name:
            raise MailInvalid(_l("A file needs a name, without a path."), field="attachments")
        if not _CONTENT_TYPE.fullmatch(self.content_type):
            raise MailInvalid(_l("This kind of file can't be attached."), field="attachments")
        object.__setattr__(self, "filename", name)


@dataclass(frozen=True, slots=True)
class CalendarPart:
    """An invitation, shown by mail programs with its buttons: the mail's text in yet another form.

    The method must be the one that the calendar object itself says, or programs take it for a mere file.
    Raises MailInvalid.
    """

    method: Literal["REQUEST", "CANCEL"]
    data: bytes

    def __post_init__(self) -> None:
        if f"METHOD:{self.method}\r\n".encode() not in self.data:
            raise MailInvalid(_l("This is no invitation of that kind."), field="calendar")

    @property
    def content_type(self) -> str:
        return f"text/calendar; method={self.method}; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail to one person, checked when it is made; raises MailInvalid.

    `message_id` names the delivery, not the attempt: a redelivery after a crash must carry the same,
    so that receivers (and the mock) know it for the same mail. Without `sender` it comes from MAIL_FROM.
    """

    to: str
    subject: str
    text: str
    message_id: str
    html: str | None = None
    sender: Mailbox | None = None
    reply_to: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    calendar: CalendarPart | None = None

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "to", address(self.to, field="to"))
        put(self, "subject", line(self.subject, field="subject"))
        put(self, "text", _body(self.text, field="text"))
        put(self, "html", None if self.html is None else _body(self.html, field="html"))
        put(self, "reply_to", None if self.reply_to is None else address(self.reply_to, field="reply_to"))
        put(self, "headers", _headers(self.headers))
        if not self.subject:
            raise MailInvalid(_l("A mail needs a subject."), field="subject")
        if not _MESSAGE_ID.fullmatch(self.message_id):
            raise MailInvalid(_l("This is no message id."), field="message_id")
        if sum(len(attachment.data) for attachment in self.attachments) > LARGEST_ATTACHMENTS:
            raise MailInvalid(_l("The files of this mail are too large."), field="attachments")


class MailProvider(Protocol):
    """A way to send mail."""

    def send(self, mail: Mail) -> None:
        """Send, or raise: ProviderRefused (never again), ProviderUnavailable or ProviderDeferred (later).

        At least once: after ProviderUnavailable the mail may have gone out all the same.
        """


def headers_of(mail: Mail, sender: Mailbox) -> dict[str, str | Mailbox]:
    """The headers of a mail as they read; `sender` is used where the mail names none."""
    return {
        "From": mail.sender or sender,
        "To": Mailbox(mail.to),
        **({"Reply-To": Mailbox(mail.reply_to)} if mail.reply_to else {}),
        "Subject": mail.subject,
        "Date": format_datetime(clock.machine_now()),
        "Message-ID": f"<{mail.message_id}@{ascii_domain(sender.address)}>",
        "Auto-Submitted": "auto-generated",  # RFC 3834: out-of-office robots don't answer it
        **mail.headers,
    }


def compose(mail: Mail, sender: Mailbox) -> bytes:
    """The message on the wire. Seven bits, unless an address itself can't be written so.

    The headers are written here: the standard library's newer folding loses and adds spaces where a
    long text mixes scripts.
    """
    body = EmailMessage(policy=SMTP.clone(cte_type="7bit"))
    body.set_content(mail.text)
    if mail.html is not None:
        body.add_alternative(mail.html, subtype="html")
    if mail.calendar is not None:
        # The last alternative is the one that a program prefers, if it knows it.
        invitation = mail.calendar.data.decode()
        body.add_alternative(invitation, subtype="calendar", params={"method": mail.calendar.method})
    for attachment in mail.attachments:
        kind, _, subtype = attachment.content_type.partition("/")
        body.add_attachment(attachment.data, kind, subtype, filename=attachment.filename)
    lines = [f"{name}: {_written(name, value)}\r\n" for name, value in headers_of(mail, sender).items()]
    return "".join(lines).encode() + body.as_bytes()


def _written(name: str, value: str | Mailbox) -> str:
    if not isinstance(value, Mailbox):
        return _encoded(name, value)
    if not value.name:
        return value.address
    shown = _encoded(name, value.name)
    if shown == value.name:
        shown = '"{}"'.format(shown.replace("\\", r"\\").replace('"', r"\""))
    return f"{shown} <{value.address}>"


def _encoded(name: str, text: str) -> str:
    """As it is where it is ASCII and can't be taken for an encoded word; else in encoded words (RFC 2047)."""
    if text.isascii() and "=?" not in text:
        return text
    return Header(text, "utf-8", header_name=name).encode(linesep="\r\n")


def needs_utf8(mail: Mail, sender: Mailbox) -> bool:
    """Whether an address has letters that the receiving server must know SMTPUTF8 for."""
    author = mail.sender or sender
    return not (mail.to + author.address + sender.address + (mail.reply_to or "")).isascii()


def address(text: str, *, field: str) -> str:
    """A bare address in its normal form, in ASCII where that is possible; raises MailInvalid."""
    if len(text) > LONGEST_ADDRESS:  # before the validator, which takes seconds for a megabyte
        raise MailInvalid(_l("This is not a valid e-mail address."), field=field)
    try:
        # `test_environment` only lets the reserved domain "test" through; syntax is checked all the same.
        found = validate_email(text, check_deliverability=False, test_environment=True)
    except (EmailNotValidError, UnicodeError) as error:
        raise MailInvalid(_l("This is not a valid e-mail address."), field=field) from error
    return found.ascii_email or found.normalized


def ascii_domain(address: str) -> str:
    return address.rpartition("@")[2].encode("idna").decode()


def line(text: str, *, field: str, longest: int = LONGEST_HEADER) -> str:
    """One line of text with its spaces tidied; raises MailInvalid for anything that could end a header."""
    if any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in text[: longest + 1]):
        raise MailInvalid(_l("Line breaks and control characters are not allowed here."), field=field)
    if len(text) > longest:
        raise MailInvalid(_l("This is longer than %(count)s characters.", count=longest), field=field)
    return " ".join(text.split())


def _body(text: str, *, field: str) -> str:
    message: LazyString | None = None
    if len(text) > LARGEST_BODY or len(text.encode(errors="replace")) > LARGEST_BODY:
        message = _l("The text of this mail is too long.")
    elif _UNSENDABLE.search(text):
        message = _l("The text of this mail holds characters that can't be sent.")
    elif not text.strip():
        message = _l("A mail needs a text.")
    if message is not None:
        raise MailInvalid(message, field=field)
    return text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"


def _headers(headers: Mapping[str, str]) -> dict[str, str]:
    names = [name.lower() for name in headers]
    for name in names:
        if not _HEADER_NAME.fullmatch(name) or name in _OURS or name.startswith("content-"):
            raise MailInvalid(_l("This header can't be set."), field="headers")
    if len(set(names)) < len(names):
        raise MailInvalid(_l("A header was given twice."), field="headers")
    return {name: line(value, field="headers") for name, value in headers.items()}
