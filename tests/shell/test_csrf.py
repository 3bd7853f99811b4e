"""No form of ours can be sent from elsewhere, no GET changes anything, and typed text survives an old token (F38)."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.test import TestResponse

from app.core.db import db
from app.core.transaction import transaction
from app.core.web.csrf import keeps_text
from app.domains.accounts.models import TENANT_ROLES
from config import Settings
from tests.domains.accounts.support import second_app
from tests.shell.support import SAFE, Address, addresses, changed, links, rows_for_all, state
from tests.support.databases import Database
from tests.support.entries import SAMPLES, unique
from tests.support.world import PASSWORD, Browser, World

# Three redirects of an operator's way into a company; they work by GET, each with a proof of its own.
HANDOVER = {"handover.arrive", "handover.start", "handover.ticket", "handover.out"}

FOREIGN = {"Origin": "http://evil.test", "Sec-Fetch-Site": "cross-site"}
VARIANTS: dict[str, dict[str, Any]] = {
    "foreign origin": {"headers": FOREIGN},
    "origin null": {"headers": {"Origin": "null"}},
    "a sibling of the site": {
        "headers": {"Origin": "http://bert.localhost:8000", "Sec-Fetch-Site": "same-site"}
    },
    "foreign origin, plain text": {"headers": FOREIGN, "content_type": "text/plain"},
    "foreign origin, JSON": {"headers": FOREIGN, "content_type": "application/json", "data": "{}"},
    "no origin, no token": {},
}
EVERYWHERE = ("foreign origin", "no origin, no token")
SOME = tuple(name for name in VARIANTS if name not in EVERYWHERE)


def body_of(world: World, address: Address, ids: Mapping[str, Sequence[int]]) -> dict[str, Any]:
    """What a real form would send, so that only the missing token stands in the way."""
    word, sample = unique(), SAMPLES.get(address.slug or "")
    last = address.path.rsplit("/", 1)[-1]
    if sample is not None and last == "add" and sample.form is not None:
        return dict(sample.form(world, word))
    if sample is not None and last == "edit" and sample.form is not None:
        return {**sample.form(world, word), **(sample.change or {})}
    if "/do/" in address.path:
        chosen = ids[address.slug or ""]
        return {
            "id": [str(i) for i in chosen],
            "reason": "no",
            "full_name": "N",
            "email": f"{word}@mail.test",
        }
    fields = {
        "email": "manager@anna.test", "password": PASSWORD, "repeat": PASSWORD, "full_name": "Changed", "locale": "de",
        "theme": "dark", "current": PASSWORD, "new": "another good password", "new_email": f"{word}@mail.test",
        "name": "Changed", "primary": "#123456", "timezone": "Europe/Berlin", "client_id": str(uuid4()),
        "body": "Changed", "headline": "Changed", "title": "Changed", "kind": "student", "attended": "yes",
        "birth_date": "2020-02-03", "starts_at": "2030-01-02T10:00:00+00:00",
    }  # fmt: skip
    return {**fields, "repeat": "another good password"} if last == "password" else fields


def unsafe_pages(world: World, ids: Mapping[str, Sequence[int]]) -> list[Address]:
    found = addresses(world.app, world, ids, links(world))
    pages = [a for a in found if set(a.rule.methods or ()) - SAFE and not a.path.startswith("/api/")]
    assert all(set(a.rule.methods or ()) - SAFE == {"POST"} for a in pages), (
        "pages know no other unsafe method"
    )
    return pages


def send(browser: Browser, path: str, body: dict[str, Any], variant: dict[str, Any]) -> TestResponse:
    options = {"data": body, **variant}
    return browser.client.post(path, base_url=browser.base, **options)


def is_sign_in(answer: TestResponse) -> bool:
    return answer.status_code == 302 and answer.location.startswith("/login/")


@pytest.mark.parametrize("place", ["platform", "tenant", "visitor", "tutor", "student"])
def test_no_unsafe_page_works_without_our_own_token(world: World, database: Database, place: str) -> None:
    """Every rule of the map but the API's, with everything right except the token."""
    ids = rows_for_all(world)
    pages = unsafe_pages(world, ids)
    assert len(pages) > 60
    if place in TENANT_ROLES:  # what the admin says to them is the same for everything in it
        pages = [address for address in pages if not address.path.startswith("/admin/")]
        browser = world.browser(world.anna.host, world.anna.email(place))
    else:
        browser = {"platform": world.operator, "tenant": world.manager}.get(place, lambda: None)()
        browser = browser or Browser(world.app, world.anna.host)
    browser.get("/login/")
    bodies = {address.path: body_of(world, address, ids) for address in pages}
    before, wrong, turn = state(database), [], itertools.cycle(SOME)
    for address in pages:
        for name in (*EVERYWHERE, next(turn)):
            answer = send(browser, address.path, bodies[address.path], VARIANTS[name])
            # Without a word of the browser on where the form stands, one that keeps its text is shown again.
            allowed = {400, 403, 404, 405} | ({401, 409, 422} if name == "no origin, no token" else set())
            if answer.status_code not in allowed and not is_sign_in(answer):
                wrong.append((address.path, name, answer.status_code))
    assert wrong == []
    assert changed(before, state(database)) == []
    if place != "visitor":
        assert browser.get("/account/").status_code == 200, "still signed in: /logout/ wants a token too"
    print(f"{place}: {len(pages)} addresses, {len(pages) * 3} requests")


