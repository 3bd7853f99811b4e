"""Registering: the form that says the same for everybody, the mail, the link, and what it never gives."""

from __future__ import annotations

import datetime as dt
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote, unquote

import pytest
from werkzeug.test import TestResponse

from app.core import signing
from app.core.db import db
from app.core.errors import Invalid
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts import events, queries
from app.domains.accounts.models import Guardianship, Person
from app.domains.accounts.service import registration, signin
from app.domains.tenancy import queries as tenancy
from app.domains.tenancy import service as tenancy_service
from tests.domains.accounts.support import (
    NEW_PASSWORD,
    join,
    later,
    link_to,
    mails_to,
    own_role,
    rows,
    run,
    unchanging,
)
from tests.support.databases import Database
from tests.support.statements import count_statements
from tests.support.world import PASSWORD, PLATFORM, Browser, World, drain

NEWCOMER = "newcomer@mail.test"
NAME = "Nora New"
PLACES = """
    SELECT m.role_key, m.status, p.full_name FROM membership m
    JOIN ab_user u ON u.id = m.user_id JOIN person p ON p.id = m.person_id
    WHERE m.tenant_id = %s AND u.email = %s ORDER BY m.id
"""
ANNOUNCED = "SELECT payload FROM outbox WHERE name = 'accounts.RegistrationRequested'"
PASSWORDS = {"password": NEW_PASSWORD, "repeat": NEW_PASSWORD}


def ask(browser: Browser, email: str = NEWCOMER, kind: str = "student", **more: str) -> TestResponse:
    return browser.post("/register/", **{"full_name": NAME, "email": email, "kind": kind, **more})


def asked(world: World, database: Database, email: str = NEWCOMER, **more: str) -> str:
    """The link that the address got from anna's host."""
    answer = ask(Browser(world.app, world.anna.host), email, **more)
    assert answer.status_code == 200, answer.text
    return link_to(world.app, database, email, "register")


def follow(world: World, link: str, **more: str) -> tuple[Browser, TestResponse]:
    browser = Browser(world.app, world.anna.host)
    return browser, browser.post(link, **{"full_name": NAME, **PASSWORDS, **more})


def assert_dead(world: World, link: str, host: str | None = None) -> str:
    """410 for looking and for sending; returns the page."""
    browser = Browser(world.app, host or world.anna.host)
    page = browser.get(link)
    assert page.status_code == 410, page.text
    form = {"full_name": "N", **PASSWORDS, "csrf_token": browser.csrf("/login/")}
    assert browser.post_raw(link, form).status_code == 410
    return unchanging(page.text)


def add_person(world: World, name: str, email: str) -> int:
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        person = Person(full_name=name, email=email)
        session.add(person)
        session.flush()
        return int(person.id)


# -- The way in --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["student", "guardian"])
def test_from_the_form_to_a_seat(world: World, database: Database, kind: str) -> None:
    link = asked(world, database, kind=kind)
    [(subject, text, html)] = mails_to(world.app, database, NEWCOMER)
    assert subject == "Confirm your registration at Anna Tutors"
    assert "http://anna.localhost:8000" + link in text
    assert NAME not in text + html, "what a stranger types is not mailed to strangers"
    browser, answer = follow(world, link, full_name="Nora Newcomer")
    assert (answer.status_code, answer.location) == (302, "/"), answer.text
    assert NEWCOMER in browser.get("/account/").text
    assert rows(database, PLACES, world.anna.id, NEWCOMER) == [(kind, "active", "Nora Newcomer")]
    [(verified, name)] = rows(
        database, "SELECT email_verified_at, first_name FROM ab_user WHERE email = %s", NEWCOMER
    )
    assert verified is not None
    assert name == "Nora Newcomer"
    again = world.browser(world.anna.host, NEWCOMER, NEW_PASSWORD)
    assert again.get("/account/").status_code == 200
    assert again.get("/admin/").status_code == 403
    verbs = rows(
        database, "SELECT verb FROM audit_entry WHERE thing_type = 'membership' AND verb <> 'created'"
    )
    assert verbs == [("registered",)]


