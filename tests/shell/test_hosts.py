"""The host alone says whose pages these are; nothing that a client claims besides changes it (F33, F48)."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from werkzeug.test import TestResponse, create_environ, run_wsgi_app

from app.core import page_cache
from app.core.rights import PLATFORM as ON_PLATFORM
from app.core.rights import TENANT as ON_TENANT
from app.shell import hosts
from config import Settings
from tests.domains.accounts.support import rows, run, second_app
from tests.support.databases import Database
from tests.support.world import PASSWORD, PLATFORM, Browser, World

OWN = "lessons.anna.example"


def get(app: Flask, host: str, path: str = "/login/", **headers: str) -> TestResponse:
    """With exactly this Host header."""
    client = app.test_client(use_cookies=False)  # its cookie jar chokes on strange hosts before we see them
    return client.get(path, headers={"Accept": "text/html", **headers, "Host": host})


def place(answer: TestResponse) -> str:
    """Whose page it is, by its title."""
    found = re.search(r"<title>.* · (.*)</title>", answer.text)
    return found.group(1) if found else f"{answer.status_code}"


# -- Known and unknown -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.test", "anna.evil.test", "localhost.evil.test", "anna.localhost.evil.test", "nobody.localhost:8000",
        "www.anna.localhost", "annalocalhost", ".localhost", "-.localhost", "anna..localhost", "*.localhost",
        "127.0.0.2", "127.1", "2130706433", "0x7f000001", "[::2]", "[::1", "::1", "[::ffff:127.0.0.1]", "0.0.0.0",
        "anna.localhost@evil.test", "evil.test#anna.localhost", "anna.localhost/x", "anna.localhost\\x", "anna.localhost:81:81",
        "anna.localhost:port", "anna.localhost:999999", "anna localhost", "anna.localhost, evil.test", "ann\u00e4.localhost",
        "%61nna.localhost", "' OR 1=1 --", "a" * 300, "localhost%00.evil.test",
    ],
)  # fmt: skip
def test_a_host_that_is_not_ours(world: World, host: str) -> None:
    for path in ("/", "/login/", "/admin/", "/api/v1/people/", "/nothing/here"):
        answer = get(world.app, host.encode().decode("latin-1"), path)
        assert answer.status_code == 400, (path, answer.status_code)
        assert host not in answer.text
        assert "Location" not in answer.headers


def test_a_host_that_punycode_does_not_know(world: World) -> None:
    """The test client itself can't ask this."""
    environ = create_environ("/login/", "http://anna.localhost", headers={"Host": "xn--ann-.localhost"})
    _body, status, _headers = run_wsgi_app(world.app, environ)
    assert status == "400 BAD REQUEST"


@pytest.mark.parametrize(
    ("host", "whose"),
    [
        ("localhost", "WeMaster"), ("localhost:8000", "WeMaster"), ("LOCALHOST", "WeMaster"), ("localhost.", "WeMaster"),
        ("localhost:1", "WeMaster"), ("127.0.0.1:8000", "WeMaster"), ("[::1]:8000", "WeMaster"), ("[::1]", "WeMaster"),
        ("anna.localhost", "Anna Tutors"), ("Anna.LocalHost:8000", "Anna Tutors"), ("anna.localhost.:8000", "Anna Tutors"),
        ("bert.localhost", "Bert Tutors"),
    ],
)  # fmt: skip
def test_a_host_that_is_ours_in_all_its_spellings(world: World, host: str, whose: str) -> None:
    answer = get(world.app, host)
    assert (answer.status_code, place(answer)) == (200, whose)


def test_addresses_are_the_platform_in_demo_and_test_only(world: World, settings: Settings) -> None:
    with second_app(settings, ENVIRONMENT="production", PLATFORM_HOST_ALIASES="console.wemaster.test") as app:
        statuses = {
            host: get(app, host).status_code
            for host in ("127.0.0.1", "[::1]", "localhost", "console.wemaster.test")
        }
    assert statuses == {"127.0.0.1": 400, "[::1]": 400, "localhost": 200, "console.wemaster.test": 200}


