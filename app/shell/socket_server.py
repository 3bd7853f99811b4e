"""`run.py sockets`: the web sockets in a process of their own, thousands of them, each on a greenlet.

Imported by that command alone, after gevent has replaced the standard library's threads, sockets and waiting.
What is said in other processes comes by Redis; who is signed in is asked in PostgreSQL, as everywhere.
"""

from __future__ import annotations

import resource
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import gevent
from gunicorn.workers.ggevent import GeventWorker

from app.core import log
from app.core.realtime import MOST_ON_GREENLETS, PATH, Sockets
from app.shell.server import SPARE_CONNECTIONS, Server, addresses

if TYPE_CHECKING:
    from flask import Flask

    from config import Settings

# What else is answered here: how this process is.
ABOUT_ITSELF = ("/healthz", "/readyz", "/metrics")


def hold_sockets(settings: Settings) -> None:
    """Hold web sockets until SIGTERM or Ctrl-C, which hangs up at once: browsers come back by themselves."""
    log.configure(settings.LOG_FORMAT, settings.LOG_LEVEL)
    _allow_files(MOST_ON_GREENLETS + SPARE_CONNECTIONS)
    SocketServer(settings).run()


def _allow_files(wanted: int) -> None:
    """A socket is an open file; the usual limit is 1,024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


class SocketsOnly:
    """The application without its pages: they are `serve`'s, whose threads and limits are made for them."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._door: Sockets = app.extensions["sockets"]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = str(environ.get("PATH_INFO", ""))
        if path.startswith(PATH) or path in ABOUT_ITSELF:
            return self._app(environ, start_response)
        start_response("404 Not Found", [("Content-Type", "text/plain"), ("Connection", "close")])
        return [b"Web sockets only"]

    def hang_up(self) -> None:
        for ticket in self._door.open():
            ticket.close()


class Worker(GeventWorker):
    """A stop need not wait for people to close their pages."""

    def handle_exit(self, sig: int, frame: Any) -> None:
        super().handle_exit(sig, frame)
        gevent.spawn(self.wsgi.hang_up)


class SocketServer(Server):
    """One process: what it says to its own sockets need not go through Redis."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.model_copy(update={"WEB_WORKERS": 1}))

    def options(self) -> dict[str, Any]:
        return {
            **super().options(),
            "bind": addresses(self.settings.BIND, self.settings.SOCKETS_PORT),
            "worker_class": Worker,
            "workers": 1,
            # A socket keeps its request's greenlet.
            "worker_connections": MOST_ON_GREENLETS + SPARE_CONNECTIONS,
        }

    def application(self) -> SocketsOnly:
        return SocketsOnly(super().application())
