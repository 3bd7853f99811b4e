"""Web sockets: Socket.IO for browsers that are signed in on the page's own host, in the web process or in one
of their own.

A socket is let in by the cookie of its handshake; each of its events is a request of its own, with the
site, the scope and the viewer as they are by then. Whoever is signed out meanwhile loses their sockets
within two seconds. What is sent here is a hint: the truth is in PostgreSQL, and a client that was away
asks for it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, ClassVar

from flask import Flask, current_app
from flask_babel import gettext as _
from flask_socketio import Namespace, SocketIO
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from app.core import metrics, tally
from app.core.errors import DomainError, Invalid, NotAllowed, SignInNeeded, TooMany, Unavailable
from app.core.rooms import Queue, Rooms
from app.core.viewer import Viewer
from app.core.web.viewing import viewer
from app.core.wire import LARGEST_FRAME, Wire, on_greenlets

log = logging.getLogger(__name__)
# Socket.IO's own logger: at any other level it writes down what people say to each other.
library_log = logging.getLogger(f"{__name__}.library")
library_log.setLevel(logging.ERROR)

PATH = "/socket.io/"
TICKET = "wemaster.ticket"
PER_ACCOUNT = 10
# What a process can have, by threads and memory, of each of the two kinds.
MOST_ON_THREADS, MOST_ON_GREENLETS = 2_000, 10_000
LOOK_SECONDS = 1.0
PING_SECONDS, PONG_SECONDS = 25, 20

IsAlive = Callable[[Collection[int]], set[int]]


@dataclass(eq=False)
class Ticket:
    """An open socket: whose it is, and what it listens to."""

    tenant_id: int | None
    user_id: int
    person_id: int | None
    session_id: int
    wire: Wire | None = None
    rooms: dict[str, str] = field(default_factory=dict)  # room -> the Socket.IO id that entered it

    @property
    def account(self) -> tuple[int | None, int]:
        return self.tenant_id, self.user_id

    def close(self) -> None:
        if self.wire is not None:
            self.wire.end()


class Full(TooMany):
    """This account, or this process, has as many sockets as it may have."""

    code = "too_many_sockets"


class UnknownEvent(Invalid):
    code = "unknown_event"


class Sockets:
    """The open sockets of this process, and the door they come in by: a WSGI application around Flask's."""

    def __init__(self, app: Flask, is_alive: IsAlive, namespaces: Collection[Channel]) -> None:
        self._app, self._pages, self._is_alive = app, app.wsgi_app, is_alive
        self._namespaces = namespaces
        self.most = MOST_ON_GREENLETS if on_greenlets() else MOST_ON_THREADS
        self._lock = threading.Lock()
        self._open: set[Ticket] = set()
        self._of_account: Counter[tuple[int | None, int]] = Counter()
        self._watching = False
        self._engine: Any = None

    def attach(self, engine: Any) -> None:
        """The Socket.IO application that those who are let in talk to."""
        self._engine = engine

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if not str(environ.get("PATH_INFO", "")).startswith(PATH):
            return self._pages(environ, start_response)
        try:
            ticket = self._admit(environ)
        except DomainError as error:
            metrics.SOCKETS_REFUSED.labels(error.code).inc()
            return _refuse(start_response, error.status, error.code)
        environ = {**environ, TICKET: ticket}
        try:
            answer: Iterable[bytes] = self._engine(environ, start_response)
            return answer
        finally:
            if ticket.wire is None:
                self.forget(ticket)

    def _admit(self, environ: dict[str, Any]) -> Ticket:
        """Browsers name the page's origin on each web socket, so one that is missing is no browser's.
        Raises Invalid, NotAllowed, SignInNeeded, Full, Unavailable."""
        if not Wire.fits(environ):
            raise Invalid
        if environ.get("HTTP_ORIGIN") != f"{environ['wsgi.url_scheme']}://{environ.get('HTTP_HOST')}":
            raise NotAllowed
        with self._app.request_context(environ):
            who = who_asks()
            ticket = Ticket(who.tenant_id, who.user_id, who.person_id, who.session_id)
        with self._lock:
            if self._of_account[ticket.account] >= PER_ACCOUNT or len(self._open) >= self.most:
                raise Full
            self._open.add(ticket)
            self._of_account[ticket.account] += 1
            metrics.SOCKETS.inc()
            if not self._watching:
                self._watching = True
                threading.Thread(target=self._watch, name="sockets", daemon=True).start()
        return ticket

    def opened(self, environ: Mapping[str, Any], wire: Wire) -> None:
        environ[TICKET].wire = wire

    def ended(self, environ: Mapping[str, Any]) -> None:
        self.forget(environ[TICKET])

    def forget(self, ticket: Ticket) -> None:
        with self._lock:
            if ticket in self._open:
                self._open.remove(ticket)
                self._of_account[ticket.account] -= 1
                if not self._of_account[ticket.account]:
                    del self._of_account[ticket.account]
                metrics.SOCKETS.dec()

    def open(self) -> list[Ticket]:
        with self._lock:
            return list(self._open)

    def _watch(self) -> None:
        """Events ask for the sign-in themselves; this is for sockets that only listen."""
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                with self._app.app_context():
                    tally.flush()
                    self.look()
            except SQLAlchemyError:
                log.warning("who is still signed in can't be asked; open sockets stay", exc_info=True)
            except Exception:
                log.exception("looking after the open sockets failed")

    def look(self) -> None:
        """Close the sockets whose sign-in has ended, and those that hear what is not theirs any more."""
        tickets = self.open()
        if not tickets:
            return
        alive = self._is_alive({ticket.session_id for ticket in tickets})
        ended = [ticket for ticket in tickets if ticket.session_id not in alive]
        rest = [ticket for ticket in tickets if ticket.session_id in alive and ticket.rooms]
        for namespace in self._namespaces:
            ended += namespace.intruders(rest)
        for ticket in ended:
            log.info("a socket is closed: its sign-in or its part in a room ended")
            ticket.close()


