"""Every page that somebody can reach, before judges that are not ours: axe, and the Nu HTML checker.

The normal run looks at each kind of page once, in turns light and dark and in each language; the long form
at every page of every role in all of them.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from app.core.web.choices import LOCALES
from tests.browser.conftest import House
from tests.browser.steps import sign_in
from tests.support.judges import axe, can_check_html, nu
from tests.support.pages import Found, Opened, crawl

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = pytest.mark.browser

LANGUAGES = tuple(code for code, _name in LOCALES)
TENANT_STARTS = (
    "/",
    "/search",
    "/login/",
    "/register/",
    "/forgot/",
    "/account/",
    "/admin/",
    "/learn/",
    "/teach/",
)
PLATFORM_STARTS = ("/", "/login/", "/forgot/", "/account/", "/admin/")
ROLES = ("visitor", "student", "guardian", "tutor", "manager", "operator")
# Kinds of pages that every entry of the admin has; the normal run looks at some entries of each.
ENTRY_PAGES = 2
FULL_WIDTH, PHONE = 1280, 390
REDIRECTS = 5
# Colours that change pass through others, from each element to those within.
SETTLED = """() => new Promise((done) => {
  const moves = () => document.getAnimations().some((one) => one.playState === "running");
  const look = (quiet) => (quiet > 3 ? done() : requestAnimationFrame(() => look(moves() ? 0 : quiet + 1)));
  look(0);
})"""


@dataclass
class Visitor:
    """Somebody with a browser of their own, and what they can reach."""

    role: str
    page: Page
    found: Found

    def speak(self, language: str, house: House) -> None:
        """As the language menu does it."""
        self.page.goto(house.url(self.role, "/login/" if self.role == "visitor" else "/account/"))
        token = self.page.locator("input[name=csrf_token]").first.input_value()
        self.page.evaluate(
            """([token, locale]) => fetch("/preferences/", { method: "POST",
                 body: new URLSearchParams({ csrf_token: token, locale, next: "/" }) })""",
            [token, language],
        )
        self.page.reload()
        assert self.page.locator("html").get_attribute("lang") == language


@pytest.fixture(params=ROLES, scope="module")
def guest(request: pytest.FixtureRequest, house: House, browser: Browser) -> Iterator[Visitor]:
    role = request.param
    context = browser.new_context(viewport={"width": FULL_WIDTH, "height": 900}, reduced_motion="reduce")
    page = context.new_page()
    if role != "visitor":
        sign_in(page, house.url(role, "/login/"), *house.account(role))
    starts = PLATFORM_STARTS if role == "operator" else TENANT_STARTS
    found = crawl(house.app, lambda path: fetch(context, house, role, path), house.host(role), starts)
    yield Visitor(role, page, found)
    context.close()


def fetch(context: BrowserContext, house: House, role: str, path: str) -> Opened:
    """As the browser would, with its cookies; follows redirects on this host."""
    cookies = "; ".join(f"{one['name']}={one['value']}" for one in context.cookies(house.url(role)))
    headers = {"Host": house.host(role), "Cookie": cookies, "Accept": "text/html", "Accept-Language": "en"}
    for _step in range(REDIRECTS):
        connection = http.client.HTTPConnection("127.0.0.1", house.live.port, timeout=60)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        target = urlsplit(answer.getheader("Location", ""))
        if not 300 <= answer.status < 400 or target.netloc not in ("", house.host(role)):
            break
        path = target.path + (f"?{target.query}" if target.query else "")
    is_page = answer.getheader("Content-Type", "").startswith("text/html")
    return Opened(answer.status, path, body.decode() if is_page else "")


@pytest.fixture(scope="module")
def judged() -> set[str]:
    """The kinds of pages that a role before was shown."""
    return set()


def test_no_page_shuts_anybody_out(guest: Visitor, house: House, judged: set[str]) -> None:
    """One look at each kind of page, by the first of the roles that reach it: every other one dark, every
    fourth in each language."""
    assert len(guest.found.pages) > 4
    broken = {rule: seen for rule, seen in guest.found.refused.items() if seen[1] >= 500}
    assert not broken
    troubles: list[str] = []
    # What the company's people and the operator see at one address are two pages.
    place = "platform" if guest.role == "operator" else "company"
    pages = [(rule, paths[0]) for rule, paths in sorted(guest.found.pages.items())]
    some = [(rule, path) for rule, path in _some(pages) if f"{place} {rule}" not in judged]
    assert some, "no page of its own"
    judged.update(f"{place} {rule}" for rule, _path in some)
    for turn, language in enumerate(LANGUAGES):
        guest.speak(language, house)
        for number, (_rule, path) in enumerate(some[turn :: len(LANGUAGES)]):
            dark, narrow = bool(number % 2), number % 3 == 2
            troubles += judge(guest, house, path, language, dark=dark, width=PHONE if narrow else FULL_WIDTH)
    assert not troubles, "\n".join(troubles)


def _some(pages: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """All pages, but of what every entry of the admin has a few entries' only."""
    counts: dict[str, int] = {}
    for rule, path in pages:
        parts = rule.split("/")
        if rule.startswith("/admin/") and len(parts) > 3:
            kind = "/".join(parts[3:])
            counts[kind] = counts.get(kind, 0) + 1
            if counts[kind] > ENTRY_PAGES:
                continue
        yield rule, path


def judge(
    guest: Visitor,
    house: House,
    path: str,
    language: str,
    *,
    dark: bool,
    width: int = FULL_WIDTH,
    only: list[str] | None = None,
) -> list[str]:
    page = guest.page
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if dark else "light")
    page.goto(house.url(guest.role, path))
    where = f"{guest.role} {language} {'dark' if dark else 'light'} {width} {path}"
    return [f"{where}: {trouble}" for trouble in axe(page, only)]


@pytest.mark.skipif(not can_check_html(), reason="no Java here: the Nu HTML checker is left out")
def test_every_page_is_valid_html(guest: Visitor, tmp_path: Path) -> None:
    pages = {f"{guest.role} {path}": html for path, html in guest.found.html.items()}
    troubles = nu(pages, tmp_path / "html")
    assert not troubles, "\n".join(troubles)


@pytest.mark.soak
def test_no_page_shuts_anybody_out_in_any_dress(guest: Visitor, house: House) -> None:
    """All pages of the role, light and dark, in all languages."""
    troubles: list[str] = []
    count = 0
    for language in LANGUAGES:
        guest.speak(language, house)
        for _rule, path in guest.found.addresses():
            troubles += judge(guest, house, path, language, dark=False)
            guest.page.emulate_media(color_scheme="dark")
            guest.page.evaluate(SETTLED)
            dark = axe(guest.page, ["color-contrast", "link-in-text-block"])
            troubles += [f"{guest.role} {language} dark {path}: {trouble}" for trouble in dark]
            count += 2
    print(json.dumps({"role": guest.role, "pages": count, "violations": len(troubles)}))
    assert not troubles, "\n".join(troubles)
