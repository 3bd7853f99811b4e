"""When the provider does not answer, or says no for a while: what is raised, and that nothing is done twice."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import ClassVar

import pytest

from app.core import outside
from app.core.outside import (
    Breaker,
    ProviderCalledInTransaction,
    ProviderDeferred,
    ProviderUnavailable,
)
from app.providers.payments import SimulatorKeys
from app.providers.payments.mock import MockProvider
from app.providers.payments.stripe import StripeProvider
from tests.providers.payments.rig import BACK, FAIL_MAX, KEYS, RESET_SECONDS, Bench, refund, request
from tests.support.servers import free_port


@pytest.mark.parametrize("how", ["drop", "hang"])
def test_a_reply_lost_after_it_took_effect(bench: Bench, how: str) -> None:
    bench.controls.set_faults(lose_answers=1, lose_how=how)
    with pytest.raises(ProviderUnavailable) as refusal:
        bench.provider_that_waits(0.5).create_payment(request())
    assert (refusal.value.permanent, refusal.value.status) == (False, 503)
    found = bench.provider.find_payment("order-1")
    assert found is not None
    assert bench.payment() == found
    assert bench.event_types() == ["payment_intent.created"]


def test_a_refund_whose_reply_was_lost_is_given_once(bench: Bench) -> None:
    paid = bench.paid()
    bench.controls.set_faults(lose_answers=1)
    with pytest.raises(ProviderUnavailable):
        bench.provider.create_refund(refund(paid, 1500))
    assert bench.provider.create_refund(refund(paid, 1500)).status == "succeeded"
    assert bench.provider.retrieve_payment(paid.id).refunded_minor == 1500


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_storm_opens_the_breaker_and_its_end_closes_it(bench: Bench, status: int) -> None:
    bench.controls.set_faults(fail_calls=FAIL_MAX, fail_status=status)
    for _ in range(FAIL_MAX):
        with pytest.raises(ProviderUnavailable, match=str(status)) as refusal:
            bench.payment()
        assert not isinstance(refusal.value, ProviderDeferred)
    with pytest.raises(ProviderUnavailable, match="not called"):
        bench.payment()
    assert bench.event_types() == []
    time.sleep(RESET_SECONDS)
    assert bench.payment().status == "requires_payment_method"
    assert bench.payment("order-2").status == "requires_payment_method"


def test_a_wrong_key_is_for_the_operator_to_mend(bench: Bench) -> None:
    provider = MockProvider(
        keys=SimulatorKeys.of("another secret key, of another installation"),
        api_base=bench.base,
        page_base=bench.base,
        guard=Breaker("payments"),
    )
    with pytest.raises(ProviderUnavailable, match="401") as refusal:
        provider.create_payment(request())
    assert KEYS.secret not in refusal.value.detail


def test_nobody_there() -> None:
    provider = StripeProvider(
        secret_key="sk_test_1",
        publishable_key="pk_test_1",
        webhook_secret="whsec_1",
        api_base=f"http://127.0.0.1:{free_port()}/",
        guard=Breaker("payments"),
    )
    started = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="APIConnectionError"):
        provider.create_payment(request())
    assert time.monotonic() - started < 2
    assert provider.checkout_url(None, BACK) is None  # type: ignore[arg-type]


def test_it_refuses_to_be_called_inside_a_transaction(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outside, "_in_transaction", lambda: True)
    with pytest.raises(ProviderCalledInTransaction):
        bench.payment()
    monkeypatch.setattr(outside, "_in_transaction", outside._never)
    assert bench.event_types() == []


class Sent(BaseHTTPRequestHandler):
    """Sends everybody on to `aim`, and notes who came."""

    aim = ""
    seen: ClassVar[list[str]] = []

    def do_POST(self) -> None:
        self.seen.append(self.path)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(302)
        self.send_header("Location", self.aim)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST

    def log_message(self, *_: object) -> None: ...


def test_an_answer_that_leads_elsewhere_is_not_followed() -> None:
    """Whoever could answer for the provider must not be able to send our requests into our own network."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Sent)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_port}"
        Sent.aim, Sent.seen[:] = f"{base}/inside", []
        provider = StripeProvider(
            secret_key="sk_test_x", publishable_key="pk_test_x", webhook_secret="whsec_x", api_base=base,
            proxies=False, guard=Breaker("payments", fail_max=FAIL_MAX, reset_seconds=RESET_SECONDS),
        )  # fmt: skip
        with pytest.raises(ProviderUnavailable):
            provider.create_payment(request())
        with pytest.raises(ProviderUnavailable):
            provider.retrieve_payment("pi_1")
        assert [path for path in Sent.seen if path == "/inside"] == []
        assert len(Sent.seen) == 2
    finally:
        server.shutdown()
        server.server_close()