def test_a_token_of_another_session_is_none(world: World, database: Database) -> None:
    """Login CSRF included: the attacker's own token does not sign a victim in as the attacker."""
    attacker, victim = Browser(world.app, world.anna.host), Browser(world.app, world.anna.host)
    victim.get("/login/")
    form = {"email": "manager@anna.test", "password": PASSWORD, "csrf_token": attacker.csrf("/login/")}
    assert victim.post_raw("/login/", form, headers=FOREIGN).status_code == 400
    assert victim.post_raw("/login/", form).status_code == 422
    manager, before = world.manager(), state(database)
    theirs = world.browser(world.anna.host, "tutor@anna.test").csrf("/account/")
    mid = state(database)
    assert changed(before, mid) == ["user_session"]
    for page, body in (
        ("/logout/", {}),
        ("/account/", {"full_name": "X"}),
        ("/admin/people/add", {"full_name": "X"}),
    ):
        answer = manager.post_raw(page, {**body, "csrf_token": theirs}, headers=FOREIGN)
        assert answer.status_code == 400
    assert state(database) == mid


def test_the_right_token_is_what_the_others_lacked(world: World, database: Database) -> None:
    """A control: the same bodies with the token do change something."""
    ids, done = rows_for_all(world), []
    browsers = {"platform": world.operator(), "tenant": world.manager()}
    pages = [
        a
        for a in unsafe_pages(world, ids)
        if a.slug in {"people", "roles", "plans"} and "/import" not in a.path
    ]
    for address in sorted(pages, key=lambda a: a.path.endswith("/delete")):
        browser = browsers["platform" if address.slug == "plans" else "tenant"]
        body, before = body_of(world, address, ids), state(database)
        answer = browser.post_raw(address.path, {**body, "csrf_token": browser.csrf("/account/")})
        if state(database) != before:
            assert answer.status_code == 302
            done.append(address.path.rsplit("/", 1)[-1])
    assert sorted(done) == ["add"] * 3 + ["delete"] * 3 + ["edit"] * 3


# -- GET only looks ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["platform", "tenant"])
def test_looking_changes_nothing(world: World, database: Database, place: str) -> None:
    """GET, HEAD and OPTIONS of the whole map: deletes and actions only ask."""
    ids = rows_for_all(world)
    alive = links(world)
    browser = world.operator() if place == "platform" else world.manager()
    every = [a for a in addresses(world.app, world, ids, alive) if a.rule.endpoint not in HANDOVER]
    for address in every:
        if address.rule.endpoint == "documents.receipt":
            browser.get(address.path)  # its PDF is drawn at the first look, where its job was slower
    before, wrong = state(database), []
    override = {"X-HTTP-Method-Override": "DELETE", "X-Method-Override": "POST", "Accept": "text/html"}
    for address in every:
        writes = set(address.rule.methods or ()) - SAFE
        for method in ("GET", "HEAD", "OPTIONS") if writes else ("GET",):
            query = f"?_method=DELETE&id={ids['people'][0]}"
            with browser.client.open(
                address.path + query, method=method, base_url=browser.base, headers=override
            ) as answer:
                if answer.status_code >= 500:
                    wrong.append((address.path, method, answer.status_code))
    assert wrong == []
    assert changed(before, state(database)) == []
    assert len(every) > 200
    assert browser.get("/account/").status_code == 200


def test_an_action_asks_before_it_acts(world: World) -> None:
    ids, manager = rows_for_all(world), world.manager()
    for path in (
        f"/admin/people/{ids['people'][0]}/delete",
        f"/admin/invitations/{ids['invitations'][0]}/do/withdraw",
        f"/admin/memberships/do/end?id={ids['memberships'][0]}&id={ids['memberships'][1]}",
    ):
        page = manager.get(path)
        assert page.status_code == 200
        assert page.text.count("<form") >= 1
        assert 'name="csrf_token"' in page.text


# -- A token that expired ----------------------------------------------------------------------------------

