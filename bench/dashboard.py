"""How soon the first pages of a manager and of an operator are there, on a platform of some age.

`page` is what the server takes, one request after the other; `drawn` is a browser's time from asking to the
last chart in sight, where there is a Chromium with its driver. What counts is the median.
"""

from __future__ import annotations

import shutil
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from bench.ground import PASSWORD, Ground
from bench.measuring import drive

WHO = ("manager", "operator")
PERIODS = (30, 365)
DRAWN = """() => {
  const wanted = [...document.querySelectorAll('[data-chart]')]
    .filter((place) => place.getBoundingClientRect().top < innerHeight + 150);
  return wanted.length > 0 && wanted.every((place) => place.querySelector('svg path'));
}"""

Figures = dict[str, float | None]


def measure(ground: Ground, rounds: int, say: Callable[[str], None]) -> dict[str, Figures]:
    """Both pages, for a month and for a year."""
    ground.serve()
    found = {}
    for who in WHO:
        for days in PERIODS:
            say(f"dashboard of the {who}, {days} days")
            found[f"{who}, {days} days"] = _page(ground, who, days, rounds)
    return found


def _page(ground: Ground, who: str, days: int, rounds: int) -> Figures:
    host = ground.host if who == "manager" else f"localhost:{ground.port}"
    cookie = ground.sign_in(f"{who}@bench.test", host).headers
    request = ground.get(f"/admin/?days={days}", host, cookie)
    statements = ground.statements(request)
    drive(ground.port, [request] * 4, connections=2)
    found = drive(ground.port, [request] * rounds, connections=1)
    assert set(found.statuses) == {"200"}, found.statuses
    return {
        "statements": statements,
        "page_ms": statistics.median(found.ms),
        "drawn_ms": drawn(host, who, days, rounds),
    }


def drawn(host: str, who: str, days: int, rounds: int) -> float | None:
    """In a browser, with everything it already has in its cache, as on any day but the first."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if program is None:
        return None
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
        page.goto(f"http://{host}/login/")
        page.fill("input[name=email]", f"{who}@bench.test")
        page.fill("input[name=password]", PASSWORD)
        page.click("main form button[type=submit]")
        page.wait_for_url(lambda url: "/login/" not in url)
        times = []
        for _round in range(rounds):
            started = time.perf_counter()
            page.goto(f"http://{host}/admin/?days={days}", wait_until="commit")
            while not page.evaluate(DRAWN):
                time.sleep(0.01)
            times.append((time.perf_counter() - started) * 1000)
        browser.close()
    return statistics.median(times)


def table(results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """The lines to read."""
    heads = ("statements", "page ms", "drawn ms")
    lines = [f"{'dashboards':<34}" + "".join(f"{word:>12}" for word in heads)]
    for name, found in results.items():
        shown = (found["statements"], found["page_ms"], found["drawn_ms"])
        cells = [f"{value:>12.0f}" if value is not None else f"{'-':>12}" for value in shown]
        lines.append(f"{name:<34}" + "".join(cells))
    return lines