def in_zone(browser: Browser, zone: str) -> Browser:
    """A browser that chose a zone while it looked at free times."""
    with browser.client.session_transaction(base_url=browser.base) as cookie:
        cookie["zone"] = zone
    return browser


def test_the_zone_that_a_visitor_chose_becomes_their_account_s(world: World, database: Database) -> None:
    link = asked(world, database)
    browser = in_zone(Browser(world.app, world.anna.host), "America/New_York")
    assert browser.post(link, **{"full_name": NAME, **PASSWORDS}).status_code == 302
    zones = """
        SELECT u.timezone, p.timezone FROM ab_user u
        JOIN membership m ON m.user_id = u.id JOIN person p ON p.id = m.person_id WHERE u.email = %s
    """
    assert rows(database, zones, NEWCOMER) == [("America/New_York", "America/New_York")]


def test_a_zone_that_is_none_becomes_nobody_s(world: World, database: Database) -> None:
    link = asked(world, database)
    browser = in_zone(Browser(world.app, world.anna.host), "Mars/Olympus")
    assert browser.post(link, **{"full_name": NAME, **PASSWORDS}).status_code == 302
    assert rows(database, "SELECT timezone FROM ab_user WHERE email = %s", NEWCOMER) == [(None,)]


def test_the_zone_is_still_chosen_after_signing_in(world: World) -> None:
    browser = in_zone(Browser(world.app, world.anna.host), "America/New_York")
    browser.post("/login/", email=world.anna.email("student"), password=PASSWORD)
    with browser.client.session_transaction(base_url=browser.base) as cookie:
        assert cookie["zone"] == "America/New_York"


