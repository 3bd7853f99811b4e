"""The simulator's web server."""

from __future__ import annotations

import logging
import socket
import threading
from http import HTTPStatus
from pathlib import Path
from typing import Any

from flask import Flask, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import Babel
from werkzeug.exceptions import HTTPException
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from app.core.locales import reader_locale
from app.providers.payments.simulator.api import Api
from app.providers.payments.simulator.control import Control
from app.providers.payments.simulator.courier import Courier
from app.providers.payments.simulator.faults import Faults
from app.providers.payments.simulator.page import Page, secured
from app.providers.payments.simulator.settings import SimulatorSettings
from app.providers.payments.simulator.store import Store

log = logging.getLogger(__name__)

LARGEST_BODY = 64 * 1024
POLL_SECONDS = 0.02  # how long a stop may wait for a server that has nothing to do
TRANSLATIONS = Path(__file__).resolve().parents[4] / "translations"


class PortTaken(RuntimeError):
    """Somebody else listens there."""


class Simulator:
    """A running simulator. Raises StoreInUse where another one has the folder, and PortTaken."""

    def __init__(self, settings: SimulatorSettings) -> None:
        self._stopping = threading.Event()
        self._sockets = _listen(settings)
        self.port: int = self._sockets[0].getsockname()[1]
        try:
            self._store = Store(settings.folder)
        except BaseException:
            self._close_sockets()
            raise
        self.faults = Faults()
        self._courier = Courier(
            self._store,
            self.faults,
            url=settings.webhook_url,
            host=settings.webhook_host,
            secret=settings.keys.webhook,
        )
        self._store.announced = self._courier.announced
        self._store.wanted = settings.webhook_events
        self._store.page_base = f"http://{settings.base_domain}:{self.port}"
        self.app = self._make_app(settings)
        self._servers = [_serve(line, self.app) for line in self._sockets]

    def start(self) -> Simulator:
        self._courier.start()
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), daemon=True).start()
        return self

    def stop(self) -> None:
        """Answers no more; what was answered is on the disk."""
        self._stopping.set()
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._courier.stop()
        self._store.close()
        self._close_sockets()

    def _close_sockets(self) -> None:
        for line in self._sockets:
            line.close()

    def _make_app(self, settings: SimulatorSettings) -> Flask:
        app = Flask(__name__)
        app.config.update(
            MAX_CONTENT_LENGTH=LARGEST_BODY,
            MAX_FORM_PARTS=500,
            BABEL_DEFAULT_LOCALE=settings.locale,
            BABEL_TRANSLATION_DIRECTORIES=str(TRANSLATIONS),
        )
        babel = Babel()

        def locale() -> str:
            known = ["en", *(str(found) for found in babel.list_translations())]
            return request.accept_languages.best_match(known) or settings.locale

        babel.init_app(app, locale_selector=locale)
        keys = settings.keys
        api = Api(self._store, self._courier, self.faults, secret=keys.secret, stopping=self._stopping)
        control = Control(self._store, self._courier, self.faults, key=keys.control)
        page = Page(self._store, self._courier, base_domain=settings.base_domain)
        for part in (api, control, page):
            app.register_blueprint(part.blueprint())
        app.after_request(secured)
        app.get("/health")(lambda: {"status": "ok"})
        app.register_error_handler(HTTPException, _shown)
        app.context_processor(_language)
        return app


def _language() -> dict[str, str]:
    locale = reader_locale()
    return {"language": str(locale).replace("_", "-"), "direction": locale.text_direction}


def run(settings: SimulatorSettings, stop: threading.Event) -> None:
    """Be the simulator until `stop` is set."""
    simulator = Simulator(settings).start()
    log.info("the payment simulator listens on port %s; no money moves", simulator.port)
    try:
        stop.wait()
    finally:
        simulator.stop()


def _listen(settings: SimulatorSettings) -> list[socket.socket]:
    lines: list[socket.socket] = []
    try:
        for host in settings.hosts:
            port = settings.port or (lines[0].getsockname()[1] if lines else 0)
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            lines.append(socket.create_server((host, port), family=family, backlog=128))
    except OSError as error:
        for line in lines:
            line.close()
        raise PortTaken(f"port {settings.port} of {host}: {error.strerror}") from error
    return lines


class _Handler(WSGIRequestHandler):
    timeout = 120  # of a connection on which nothing comes

    def log(self, type: str, message: str, *args: Any) -> None:
        log.debug(message, *args)


def _serve(line: socket.socket, app: Flask) -> BaseWSGIServer:
    host, port = line.getsockname()[:2]
    return make_server(host, port, app, threaded=True, request_handler=_Handler, fd=line.fileno())


def _shown(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if request.path.startswith(("/v1/", "/_control/")):
        kind = "api_error" if status >= 500 else "invalid_request_error"
        return {"error": {"message": HTTPStatus(status).phrase, "type": kind}}, status
    return render_template("problem.html", status=status), status
