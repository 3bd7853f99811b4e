"""Every answer carries the house's headers, and no page has anything inline for a policy to forbid."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from config import Settings
from tests.domains.accounts.support import second_app
from tests.shell.support import addresses, links, rows_for_all
from tests.support.world import PLATFORM, Browser, World

CACHED = ("/static/", "/theme/", "/media/", "/.well-known/jwks.json", "/api/v1/_openapi.json")
LOCATIONS = ("href", "src", "action", "formaction", "poster", "data", "srcset", "xlink:href")


class Inline(HTMLParser):
    """Notes all that a strict policy would block, or that leads off the host."""

    def __init__(self, nonce: str) -> None:
        super().__init__()
        self.nonce, self.found = nonce, list[str]()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        if tag == "style":
            self.found.append("<style>")
        is_data = given.get("type") == "application/ld+json"  # for search engines: no browser runs it
        if tag == "script" and (not (given.get("src") or is_data) or given.get("nonce") != self.nonce):
            self.found.append(f"<script {given}>")
        if tag in {"iframe", "object", "embed", "base"}:
            self.found.append(f"<{tag}>")
        for name, value in attributes:
            text = (value or "").strip()
            if name.startswith("on") or name == "style" or name.startswith(("x-", "hx-on", "@")):
                self.found.append(f"{tag} {name}={text}")
            if name in LOCATIONS and not re.match(
                r"(/(?!/)|#|\?|$|http://[a-z0-9.-]*localhost:8000(/|$)|mailto:)", text
            ):
                self.found.append(f"{tag} {name}={text}")


def nonce_of(answer: TestResponse) -> str:
    found = re.search(r"'nonce-([A-Za-z0-9_-]{20,})'", answer.headers["Content-Security-Policy"])
    assert found, answer.headers["Content-Security-Policy"]
    return found.group(1)


def faults_of(path: str, answer: TestResponse) -> list[str]:
    """What is wrong with an answer's headers and, if it is a page, with its HTML."""
    headers, wrong = answer.headers, []
    expected = {
        "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
    }  # fmt: skip
    wrong += [name for name, value in expected.items() if headers.get(name) != value]
    # An address that is itself the key to what it shows is told to nobody at all.
    referrer = "no-referrer" if path.startswith("/receipts/") and answer.status_code == 200 else "same-origin"
    wrong += [] if headers.get("Referrer-Policy") == referrer else ["Referrer-Policy"]
    wrong += [] if "camera=()" in headers.get("Permissions-Policy", "") else ["Permissions-Policy"]
    if not re.fullmatch(r"[0-9a-f]{16}", headers.get("X-Request-Id", "")):
        wrong.append("X-Request-Id")
    if not path.startswith(CACHED) and "no-store" not in headers.get("Cache-Control", ""):
        wrong.append(f"Cache-Control: {headers.get('Cache-Control')}")
    for name in ("Server", "X-Powered-By", "Access-Control-Allow-Origin"):
        if name in headers:
            wrong.append(name)
    if answer.mimetype == "text/html" and answer.status_code not in {301, 302, 308}:
        parser = Inline(nonce_of(answer))
        parser.feed(answer.text)
        wrong += parser.found
    return [f"{path} ({answer.status_code}): {what}" for what in wrong]


@pytest.mark.parametrize("place", ["platform", "tenant", "visitor"])
def test_every_address_of_the_map(world: World, place: str) -> None:
    ids, alive = rows_for_all(world), links(world)
    browser = {"platform": world.operator, "tenant": world.manager}.get(
        place, lambda: Browser(world.app, world.anna.host)
    )()
    wrong, pages, nonces = [], 0, dict[str, list[str]]()
    for address in addresses(world.app, world, ids, alive):
        if address.rule.endpoint.startswith("handover."):
            continue
        with browser.get(address.path) as answer:
            wrong += faults_of(address.path, answer)
            if answer.mimetype == "text/html" and answer.status_code == 200:
                pages += 1
                nonces.setdefault(nonce_of(answer), []).append(address.path)
    assert wrong == []
    assert [paths for paths in nonces.values() if len(paths) > 1] == [], "each page has a nonce of its own"
    assert pages > {"platform": 35, "tenant": 30, "visitor": 4}[place]
    print(f"{place}: {pages} pages")


def test_the_policy_itself(world: World) -> None:
    """Nothing inline, nothing from elsewhere; forms lead to ourselves, the platform's on to the companies'."""
    tenant = world.manager().get("/admin/").headers["Content-Security-Policy"]
    platform = world.operator().get("/admin/").headers["Content-Security-Policy"]
    for policy in (tenant, platform):
        parts = dict(part.strip().partition(" ")[::2] for part in policy.split(";"))
        assert parts["default-src"] == "'none'"
        assert re.fullmatch(r"'self' 'nonce-[\w-]+'", parts["script-src"])
        assert parts["style-src"] == parts["connect-src"] == parts["font-src"] == "'self'"
        assert parts["img-src"] == "'self' data:"
        assert parts["base-uri"] == parts["frame-ancestors"] == parts["object-src"] == "'none'"
        assert "unsafe" not in policy
        assert "*;" not in policy.replace("*.localhost:8000", "")
    assert "form-action 'self';" in tenant
    assert "form-action 'self' http://*.localhost:8000;" in platform


