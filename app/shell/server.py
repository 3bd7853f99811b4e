"""The web process: gunicorn, one worker with many threads, on one port; by default for this machine only."""

from __future__ import annotations

import logging
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

from app.core import log

if TYPE_CHECKING:
    from flask import Flask

    from config import Settings

LOOPBACK = ("127.0.0.1", "::1")
# Connections beyond the threads' own: idle ones and open web sockets count; past the limit new ones hang.
SPARE_CONNECTIONS = 2_000
GRACEFUL_SECONDS = 8  # less than the supervisor's patience
MOST_LINE_BYTES = 8_190
MOST_FIELDS = 100
MOST_FIELD_BYTES = 16_380


def serve(settings: Settings) -> None:
    """Answer requests until SIGTERM or Ctrl-C; requests that run then get some seconds to end."""
    log.configure(settings.LOG_FORMAT, settings.LOG_LEVEL)
    Server(settings).run()


def hosts(bind: str) -> list[str]:
    """The addresses to listen on: the one that BIND names, or the loopback ones that the machine has."""
    return [host for host in LOOPBACK if _exists(host)] if bind == "loopback" else [bind]


def addresses(settings: Settings) -> list[str]:
    """As `hosts`, each with the port."""
    return [
        f"[{host}]:{settings.PORT}" if ":" in host else f"{host}:{settings.PORT}"
        for host in hosts(settings.BIND)
    ]


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


class Server(BaseApplication):
    """gunicorn without its command line."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": addresses(self.settings),
            "worker_class": "gthread",
            "workers": 1,
            "threads": self.settings.WEB_THREADS,
            "worker_connections": self.settings.WEB_THREADS + SPARE_CONNECTIONS,
            "timeout": 60,
            "graceful_timeout": GRACEFUL_SECONDS,
            "keepalive": 15,
            "limit_request_line": MOST_LINE_BYTES,
            "limit_request_fields": MOST_FIELDS,
            "limit_request_field_size": MOST_FIELD_BYTES,
            "logger_class": HouseLogger,
            "control_socket_disable": True,
            # Who may speak for a client is TRUSTED_PROXY_HOPS' business alone.
            "forwarded_allow_ips": "",
            "secure_scheme_headers": {},
        }
        if Path("/dev/shm").is_dir() and os.access("/dev/shm", os.W_OK):  # noqa: S108 - the heartbeat file must not wait for a disk
            options["worker_tmp_dir"] = "/dev/shm"  # noqa: S108
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        """Called in the worker: the app's connections and threads belong to the process that uses them."""
        from app.shell.factory import create_app

        return create_app(self.settings)
