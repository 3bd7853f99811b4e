"""Conversations to test with, and a client of web sockets that can also be rude."""

from __future__ import annotations

import contextlib
import itertools
import json
import queue
import re
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from flask import Flask
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Request, TextMessage
from wsproto.utilities import LocalProtocolError

from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Guardianship, Person
from app.domains.messaging import queries, service
from app.domains.messaging.queries import Said
from tests.support.world import Browser, Company


def open_conversation(app: Flask, company: Company, *, with_guardian: bool = False) -> int:
    """The company's tutor and student; with their guardian, if wanted."""
    with app.app_context(), tenant_scope(company.id), transaction():
        if with_guardian:
            db.session.add(
                Guardianship(guardian_id=company.people["guardian"], child_id=company.people["student"])
            )
            db.session.flush()
        people = [db.session.get(Person, company.people[role]) for role in ("tutor", "student")]
        return int(service.open_conversation(*people).id)


def say(
    app: Flask, company: Company, conversation_id: int, role: str, body: str, client_id: UUID | None = None
) -> int:
    """Write as somebody, through the service; the message's place."""
    person_id = company.people[role]
    with app.app_context(), tenant_scope(company.id), transaction():
        made = service.send(conversation_id, author_id=person_id, client_id=client_id or uuid4(), body=body)
        return made.seq


def stored(app: Flask, company: Company, conversation_id: int) -> list[Said]:
    with app.app_context(), tenant_scope(company.id):
        return queries.messages_after(conversation_id, 0, limit=100_000)


class Refused(Exception):
    """The handshake was answered with this status."""

    def __init__(self, status: int) -> None:
        self.status = status
        super().__init__(str(status))


@dataclass
class Client:
    """A page's end of a web socket, on `host` of a live server; `cookie` is a browser's."""

    port: int
    host: str
    cookie: str = ""
    origin: str | None = "own"
    path: str = "/socket.io/?EIO=4&transport=websocket"
    heard: list[tuple[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._packets: queue.Queue[str | None] = queue.Queue()
        self._ids = itertools.count()
        self._sock = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        self._web_socket = WSConnection(ConnectionType.CLIENT)
        self._sock.settimeout(None)
        own = f"http://{self.host}:{self.port}" if self.origin == "own" else self.origin
        headers = [(b"Cookie", self.cookie.encode())] if self.cookie else []
        headers += [(b"Origin", own.encode())] if own else []
        asked = Request(host=f"{self.host}:{self.port}", target=self.path, extra_headers=headers)
        try:
            self._sock.sendall(self._web_socket.send(asked))
            self._read_handshake()
        except BaseException:
            self._sock.close()
            raise
        threading.Thread(target=self._read, daemon=True).start()

    def _read_handshake(self) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            chunk = self._sock.recv(4096)
            if not chunk:
                raise Refused(0)
            received += chunk
        status = int(received.split(b" ", 2)[1])
        if status != 101:
            raise Refused(status)
        self._web_socket.receive_data(received)
        self._take()

    def _read(self) -> None:
        try:
            while chunk := self._sock.recv(65536):
                self._web_socket.receive_data(chunk)
                self._take()
        except OSError:
            pass
        finally:
            self._packets.put(None)

    def _take(self) -> None:
        for event in self._web_socket.events():
            if isinstance(event, TextMessage):
                self._packets.put(event.data)
            elif isinstance(event, CloseConnection):
                with contextlib.suppress(OSError):
                    self._sock.sendall(self._web_socket.send(event.response()))
                self._packets.put(None)
            else:
                assert isinstance(event, AcceptConnection), event

    def send_raw(self, text: str) -> None:
        """Raises ConnectionError when the other end has hung up."""
        try:
            self._sock.sendall(self._web_socket.send(TextMessage(data=text)))
        except LocalProtocolError as error:
            raise ConnectionError from error

    def next(self, seconds: float = 10) -> str:
        """The next packet that is no ping. Raises ConnectionError when the other end has hung up."""
        deadline = time.monotonic() + seconds
        while True:
            packet = self._packets.get(timeout=max(0.01, deadline - time.monotonic()))
            if packet is None or packet == "1":
                self._packets.put(None)
                raise ConnectionError
            if packet == "2":
                self.send_raw("3")
            elif not packet.startswith("0"):
                return packet

    def enter(self, namespace: str = "/chat") -> Client:
        self.send_raw(f"40{namespace},")
        packet = self.next()
        if not packet.startswith(f"40{namespace},"):
            raise ConnectionError(packet)
        return self

    def ask(self, event: Any, *data: Any, seconds: float = 10) -> Any:
        """Send an event; the object of its acknowledgement. What is heard meanwhile is in `heard`."""
        number = next(self._ids)
        self.send_raw(f"42/chat,{number}{json.dumps([event, *data])}")
        while True:
            packet = self.next(seconds)
            if packet.startswith(f"43/chat,{number}["):
                return json.loads(packet[packet.index("[") :])[0]
            self._note(packet)

    def hear(self, event: str, seconds: float = 10) -> Any:
        """The next thing of that name that was said in the room."""
        while True:
            for place, (name, data) in enumerate(self.heard):
                if name == event:
                    del self.heard[place]
                    return data
            self._note(self.next(seconds))

    def hears_nothing(self, seconds: float = 0.4) -> bool:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                self._note(self.next(max(0.01, deadline - time.monotonic())))
            except queue.Empty:
                break
        return not self.heard

    def _note(self, packet: str) -> None:
        """What is said in a room; acknowledgements that nobody waits for are passed over."""
        found = re.match(r"42/chat,(\[.*)", packet, re.DOTALL)
        if found is not None:
            name, data = json.loads(found.group(1))
            self.heard.append((name, data))

    def is_closed(self, seconds: float) -> bool:
        """Whether the other end hangs up within that time."""
        try:
            while True:
                self._note(self.next(seconds))
        except queue.Empty:
            return False
        except ConnectionError:
            return True

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.shutdown(socket.SHUT_RDWR)
        self._sock.close()


def cookie_of(browser: Browser) -> str:
    """What this browser sends with each request."""
    cookie = browser.client.get_cookie("wm", domain=browser.base.removeprefix("http://").split(":")[0])
    assert cookie is not None
    return f"wm={cookie.value}"
