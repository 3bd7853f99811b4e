"""What a page must never hide: test mode, a visit, and what somebody without pages of their own can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from flask import Flask

from app.core.rights import catalogue
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import MANAGER, OPERATOR, TUTOR
from app.domains.accounts.service import people
from app.domains.tenancy import queries, service
from tests.browser.conftest import OPERATOR_PASSWORD
from tests.browser.steps import PASSWORD, sign_in, submit
from tests.support.browser import PageAt, shoot
from tests.support.servers import LiveServers

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.browser
SLUG = "longname"
HOST = f"{SLUG}.localhost"

# Whether the whole of an element can be seen: its corners are its own, not something's that covers or clips it.
IS_WHOLE = """element => {
  const box = element.getBoundingClientRect();
  const corners = [[box.left + 4, box.top + box.height / 2], [box.right - 4, box.top + box.height / 2]];
  return box.left >= 0 && box.right <= innerWidth && box.width > 20
    && corners.every(([x, y]) => element.contains(document.elementFromPoint(x, y)));
}"""


@pytest.fixture(scope="module")
def company(operated: Flask) -> int:
    """A company in test mode with a long name, run by Clara, where Jonas teaches."""
    with platform_scope("a company for pages"), transaction():
        plan = queries.plan_by_code("studio")
        assert plan is not None
        tenant = service.open_tenant(
            service.NewTenant(
                "The Long Name Tutors of New York", SLUG, plan, "EUR", "Europe/Berlin", "en", is_test=True
            )
        )
        tenant_id = int(tenant.id)
    by = people.Inviter("Olga Operator", catalogue().of_role(OPERATOR))
    for role, name in ((MANAGER, "Clara Vogt"), (TUTOR, "Jonas Becker")):
        email = f"{role}@{SLUG}.test"
        with tenant_scope(tenant_id), transaction():
            choice = people.RoleChoice(key=role)
            invitation = people.invite(full_name=name, email=email, choice=choice, by=by)
        with platform_scope("and they join it"), transaction():
            people.accept(invitation, full_name=name, password=PASSWORD)
    return tenant_id


def assert_whole(badge: Locator) -> None:
    badge.wait_for()
    assert badge.evaluate(IS_WHOLE)


def assert_no_sideways_scrolling(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize(("width", "locale"), [(390, "en"), (390, "de"), (1280, "en")])
def test_test_mode_can_be_read_on_every_page(
    live: LiveServers, page_at: PageAt, width: int, locale: str
) -> None:
    page = page_at(width, locale=locale)
    page.goto(live.url("/login/", HOST))
    words = {"en": "Test mode", "de": "Testmodus"}[locale]
    assert_whole(page.get_by_text(words, exact=True))
    shoot(page, f"test-mode-sign-in-{locale}")
    page.locator("[name=email]").fill(f"manager@{SLUG}.test")
    page.locator("[name=password]").fill(PASSWORD)
    page.get_by_role("main").locator("button[type=submit]").last.click()
    page.wait_for_url(live.url("/", HOST))
    for path in ("/", "/admin/", "/admin/people/", "/account/", "/none"):
        page.goto(live.url(path, HOST))
        assert_whole(page.get_by_text(words, exact=True))
        assert_no_sideways_scrolling(page)
        name = path.strip("/").replace("/", "-") or "first"
        shoot(page, f"test-mode-{name}-{locale}")


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_somebody_without_pages_is_welcome(
    live: LiveServers, page_at: PageAt, width: int, dark: bool
) -> None:
    page = page_at(width, dark)
    sign_in(page, live.url("/login/", HOST), f"tutor@{SLUG}.test", PASSWORD)
    page.get_by_role("heading", name="Welcome, Jonas Becker").wait_for()
    assert_no_sideways_scrolling(page)
    shoot(page, "welcome-tutor")
    page.get_by_role("main").get_by_role("link", name="My account").click()
    page.get_by_role("heading", name="About you").wait_for()


@pytest.mark.parametrize("width", [390, 1280])
def test_a_visit_is_seen_and_left(live: LiveServers, page_at: PageAt, company: int, width: int) -> None:
    page = page_at(width)
    sign_in(page, live.url("/login/"), "operator@wemaster.test", OPERATOR_PASSWORD)
    page.get_by_role("heading", name="Good to see you").wait_for()
    page.goto(live.url(f"/admin/tenants/{company}"))
    shoot(page, "company-page")
    page.goto(live.url(f"/admin/tenants/{company}/do/open"))
    submit(page, "Open this company")
    page.wait_for_url(live.url("/admin/", HOST))
    for path in ("/admin/", "/", "/none"):
        page.goto(live.url(path, HOST))
        assert_whole(page.get_by_text("Visiting: Olga Operator (Operator), until"))
        assert_no_sideways_scrolling(page)
        shoot(page, f"visit{path.replace('/', '-').rstrip('-')}")
    page.get_by_role("button", name="Leave").click()
    page.wait_for_url(live.url(f"/admin/tenants/{company}"))
    page.get_by_role("heading", name="The Long Name Tutors of New York").wait_for()
    page.goto(live.url("/admin/", HOST))
    page.get_by_role("heading", name="Sign in").wait_for()
