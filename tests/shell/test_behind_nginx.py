"""The production form as browsers meet it: nginx with the files of deploy/, two workers, the sockets apart."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

import pytest
from flask import Flask
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, RejectConnection, Request, TextMessage

from app.core.db import db
from app.shell.factory import create_app
from tests.support.databases import Cleaner, Clones, settings_for
from tests.support.proxy import Proxy, nginx
from tests.support.servers import LiveServers, free_port, live_servers
from tests.support.world import PASSWORD, World, make_world

HOST = "anna.localhost"


@dataclass
class Production:
    live: LiveServers
    proxy: Proxy
    town: World


@pytest.fixture(scope="module")
def production(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    database, folder = clones.make("production"), tmp_path_factory.mktemp("production")
    sockets_port = free_port()
    form = {
        "WEB_WORKERS": 2, "WEB_SOCKETS": "apart", "SOCKETS_PORT": sockets_port,
        "PUBLIC_SCHEME": "https", "PUBLIC_PORT": 443, "TRUSTED_PROXY_HOPS": 1,
    }  # fmt: skip
    app = create_app(settings_for(database, folder))
    cleaner = Cleaner(database)
    cleaner.clean()
    town = make_world(app)
    with (
        live_servers(database, folder, ["serve", "sockets"], **form) as live,
        nginx(folder, port=live.port, sockets_port=sockets_port) as proxy,
    ):
        yield Production(live, proxy, town)
    cleaner.close()
    _close(app)


def _close(app: Flask) -> None:
    with app.app_context():
        db.engine.dispose()
    app.extensions["redis"].close()


@dataclass
class Browser:
    """Speaks TLS with the proxy and keeps cookies."""

    proxy: Proxy
    host: str = HOST
    cookies: dict[str, str] = field(default_factory=dict)

    def ask(
        self, method: str, path: str, body: str | bytes | None = None, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, str]:
        connection = http.client.HTTPConnection(self.host)
        connection.sock = self.proxy.connect(self.host)
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        finally:
            connection.close()
        for line in answer.headers.get_all("Set-Cookie") or []:
            name, _, rest = line.partition("=")
            self.cookies[name] = rest.partition(";")[0]
        return answer.status, answer.headers, text

    def form(self, path: str, page: str, **values: str) -> int:
        _status, _headers, text = self.ask("GET", page)
        found = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', text)
        assert found, text[:500]
        origin = f"https://{self.host}"
        return self.ask(
            "POST", path, urlencode({"csrf_token": found.group(1), **values}),
            **{"Content-Type": "application/x-www-form-urlencoded", "Origin": origin, "Referer": origin + page},
        )[0]  # fmt: skip

    def sign_in(self, email: str) -> None:
        assert self.form("/login/", "/login/", email=email, password=PASSWORD) == 302


class Socket:
    """A page's web socket through the proxy, in the chat's namespace."""

    def __init__(self, browser: Browser) -> None:
        self._line = browser.proxy.connect(browser.host)
        self._end = WSConnection(ConnectionType.CLIENT)
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        headers = [(b"Origin", f"https://{browser.host}".encode()), (b"Cookie", cookie.encode())]
        path = "/socket.io/?EIO=4&transport=websocket"
        self._line.sendall(self._end.send(Request(browser.host, path, extra_headers=headers)))
        self._said: list[str] = []
        self.status = 0
        while not self.status:
            self._read()

    def say(self, packet: str) -> None:
        self._line.sendall(self._end.send(TextMessage(packet)))

    def hear(self, start: str) -> str:
        """The next packet that begins so; raises ConnectionError once the other end has hung up."""
        while True:
            for packet in self._said:
                if packet.startswith(start):
                    self._said.remove(packet)
                    return packet
            self._read()

    def _read(self) -> None:
        data = self._line.recv(65536)
        if not data:
            raise ConnectionError
        self._end.receive_data(data)
        for event in self._end.events():
            if isinstance(event, AcceptConnection):
                self.status = 101
            elif isinstance(event, RejectConnection):
                self.status = event.status_code
            elif isinstance(event, TextMessage):
                self._said.append(event.data)

    def close(self) -> None:
        self._line.close()


def test_a_form_a_socket_and_a_sign_out(production: Production) -> None:
    """Signed in by a worker's page, let in by the process of the sockets, and out of it within two seconds."""
    browser = Browser(production.proxy)
    browser.sign_in(production.town.anna.email("tutor"))
    assert list(browser.cookies) == ["__Host-wm"]
    assert browser.ask("GET", "/teach/")[0] == 200
    page = Socket(browser)
    assert page.status == 101
    page.say("40/chat,")
    assert json.loads(page.hear("40/chat,").removeprefix("40/chat,"))["sid"]
    page.say('42/chat,1["join",{"conversation_id":1,"after_seq":0}]')
    assert "not_found" in page.hear("43/chat,1")

    started = time.monotonic()
    assert browser.form("/logout/", "/teach/") == 302
    with pytest.raises(ConnectionError):
        page.hear("nothing comes any more")
    assert time.monotonic() - started < 4  # two seconds, and the sign-out itself
    page.close()
    late = Socket(browser)
    assert late.status == 401
    late.close()


