"""Each error has one answer, a page or a problem JSON, and none says what is behind the curtain (F60)."""

from __future__ import annotations

import functools
import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.core.db import db
from app.core.errors import DomainError
from app.core.outside import ProviderRefused, ProviderUnavailable
from app.core.scope import platform_scope
from app.core.web.viewing import viewer
from config import Settings
from tests.domains.accounts.support import second_app
from tests.support.databases import Database, settings_for
from tests.support.golden import assert_golden
from tests.support.world import Browser, World, make_world

CURTAIN = re.compile(
    r"Traceback|psycopg|sqlalchemy|werkzeug|jinja|File \"|/work/|/site-packages/|\bSELECT\b|\bINSERT\b|constraint|"
    r"\b(?:uq|fk|ck)_|DETAIL|Exceeds the limit|invalid literal|codec can|Error:|Exception",
)
HTML, JSON = {"Accept": "text/html"}, {"Accept": "application/json"}


def assert_says_nothing(answer: TestResponse) -> None:
    found = CURTAIN.search(answer.text)
    assert found is None, (answer.status_code, found and found.group())


def kinds(base: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def made(kind: type[DomainError]) -> DomainError:
    """A refusal of this kind; those of providers say what happened, to the log alone."""
    return (
        kind("mail", "psycopg.Error") if issubclass(kind, ProviderUnavailable | ProviderRefused) else kind()
    )


def throwing(app: Flask, make: Callable[[], BaseException], path: str = "/throw") -> None:
    """A view of the test's own that fails."""
    view = f"throw{len(app.view_functions)}"

    def fail() -> str:
        raise make()

    app.add_url_rule(path, view, fail)
    app.add_url_rule(f"/api/v1{path}", f"{view} api", fail)


# -- Refusals ----------------------------------------------------------------------------------------------


def test_every_refusal_as_a_page_and_as_a_problem(world: World, settings: Settings) -> None:
    every = sorted(set(kinds()), key=lambda kind: kind.__name__)
    assert len(every) > 25
    with second_app(settings) as app:
        for number, kind in enumerate(every):
            throwing(app, functools.partial(made, kind), f"/throw/{number}")
        client, base = app.test_client(), f"http://{world.anna.host}"
        for number, kind in enumerate(every):
            problem = client.get(f"/api/v1/throw/{number}", base_url=base, headers=HTML)
            assert (kind.__name__, problem.status_code) == (kind.__name__, kind.status)
            assert problem.mimetype == "application/problem+json"
            assert (problem.json["status"], problem.json["code"]) == (kind.status, kind.code)
            assert problem.json["type"] == f"urn:wemaster:{kind.code}"
            assert {"title", "detail", "request_id"} <= problem.json.keys()
            assert (
                client.get(f"/throw/{number}", base_url=base, headers=JSON).mimetype
                == "application/problem+json"
            )
            page = client.get(f"/throw/{number}", base_url=base, headers=HTML)
            assert page.mimetype == "text/html"
            assert page.status_code == (302 if kind.code == "sign_in_needed" else kind.status)
            for answer in (problem, page):
                assert_says_nothing(answer)
                assert ("Retry-After" in answer.headers) == (kind.status in {429, 503, 507})
            assert ("WWW-Authenticate" in problem.headers) == (kind.status == 401)


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html"),
        ("*/*", "text/html"),
        ("application/json", "application/problem+json"),
        ("application/json, text/html;q=0.5", "application/problem+json"),
        ("nonsense", "text/html"),
        ("", "text/html"),
    ],
)
def test_who_gets_which(world: World, accept: str, mimetype: str) -> None:
    base, headers = f"http://{world.anna.host}", {"Accept": accept}
    assert world.app.test_client().get("/nothing", base_url=base, headers=headers).mimetype == mimetype
    api = world.app.test_client().get("/api/v1/nothing", base_url=base, headers=headers)
    assert api.mimetype == "application/problem+json"


# -- Faults ------------------------------------------------------------------------------------------------


def test_a_fault_says_a_number_and_no_more(world: World, settings: Settings) -> None:
    secret = "psycopg.Error: SELECT password FROM ab_user; /work/main/app/x.py"
    with second_app(settings) as app:
        throwing(app, lambda: RuntimeError(secret))
        for path, headers in (("/throw", HTML), ("/throw", JSON), ("/api/v1/throw", HTML)):
            browser = Browser(app, world.anna.host)
            answer = browser.get(path, headers=headers)
            assert answer.status_code == 500
            assert answer.headers["X-Request-Id"] in answer.text
            assert "ab_user" not in answer.text
            assert_says_nothing(answer)
            assert answer.headers["Cache-Control"] == "no-store"


