"""What browsers are told: cookies that stay with their host, types with their charset, methods that exist, and
nothing that one site could take for another."""

from __future__ import annotations

import pytest
from werkzeug.test import TestResponse

from app.shell.side_menu import COOKIE
from config import Settings
from tests.domains.accounts.support import second_app
from tests.support.databases import ROOT
from tests.support.world import PASSWORD, PLATFORM, Browser, World


def cookies(answer: TestResponse) -> list[str]:
    return answer.headers.getlist("Set-Cookie")


def test_every_cookie_is_bound_to_its_host_over_https(world: World, settings: Settings) -> None:
    """Signing in and out, a visitor's choices, and the way of an operator to a company."""
    base = f"https://{world.anna.host}"
    given: list[str] = []
    with second_app(settings, PUBLIC_SCHEME="https") as app:
        browser = Browser(app, world.anna.host)
        browser.base = base
        referrer = {"Referer": f"{base}/login/"}
        token = browser.csrf("/login/")
        form = {"email": "manager@anna.test", "password": PASSWORD, "csrf_token": token}
        given += cookies(browser.post_raw("/login/", form, headers=referrer))
        given += cookies(
            browser.post_raw("/logout/", {"csrf_token": browser.csrf("/account/")}, headers=referrer)
        )
        given += cookies(app.test_client().get("/login/", base_url=base))
        given += cookies(app.test_client().get("/handover/start", base_url=base))
        given += cookies(app.test_client().get("/handover/in?ticket=x", base_url=base))
    assert len(given) >= 4
    for cookie in given:
        name, *flags = (part.strip() for part in cookie.split(";"))
        assert name.startswith("__Host-"), cookie
        assert {"Secure", "HttpOnly", "Path=/"} <= set(flags), cookie
        assert "SameSite=Lax" in flags, cookie
        assert not any(flag.lower().startswith("domain") for flag in flags), cookie


def test_the_cookie_that_a_script_writes_is_bound_too(world: World, settings: Settings) -> None:
    """Which groups of the side menu are open: no secret, and yet nobody else's to write."""
    script = (ROOT / "app/frontend/js/menus.js").read_text()
    assert 'location.protocol === "https:" ? ["__Host-", "; secure"]' in script
    assert f"${{bound}}{COOKIE}=" in script
    assert "path=/;" in script
    assert "samesite=lax" in script
    with second_app(settings, PUBLIC_SCHEME="https") as app:
        browser = Browser(app, PLATFORM)
        browser.base = f"https://{PLATFORM}"
        token = browser.csrf("/login/")
        form = {"email": "operator@wemaster.test", "password": PASSWORD, "csrf_token": token}
        browser.post_raw("/login/", form, headers={"Referer": f"{browser.base}/login/"})
        folded = browser.get("/admin/").text
        browser.client.set_cookie(COOKIE, "people.records.system.money", domain="localhost", secure=True)
        assert _groups(browser.get("/admin/").text) == _groups(folded), (
            "without the prefix it counts for nothing"
        )
        browser.client.set_cookie(
            f"__Host-{COOKIE}", "people.records.system.money", domain="localhost", secure=True
        )
        assert _groups(browser.get("/admin/").text) != _groups(folded)


def _groups(page: str) -> list[bool]:
    return ["open" in part.partition(">")[0] for part in page.split("<details")[1:]]


TYPES = {
    "/": "text/html; charset=utf-8",
    "/robots.txt": "text/plain; charset=utf-8",
    "/sitemap.xml": "application/xml",
    "/theme/1.css": "text/css; charset=utf-8",
    "/api/v1/_openapi.json": "application/json",
    "/api/v1/people/": "application/problem+json",
    "/.well-known/jwks.json": "application/json",
    "/nothing/here": "text/html; charset=utf-8",
    "/healthz": "application/json",
}


@pytest.mark.parametrize("path", TYPES)
def test_each_kind_of_answer_says_what_it_is(world: World, path: str) -> None:
    """Texts with their charset; JSON and XML have UTF-8 by their own standards."""
    answer = Browser(world.app, world.anna.host).get(path)
    said = answer.headers["Content-Type"]
    assert said.startswith(TYPES[path]), said
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    if said.startswith("text/"):
        assert "charset=utf-8" in said


def test_an_export_says_what_it_is_and_what_it_is_called(world: World) -> None:
    answer = world.manager().get("/admin/people/export.csv")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=")


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PROPFIND", "DEBUG"])
@pytest.mark.parametrize("path", ["/", "/login/", "/admin/people/", "/api/v1/people/", "/healthz"])
def test_methods_that_nobody_asked_for_are_refused(world: World, method: str, path: str) -> None:
    answer = world.app.test_client().open(
        path, method=method, base_url=f"http://{world.anna.host}", headers={"Cookie": "secret=canary"}
    )
    assert answer.status_code == 405
    assert "canary" not in answer.text


def test_no_address_takes_a_token_or_a_password(world: World) -> None:
    """Neither signs in, nor opens anything: they belong into a header or a body."""
    token = world.token(world.anna)
    client, base = world.app.test_client(), f"http://{world.anna.host}"
    for name in ("access_token", "token", "api_key", "Authorization", "bearer"):
        answer = client.get(f"/api/v1/people/?{name}={token}", base_url=base)
        assert answer.status_code in {400, 401}, name
    login = client.get(f"/login/?email=manager@anna.test&password={PASSWORD}", base_url=base)
    assert login.status_code == 200
    assert client.get("/account/", base_url=base).status_code == 302


def test_the_last_of_two_arguments_of_a_name_does_not_win_unseen(world: World) -> None:
    """A list's arguments are read strictly, and a form never takes them from the address."""
    manager = world.manager()
    assert manager.get("/admin/people/?size=25&size=5000000").status_code in {200, 400}
    before = manager.get("/admin/people/").text.count("<tr")
    answer = manager.post_raw(
        "/admin/people/add?full_name=From+the+address", {"csrf_token": manager.csrf("/account/")}
    )
    assert answer.status_code == 422
    assert manager.get("/admin/people/").text.count("<tr") == before


def test_figures_are_for_this_machine_or_who_has_the_token(world: World, settings: Settings) -> None:
    """Nobody reads /metrics through the proxy, or at a company's host; with a token only who has it does."""
    client = world.app.test_client()
    through_the_proxy = {"X-Forwarded-For": "198.51.100.7"}
    assert client.get("/metrics", base_url=f"http://{world.anna.host}").status_code == 404
    assert client.get("/metrics", base_url=f"http://{PLATFORM}", headers=through_the_proxy).status_code == 404
    assert world.operator().get("/metrics", headers=through_the_proxy).status_code == 404
    with second_app(settings, METRICS_TOKEN="m" * 40) as app:
        for given in ("", "Bearer ", f"Bearer {'m' * 39}", f"Bearer {'m' * 41}", f"Basic {'m' * 40}"):
            answer = app.test_client().get(
                "/metrics",
                base_url=f"http://{PLATFORM}",
                headers={"Authorization": given, "Accept": "text/plain"},
            )
            assert answer.status_code in {302, 401}, given
            assert "wemaster_" not in answer.text
