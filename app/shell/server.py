"""The web process: gunicorn, one worker process or several with many threads each, on one port; by default
for this machine only.

Where systemd holds the port (LISTEN_FDS), its socket is used: while one server ends and the next one starts,
who connects waits, and nobody is turned away.
"""

from __future__ import annotations

import logging
import mmap
import os
import shutil
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger
from gunicorn.workers.gthread import ThreadWorker

from app.core import garbage, log

if TYPE_CHECKING:
    from config import Settings

LOOPBACK = ("127.0.0.1", "::1")
# Connections beyond the threads' own: idle ones and open web sockets count; past the limit new ones hang.
SPARE_CONNECTIONS = 2_000
# Read by prometheus_client when it is imported.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
IN_MEMORY = "/dev/shm"  # noqa: S108 - gunicorn makes its heartbeat's file there, which must not wait for a disk
GRACEFUL_SECONDS = 8  # less than the supervisor's patience
MOST_LINE_BYTES = 8_190
MOST_FIELDS = 100
MOST_FIELD_BYTES = 16_380
HEAD_START_SECONDS = 0.0005  # in which a worker that waits takes a connection many times over


def serve(settings: Settings) -> None:
    """Answer requests until SIGTERM or Ctrl-C; requests that run then get some seconds to end."""
    log.configure(settings.LOG_FORMAT, settings.LOG_LEVEL)
    Server(settings).run()


def hosts(bind: str) -> list[str]:
    """The addresses to listen on: the one that BIND names, or the loopback ones that the machine has."""
    return [host for host in LOOPBACK if _exists(host)] if bind == "loopback" else [bind]


def addresses(bind: str, port: int) -> list[str]:
    """As `hosts`, each with the port."""
    return [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host in hosts(bind)]


def _exists(host: str) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((host, 0))
    except OSError:
        return False
    return True


class HouseLogger(Logger):
    """gunicorn's own messages go the way of all others; it keeps no access log, the app logs its requests."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        for name in ("gunicorn.error", "gunicorn.access"):
            logger = logging.getLogger(name)
            logger.handlers.clear()
            logger.propagate = True
        # Its start and stop messages are of no interest to anybody who reads ours.
        self.error_log.setLevel(logging.WARNING)


def _end_at_once(_server: object, _worker: object) -> None:
    """A worker that ends well need not be taken apart object by object: that takes Python most of a second,
    and nobody is served meanwhile."""
    ending = sys.exc_info()[1]
    if isinstance(ending, SystemExit) and not ending.code:
        logging.shutdown()
        os._exit(0)


class Connections:
    """How many each worker of a server holds, in memory that all of them share."""

    FREE = -1

    def __init__(self, workers: int) -> None:
        # Old workers still end while new ones begin. Two of one number would share less evenly, no more.
        self._numbers = workers * 8
        self._held = memoryview(mmap.mmap(-1, self._numbers * 4)).cast("i")
        for number in range(self._numbers):
            self.forget(number)

    def note(self, age: int, held: int) -> None:
        self._held[age % self._numbers] = held

    def forget(self, age: int) -> None:
        self.note(age, self.FREE)

    def fewest(self) -> int:
        """Of the workers that live; 0 before any has said so."""
        return min((held for held in self._held if held != self.FREE), default=0)


class EvenWorker(ThreadWorker):
    """Leaves a new connection to a worker that holds fewer.

    All of them wait at one door, and who is awake already comes first: of eight connections that are kept
    open, as a proxy keeps them, one worker mostly got seven or all, and one core answered.
    """

    app: Server

    def notify(self) -> None:
        super().notify()
        self.app.connections.note(self.age, self.nr_conns)

    def accept(self, listener: socket.socket) -> None:
        if self.nr_conns > self.app.connections.fewest():
            # Not longer: the other one may hang, or have ended.
            time.sleep(HEAD_START_SECONDS)
        super().accept(listener)
        self.app.connections.note(self.age, self.nr_conns)


class Server(BaseApplication):
    """gunicorn without its command line."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # Workers that are one server count together: see `app.core.metrics`.
        folder = settings.VAR_DIR.resolve() / "metrics" / str(settings.PORT)
        self.metrics_folder = folder if settings.WEB_WORKERS > 1 else None
        self.connections = Connections(settings.WEB_WORKERS)
        super().__init__()

    def load_config(self) -> None:
        for name, value in self.options().items():
            self.cfg.set(name, value)

    def options(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "bind": addresses(self.settings.BIND, self.settings.PORT),
            "worker_class": EvenWorker,
            "workers": self.settings.WEB_WORKERS,
            "threads": self.settings.WEB_THREADS,
            "worker_connections": self.settings.WEB_THREADS + SPARE_CONNECTIONS,
            "timeout": 60,
            "graceful_timeout": GRACEFUL_SECONDS,
            "keepalive": 15,
            "limit_request_line": MOST_LINE_BYTES,
            "limit_request_fields": MOST_FIELDS,
            "limit_request_field_size": MOST_FIELD_BYTES,
            "logger_class": HouseLogger,
            "worker_exit": _end_at_once,
            "child_exit": self._forget_worker,
            "control_socket_disable": True,
            # Who may speak for a client is TRUSTED_PROXY_HOPS' business alone.
            "forwarded_allow_ips": "",
            "secure_scheme_headers": {},
        }
        if self.metrics_folder is not None:
            found["raw_env"] = [f"{FOLDER_VARIABLE}={self.metrics_folder}"]
        if Path(IN_MEMORY).is_dir() and os.access(IN_MEMORY, os.W_OK):
            found["worker_tmp_dir"] = IN_MEMORY
        return found

    def run(self) -> None:
        if self.metrics_folder is not None:
            shutil.rmtree(self.metrics_folder, ignore_errors=True)
            self.metrics_folder.mkdir(parents=True)
        super().run()

    def load(self) -> Any:
        """Called in the worker: the app's connections and threads belong to the process that uses them."""
        application = self.application()
        garbage.settle()
        return application

    def application(self) -> Any:
        from app.shell.factory import create_app

        app = create_app(self.settings)
        app.extensions["metrics_folder"] = self.metrics_folder
        return app

    def _forget_worker(self, _server: object, worker: Any) -> None:
        """What a worker that ended held is held no more; what it counted stays."""
        self.connections.forget(worker.age)
        if self.metrics_folder is not None:
            from prometheus_client.multiprocess import mark_process_dead

            mark_process_dead(worker.pid, path=str(self.metrics_folder))