def test_a_fault_for_somebody_signed_in_leaves_them_signed_in(world: World, settings: Settings) -> None:
    with second_app(settings) as app:
        throwing(app, lambda: KeyError("secret"))
        browser = Browser(app, world.anna.host)
        browser.post("/login/", email="manager@anna.test", password="correct horse battery")
        assert browser.get("/throw").status_code == 500
        assert browser.get("/admin/people/").status_code == 200


@pytest.mark.parametrize("known", [True, False], ids=["viewer known", "viewer not asked for yet"])
def test_what_the_database_refuses_in_a_mere_read(world: World, settings: Settings, known: bool) -> None:
    """The transaction is spent then: even who is looking can't be asked any more."""
    with second_app(settings) as app:

        @app.get("/cast")
        def cast() -> str:
            _ = viewer() if known else None
            return str(db.session.execute(text("SELECT CAST('x' AS integer)")).scalar())

        browser = Browser(app, world.anna.host)
        browser.post("/login/", email="manager@anna.test", password="correct horse battery")
        for headers in (HTML, JSON):
            answer = browser.get("/cast", headers=headers)
            assert answer.status_code == 422, answer.text
            assert_says_nothing(answer)


def test_an_exhausted_pool_is_no_fault(world: World, settings: Settings) -> None:
    with second_app(settings, DATABASE_POOL_SIZE=1) as app:
        browser = Browser(app, world.anna.host)
        browser.post("/login/", email="manager@anna.test", password="correct horse battery")
        with app.app_context():
            db.engine.pool._timeout, db.engine.pool._max_overflow = 0.05, 1
            taken = [db.engine.connect(), db.engine.connect()]
        for path in ("/account/", "/admin/people/"):
            answer = browser.get(path)
            assert answer.status_code == 503, answer.text
            assert answer.headers["Retry-After"] == "5"
            assert_says_nothing(answer)
        for connection in taken:
            connection.close()
        assert browser.get("/account/").status_code == 200


# -- The database is away ----------------------------------------------------------------------------------


def test_while_the_database_is_away_and_after(fresh_database: Database, tmp_path: Path) -> None:
    """503 with a time to come back, in the asked form, at once; and 200 again without a restart."""
    with second_app(settings_for(fresh_database, tmp_path)) as app:
        world = make_world(app)
        manager, operator = world.manager(), world.operator()
        token = world.token(world.anna)
        assert manager.get("/admin/people/").status_code == 200
        with away(fresh_database):
            for browser, page in ((manager, "/admin/people/"), (operator, "/admin/tenants/")):
                for path in (page, "/account/", "/admin/", "/"):
                    assert_away(browser.get(path), "text/html")
                # Other refusals keep their own answer: nobody has to be known for a page that is not there.
                for path, status in (("/nothing/here", 404), ("/admin/nothing/1", 404)):
                    answer = browser.get(path)
                    assert (path, answer.status_code) == (path, status)
                    assert_says_nothing(answer)
                assert browser.post_raw("/logout/", {}).status_code == 400
            headers = {"Authorization": f"Bearer {token}"}
            assert_away(manager.get("/api/v1/people/", headers=headers), "application/problem+json")
            assert_away(Browser(app, "carla.localhost").get("/"), "application/problem+json")
            assert manager.get("/healthz").status_code == 200
            ready = manager.get("/readyz")
            assert (ready.status_code, ready.json["database"]) == (503, "away")
            assert_says_nothing(ready)
        assert manager.get("/admin/people/").status_code == 200
        assert operator.get("/admin/").status_code == 200


