"""The words of sqlmap and wapiti, which attack the running application as people who mean harm would.

The normal run lets sqlmap at a few addresses; the long form lets both at every address and every form, as a
visitor and as people who have signed in. Each of them must find what is wrong with an application that is.
"""

from __future__ import annotations

import csv
import http.client
import json
import os
import sqlite3
import subprocess
import sys
import threading
import venv
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask, request
from werkzeug.routing import Rule
from werkzeug.serving import make_server

from app.core.db import db
from app.shell.factory import create_app
from tests.shell.support import addresses, links, rows_for_all
from tests.shell.test_page_hostile import is_page, pages_for
from tests.support import hostile
from tests.support.databases import ROOT, Clones, settings_for
from tests.support.servers import LiveServers, free_port, live_servers
from tests.support.world import Browser, World, make_world

SQLMAP = Path(sys.executable).with_name("sqlmap")
WAPITI_PLACE = ROOT / "var" / "judges" / "wapiti"
# Names below localhost are this machine, as browsers know; the attackers' Python does not everywhere.
LOCAL_NAMES = """
import socket
_ask = socket.getaddrinfo
def getaddrinfo(host, *rest, **more):
    name = host.decode() if isinstance(host, bytes) else host
    return _ask("127.0.0.1" if str(name).endswith(".localhost") else host, *rest, **more)
socket.getaddrinfo = getaddrinfo
"""
ROLES = ("visitor", "student", "tutor", "manager", "operator")


@dataclass
class Judged:
    """A running server with something of everything in it, and an application on its database to look with."""

    live: LiveServers
    app: Flask
    world: World
    folder: Path
    rules: list[tuple[Rule, str]] = field(default_factory=list)

    def host(self, role: str) -> str:
        return "localhost" if role == "operator" else f"{self.world.anna.slug}.localhost"

    def url(self, role: str, path: str) -> str:
        return self.live.url(path, self.host(role))

    def browser(self, role: str) -> Browser:
        if role == "operator":
            return self.world.operator()
        return self.world.browser(
            self.world.anna.host, None if role == "visitor" else self.world.anna.email(role)
        )

    def cookies(self, browser: Browser) -> str:
        known = browser.client._cookies or {}
        return "; ".join(f"{one.key}={one.value}" for one in known.values())

    def environment(self) -> dict[str, str]:
        place = self.folder / "names"
        place.mkdir(exist_ok=True)
        (place / "sitecustomize.py").write_text(LOCAL_NAMES)
        return {**os.environ, "PYTHONPATH": str(place), "HOME": str(self.folder), "PYTHONWARNINGS": "ignore"}

    def forgive(self) -> None:
        with self.live.database.connect() as connection:
            connection.execute("DELETE FROM throttle")

    def places(self, role: str) -> tuple[Browser, hostile.Places]:
        """Where this person can type something, as their browser sees it."""
        browser = self.browser(role)
        if not self.rules:
            ids, alive = rows_for_all(self.world), links(self.world)
            found = addresses(self.app, self.world, ids, alive)
            self.rules = [(one.rule, one.path) for one in found if is_page(one.rule)]
        with hostile.asked(self.app) as heard:
            return browser, hostile.places(browser.get, pages_for(self.rules, role), heard)


@pytest.fixture(scope="module")
def judged(clones: Clones, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judged]:
    folder = tmp_path_factory.mktemp("judged")
    (folder / "live").mkdir()
    (folder / "app").mkdir()
    with live_servers(clones.make("judged"), folder / "live", ("serve",)) as live:
        app = create_app(settings_for(live.database, folder / "app", PORT=live.port))
        yield Judged(live, app, make_world(app), folder)
        with app.app_context():
            db.engine.dispose()
        app.extensions["redis"].close()


# -- sqlmap ------------------------------------------------------------------------------------------------