def test_others_are_told_of_a_new_member(
    world: World, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[events.PersonRegistered] = []
    monkeypatch.setitem(world.app.extensions["wiring"].now, events.PersonRegistered, (seen.append,))
    link = asked(world, database, kind="guardian")
    browser = Browser(world.app, world.anna.host)
    form = {"full_name": NAME, **PASSWORDS, "csrf_token": browser.csrf(link)}
    for _time in range(2):
        assert browser.post_raw(link, form).status_code == 302
        form["csrf_token"] = browser.csrf("/account/")
    [(person_id,)] = rows(database, "SELECT id FROM person WHERE email = %s", NEWCOMER)
    assert seen == [events.PersonRegistered(world.anna.id, person_id=person_id, role_key="guardian")]


def test_an_account_of_another_company_proves_its_password(world: World, database: Database) -> None:
    run(database, "UPDATE ab_user SET email_verified_at = NULL WHERE email = 'tutor@bert.test'")
    link = asked(world, database, "tutor@bert.test")
    page = Browser(world.app, world.anna.host).get(link)
    assert "You already have an account" in page.text
    assert "bert tutors" not in page.text.lower()
    assert "Tutor bert" not in page.text
    for wrong in ("wrong password", NEW_PASSWORD):
        browser, answer = follow(world, link, password=wrong)
        assert answer.status_code == 401
        assert browser.get("/account/").status_code == 302
    browser, answer = follow(world, link, password=PASSWORD)
    assert (answer.status_code, answer.location) == (302, "/"), answer.text
    assert rows(database, PLACES, world.anna.id, "tutor@bert.test") == [("student", "active", "Tutor bert")]
    proved = "SELECT email_verified_at IS NOT NULL FROM ab_user WHERE email = 'tutor@bert.test'"
    assert rows(database, proved) == [(True,)]
    assert world.browser(world.bert.host, "tutor@bert.test").get("/account/").status_code == 200


def test_a_tutor_of_this_company_learns_as_the_same_person(world: World, database: Database) -> None:
    assert world.browser(world.anna.host, "tutor@anna.test").get("/register/").status_code == 200
    _browser, answer = follow(world, asked(world, database, "tutor@anna.test"), password=PASSWORD)
    assert answer.status_code == 302, answer.text
    places = rows(database, PLACES, world.anna.id, "tutor@anna.test")
    assert places == [("tutor", "active", "Tutor anna"), ("student", "active", "Tutor anna")]
    [(persons,)] = rows(database, "SELECT count(*) FROM person WHERE email = 'tutor@anna.test'")
    assert persons == 1


def test_who_is_a_member_already_is_sent_on_or_shown_the_form(world: World) -> None:
    student = world.browser(world.anna.host, "student@anna.test")
    assert student.get("/register/?next=/account/").location == "/account/"
    assert student.get("/register/").location == "/"
    assert Browser(world.app, PLATFORM).get("/register/").status_code == 404


def test_the_language_of_the_visit_is_the_language_of_the_mails(world: World, database: Database) -> None:
    browser = Browser(world.app, world.anna.host)
    browser.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = "de"
    assert ask(browser).status_code == 200
    [(event,)] = rows(database, ANNOUNCED)
    assert event["locale"] == "de"
    follow(world, link_to(world.app, database, NEWCOMER, "register"))
    assert rows(database, "SELECT locale FROM person WHERE email = %s", NEWCOMER) == [("de",)]


# -- Where they were going ---------------------------------------------------------------------------------


def test_next_is_kept_from_the_sign_in_page_to_the_seat(world: World, database: Database) -> None:
    browser, target = Browser(world.app, world.anna.host), "/account/?hold=x7&a=b"
    page = browser.get(f"/login/?next={quote(target)}").text
    found = re.search(r'href="(/register/[^"]*)"', page)
    assert found, page
    form = browser.get(found.group(1).replace("&amp;", "&")).text
    assert 'name="next" type="hidden" value="/account/?hold=x7&amp;a=b"' in form
    assert re.search(r'href="/login/\?next=[^"]*hold[^"]*"', form), "and back to the sign-in page"
    link = asked(world, database, next=target)
    assert follow(world, link)[1].location == target
    answer = Browser(world.app, world.anna.host).get(link)
    assert unquote(answer.location) == f"/login/?next={target}"
    assert "/register/" not in Browser(world.app, PLATFORM).get("/login/").text


@pytest.mark.parametrize(
    "target",
    ["https://evil.test/", "//evil.test", "/\\evil.test", "javascript:alert(1)", "account", "/x" * 400],
)
def test_next_leads_nowhere_else(world: World, database: Database, target: str) -> None:
    browser = Browser(world.app, world.anna.host)
    if len(target) < 100:
        page = browser.get("/register/", query_string={"next": target}).text
        assert '<input name="next" type="hidden" value="">' in page
        assert '<a href="/login/">' in page
    assert follow(world, asked(world, database, next=target))[1].location == "/"


# -- What it tells -----------------------------------------------------------------------------------------


def test_every_address_gets_the_same_page_and_costs_the_same(world: World, database: Database) -> None:
    invited = world.manager().post(
        "/admin/invitations/add", full_name="I", email="invited@mail.test", role="tutor"
    )
    assert invited.status_code == 302
    run(database, "UPDATE ab_user SET active = false WHERE email = 'guardian@anna.test'")
    seen = []
    addresses = ("student@anna.test", "tutor@bert.test", "invited@mail.test", "guardian@anna.test",
                 "operator@wemaster.test", "nobody@mail.test")  # fmt: skip
    for email in addresses:
        browser = Browser(world.app, world.anna.host)
        token = browser.csrf("/register/")
        with world.app.app_context(), count_statements(db.engine) as statements:
            answer = browser.post_raw(
                "/register/", {"full_name": NAME, "email": email, "kind": "student", "csrf_token": token}
            )
        seen.append((answer.status_code, unchanging(answer.text), tuple(statements)))
    assert len(set(seen)) == 1
    assert seen[0][0] == 200
    for email in addresses:
        mails = [subject for subject, *_rest in mails_to(world.app, database, email)]
        assert mails.count("Confirm your registration at Anna Tutors") == 1


def test_a_mailbox_is_not_flooded_and_nothing_is_said_of_it(world: World, database: Database) -> None:
    pages = {unchanging(ask(Browser(world.app, world.anna.host)).text) for _try in range(7)}
    assert len(pages) == 1
    assert len(mails_to(world.app, database, NEWCOMER)) == 4
    with later(hours=1, seconds=1):
        ask(Browser(world.app, world.anna.host))
        assert len(mails_to(world.app, database, NEWCOMER)) == 5


def test_a_network_address_that_asks_too_often_waits(world: World, database: Database) -> None:
    browser = Browser(world.app, world.anna.host)
    token = browser.csrf("/register/")
    form = {"full_name": NAME, "kind": "student", "csrf_token": token}
    answers = [browser.post_raw("/register/", {**form, "email": f"n{n}@mail.test"}) for n in range(42)]
    assert [answer.status_code for answer in answers] == [200] * 40 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) > 0
    drain(world.app)
    assert rows(database, "SELECT count(*) FROM mock_mail") == [(40,)]