ERRORS = {
    "unknown page": ("GET", "/nothing/here", 404),
    "unknown page of the API": ("GET", "/api/v1/nothing", 404),
    "method": ("DELETE", "/login/", 405),
    "method of the API": ("PUT", "/api/v1/auth/token", 405),
    "not signed in": ("GET", "/api/v1/people/", 401),
    "no token": ("POST", "/logout/", 400),
    "dead link": ("GET", "/reset/x", 410),
    "redirect": ("GET", "/admin/", 302),
    "redirect to the slash": ("GET", "/admin", 308),
    "no such file": ("GET", "/static/dist/nothing.js", 404),
    "climbing": ("GET", "/static/../../config.py", 404),
}


@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS.keys())
def test_errors_carry_them_too(world: World, case: tuple[str, str, int]) -> None:
    method, path, status = case
    base = f"http://{world.anna.host}"
    for accept in ("text/html", "application/json"):
        answer = world.app.test_client().open(path, method=method, base_url=base, headers={"Accept": accept})
        assert answer.status_code == status, answer.text
        assert faults_of("", answer) == []
        if answer.mimetype == "application/problem+json":
            assert answer.json["request_id"] == answer.headers["X-Request-Id"]
        elif status >= 400 and status != 410:
            assert answer.headers["X-Request-Id"] in answer.text


def test_an_unknown_host_gets_them(world: World) -> None:
    answer = world.app.test_client().get("/", base_url="http://evil.test")
    assert answer.status_code == 400
    assert faults_of("/", answer) == []
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_a_request_id_is_never_the_callers(world: World) -> None:
    client, sent = world.app.test_client(), "0123456789abcdef"
    seen = {
        client.get("/login/", base_url=f"http://{PLATFORM}", headers={"X-Request-Id": sent}).headers[
            "X-Request-Id"
        ]
        for _number in range(20)
    }
    assert len(seen) == 20
    assert sent not in seen


def test_built_files_may_be_kept_for_good(app: Flask) -> None:
    """Their names change with their content, so browsers need not ask again."""
    folder = Path(str(app.static_folder))
    files = [f for f in folder.rglob("*") if f.is_file()]
    assert files
    for file in files:
        name = str(file.relative_to(folder))
        with app.test_client().get(f"/static/{name}", base_url=f"http://{PLATFORM}") as answer:
            assert answer.status_code == 200
            hashed = re.search(r"-[0-9a-f]{8,}\.", name) is not None
            cache = answer.headers["Cache-Control"]
            assert ("immutable" in cache and "max-age=31536000" in cache) == hashed, (name, cache)
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "Set-Cookie" not in answer.headers


def test_what_is_cached_holds_nothing_of_a_person(world: World) -> None:
    manager = world.manager()
    for path in ("/theme/1.css", "/.well-known/jwks.json", "/api/v1/_openapi.json"):
        answer = manager.get(path)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"].startswith("public")
        assert "Set-Cookie" not in answer.headers
        assert "manager@" not in answer.text


def test_the_theme_can_not_be_made_to_say_something_else(world: World) -> None:
    """Tokens of a brand are numbers and colours; the database refuses what is not."""
    manager = world.manager()
    for colour in (
        "red",
        "#12345",
        "#1234567",
        "#123456;}body{background:url(//evil.test)}",
        "#12345g",
        "</style>",
    ):
        form = {
            "name": "Anna",
            "primary": colour,
            "corners": "soft",
            "timezone": "Europe/Berlin",
            "locale": "en",
        }
        assert manager.post("/admin/brand/", **form).status_code == 422
    form = {"name": "Anna", "primary": "#0b5fa5", "timezone": "Europe/Berlin", "locale": "en"}
    assert manager.post("/admin/brand/", **form, corners="0px}body{display:none").status_code == 422
    assert "evil" not in manager.get("/theme/1.css").text


def test_strict_transport_security_needs_https(world: World, settings: Settings) -> None:
    assert "Strict-Transport-Security" not in Browser(world.app, PLATFORM).get("/login/").headers
    with second_app(settings, PUBLIC_SCHEME="https") as app:
        answer = app.test_client().get("/login/", base_url=f"https://{PLATFORM}")
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert "form-action 'self' https://*.localhost:8000;" in answer.headers["Content-Security-Policy"]
