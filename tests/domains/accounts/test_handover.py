"""An operator opens a company: four redirects, a ticket for one browser, and a visit that all can see."""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core import log
from config import Settings
from tests.domains.accounts.support import later, rows, run, second_app
from tests.support.databases import Database
from tests.support.world import PASSWORD, PLATFORM, Browser, Company, World

VISITS = "SELECT count(*) FROM user_session WHERE kind = 'visit'"


def fetch(client: FlaskClient, url: str) -> TestResponse:
    """A GET of an address as a redirect names it."""
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return client.get(path, base_url=f"{parts.scheme}://{parts.netloc}", headers={"Accept": "text/html"})


def confirm(operator: Browser, company: Company) -> str:
    """Press "open this company"; returns where the browser is sent."""
    answer = operator.post(f"/admin/tenants/{company.id}/do/open")
    assert answer.status_code == 302, answer.text
    return f"http://{PLATFORM}{answer.location}"


def up_to_ticket(operator: Browser, company: Company) -> str:
    """The address with the ticket, not yet called."""
    url = confirm(operator, company)
    for _step in range(3):
        answer = fetch(operator.client, url)
        assert answer.status_code == 302, answer.text
        url = answer.location
    assert url.startswith(f"http://{company.host}/handover/in?ticket="), url
    return url


def visit(world: World, company: Company, operator: Browser | None = None) -> Browser:
    """A browser that arrived on the company's host."""
    operator = operator or world.operator()
    answer = fetch(operator.client, up_to_ticket(operator, company))
    assert (answer.status_code, answer.location) == (302, "/admin/"), answer.text
    there = Browser(world.app, company.host)
    there.client = operator.client
    return there


def with_nonce_of(world: World, operator: Browser, company: Company) -> Browser:
    """Another browser that stole the nonce cookie."""
    nonce = operator.client.get_cookie("wm-handover", company.host.split(":")[0])
    assert nonce is not None
    thief = Browser(world.app, company.host)
    thief.client.set_cookie("wm-handover", nonce.value, domain=company.host.split(":")[0])
    return thief


# -- The way there -----------------------------------------------------------------------------------------


def test_the_whole_chain(world: World) -> None:
    operator = world.operator()
    hops, url = [], confirm(operator, world.anna)
    while True:
        answer = fetch(operator.client, url)
        hops.append((answer.status_code, urlsplit(url).netloc, urlsplit(url).path))
        assert answer.headers["Cache-Control"] == "no-store"
        if answer.status_code != 302:
            break
        url = (
            answer.location if "://" in answer.location else f"http://{urlsplit(url).netloc}{answer.location}"
        )
    assert hops == [
        (302, PLATFORM, f"/handover/to/{world.anna.id}"),
        (302, world.anna.host, "/handover/start"),
        (302, PLATFORM, "/handover/ticket"),
        (302, world.anna.host, "/handover/in"),
        (200, world.anna.host, "/admin/"),
    ]
    assert "Visiting: Olga Operator (Operator), until " in answer.text
    there = Browser(world.app, world.anna.host)
    there.client = operator.client
    assert there.get("/admin/people/add").status_code == 200
    assert operator.get("/admin/tenants/").status_code == 200, "and is still an operator on the platform"


def test_every_page_says_who_visits_and_has_the_way_out(world: World, database: Database) -> None:
    operator = world.operator()
    there = visit(world, world.anna, operator)
    run(database, "UPDATE user_session SET expires_at = date_trunc('day', expires_at) + interval '23 hours 4 minutes'"
        " + interval '1 day' WHERE kind = 'visit'")  # fmt: skip
    for path, status in (
        ("/admin/", 200),
        ("/admin/people/", 200),
        ("/", 200),
        ("/account/", 200),
        ("/none", 404),
    ):
        page = there.get(path)
        assert page.status_code == status, path
        assert "Visiting: Olga Operator (Operator), until 12:04\u202fAM" in page.text, (
            path
        )  # Berlin's, as the company
        assert 'action="/handover/leave"' in page.text, path
        targets = "form-action 'self' http://localhost:8000;"  # browsers hold form-action against redirects
        assert targets in page.headers["Content-Security-Policy"], path
    assert "Visiting:" not in operator.get("/admin/").text
    assert "Visiting:" not in world.manager().get("/admin/").text


