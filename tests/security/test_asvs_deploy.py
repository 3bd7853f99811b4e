"""The proxy that deploy/ has: how it speaks TLS, what it does not pass on, and whom it slows down."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator

import pytest

from tests.support.databases import ROOT, Clones
from tests.support.servers import LiveServers, live_servers

NGINX = "\n".join(
    re.sub(r"(^|\s)#.*", "", (ROOT / "deploy" / name).read_text(), flags=re.MULTILINE)
    for name in ("nginx.conf", "nginx-locations.conf")
)


def said(name: str) -> list[str]:
    return re.findall(rf"^\s*{name}\s+([^;]+);", NGINX, re.MULTILINE)


def test_only_tls_of_today_is_spoken() -> None:
    assert said("ssl_protocols") == ["TLSv1.2 TLSv1.3"]
    [ciphers] = said("ssl_ciphers")
    for cipher in ciphers.split(":"):
        assert re.fullmatch(
            r"(ECDHE|DHE)-(ECDSA|RSA)-(AES(128|256)-GCM-SHA(256|384)|CHACHA20-POLY1305)", cipher
        )
    assert said("ssl_reject_handshake") == ["on"], "names that are not ours get no certificate"


def test_pages_are_led_to_https_and_programs_are_not() -> None:
    """A program that speaks http gives its secrets away each time; it is told so instead of being led on."""
    [plain] = [
        block for block in re.split(r"\nserver \{", NGINX) if "listen 80;" in block and "example.com" in block
    ]
    plain = plain.partition("\n}")[0]
    refused = re.search(r"location ~ \^/\(([^)]+)\)\(/\|\$\) \{\s*return 403;\s*\}", plain)
    assert refused
    assert set(refused.group(1).split("|")) >= {"api", "webhooks"}
    assert "return 301 https://$host$request_uri;" in plain
    assert "proxy_pass" not in plain


def test_it_passes_on_to_us_and_to_nobody_else() -> None:
    targets = set(said("proxy_pass"))
    names = set(re.findall(r"^upstream (\w+) \{", NGINX, re.MULTILINE))
    assert {target.removeprefix("http://") for target in targets} <= names, "no address of a request's making"
    servers = re.findall(r"^\s*server\s+([^\s{;]+)[^{};]*;", NGINX, re.MULTILINE)
    assert servers
    assert all(re.match(r"(127\.0\.0\.1|unix:)", server) for server in servers), servers


def test_it_lists_no_folder_and_tells_no_version() -> None:
    assert "autoindex on" not in NGINX
    assert said("server_tokens") == ["off"]
    assert said("root") == ["/srv/wemaster/app"], "one location serves files, by a pattern of built names"


def test_floods_are_slowed_down() -> None:
    assert said("limit_req_zone")
    assert "$binary_remote_addr" in said("limit_req_zone")[0]
    assert said("limit_req")
    assert said("limit_req_status") == ["429"]
    assert said("limit_conn_zone")
    assert said("limit_conn")


# -- Where one message ends and the next begins ------------------------------------------------------------


@pytest.fixture(scope="module")
def web(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServers]:
    with live_servers(clones.make("frames"), tmp_path_factory.mktemp("frames"), ["serve"]) as running:
        yield running


HEAD = "POST /login/ HTTP/1.1\r\nHost: localhost:{port}\r\n"
HIDDEN = "GET /hidden HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n"
SMUGGLED = {
    "both lengths": HEAD + "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": HEAD + "Content-Length: 0\r\nContent-Length: 60\r\n\r\n" + HIDDEN,
    "two codings": HEAD
    + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n"
    + HIDDEN,
    "a coding that hides": HEAD + "Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n" + HIDDEN,
    "a space before the colon": HEAD + "Transfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n" + HIDDEN,
    "a length with a sign": HEAD + "Content-Length: +6\r\n\r\n" + HIDDEN,
    "a folded line": HEAD + "X-A: b\r\n Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + HIDDEN,
    "a chunk that is none": HEAD + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nabcde\r\n0\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("case", SMUGGLED)
def test_no_request_hides_in_another(web: LiveServers, case: str) -> None:
    """The server refuses and hangs up; the hidden request, which would be a 404, is never answered. Who finds a
    broken body after the answer to its head says so once more."""
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connection:
        connection.sendall(SMUGGLED[case].format(port=web.port).encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
    first, *more = re.findall(rb"HTTP/1\.[01] (\d{3})", answer)
    assert first in {b"400", b"501", b"422"}
    assert more in ([], [b"400"])
