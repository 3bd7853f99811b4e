"""The payment page in a real browser: from the shop's host to the simulator's and back."""

from __future__ import annotations

import contextlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest

from tests.providers.payments.rig import DECLINED, GOOD, SECURE, Bench, fresh, simulating
from tests.support.browser import shoot

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from app.providers.payments import ProviderPayment
    from tests.support.browser import PageAt

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def mall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A simulator below localhost, whose names every browser knows."""
    with simulating(tmp_path_factory.mktemp("mall"), base_domain="localhost") as running:
        yield running


@pytest.fixture(scope="module")
def shop() -> Iterator[str]:
    """Another host, to which payers come back."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = b'<!DOCTYPE html><title>Shop</title><link rel="icon" href="data:,"><h1>Thank you</h1>'
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://anna.localhost:{server.server_port}/orders/7"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def paying(mall: Bench, shop: str, page: Page) -> Iterator[ProviderPayment]:
    """On the payment page of a new payment; afterwards the payer must be back, and have paid once."""
    payment = mall.payment(fresh(), amount_minor=123_450)
    url = mall.provider.checkout_url(payment, shop)
    assert url is not None
    page.goto(url)
    yield payment
    page.wait_for_url(f"{shop}?payment_intent={payment.id}&redirect_status=succeeded")
    assert page.inner_text("h1") == "Thank you"
    assert mall.events_of(payment).count("charge.succeeded") == 1
    assert mall.provider.retrieve_payment(payment.id).captured_minor == 123_450


def enter(page: Page, number: str) -> None:
    page.fill("#number", number)
    page.fill("#expiry", "12/34")
    page.fill("#cvc", "123")


@pytest.mark.parametrize(("width", "dark"), [(390, True), (1280, False)])
def test_a_declined_card_and_then_a_good_one(
    mall: Bench, shop: str, page_at: PageAt, width: int, dark: bool
) -> None:
    page = page_at(width, dark)
    with paying(mall, shop, page):
        enter(page, DECLINED)
        page.click("button")
        page.wait_for_selector("[role=alert]")
        shoot(page, "simulator-declined")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        enter(page, GOOD)
        page.dblclick("button")


def test_3d_secure_with_the_keyboard_alone(mall: Bench, shop: str, page_at: PageAt) -> None:
    page = page_at(390)
    with paying(mall, shop, page):
        page.focus("#number")
        for text in (SECURE, "12/34", "123"):
            page.keyboard.type(text)
            page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.wait_for_selector("button[value=complete]")
        shoot(page, "simulator-3ds")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")


def test_back_after_paying_does_not_pay_again(mall: Bench, shop: str, page_at: PageAt) -> None:
    page = page_at()
    with paying(mall, shop, page):
        enter(page, GOOD)
        page.click("button")
        page.wait_for_url("**/orders/**")
        page.go_back(wait_until="commit")