def test_leaving_ends_the_visit_at_once(world: World, database: Database) -> None:
    operator = world.operator()
    there = visit(world, world.anna, operator)
    copied = there.client.get_cookie("wm", world.anna.host.split(":")[0])
    assert copied is not None
    assert there.post_raw("/handover/leave", {}).status_code == 400, "without its token nothing is ended"
    assert there.get("/handover/leave").status_code == 405
    left = there.post("/handover/leave", page="/admin/")
    assert (left.status_code, left.location) == (302, f"http://{PLATFORM}/admin/tenants/{world.anna.id}")
    ended = "SELECT end_reason FROM user_session WHERE kind = 'visit' AND ended_at IS NOT NULL"
    assert rows(database, ended) == [("signed out",)]
    there.client.set_cookie("wm", copied.value, domain=world.anna.host.split(":")[0])
    assert there.get("/admin/").status_code == 302, "a copy of the cookie is dead, too"
    assert fetch(operator.client, left.location).status_code == 200, "at home the operator is signed in"


def test_only_a_visit_is_left(world: World, database: Database) -> None:
    manager = world.manager()
    assert manager.post("/handover/leave", page="/account/").status_code == 404
    assert world.operator().post("/handover/leave", page="/account/").status_code == 404
    assert manager.get("/admin/").status_code == 200


def test_a_suspended_companys_visit_is_left_the_same_way(world: World, database: Database) -> None:
    operator = world.operator()
    assert operator.post(f"/admin/tenants/{world.anna.id}/do/suspend", reason="late").status_code == 302
    there = visit(world, world.anna, operator)
    assert there.post("/handover/leave", page="/admin/").status_code == 302


def test_the_visit_stands_in_the_companys_own_trail(world: World, database: Database) -> None:
    there = visit(world, world.anna)
    assert there.post("/admin/people/add", full_name="Made on a visit").status_code == 302
    entries = rows(
        database, "SELECT verb, actor_user_id, actor_label, ip FROM audit_entry WHERE tenant_id = %s ORDER BY id DESC LIMIT 2",
        world.anna.id,
    )  # fmt: skip
    label = "Olga Operator <operator@wemaster.test>"
    assert entries[1] == ("opened by an operator", world.operator_id, label, "127.0.0.1")
    assert entries[0][:2] == ("created", world.operator_id)
    assert "Olga Operator" in world.manager().get("/admin/audit/").text
    assert "Olga Operator" not in world.manager(world.bert).get("/admin/audit/").text
    assert rows(database, "SELECT tenant_id, kind FROM user_session WHERE kind = 'visit'") == [
        (world.anna.id, "visit")
    ]


def test_the_nonces_cookie(world: World, settings: Settings) -> None:
    answer = Browser(world.app, world.anna.host).get("/handover/start")
    cookie = answer.headers["Set-Cookie"]
    for flag in ("HttpOnly", "Path=/", "SameSite=Lax", "Max-Age=120"):
        assert flag in cookie
    assert "Domain" not in cookie
    with second_app(settings, PUBLIC_SCHEME="https") as app:
        answer = app.test_client().get("/handover/start", base_url=f"https://{world.anna.host}")
        assert answer.headers["Set-Cookie"].startswith("__Host-wm-handover=")
        assert "Secure" in answer.headers["Set-Cookie"]
        assert answer.location.startswith("https://localhost")


# -- Tickets that are worth nothing ------------------------------------------------------------------------


def used(_world: World, operator: Browser, url: str) -> TestResponse:
    assert fetch(operator.client, url).status_code == 302
    return fetch(operator.client, url)


def used_with_the_stolen_nonce(world: World, operator: Browser, url: str) -> TestResponse:
    thief = with_nonce_of(world, operator, world.anna)
    assert fetch(operator.client, url).status_code == 302
    return fetch(thief.client, url)


def too_old(_world: World, operator: Browser, url: str) -> TestResponse:
    with later(seconds=31):
        return fetch(operator.client, url)


def without_the_nonce(world: World, _operator: Browser, url: str) -> TestResponse:
    return fetch(world.app.test_client(), url)


def with_another_nonce(world: World, _operator: Browser, url: str) -> TestResponse:
    other = Browser(world.app, world.anna.host)
    assert other.get("/handover/start").status_code == 302
    return fetch(other.client, url)


def on_another_companys_host(world: World, operator: Browser, url: str) -> TestResponse:
    nonce = with_nonce_of(world, operator, world.anna).client.get_cookie("wm-handover", "anna.localhost")
    operator.client.set_cookie("wm-handover", nonce.value, domain="bert.localhost")
    return fetch(operator.client, url.replace(world.anna.host, world.bert.host))


