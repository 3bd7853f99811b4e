"""Lists in a real browser: views, columns by keyboard, a head that stays, a run of many that is watched."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from flask import Flask

from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import ACTIVE, Account, Membership, Person, TenantRole
from tests.browser.steps import sign_in
from tests.support.browser import PageAt, look, shoot
from tests.support.servers import LiveServers
from tests.support.world import PASSWORD, make_company

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
SLUG, MANY = "lists", 130
HOST = f"{SLUG}.localhost"


@pytest.fixture(scope="module")
def company(operated: Flask) -> int:
    """A company with many clerks: more than are acted on at once."""
    made = make_company(SLUG)
    with platform_scope("accounts for a test"), transaction() as session:
        accounts = [
            Account(
                first_name=f"Clerk {n}",
                last_name="",
                username=f"clerk{n}@{SLUG}.test",
                email=f"clerk{n}@{SLUG}.test",
                password="none",
                active=True,
            )
            for n in range(MANY)
        ]
        session.add_all(accounts)
        session.flush()
        ids = [account.id for account in accounts]
    with tenant_scope(made.id), transaction() as session:
        role = TenantRole(name="Clerk", rights=["person.read"])
        people = [Person(full_name=f"Clerk {n:03}", email=f"clerk{n}@{SLUG}.test") for n in range(MANY)]
        session.add_all([role, *people])
        session.flush()
        session.add_all(
            Membership(user_id=user_id, person_id=person.id, role_id=role.id, status=ACTIVE)
            for user_id, person in zip(ids, people, strict=True)
        )
    return made.id


@pytest.fixture
def manager(page_at: PageAt, live: LiveServers, company: int) -> Page:
    page = page_at(1280)
    sign_in(page, live.url("/login/", HOST), f"manager@{SLUG}.test", PASSWORD)
    return page


def heads(page: Page) -> list[str]:
    return page.locator(".wm-list thead th").all_inner_texts()


def test_a_view_is_saved_and_columns_are_moved_with_the_keyboard(manager: Page, live: LiveServers) -> None:
    manager.goto(live.url("/admin/people/?q=clerk&sort=-full_name", HOST))
    before = heads(manager)
    look(manager, "list")
    manager.locator(".wm-view-tools summary", has_text="Save view").focus()
    manager.keyboard.press("Enter")
    manager.keyboard.press("Tab")
    manager.keyboard.type("All clerks")
    shoot(manager, "list-save-view")
    manager.keyboard.press("Enter")
    manager.locator(".wm-view-tabs [aria-current]", has_text="All clerks").wait_for()
    columns = manager.locator("#columns > summary")
    columns.focus()
    manager.keyboard.press("Enter")
    manager.get_by_role("checkbox", name="Notes").check()
    shoot(manager, "list-columns")
    up = manager.get_by_role("button", name="Move Phone up")
    up.focus()
    manager.keyboard.press("Enter")
    assert manager.evaluate("document.activeElement.value") == "phone", "the arrow keeps the focus"
    manager.get_by_role("button", name="Show these columns").last.click()
    manager.locator(".wm-list thead th", has_text="Notes").wait_for()
    now = heads(manager)
    assert now.index("Phone") == before.index("Phone") - 1
    assert now[-1] == "Notes"
    look(manager, "list-view")


def test_the_head_stays_while_the_page_scrolls(manager: Page, live: LiveServers) -> None:
    manager.goto(live.url("/admin/people/?size=100", HOST))
    manager.locator(".wm-table-wrap.wm-fits").wait_for()
    manager.evaluate("scrollTo(0, 2000)")
    top = manager.evaluate(
        "document.querySelector('.wm-list thead th').getBoundingClientRect().top"
        " - document.querySelector('.wm-topbar').getBoundingClientRect().bottom"
    )
    assert -2 <= top <= 2


def test_all_that_match_are_worked_off_while_somebody_watches(manager: Page, live: LiveServers) -> None:
    manager.goto(live.url("/admin/memberships/?q=clerk", HOST))
    bar = manager.locator(".wm-bulk")
    assert not bar.is_visible()
    manager.get_by_role("checkbox", name="Select all rows of this page").check()
    assert "25 selected" in bar.inner_text()
    manager.get_by_role("checkbox", name=re.compile(f"All {MANY} that match")).check()
    assert f"{MANY} selected" in bar.inner_text()
    shoot(manager, "list-selected")
    manager.get_by_role("button", name="Take the role away").click()
    manager.get_by_role("heading", name=f"Take the role away: {MANY} records").wait_for()
    look(manager, "bulk-question")
    manager.get_by_role("button", name="Take the role away").click()
    manager.locator("progress").wait_for()
    shoot(manager, "bulk-running")
    manager.get_by_text(f"{MANY} of {MANY} worked off").wait_for(timeout=120_000)
    manager.locator(".wm-badge", has_text="Done").wait_for()
    look(manager, "bulk-done")
    manager.goto(live.url("/admin/memberships/?q=clerk&status=active", HOST))
    manager.get_by_text("Nothing matches").wait_for()


def test_a_file_is_looked_through_before_it_is_taken(manager: Page, live: LiveServers) -> None:
    manager.goto(live.url("/admin/people/import", HOST))
    look(manager, "import")
    lines = "".join(f"New {n};new{n}@x.test;2011-05-04\n" for n in range(12))
    text = f"Name;E-mail;Date of birth\n{lines}".encode()
    manager.set_input_files("input[type=file]", {"name": "class.csv", "mimeType": "text/csv", "buffer": text})
    manager.get_by_role("button", name="Look through the file").click()
    manager.get_by_text("12 new records, no errors").wait_for()
    look(manager, "import-preview")
    manager.get_by_role("button", name="Import 12 records").click()
    manager.get_by_text("12 records were imported.").wait_for()
    manager.goto(live.url("/admin/people/import", HOST))
    bad = {"name": "bad.csv", "mimeType": "text/csv", "buffer": b"Name;E-mail\nAda;nobody\n;x@x.test\n"}
    manager.set_input_files("input[type=file]", bad)
    manager.get_by_role("button", name="Look through the file").click()
    manager.get_by_text("2 of 2 rows have errors.").wait_for()
    look(manager, "import-errors")
