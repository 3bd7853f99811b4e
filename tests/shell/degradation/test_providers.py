"""Payments that hang or say no, a relay that never ends: an answer in time, nothing lost, and the operator sees it
(F7, F63)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path

import pytest
from flask import Flask
from redis.exceptions import ConnectionError as RedisConnectionError
from werkzeug.test import TestResponse

from app.core import clock, outside
from app.core.outside import Breaker, ProviderUnavailable
from app.domains.booking.models import BOOKED, HELD
from app.domains.payments.models import OPEN, PAID, UNKNOWN, Order
from app.providers.mail.base import Mail, Mailbox
from app.providers.mail.smtp import SmtpMail
from app.providers.payments.controls import SimulatorControls
from app.providers.payments.mock import MockProvider
from app.shell.checks import broken_rules
from tests.domains.booking.support import NOW
from tests.domains.payments.support import Till, simulating
from tests.shell.degradation.support import sink
from tests.support import lived
from tests.support.shop import Purchase, Shop
from tests.support.world import World

FAIL_MAX, RESET_SECONDS = 5, 600
READ_SECONDS = 0.3


@pytest.fixture
def shop(app: Flask, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """With a breaker that the operator's page knows; in the end every rule of `run.py check` holds."""
    monkeypatch.setattr(outside, "_breakers", {})
    guard = outside.breaker("payments", fail_max=FAIL_MAX, reset_seconds=RESET_SECONDS)
    with simulating(app, tmp_path / "simulator") as (simulator, provider, keys), clock.frozen(NOW):
        provider._guard = guard
        monkeypatch.setitem(app.extensions, "payments", provider)
        till = Till(app, world, SimulatorControls(simulator.port, keys), provider, keys)
        yield Shop(till, lived.publish(world))
        broken = {rule: lines for rule, lines in broken_rules(app).items() if lines}
    assert not broken


def words(answer: TestResponse) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text)).split())


def seconds_of(work: Callable[[], TestResponse]) -> tuple[TestResponse, float]:
    begun = time.monotonic()
    answer = work()
    return answer, time.monotonic() - begun


def service(world: World, name: str) -> str:
    """What the operator reads about it, from its heading to the next one."""
    answer = world.operator().get("/admin/providers/")
    assert answer.status_code == 200
    found = re.search(
        rf"<section[^>]*>(?:(?!</section>).)*?<h2[^>]*>\s*{name}.*?</section>", answer.text, re.DOTALL
    )
    assert found, words(answer)
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", found[0])).split())


@contextmanager
def its_pause_is_over(shop: Shop) -> Iterator[None]:
    """The next call may try; how slow this machine is does not matter."""
    circuit = shop.till.provider._guard._circuit
    circuit.reset_timeout = 0
    yield
    circuit.reset_timeout = RESET_SECONDS


def order_of(shop: Shop, purchase: Purchase) -> Order:
    return next(row for row in shop.till.all(Order) if row.id == purchase.order.id)


def assert_nothing_happened(shop: Shop, purchase: Purchase) -> None:
    assert shop.seat(purchase).status == HELD
    assert order_of(shop, purchase).status == OPEN
    assert shop.till.payment(purchase.bought).status == UNKNOWN
    assert shop.charges() == 0


def buys(shop: Shop, purchase: Purchase) -> None:
    """The same click goes through, and makes one charge."""
    shop.pay(purchase)
    shop.hear(purchase)
    assert shop.seat(purchase).status == BOOKED
    assert order_of(shop, purchase).status == PAID
    assert shop.charges() == 1