# -- Links -------------------------------------------------------------------------------------------------


def test_a_link_that_was_used_leads_to_the_sign_in_page(world: World, database: Database) -> None:
    link = asked(world, database)
    assert follow(world, link)[1].status_code == 302
    other = Browser(world.app, world.anna.host)
    answer = other.get(link)
    assert (answer.status_code, answer.location) == (302, "/login/")
    assert "You are registered here already. Please sign in." in other.get("/login/").text
    assert rows(database, PLACES, world.anna.id, NEWCOMER) == [("student", "active", NAME)]


def test_used_again_it_sets_no_new_password(world: World, database: Database) -> None:
    link = asked(world, database)
    stale = Browser(world.app, world.anna.host)
    form = {"full_name": NAME, "csrf_token": stale.csrf(link)}
    assert follow(world, link)[1].status_code == 302
    thief = "the thief's password"
    answer = stale.post_raw(link, {**form, "password": thief, "repeat": thief})
    assert answer.status_code == 401
    assert stale.get("/account/").status_code == 302, "not signed in"
    assert world.browser(world.anna.host, NEWCOMER, NEW_PASSWORD).get("/account/").status_code == 200


def test_one_link_followed_in_six_browsers_at_once(world: World, database: Database) -> None:
    """One account, one person, one place: whoever chose the password is in, the others are asked for it."""
    link = asked(world, database)
    browsers = [Browser(world.app, world.anna.host) for _number in range(6)]
    words = [f"password number {number}" for number in range(6)]
    forms = [
        {"full_name": NAME, "password": w, "repeat": w, "csrf_token": b.csrf(link)}
        for w, b in zip(words, browsers, strict=True)
    ]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda b, form: b.post_raw(link, form), browsers, forms))
    inside = [b for b in browsers if b.get("/account/").status_code == 200]
    assert len(inside) == 1
    assert [a.location for a in answers].count("/") == 1
    for answer in answers:
        # 409: where the machine is busy, whoever waited too long for a turn is asked to look again.
        assert answer.status_code in {401, 409} or answer.location in {"/", link}
    assert rows(database, PLACES, world.anna.id, NEWCOMER) == [("student", "active", NAME)]
    assert rows(database, "SELECT count(*) FROM person WHERE email = %s", NEWCOMER) == [(1,)]


def test_a_double_click_on_the_last_button_signs_in(world: World, database: Database) -> None:
    link = asked(world, database)
    browsers = [Browser(world.app, world.anna.host) for _number in range(3)]
    forms = [{"full_name": NAME, **PASSWORDS, "csrf_token": b.csrf(link)} for b in browsers]
    with ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda b, form: b.post_raw(link, form), browsers, forms))
    assert [(a.status_code, a.location) for a in answers] == [(302, "/")] * 3
    assert all(b.get("/account/").status_code == 200 for b in browsers)
    assert rows(database, PLACES, world.anna.id, NEWCOMER) == [("student", "active", NAME)]


def test_a_link_lives_for_a_day_and_on_its_own_host(world: World, database: Database) -> None:
    link = asked(world, database)
    with later(hours=23, minutes=59):
        assert Browser(world.app, world.anna.host).get(link).status_code == 200
    with later(hours=24, seconds=2):
        assert "Register again" in assert_dead(world, link)
    assert_dead(world, link, world.bert.host)
    assert Browser(world.app, PLATFORM).get(link).status_code == 404
    assert follow(world, link)[1].status_code == 302, "still good where it belongs"


