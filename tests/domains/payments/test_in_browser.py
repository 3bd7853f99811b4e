"""The whole way in a real browser: the button, the provider's page, back, and what looks again by itself."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from app.core import clock
from app.core.db import db
from app.shell.factory import create_app
from tests.domains.payments.support import GOOD, Bought, Till, line
from tests.support.browser import PageAt, shoot
from tests.support.databases import Database, settings_for
from tests.support.servers import free_port
from tests.support.world import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.browser


class Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None: ...


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def app(database: Database, tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Flask]:
    """One that knows where it is reached, and is."""
    made = create_app(settings_for(database, tmp_path_factory.mktemp("browsed"), PORT=port))
    server = make_server("127.0.0.1", port, made, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield made
    server.shutdown()
    server.server_close()
    thread.join()
    with made.app_context():
        db.engine.dispose()
    made.extensions["redis"].close()


def url(port: int, path: str) -> str:
    return f"http://anna.localhost:{port}{path}"


def signed_in(
    page_at: PageAt, till: Till, port: int, path: str, *, width: int = 390, dark: bool = False
) -> Page:
    page = page_at(width, dark)
    page.goto(url(port, f"/login/?next={path}"))
    page.fill("[name=email]", till.company.email("student"))
    page.fill("[name=password]", PASSWORD)
    page.click("main [type=submit]")
    page.wait_for_url(url(port, path))
    return page


def two_lessons(till: Till) -> Bought:
    return till.place(
        line(4000, description="Spanish for beginners: trial lesson on 3 December, 17:00, with Marta Ruiz"),
        line(1250, description="Workbook", quantity=2, tax_rate_bp=700),
    )


@pytest.mark.parametrize(("width", "dark"), [(390, False), (1280, True)])
def test_from_the_button_to_the_receipt(
    till: Till, page_at: PageAt, port: int, width: int, dark: bool
) -> None:
    bought = two_lessons(till)
    page = signed_in(page_at, till, port, f"/pay/{bought.code}", width=width, dark=dark)
    shown = page.locator("[data-countdown]")
    shown.wait_for(state="visible")
    assert ":" in shown.inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shoot(page, "pay")
    page.get_by_role("button", name="Pay €65.00").click()
    page.wait_for_url(f"http://localhost:{till.provider._page_base.rsplit(':', 1)[1]}/pay/**")
    page.fill("[name=number]", GOOD)
    page.fill("[name=expiry]", "12/34")
    page.fill("[name=cvc]", "123")
    page.click("main [type=submit], form [type=submit]")
    page.wait_for_url(url(port, f"/orders/{bought.code}"))
    assert page.get_by_role("heading", level=1).inner_text() == "Paid"
    assert page.get_by_role("link", name="Receipt R-000001").is_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shoot(page, "order-paid")
    page.goto(url(port, "/account/orders/"))
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    shoot(page, "orders")
    page.go_back()
    page.go_back()
    assert till.order(bought).status == "paid"
    assert len(till.events("charge.succeeded")) == 1


def test_the_page_that_waits_notices_by_itself(till: Till, page_at: PageAt, port: int) -> None:
    bought = two_lessons(till)
    payment = till.start(bought)
    page = signed_in(page_at, till, port, f"/orders/{bought.code}")
    assert page.get_by_role("heading", level=1).inner_text() == "Waiting for the payment"
    shoot(page, "order-waiting")
    till.controls.pay(payment.client_secret or "", GOOD)
    page.get_by_role("heading", name="Paid").wait_for(timeout=15_000)


def test_when_the_time_is_over_the_button_goes(till: Till, page_at: PageAt, port: int) -> None:
    bought = two_lessons(till)
    with clock.frozen(clock.now() + dt.timedelta(minutes=9, seconds=58)):
        page = signed_in(page_at, till, port, f"/pay/{bought.code}")
        page.get_by_text("The time to pay is over.").wait_for(timeout=8_000)
        assert not page.get_by_role("button", name="Pay €65.00").is_visible()
    shoot(page, "pay-over")


def test_a_free_order_and_no_orders(till: Till, page_at: PageAt, port: int) -> None:
    page = signed_in(page_at, till, port, "/account/orders/", dark=True)
    assert page.get_by_role("heading", name="You have not bought anything yet").is_visible()
    shoot(page, "orders-none")
    bought = till.place(line(0, description="Trial lesson"))
    page.goto(url(port, f"/pay/{bought.code}"))
    page.get_by_role("button", name="Confirm, it costs nothing").click()
    page.wait_for_url(url(port, f"/orders/{bought.code}"))
    assert page.get_by_role("heading", level=1).inner_text() == "Paid"