def test_what_a_client_claims_besides_is_ignored(world: World) -> None:
    claims = {
        "X-Forwarded-Host": world.bert.host, "X-Host": world.bert.host, "X-Original-Host": world.bert.host,
        "Forwarded": f"host={world.bert.host}", "X-Forwarded-Server": world.bert.host, "X-Tenant": str(world.bert.id),
        "X-Original-URL": "/admin/tenants/", "X-Rewrite-URL": "/admin/tenants/", "X-Forwarded-Prefix": "/evil",
    }  # fmt: skip
    answer = get(world.app, world.anna.host, f"/login/?tenant_id={world.bert.id}", **claims)
    assert place(answer) == "Anna Tutors"
    assert "/evil" not in answer.text
    assert get(world.app, "evil.test", **{**claims, "X-Forwarded-Host": world.anna.host}).status_code == 400
    slash = get(world.app, world.anna.host, "/admin", **claims)
    assert slash.location == f"http://{world.anna.host}/admin/"


def test_behind_one_proxy_only_its_own_word_counts(
    world: World, database: Database, settings: Settings
) -> None:
    with second_app(settings, TRUSTED_PROXY_HOPS=1) as app:
        lie = {"X-Forwarded-Host": f"{world.bert.host}, {world.anna.host}"}
        assert place(get(app, "inner", **lie)) == "Anna Tutors"
        assert get(app, "inner").status_code == 400
        body = {"email": "nobody@anna.test", "password": "x" * 10}
        headers = {"Host": world.anna.host, "X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
        app.test_client().post("/api/v1/auth/token", json=body, headers=headers)
    keys = rows(database, "SELECT key FROM throttle WHERE key LIKE 'signin ip %%'")
    assert keys == [("signin ip 203.0.113.9",)], "the proxy's word, not the caller's"


# -- Two surfaces ------------------------------------------------------------------------------------------


def test_each_page_is_on_its_own_surface_only(world: World) -> None:
    operator, manager = world.operator(), world.manager()
    browsers = {ON_PLATFORM: operator, ON_TENANT: manager}
    token, wrong = world.token(world.anna), []
    for entry in world.app.extensions["admin"].entries:
        for surface, browser in browsers.items():
            expected = 200 if surface in entry.surfaces else 404
            status = browser.get(f"{entry.url}/").status_code
            if status != expected:
                wrong.append((entry.slug, surface, status))
        answer = manager.client.get(
            f"/api/v1/{entry.slug}/", base_url=manager.base, headers={"Authorization": f"Bearer {token}"}
        )
        if entry.has_api and answer.status_code != (200 if ON_TENANT in entry.surfaces else 404):
            wrong.append((entry.slug, "api", answer.status_code))
    assert wrong == []
    for path in ("/admin/brand/", "/theme/1.css", "/invitation/x", "/handover/start", "/handover/in"):
        assert (path, operator.get(path).status_code) == (path, 404)
    for path in (f"/handover/to/{world.anna.id}", "/handover/ticket", f"/admin/tenants/{world.anna.id}"):
        assert (path, manager.get(path).status_code) == (path, 404)


def test_a_manager_signs_in_on_no_other_host(world: World) -> None:
    for host in (PLATFORM, world.bert.host):
        browser = Browser(world.app, host)
        assert browser.post("/login/", email="manager@anna.test", password=PASSWORD).status_code == 401


# -- A company's own host name -----------------------------------------------------------------------------


def add_domain(operator: Browser, world: World, host: str) -> TestResponse:
    return operator.post("/admin/domains/add", tenant=str(world.anna.id), host=host, note="")


def test_a_companys_own_host_answers_from_the_next_request_until_it_is_removed(world: World) -> None:
    assert get(world.app, OWN).status_code == 400
    operator = world.operator()
    added = add_domain(operator, world, f" {OWN.upper()}. ")
    assert added.status_code == 302, added.text
    assert place(get(world.app, OWN)) == "Anna Tutors"
    assert place(get(world.app, f"{OWN}:8000")) == "Anna Tutors"
    assert get(world.app, f"www.{OWN}").status_code == 400
    manager = world.browser(f"{OWN}:8000", "manager@anna.test")
    assert manager.get("/admin/people/").status_code == 200
    token = manager.client.post(
        "/api/v1/auth/token", json={"email": "manager@anna.test", "password": PASSWORD}, base_url=manager.base
    ).json["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert manager.client.get("/api/v1/people/", base_url=manager.base, headers=headers).status_code == 200
    elsewhere = manager.client.get("/api/v1/people/", base_url=f"http://{world.anna.host}", headers=headers)
    assert elsewhere.status_code == 401, "issued for one host, good on that host"
    assert operator.post(f"{added.location}/delete").status_code == 302
    assert get(world.app, OWN).status_code == 400
    assert manager.get("/admin/people/").status_code == 400
    assert place(get(world.app, world.anna.host)) == "Anna Tutors"


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 422), ("bert.localhost", 422), ("x.bert.localhost", 422), ("evil", 422), ("127.0.0.1", 422),
        ("[::1]", 422), ("a b.example", 422), ("a.example:80", 422), ("http://a.example", 422), ("-a.example", 422),
        ("*.example", 422), ("a..example", 422), ("münchen.example", 422), ("a\0.example", 422), ("a" * 260 + ".example", 422),
        ("", 422), ("taken.example", 409), ("TAKEN.example.", 409),
    ],
)  # fmt: skip
def test_a_host_name_that_can_not_be_added(world: World, database: Database, host: str, status: int) -> None:
    run(
        database, "INSERT INTO tenant_domain (tenant_id, host, activated_at, created_at, changed_at)"
        " VALUES (%s, 'taken.example', now(), now(), now())", world.bert.id,
    )  # fmt: skip
    assert add_domain(world.operator(), world, host).status_code == status
    assert rows(database, "SELECT host FROM tenant_domain") == [("taken.example",)]


