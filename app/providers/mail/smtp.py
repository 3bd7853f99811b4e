"""Mail by SMTP: one connection per mail, encrypted unless the settings say otherwise."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable
from typing import Any, Literal, NoReturn, TypeVar

from app.core.outside import Breaker, ProviderDeferred, ProviderRefused, ProviderUnavailable, breaker
from app.providers.mail.base import Mail, Mailbox, ascii_domain, compose, needs_utf8

T = TypeVar("T")

Security = Literal["none", "starttls", "tls"]

_NAME = "mail"
_OK = frozenset({250, 251})
_CLOSING, _AUTHENTICATION_NEEDED, _TOO_LARGE = 421, 530, 552


class SmtpMail:
    """Hands mail to one relay; see `MailProvider.send` for what it raises.

    A relay that is away, refuses us (login, certificate, sender) or says "later" is unavailable; what
    it says about a recipient or a text concerns that mail alone.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        sender: Mailbox,
        security: Security,
        username: str = "",
        password: str = "",
        timeout: float = 10.0,
        longest: float = 30.0,
        tls: ssl.SSLContext | None = None,
        guard: Breaker | None = None,
    ) -> None:
        if username and security == "none":
            raise ValueError(
                "SMTP_USERNAME needs SMTP_SECURITY starttls or tls: a password is never sent in clear"
            )
        self._host, self._port, self._security = host, port, security
        self._sender, self._username, self._password = sender, username, password
        self._timeout, self._longest = timeout, longest
        self._tls = tls or ssl.create_default_context()
        self._guard = guard or breaker(_NAME)

    def send(self, mail: Mail) -> None:
        self._guard.call(lambda: self._send(mail))

    def _send(self, mail: Mail) -> None:
        with _Deadline(self._longest) as deadline:
            self._hand_over(mail, deadline)

    def _hand_over(self, mail: Mail, deadline: _Deadline) -> None:
        connection = _or_unavailable(lambda: self._connect(deadline))
        try:
            _or_unavailable(lambda: self._transmit(connection, mail))
        except BaseException:
            connection.close()
            raise
        try:
            connection.quit()
        except (smtplib.SMTPException, OSError):
            # It was accepted: a failure now must not have it sent again.
            connection.close()

    def _connect(self, deadline: _Deadline) -> smtplib.SMTP:
        name = ascii_domain(self._sender.address)
        if self._security == "tls":
            connection: smtplib.SMTP = _TlsConnection(
                self._host, self._port, name, deadline=deadline, timeout=self._timeout, context=self._tls
            )
        else:
            connection = _Connection(self._host, self._port, name, deadline=deadline, timeout=self._timeout)
        try:
            if self._security == "starttls":
                connection.starttls(context=self._tls)
            connection.ehlo_or_helo_if_needed()
            if self._username:
                connection.login(self._username, self._password)
        except BaseException:
            connection.close()
            raise
        return connection

    def _transmit(self, connection: smtplib.SMTP, mail: Mail) -> None:
        raw = compose(mail, self._sender)
        options = []
        if needs_utf8(mail, self._sender):
            if not connection.has_extn("smtputf8"):
                raise ProviderRefused(_NAME, "the relay can't send to an address with such letters")
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        if connection.has_extn("size"):
            options.append(f"size={len(raw)}")
        code, reply = connection.mail(self._sender.address, options)
        if code not in _OK:
            _fail(ProviderRefused if code == _TOO_LARGE else ProviderUnavailable, "sender", code, reply)
        code, reply = connection.rcpt(mail.to)
        if code not in _OK:
            _fail(_about_recipient(code), "recipient", code, reply)
        code, reply = _data(connection, raw)
        if code not in _OK:
            _fail(ProviderRefused if code >= 500 else ProviderUnavailable, "data", code, reply)


class _Deadline:
    """Ends a conversation that goes on and on: a relay that says a byte now and then is never late, and every
    other delivery would wait behind it."""

    def __init__(self, seconds: float) -> None:
        self._connection: smtplib.SMTP | None = None
        self._timer = threading.Timer(seconds, self._hang_up)
        self._timer.daemon = True

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._timer.cancel()

    def watch(self, connection: smtplib.SMTP) -> None:
        self._connection = connection

    def _hang_up(self) -> None:
        sock = getattr(self._connection, "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Connection(smtplib.SMTP):
    """Watched from its first byte on."""

    def __init__(self, *given: Any, deadline: _Deadline, **more: Any) -> None:
        deadline.watch(self)
        super().__init__(*given, **more)


class _TlsConnection(smtplib.SMTP_SSL):
    """As `_Connection`."""

    def __init__(self, host: str, port: int, name: str, *, deadline: _Deadline, **more: Any) -> None:
        deadline.watch(self)
        super().__init__(host, port, name, **more)


def _data(connection: smtplib.SMTP, raw: bytes) -> tuple[int, bytes]:
    try:
        return connection.data(raw)
    except smtplib.SMTPDataError as error:
        return error.smtp_code, _bytes(error.smtp_error)


def _about_recipient(code: int) -> type[ProviderUnavailable | ProviderRefused]:
    if code in {_CLOSING, _AUTHENTICATION_NEEDED} or code < 400:
        return ProviderUnavailable
    return ProviderDeferred if code < 500 else ProviderRefused


def _fail(
    kind: type[ProviderUnavailable | ProviderRefused], stage: str, code: int, reply: bytes | str
) -> NoReturn:
    raise kind(_NAME, f"{stage}: {code} {_bytes(reply).decode(errors='replace')[:200]}")


def _or_unavailable(work: Callable[[], T]) -> T:
    """Whatever goes wrong between us and the relay (network, TLS, login) is the relay's being away."""
    try:
        return work()
    except smtplib.SMTPResponseException as error:
        detail = f"{error.smtp_code} {_bytes(error.smtp_error).decode(errors='replace')[:200]}"
        raise ProviderUnavailable(_NAME, detail) from error
    except (smtplib.SMTPException, OSError) as error:
        raise ProviderUnavailable(_NAME, f"{type(error).__name__}: {error}"[:200]) from error


def _bytes(reply: bytes | str) -> bytes:
    return reply.encode(errors="replace") if isinstance(reply, str) else reply
