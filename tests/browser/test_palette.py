"""Search and go with the keyboard alone; groups of the menu stay as they were left; a full form is not lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flask import Flask

from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from tests.browser.steps import sign_in
from tests.support.browser import PageAt
from tests.support.servers import LiveServers
from tests.support.world import PASSWORD, make_company

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
SLUG = "palette"
HOST = f"{SLUG}.localhost"
FIELD, OPTION = "#palette [role=combobox]", "#palette [role=option]"


@pytest.fixture(scope="module")
def company(operated: Flask) -> int:
    """A company with somebody whose name markup would break."""
    made = make_company(SLUG)
    with tenant_scope(made.id), transaction() as session:
        session.add(Person(full_name="Zelda <b>Quist</b>", email="zelda@quist.test"))
    return made.id


@pytest.fixture
def admin(page_at: PageAt, live: LiveServers, company: int) -> Page:
    page = page_at(1280)
    sign_in(page, live.url("/login/", HOST), f"manager@{SLUG}.test", PASSWORD)
    page.goto(live.url("/admin/", HOST))
    return page


def test_found_and_opened_without_a_mouse(admin: Page) -> None:
    admin.keyboard.press("Control+k")
    admin.locator(FIELD).wait_for()
    assert admin.evaluate("document.activeElement.getAttribute('role')") == "combobox"
    admin.locator(OPTION).first.wait_for()
    assert admin.locator(f"{OPTION}[aria-selected=true]").count() == 0, (
        "Enter on an empty field opens nothing"
    )
    admin.keyboard.type("zelda")
    hit = admin.locator(OPTION, has_text="Zelda <b>Quist</b>")
    hit.wait_for()
    assert hit.get_attribute("aria-selected") == "true"
    assert admin.locator(FIELD).get_attribute("aria-activedescendant") == hit.get_attribute("id")
    admin.keyboard.press("ArrowDown")
    assert "All results" in admin.locator(f"{OPTION}[aria-selected=true]").inner_text()
    admin.keyboard.press("ArrowUp")
    admin.keyboard.press("Enter")
    admin.wait_for_url("**/admin/people/*")
    assert admin.locator("h1").inner_text() == "Zelda <b>Quist</b>"
    # What was opened last comes first the next time.
    admin.keyboard.press("/")
    admin.locator(OPTION).first.wait_for()
    assert "Zelda" in admin.locator(OPTION).first.inner_text()
    admin.keyboard.press("Escape")
    admin.locator(FIELD).wait_for(state="hidden")


def test_keys_mean_letters_where_somebody_types_and_can_be_switched_off(
    admin: Page, live: LiveServers
) -> None:
    admin.keyboard.press("?")
    admin.locator("#keyboard-help").wait_for()
    admin.locator("#keyboard-help [data-single-keys]").uncheck()
    admin.keyboard.press("Escape")
    admin.keyboard.press("/")
    assert not admin.locator("#palette").is_visible()
    admin.keyboard.press("Control+k")
    admin.locator(FIELD).wait_for()
    admin.locator(FIELD).press_sequentially("a/?e")
    assert admin.locator(FIELD).input_value() == "a/?e"
    assert not admin.locator("#keyboard-help").is_visible()


def test_groups_stay_as_they_were_left(admin: Page, live: LiveServers) -> None:
    money, records = (admin.locator(f"details[data-group={name}]") for name in ("money", "records"))
    money.locator("summary").click()
    records.locator("summary").click()
    admin.wait_for_function(
        "/wm_menu=[^;]*records/.test(document.cookie)"
    )  # browsers tell of it a little later
    admin.goto(live.url("/admin/people/", HOST))
    assert money.get_attribute("open") is None
    assert records.get_attribute("open") is not None
    admin.goto(live.url("/admin/payments/", HOST))
    assert money.get_attribute("open") is not None, "where we are can be seen"


def test_the_way_there_without_a_keyboard(page_at: PageAt, live: LiveServers, company: int) -> None:
    page = page_at(390)
    sign_in(page, live.url("/login/", HOST), f"manager@{SLUG}.test", PASSWORD)
    page.goto(live.url("/admin/", HOST))
    page.locator("[data-palette-open]").click()
    page.locator(FIELD).fill("zelda")
    page.locator(OPTION, has_text="Quist").click()
    page.wait_for_url("**/admin/people/*")


def test_a_form_half_filled_in_is_not_left_without_a_word(admin: Page, live: LiveServers) -> None:
    asked: list[str] = []

    def answer(dialog: object) -> None:
        asked.append(dialog.type)  # type: ignore[attr-defined]
        dialog.accept()  # type: ignore[attr-defined]

    admin.on("dialog", answer)
    admin.goto(live.url("/admin/people/add", HOST))
    admin.goto(live.url("/admin/people/", HOST))
    assert asked == [], "nothing was filled in"
    admin.goto(live.url("/admin/people/add", HOST))
    admin.locator("[name=full_name]").press_sequentially("Half")
    admin.goto(live.url("/admin/people/", HOST))
    assert asked == ["beforeunload"]
    admin.goto(live.url("/admin/people/add", HOST))
    admin.locator("[name=full_name]").press_sequentially("Whole Name")
    admin.locator("main form button[type=submit]").last.click()
    admin.wait_for_url("**/admin/people/*")
    assert asked == ["beforeunload"], "what is saved is not lost"


def test_signing_out_leaves_nothing_in_the_browser(admin: Page, live: LiveServers) -> None:
    """Nor does a sign-in that ended elsewhere, from the next page on."""
    kept = "() => sessionStorage.length"
    for how in ("out", "elsewhere"):
        admin.goto(live.url("/admin/", HOST))
        if "/login/" in admin.url:
            sign_in(admin, live.url("/login/", HOST), f"manager@{SLUG}.test", PASSWORD)
            admin.goto(live.url("/admin/", HOST))
        admin.keyboard.press("Control+k")
        admin.locator(FIELD).fill("zelda")
        admin.locator(OPTION, has_text="Zelda <b>Quist</b>").click()
        admin.wait_for_url("**/admin/people/*")
        assert admin.evaluate(kept) == 1
        if how == "out":
            admin.locator("details.wm-menu summary[aria-label^='Your account']").click()
            admin.locator("form[action='/logout/'] button").click()
            admin.wait_for_load_state()
        else:
            admin.context.clear_cookies()
            admin.goto(live.url("/login/", HOST))
        assert admin.evaluate(kept) == 0
