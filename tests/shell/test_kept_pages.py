"""Visitors' pages are kept whole, and nobody can tell: each request has its own nonce and token, everybody sees
what is theirs to see, and what changed is shown at once."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, select

from app.core import clock
from app.core.db import db
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.accounts.models import ENDED, Membership, Person
from app.domains.booking import service as booking
from app.domains.booking.models import AvailabilitySchedule
from app.domains.catalog.models import Offering, Subject, TutorProfile, Variant
from app.domains.catalog.service import settings
from app.domains.tenancy import service as tenancy
from app.domains.tenancy.models import Tenant
from app.shell.shown import SHOWN
from tests.domains.booking.support import DAY, HOUR, MINUTE, MONDAY, NOW
from tests.support import lived
from tests.support.statements import count_statements
from tests.support.world import Browser, World

PATH = "/o/conversation"
PAGES = ("/", "/search", "/tutors/", PATH)
_NONCE = re.compile(r'nonce="([^"]+)"')
_TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


@pytest.fixture
def shop(world: World) -> Iterator[World]:
    """An offering with its times; every page was asked for, so that it could be kept."""
    with clock.frozen(NOW):
        lived.publish(world)
        visitor = world.browser(world.anna.host)
        for path in PAGES * 2:
            assert visitor.get(path).status_code == 200
        yield world


def engine_of(world: World) -> Engine:
    with world.app.app_context():
        return db.engine


def cost(world: World, browser: Browser, path: str) -> int:
    with count_statements(engine_of(world)) as seen:
        assert browser.get(path).status_code == 200
    return len(seen)


def visitor_of(world: World) -> Browser:
    return world.browser(world.anna.host)


# -- What is each request's own ----------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_a_kept_page_costs_no_statement(shop: World, path: str) -> None:
    assert cost(shop, visitor_of(shop), path) == 0


@pytest.mark.parametrize("path", PAGES)
def test_each_answer_has_the_nonce_of_its_own_policy(shop: World, path: str) -> None:
    nonces = set()
    for _number in range(3):
        answer = visitor_of(shop).get(path)
        [nonce] = set(_NONCE.findall(answer.text))
        assert f"'nonce-{nonce}'" in answer.headers["Content-Security-Policy"]
        nonces.add(nonce)
    assert len(nonces) == 3


def test_each_visitor_has_their_own_token_and_it_works(shop: World) -> None:
    one, other = visitor_of(shop), visitor_of(shop)
    tokens = [set(_TOKEN.findall(browser.get(PATH).text)) for browser in (one, other)]
    assert [len(each) for each in tokens] == [1, 1]
    assert tokens[0] != tokens[1]
    [token] = tokens[0]
    assert other.post_raw("/preferences/", {"csrf_token": token, "theme": "dark"}).status_code == 400
    assert (
        one.post_raw("/preferences/", {"csrf_token": token, "theme": "dark", "next": "/"}).status_code == 302
    )


def test_the_first_of_all_pages_looks_like_the_kept_one(shop: World) -> None:
    def plain(text: str) -> str:
        return _TOKEN.sub("", _NONCE.sub("", text))

    kept = plain(visitor_of(shop).get(PATH).text)
    shop.app.extensions["page_cache"].forget(shop.anna.id)
    assert plain(visitor_of(shop).get(PATH).text) == kept


# -- Who sees which ----------------------------------------------------------------------------------------


def test_whoever_is_signed_in_gets_their_own_page_and_nobody_else_does(shop: World) -> None:
    student = shop.browser(shop.anna.host, shop.anna.email("student"))
    for path in PAGES:
        assert "Student anna" in student.get(path).text
        assert "Student anna" not in visitor_of(shop).get(path).text
        assert cost(shop, student, path) > 0


def test_language_colours_and_zone_are_each_visitors_own(shop: World) -> None:
    german = visitor_of(shop)
    assert 'lang="de"' in german.get(PATH, headers={"Accept-Language": "de"}).text
    assert 'lang="en"' in visitor_of(shop).get(PATH).text
    dark, elsewhere = visitor_of(shop), visitor_of(shop)
    assert dark.post("/preferences/", PATH, theme="dark", next=PATH).status_code == 302
    assert 'data-bs-theme="dark"' in dark.get(PATH).text
    assert 'data-bs-theme="dark"' not in visitor_of(shop).get(PATH).text
    assert "New York" in elsewhere.get(f"{PATH}?zone=America/New_York").text
    assert "New York" in elsewhere.get(PATH).text
    assert "New York" not in visitor_of(shop).get(PATH).text


def test_what_was_to_be_said_is_said_once_and_to_nobody_else(shop: World) -> None:
    browser = visitor_of(shop)
    with browser.client.session_transaction(base_url=browser.base) as session:
        session["_flashes"] = [("message", "Only for you")]
    assert "Only for you" in browser.get(PATH).text
    assert "Only for you" not in browser.get(PATH).text
    assert "Only for you" not in visitor_of(shop).get(PATH).text


def test_each_company_has_its_own(shop: World) -> None:
    lived.publish(shop, company=shop.bert)
    there = shop.browser(shop.bert.host)
    for _number in range(2):
        assert "Tutor bert" in there.get(PATH).text
        assert "Tutor anna" in visitor_of(shop).get(PATH).text


def test_what_nobody_knows_makes_no_other_page(shop: World) -> None:
    browser = visitor_of(shop)
    for _number in range(2):
        assert cost(shop, browser, f"{PATH}?utm_source=mail") > 0
        assert browser.get("/search?page=x").status_code == 400
        wrong = browser.get("/search?price_from=x")
        assert wrong.status_code == 422
        assert f"'nonce-{_NONCE.findall(wrong.text)[0]}'" in wrong.headers["Content-Security-Policy"]
        assert browser.get("/o/nothing").status_code == 404


# -- When it is old ----------------------------------------------------------------------------------------


def rename_tutor(session: Any, world: World) -> None:
    session.get_one(Person, world.anna.people["tutor"]).full_name = "Somebody new"


def rename_subject(session: Any, world: World) -> None:
    session.scalars(select(Subject)).one().name = "Somebody new"


def change_price(session: Any, world: World) -> None:
    session.scalars(select(Variant).order_by(Variant.id)).first().price_minor = 987_00


def change_headline(session: Any, world: World) -> None:
    found = session.scalars(select(TutorProfile)).one_or_none()
    session.add(found or TutorProfile(person_id=world.anna.people["tutor"], slug="tutor-anna"))
    session.flush()
    session.scalars(select(TutorProfile)).one().headline = "Somebody new"


def change_policy(session: Any, world: World) -> None:
    settings.add_policy(name="Another", is_default=True, free_until_minutes=77 * 24 * 60)


CHANGES: list[tuple[str, Callable[[Any, World], None], str]] = [
    ("a tutor's name", rename_tutor, "Somebody new"),
    ("a subject", rename_subject, "Somebody new"),
    ("a price", change_price, "€987.00"),
    ("a headline", change_headline, "Somebody new"),
    ("terms", change_policy, "77 days"),
]


@pytest.mark.parametrize(("work", "words"), [each[1:] for each in CHANGES], ids=[each[0] for each in CHANGES])
def test_what_was_changed_is_shown_at_once(
    shop: World, work: Callable[[Any, World], None], words: str
) -> None:
    assert words not in visitor_of(shop).get(PATH).text
    with lived.inside(shop) as session:
        work(session, shop)
    assert words in visitor_of(shop).get(PATH).text


def test_what_was_not_committed_changes_nothing(shop: World) -> None:
    def fail() -> None:
        with lived.inside(shop) as session:
            change_price(session, shop)
            session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert cost(shop, visitor_of(shop), PATH) == 0


def test_a_time_is_gone_with_its_hold_and_back_with_its_release(shop: World) -> None:
    path, value = f"{PATH}?day={MONDAY.date()}", f'value="{MONDAY.isoformat()}"'
    assert value in visitor_of(shop).get(path).text
    offering = lived.read(shop, lambda: db.session.scalars(select(Offering)).one())
    seat = lived.hold(shop, offering)
    assert value not in visitor_of(shop).get(path).text
    with lived.inside(shop):
        booking.release_hold(lived.queries.seat(seat.id))
    assert value in visitor_of(shop).get(path).text


def test_a_time_is_back_a_minute_after_its_hold_ran_out(shop: World) -> None:
    path, value = f"{PATH}?day={MONDAY.date()}", f'value="{MONDAY.isoformat()}"'
    offering = lived.read(shop, lambda: db.session.scalars(select(Offering)).one())
    seat = lived.hold(shop, offering)
    assert seat.expires_at is not None
    visitor_of(shop).get(path)
    with clock.frozen(seat.expires_at + MINUTE):
        assert value in visitor_of(shop).get(path).text


def test_times_end_when_they_are_over(shop: World) -> None:
    """Business time may be moved: what was kept before is not shown after."""
    assert MONDAY.isoformat() in visitor_of(shop).get(f"{PATH}?day={MONDAY.date()}").text
    with clock.frozen(MONDAY + HOUR):
        assert MONDAY.isoformat() not in visitor_of(shop).get(f"{PATH}?day={MONDAY.date()}").text


def test_hours_that_were_changed_are_shown_at_once(shop: World) -> None:
    path, value = f"{PATH}?day={MONDAY.date()}", f'value="{MONDAY.isoformat()}"'
    assert value in visitor_of(shop).get(path).text
    with lived.inside(shop) as session:
        booking.set_override(session.scalars(select(AvailabilitySchedule)).one(), on_date=MONDAY.date())
    assert value not in visitor_of(shop).get(path).text


def test_whoever_leaves_is_shown_no_more(shop: World) -> None:
    assert "Tutor anna" in visitor_of(shop).get("/search").text
    with lived.inside(shop) as session:
        session.get_one(Membership, shop.anna.memberships["tutor"]).status = ENDED
    assert "Tutor anna" not in visitor_of(shop).get("/search").text


def test_a_company_that_is_suspended_is_so_at_once(shop: World) -> None:
    with shop.app.app_context(), platform_scope("a test"), transaction() as session:
        tenancy.suspend(session.get_one(Tenant, shop.anna.id), reason="a test")
    assert visitor_of(shop).get(PATH).status_code == 503


def test_somebody_who_registers_makes_nothing_old(shop: World) -> None:
    with lived.inside(shop) as session:
        session.add(Person(full_name="New here"))
    assert cost(shop, visitor_of(shop), PATH) == 0


def test_every_table_that_these_pages_read_is_watched(shop: World) -> None:
    """Or a change of it would be shown late."""
    watched = {model.__tablename__ for model in SHOWN} | {"tenant"}
    shop.app.extensions["page_cache"].forget(shop.anna.id)
    with count_statements(engine_of(shop)) as seen:
        for path in (*PAGES, "/tutors/tutor-anna", f"{PATH}?day={(MONDAY + DAY).date()}"):
            visitor_of(shop).get(path)
    read = {name for text in seen for name in re.findall(r"(?:FROM|JOIN) ([a-z_]+)", text)}
    assert len(read) > 8
    assert read <= watched, read - watched


def test_a_day_in_the_far_future_is_no_trouble(shop: World) -> None:
    far = dt.date(9000, 1, 1).isoformat()
    for _number in range(2):
        assert visitor_of(shop).get(f"{PATH}?from={far}&day={far}").status_code == 200
