"""The main job's stage: who takes part and when, the clock, and the amounts that pages show."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from flask import Flask

from app.core import business_clock, clock
from app.core.scope import platform_scope
from tests.browser.customers import main_text, plain
from tests.browser.steps import FJORD, PATIENCE, submit
from tests.support.browser import PageAt
from tests.support.servers import LiveServers

if TYPE_CHECKING:
    from playwright.sync_api import Page

OSLO, NEW_YORK = "Europe/Oslo", "America/New_York"
ONE_TO_ONE, CLASS = "Mathematics, one to one", "Calculus in a small group"
ALONE, TOGETHER = "/o/mathematics-one-to-one", "/o/calculus-in-a-small-group"
AMOUNT = re.compile(r"(-?)NOK ([\d,]+)\.(\d\d)")


@dataclass
class Job:
    """Where it happens, who takes part, and the moments that they agree on, by the tutor's clock."""

    live: LiveServers
    app: Flask
    page_at: PageAt
    operator: Page
    manager: Page
    tutor: Page
    today: dt.date = field(default_factory=lambda: clock.machine_now().astimezone(ZoneInfo(OSLO)).date())

    def at(self, days: int, hour: int) -> dt.datetime:
        return dt.datetime.combine(self.day(days), dt.time(hour), ZoneInfo(OSLO))

    def day(self, days: int) -> dt.date:
        return self.today + dt.timedelta(days=days)

    def go(self, page: Page, path: str) -> None:
        page.goto(self.live.url(path, FJORD))


def fill(page: Page, **values: str) -> None:
    """Fill in fields by their names."""
    for name, value in values.items():
        page.locator(f"[name={name}]").fill(value)


def move_clock(job: Job, to: dt.datetime) -> None:
    """The operator lets time pass until then, to the hour."""
    page = job.operator
    with platform_scope("see what time it is"):
        offset = dt.timedelta(seconds=business_clock.standing().offset_seconds)
    hours = -((clock.machine_now() + offset - to) // dt.timedelta(hours=1))
    page.goto(job.live.url("/admin/clock/"))
    page.locator("#hours").fill(str(hours))
    submit(page, "Move it")
    page.get_by_text("now by business time.").wait_for()


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Look again until it holds: what is due is done in the background."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, main_text(page)
        time.sleep(0.2)
        page.reload()


def balances(job: Job) -> dict[str, int]:
    """Each account's balance as the manager's books show it, in minor units."""
    job.go(job.manager, "/admin/books/")
    rows = job.manager.locator("main table").first.locator("tr").all()
    return {
        plain(row.locator("th").inner_text()): minor(row.locator("[data-label=Balance]").inner_text())
        for row in rows
        if row.locator("[data-label=Balance]").count()
    }


def figure(page: Page, label: str) -> int:
    card = page.locator(".wm-figure").filter(has=page.locator("dt", has_text=re.compile(f"^{label}$")))
    return minor(card.locator(".wm-figure-value").inner_text())


def minor(text: str) -> int:
    """The first amount in it."""
    found = AMOUNT.search(plain(text))
    assert found, f"no amount in {text!r}"
    number = int(found[2].replace(",", "") + found[3])
    return -number if found[1] else number