def test_links_that_were_tampered_with_all_look_the_same(world: World, database: Database) -> None:
    link = asked(world, database)
    payload, stamp, signature = link.removeprefix("/register/").rsplit(".", 2)
    browser = Browser(world.app, world.anna.host)
    browser.post("/forgot/", email="manager@anna.test")
    reset = link_to(world.app, database, "manager@anna.test", "reset").removeprefix("/reset/")
    tokens = [
        f"{payload}x.{stamp}.{signature}", f"{payload}.{stamp}", reset, "x", "%00", "é", "x" * 20_000
    ]  # fmt: skip
    assert len({assert_dead(world, f"/register/{token}") for token in tokens}) == 1
    assert (
        Browser(world.app, world.anna.host).get(f"/reset/{link.removeprefix('/register/')}").status_code
        == 410
    )


def test_looking_at_a_link_changes_nothing(world: World, database: Database) -> None:
    link = asked(world, database)
    for _time in range(3):
        page = Browser(world.app, world.anna.host).get(link)
        assert page.status_code == 200
        assert f'value="{NAME}"' in page.text
    assert rows(database, "SELECT id FROM ab_user WHERE email = %s", NEWCOMER) == []
    assert page.headers["Cache-Control"] == "no-store"


# -- What it never gives -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["manager", "tutor", "operator", "own:1", "", "STUDENT"])
def test_no_other_role_can_be_asked_for(world: World, database: Database, kind: str) -> None:
    assert ask(Browser(world.app, world.anna.host), kind=kind).status_code == 422
    assert rows(database, ANNOUNCED) == []
    with world.app.app_context():
        payload = [world.anna.id, NEWCOMER, NAME, kind, "", None]
        tokens = [signing.sign(registration.REGISTER, said) for said in (payload, payload[:4])]
    for token in tokens:
        assert_dead(world, f"/register/{token}")


def test_nor_of_the_service(world: World, database: Database) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id), pytest.raises(Invalid) as refused:
        registration.request(
            full_name=NAME, email=NEWCOMER, kind="manager", next_path="", locale=None,
            tenant_id=world.anna.id, ip=None,
        )  # fmt: skip
    assert (refused.value.field, str(refused.value)) == ("kind", "Please choose one.")
    assert rows(database, ANNOUNCED) == []


def test_an_open_invitation_is_not_taken_on_the_way(world: World, database: Database) -> None:
    answer = world.manager().post("/admin/invitations/add", full_name="Mia", email=NEWCOMER, role="manager")
    assert answer.status_code == 302
    invitation = link_to(world.app, database, NEWCOMER, "invitation")
    browser, answer = follow(world, asked(world, database))
    assert answer.status_code == 302, answer.text
    assert browser.get("/admin/").status_code == 403
    assert rows(database, PLACES, world.anna.id, NEWCOMER) == [("student", "active", "Mia")]
    assert rows(database, "SELECT status FROM invitation") == [("pending",)]
    assert browser.post(invitation, password=NEW_PASSWORD).status_code == 302
    assert browser.get("/admin/").status_code == 200
    assert rows(database, "SELECT count(*) FROM person WHERE email = %s", NEWCOMER) == [(1,)]


def test_what_a_company_took_away_stays_away(world: World, database: Database) -> None:
    run(database, "UPDATE membership SET status = 'ended' WHERE id = %s", world.anna.memberships["student"])
    for kind in ("student", "guardian"):
        link = asked(world, database, "student@anna.test", kind=kind)
        browser, answer = follow(world, link, password=PASSWORD)
        assert answer.status_code == 409
        assert "Your access here was ended" in answer.text
        assert browser.get("/account/").status_code == 302
        assert "was ended" not in follow(world, link, password="a wrong password")[1].text
    assert rows(database, PLACES, world.anna.id, "student@anna.test") == [
        ("student", "ended", "Student anna")
    ]