def who_asks() -> Viewer:
    """Begin a socket's request as any other begins. Raises SignInNeeded, NotAllowed, Invalid, Unavailable."""
    try:
        closed = current_app.preprocess_request()
        who = viewer()
    except HTTPException as error:
        raise Invalid from error
    except (OperationalError, PoolTimeout) as error:
        raise Unavailable from error
    if closed is not None:
        raise NotAllowed
    if who is None:
        raise SignInNeeded
    return who


def _refuse(start_response: Any, status: int, code: str) -> list[bytes]:
    start_response(
        f"{status} {HTTPStatus(status).phrase}",
        [("Content-Type", "text/plain"), ("Cache-Control", "no-store"), ("Connection", "close")],
    )
    return [code.encode()]


@dataclass(frozen=True)
class Call:
    """One event: who sent it by which socket, and the one object that came with it."""

    who: Viewer
    sid: str
    ticket: Ticket
    data: Mapping[str, Any]

    def number(self, name: str) -> int:
        """Raises Invalid."""
        value = self.data.get(name)
        if type(value) is not int or not 0 <= value < 10**18:
            raise Invalid(field=name)
        return value

    def text(self, name: str) -> str:
        """Raises Invalid."""
        value = self.data.get(name)
        if not isinstance(value, str):
            raise Invalid(field=name)
        return value


