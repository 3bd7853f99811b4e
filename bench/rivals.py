"""The floor and stock Flask-AppBuilder as running servers, beside ours in the same rounds."""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

from sqlalchemy import create_engine, text

from app.shell import embedded
from bench.contestants import PASSWORD
from bench.ground import WEB_WORKERS, Ground
from bench.measuring import Request
from bench.running import ROOT, Running, ending, free_port, start

DATABASE = "stock"


@dataclass(frozen=True)
class Rivals:
    """Where they are, and how to sign in to stock."""

    floor: Running
    stock: Running
    stock_cookie: str
    stock_token: str

    @property
    def host(self) -> str:
        return f"localhost:{self.floor.port}"

    def stock_page(self, rows: int) -> Request:
        return Request(
            f"localhost:{self.stock.port}",
            f"/personview/list/?psize_PersonView={rows}",
            headers=(("Cookie", self.stock_cookie),),
        )

    def stock_api(self, rows: int) -> Request:
        return Request(
            f"localhost:{self.stock.port}",
            f"/api/v1/person/?{urlencode({'q': json.dumps({'page': 0, 'page_size': rows})})}",
            headers=(("Authorization", f"Bearer {self.stock_token}"),),
        )


@contextmanager
def rivals(ground: Ground) -> Iterator[Rivals]:
    """The floor reads the very rows that ours reads; stock has the large company's people in its tables."""
    ground.run(
        "CREATE TABLE IF NOT EXISTS bench_row"
        " (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, what text,"
        " made_at timestamptz DEFAULT clock_timestamp())"
    )
    stock_url = _make_stock(ground)
    floor = _start("floor", ground.servers.database_url("postgres", ground.database), ground)
    other = _start("stock", stock_url, ground)
    with ending(floor, other):
        floor.wait_until_ready(f"localhost:{floor.port}", f"/people/{ground.tenant_id}/1")
        other.wait_until_ready(f"localhost:{other.port}", "/login/")
        yield Rivals(floor, other, _cookie(other.port), _token(other.port))


def _start(kind: str, url: str, ground: Ground) -> Running:
    port = free_port()
    environment = _environment(ground, port)
    command = ["-m", "bench.contestants", kind, str(port), url]
    return start(kind, command, directory=ground.directory, environment=environment, port=port)


def _environment(ground: Ground, port: int) -> dict[str, str]:
    return {
        **os.environ,  # handed on, not read
        "WEB_WORKERS": str(WEB_WORKERS),
        "DATABASE_URL": ground.settings.DATABASE_URL,
        "REDIS_URL": ground.settings.REDIS_URL,
        "VAR_DIR": str(ground.directory),
        "PORT": str(port),
    }


def _make_stock(ground: Ground) -> str:
    """Its tables and the same people, made once, before its processes start."""
    embedded.create_database(ground.servers, DATABASE)
    url = ground.servers.database_url("postgres", DATABASE)
    # In a process of its own: here all of our tables would be its tables, too.
    command = [sys.executable, "-m", "bench.contestants", "stock", "0", url]
    subprocess.run(command, cwd=ROOT, env=_environment(ground, 1), check=True, capture_output=True)
    people = [
        dict(row._mapping)
        for row in ground.rows(
            "SELECT id, full_name, email, phone, created_at FROM person WHERE tenant_id = :tenant_id",
            tenant_id=ground.tenant_id,
        )
    ]
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO bench_person VALUES (:id, :full_name, :email, :phone, :created_at)"), people
        )
    engine.dispose()
    return url


def _cookie(port: int) -> str:
    form = urlencode({"username": "bench", "password": PASSWORD})
    answer, _body = _post(port, "/login/", form, "application/x-www-form-urlencoded")
    found = re.search(r"session=[^;]+", answer.headers.get("Set-Cookie", ""))
    assert answer.status == 302, "stock does not let its administrator in"
    assert found, "stock gives no cookie"
    return found[0]


def _token(port: int) -> str:
    given = json.dumps({"username": "bench", "password": PASSWORD, "provider": "db"})
    _answer, body = _post(port, "/api/v1/security/login", given, "application/json")
    return str(json.loads(body)["access_token"])


def _post(port: int, path: str, body: str, kind: str) -> tuple[http.client.HTTPResponse, bytes]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("POST", path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        return answer, answer.read()
