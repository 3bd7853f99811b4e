"""One web socket's connection, taken out of the web server's hands and kept within limits."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from simple_websocket import ConnectionClosed, Server
from wsproto.frame_protocol import FrameProtocol
from wsproto.utilities import ProtocolError

log = logging.getLogger(__name__)

SERVER_SOCKET = "gunicorn.socket"
WIRE = "wemaster.wire"  # where the handshake's environment names the wire that came of it
LARGEST_FRAME = 64 * 1024
EVENTS_PER_SECOND = 20
SEND_SECONDS = 10  # how long a client that does not read is waited for


def on_greenlets() -> bool:
    """Whether this process's threads are gevent's: `run.py sockets` makes them so before anything else."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("threading"))


class Budget:
    """So many events a second, and as many at once; `spend` says whether one more is within it."""

    def __init__(self, per_second: int) -> None:
        self._rate = self._left = float(per_second)
        self._at = time.monotonic()

    def spend(self) -> bool:
        now = time.monotonic()
        self._left = min(self._rate, self._left + (now - self._at) * self._rate) - 1
        self._at = now
        return self._left >= 0


def frame_of(text: str) -> bytes:
    """A message as it goes over each web socket; made once, it is the same for all."""
    return bytes(FrameProtocol(client=False, extensions=[]).send_data(text))


class _Thread(threading.Thread):
    """Ends with its process: a socket that idles must not hold up a stop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs, daemon=True)


class Wire:
    """What Engine.IO calls a web socket: `send`, `wait`, `close`.

    It runs on threads of its own. The web server's are for requests, and an open chat page would hold one
    of them for hours: a handful of people who write to each other would be all whom it could serve. Where
    threads are greenlets a request may last for hours, and its own stays with its socket.
    """

    def __init__(
        self,
        handler: Callable[[Wire], Any],
        opened: Callable[[Mapping[str, Any], Wire], None],
        ended: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._handler, self._opened, self._ended = handler, opened, ended
        self._budget = Budget(EVENTS_PER_SECOND)
        self._socket: socket.socket | None = None
        self._line: Line | None = None
        self._web_socket: Server | None = None

    @staticmethod
    def fits(environ: Mapping[str, Any]) -> bool:
        """Whether this request asks for a web socket, from a server that can give its connection away."""
        return (
            environ.get("REQUEST_METHOD") == "GET"
            and str(environ.get("HTTP_UPGRADE", "")).lower() == "websocket"
            and SERVER_SOCKET in environ
        )

    def __call__(self, environ: dict[str, Any], _start_response: Any) -> list[bytes]:
        connection = environ[SERVER_SOCKET]
        environ[WIRE] = self
        self._socket = connection if on_greenlets() else _take(connection)
        self._line = Line(self._socket)
        environ = {**environ, SERVER_SOCKET: self._line}
        # Compression would cost each socket more memory than all else, and unpacks bombs.
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        self._opened(environ, self)
        if on_greenlets():
            self._run(environ)
        else:
            _Thread(target=self._run, args=(environ,), name="socket").start()
        raise StopIteration  # tells gunicorn that there is no answer to write

    def _run(self, environ: dict[str, Any]) -> None:
        try:
            self._web_socket = Server(environ, max_message_size=LARGEST_FRAME, thread_class=_Thread)
            self._handler(self)
        except Exception as error:
            # No code of ours runs here: the handshake was no proper one, or a packet of Engine.IO's none.
            log.info("a socket is closed: it sent what can't be read (%s)", type(error).__name__)
        finally:
            self.end()
            self._handler.__self__.close(wait=False, abort=True)  # type: ignore[attr-defined]
            self._ended(environ)

    def send(self, message: str | bytes) -> None:
        assert self._web_socket is not None
        try:
            self._web_socket.send(message)
        except ConnectionClosed as error:
            raise OSError from error

    def push(self, frame: bytes) -> bool:
        """Send a frame if that can be done at once. Whoever speaks to many must not wait for one of them."""
        if self._line is None or self._web_socket is None or not self._web_socket.connected:
            return False
        return self._line.push(frame)

    def wait(self) -> str | bytes | None:
        """The next thing that the client says; None when it has ended, or says too much."""
        assert self._web_socket is not None
        try:
            said: str | bytes | None = self._web_socket.receive()
        except ConnectionClosed:
            return None
        if not self._budget.spend():
            log.info("a socket sent more than %s events a second; it is closed", EVENTS_PER_SECOND)
            self.end()
            return None
        return said

    def close(self) -> None:
        """Say good-bye, after all that was sent before."""
        if self._web_socket is not None:
            with contextlib.suppress(ConnectionClosed, ProtocolError, OSError):
                self._web_socket.close()
        self.end()

    def end(self) -> None:
        """Hang up. Whoever waits for it or writes to it, in whichever thread, is done."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class Line:
    """A connection, for a library that sends and does not look how much of it went out. Half a frame would
    make nonsense of the next: what is sent goes out whole, or the connection ends."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._lock = threading.Lock()  # frames of two threads must not mix
        self.recv, self.close, self.fileno = connection.recv, connection.close, connection.fileno

    def send(self, data: bytes) -> int:
        """Raises OSError where the client is gone, or has not read for some seconds."""
        with self._lock:
            self._send_patiently(memoryview(data))
        return len(data)

    def push(self, data: bytes) -> bool:
        """Send it if nobody else is sending and the client reads; False: nothing went out, or the client is
        gone. What was begun is finished on a thread of its own."""
        if not self._lock.acquire(blocking=False):
            return False
        try:
            sent = self._send_at_once(data)
        except OSError:
            sent = 0  # reading finds out, and ends the connection
        if not 0 < sent < len(data):
            self._lock.release()
            return sent > 0
        _Thread(target=self._finish, args=(memoryview(data)[sent:],), name="slow socket").start()
        return True

    def _finish(self, rest: memoryview) -> None:
        try:
            self._send_patiently(rest)
        except OSError:
            log.info("a client does not read; its socket is closed")
        finally:
            self._lock.release()

    def _send_at_once(self, data: bytes) -> int:
        """How much the system takes now."""
        try:
            if on_greenlets():
                return os.write(self._connection.fileno(), data)  # gevent's own would wait
            return int(self._connection.send(data, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return 0

    def _send_patiently(self, data: memoryview) -> None:
        try:
            (_send_by_greenlet if on_greenlets() else _send)(self._connection, data)
        except OSError:
            with contextlib.suppress(OSError):
                self._connection.shutdown(socket.SHUT_RDWR)
            raise


def _send(connection: Any, data: memoryview) -> None:
    connection.sendall(data)  # `_take` has set its time limit


def _send_by_greenlet(connection: Any, data: memoryview) -> None:
    """Mostly all goes out at once, and that costs no timer."""
    import gevent

    try:
        sent = os.write(connection.fileno(), data)
    except BlockingIOError:
        sent = 0
    if sent < len(data):
        with gevent.Timeout(SEND_SECONDS, TimeoutError("the client does not read")):
            connection.sendall(data[sent:])


def _take(connection: socket.socket) -> socket.socket:
    """The same connection as a socket of our own.

    gunicorn closes its one when the request is over, so it is left a stand-in under the same number.
    """
    mine = connection.dup()
    left, right = socket.socketpair()
    os.dup2(left.fileno(), connection.fileno(), inheritable=False)
    left.close()
    right.close()
    mine.setblocking(True)
    # A time limit on sending alone: with Python's own, receiving would end, too.
    mine.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
    return mine