KEPT: dict[str, tuple[str, str, dict[str, str], str]] = {
    "add": ("tenant", "/admin/people/add", {"full_name": "Kept Text"}, "Kept Text"),
    "edit": ("tenant", "/admin/people/{people}/edit", {"full_name": "Kept Text"}, "Kept Text"),
    "brand": ("tenant", "/admin/brand/", {"name": "Kept Text", "primary": "#123456"}, "Kept Text"),
    "action": ("platform", "/admin/tenants/{tenants}/do/suspend", {"reason": "Kept Text"}, "Kept Text"),
    "company": ("platform", "/admin/tenants/add", {"name": "Kept Text", "slug": "kept"}, "Kept Text"),
    "login": ("visitor", "/login/", {"email": "kept@text.test", "password": PASSWORD}, "kept@text.test"),
    "forgot": ("visitor", "/forgot/", {"email": "kept@text.test"}, "kept@text.test"),
    "profile": ("tenant", "/account/", {"full_name": "Kept Text", "locale": "de"}, "Kept Text"),
    "address": ("tenant", "/account/email", {"new_email": "kept@text.test"}, "kept@text.test"),
}


@pytest.mark.parametrize("case", KEPT.values(), ids=KEPT.keys())
def test_typed_text_outlives_its_token_and_nothing_is_saved(
    world: World,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    case: tuple[str, str, dict[str, str], str],
) -> None:
    place, path, typed, kept = case
    ids = rows_for_all(world)
    path = path.format(people=world.anna.people["student"], tenants=world.anna.id)
    browser = {"platform": world.operator, "tenant": world.manager}.get(
        place, lambda: Browser(world.app, world.anna.host)
    )()
    token = browser.csrf("/account/" if place != "visitor" else "/login/")
    before = state(database)
    with monkeypatch.context() as patch:
        patch.setitem(world.app.config, "WTF_CSRF_TIME_LIMIT", -1)
        for stale in (token, "", "nonsense"):
            answer = browser.post_raw(path, {**typed, "csrf_token": stale})
            assert answer.status_code == 422, answer.text
            assert kept in answer.text
            assert "Nothing is lost: please send it again." in answer.text
            assert PASSWORD not in answer.text
    assert state(database) == before
    again = browser.post_raw(
        path, {**typed, "csrf_token": browser.csrf("/account/" if place != "visitor" else "/login/")}
    )
    assert again.status_code in {200, 302, 401, 422}
    assert "Nothing is lost" not in again.text, "the fresh token does"
    assert ids


def test_where_the_form_can_not_be_shown_again_the_page_says_so(world: World) -> None:
    manager = world.manager()
    person = world.anna.people["guardian"]
    back = f"{manager.base}/admin/people/{person}/delete"
    answer = manager.post_raw(f"/admin/people/{person}/delete", {}, headers={"Referer": back})
    assert answer.status_code == 400
    assert "This page had been open for too long" in answer.text
    assert f'href="/admin/people/{person}/delete"' in answer.text
    foreign = manager.post_raw(
        f"/admin/people/{person}/delete", {}, headers={"Referer": "http://evil.test/x"}
    )
    assert foreign.status_code == 400
    assert "evil.test" not in foreign.text


def test_a_view_that_keeps_text_can_not_save_on_that_way(
    world: World, database: Database, settings: Settings
) -> None:
    """Whatever such a view forgets to check, the transaction refuses."""
    with second_app(settings) as app:
        add_careless_view(app)
        browser = Browser(app, world.anna.host)
        browser.base = f"http://{world.anna.host}"
        token = browser.csrf("/login/")
        before = state(database)
        answer = browser.post_raw("/careless", {})
        assert answer.status_code == 403
        assert browser.post_raw("/careless", {}, headers=FOREIGN).status_code == 400
        assert state(database) == before
        assert browser.post_raw("/careless", {"csrf_token": token}).status_code == 200
        assert changed(before, state(database)) == ["person"]


def add_careless_view(app: Flask) -> None:
    @app.post("/careless")
    @keeps_text
    def careless() -> str:
        with transaction():
            db.session.execute(text("UPDATE person SET notes = 'written'"))
        return "written"


def test_every_view_that_keeps_text_is_known(app: Flask) -> None:
    """A new one must be thought about: it runs without a right token."""
    marked = {
        name.split(".")[-1] for name, view in app.view_functions.items() if getattr(view, "keeps_text", False)
    }
    assert marked == {
        "add",
        "brand",
        "call_off",
        "cancel",
        "do",
        "do_many",
        "edit",
        "forgot",
        "hold",
        "login",
        "move",
        "my_account",
        "my_email",
        "my_password",
        "new",
        "order",
        "register",
        "reply",
        "save",
        "set_date",
        "write",
    }
