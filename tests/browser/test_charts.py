"""Dashboards drawn in a browser: with a script and without, light and dark, mirrored, with pointer and keyboard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from app.core.db import db
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import TUTOR, Membership
from app.domains.tenancy.models import Tenant
from tests.browser.conftest import SLUG, House
from tests.browser.steps import sign_in
from tests.domains.earnings.support import sell
from tests.support.browser import PageAt, shoot

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

pytestmark = pytest.mark.browser
YEAR = "/admin/?days=365"
COLOURS = "svg => [...new Set([...svg.querySelectorAll('path')].map((path) => path.getAttribute('fill')))]"


@pytest.fixture(scope="module")
def shop(house: House) -> House:
    """The house lives in a time to come: something is sold today, too."""
    with house.app.app_context():
        with platform_scope("which company it is"):
            tenant_id = int(db.session.scalars(select(Tenant.id).where(Tenant.slug == SLUG)).one())
        with tenant_scope(tenant_id), transaction() as session:
            tutor = select(Membership.person_id).where(Membership.role_key == TUTOR)
            sell(session.scalars(tutor).first() or 0, seat_id=10**9)
    return house


def dashboard(house: House, page: Page, role: str, path: str = YEAR) -> Page:
    sign_in(page, house.url(role, "/login/"), *house.account(role))
    page.goto(house.url(role, path))
    return page


def drawn(page: Page, place: int = 0) -> Locator:
    """A chart, once it is there."""
    chart = page.locator("[data-chart]").nth(place)
    chart.scroll_into_view_if_needed()
    chart.locator("svg path").first.wait_for(state="attached")
    return chart


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize("role", ["manager", "operator"])
@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_every_chart_is_drawn_and_fits(
    shop: House, page_at: PageAt, role: str, width: int, dark: bool
) -> None:
    page = dashboard(shop, page_at(width, dark), role)
    charts = page.locator("[data-chart]")
    assert charts.count() >= 1
    for place in range(charts.count()):
        chart = drawn(page, place)
        label = chart.get_attribute("aria-label")
        assert label
        assert "undefined" not in label
        box, svg = chart.bounding_box(), chart.locator("svg").bounding_box()
        assert box
        assert svg
        assert abs(box["height"] - svg["height"]) < 2
        assert svg["height"] > 50
    assert fits(page)
    shoot(page, f"dashboard-{role}")


def test_a_column_says_what_it_is_and_leads_to_its_rows(shop: House, page_at: PageAt) -> None:
    page = dashboard(shop, page_at(1280), "manager")
    chart = drawn(page)
    box = chart.bounding_box()
    assert box
    x, y = box["x"] + box["width"] - 40, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.locator(".wm-chart-tip").get_by_text("Sold: ").wait_for()
    page.mouse.click(x, y)
    page.wait_for_url("**/admin/sales-orders/?status=paid&paid_at.from=*")


def test_the_table_beside_it_is_reached_by_keys(shop: House, page_at: PageAt) -> None:
    page = dashboard(shop, page_at(1280), "manager")
    summary = page.locator(".wm-chart-table > summary").first
    summary.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_url("**/admin/sales-orders/?status=paid&paid_at.from=*")


def test_colours_follow_light_and_dark(shop: House, page_at: PageAt) -> None:
    page = dashboard(shop, page_at(1280), "manager")
    svg = drawn(page).locator("svg")
    light = svg.evaluate(COLOURS)
    page.emulate_media(color_scheme="dark")
    page.locator("html[data-bs-theme=dark]").wait_for(state="attached")
    page.wait_for_timeout(100)
    dark = svg.evaluate(COLOURS)
    assert set(light) != set(dark)


def test_mirrored_for_right_to_left(shop: House, page_at: PageAt) -> None:
    """The scale stands on the right, and time goes to the left."""
    page = dashboard(shop, page_at(1280), "manager")
    page.locator("summary[aria-label=Language]").first.click()
    page.locator("button[name=locale][value=ar]").first.click()
    page.locator("html[dir=rtl]").wait_for(state="attached")
    chart = drawn(page)
    texts = chart.locator("svg text")
    box = chart.bounding_box()
    assert box
    places = [texts.nth(n).bounding_box() for n in range(texts.count())]
    rightmost = max(place["x"] + place["width"] for place in places if place)
    marks = [place for place in places if place and place["x"] > box["x"] + box["width"] * 0.8]
    assert len(marks) >= 3
    assert rightmost <= box["x"] + box["width"] + 1
    assert fits(page)


def test_without_a_script_the_tables_are_there(shop: House, browser: Browser) -> None:
    context = browser.new_context(java_script_enabled=False, locale="en")
    page = dashboard(shop, context.new_page(), "manager")
    assert page.locator("[data-chart]").first.is_hidden()
    page.locator(".wm-chart-table > summary").first.click()
    page.locator(".wm-chart-table table").first.get_by_role("link").first.wait_for()
    page.get_by_role("navigation", name="For how long").get_by_role("link", name="7 days").click()
    page.get_by_text("Sold in 7 days").wait_for()
    context.close()
