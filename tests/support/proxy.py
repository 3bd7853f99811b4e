"""A real nginx with the files of deploy/, on ports of its own and with a certificate of its own."""

from __future__ import annotations

import contextlib
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from tests.support.certificates import self_signed
from tests.support.databases import ROOT
from tests.support.servers import free_port


@dataclass
class Proxy:
    """Where it listens; `context` trusts its certificate."""

    tls_port: int
    plain_port: int
    context: ssl.SSLContext
    folder: Path

    def connect(self, host: str) -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", self.tls_port), timeout=20)
        try:
            return self.context.wrap_socket(raw, server_hostname=host)
        except BaseException:
            raw.close()
            raise


@contextmanager
def nginx(folder: Path, *, port: int, sockets_port: int) -> Iterator[Proxy]:
    """Runs in front of `serve` and `sockets`; skips where there is none."""
    found = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
    if found is None:
        pytest.skip("no nginx found: what runs behind one is left out")
    make_certificate(folder)
    proxy = Proxy(free_port(), free_port(), _trusting(folder), folder)
    main = _configuration(proxy, port=port, sockets_port=sockets_port)
    command = [found, "-p", str(folder), "-c", str(main), "-e", str(folder / "start.log")]
    tried = subprocess.run([*command, "-t"], capture_output=True, text=True)
    assert tried.returncode == 0, tried.stderr
    process = subprocess.Popen(command)
    try:
        _wait(proxy, process)
        yield proxy
    finally:
        process.terminate()
        process.wait(10)


def _configuration(proxy: Proxy, *, port: int, sockets_port: int) -> Path:
    """The files of deploy/, with this machine's names put where an operator puts theirs."""
    folder = proxy.folder
    locations = folder / "locations.conf"
    locations.write_text((ROOT / "deploy/nginx-locations.conf").read_text())
    text = (ROOT / "deploy/nginx.conf").read_text()
    for pattern, ours in (
        (r"listen \[::\]:\d+[^;]*;", ""),
        (r"listen 80\b", f"listen 127.0.0.1:{proxy.plain_port}"),
        (r"listen 443\b", f"listen 127.0.0.1:{proxy.tls_port}"),
        (r"example\.com", "localhost"),
        (r"/etc/ssl/wemaster", str(folder)),
        (r"/srv/wemaster/deploy/nginx-locations\.conf", str(locations)),
        (r"/srv/wemaster", str(ROOT)),
        (r"/var/log/nginx", str(folder)),
        (r"127\.0\.0\.1:8000", f"127.0.0.1:{port}"),
        (r"127\.0\.0\.1:8001", f"127.0.0.1:{sockets_port}"),
    ):
        text, times = re.subn(pattern, ours, text)
        assert times, f"{pattern} is not in nginx.conf any more"
    (folder / "site.conf").write_text(text)
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    main = folder / "main.conf"
    main.write_text(
        f"user root; daemon off; pid {folder}/nginx.pid; worker_processes 1; error_log {folder}/main.log;"
        "events { worker_connections 1024; }"
        f"http {{ include /etc/nginx/mime.types; {temporary} include {folder}/site.conf; }}"
    )
    return main


def _wait(proxy: Proxy, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        assert process.poll() is None, (proxy.folder / "main.log").read_text()
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", proxy.tls_port), timeout=1).close()
            return
        time.sleep(0.05)
    raise AssertionError("nginx does not listen")


def make_certificate(folder: Path) -> None:
    """For the base domain and the wildcard below it, signed by itself."""
    names = ("localhost", "*.localhost", "anna.localhost", "bert.localhost")
    certificate, key = self_signed("localhost", [x509.DNSName(name) for name in names])
    (folder / "fullchain.pem").write_bytes(certificate)
    (folder / "privkey.pem").write_bytes(key)


def _trusting(folder: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(folder / "fullchain.pem"))