def after_the_account_was_closed(world: World, operator: Browser, url: str) -> TestResponse:
    with world.app.extensions["test database"].connect() as connection:
        connection.execute("UPDATE ab_user SET active = false WHERE id = %s", [world.operator_id])
    return fetch(operator.client, url)


def after_the_role_was_taken(world: World, operator: Browser, url: str) -> TestResponse:
    with world.app.extensions["test database"].connect() as connection:
        connection.execute("UPDATE ab_user SET platform_role = NULL WHERE id = %s", [world.operator_id])
    return fetch(operator.client, url)


def tampered(_world: World, operator: Browser, url: str) -> TestResponse:
    return fetch(operator.client, url[:-1] + ("A" if url[-1] != "A" else "B"))


def missing(_world: World, operator: Browser, url: str) -> TestResponse:
    return fetch(operator.client, url.split("?")[0])


@pytest.mark.parametrize(
    "way",
    [
        used, used_with_the_stolen_nonce, too_old, without_the_nonce, with_another_nonce, on_another_companys_host,
        after_the_account_was_closed, after_the_role_was_taken, tampered, missing,
    ],
)  # fmt: skip
def test_a_ticket_that_is_worth_nothing(
    world: World,
    database: Database,
    way: Callable[[World, Browser, str], TestResponse],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(world.app.extensions, "test database", database)
    operator = world.operator()
    answer = way(world, operator, up_to_ticket(operator, world.anna))
    assert answer.status_code == 410
    assert "This link does not work any more" in answer.text
    expected = 1 if way in (used, used_with_the_stolen_nonce) else 0
    assert rows(database, VISITS) == [(expected,)]


def test_a_ticket_is_taken_once_even_at_the_same_moment(world: World, database: Database) -> None:
    operator = world.operator()
    url = up_to_ticket(operator, world.anna)
    browsers = [with_nonce_of(world, operator, world.anna) for _number in range(8)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda browser: fetch(browser.client, url).status_code, browsers))
    assert sorted(answers) == [302] + [410] * 7
    assert rows(database, VISITS) == [(1,)]


# -- Who gets a ticket -------------------------------------------------------------------------------------


def ask_ticket(browser: Browser, tenant: object, nonce: str = "n" * 32) -> int:
    return browser.get(f"/handover/ticket?tenant={tenant}&nonce={nonce}").status_code


def test_no_ticket_without_a_fresh_intent_for_this_company(world: World, database: Database) -> None:
    """Any page can send an operator's browser to the ticket's address; only the pressed button counts."""
    operator = world.operator()
    assert ask_ticket(operator, world.anna.id) == 410
    assert ask_ticket(operator, "None") == 410
    confirm(operator, world.bert)
    assert ask_ticket(operator, world.anna.id) == 410, "another company was meant"
    assert ask_ticket(operator, world.bert.id) == 410, "and that was its one try"
    confirm(operator, world.anna)
    with later(seconds=121):
        assert ask_ticket(operator, world.anna.id) == 410
    for nonce in ("", "short", "x" * 101):
        confirm(operator, world.anna)
        assert ask_ticket(operator, world.anna.id, nonce) == 410
    assert operator.get(f"/handover/to/{world.anna.id}").status_code == 302, "going there asks for no ticket"
    assert rows(database, "SELECT count(*) FROM handover_ticket") == [(0,)]


def test_managers_and_visitors_get_none(world: World, database: Database) -> None:
    manager, visitor = world.manager(), Browser(world.app, PLATFORM)
    for path in (
        f"/handover/to/{world.bert.id}",
        f"/handover/ticket?tenant={world.bert.id}&nonce={'n' * 32}",
    ):
        assert manager.get(path).status_code == 404
        assert visitor.get(path).status_code == 302
        assert visitor.get(path).location.startswith("/login/")
    assert manager.get(f"/admin/tenants/{world.bert.id}/do/open").status_code == 404
    assert Browser(world.app, PLATFORM).get("/handover/in?ticket=x").status_code == 404
    assert rows(database, "SELECT count(*) FROM handover_ticket") == [(0,)]


