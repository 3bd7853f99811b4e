"""Steps of those who book: choosing a time, registering, paying, cancelling; and what they were sent."""

from __future__ import annotations

import base64
import datetime as dt
import io
import re
import time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from flask import Flask
from icalendar import Calendar, Event
from pypdf import PdfReader

from app.providers.mail.mock import MockMailMessage
from tests.browser.steps import FJORD, PASSWORD, PATIENCE, link_in_mail, mails_to, submit
from tests.support.browser import look
from tests.support.servers import LiveServers

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

GOOD, DECLINED, EMPTY, SECURE = (
    "4242 4242 4242 4242",
    "4000 0000 0000 0002",
    "4000 0000 0000 9995",
    "4000 0000 0000 3220",
)
PDF = """async url => {
  const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
  return btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""));
}"""


def plain(text: str) -> str:
    """With ordinary blanks only: times and amounts are written with narrow and unbreakable ones."""
    return re.sub(r"\s+", " ", text)


def main_text(page: Page) -> str:
    return plain(page.get_by_role("main").inner_text())


# -- Choosing ----------------------------------------------------------------------------------------------


def open_day(page: Page, day: dt.date) -> None:
    """Choose a day in the strip."""
    page.locator(f".wm-strip-days a[href*='day={day.isoformat()}']").click()
    page.locator(f".wm-strip-days a[aria-current][href*='day={day.isoformat()}']").wait_for()


def slot(page: Page, at: dt.datetime) -> Locator:
    """The radio button of one free time."""
    return page.locator(f"input[name=starts_at][value='{at.astimezone(dt.UTC).isoformat()}']")


def shows_time(button: Locator, at: dt.datetime, zone: str) -> bool:
    """Whether it is labelled by that zone's clock."""
    local = at.astimezone(ZoneInfo(zone))
    return plain(button.inner_text()) == f"{local.hour % 12 or 12}:{local:%M} {local:%p}"


def find(page: Page, live: LiveServers, words: str, facet: str, title: str) -> None:
    """From the first page over the search and a facet to the offering."""
    page.goto(live.url("/", FJORD))
    look(page, "storefront")
    page.get_by_role("searchbox").fill(words)
    page.get_by_role("main").get_by_role("button", name="Search").click()
    page.locator("summary", has_text="Filters").click()
    page.get_by_role("link", name=re.compile(f"^{facet}")).click()
    page.locator("#found", has_text="1 offering").wait_for()
    look(page, "search")
    page.get_by_role("link", name=title).click()
    page.get_by_role("heading", name=title, level=1).wait_for()


def hold(page: Page, at: dt.datetime, zone: str) -> str:
    """Take a free time; returns the address of the reservation, whose seconds run."""
    open_day(page, at.astimezone(ZoneInfo(zone)).date())
    assert shows_time(slot(page, at).locator("+ .wm-time"), at, zone)
    slot(page, at).check()
    submit(page, "Reserve this time")
    page.wait_for_url("**/checkout/*")
    assert re.fullmatch(r"(10:00|9:5\d)", page.locator("[data-countdown]").inner_text())
    return page.url


# -- Registering and paying --------------------------------------------------------------------------------


def register(page: Page, app: Flask, name: str, email: str, kind: str = "student") -> None:
    """From a reservation over the mail's link back to the reservation."""
    reservation = page.url
    page.get_by_role("link", name="I am new here").click()
    page.locator(f"[name=kind][value={kind}]").check()
    page.locator("[name=full_name]").fill(name)
    page.locator("[name=email]").fill(email)
    look(page, "register")
    submit(page, "Send me the link")
    page.get_by_text("Look into your mailbox").wait_for()
    page.goto(link_in_mail(app, email, "/register/"))
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("[name=repeat]").fill(PASSWORD)
    look(page, "registration")
    submit(page, "Finish the registration")
    page.get_by_text("Welcome! You are in.").wait_for()
    assert page.url == reservation
    left = page.locator("[data-countdown]").inner_text()
    assert re.fullmatch(r"9:[0-5]\d|8:\d\d", left), "the same hold goes on"


def to_the_simulator(page: Page) -> None:
    """From the reservation over the order to the provider's page."""
    submit(page, "Continue")
    page.wait_for_url("**/checkout/*/check")
    look(page, "check")
    page.get_by_role("main").get_by_role("button", name=re.compile("^Pay ")).click()
    page.locator("#number").wait_for()


def give_card(page: Page, number: str) -> None:
    page.locator("#number").fill(number)
    page.locator("#expiry").fill("12/34")
    page.locator("#cvc").fill("123")
    page.get_by_role("button", name=re.compile("^Pay ")).click()


def see_it_paid(page: Page) -> str:
    """The order's page finds out by itself, as soon as the webhook came; returns the order's code."""
    page.wait_for_url("**/orders/*")
    page.get_by_role("heading", name="Paid", exact=True).wait_for()
    look(page, "paid")
    return page.url.rsplit("/", 1)[1]


def receipt_text(page: Page) -> str:
    """What stands in the PDF that the page links to."""
    link = page.get_by_role("link", name=re.compile(r"^Receipt R-\d+")).first
    data = base64.b64decode(page.evaluate(PDF, link.get_attribute("href")))
    return plain(" ".join(leaf.extract_text() for leaf in PdfReader(io.BytesIO(data)).pages))


# -- Afterwards --------------------------------------------------------------------------------------------


def open_lesson(page: Page, live: LiveServers, words: str) -> None:
    """One of my lessons, the next one or one of the list."""
    page.goto(live.url("/learn/", FJORD))
    look(page, "learn")
    following = page.locator(".wm-next", has_text=words).get_by_role("link", name="To the lesson")
    row = page.locator(".wm-rows li", has_text=words).get_by_role("link")
    following.or_(row).first.click()
    page.wait_for_url("**/learn/lessons/*")


def cancel(page: Page, refund: str) -> None:
    """What the page promises is what is given back."""
    look(page, "lesson")
    page.get_by_role("link", name="Cancel it").click()
    page.get_by_role("heading", name="Cancel the lesson?").wait_for()
    back = page.locator(".wm-sums div", has_text="You get back").locator("dd")
    assert plain(back.inner_text()) == refund
    look(page, "cancel")
    submit(page, f"Cancel and get {refund} back")
    page.get_by_text(f"{refund} is on its way back to you.").wait_for()
    look(page, "cancelled")


def invitation_in_mail(
    app: Flask, recipient: str, subject: str, at: dt.datetime
) -> tuple[MockMailMessage, str, Event]:
    """The mail of that subject on a lesson at that time, its calendar part's method and event; waits for the
    worker."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for mail in mails_to(app, recipient):
            if mail.subject == subject and mail.attachments:
                calendar = Calendar.from_ical(base64.b64decode(mail.attachments[0]["data"]))
                [event] = calendar.walk("VEVENT")
                if event["DTSTART"].dt == at:
                    return mail, str(calendar["METHOD"]), event
        time.sleep(0.1)
    raise AssertionError(f"no mail “{subject}” to {recipient}")