def test_a_closed_companys_hosts_are_nobodys(world: World, database: Database) -> None:
    run(database, "UPDATE tenant SET status = 'closed' WHERE id = %s", world.anna.id)
    world.app.extensions["places"].forget()
    assert get(world.app, world.anna.host).status_code == 400
    assert place(get(world.app, world.bert.host)) == "Bert Tutors"


def test_another_process_hears_of_it_within_a_tenth_of_a_second(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many ask, Redis is asked once in such a time. Who is where companies are changed may have changed
    it, and asks each time."""
    monkeypatch.setattr(page_cache, "HEARD_SECONDS", 600.0)
    manager, redis = world.manager(), world.app.extensions["redis"]

    def name_it(name: str) -> None:
        run(database, "UPDATE tenant SET name = %s WHERE id = %s", name, world.anna.id)

    def is_shown(name: str, *, to: Callable[[], TestResponse]) -> bool:
        return name in to().text

    def visitor() -> TestResponse:
        return get(world.app, world.anna.host, "/login/")

    def admin() -> TestResponse:
        return manager.get("/admin/")

    def portal() -> TestResponse:
        return manager.get("/")

    assert visitor().status_code == admin().status_code == portal().status_code == 200
    name_it("Nova School")
    redis.set(hosts.REVISION_KEY, "as another process would")
    assert not is_shown("Nova School", to=visitor)
    assert not is_shown("Nova School", to=portal)
    assert is_shown("Nova School", to=admin)
    assert is_shown("Nova School", to=portal), "and then it is known"
    name_it("Novissima")
    redis.set(hosts.REVISION_KEY, "and again")
    assert not is_shown("Novissima", to=visitor)
    monkeypatch.setattr(page_cache, "HEARD_SECONDS", 0.0)
    assert is_shown("Novissima", to=visitor)
    monkeypatch.setattr(page_cache, "HEARD_SECONDS", 600.0)
    name_it("Ultima")
    world.app.extensions["places"].forget()
    assert is_shown("Ultima", to=visitor), "and in this one at once"


def test_a_new_company_answers_at_once(world: World) -> None:
    assert get(world.app, "carla.localhost").status_code == 400, "and this answer was remembered"
    [(plan_id,)] = [
        (option,)
        for option in re.findall(r'<option value="(\d+)"', world.operator().get("/admin/tenants/add").text)
    ]
    form = {
        "plan": plan_id,
        "currency": "EUR",
        "timezone": "Europe/Berlin",
        "locale": "en",
        "name": "Carla",
        "slug": "carla",
    }
    answer = world.operator().post("/admin/tenants/add", **form)
    assert answer.status_code == 302, answer.text
    assert place(get(world.app, "carla.localhost")) == "Carla"


# -- Open redirects ----------------------------------------------------------------------------------------

HOSTILE = [
    "http://evil.test", "https://evil.test/", "HTTP://evil.test", "//evil.test", "///evil.test", "////evil.test/%2f..",
    "/\\evil.test", "\\\\evil.test", "\\/evil.test", "/\\/evil.test", "/\t/evil.test", "\t//evil.test", "/\n/evil.test",
    "/\r\nLocation: http://evil.test", " //evil.test", "http:evil.test", "http:/evil.test", "http:///evil.test",
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "vbscript:x", "mailto:x@evil.test", "ftp://evil.test",
    "http://localhost@evil.test", "http://anna.localhost:8000@evil.test/", "//anna.localhost:8000.evil.test", "//evil.test:80",
    "//ⓔⓥⓘⓛ.test", "/／evil.test", "//xn--evl-uma.test", "/%09/evil.test", "/%5cevil.test", "/.//evil.test", "/..//evil.test",
    "\x00//evil.test", "?next=//evil.test", "evil.test", ".evil.test", "@evil.test", ":80", "/" + "a" * 3000, "\u2028//evil.test",
]  # fmt: skip


def lands_on(base: str, location: str) -> str:
    """Where a browser goes (WHATWG URL): it drops tabs and line ends, and takes `\\` for `/`."""
    cleaned = re.sub(r"[\t\r\n]", "", location.strip("".join(map(chr, range(33))))).replace("\\", "/")
    return urlsplit(urljoin(base, cleaned)).netloc


@pytest.mark.parametrize("host", [PLATFORM, "anna.localhost:8000", OWN])
def test_nobody_is_sent_elsewhere(world: World, host: str) -> None:
    """Each hostile `next` on each door that takes one: after the sign-in, when signed in, from preferences."""
    add_domain(world.operator(), world, OWN)
    email = "operator@wemaster.test" if host == PLATFORM else "manager@anna.test"
    visitor, inside = Browser(world.app, host), world.browser(host, email)
    token, wrong = visitor.csrf("/login/"), []
    for target in HOSTILE:
        answers = [
            inside.client.get("/login/", query_string={"next": target}, base_url=inside.base),
            visitor.post_raw("/preferences/", {"theme": "dark", "next": target, "csrf_token": token}),
            visitor.client.get("/login/", query_string={"next": target}, base_url=visitor.base),
        ]
        for answer in answers:
            location = answer.headers.get("Location", "/")
            if answer.status_code not in {200, 302} or lands_on(inside.base, location) != host:
                wrong.append((target, answer.status_code, location))
        kept = re.search(r'name="next"[^>]*value="(.*?)"', answers[2].text.split('action="/preferences/"')[0])
        if kept and lands_on(inside.base, kept.group(1)) != host:
            wrong.append((target, "kept in the form", kept.group(1)))
    assert wrong == []


@pytest.mark.parametrize("target", HOSTILE[::6])
def test_nobody_is_sent_elsewhere_by_signing_in(world: World, target: str) -> None:
    browser = Browser(world.app, world.anna.host)
    answer = browser.post("/login/", email="manager@anna.test", password=PASSWORD, next=target)
    assert answer.status_code in {302, 422}
    assert lands_on(browser.base, answer.headers.get("Location", "/")) == world.anna.host


def test_a_path_of_our_own_is_where_one_lands(world: World) -> None:
    browser = Browser(world.app, world.anna.host)
    asked = browser.get("/admin/people/?q=anna&page=1")
    assert asked.status_code == 302
    page = browser.get(asked.location)
    token = re.search(r'name="next"[^>]*value="([^"]+)"', page.text.rsplit("wm-entry-form", 1)[1])
    assert token is not None
    target = token.group(1).replace("&amp;", "&")
    answer = browser.post("/login/", email="manager@anna.test", password=PASSWORD, next=target)
    assert answer.location == "/admin/people/?q=anna&page=1"
