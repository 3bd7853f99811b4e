"""Joining by invitation: the mail, the link, and what makes a link die."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import delete
from werkzeug.test import TestResponse

from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Invitation, Person
from tests.domains.accounts.support import (
    NEW_PASSWORD,
    later,
    link_to,
    mails_to,
    rows,
    run,
    unchanging,
    verbs,
)
from tests.support.databases import Database
from tests.support.world import PASSWORD, PLATFORM, Browser, World, drain

NEWCOMER = "newcomer@mail.test"
MEMBERS = """
    SELECT u.email, m.role_key, m.status FROM membership m JOIN ab_user u ON u.id = m.user_id
    WHERE m.tenant_id = %s AND u.email = %s
"""


def invite(
    browser: Browser, email: str = NEWCOMER, role: str = "tutor", name: str = "Nora New"
) -> TestResponse:
    return browser.post("/admin/invitations/add", full_name=name, email=email, role=role)


def invited(world: World, database: Database, email: str = NEWCOMER, role: str = "tutor") -> str:
    """The link that the address got from anna's manager."""
    answer = invite(world.manager(), email, role)
    assert answer.status_code == 302, answer.text
    return link_to(world.app, database, email, "invitation")


def accept(world: World, link: str, host: str | None = None, **more: Any) -> tuple[Browser, TestResponse]:
    browser = Browser(world.app, host or world.anna.host)
    form = {"full_name": "Nora Newcomer", "password": NEW_PASSWORD, "repeat": NEW_PASSWORD, **more}
    return browser, browser.post(link, **form)


def assert_dead(world: World, link: str, host: str | None = None) -> str:
    """410 for looking and for sending; returns the page."""
    browser = Browser(world.app, host or world.anna.host)
    page = browser.get(link)
    assert page.status_code == 410, page.text
    assert "This link does not work any more" in page.text
    form = {
        "full_name": "N",
        "password": NEW_PASSWORD,
        "repeat": NEW_PASSWORD,
        "csrf_token": browser.csrf("/login/"),
    }
    assert browser.post_raw(link, form).status_code == 410
    return unchanging(page.text)


# -- The way in --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("role", "arrives"), [("manager", "/admin/"), ("tutor", "/")])
def test_from_the_mail_to_a_seat(world: World, database: Database, role: str, arrives: str) -> None:
    link = invited(world, database, role=role)
    [(subject, text, html)] = mails_to(world.app, database, NEWCOMER)
    assert subject == "Manager anna invites you to Anna Tutors"
    assert "http://anna.localhost:8000" + link in text
    assert "manager@anna.test" not in text + html
    browser, answer = accept(world, link)
    assert (answer.status_code, answer.location) == (302, "/arrive/"), answer.text
    assert browser.get("/arrive/").location == arrives
    assert NEWCOMER in browser.get("/account/").text
    assert browser.get("/admin/people/").status_code == (200 if role == "manager" else 403)
    assert rows(database, MEMBERS, world.anna.id, NEWCOMER) == [(NEWCOMER, role, "active")]
    assert rows(database, "SELECT full_name FROM person WHERE email = %s", NEWCOMER) == [("Nora Newcomer",)]
    again = world.browser(world.anna.host, NEWCOMER, NEW_PASSWORD)
    assert again.get("/account/").status_code == 200
    verbs = rows(database, "SELECT verb FROM audit_entry WHERE thing_type = 'invitation' ORDER BY id")
    assert verbs == [("invited",), ("changed",), ("accepted",)]  # changed: the mail's job noted when it went


def test_the_operator_invites_a_companys_first_manager(world: World, database: Database) -> None:
    answer = world.operator().post(
        f"/admin/tenants/{world.anna.id}/do/invite-manager", full_name="Mia", email=NEWCOMER
    )
    assert answer.status_code == 302, answer.text
    browser, answer = accept(world, link_to(world.app, database, NEWCOMER, "invitation"))
    assert browser.get("/admin/people/").status_code == 200


def test_an_account_of_another_company_joins_with_its_own_password(world: World, database: Database) -> None:
    link = invited(world, database, "tutor@bert.test", "manager")
    page = Browser(world.app, world.anna.host).get(link)
    assert "You already have an account" in page.text
    assert "Bert" not in page.text
    for wrong in ("wrong password", NEW_PASSWORD):
        browser, answer = accept(world, link, password=wrong)
        assert answer.status_code == 401
        assert browser.get("/account/").status_code == 302
    browser, answer = accept(world, link, password=PASSWORD)
    assert answer.status_code == 302, answer.text
    assert browser.get("/admin/people/").status_code == 200
    [(count,)] = rows(database, "SELECT count(*) FROM ab_user WHERE email = 'tutor@bert.test'")
    assert count == 1
    both = "SELECT tenant_id FROM membership WHERE user_id = %s ORDER BY 1"
    assert rows(database, both, world.bert.accounts["tutor"]) == [(world.anna.id,), (world.bert.id,)]
    assert world.browser(world.bert.host, "tutor@bert.test").get("/account/").status_code == 200