class away:
    """Nobody gets into the database, and whoever was in is thrown out."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def __enter__(self) -> None:
        self._allow("false")

    def __exit__(self, *_error: object) -> None:
        self._allow("true")

    def _allow(self, word: str) -> None:
        import psycopg

        servers = self.database.servers
        with psycopg.connect(
            host=str(servers.socket_dir), user="postgres", dbname="postgres", autocommit=True, port=5432
        ) as admin:
            admin.execute(f'ALTER DATABASE "{self.database.name}" ALLOW_CONNECTIONS {word}')
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                [self.database.name],
            )


def assert_away(answer: TestResponse, mimetype: str) -> None:
    assert answer.status_code == 503, (answer.status_code, answer.text)
    assert answer.mimetype == mimetype
    assert answer.headers["Retry-After"] == "5"
    assert "Not available right now" in answer.text
    assert "This does not work right now" in answer.text
    assert_says_nothing(answer)


# -- Plain and hostile input -------------------------------------------------------------------------------

DIGITS = "9" * 5000
QUERIES: dict[str, str] = {
    "NUL in the search": "q=%00",
    "parentheses": "q=((((((((",
    "10,000 letters": "q=" + "x" * 10_000,
    "not UTF-8": "q=%ff%fe%c0",
    "per cent and underscore": "q=%25_%5c",
    "page 0": "page=0",
    "page -1": "page=-1",
    "page 2^63": f"page={2**63}",
    "page of 5,000 digits": f"page={DIGITS}",
    "page in Arabic digits": "page=%D9%A1",
    "page twice": "page=1&page=2",
    "size -1": "size=-1",
    "size 2^63": f"size={2**63}",
    "size a million": "size=1000000",
    "sort unknown": "sort=password",
    "sort by a relation": "sort=person.full_name",
    "sort with SQL": "sort=id;DROP TABLE person",
    "sort twice minus": "sort=--created_at",
    "filter by an unknown name": "password=x",
    "relation not a number": "person_id=x",
    "relation 2^63": f"person_id={2**63}",
    "relation of 5,000 digits": f"person_id={DIGITS}",
    "relation negative": "person_id=-1",
    "choice unknown": "status=nonsense",
    "date nonsense": "created_at.from=nonsense",
    "date 0000": "created_at.from=0000-00-00",
    "date 9999": "created_at.to=9999-12-31",
    "date with NUL": "created_at.from=2024-01-01%00",
    "a thousand members": "&".join(f"x{n}=1" for n in range(1000)),
}


def test_what_a_query_string_can_do(world: World) -> None:
    """A list's answers, page and API: in words of our own, and never 500."""
    browser, token = world.manager(), world.token(world.anna)
    lines = []
    for name, query in QUERIES.items():
        page = browser.get(f"/admin/invitations/?{query}")
        api = browser.client.get(
            f"/api/v1/invitations/?{query}",
            base_url=browser.base,
            headers={"Authorization": f"Bearer {token}"},
        )
        export = browser.get(f"/admin/invitations/export.csv?{query}")
        for answer in (page, api, export):
            assert answer.status_code < 500, (name, answer.text)
            assert_says_nothing(answer)
        lines.append(f"{name:<28}page {page.status_code}  api {api.status_code}  export {export.status_code}")
    assert_golden("query_strings.txt", "\n".join(lines))


PATHS = {
    "2^63": str(2**63), "5,000 digits": DIGITS, "0": "0", "-1": "-1", "letters": "x", "NUL": "%00", "1.5": "1.5",
    "SQL": "1%20OR%201=1", "Arabic digits": "%D9%A1", "climbing": "..%2f..", "not UTF-8": "%ff",
}  # fmt: skip


@pytest.mark.parametrize("pk", PATHS.values(), ids=PATHS.keys())
def test_what_an_id_in_a_path_can_do(world: World, pk: str) -> None:
    browser, token = world.manager(), world.token(world.anna)
    headers = {"Authorization": f"Bearer {token}"}
    calls = [
        ("GET", f"/admin/people/{pk}"),
        ("GET", f"/admin/people/{pk}/edit"),
        ("GET", f"/admin/memberships/{pk}/do/end"),
    ]
    calls += [(method, f"/api/v1/people/{pk}") for method in ("GET", "PUT", "DELETE")]
    calls += [("GET", f"/admin/memberships/do/end?id={pk}"), ("GET", f"/theme/{pk}.css")]
    for method, path in calls:
        answer = browser.client.open(
            path, method=method, base_url=browser.base, headers=headers, json={} if method == "PUT" else None
        )
        allowed = {200, 302, 400, 404} if "?" in path or path.startswith("/theme") else {404, 405, 308}
        assert answer.status_code in allowed, (method, path[:60], answer.status_code)
        assert_says_nothing(answer)


FORMS: dict[str, tuple[str, dict[str, str], set[int]]] = {
    "a relation of 5,000 digits": ("/admin/guardianships/add", {"guardian": DIGITS, "child": "1"}, {422}),
    "a relation 2^63": ("/admin/guardianships/add", {"guardian": str(2**63), "child": "1"}, {422}),
    "a relation that is SQL": ("/admin/guardianships/add", {"guardian": "1 OR 1=1", "child": "1"}, {422}),
    "a selection of 5,000 digits": ("/admin/memberships/do/end", {"id": DIGITS}, {302, 404}),
    "a selection of 5,000 rows": (
        "/admin/memberships/do/end",
        {"id": [str(n) for n in range(5000)]},
        {302, 413},
    ),  # type: ignore[dict-item]
    "a date out of the calendar": (
        "/admin/people/add",
        {"full_name": "A", "birth_date": "9999-99-99"},
        {422},
    ),
    "a date before Christ": ("/admin/people/add", {"full_name": "A", "birth_date": "-0044-03-15"}, {422}),
    "a text of 30,000": ("/admin/people/add", {"full_name": "A", "notes": "x" * 30_000}, {422}),
    "a megabyte": ("/admin/people/add", {"full_name": "x" * 1_000_000}, {422}),
    "3 megabytes": ("/admin/people/add", {"full_name": "x" * 3_000_000}, {413}),
    "3,000 members": (
        "/admin/people/add",
        {f"x{n}": "" for n in range(3000)} | {"full_name": "A"},
        {302, 413},
    ),
    "NUL in a member's name": ("/admin/people/add", {"full_name": "A", "x\0y": "1"}, {302}),
    "columns that are no fields": (
        "/admin/people/add",
        {"full_name": "A", "tenant_id": "2", "id": "7"},
        {302},
    ),
    "a right that is none": ("/admin/roles/add", {"name": "R", "rights": "\0"}, {422}),
    "a zone that is none": ("/account/", {"full_name": "A", "timezone": "../../etc/passwd"}, {422}),
    "a language that is none": ("/account/", {"full_name": "A", "locale": "x" * 500}, {422}),
    "preferences": ("/preferences/", {"locale": "\0", "theme": DIGITS, "next": "\0"}, {302}),
}


