"""A real SMTP server in this process that can be told to misbehave at any step."""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509

from tests.support.certificates import self_signed

HANG, DROP = "hang", "drop"
USERNAME, PASSWORD = "relay-user", "relay-secret"

REFUSED = "550 5.1.1 nobody of this name"
DEFERRED = "451 4.7.1 come back later"
_BY_DOMAIN = {"refused.test": REFUSED, "deferred.test": DEFERRED, "down.test": DROP}


@dataclass
class Relay:
    """The server's handler. `plan` says for each coming connection what happens at which step.

    Steps: EHLO, MAIL, RCPT, DATA (before the text), TEXT (the text is thrown away), KEPT (the text is
    kept first), QUIT. What happens: a reply line, HANG or DROP.
    """

    plan: list[dict[str, str]] = field(default_factory=list)
    lag: float = 0.0
    kept: list[tuple[str, bytes]] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    logins: list[bytes] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def act(self, server: Server, step: str) -> str | None:
        """The planned answer at this step, if there is one; does not return from a hang."""
        what = server.plan.get(step)
        if what == HANG:
            await asyncio.sleep(3600)
        if what == DROP:
            server.transport.abort()
            return "421 dropped"
        return what

    async def handle_RCPT(self, server: Server, _session: Any, envelope: Any, to: str, options: Any) -> str:
        planned = await self.act(server, "RCPT")
        if planned is None and (what := _BY_DOMAIN.get(to.rpartition("@")[2])):
            server.plan["RCPT"] = what
            planned = await self.act(server, "RCPT")
        if planned is None:
            envelope.rcpt_tos.append(to)
            envelope.rcpt_options.extend(options)
        return planned or "250 OK"

    async def handle_DATA(self, server: Server, session: Any, envelope: Any) -> str:
        await asyncio.sleep(self.lag)
        planned = await self.act(server, "TEXT")
        if planned is not None:
            return planned
        self.kept += [(to, envelope.original_content) for to in envelope.rcpt_tos]
        self.encrypted.append(session.ssl is not None)
        return await self.act(server, "KEPT") or "250 kept"

    def authenticate(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any
    ) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login)
        right = (data.login, data.password) == (USERNAME.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)


class Server(SMTP):
    """One connection."""

    greeted = False
    plan: dict[str, str]

    def connection_made(self, transport: Any) -> None:
        relay: Relay = self.event_handler
        if not self.greeted:  # called again after STARTTLS
            relay.connections += 1
            relay.open += 1
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        relay: Relay = self.event_handler
        relay.open -= 1
        super().connection_lost(error)

    async def _greet(self, usual: Any, arg: Any) -> None:
        """The plan is for who greets: the controller's own look at the port does not."""
        if not self.greeted:
            self.greeted = True
            waiting = self.event_handler.plan
            self.plan = waiting.pop(0) if waiting else {}
        await self._planned("EHLO", usual, arg)

    async def _planned(self, step: str, usual: Any, arg: Any) -> None:
        planned = await self.event_handler.act(self, step)
        await (usual(arg) if planned is None else self.push(planned))

    async def smtp_EHLO(self, arg: str) -> None:
        await self._greet(super().smtp_EHLO, arg)

    async def smtp_HELO(self, arg: str) -> None:
        await self._greet(super().smtp_HELO, arg)

    async def smtp_MAIL(self, arg: str | None) -> None:
        await self._planned("MAIL", super().smtp_MAIL, arg)

    async def smtp_DATA(self, arg: str) -> None:
        await self._planned("DATA", super().smtp_DATA, arg)

    async def smtp_QUIT(self, arg: str) -> None:
        await self._planned("QUIT", super().smtp_QUIT, arg)


class RelayServer(Controller):
    """Runs a relay on a free port of 127.0.0.1, in a thread."""

    def __init__(self, relay: Relay, **smtp: Any) -> None:
        self.relay = relay
        super().__init__(relay, hostname="127.0.0.1", port=0, **smtp)

    def factory(self) -> Server:
        return Server(self.handler, **self.SMTP_kwargs)

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()
        self.relay.connections -= 1  # that was the controller itself

    async def _end_connections(self) -> None:
        tasks = [task for task in asyncio.all_tasks(self.loop) if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self, no_assert: bool = False) -> None:
        """Also ends what hangs."""
        asyncio.run_coroutine_threadsafe(self._end_connections(), self.loop).result(10)
        super().stop(no_assert)


@dataclass(frozen=True)
class Certificate:
    """A self-made certificate: what a server shows, and what a client must trust to believe it."""

    file: Path
    key: Path

    def server(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context

    def trusting_client(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.file))


def make_certificate(folder: Path, *, host: str | None) -> Certificate:
    """For 127.0.0.1, or for a host name only."""
    shown = x509.DNSName(host) if host else x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate, key = self_signed("relay", [shown])
    made = Certificate(folder / f"{host or 'address'}.pem", folder / f"{host or 'address'}.key")
    made.file.write_bytes(certificate)
    made.key.write_bytes(key)
    return made
