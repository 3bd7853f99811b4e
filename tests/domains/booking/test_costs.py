"""What the hottest writes and reads cost in statements, from the request to its answer. Each number is a goal:
who needs one more has to take another away, or say why not."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine
from werkzeug.test import TestResponse

from app.core import clock
from app.core.db import db
from tests.domains.booking.support import DAY, HOUR, MONDAY, NOW
from tests.support import lived
from tests.support.statements import count_statements
from tests.support.world import Browser, World

PATH = "/o/conversation"


@pytest.fixture
def shop(world: World) -> Iterator[World]:
    with clock.frozen(NOW):
        lived.publish(world)
        yield world


@pytest.fixture
def engine(world: World) -> Engine:
    with world.app.app_context():
        return db.engine


def cost(engine: Engine, call: Callable[[], TestResponse], number: int, status: int = 302) -> TestResponse:
    with count_statements(engine) as seen:
        answer = call()
    listed = "\n".join(f"{place}. {' '.join(text.split())[:200]}" for place, text in enumerate(seen, 1))
    assert answer.status_code == status, answer.status
    assert len(seen) == number, f"{len(seen)} statements instead of {number}:\n{listed}"
    return answer


def hold_form(browser: Browser) -> dict[str, str]:
    page = browser.get(PATH).text
    found = re.search(r'name="variant" value="(\d+)"', page)
    assert found is not None
    return {"csrf_token": browser.csrf(PATH), "variant": found.group(1), "starts_at": MONDAY.isoformat()}


def test_to_hold_a_time(shop: World, engine: Engine) -> None:
    """Who it is; the offering with its tutor's times; the locks; lesson, seat, the time that they take and their
    trail, all in one and only where nothing is in the way."""
    student = shop.browser(shop.anna.host, shop.anna.email("student"))
    form = hold_form(student)
    cost(engine, lambda: student.post_raw(f"{PATH}/hold", form), 4)


def test_to_hold_a_time_as_a_visitor(shop: World, engine: Engine) -> None:
    """Nobody is looked up; two limits are counted."""
    visitor = shop.browser(shop.anna.host)
    form = hold_form(visitor)
    cost(engine, lambda: visitor.post_raw(f"{PATH}/hold", form), 5)


def test_to_be_told_that_a_time_is_gone(shop: World, engine: Engine) -> None:
    """Without a lock: whoever comes too late makes nobody wait. The page says what is free instead."""
    student = shop.browser(shop.anna.host, shop.anna.email("student"))
    form = hold_form(student)
    other = shop.browser(shop.anna.host)
    assert other.post_raw(f"{PATH}/hold", hold_form(other)).status_code == 302
    with count_statements(engine) as seen:
        assert student.post_raw(f"{PATH}/hold", form).status_code == 409
    assert not any("advisory" in text for text in seen)
    assert len(seen) == 6


def test_to_order(shop: World, engine: Engine) -> None:
    """Where the seat is; who it is and for whom; the lock, lesson and seat under it; the student's time; what
    the company sells in; order and line at once with their trail, and the seat with its own."""
    student = shop.browser(shop.anna.host, shop.anna.email("student"))
    held = student.post_raw(f"{PATH}/hold", hold_form(student)).headers["Location"]
    order = {"csrf_token": student.csrf(held), "student": shop.anna.people["student"]}
    checked = cost(engine, lambda: student.post_raw(held, order), 10).headers["Location"]
    assert checked.endswith("/check")


def test_the_pages_on_the_way_to_the_payment(shop: World, engine: Engine) -> None:
    """What is held; who it is, and for whom they can book; what waits in the top bar."""
    student = shop.browser(shop.anna.host, shop.anna.email("student"))
    held = student.post_raw(f"{PATH}/hold", hold_form(student)).headers["Location"]
    cost(engine, lambda: student.get(held), 4, status=200)
    order = {"csrf_token": student.csrf(held), "student": shop.anna.people["student"]}
    checked = student.post_raw(held, order).headers["Location"]
    cost(engine, lambda: student.get(checked), 3, status=200)


@pytest.mark.parametrize("days", [1, 14, 31])
def test_the_free_times_of_an_offering(shop: World, engine: Engine, days: int) -> None:
    """The offering with its times."""
    query = {"since": NOW.isoformat(), "until": (NOW + days * DAY).isoformat()}
    path = "/api/v1/catalog/offerings/conversation/slots"
    client = shop.browser(shop.anna.host)
    client.get("/")  # from now on it is known whose host this is
    cost(engine, lambda: client.get(path, query_string=query), 1, status=200)


def test_bookings_of_the_api(shop: World, engine: Engine) -> None:
    """Who asks, and a page of them with how many there are, however many."""
    auth = {"Authorization": f"Bearer {shop.token(shop.anna)}", "Accept": "application/json"}
    offering = lived.read(shop, lambda: lived.catalog_queries.published("conversation"))
    manager = shop.browser(shop.anna.host)
    for number in range(3):
        cost(engine, lambda: manager.get("/api/v1/seats/?size=50", headers=auth), 2, status=200)
        lived.hold(shop, offering, MONDAY + number * 2 * HOUR, actor=f"v:{number}")
