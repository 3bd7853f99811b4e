"""A forgotten password: the link works once, for an hour, in one place, and nobody learns who has an account (F49)."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from werkzeug.test import TestResponse

from app.core import log
from app.core.db import db
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.accounts import policies, queries
from app.domains.accounts.service import account
from config import Settings
from tests.domains.accounts.support import (
    NEW_PASSWORD,
    join,
    later,
    link_to,
    mails_to,
    rows,
    run,
    unchanging,
)
from tests.support.databases import Database
from tests.support.statements import count_statements
from tests.support.world import PASSWORD, PLATFORM, Browser, World, drain

MANAGER = "manager@anna.test"


def ask(world: World, email: str = MANAGER, host: str | None = None) -> TestResponse:
    return Browser(world.app, host or world.anna.host).post("/forgot/", email=email)


def asked(world: World, database: Database, email: str = MANAGER) -> str:
    assert ask(world, email).status_code == 200
    return link_to(world.app, database, email, "reset")


def use(world: World, link: str, password: str = NEW_PASSWORD, host: str | None = None) -> TestResponse:
    browser = Browser(world.app, host or world.anna.host)
    form = {"password": password, "repeat": password, "csrf_token": browser.csrf("/login/")}
    return browser.post_raw(link, form)


def assert_dead(world: World, link: str, host: str | None = None) -> None:
    page = Browser(world.app, host or world.anna.host).get(link)
    assert page.status_code == 410
    assert "This link does not work any more" in page.text
    assert use(world, link, host=host).status_code == 410


def signs_in(world: World, password: str, email: str = MANAGER) -> bool:
    browser = Browser(world.app, world.anna.host)
    return browser.post("/login/", email=email, password=password).status_code == 302


# -- Asking ------------------------------------------------------------------------------------------------


def test_whoever_asks_reads_the_same_and_only_members_get_a_mail(world: World, database: Database) -> None:
    with world.app.app_context(), platform_scope("test"), transaction():
        account.close(queries.user(world.anna.accounts["tutor"]), by_user_id=world.operator_id)
    run(database, "UPDATE membership SET status = 'ended' WHERE id = %s", world.anna.memberships["student"])
    emails = [
        MANAGER, "nobody@nowhere.test", "tutor@anna.test", "student@anna.test", "manager@bert.test", "operator@wemaster.test"
    ]  # fmt: skip
    answers = [ask(world, email) for email in emails]
    assert {answer.status_code for answer in answers} == {200}
    assert len({unchanging(answer.text) for answer in answers}) == 1
    drain(world.app)
    assert rows(database, "SELECT recipient FROM mock_mail") == [(MANAGER,)]


def test_asking_does_the_same_work_for_every_address(world: World) -> None:
    """The statements are counted, not timed: known, unknown and foreign addresses cost the same."""
    with world.app.app_context():
        engine = db.engine
    browser = Browser(world.app, world.anna.host)
    token, seen = browser.csrf("/forgot/"), []
    for email in (MANAGER, "nobody@nowhere.test", "manager@bert.test"):
        with count_statements(engine) as statements:
            assert browser.post_raw("/forgot/", {"email": email, "csrf_token": token}).status_code == 200
        seen.append(list(statements))
    assert seen[0] == seen[1] == seen[2]
    assert any("outbox" in statement for statement in seen[0])


@pytest.mark.parametrize(
    "email", ["x", "a@b@c", "<script>alert(1)</script>@x.test", "{{7*7}}@x.test", "x" * 320]
)
def test_asking_for_nonsense(world: World, email: str) -> None:
    answer = ask(world, email)
    assert answer.status_code in {200, 422}
    assert "<script>alert" not in answer.text
    assert "49@x.test" not in answer.text


def test_mails_are_limited_in_silence(world: World, database: Database) -> None:
    answers = [ask(world) for _number in range(policies.MAILS_PER_ACCOUNT.hits + 3)]
    assert {answer.status_code for answer in answers} == {200}
    assert len({unchanging(answer.text) for answer in answers}) == 1
    assert len(mails_to(world.app, database, MANAGER)) == policies.MAILS_PER_ACCOUNT.hits
    with later(hours=1, seconds=1):
        ask(world)
        assert len(mails_to(world.app, database, MANAGER)) == policies.MAILS_PER_ACCOUNT.hits + 1


def test_the_link_leads_to_the_host_it_was_asked_on_not_to_the_one_that_was_claimed(
    world: World, database: Database
) -> None:
    browser = Browser(world.app, world.anna.host)
    form = {"email": MANAGER, "csrf_token": browser.csrf("/forgot/")}
    forged = {"X-Forwarded-Host": "evil.test", "X-Host": "evil.test", "Forwarded": "host=evil.test"}
    assert browser.post_raw("/forgot/", form, headers=forged).status_code == 200
    [(_subject, text, html)] = mails_to(world.app, database, MANAGER)
    assert "evil.test" not in text + html
    assert "http://anna.localhost:8000/reset/" in text


# -- Using -------------------------------------------------------------------------------------------------


def test_the_link_sets_a_password_ends_all_sessions_and_tells_the_owner(
    world: World, database: Database
) -> None:
    thief, token = world.manager(), world.token(world.anna)
    link = asked(world, database)
    answer = use(world, link)
    assert (answer.status_code, answer.location) == (302, "/login/"), answer.text
    assert thief.get("/account/").status_code == 302
    people = thief.client.get(
        "/api/v1/people/", base_url=thief.base, headers={"Authorization": f"Bearer {token}"}
    )
    assert people.status_code == 401
    assert not signs_in(world, PASSWORD)
    assert signs_in(world, NEW_PASSWORD)
    assert mails_to(world.app, database, MANAGER)[-1][0] == "Your password was changed"
    [(changes,)] = rows(database, "SELECT changes FROM audit_entry WHERE verb = 'password changed'")
    assert "argon2" not in str(changes)


def used(world: World, _database: Database, link: str) -> str | None:
    assert use(world, link).status_code == 302
    return None


def password_changed(world: World, _database: Database, _link: str) -> str | None:
    form = {"current": PASSWORD, "new": "a third good password", "repeat": "a third good password"}
    assert world.manager().post("/account/password", page="/account/", **form).status_code == 302
    return None


def email_changed(world: World, database: Database, _link: str) -> str | None:
    manager = world.manager()
    assert (
        manager.post(
            "/account/email", page="/account/", new_email="fresh@mail.test", password=PASSWORD
        ).status_code
        == 302
    )
    assert manager.post(link_to(world.app, database, "fresh@mail.test", "verify")).status_code == 200
    return None


def account_closed(_world: World, database: Database, _link: str) -> str | None:
    run(database, "UPDATE ab_user SET active = false WHERE email = %s", MANAGER)
    return None


def elsewhere(world: World, _database: Database, _link: str) -> str | None:
    """On the host of another company that the same account belongs to."""
    join(world, world.bert, world.anna.accounts["manager"], role_key="tutor")
    return world.bert.host


def on_the_platform(_world: World, _database: Database, _link: str) -> str | None:
    return PLATFORM


@pytest.mark.parametrize(
    "what", [used, password_changed, email_changed, account_closed, elsewhere, on_the_platform]
)
def test_what_kills_a_link(
    world: World, database: Database, what: Callable[[World, Database, str], str | None]
) -> None:
    link = asked(world, database)
    assert Browser(world.app, world.anna.host).get(link).status_code == 200
    host = what(world, database, link)
    before = rows(database, "SELECT id, password FROM ab_user ORDER BY id")
    assert_dead(world, link, host)
    assert rows(database, "SELECT id, password FROM ab_user ORDER BY id") == before


def test_an_hour(world: World, database: Database) -> None:
    link = asked(world, database)
    with later(minutes=59):
        assert Browser(world.app, world.anna.host).get(link).status_code == 200
    with later(hours=1, seconds=2):
        assert_dead(world, link)


def test_one_link_used_eight_times_at_once(world: World, database: Database) -> None:
    link = asked(world, database)
    browsers = [Browser(world.app, world.anna.host) for _number in range(8)]
    words = [f"password number {number}" for number in range(8)]
    forms = [
        {"password": w, "repeat": w, "csrf_token": b.csrf(link)} for w, b in zip(words, browsers, strict=True)
    ]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda b, form: b.post_raw(link, form).status_code, browsers, forms))
    assert sorted(answers) == [302] + [410] * 7
    assert signs_in(world, words[answers.index(302)])


@pytest.mark.parametrize("password", ["short", "passwordpassword", MANAGER, "x" * 257, "a\0" * 10, ""])
def test_a_bad_password_leaves_the_link_alive(world: World, database: Database, password: str) -> None:
    link = asked(world, database)
    assert use(world, link, password).status_code == 422
    assert signs_in(world, PASSWORD)
    assert use(world, link).status_code == 302


def test_links_that_were_tampered_with(world: World, database: Database) -> None:
    link = asked(world, database)
    payload, stamp, signature = link.removeprefix("/reset/").split(".")
    answer = world.manager().post("/admin/invitations/add", full_name="N", email="n@mail.test", role="tutor")
    assert answer.status_code == 302
    other = link_to(world.app, database, "n@mail.test", "invitation").removeprefix("/invitation/")
    for token in (
        f"{payload}x.{stamp}.{signature}",
        f"{payload}.{stamp}",
        "x",
        "%00",
        other,
        "é",
        "x" * 20_000,
    ):
        assert_dead(world, f"/reset/{token}")
    assert use(world, link).status_code == 302


# -- Where the token must not turn up ----------------------------------------------------------------------


def test_the_token_is_in_no_log_and_in_no_table(world: World, database: Database, settings: Settings) -> None:
    stream = io.StringIO()
    log.configure("json", "DEBUG", stream)
    try:
        link = asked(world, database)
        token = link.removeprefix("/reset/")
        Browser(world.app, world.anna.host).get(link)
        Browser(world.app, world.anna.host).get(f"{link}?next={link}")
        assert use(world, link, "short").status_code == 422
        assert use(world, link).status_code == 302
        assert_dead(world, link)
    finally:
        log.configure(settings.LOG_FORMAT, settings.LOG_LEVEL)
    lines = stream.getvalue()
    assert lines.count('"request"') >= 6, "the requests were logged"
    assert "/reset/[redacted]" in lines
    assert token not in lines
    assert token.rsplit(".", 1)[1] not in lines
    assert NEW_PASSWORD not in lines
    for table in ("outbox", "audit_entry", "user_session", "throttle", "ab_user"):
        assert token not in str(rows(database, f"SELECT * FROM {table}"))


def test_the_page_tells_its_address_to_nobody(world: World, database: Database) -> None:
    """No Referer to other origins, no cache, and nothing on the page that is fetched from elsewhere."""
    page = Browser(world.app, world.anna.host).get(asked(world, database))
    assert page.headers["Referrer-Policy"] in {"no-referrer", "same-origin"}
    assert page.headers["Cache-Control"] == "no-store"
    addresses = re.findall(r'(?:href|src|action)="([^"]*)"', page.text)
    assert addresses
    assert all(address.startswith(("/", "#")) and not address.startswith("//") for address in addresses)
