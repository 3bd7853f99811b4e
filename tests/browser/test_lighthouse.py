"""Lighthouse's marks on a phone for the pages that people meet first; part of `make soak`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from app.core.db import db
from app.core.scope import tenant_scope
from app.domains.booking.models import HELD, Seat
from app.domains.catalog.models import Offering
from app.domains.tenancy import queries as tenancy
from app.shell.assets import wheel_node
from tests.browser.conftest import SLUG, House
from tests.browser.steps import sign_in
from tests.support.browser import FLAGS, PROGRAMS
from tests.support.judges import installed

pytestmark = [pytest.mark.browser, pytest.mark.soak]

PERFORMANCE, OTHERS = 0.90, 0.95
PUBLIC = {"storefront", "offering"}


def pages(house: House) -> dict[str, tuple[str, str]]:
    """The page by its name: who looks, and its path."""
    with house.app.app_context():
        place = tenancy.place_of_host(db.engine, f"{SLUG}.localhost", SLUG)
        assert place is not None
        with tenant_scope(place.tenant_id):
            slug = db.session.scalar(select(Offering.slug).order_by(Offering.id).limit(1))
            held = db.session.scalar(select(Seat.code).where(Seat.status == HELD).limit(1))
    assert slug, "the house sells nothing"
    assert held, "the student holds no seat"
    return {
        "storefront": ("visitor", "/"),
        "offering": ("visitor", f"/o/{slug}"),
        "checkout": ("student", f"/checkout/{held}"),
        "student's home": ("student", "/learn/"),
        "tutor's home": ("tutor", "/teach/"),
        "admin list": ("manager", "/admin/people/"),
        "admin dashboard": ("manager", "/admin/"),
        "operator's dashboard": ("operator", "/admin/"),
    }


def marks(url: str, cookies: str, folder: Path) -> dict[str, Any]:
    """Lighthouse's report on a page, as a phone shows it."""
    report = folder / "report.json"
    program = next(filter(None, map(shutil.which, PROGRAMS)))
    done = subprocess.run(
        [
            *wheel_node(), str(installed() / "lighthouse" / "cli" / "index.js"), url, "--quiet",
            "--output=json", f"--output-path={report}", f"--chrome-flags=--headless {' '.join(FLAGS)}",
            f"--extra-headers={json.dumps({'Cookie': cookies, 'Accept-Language': 'en'})}",
        ],
        env={**os.environ, "CHROME_PATH": str(program)}, check=False, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(report.read_text())
    return found


def test_phones_get_good_pages(house: House, browser: Any, tmp_path: Path) -> None:
    too_low: list[str] = []
    contexts: dict[str, str] = {"visitor": ""}
    for name, (role, path) in pages(house).items():
        if role not in contexts:
            context = browser.new_context()
            sign_in(context.new_page(), house.url(role, "/login/"), *house.account(role))
            contexts[role] = "; ".join(f"{c['name']}={c['value']}" for c in context.cookies(house.url(role)))
            context.close()
        report = marks(house.url(role, path), contexts[role], tmp_path)
        scores = {key: found["score"] for key, found in report["categories"].items()}
        weight = report["audits"]["total-byte-weight"]["numericValue"] / 1000
        requests = len(report["audits"]["network-requests"]["details"]["items"])
        print(
            f"{name:16} {scores} {weight:.0f} kB, {requests} requests, {report['audits']['largest-contentful-paint']['displayValue']}"
        )
        wanted = {"performance": PERFORMANCE, "accessibility": OTHERS, "best-practices": OTHERS}
        if name in PUBLIC:
            wanted["seo"] = OTHERS
        too_low += [f"{name}: {key} {scores[key]}" for key, least in wanted.items() if scores[key] < least]
    assert not too_low, "\n".join(too_low)