class Channel(Namespace):
    """A Socket.IO namespace whose events are those in `EVENTS`, by name the method that answers them.

    A method gets a `Call` in a request of its own and returns the object of the acknowledgement; a
    refusal becomes `{"error": {"code", "message", "field"}}`.
    """

    EVENTS: ClassVar[Mapping[str, str]] = {}

    def intruders(self, tickets: Collection[Ticket]) -> list[Ticket]:
        """Those of the open sockets that must hear no more of what they listen to; asked each second."""
        return []

    def enter(self, call: Call, room: str) -> None:
        """Have a socket hear what is said in a room, whose name is of our own making, never a client's."""
        self.server.enter_room(call.sid, room, namespace=self.namespace)
        call.ticket.rooms[room] = call.sid

    def trigger_event(self, event: Any, *args: Any) -> Any:
        if event in ("connect", "disconnect"):
            return None  # who comes in was asked at the door
        app: Flask = self.socketio.sockio_mw.flask_app
        sid, values = args[0], args[1:]
        environ = self.server.get_environ(sid, self.namespace)
        if environ is None:
            return None
        with app.request_context(environ):
            return self._answer(event, sid, environ[TICKET], values)

    def _answer(self, event: Any, sid: str, ticket: Ticket, values: tuple[Any, ...]) -> dict[str, Any]:
        try:
            who = who_asks()
        except SignInNeeded as error:
            ticket.close()
            return refusal(error)
        except DomainError as error:
            return refusal(error)
        try:
            name = self.EVENTS.get(event) if isinstance(event, str) else None
            metrics.SOCKET_EVENTS.labels(name or "unknown").inc()
            if name is None:
                raise UnknownEvent
            if len(values) != 1 or not isinstance(values[0], dict):
                raise Invalid
            answer: dict[str, Any] = getattr(self, name)(Call(who, sid, ticket, values[0]))
        except DomainError as error:
            return refusal(error)
        except (OperationalError, PoolTimeout):
            log.exception("the database is away")
            return refusal(Unavailable())
        except Exception:
            log.exception("an event of a socket failed")
            return {"error": {"code": "fault", "message": _("Something went wrong on our side")}}
        return answer


def refusal(error: DomainError) -> dict[str, Any]:
    said = {"code": error.code, "message": str(error), "field": error.field}
    return {"error": {name: value for name, value in said.items() if value is not None}}


def init_app(
    app: Flask, *, redis_url: str, channel: str, is_alive: IsAlive, channels: list[Channel], held_here: bool
) -> None:
    """Put the sockets in front of the pages, or only be able to `tell` those of other processes. `is_alive`
    says which of some sign-ins still hold; `channel` is this installation's own among those that share a
    Redis. Connects to nothing."""
    pages = app.wsgi_app
    door = Sockets(app, is_alive, channels)
    # One for each application: two of them in a process (tests) must not hear each other.
    socketio = SocketIO()
    for namespace in channels:
        socketio.on_namespace(namespace)
    socketio.init_app(
        app,
        async_mode="threading",
        async_handlers=False,  # one after the other: who sends much waits, and holds one connection
        client_manager=(Queue(redis_url, channel=channel, logger=library_log) if redis_url else Rooms()),
        cors_allowed_origins=[],  # the door asks for more than the library would
        transports=["websocket"],
        namespaces=[namespace.namespace for namespace in channels],
        max_http_buffer_size=LARGEST_FRAME,
        ping_interval=PING_SECONDS,
        ping_timeout=PONG_SECONDS,
        path=PATH.strip("/"),
        logger=library_log,
        engineio_logger=library_log,
    )
    server = socketio.server
    engine = server.eio
    engine._async = {
        **engine._async,
        "websocket": lambda handler, _server: Wire(handler, door.opened, door.ended),
    }
    understand = engine.handlers["message"]

    def on_message(eio_sid: str, data: Any) -> None:
        """What can't be read ends its socket, without a line in the log for each."""
        try:
            understand(eio_sid, data)
        except Exception:
            log.info("a socket sent what can't be read; it is closed")
            engine.disconnect(eio_sid)

    engine.on("message", on_message)
    door.attach(socketio.sockio_mw)
    app.extensions["sockets"] = door
    app.wsgi_app = door if held_here else pages  # type: ignore[method-assign]


def tell(event: str, data: Mapping[str, Any], *, room: str, namespace: str, skip: str | None = None) -> None:
    """Say something in a room, to the sockets of all processes; a hint that may be lost. After the commit."""
    socketio: SocketIO = current_app.extensions["socketio"]
    socketio.emit(event, dict(data), to=room, namespace=namespace, skip_sid=skip)