def test_payments_that_never_answer(shop: Shop, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed: each click waits for so long and no longer. Open: nobody waits. Then one tries, and it is over."""
    world, purchase, browser = shop.world, shop.choose(), shop.browser()
    assert "Works" in service(world, "Payments")
    with sink() as silent:
        hanging = MockProvider(
            keys=shop.till.keys,
            api_base=f"http://127.0.0.1:{silent.port}",
            page_base="http://localhost:1",
            read_seconds=READ_SECONDS,
            guard=shop.till.provider._guard,
        )
        monkeypatch.setitem(app.extensions, "payments", hanging)
        for number in range(FAIL_MAX):
            answer, seconds = seconds_of(lambda: shop.press_pay(purchase, browser))
            assert answer.status_code == 503, number
            assert READ_SECONDS <= seconds < READ_SECONDS + 2
            assert "Nothing was charged" in words(answer)
            assert int(answer.headers["Retry-After"]) > 0
        calls = len(silent.taken)
        quickest = min(seconds_of(lambda: shop.press_pay(purchase, browser))[1] for _ in range(8))
        assert quickest < READ_SECONDS, "nobody waits any more"
        assert len(silent.taken) == calls, "and nobody asks"
        said = service(world, "Payments")
        for part in (
            "Held back",
            "Nobody can pay right now",
            "Since",
            "Tried again",
            "5 failures in a row",
            "Last failure",
        ):
            assert part in said, said
        assert "APIConnectionError" in said[said.index("What it said") :]
        assert "held back" in words(world.operator().get("/admin/"))
        assert_nothing_happened(shop, purchase)
    monkeypatch.setitem(app.extensions, "payments", shop.till.provider)
    assert shop.press_pay(purchase, browser).status_code == 503, "it is well again, and not yet tried"
    with its_pause_is_over(shop):
        assert shop.press_pay(purchase, browser).status_code == 302
    said = service(world, "Payments")
    assert "Works" in said
    assert "Tried again" not in said
    assert "Last failure" in said, "what it was last time stays to be seen"
    buys(shop, purchase)


@pytest.mark.parametrize("status", [429, 500])
def test_payments_that_say_no_for_a_while(shop: Shop, status: int) -> None:
    purchase, browser = shop.choose(), shop.browser()
    shop.till.controls.set_faults(fail_calls=FAIL_MAX + 1, fail_status=status)
    answers = [shop.press_pay(purchase, browser).status_code for _ in range(FAIL_MAX + 2)]
    assert answers == [503] * (FAIL_MAX + 2)
    assert_nothing_happened(shop, purchase)
    with its_pause_is_over(shop):
        assert shop.press_pay(purchase, browser).status_code == 503, (
            "the one that tried met the last of the storm"
        )
    assert "Held back" in service(shop.world, "Payments")
    assert str(status) in service(shop.world, "Payments")
    with its_pause_is_over(shop):
        buys(shop, purchase)


def test_other_pages_do_not_notice(shop: Shop, app: Flask) -> None:
    """What needs nothing of the provider: the storefront, another reservation, cancelling nothing, the admin."""
    guard = shop.till.provider._guard
    with app.app_context():
        for _ in range(FAIL_MAX):
            with pytest.raises(ProviderUnavailable):
                guard.call(lambda: (_ for _ in ()).throw(ProviderUnavailable("payments", "down")))
    assert "Held back" in service(shop.world, "Payments")
    student, manager = shop.browser(), shop.browser("manager")
    for browser, path in (
        (student, "/"),
        (student, "/learn/"),
        (manager, "/admin/"),
        (manager, "/admin/payments/"),
    ):
        assert browser.get(path).status_code == 200, path
    assert shop.seat(shop.choose()).status == HELD


# -- A relay -----------------------------------------------------------------------------------------------

MAIL = Mail(to="ida@example.test", subject="Hello", text="Hello", message_id="e1")


@pytest.mark.parametrize("drip", [b"", b"2", b"220-x\r\n"], ids=["silent", "a byte now and then", "endless"])
@pytest.mark.parametrize("security", ["none", "starttls"])
def test_a_relay_that_never_comes_to_an_end(drip: bytes, security: str) -> None:
    with sink(drip) as relay:
        provider = SmtpMail(
            host="127.0.0.1", port=relay.port, sender=Mailbox.parse("us@example.test"), security=security,  # type: ignore[arg-type]
            timeout=0.5, longest=0.8, guard=Breaker("mail of this test"),
        )  # fmt: skip
        begun = time.monotonic()
        with pytest.raises(ProviderUnavailable) as refusal:
            provider.send(MAIL)
        assert time.monotonic() - begun < 2
        assert refusal.value.permanent is False


# -- The operator's page -----------------------------------------------------------------------------------


def test_the_page_says_that_redis_is_away(world: World, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Works" in service(world, r"Redis")

    def away() -> None:
        raise RedisConnectionError

    operator = world.operator()
    monkeypatch.setattr(app.extensions["redis"], "ping", away)
    answer = operator.get("/admin/providers/")
    assert answer.status_code == 200
    assert "Nothing is lost" in words(answer)
    assert "this is what this one has seen" in words(answer)


def test_who_may_see_it(world: World) -> None:
    assert world.manager().get("/admin/providers/").status_code == 404
    visitor = world.browser("localhost:8000").get("/admin/providers/")
    assert visitor.status_code == 302
    assert "/admin/providers/" in world.operator().get("/admin/").text, "the menu leads there"


def test_what_a_provider_says_is_shown_as_text(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "_breakers", {})
    guard = outside.breaker("mail", fail_max=9)

    def fail() -> None:
        raise ProviderUnavailable("mail", "<script>alert(1)</script> no")

    with world.app.app_context(), pytest.raises(ProviderUnavailable):
        guard.call(fail)
    page = world.operator().get("/admin/providers/").text
    assert "<script>alert(1)" not in page
    said = service(world, "E-mail")
    assert "Stumbles" in said
    assert "1 failure in a row" in said