def test_the_plain_port_leads_to_https(production: Production) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", production.proxy.plain_port, timeout=10)
    connection.request("GET", "/login/", headers={"Host": HOST})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert (answer.status, answer.headers["Location"]) == (301, f"https://{HOST}/login/")


def test_names_that_are_not_ours_get_no_certificate(production: Production) -> None:
    production.proxy.context.check_hostname = False
    try:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            production.proxy.connect("evil.test")
    finally:
        production.proxy.context.check_hostname = True


def test_a_page_its_files_and_their_headers(production: Production) -> None:
    browser = Browser(production.proxy)
    status, headers, text = browser.ask("GET", "/login/")
    assert status == 200
    assert headers["Strict-Transport-Security"]
    assert "nginx/" not in headers["Server"]
    (first, *_) = re.findall(r'(?:href|src)="(/static/dist/[^"]+\.(?:css|js))"', text)
    status, headers, _text = browser.ask("GET", first)
    assert status == 200
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert headers.get("X-Request-Id") is None  # nginx's own answer


def test_what_a_client_claims_is_not_believed(production: Production) -> None:
    claims = {"X-Forwarded-Proto": "http", "X-Forwarded-Host": "evil.test", "X-Forwarded-For": "127.0.0.1"}
    status, headers, _text = Browser(production.proxy).ask("GET", "/teach/", **claims)
    assert status == 302
    assert "evil" not in headers["Location"]


def test_figures_are_for_those_inside(production: Production) -> None:
    for host in (HOST, "localhost"):
        assert Browser(production.proxy, host).ask("GET", "/metrics")[0] == 404
    inside = http.client.HTTPConnection("127.0.0.1", production.live.port, timeout=20)
    inside.request("GET", "/metrics")
    answer = inside.getresponse()
    text = answer.read().decode()
    inside.close()
    assert answer.status == 200, text
    assert 'route="/login/"' in text


def test_a_webhook_comes_through_whole(production: Production) -> None:
    status, _headers, text = Browser(production.proxy, "localhost").ask("POST", "/webhooks/mock", b"{}")
    assert status == 400, text
    large = {"Content-Length": str(2 * 1024**2)}
    assert Browser(production.proxy, "localhost").ask("POST", "/webhooks/mock", None, **large)[0] == 413


def test_sockets_are_held_by_their_own_process_alone(production: Production) -> None:
    for port, path in ((production.live.port, "/socket.io/"), (_sockets_port(production), "/login/")):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("GET", path, headers={"Host": HOST})
        assert connection.getresponse().status == 404
        connection.close()
    with socket.create_connection(("127.0.0.1", _sockets_port(production)), timeout=5):
        pass


def _sockets_port(production: Production) -> int:
    return int(production.live.environment["SOCKETS_PORT"])
