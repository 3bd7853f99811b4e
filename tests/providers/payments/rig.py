"""A simulator with the real library in front of it and, behind it, somebody who takes its webhooks."""

from __future__ import annotations

import contextlib
import http.client
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import stripe

from app.core.outside import Breaker
from app.providers.payments import PaymentRequest, ProviderPayment, RefundRequest
from app.providers.payments.controls import SimulatorControls
from app.providers.payments.keys import SimulatorKeys
from app.providers.payments.mock import MockProvider
from app.providers.payments.simulator import Simulator, SimulatorSettings

KEYS = SimulatorKeys.of("a secret of the tests, long enough for one")
BASE_DOMAIN = "shop.test"
BACK = "http://anna.shop.test:8000/orders/7?lang=de"
FAIL_MAX, RESET_SECONDS = 5, 0.3
GOOD, DECLINED, POOR = "4242424242424242", "4000000000000002", "4000000000009995"
SECURE, DISPUTED = "4000002760003184", "4000000000000259"


def eventually(condition: Callable[[], Any], seconds: float = 5.0) -> Any:
    """What the condition gives as soon as it holds."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)
    return found


@dataclass
class Delivery:
    """One webhook as it arrived."""

    body: bytes
    signature: str
    host: str
    at: float
    event: stripe.Event


@dataclass
class Receiver:
    """Takes webhooks. `answers` are the statuses of the next ones, then 200; 0 hangs up. `hook` is called
    before an answer."""

    deliveries: list[Delivery] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    hook: Callable[[Delivery], None] = lambda _delivery: None
    port: int = 0

    def types(self) -> list[str]:
        return [delivery.event.type for delivery in self.deliveries]

    def wait_for(self, *types: str) -> None:
        eventually(
            lambda: self.types() == list(types) or (len(self.types()) >= len(types) and self._differ(types))
        )

    def _differ(self, types: tuple[str, ...]) -> bool:
        raise AssertionError(f"{self.types()} is not {list(types)}")


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            signature = self.headers["Stripe-Signature"]
            event = stripe.Webhook.construct_event(body, signature, KEYS.webhook)
            delivery = Delivery(body, signature, self.headers["Host"], time.monotonic(), event)
            receiver.hook(delivery)
            receiver.deliveries.append(delivery)
            status = receiver.answers.pop(0) if receiver.answers else 200
            if status:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *_args: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class Bench:
    """A simulator, its provider, its controls, and the library alone."""

    def __init__(self, simulator: Simulator, receiver: Receiver | None, base_domain: str) -> None:
        self.simulator = simulator
        self.base = f"http://127.0.0.1:{simulator.port}"
        self._page_base = f"http://{base_domain}:{simulator.port}"
        self.provider = self.provider_that_waits(10)
        self.client = client(self.base, KEYS.secret)
        self.controls = SimulatorControls(simulator.port, KEYS)
        self.receiver = receiver or Receiver()

    def provider_that_waits(self, seconds: float) -> MockProvider:
        return MockProvider(
            keys=KEYS,
            api_base=self.base,
            page_base=self._page_base,
            read_seconds=seconds,
            guard=Breaker("payments", fail_max=FAIL_MAX, reset_seconds=RESET_SECONDS),
        )

    def payment(self, reference: str = "order-1", **more: Any) -> ProviderPayment:
        return self.provider.create_payment(request(reference, **more))

    def paid(self, number: str = GOOD, reference: str = "order-1", **more: Any) -> ProviderPayment:
        payment = self.payment(reference, **more)
        self.pay(payment, number)
        return self.provider.retrieve_payment(payment.id)

    def pay(self, payment: ProviderPayment, number: str = GOOD) -> tuple[int, str]:
        return self.controls.pay(payment.client_secret, number, BACK)

    def event_types(self) -> list[str]:
        return [event["type"] for event in self.controls.events()]

    def events_of(self, payment: ProviderPayment) -> list[str]:
        """The types of a payment's own events."""
        things = ((event["type"], event["data"]["object"]) for event in self.controls.events())
        return [type for type, thing in things if payment.id in {thing["id"], thing.get("payment_intent")}]

    def get(self, path: str, **headers: str) -> Answer:
        return ask(self.simulator.port, "GET", path, headers=headers)

    def post(self, path: str, form: dict[str, str], **headers: str) -> Answer:
        return ask(self.simulator.port, "POST", path, form, headers)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str


def ask(
    port: int,
    method: str,
    path: str,
    form: dict[str, str] | None = None,
    headers: dict[str, str] | None = None,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        sent = {name.replace("_", "-"): value for name, value in (headers or {}).items()}
        if form is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        connection.request(method, path, urlencode(form) if form is not None else None, sent)
        got = connection.getresponse()
        return Answer(got.status, {k.title(): v for k, v in got.getheaders()}, got.read().decode())
    finally:
        connection.close()


@contextlib.contextmanager
def simulating(folder: Path, receiver: Receiver | None = None, **more: Any) -> Iterator[Bench]:
    values: dict[str, Any] = {
        "folder": folder,
        "keys": KEYS,
        "base_domain": BASE_DOMAIN,
        "port": 0,
        "webhook_url": f"http://127.0.0.1:{receiver.port}/webhooks/mock" if receiver else "",
        "webhook_host": BASE_DOMAIN,
    }
    settings = SimulatorSettings(**{**values, **more})
    simulator = Simulator(settings).start()
    try:
        yield Bench(simulator, receiver, settings.base_domain)
    finally:
        simulator.stop()


def client(base: str, key: str) -> stripe.StripeClient:
    return stripe.StripeClient(
        key,
        base_addresses={"api": base},
        max_network_retries=0,
        http_client=stripe.RequestsClient(timeout=5),
    )


def fresh() -> str:
    """A reference that nobody has used."""
    return f"order-{secrets.token_hex(6)}"


def request(reference: str = "order-1", **more: Any) -> PaymentRequest:
    values: dict[str, Any] = {
        "amount_minor": 4000,
        "currency": "EUR",
        "description": "A lesson of German",
        "idempotency_key": f"pay {reference}",
        "metadata": {"tenant": "anna"},
    }
    return PaymentRequest(reference=reference, **{**values, **more})


def refund(
    payment: ProviderPayment, amount_minor: int, reference: str = "refund-1", **more: Any
) -> RefundRequest:
    values: dict[str, Any] = {"currency": payment.currency, "idempotency_key": f"back {reference}"}
    return RefundRequest(
        payment_id=payment.id, amount_minor=amount_minor, reference=reference, **{**values, **more}
    )


def in_parallel(work: Callable[[int], None], times: int) -> None:
    threads = [threading.Thread(target=work, args=(number,)) for number in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
