"""How people of a demo company pay: on the simulator's page, with its test cards. What the provider tells
comes in by the door of its webhooks, signed, as it always does."""

from __future__ import annotations

import contextvars
import http.client
import json
import time
from typing import Any
from urllib.parse import urlencode

from flask import Flask

from app.core import clock
from app.domains.payments import jobs
from app.domains.payments.models import Payment, Refund
from app.providers.payments.controls import SimulatorControls
from app.providers.payments.keys import SimulatorKeys
from app.providers.payments.simulator.courier import signature
from app.shell.world.deeds import DECLINED_FIRST, GAVE_UP, SECURE
from config import Settings

GOOD, DECLINED, NO_MONEY, ASKS = (
    "4242424242424242",
    "4000000000000002",
    "4000000000009995",
    "4000000000003220",
)
PATIENCE_SECONDS = 30.0
NEWEST = 30  # others pay at the same time


def tell_webhook(app: Flask, keys: SimulatorKeys, body: bytes) -> int:
    """Hand an event in at the door of the webhooks, signed at the present machine time; the status answered.

    In a context of its own, as a request has on a server: not the caller's scope, and not its session.
    """
    settings: Settings = app.extensions["settings"]

    def knock() -> int:
        return (
            app.test_client()
            .post(
                "/webhooks/mock",
                data=body,
                headers={
                    "Stripe-Signature": signature(body, keys.webhook, int(clock.machine_now().timestamp()))
                },
                content_type="application/json",
                base_url=settings.url_of(settings.BASE_DOMAIN),
            )
            .status_code
        )

    return contextvars.Context().run(knock)


def ask_simulator(port: int, keys: SimulatorKeys, kind: str, **wanted: Any) -> dict[str, Any]:
    """A page of the provider's list of that kind, as Stripe's API tells it. Raises OSError."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    try:
        headers = {"Authorization": f"Bearer {keys.secret}"}
        connection.request("GET", f"/v1/{kind}?{urlencode(wanted)}", headers=headers)
        return dict(json.loads(connection.getresponse().read()))
    finally:
        connection.close()


class Till:
    """Talks to the simulator of this installation, as a payer's browser and as the provider's post."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._settings: Settings = app.extensions["settings"]
        self._keys = SimulatorKeys.of(self._settings.SECRET_KEY)
        self.controls = SimulatorControls(self._settings.SIMULATOR_PORT, self._keys)

    def wait_until_open(self) -> None:
        """The simulator is being started beside us. Raises OSError where none is after half a minute."""
        begun = time.monotonic()
        while True:
            try:
                self.controls.clear_faults()
                return
            except OSError:
                if time.monotonic() - begun > PATIENCE_SECONDS:
                    raise
                time.sleep(0.1)

    def pay(self, order_id: int, pays: str, *, by_post: bool) -> None:
        """Opens its own transactions. `by_post`: the application hears of it by a webhook; else the payer
        comes back to the page that asks."""
        payment = jobs.start_payment(order_id)
        secret = payment.client_secret or ""
        if pays in {DECLINED_FIRST, GAVE_UP}:
            self.controls.pay(secret, DECLINED if pays == DECLINED_FIRST else NO_MONEY)
            jobs.ask_payment(payment.id)
            if pays == GAVE_UP:
                return
        if pays == SECURE:
            self.controls.pay(secret, ASKS)
            self.controls.authenticate(secret, passed=True)
        else:
            self.controls.pay(secret, GOOD)
        if by_post:
            self.hear(payment.provider_ref or "", "payment_intent.succeeded")
        else:
            jobs.ask_payment(payment.id)

    def dispute(self, payment: Payment) -> None:
        self.controls.dispute(payment.provider_ref or "")
        self.hear(payment.provider_ref or "", "charge.dispute.created")

    def bounce(self, refund: Refund, payment_ref: str) -> None:
        self.controls.fail_refund(refund.provider_ref or "")
        self.hear(payment_ref, "refund.failed")

    def hear(self, payment_ref: str, kind: str) -> None:
        """The newest event of this kind about the payment is delivered, if there is one."""
        event = next((found for found in self._events(kind) if payment_ref in json.dumps(found)), None)
        if event is not None:
            status = tell_webhook(self._app, self._keys, json.dumps(event).encode())
            if status != http.HTTPStatus.OK:
                raise RuntimeError(f"the door of the webhooks answered {status}")

    def _events(self, kind: str) -> list[dict[str, Any]]:
        port = self._settings.SIMULATOR_PORT
        return list(ask_simulator(port, self._keys, "events", type=kind, limit=NEWEST)["data"])