def sqlmap(
    judged: Judged, targets: Sequence[str], cookie: str = "", *, data: str = "", seconds: int = 300
) -> list[str]:
    """The arguments that it calls injectable."""
    told, urls = judged.folder / f"sqlmap-{free_port()}.csv", judged.folder / "urls.txt"
    urls.write_text("\n".join(targets) + "\n")
    given = {
        "results-file": told,
        "output-dir": judged.folder / "sqlmap",
        "level": 1,
        "risk": 1,
        "technique": "BEUS",
        "threads": 1,
        "timeout": 30,
        "retries": 1,
        "ignore-code": "*",
        "skip": "csrf_token",
        **({"cookie": cookie} if cookie else {}),
        **({"data": data, "url": targets[0]} if data else {}),
    }
    command = [SQLMAP, "--batch", "--flush-session", "--disable-coloring", "--skip-waf", "--drop-set-cookie"]
    command += [f"--{name}={value}" for name, value in given.items()]
    command += [] if data else ["-m", urls]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=seconds, env=judged.environment(), check=False,
        stdin=subprocess.DEVNULL, cwd=judged.folder,
    )  # fmt: skip
    assert "testing if" in done.stdout or "is vulnerable" in done.stdout, (
        done.stdout[-3000:] + done.stderr[-2000:]
    )
    if not told.exists():  # of a single target it keeps no list
        return [line.strip() for line in done.stdout.splitlines() if line.startswith("Parameter: ")]
    with told.open() as file:
        return [
            f"{row['Target URL']} {row['Parameter']}"
            for row in csv.DictReader(file)
            if row["Parameter"].strip()
        ]


def queries(places: hostile.Places) -> Iterator[str]:
    for path, names in sorted(places.arguments.items()):
        if names:
            yield f"{path.partition('?')[0]}?{urlencode(dict.fromkeys(sorted(names), '1'))}"


def test_sqlmap_at_some_addresses(judged: Judged) -> None:
    visitor, manager = judged.url("visitor", ""), judged.browser("manager")
    assert sqlmap(judged, [f"{visitor}/search?q=x&price_from=1"]) == []
    asked = "/admin/people/?sort=full_name"
    assert manager.get(asked).status_code == 200
    assert sqlmap(judged, [judged.url("manager", asked)], judged.cookies(manager)) == []
    assert _signed_in(judged, "manager", judged.cookies(manager))


def _signed_in(judged: Judged, role: str, cookie: str) -> bool:
    """The running server takes the cookie: what was attacked was no page for signing in."""
    headers = {"Host": f"{judged.host(role)}:{judged.live.port}", "Cookie": cookie}
    with closing(http.client.HTTPConnection("127.0.0.1", judged.live.port, timeout=60)) as connection:
        connection.request("GET", "/account/", headers=headers)
        return connection.getresponse().status == 200


@pytest.mark.soak
@pytest.mark.parametrize("role", ROLES)
def test_sqlmap_everywhere(judged: Judged, role: str) -> None:
    browser, places = judged.places(role)
    cookie = judged.cookies(browser)
    targets = [judged.url(role, asked) for asked in queries(places)]
    print(f"{role}: {len(targets)} addresses, {len(places.forms)} forms")
    found = sqlmap(judged, targets, cookie, seconds=4 * 3600)
    forms = {(form.action, form.names): form for _page, form in places.forms}
    for form in forms.values():
        judged.forgive()
        values = hostile.plain_values(form, "word")
        data = urlencode([(name, text or "1") for name, texts in values.items() for text in texts])
        found += sqlmap(judged, [judged.url(role, form.action)], cookie, data=data, seconds=3600)
    assert found == []


# -- wapiti ------------------------------------------------------------------------------------------------

WAPITI_MODULES = (
    "crlf,exec,file,ldap,permanentxss,redirect,sql,ssrf,upload,xss,xxe,csrf,http_headers,cookieflags,csp"
)
# What it says of every application of the kind, and why it is none of ours.
WAPITI_LEFT_OUT: dict[str, str] = {
    "HTTP Strict Transport Security (HSTS)": "on plain HTTP, where these tests run, browsers ignore it",
    "Secure Flag cookie": "on plain HTTP; with https the cookies have it (tests/shell/test_headers.py)",
}


