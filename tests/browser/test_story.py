"""The skeleton's story, lived in a browser: operator → company → manager → brand → tutor."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from sqlalchemy import select

from app.core.db import db
from app.core.scope import platform_scope
from app.providers.mail.mock import MockMailMessage
from tests.browser.conftest import OPERATOR_PASSWORD
from tests.support.browser import PageAt, shoot
from tests.support.servers import LiveServers

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser
PASSWORD = "a quiet fjord in may"


def link_in_mail(app: Flask, recipient: str, path: str) -> str:
    """The link that was mailed; waits for dispatcher and worker, which are real."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with platform_scope("read the mock's mail"):
            text = db.session.scalar(
                select(MockMailMessage.text)
                .where(MockMailMessage.recipient == recipient)
                .order_by(MockMailMessage.id.desc())
            )
        found = re.search(rf"https?://\S+{path}\S+", text or "")
        if found:
            return found.group(0)
        time.sleep(0.1)
    raise AssertionError(f"no mail to {recipient}")


def sign_in(page: Page, url: str, email: str, password: str) -> None:
    page.goto(url)
    page.locator("[name=email]").fill(email)
    page.locator("[name=password]").fill(password)
    submit(page, "Sign in")


def submit(page: Page, label: str) -> None:
    page.get_by_role("main").get_by_role("button", name=label, exact=True).click()


def open_company(page: Page, live: LiveServers) -> None:
    """The operator creates "Fjord Tutors" and invites its manager."""
    sign_in(page, live.url("/login/"), "operator@wemaster.test", OPERATOR_PASSWORD)
    page.get_by_role("heading", name=re.compile("Good to see you")).wait_for()
    shoot(page, "operator-home")
    page.goto(live.url("/admin/tenants/add"))
    page.locator("[name=name]").fill("Fjord Tutors")
    page.locator("[name=slug]").fill("fjord")
    plan = page.get_by_role("combobox", name="Plan")
    plan.press_sequentially("Stu")
    page.get_by_role("option", name="Studio").wait_for()
    plan.press("ArrowDown")
    plan.press("Enter")
    page.locator("[name=currency]").select_option("NOK")
    page.locator("[name=timezone]").select_option("Europe/Oslo")
    shoot(page, "company-form")
    submit(page, "New company")
    page.get_by_text("Fjord Tutors was added.").wait_for()
    shoot(page, "company")
    page.get_by_role("link", name="Invite its manager").click()
    page.locator("[name=full_name]").fill("Mette Fjeld")
    page.locator("[name=email]").fill("mette@fjord.test")
    shoot(page, "invite-manager")
    submit(page, "Invite its manager")
    page.get_by_text("The invitation is on its way.").wait_for()


def join(page: Page, url: str, name: str, shot: str) -> None:
    """Follow the mail, choose a password, arrive signed in."""
    page.goto(url)
    shoot(page, shot)
    page.locator("[name=full_name]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=repeat]").fill(PASSWORD)
    page.get_by_role("main").locator("button[type=submit]").first.click()
    page.get_by_text("Welcome! You are in.").wait_for()


def test_a_company_is_opened_branded_and_staffed(live: LiveServers, operated: Flask, page_at: PageAt) -> None:
    operator = page_at(1280)
    open_company(operator, live)

    manager = page_at(1280)
    join(manager, link_in_mail(operated, "mette@fjord.test", "/invitation/"), "Mette Fjeld", "invitation")
    assert manager.url == live.url("/admin/", "fjord.localhost")
    shoot(manager, "manager-home")

    manager.get_by_role("link", name="Brand").first.click()
    manager.locator("[name=primary]").fill("#ffe94d")
    submit(manager, "Save")
    manager.get_by_text("White text on this colour would be hard to read").first.wait_for()
    shoot(manager, "brand-too-faint")
    manager.locator("[name=primary]").fill("#9c1f5b")
    submit(manager, "Save")
    manager.get_by_text("Your brand is saved").wait_for()
    shade = manager.evaluate("getComputedStyle(document.documentElement).getPropertyValue('--tblr-primary')")
    assert shade.strip() == "#9c1f5b"

    manager.goto(live.url("/admin/invitations/add", "fjord.localhost"))
    manager.locator("[name=full_name]").fill("Tor Tutor")
    manager.locator("[name=email]").fill("tor@fjord.test")
    manager.locator("[name=role]").select_option("tutor")
    submit(manager, "Invite somebody")
    manager.get_by_text("was added").wait_for()
    shoot(manager, "invitation-sent")

    tutor = page_at(390)
    join(tutor, link_in_mail(operated, "tor@fjord.test", "/invitation/"), "Tor Tutor", "invitation")
    assert tutor.url == live.url("/", "fjord.localhost")
    shoot(tutor, "welcome")
    tutor.goto(live.url("/admin/", "fjord.localhost"))
    tutor.get_by_text("Not allowed").first.wait_for()

    for width, dark in ((390, False), (390, True), (1280, True)):
        again = page_at(width, dark)
        sign_in(again, live.url("/login/", "fjord.localhost"), "mette@fjord.test", PASSWORD)
        again.goto(live.url("/admin/", "fjord.localhost"))
        shoot(again, "manager-home")
        for path in ("people/", "invitations/", "invitations/add", "roles/add", "brand/", "memberships/1"):
            again.goto(live.url(f"/admin/{path}", "fjord.localhost"))
            shoot(again, f"manager-{path.strip('/').replace('/', '-')}")
            overflow = again.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert overflow <= 0, f"{path} scrolls sideways at {width} px"

    operator.goto(live.url("/admin/tenants/?q=fjord"))
    operator.get_by_role("link", name="Fjord Tutors").first.click()
    operator.get_by_role("link", name="Open this company").click()
    submit(operator, "Open this company")
    operator.wait_for_url(live.url("/admin/", "fjord.localhost"))
    manager.goto(live.url("/admin/audit/", "fjord.localhost"))
    manager.get_by_text("opened these pages as an operator").first.wait_for()
