"""Steps that the stories share: signing in, following mails, opening a company and staffing it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import undefer

from app.core.db import db
from app.core.scope import platform_scope
from app.providers.mail.mock import MockMailMessage
from tests.browser.conftest import OPERATOR_PASSWORD
from tests.support.browser import shoot
from tests.support.servers import LiveServers

if TYPE_CHECKING:
    from playwright.sync_api import Page

PASSWORD = "a quiet fjord in may"
FJORD = "fjord.localhost"
PATIENCE = 30.0  # seconds for what dispatcher, worker and scheduler do


def mails_to(app: Flask, recipient: str) -> list[MockMailMessage]:
    """What was mailed to somebody, the latest first."""
    with platform_scope("read the mock's mail"):
        found = db.session.scalars(
            select(MockMailMessage)
            .options(undefer(MockMailMessage.attachments))
            .where(MockMailMessage.recipient == recipient)
            .order_by(MockMailMessage.id.desc())
        ).all()
        db.session.expunge_all()
    return list(found)


def link_in_mail(app: Flask, recipient: str, path: str) -> str:
    """The link that was mailed; waits for dispatcher and worker, which are real."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for mail in mails_to(app, recipient)[:1]:
            found = re.search(rf"https?://\S+{path}\S+", mail.text)
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


def join(page: Page, url: str, name: str, shot: str) -> None:
    """Follow the mail, choose a password, arrive signed in."""
    page.goto(url)
    shoot(page, shot)
    page.locator("[name=full_name]").fill(name)
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=repeat]").fill(PASSWORD)
    page.get_by_role("main").locator("button[type=submit]").first.click()
    page.get_by_text("Welcome! You are in.").wait_for()


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


def enter_as_manager(page: Page, live: LiveServers, app: Flask) -> None:
    """Mette follows her invitation and arrives in the company's admin."""
    join(page, link_in_mail(app, "mette@fjord.test", "/invitation/"), "Mette Fjeld", "invitation")
    assert page.url == live.url("/admin/", FJORD)
    shoot(page, "manager-home")


def brand(page: Page) -> None:
    """A colour that would be hard to read is refused; the next one is the company's."""
    page.get_by_role("link", name="Brand").first.click()
    page.locator("[name=primary]").fill("#ffe94d")
    submit(page, "Save")
    page.get_by_text("White text on this colour would be hard to read").first.wait_for()
    shoot(page, "brand-too-faint")
    page.locator("[name=primary]").fill("#9c1f5b")
    submit(page, "Save")
    page.get_by_text("Your brand is saved").wait_for()
    page.wait_for_function(
        "getComputedStyle(document.documentElement).getPropertyValue('--tblr-primary').trim() === '#9c1f5b'"
    )


def invite_tutor(page: Page, live: LiveServers) -> None:
    page.goto(live.url("/admin/invitations/add", FJORD))
    page.locator("[name=full_name]").fill("Tor Tutor")
    page.locator("[name=email]").fill("tor@fjord.test")
    page.locator("[name=role]").select_option("tutor")
    submit(page, "Invite somebody")
    page.get_by_text("was added").wait_for()
    shoot(page, "invitation-sent")


def enter_as_tutor(page: Page, live: LiveServers, app: Flask) -> None:
    join(page, link_in_mail(app, "tor@fjord.test", "/invitation/"), "Tor Tutor", "invitation")
    assert page.url == live.url("/", FJORD)
    shoot(page, "welcome")