def test_a_manager_can_not_tell_an_address_that_exists_elsewhere(world: World) -> None:
    """The same pages for an address of another company as for one that nobody has, before and after the mail."""
    seen = []
    for email in ("tutor@bert.test", "nobody@bert.test"):
        browser = world.manager()
        answer = invite(browser, email)
        before = browser.get(answer.location)
        drain(world.app)
        pages = [answer, before, browser.get(answer.location), browser.get("/admin/people/?q=bert")]
        seen.append([(page.status_code, re.sub(r"\d+", "", unchanging(page.text))) for page in pages])
        with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
            session.execute(delete(Invitation))
            session.execute(delete(Person).where(Person.email == email))
    assert seen[0] == seen[1]


def test_a_closed_account_does_not_come_in_by_an_invitation(world: World, database: Database) -> None:
    link = invited(world, database, "tutor@bert.test")
    run(database, "UPDATE ab_user SET active = false WHERE email = 'tutor@bert.test'")
    _browser, answer = accept(world, link, password=PASSWORD)
    assert answer.status_code == 401
    assert rows(database, MEMBERS, world.anna.id, "tutor@bert.test") == []


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"password": "short", "repeat": "short"}, 422),
        ({"repeat": "something else"}, 422),
        ({"full_name": "  "}, 422),
        ({"password": NEWCOMER, "repeat": NEWCOMER}, 422),
        ({"password": "a" * 257, "repeat": "a" * 257}, 422),
        ({"csrf_token": "wrong"}, 400),
    ],
)
def test_what_is_refused_leaves_the_link_alive(
    world: World, database: Database, more: dict[str, str], status: int
) -> None:
    link = invited(world, database)
    browser = Browser(world.app, world.anna.host)
    form = {
        "full_name": "N",
        "password": NEW_PASSWORD,
        "repeat": NEW_PASSWORD,
        "csrf_token": browser.csrf(link),
    }
    assert browser.post_raw(link, {**form, **more}).status_code == status
    assert rows(database, "SELECT id FROM ab_user WHERE email = %s", NEWCOMER) == []
    assert accept(world, link)[1].status_code == 302


def test_it_signs_out_whoever_used_the_browser_before(world: World, database: Database) -> None:
    link, browser = invited(world, database), world.browser(world.anna.host, "student@anna.test")
    form = {"full_name": "N", "password": NEW_PASSWORD, "repeat": NEW_PASSWORD}
    assert browser.post(link, **form).status_code == 302
    assert NEWCOMER in browser.get("/account/").text
    live = "SELECT u.email FROM user_session s JOIN ab_user u ON u.id = s.user_id WHERE s.ended_at IS NULL ORDER BY 1"
    assert rows(database, live) == [("manager@anna.test",), (NEWCOMER,)]


def invitation_id(database: Database) -> int:
    [(found,)] = rows(database, "SELECT id FROM invitation")
    return int(found)


def test_who_was_a_member_before_is_one_again(world: World, database: Database) -> None:
    """The same membership in the same role; whoever is one meanwhile has no use for the link."""
    membership_id = world.anna.memberships["tutor"]
    run(database, "UPDATE membership SET status = 'ended' WHERE id = %s", membership_id)
    run(database, "UPDATE ab_user SET email_verified_at = NULL WHERE email = 'tutor@anna.test'")
    link = invited(world, database, "tutor@anna.test")
    run(database, "UPDATE membership SET status = 'active' WHERE id = %s", membership_id)
    assert accept(world, link, password=PASSWORD)[1].status_code == 409
    run(database, "UPDATE membership SET status = 'ended' WHERE id = %s", membership_id)
    assert accept(world, link, password=PASSWORD)[1].status_code == 302
    assert rows(database, MEMBERS, world.anna.id, "tutor@anna.test") == [
        ("tutor@anna.test", "tutor", "active")
    ]
    assert verbs(database, "membership") == ["restored"]
    proved = "SELECT email_verified_at IS NOT NULL FROM ab_user WHERE email = 'tutor@anna.test'"
    assert rows(database, proved) == [(True,)]


# -- Dead links --------------------------------------------------------------------------------------------


def use(world: World, _database: Database, link: str) -> None:
    assert accept(world, link)[1].status_code == 302