def test_the_button_asks_first_and_wants_a_token(world: World) -> None:
    operator = world.operator()
    assert operator.get(f"/admin/tenants/{world.anna.id}/do/open").status_code == 200
    assert ask_ticket(operator, world.anna.id) == 410, "looking at the question is no intent"
    answer = operator.post_raw(
        f"/admin/tenants/{world.anna.id}/do/open", {}, headers={"Origin": "http://evil.test"}
    )
    assert answer.status_code in {400, 403}
    assert ask_ticket(operator, world.anna.id) == 410


def test_support_looks_and_touches_nothing(world: World, database: Database) -> None:
    run(database, "UPDATE ab_user SET platform_role = 'support' WHERE id = %s", world.operator_id)
    there = visit(world, world.anna)
    person = world.anna.people["student"]
    for path in ("/admin/", "/admin/people/", f"/admin/people/{person}", "/admin/audit/", "/admin/brand/"):
        assert (path, there.get(path).status_code) == (path, 200)
    for path in ("/admin/people/add", f"/admin/people/{person}/edit", f"/admin/people/{person}/delete"):
        assert (path, there.get(path).status_code) == (path, 403)
    token = there.csrf("/account/")
    before = rows(database, "SELECT id, full_name FROM person ORDER BY id")
    for path in ("/admin/people/add", f"/admin/people/{person}/delete", "/admin/brand/"):
        assert there.post_raw(path, {"csrf_token": token, "full_name": "X", "name": "X"}).status_code == 403
    ended = there.post_raw(
        f"/admin/memberships/{world.anna.memberships['tutor']}/do/end", {"csrf_token": token}
    )
    assert ended.status_code == 403
    assert rows(database, "SELECT id, full_name FROM person ORDER BY id") == before


# -- The visit and its end ---------------------------------------------------------------------------------


def test_a_visit_ends_after_an_hour(world: World) -> None:
    there = visit(world, world.anna)
    with later(minutes=59):
        assert there.get("/admin/").status_code == 200
    with later(hours=1, seconds=1):
        assert there.get("/admin/").status_code == 302


def test_a_visit_ends_with_the_role(world: World, database: Database) -> None:
    there = visit(world, world.anna)
    run(database, "UPDATE ab_user SET platform_role = NULL WHERE id = %s", world.operator_id)
    assert there.get("/admin/").status_code == 302


def test_a_visit_is_to_one_company(world: World) -> None:
    there = visit(world, world.anna)
    cookie = there.client.get_cookie("wm", "anna.localhost")
    assert cookie is not None
    elsewhere = Browser(world.app, world.bert.host)
    elsewhere.client.set_cookie("wm", cookie.value, domain="bert.localhost")
    assert elsewhere.get("/admin/").status_code == 302
    assert there.get("/admin/tenants/").status_code == 404


def test_a_suspended_company_can_be_visited_while_others_read_why(world: World) -> None:
    operator, manager, token = world.operator(), world.manager(), world.token(world.anna)
    assert operator.post(f"/admin/tenants/{world.anna.id}/do/suspend", reason="unpaid").status_code == 302
    for path in ("/", "/login/", "/admin/people/", "/account/", "/forgot/", "/nothing/here"):
        answer = manager.get(path)
        assert (path, answer.status_code, answer.headers.get("Retry-After")) == (path, 503, "3600")
        assert "The pages of Anna Tutors are paused" in answer.text
        assert "unpaid" not in answer.text
    headers = {"Authorization": f"Bearer {token}"}
    api = manager.client.get("/api/v1/people/", base_url=manager.base, headers=headers)
    assert (api.status_code, api.json["code"]) == (503, "tenant_suspended")
    again = {"email": "manager@anna.test", "password": PASSWORD}
    assert manager.client.post("/api/v1/auth/token", json=again, base_url=manager.base).status_code == 503
    there = visit(world, world.anna, operator)
    assert there.get("/admin/people/").status_code == 200
    assert world.manager(world.bert).get("/admin/people/").status_code == 200
    assert operator.post(f"/admin/tenants/{world.anna.id}/do/resume").status_code == 302
    assert manager.get("/admin/people/").status_code == 200


def test_the_ticket_stands_in_no_log(world: World, settings: Settings) -> None:
    stream = io.StringIO()
    log.configure("json", "DEBUG", stream)
    try:
        operator = world.operator()
        url = up_to_ticket(operator, world.anna)
        assert fetch(operator.client, url).status_code == 302
    finally:
        log.configure(settings.LOG_FORMAT, settings.LOG_LEVEL)
    assert "/handover/in" in stream.getvalue()
    assert parse_qs(urlsplit(url).query)["ticket"][0] not in stream.getvalue()