@cache
def wapiti() -> Path:
    """Installed as its file says."""
    asked = Path(__file__).with_name("wapiti.txt")
    stamp = WAPITI_PLACE / asked.name
    if not stamp.exists() or stamp.read_text() != asked.read_text():
        venv.create(WAPITI_PLACE, with_pip=True, clear=True)
        pip = [WAPITI_PLACE / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", "-r", asked]
        subprocess.run(pip, check=True, capture_output=True)
        stamp.write_text(asked.read_text())
    return WAPITI_PLACE / "bin" / "wapiti"


def attack(judged: Judged, url: str, cookie: str, *, minutes: int, starts: Sequence[str] = ()) -> list[str]:
    """What it calls a vulnerability or an anomaly."""
    folder = judged.folder / f"wapiti-{free_port()}"
    folder.mkdir()
    told = folder / "told.json"
    command = [
        *(
            wapiti(),
            "--url",
            url,
            "--scope",
            "domain",
            "--module",
            WAPITI_MODULES,
            "--format",
            "json",
            "--output",
            told,
        ),
        *(
            "--store-session",
            folder,
            "--store-config",
            folder,
            "--no-bugreport",
            "--flush-session",
            "--verbose",
            "0",
        ),
        *("--max-scan-time", str(minutes * 30), "--max-attack-time", str(minutes * 10), "--timeout", "30"),
        *("--exclude", f"{url}logout/*", "--skip", "csrf_token", "--max-parameters", "40", "--tasks", "4"),
        *(("--cookie-value", cookie, "--drop-set-cookie") if cookie else ()),
    ]
    for start in starts:
        command += ["--start", start]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=minutes * 600, env=judged.environment(), check=False
    )
    assert told.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    report = json.loads(told.read_text())
    assert report["infos"]["crawled_pages_nbr"] > 1, report["infos"]
    print(report["infos"])
    return [
        f"{kind}: {one['method']} {one['path']} {one['parameter']}: {one['info']}"
        for part in ("vulnerabilities", "anomalies")
        for kind, those in report[part].items()
        if kind not in WAPITI_LEFT_OUT
        for one in those
    ]


@pytest.mark.soak
@pytest.mark.parametrize("role", ROLES)
def test_wapiti_everywhere(judged: Judged, role: str) -> None:
    browser, places = judged.places(role)
    starts = [judged.url(role, path) for path in places.pages]
    found = attack(judged, judged.url(role, "/"), judged.cookies(browser), minutes=60, starts=starts)
    assert not found, "\n".join(found[:100])


# -- The judges can fail -----------------------------------------------------------------------------------


@contextmanager
def faulty() -> Iterator[str]:
    """An application that puts its SQL and its pages together from what was typed."""
    app = Flask("faulty")

    @app.get("/")
    def index() -> str:
        return '<a href="/find?name=x">Find</a> <a href="/other?name=x">Other</a>'

    @app.get("/<page>")
    def find(page: str) -> Any:
        name = request.args.get("name", "")
        with sqlite3.connect(":memory:") as connection:
            connection.execute("CREATE TABLE t (id int, name text)")
            connection.execute("INSERT INTO t VALUES (1, 'x')")
            try:
                found = connection.execute(f"SELECT id, name FROM t WHERE name = '{name}'").fetchall()
            except sqlite3.Error as error:
                return f"sqlite3.OperationalError: {error}", 500
        return f"<p>{name}: {found}</p>"

    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()


@pytest.fixture
def bare(tmp_path: Path) -> Judged:
    """For attacks on something else."""
    return Judged(None, None, None, tmp_path)  # type: ignore[arg-type]


def test_sqlmap_sees_what_is_injectable(bare: Judged) -> None:
    with faulty() as url:
        found = sqlmap(bare, [f"{url}find?name=x", f"{url}other?name=x"])
    assert any("find" in one for one in found), found


@pytest.mark.soak
def test_wapiti_sees_what_is_faulty(bare: Judged) -> None:
    with faulty() as url:
        told = "\n".join(attack(bare, url, "", minutes=1))
    assert "SQL Injection" in told
    assert "Reflected Cross Site Scripting" in told