def test_a_closed_account_does_not_come_in(world: World, database: Database) -> None:
    link = asked(world, database, "tutor@bert.test")
    run(database, "UPDATE ab_user SET active = false WHERE email = 'tutor@bert.test'")
    assert follow(world, link, password=PASSWORD)[1].status_code == 401
    assert rows(database, PLACES, world.anna.id, "tutor@bert.test") == []


def test_guessing_the_password_behind_a_link_is_counted(world: World, database: Database) -> None:
    link = asked(world, database, "tutor@bert.test")
    answers = [follow(world, link, password="wrong wrong wrong")[1].status_code for _try in range(9)]
    assert answers == [401] * 8 + [429]


def test_a_suspended_company_takes_nobody(world: World, database: Database) -> None:
    link, browser = asked(world, database), Browser(world.app, world.anna.host)
    token = browser.csrf("/register/")
    assert ask(browser, "second@mail.test").status_code == 200
    with world.app.app_context(), platform_scope("test"), transaction():
        tenancy_service.suspend(tenancy.tenant(world.anna.id), reason="test")
    world.app.extensions["places"].forget()
    form = {"full_name": NAME, "email": NEWCOMER, "kind": "student", "csrf_token": token, **PASSWORDS}
    for path in ("/register/", link):
        assert browser.get(path).status_code == 503
        assert browser.post_raw(path, form).status_code == 503
    assert mails_to(world.app, database, "second@mail.test") == []
    assert rows(database, "SELECT id FROM ab_user WHERE email = %s", NEWCOMER) == []


# -- Whom the company knows already ------------------------------------------------------------------------


def test_the_one_person_with_this_address_is_the_one_who_registers(world: World, database: Database) -> None:
    person_id = add_person(world, "Nora as the office wrote her", NEWCOMER)
    with world.app.app_context(), tenant_scope(world.bert.id), transaction() as session:
        session.add(Person(full_name="Nora of another company", email=NEWCOMER))
    assert follow(world, asked(world, database))[1].status_code == 302
    mine = "SELECT person_id FROM membership m JOIN ab_user u ON u.id = m.user_id WHERE u.email = %s"
    assert rows(database, mine, NEWCOMER) == [(person_id,)]
    assert rows(database, "SELECT full_name FROM person WHERE id = %s", person_id) == [
        ("Nora as the office wrote her",)
    ]


def test_two_who_share_an_address_are_not_told_apart(world: World, database: Database) -> None:
    known = {add_person(world, "Ada", NEWCOMER), add_person(world, "Ben", NEWCOMER)}
    assert follow(world, asked(world, database))[1].status_code == 302
    mine = "SELECT person_id FROM membership m JOIN ab_user u ON u.id = m.user_id WHERE u.email = %s"
    [(person_id,)] = rows(database, mine, NEWCOMER)
    assert person_id not in known


def test_a_person_with_an_account_is_nobody_elses(world: World, database: Database) -> None:
    """The office mistyped an address: its owner must not become the student it was written at."""
    run(database, "UPDATE person SET email = %s WHERE id = %s", NEWCOMER, world.anna.people["student"])
    assert follow(world, asked(world, database))[1].status_code == 302
    mine = "SELECT person_id FROM membership m JOIN ab_user u ON u.id = m.user_id WHERE u.email = %s"
    assert rows(database, mine, NEWCOMER) != [(world.anna.people["student"],)]


@pytest.mark.parametrize(("kind", "is_child"), [("guardian", False), ("student", True)])
def test_a_child_with_its_parents_address(
    world: World, database: Database, kind: str, is_child: bool
) -> None:
    child_id = add_person(world, "Zoe", NEWCOMER)
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.add(Guardianship(guardian_id=world.anna.people["guardian"], child_id=child_id))
    assert follow(world, asked(world, database, kind=kind))[1].status_code == 302
    mine = "SELECT person_id FROM membership m JOIN ab_user u ON u.id = m.user_id WHERE u.email = %s"
    [(person_id,)] = rows(database, mine, NEWCOMER)
    assert (person_id == child_id) is is_child


