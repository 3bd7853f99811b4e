"""The calendar and the slot picker as people use them, by mouse, by keyboard and by thumb, in a real browser."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from werkzeug.serving import make_server

from app.core.db import db
from app.shell.factory import create_app
from tests.domains.booking.pages.support import Stage
from tests.domains.booking.support import DAY, HOUR, MONDAY
from tests.domains.payments.test_in_browser import Quiet, url
from tests.support.browser import PageAt, shoot
from tests.support.databases import Database, settings_for
from tests.support.servers import free_port
from tests.support.world import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser

Open = Callable[..., "Page"]


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def app(database: Database, tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Flask]:
    """One that is reached where it knows it is."""
    made = create_app(settings_for(database, tmp_path_factory.mktemp("booked"), PORT=port))
    server = make_server("127.0.0.1", port, made, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()
    with made.app_context():
        db.engine.dispose()
    made.extensions["redis"].close()


@pytest.fixture
def visit(stage: Stage, page_at: PageAt, port: int) -> Open:
    """A page as somebody sees it, or as a visitor does."""

    def visit_page(path: str, role: str | None = None, **options: object) -> Page:
        page = page_at(zone="Europe/Berlin", **options)
        if role is None:
            page.goto(url(port, path))
            return page
        page.goto(url(port, f"/login/?next={path}"))
        page.fill("[name=email]", stage.world.anna.email(role))
        page.fill("[name=password]", PASSWORD)
        page.click("main [type=submit]")
        page.wait_for_url(url(port, path))
        return page

    return visit_page


def at_noon(page: Page, event: Locator, day: dt.date, hour: int) -> tuple[float, float]:
    """The middle of an hour of a day in the week that is shown, seen from the event that is at ten."""
    box, column = event.bounding_box(), page.locator(f".wm-cal [role=gridcell][data-date='{day}']")
    cell = column.last.bounding_box()
    assert box is not None
    assert cell is not None
    return cell["x"] + cell["width"] / 2, box["y"] + (hour - 10) * box["height"] + 6


def drag(page: Page, event: Locator, to: tuple[float, float]) -> None:
    box = event.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 6)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.locator(".wm-cal-free").first.wait_for()
    page.mouse.move(to[0], to[1] - 10, steps=4)
    page.mouse.move(*to, steps=4)
    page.mouse.up()


# -- The calendar ------------------------------------------------------------------------------------------


def test_a_lesson_is_dragged_to_a_free_time(stage: Stage, visit: Open) -> None:
    code = stage.booked(MONDAY)
    page = visit("/learn/calendar/", "student")
    page.get_by_role("button", name="Later", exact=True).click()
    event = page.locator("a.wm-cal-event")
    event.wait_for()
    shoot(page, "calendar")
    drag(page, event, at_noon(page, event, MONDAY.date() + DAY, 14))
    dialog = page.get_by_role("dialog", name="Move this lesson?")
    dialog.wait_for()
    words = dialog.inner_text().replace("\u202f", " ")
    assert "Monday, January 18, 10:00 AM – 11:00 AM" in words
    assert "Tuesday, January 19, 2:00 PM – 3:00 PM" in words
    assert "You can move it 2 more times" in words
    shoot(page, "calendar-move")
    dialog.get_by_role("button", name="Leave it").click()
    assert stage.seat(code).lesson.starts_at == MONDAY
    drag(page, event, at_noon(page, event, MONDAY.date() + DAY, 14))
    dialog.get_by_role("button", name="Move it").click()
    page.get_by_text("Moved. Your lesson is now on Tuesday").wait_for()
    assert stage.seat(code).lesson.starts_at == MONDAY + DAY + 4 * HOUR


def test_where_it_is_not_free_it_stays(stage: Stage, visit: Open) -> None:
    code = stage.booked(MONDAY)
    stage.booked(MONDAY + 4 * HOUR, student_id=stage.school.other_id)
    page = visit("/learn/calendar/", "student")
    page.get_by_role("button", name="Later", exact=True).click()
    event = page.locator("a.wm-cal-event")
    event.wait_for()
    drag(page, event, at_noon(page, event, MONDAY.date(), 14))
    page.get_by_text("That time is not free. It stays where it was.").wait_for()
    assert not page.get_by_role("dialog").is_visible()
    assert stage.seat(code).lesson.starts_at == MONDAY


def test_by_keyboard_to_the_lesson_and_to_its_move(stage: Stage, visit: Open) -> None:
    code = stage.booked(MONDAY)
    page = visit("/learn/calendar/", "student")
    page.get_by_role("button", name="Later", exact=True).click()
    event = page.locator("a.wm-cal-event")
    event.wait_for()
    page.get_by_role("button", name="List", exact=True).focus()
    for _each in range(12):
        page.keyboard.press("Tab")
        if event.evaluate("each => each === document.activeElement"):
            break
    page.keyboard.press("Enter")
    card = page.locator("dialog[data-card]")
    card.get_by_role("link", name="Move").wait_for()
    assert "Tutor anna" in card.inner_text()
    page.keyboard.press("Escape")
    assert event.evaluate("each => each === document.activeElement"), "back where one was"
    page.keyboard.press("Enter")
    card.get_by_role("link", name="Move").press("Enter")
    page.wait_for_url(f"**/learn/lessons/{code}/move")


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_a_tutor_s_week(stage: Stage, visit: Open, width: int, dark: bool) -> None:
    stage.booked(MONDAY)
    lesson_id = stage.inside(lambda: stage.school.session(MONDAY + 28 * HOUR, 3))
    stage.inside(lambda: stage.school.book_place(lesson_id))
    page = visit("/teach/calendar/", "tutor", width=width, dark=dark)
    if width > 768:
        page.get_by_role("button", name="Later", exact=True).click()
    page.locator("a.wm-cal-event", has_text="1 of 3 seats").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shoot(page, "teach-calendar")


# -- The slot picker ---------------------------------------------------------------------------------------


def test_choosing_by_thumb(stage: Stage, visit: Open) -> None:
    page = visit(f"{stage.path}", width=390)
    page.locator(".wm-strip-days a[href*='day=2027-01-13']").click()
    page.locator(".wm-strip-days a[aria-current][href*='day=2027-01-13']").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.locator("input[name=starts_at]").nth(3).check()
    chosen = page.locator("[data-chosen]").inner_text().replace("\u202f", " ")
    assert chosen == "Wednesday, January 13, 9:30 AM"
    shoot(page, "picker")
    page.get_by_role("button", name="Reserve this time").click()
    page.wait_for_url("**/checkout/*")
    shoot(page, "checkout-who")


def test_choosing_by_keyboard(stage: Stage, visit: Open) -> None:
    page = visit(stage.path)
    first = page.locator("a.wm-day").first
    first.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.locator("a.wm-day[aria-current][href*='day=2027-01-13']").wait_for()
    assert page.evaluate("document.activeElement.matches('a.wm-day[aria-current]')")
    page.locator("input[name=starts_at]").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("input[name=starts_at]:checked").get_attribute("value") == "2027-01-13T07:30:00+00:00"
    page.keyboard.press("Enter")
    page.wait_for_url("**/checkout/*")