def withdraw(world: World, database: Database, _link: str) -> None:
    [(invitation_id,)] = rows(database, "SELECT id FROM invitation")
    assert world.manager().post(f"/admin/invitations/{invitation_id}/do/withdraw").status_code == 302


@pytest.mark.parametrize("kill", [use, withdraw])
def test_a_link_that_was_used_or_withdrawn(
    world: World, database: Database, kill: Callable[[World, Database, str], None]
) -> None:
    link = invited(world, database)
    kill(world, database, link)
    assert_dead(world, link)
    assert verbs(database, "invitation") == ["invited", "accepted" if kill is use else "withdrawn"]
    resent = world.manager().post(f"/admin/invitations/{invitation_id(database)}/do/resend")
    assert resent.status_code == 409


def test_a_link_that_was_sent_again(world: World, database: Database) -> None:
    old = invited(world, database)
    [(invitation_id,)] = rows(database, "SELECT id FROM invitation")
    assert world.manager().post(f"/admin/invitations/{invitation_id}/do/resend").status_code == 302
    new = link_to(world.app, database, NEWCOMER, "invitation")
    assert new != old
    assert_dead(world, old)
    assert accept(world, new)[1].status_code == 302
    assert verbs(database, "invitation") == ["invited", "invited again", "accepted"]


def test_a_link_expires_after_seven_days(world: World, database: Database) -> None:
    link = invited(world, database)
    with later(days=6, hours=23):
        assert Browser(world.app, world.anna.host).get(link).status_code == 200
    with later(days=7, seconds=2):
        assert_dead(world, link)


def test_a_link_ends_with_its_invitation_even_if_its_mail_was_late(world: World, database: Database) -> None:
    assert invite(world.manager()).status_code == 302
    with later(days=6, hours=12):
        link = link_to(world.app, database, NEWCOMER, "invitation")
    with later(days=7, hours=1):
        assert_dead(world, link)


def test_a_link_on_another_host(world: World, database: Database) -> None:
    link = invited(world, database)
    assert_dead(world, link, world.bert.host)
    assert Browser(world.app, PLATFORM).get(link).status_code == 404
    assert accept(world, link)[1].status_code == 302, "still good where it belongs"


def test_links_that_were_tampered_with_all_look_the_same(world: World, database: Database) -> None:
    link = invited(world, database)
    token = link.removeprefix("/invitation/")
    payload, stamp, signature = token.split(".")
    browser = Browser(world.app, world.anna.host)
    browser.post("/forgot/", email="manager@anna.test")
    reset = link_to(world.app, database, "manager@anna.test", "reset").removeprefix("/reset/")
    pages = {
        assert_dead(world, f"/invitation/{other}")
        for other in (
            payload[:-1] + ("A" if payload[-1] != "A" else "B") + f".{stamp}.{signature}",
            f"{payload}.{stamp[:-1]}{'x' if stamp[-1] != 'x' else 'y'}.{signature}",
            f"{payload}.{stamp}.{'A' + signature[1:] if signature[0] != 'A' else 'B' + signature[1:]}",
            f"{payload}.{stamp}", f"{payload}..{signature}", token[:20], token + "x", "x", "." * 40,
            "%00", "x" * 20_000, reset, "é", "W10.x.y",
        )
    }  # fmt: skip
    assert len(pages) == 1
    assert rows(database, "SELECT status FROM invitation") == [("pending",)]


def test_a_withdrawn_or_expired_invitation_is_not_mailed_any_more(world: World, database: Database) -> None:
    manager = world.manager()
    shown = invite(manager).location
    assert manager.post(f"{shown}/do/withdraw").status_code == 302
    assert mails_to(world.app, database, NEWCOMER) == []


# -- At the same moment ------------------------------------------------------------------------------------


@pytest.mark.parametrize("email", [NEWCOMER, "tutor@bert.test"])
def test_one_link_accepted_eight_times_at_once(world: World, database: Database, email: str) -> None:
    link = invited(world, database, email, "manager")
    browsers = [Browser(world.app, world.anna.host) for _number in range(8)]
    password = NEW_PASSWORD if email == NEWCOMER else PASSWORD
    forms = [
        {"full_name": "N", "password": password, "repeat": password, "csrf_token": browser.csrf(link)}
        for browser in browsers
    ]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda browser, form: browser.post_raw(link, form), browsers, forms))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 302
    assert set(statuses[1:]) <= {409, 410}, statuses
    assert rows(database, MEMBERS, world.anna.id, email) == [(email, "manager", "active")]
    assert sum(browser.get("/account/").status_code == 200 for browser in browsers) == 1
