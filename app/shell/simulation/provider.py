"""The payment provider's side: what payers and banks do there, and its post, which is late, doubled, out of
order or lost.
"""

from __future__ import annotations

import datetime as dt
import http
import http.client
import json
import random
from collections import Counter
from typing import Any

from flask import Flask

from app.providers.payments.controls import SimulatorControls
from app.providers.payments.keys import SimulatorKeys
from app.providers.payments.units import from_stripe
from app.shell.simulation.weather import Weather
from app.shell.world.till import ASKS, DECLINED, GOOD, NO_MONEY, ask_simulator, tell_webhook
from config import Settings

PAGE = 100
# The house finds out by itself about payments and refunds; a bank's decision is told by the post alone.
MAY_BE_LOST = ("payment_intent.", "charge.succeeded", "charge.refunded", "refund.created", "refund.updated")
AGAIN = dt.timedelta(minutes=17)  # when the provider tries once more what nobody took


class Provider:
    """The simulator of this market, as payers, banks and the post know it."""

    def __init__(self, app: Flask, port: int, rng: random.Random, weather: Weather) -> None:
        settings: Settings = app.extensions["settings"]
        self._app, self._port, self._rng, self._weather = app, port, rng, weather
        self._keys = SimulatorKeys.of(settings.SECRET_KEY)
        self._controls = SimulatorControls(port, self._keys)
        self._seen = ""
        self.sent: Counter[str] = Counter()

    # -- Payers and banks ----------------------------------------------------------------------------------

    def pay(self, secret: str, how: str) -> None:
        """`how` is card, declined (then nothing is paid), or secure."""
        if how == "secure":
            self._controls.pay(secret, ASKS)
            self._controls.authenticate(secret, passed=True)
        elif how == "fails 3-D Secure":
            self._controls.pay(secret, ASKS)
            self._controls.authenticate(secret, passed=False)
        else:
            number = GOOD if how == "card" else self._rng.choice([DECLINED, NO_MONEY])
            self._controls.pay(secret, number)

    def dispute(self, payment_ref: str) -> str:
        return self._controls.dispute(payment_ref)

    def decide(self, dispute_ref: str, status: str) -> None:
        self._controls.close_dispute(dispute_ref, status)

    def bounce(self, refund_ref: str) -> None:
        self._controls.fail_refund(refund_ref)

    # -- The post ------------------------------------------------------------------------------------------

    def new_post(self) -> list[tuple[dt.timedelta, str]]:
        """The events since the last call, each as often and as late as it will be delivered."""
        found = []
        for event in self._new_events():
            body = json.dumps(event)
            if event["type"].startswith(MAY_BE_LOST) and self._rng.random() < 0.15:
                self.sent["lost"] += 1
                continue
            for _copy in range(self._rng.choice([1, 1, 1, 2, 3])):
                found.append((self._delay(), body))
        return found

    def _delay(self) -> dt.timedelta:
        """Mostly seconds; hours or a day now and then, so that later ones overtake it."""
        chance = self._rng.random()
        if chance < 0.6:
            return dt.timedelta(seconds=self._rng.randint(1, 90))
        if chance < 0.9:
            return dt.timedelta(minutes=self._rng.randint(2, 120))
        return dt.timedelta(hours=self._rng.randint(3, 40))

    def deliver(self, body: str) -> dt.timedelta | None:
        """An event at our door; when it will be tried again if nobody took it."""
        status = tell_webhook(self._app, self._keys, body.encode())
        self.sent["delivered" if status == http.HTTPStatus.OK else f"answered {status}"] += 1
        return None if status == http.HTTPStatus.OK else AGAIN

    def _new_events(self) -> list[dict[str, Any]]:
        """Oldest first."""
        fresh: list[dict[str, Any]] = []
        after = ""
        while True:
            page = self._ask("events", limit=PAGE, **({"starting_after": after} if after else {}))
            for event in page["data"]:
                if event["id"] == self._seen:
                    break
                fresh.append(event)
            else:
                if page["has_more"]:
                    after = page["data"][-1]["id"]
                    continue
            break
        if fresh:
            self._seen = fresh[0]["id"]
        return fresh[::-1]

    # -- Its truth -----------------------------------------------------------------------------------------

    def charges(self) -> dict[str, dict[str, Any]]:
        """What was taken for each payment, in our units: captured, refunded, fee, disputed."""
        found = {}
        fees = {row["source"]: row["fee"] for row in self._all("balance_transactions", type="charge")}
        for charge in self._all("charges"):
            if charge["paid"]:
                currency = charge["currency"].upper()
                found[charge["payment_intent"]] = {
                    "captured": from_stripe(charge["amount_captured"], currency),
                    "back": from_stripe(charge["amount_refunded"], currency),
                    "fee": from_stripe(fees[charge["id"]], currency),
                    "currency": currency,
                }
        return found

    def disputes(self) -> dict[str, tuple[str, int]]:
        """What became of each dispute, and about how much it is."""
        return {
            row["id"]: (row["status"], from_stripe(row["amount"], row["currency"].upper()))
            for row in self._all("disputes")
        }

    def _all(self, kind: str, **wanted: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        more: dict[str, str] = {}
        while True:
            page = self._ask(kind, limit=PAGE, **wanted, **more)
            found += page["data"]
            if not page["has_more"]:
                return found
            more = {"starting_after": page["data"][-1]["id"]}

    def _ask(self, kind: str, **values: Any) -> dict[str, Any]:
        with self._weather.aside():
            return ask_simulator(self._port, self._keys, kind, **values)