@pytest.mark.parametrize("case", FORMS.values(), ids=FORMS.keys())
def test_what_a_form_can_do(world: World, case: tuple[str, dict[str, str], set[int]]) -> None:
    path, fields, statuses = case
    browser = world.manager()
    answer = browser.post_raw(path, {**fields, "csrf_token": browser.csrf("/account/")})
    assert answer.status_code in statuses, answer.text[:2000]
    assert_says_nothing(answer)
    with world.app.app_context(), platform_scope("a test"):
        foreign = db.session.execute(
            text("SELECT count(*) FROM person WHERE full_name = 'A' AND tenant_id <> :id"),
            {"id": world.anna.id},
        )
        assert foreign.scalar() == 0


def body(value: Any) -> bytes:
    return json.dumps(value).encode()


BODIES: dict[str, tuple[bytes, dict[str, str], set[int]]] = {
    "half a surrogate pair": (b'{"full_name": "\\ud800"}', {}, {400, 422}),
    "half a pair as a member": (b'{"\\ud800": 1, "full_name": "A"}', {}, {400, 422}),
    "an integer of 5,000 digits": (b'{"full_name": ' + DIGITS.encode() + b"}", {}, {400, 422}),
    "1e999": (b'{"full_name": 1e999}', {}, {422, 201, 400}),
    "not UTF-8": (b'{"full_name": "\xff\xfe"}', {}, {400}),
    "UTF-16": ('{"full_name": "A"}'.encode("utf-16"), {}, {400, 201}),
    "100,000 levels": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, {}, {400}),
    "a member twice": (b'{"full_name": "A", "full_name": "B"}', {}, {201, 400, 422}),
    "2 MB": (body({"full_name": "x" * 2_000_000}), {}, {413}),
    "2 MB of blanks": (b" " * 2_000_000 + b"{}", {}, {413}),
    "unknown members": (body({"full_name": "A", "tenant_id": 2}), {}, {422}),
    "gzip": (gzip.compress(body({"full_name": "A"})), {"Content-Encoding": "gzip"}, {400, 415}),
    "plain text": (body({"full_name": "A"}), {"Content-Type": "text/plain"}, {415}),
    "a form": (b"full_name=A", {"Content-Type": "application/x-www-form-urlencoded"}, {415}),
    "multipart without a boundary": (b"--x", {"Content-Type": "multipart/form-data"}, {415}),
    "no type": (body({"full_name": "A"}), {"Content-Type": ""}, {415}),
    "XML": (b"<a/>", {"Content-Type": "application/xml"}, {415}),
    "a type of 10 kB": (b"{}", {"Content-Type": "application/" + "x" * 10_000}, {415}),
    "nothing": (b"", {}, {400}),
    "null": (b"null", {}, {400}),
    "a key with a line end": (body({"full_name": "A"}), {"Idempotency-Key": "a\tb"}, {422}),
    "a key of 10 kB": (body({"full_name": "A"}), {"Idempotency-Key": "k" * 10_000}, {422}),
}


@pytest.mark.parametrize("case", BODIES.values(), ids=BODIES.keys())
def test_what_a_json_body_can_do(world: World, case: tuple[bytes, dict[str, str], set[int]]) -> None:
    data, more, statuses = case
    base = f"http://{world.anna.host}"
    headers = {
        "Content-Type": "application/json",
        "Authorization": f"Bearer {world.token(world.anna)}",
        **more,
    }
    client = world.app.test_client()
    answer = client.post("/api/v1/people/", data=data, base_url=base, headers=headers)
    assert answer.status_code in statuses, (answer.status_code, answer.text[:500])
    assert answer.mimetype == (
        "application/json" if answer.status_code == 201 else "application/problem+json"
    )
    assert_says_nothing(answer)
    for path in ("/api/v1/auth/token", "/api/v1/auth/refresh"):
        auth = client.post(path, data=data, base_url=base, headers={**headers, "Authorization": ""})
        assert auth.status_code in {400, 413, 415}, (path, auth.status_code)
        assert_says_nothing(auth)
