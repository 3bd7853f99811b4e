"""A new e-mail address: proved by a link that goes to it, and never taken from somebody else."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from werkzeug.test import TestResponse

from app.core.db import db
from app.domains.accounts import policies
from tests.domains.accounts.support import (
    NEW_PASSWORD,
    ends,
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

OLD, NEW = "manager@anna.test", "fresh@mail.test"


def ask(browser: Browser, email: str = NEW) -> TestResponse:
    return browser.post("/account/email", page="/account/", new_email=email, password=PASSWORD)


def asked(world: World, database: Database, email: str = NEW) -> tuple[Browser, str]:
    browser = world.manager()
    answer = ask(browser, email)
    assert answer.status_code == 302, answer.text
    return browser, link_to(world.app, database, email, "verify")


def addresses(database: Database) -> list[tuple[str, str]]:
    return rows(database, "SELECT email, username FROM ab_user ORDER BY id")


def assert_dead(browser: Browser, link: str) -> None:
    page = browser.get(link)
    assert page.status_code == 410
    token = browser.csrf("/account/" if browser.get("/account/").status_code == 200 else "/login/")
    assert browser.post_raw(link, {"csrf_token": token}).status_code == 410


def test_the_address_changes_when_the_link_is_followed_and_confirmed(
    world: World, database: Database
) -> None:
    browser, link = asked(world, database)
    before = addresses(database)
    page = browser.get(link)
    assert page.status_code == 200
    assert addresses(database) == before, "a mail scanner that follows links changes nothing"
    assert mails_to(world.app, database, OLD) == []
    assert browser.post(link).status_code == 200
    assert (NEW, NEW) in addresses(database)
    assert (OLD, OLD) not in addresses(database)
    assert (
        Browser(world.app, world.anna.host).post("/login/", email=OLD, password=PASSWORD).status_code == 401
    )
    assert NEW in world.browser(world.anna.host, NEW).get("/account/").text
    [(changes,)] = rows(database, "SELECT changes FROM audit_entry WHERE verb = 'e-mail address changed'")
    assert changes["email"] == [OLD, NEW]
    assert ends(database) == ["e-mail address changed"]
    mails = "SELECT full_name, email FROM person WHERE id = %s"
    assert rows(database, mails, world.anna.people["manager"]) == [("Manager anna", NEW)]
    assert len(mails_to(world.app, database, OLD)) == 1, "the former address is told"


def test_an_address_is_proved_by_its_link_and_other_persons_keep_theirs(
    world: World, database: Database
) -> None:
    """The office may write to somebody at another address than the one that signs in."""
    run(database, "UPDATE ab_user SET email_verified_at = NULL")
    run(database, "UPDATE person SET email = 'office@mail.test' WHERE id = %s", world.anna.people["manager"])
    browser, link = asked(world, database)
    assert browser.post(link).status_code == 200
    verified = "SELECT email, email_verified_at IS NULL FROM ab_user WHERE id = %s"
    assert rows(database, verified, world.anna.accounts["manager"]) == [(NEW, False)]
    assert rows(database, "SELECT email FROM person WHERE full_name = 'Manager anna'") == [
        ("office@mail.test",)
    ]


def test_the_link_works_once(world: World, database: Database) -> None:
    browser, link = asked(world, database)
    with world.app.app_context(), count_statements(db.engine) as seen:
        assert browser.post(link).status_code == 200
    locked = [each for each in seen if "FROM ab_user" in each and "UPDATE" in each.rpartition("FOR ")[2]]
    assert locked, "two who follow it at once take turns"
    assert_dead(browser, link)


def test_the_link_dies_with_the_password(world: World, database: Database) -> None:
    browser, link = asked(world, database)
    form = {"current": PASSWORD, "new": NEW_PASSWORD, "repeat": NEW_PASSWORD}
    assert browser.post("/account/password", page="/account/", **form).status_code == 302
    assert_dead(browser, link)


def test_the_link_dies_with_another_change(world: World, database: Database) -> None:
    browser, first = asked(world, database)
    assert ask(browser, "second@mail.test").status_code == 302
    second = link_to(world.app, database, "second@mail.test", "verify")
    assert browser.post(second).status_code == 200
    assert_dead(browser, first)


def test_a_day(world: World, database: Database) -> None:
    browser, link = asked(world, database)
    with later(hours=23, minutes=59):
        assert browser.get(link).status_code == 200
    with later(hours=24, seconds=2):
        assert_dead(browser, link)


@pytest.mark.parametrize("taken", ["tutor@anna.test", "tutor@bert.test", " Operator@WeMaster.test"])
def test_an_address_that_is_taken_is_refused_to_the_one_who_proves_it_only(
    world: World, database: Database, taken: str
) -> None:
    """Asking tells nothing: the words are the same for a free address, and the link goes to its owner."""
    free = world.browser(world.anna.host, "student@anna.test")
    words = [ask(free, "free@mail.test"), free.get("/account/")]
    browser = world.manager()
    same = [ask(browser, taken), browser.get("/account/")]
    assert [answer.status_code for answer in same] == [answer.status_code for answer in words]
    flash = "We sent a link to … . Your address changes when you follow it."
    assert [unchanging(page[1].text).count(flash.replace(" .", ".")) for page in (words, same)] == [1, 1]
    before = addresses(database)
    link = link_to(world.app, database, taken.strip().lower(), "verify")
    answer = browser.post(link)
    assert answer.status_code == 409
    assert "This address can&#39;t be used." in answer.text
    assert addresses(database) == before


def test_two_who_prove_one_address_at_once(world: World, database: Database) -> None:
    both = [world.manager(), world.browser(world.bert.host, "manager@bert.test")]
    links = []
    for browser in both:
        assert ask(browser).status_code == 302
        links.append(link_to(world.app, database, NEW, "verify"))
    forms = [{"csrf_token": browser.csrf(link)} for browser, link in zip(both, links, strict=True)]
    with ThreadPoolExecutor(2) as threads:
        answers = threads.map(lambda b, link, form: b.post_raw(link, form).status_code, both, links, forms)
        assert sorted(answers) == [200, 409]
    assert addresses(database).count((NEW, NEW)) == 1


@pytest.mark.parametrize(
    "email", ["", "x", "a@b@c", "a@mail.test\r\nBcc: b@mail.test", "a\0@mail.test", "x" * 400]
)
def test_an_address_that_is_none(world: World, database: Database, email: str) -> None:
    assert ask(world.manager(), email).status_code == 422
    drain(world.app)
    assert rows(database, "SELECT id FROM mock_mail") == []


def test_nobody_is_flooded_with_confirmations(world: World, database: Database) -> None:
    """An open session is no mail cannon: further mails are dropped in silence."""
    browser = world.manager()
    for number in range(policies.MAILS_PER_ACCOUNT.hits + 4):
        assert (
            ask(browser, "victim@mail.test" if number % 2 else f"victim{number}@mail.test").status_code == 302
        )
    drain(world.app)
    assert rows(database, "SELECT count(*) FROM mock_mail") == [(policies.MAILS_PER_ACCOUNT.hits,)]


def test_links_that_were_tampered_with(world: World, database: Database) -> None:
    browser, link = asked(world, database)
    payload, stamp, signature = link.removeprefix("/verify/").split(".")
    Browser(world.app, world.anna.host).post("/forgot/", email="tutor@anna.test")
    reset = link_to(world.app, database, "tutor@anna.test", "reset").removeprefix("/reset/")
    before = addresses(database)
    for token in (
        f"{payload}x.{stamp}.{signature}",
        f"{payload}.{stamp}",
        "x",
        "%00",
        reset,
        "é",
        "x" * 20_000,
    ):
        assert_dead(browser, f"/verify/{token}")
    assert addresses(database) == before


def test_a_visitor_asks_for_no_change(world: World, database: Database) -> None:
    browser = Browser(world.app, world.anna.host)
    form = {"new_email": NEW, "csrf_token": browser.csrf("/login/")}
    assert browser.post_raw("/account/email", form).status_code in {302, 401}
    drain(world.app)
    assert rows(database, "SELECT id FROM mock_mail") == []


def test_an_operator_changes_the_own_address_on_the_platform(world: World, database: Database) -> None:
    browser = world.operator()
    assert ask(browser).status_code == 302
    assert browser.post(link_to(world.app, database, NEW, "verify")).status_code == 200
    assert world.browser(PLATFORM, NEW).get("/admin/").status_code == 200
