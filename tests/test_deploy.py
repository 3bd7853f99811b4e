"""What deploy/ says to nginx and systemd, held against what the application is."""

from __future__ import annotations

import re
from configparser import RawConfigParser

import pytest

from app.core.realtime import MOST_ON_GREENLETS
from app.core.web import headers, uploads
from app.shell.cli import cli
from app.shell.server import SPARE_CONNECTIONS, Server
from app.shell.supervisor import PROCESSES
from config import load_settings
from tests.support.databases import ROOT

NGINX = re.sub(r"(^|\s)#.*", "", (ROOT / "deploy/nginx.conf").read_text())
LOCATIONS = re.sub(r"(^|\s)#.*", "", (ROOT / "deploy/nginx-locations.conf").read_text())


def directives(name: str) -> list[str]:
    return re.findall(rf"^\s*{name}\s+([^;]+);", NGINX, re.MULTILINE)


def seconds(name: str) -> int:
    (value,) = directives(name)
    return int(value.removesuffix("s"))


@pytest.fixture
def server() -> Server:
    return Server(load_settings(SECRET_KEY="k" * 40))


def test_the_proxy_sets_exactly_what_one_trusted_hop_may_say() -> None:
    """ProxyFix takes client, scheme and host from these; nothing of the client's own may get through."""
    assert {tuple(value.split()) for value in directives("proxy_set_header")} == {
        ("Connection", '""'),
        ("Host", "$host"),
        ("X-Forwarded-For", "$remote_addr"),
        ("X-Forwarded-Proto", "$scheme"),
        ("X-Forwarded-Host", "$host"),
    }
    assert directives("proxy_pass") == ["http://wemaster"]


def test_the_proxy_is_a_little_more_patient_than_the_server(server: Server) -> None:
    assert seconds("keepalive_timeout") < server.cfg.keepalive
    assert server.cfg.timeout < seconds("proxy_read_timeout") < server.cfg.timeout + 10
    assert directives("client_max_body_size") == [f"{uploads.MAX_FILE // 1024**2}m"]


def test_the_proxy_answers_the_base_domain_and_every_company() -> None:
    assert set(directives("server_name")) == {"example.com *.example.com"}
    assert NGINX.count("{") == NGINX.count("}")


def test_static_files_are_kept_as_long_as_the_server_says_itself() -> None:
    hashed = "/static/dist/app-0123456789ab.rtl.css"
    (pattern,) = re.findall(r'location ~ "(.+)" \{', NGINX)
    assert re.search(pattern, hashed)
    assert not re.search(pattern, "/static/dist/manifest.json")
    assert f'add_header Cache-Control "{headers._of_file(hashed, 200)}";' in NGINX
    assert f'add_header Strict-Transport-Security "{headers.HSTS}";' in NGINX
    assert directives("root") == ["/srv/wemaster/app"]


def test_no_request_line_with_a_mailed_link_is_written() -> None:
    assert directives("access_log") == ["off"]
    assert directives("error_log") == ["/var/log/nginx/wemaster.error.log crit"]


def unit(name: str) -> RawConfigParser:
    parser = RawConfigParser(strict=False)
    parser.read(ROOT / "deploy/systemd" / name)
    return parser


def test_the_target_wants_every_process_and_the_unit_starts_it() -> None:
    """The demo's, and the sockets in a process of their own, with the settings that belong to that."""
    serve, *others = PROCESSES
    processes = (serve, "sockets", *others)
    wanted = unit("wemaster.target")["Unit"]["Wants"].split()
    assert wanted == ["wemaster@serve.socket", *(f"wemaster@{name}.service" for name in processes)]
    assert set(processes) <= set(cli.commands)
    text = (ROOT / "deploy/systemd/wemaster@.service").read_text()
    assert "\nEnvironment=WEB_SOCKETS=apart\n" in text
    assert text.index("\nEnvironment=") < text.index("\nEnvironmentFile=")  # the operator's word is the last
    service = unit("wemaster@.service")["Service"]
    assert service["ExecStart"].endswith(".venv/bin/python run.py %i")
    assert int(service["LimitNOFILE"]) >= MOST_ON_GREENLETS + SPARE_CONNECTIONS


def test_the_proxy_and_systemd_agree_on_the_ports() -> None:
    settings = load_settings(SECRET_KEY="k" * 40)
    assert re.findall(r"upstream (\w+) \{[^}]*?server (127\.0\.0\.1:\d+);", NGINX) == [
        ("wemaster", f"127.0.0.1:{settings.PORT}"),
        ("wemaster_sockets", f"127.0.0.1:{settings.SOCKETS_PORT}"),
    ]
    assert unit("wemaster@serve.socket")["Socket"]["ListenStream"] == f"127.0.0.1:{settings.PORT}"


def test_sockets_webhooks_and_figures_go_where_they_belong() -> None:
    found = dict(re.findall(r"location (?:= )?(/\S+) \{(.*?)\n\}", LOCATIONS, re.DOTALL))
    assert set(found) == {"/socket.io/", "/metrics", "/webhooks/"}
    assert "proxy_pass http://wemaster_sockets;" in found["/socket.io/"]
    assert "proxy_pass http://wemaster;" in found["/webhooks/"]
    assert found["/metrics"].split() == ["return", "404;"]


def test_a_job_at_work_is_waited_for() -> None:
    patience = int(unit("wemaster@.service")["Service"]["TimeoutStopSec"])
    assert patience > load_settings(SECRET_KEY="k" * 40).OUTBOX_LEASE_SECONDS
