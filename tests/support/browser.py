"""A real Chromium. A page that logs an error, throws or breaks its content policy fails the test."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.databases import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Response

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PARTS_OF_A_PAGE = {"stylesheet", "script", "image", "font", "manifest"}
SCREENSHOTS = ROOT / "var" / "screenshots"
HEIGHT = 900
WIDTHS = (390, 1280)
# Once the page has taken its new width.
FITS = """width => innerWidth === width
  && document.documentElement.scrollWidth <= document.documentElement.clientWidth"""
OFFLINE = "net::ERR_INTERNET_DISCONNECTED"

PageAt = Callable[..., "Page"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, headless; skips where none is installed."""
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("no Chromium found: the browser tests are left out")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=program, headless=True, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def page_at(browser: Browser) -> Iterator[PageAt]:
    """Opens pages of a width, light or dark, each with cookies of its own; looks for troubles at the end."""
    contexts, troubles = [], list[str]()

    def open_page(width: int = 1280, dark: bool = False, locale: str = "en", zone: str | None = None) -> Page:
        context = browser.new_context(
            timezone_id=zone,
            viewport={"width": width, "height": HEIGHT},
            color_scheme="dark" if dark else "light",
            locale=locale,
            reduced_motion="reduce",
            has_touch=width < 768,
        )
        contexts.append(context)
        page = context.new_page()
        watch(page, troubles)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles, "the pages had troubles:\n" + "\n".join(troubles)


def watch(page: Page, troubles: list[str]) -> None:
    """Note everything a developer's console would show in red."""

    def on_console(message: ConsoleMessage) -> None:
        # Chromium reports each answer of 400 and more so; `on_response` knows which of them are faults.
        if message.type != "error" or message.text.startswith("Failed to load resource"):
            return
        if OFFLINE not in message.text:  # the test took the connection away
            troubles.append(f"{page.url}: console: {message.text}")

    def on_response(response: Response) -> None:
        part = response.request.resource_type in PARTS_OF_A_PAGE
        if response.status >= 500 or (part and response.status >= 400):
            troubles.append(f"{page.url}: {response.status} for {response.url}")

    page.on("console", on_console)  # breaches of the content policy come this way, too
    page.on("pageerror", lambda error: troubles.append(f"{page.url}: {error}"))
    page.on("response", on_response)


def shoot(page: Page, name: str) -> Path:
    """Save the whole page as var/screenshots/<name>-<width>-<light or dark>.png."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    width = page.viewport_size["width"] if page.viewport_size else 0
    file = SCREENSHOTS / f"{name}-{width}-{'dark' if dark else 'light'}.png"
    page.screenshot(path=file, full_page=True)
    return file


def look(page: Page, name: str) -> None:
    """Save the page as phones and as desks show it; neither may have to scroll sideways."""
    from playwright.sync_api import TimeoutError as Late

    before = page.viewport_size
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": HEIGHT})
        try:
            page.wait_for_function(FITS, arg=width, timeout=3000)
        except Late:
            raise AssertionError(f"{page.url} scrolls sideways at {width} px") from None
        page.evaluate("scrollTo(0, 0)")  # what sticks to the top stays there in a picture of the whole page
        shoot(page, name)
    if before:
        page.set_viewport_size(before)