# -- Hostile input -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"full_name": "x" * 1_000_000},
        {"full_name": "x" * 121},
        {"full_name": " \u3000 "},
        {"full_name": "a\x00b"},
        {"full_name": "a\r\nBcc: all@mail.test"},
        {"full_name": "a\u2028b"},
        {"email": "no address"},
        {"email": "a@b@c.test"},
        {"email": "x" * 400 + "@mail.test"},
        {"email": "a\r\nBcc:b@mail.test"},
        {"email": ""},
        {"next": "/a\x00b"},
        {"csrf_token": "wrong"},
    ],
    ids=lambda more: "{}={!r:.24}".format(*next(iter(more.items()))),
)
def test_what_is_refused_is_shown_again(world: World, database: Database, more: dict[str, str]) -> None:
    browser = Browser(world.app, world.anna.host)
    form = {"full_name": NAME, "email": NEWCOMER, "kind": "student", "csrf_token": browser.csrf("/register/")}
    answer = browser.post_raw("/register/", {**form, **more})
    assert answer.status_code == 422, answer.text[:500]
    assert "You are not registered yet." in answer.text
    assert rows(database, ANNOUNCED) == []


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Zoë 👩‍👩‍👧 O'Brien <b>", "Zoë 👩‍👩‍👧 O'Brien <b>"),
        ("\u202eevil\u202c Nora", "evil Nora"),
        ("محمد علي", "محمد علي"),
        ("👩" * 120, "👩" * 120),
        ("陳" * 120, "陳" * 120),
    ],
    ids=["emoji", "direction marks", "arabic", "long emoji", "long chinese"],
)
def test_names_of_all_kinds_come_through(world: World, database: Database, name: str, kept: str) -> None:
    link = asked(world, database, full_name=name, next="/" + "n" * 399)
    assert len(link) < 4000, "servers take no longer request line"
    page = Browser(world.app, world.anna.host).get(link).text
    assert "<b>" not in page
    assert follow(world, link, full_name=name)[1].status_code == 302
    assert rows(database, "SELECT full_name FROM person WHERE email = %s", NEWCOMER) == [(kept,)]


@pytest.mark.parametrize(
    "more",
    [
        {"password": "short", "repeat": "short"},
        {"repeat": "something else"},
        {"full_name": "  "},
        {"password": NEWCOMER, "repeat": NEWCOMER},
        {"password": "a" * 257, "repeat": "a" * 257},
    ],
)
def test_what_is_refused_leaves_the_link_alive(
    world: World, database: Database, more: dict[str, str]
) -> None:
    link = asked(world, database)
    assert follow(world, link, **more)[1].status_code == 422
    assert rows(database, "SELECT id FROM ab_user WHERE email = %s", NEWCOMER) == []
    assert follow(world, link)[1].status_code == 302


# -- What a viewer is here ---------------------------------------------------------------------------------


def test_a_viewer_knows_its_roles_by_one_statement(world: World) -> None:
    anna = world.anna
    role_id = own_role(world, anna, "Front desk", "person.read")
    join(world, anna, anna.accounts["student"], role_id=role_id)
    join(world, anna, anna.accounts["student"], role_key="tutor")
    assert keys_of(world, anna.accounts["student"], anna.id) == {"student", "tutor"}
    assert keys_of(world, anna.accounts["manager"], anna.id) == {"manager"}
    assert keys_of(world, world.operator_id, None) == set()


def keys_of(world: World, account_id: int, tenant_id: int | None) -> Any:
    scoped = tenant_scope(tenant_id) if tenant_id else platform_scope("test")
    device = signin.Device(None, None)
    with world.app.app_context():
        with platform_scope("test"), transaction():
            life = {"kind": "web", "device": device, "life": dt.timedelta(hours=1)}
            made = signin.start_session(queries.user(account_id), tenant_id=tenant_id, **life)
        with scoped, count_statements(db.engine) as statements:
            seen = queries.viewer_of_session_id(made.session_id, tenant_id=tenant_id, ip=None)
    assert seen is not None
    assert len(statements) == 1
    return seen.viewer.role_keys
