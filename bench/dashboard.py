"""How soon the first pages of a manager and of an operator are there, on a platform of some age:

    python -m bench.dashboard

`page` is what the server takes, in process; `drawn` is a browser's time from asking to the last chart in
sight, where there is a Chromium with its driver. What counts is the median.
"""

from __future__ import annotations

import json
import shutil
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import click
from flask import Flask
from sqlalchemy import create_engine, event
from werkzeug.serving import make_server

from app.core import clock
from app.core.db import db
from app.core.rights import catalogue
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import MANAGER, OPERATOR
from app.domains.accounts.service import people
from app.domains.tenancy import service as tenancy
from app.domains.tenancy.models import Plan
from app.shell import embedded, migrations
from app.shell.factory import create_app
from bench.dashboard_data import Size, add_companies, fill
from config import load_settings

PORT = 8470
PASSWORD = "bench-password-1"  # noqa: S105 - of a database that lives for the length of the run
ROUNDS = 15
SIZE = Size()
RESULTS = Path("bench-dashboard.json")
PERIODS = (30, 365)
WHO = {"manager": f"bench.localhost:{PORT}", "operator": f"localhost:{PORT}"}
PLUMBING = ("begin", "commit", "rollback", "select set_config", "set ")
DRAWN = """() => {
  const wanted = [...document.querySelectorAll('[data-chart]')]
    .filter((place) => place.getBoundingClientRect().top < innerHeight + 150);
  return wanted.length > 0 && wanted.every((place) => place.querySelector('svg path'));
}"""


def main() -> None:
    """Build the data, measure, print the table, write bench-dashboard.json."""
    click.echo("Starting servers of its own and making the data ...", err=True)
    with tempfile.TemporaryDirectory(prefix="wm-bench-") as directory:
        servers = embedded.start(Path(directory))
        try:
            app = build(servers)
            results = {f"{who}, {days} days": measure(app, who, days) for who in WHO for days in PERIODS}
            with app.app_context():
                db.engine.dispose()
            app.extensions["redis"].close()
        finally:
            servers.stop()
    click.echo("\n".join(table(results)))
    RESULTS.write_text(json.dumps({"dashboard": results}, indent=2) + "\n")


def build(servers: embedded.Servers) -> Flask:
    """An app on a database full of companies."""
    migrations.upgrade(servers.owner_url)
    app = create_app(
        load_settings(DATABASE_URL=servers.app_url, REDIS_URL=servers.redis_url, LOG_LEVEL="ERROR", PORT=PORT)
    )
    engine, now = create_engine(servers.database_url("postgres")), clock.now()
    with app.app_context():
        _open_companies()
    add_companies(engine, SIZE, now)
    fill(engine, SIZE, now)
    engine.dispose()
    return app


def _open_companies() -> None:
    """The large company with its manager, and an operator: they sign in, so the services make them."""
    with platform_scope("bench data"), transaction() as session:
        session.add(plan := Plan(code="bench", name="Bench"))
        session.flush()
        tenant = tenancy.open_tenant(tenancy.NewTenant("Bench", "bench", plan, "EUR", "Europe/Berlin", "en"))
        tenant_id = tenant.id
        people.make_platform_user(
            email="operator@bench.test", full_name="Olga Operator", password=PASSWORD, role=OPERATOR
        )
    with tenant_scope(tenant_id), transaction():
        inviter = people.Inviter("bench", catalogue().of_role(MANAGER))
        invitation = people.invite(
            full_name="Zoe Manager",
            email="manager@bench.test",
            choice=people.RoleChoice(MANAGER),
            by=inviter,
        )
    with platform_scope("bench data"), transaction():
        people.accept(invitation, full_name="Zoe Manager", password=PASSWORD)


# -- Measuring ---------------------------------------------------------------------------------------------


def measure(app: Flask, who: str, days: int) -> dict[str, float | None]:
    """The medians for one page."""
    client, base = app.test_client(), f"http://{WHO[who]}"
    page = client.get("/login/", base_url=base).text
    token = page.split('name="csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
    data = {"email": f"{who}@bench.test", "password": PASSWORD, "csrf_token": token}
    assert client.post("/login/", base_url=base, data=data).status_code == 302
    with app.app_context():
        engine = db.engine
    statements: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not statement.lower().startswith(PLUMBING):
            statements.append(statement)

    def ask() -> float:
        started = time.perf_counter()
        answer = client.get(f"/admin/?days={days}", base_url=base)
        assert answer.status_code == 200, answer.status_code
        return (time.perf_counter() - started) * 1000

    ask()
    event.listen(engine, "before_cursor_execute", note)
    ask()
    event.remove(engine, "before_cursor_execute", note)
    times = [ask() for _round in range(ROUNDS)]
    return {
        "statements": len(statements),
        "page_ms": statistics.median(times),
        "drawn_ms": drawn(app, who, days),
    }


def drawn(app: Flask, who: str, days: int) -> float | None:
    """In a browser, over HTTP, with everything it already has in its cache, as on any day but the first."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return None
    if program is None:
        return None
    server = make_server("127.0.0.1", PORT, app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=program, args=["--no-sandbox", "--disable-gpu"]
            )
            page = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            page.goto(f"http://{WHO[who]}/login/")
            page.fill("input[name=email]", f"{who}@bench.test")
            page.fill("input[name=password]", PASSWORD)
            page.click("main form button[type=submit]")
            page.wait_for_url(lambda url: "/login/" not in url)
            times = []
            for _round in range(ROUNDS):
                started = time.perf_counter()
                page.goto(f"http://{WHO[who]}/admin/?days={days}", wait_until="commit")
                while not page.evaluate(DRAWN):
                    time.sleep(0.01)
                times.append((time.perf_counter() - started) * 1000)
            browser.close()
    finally:
        server.shutdown()
    return statistics.median(times)


def table(results: dict[str, dict[str, float | None]]) -> list[str]:
    """The lines to read."""
    heads = ("statements", "page ms", "drawn ms")
    head = f"{SIZE.tenants} companies, {SIZE.lessons} lessons"
    lines = [f"{head:<34}" + "".join(f"{word:>12}" for word in heads)]
    for name, found in results.items():
        shown = (found["statements"], found["page_ms"], found["drawn_ms"])
        cells = [f"{value:>12.0f}" if value is not None else f"{'-':>12}" for value in shown]
        lines.append(f"{name:<34}" + "".join(cells))
    return lines


if __name__ == "__main__":
    main()
