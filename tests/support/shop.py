"""A company that sells over HTTP, with the real simulator as its payment provider."""

from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from sqlalchemy import select
from sqlalchemy.orm import undefer
from werkzeug.test import TestResponse

from app.core import clock
from app.core.db import db
from app.core.scope import platform_scope
from app.domains.booking.models import Occupation, Seat
from app.domains.catalog.models import Offering
from app.domains.earnings import queries as earnings
from app.domains.ledger import queries as ledger
from app.domains.payments.models import Order
from app.providers.mail.mock import MockMailMessage
from tests.domains.booking.support import MINUTE, MONDAY, NOW
from tests.domains.payments.support import GOOD, Bought, Till, state
from tests.support import lived
from tests.support.world import Browser, World


@dataclass(frozen=True)
class Purchase:
    """A held seat and the order for it."""

    seat: Seat
    order: Order

    @property
    def bought(self) -> Bought:
        assert self.seat.line_id is not None
        return Bought(self.order.id, self.order.code, (self.seat.line_id,))


@dataclass
class Shop:
    """Anna's company sells hours; its student buys them for themselves."""

    till: Till
    offering: Offering

    @property
    def world(self) -> World:
        return self.till.world

    def browser(self, role: str = "student") -> Browser:
        return self.world.browser(self.world.anna.host, self.world.anna.email(role))

    def choose(self, starts_at: dt.datetime = MONDAY, *, actor: str = "v:chooser") -> Purchase:
        seat = lived.hold(self.world, self.offering, starts_at, actor=actor)
        order = lived.place(self.world, seat, actor=f"u:{self.world.anna.accounts['student']}")
        return Purchase(lived.again(self.world, seat), order)

    def press_pay(self, purchase: Purchase, browser: Browser | None = None) -> TestResponse:
        return (browser or self.browser()).post(f"/pay/{purchase.order.code}")

    def press_again(self, purchase: Purchase, browser: Browser) -> str:
        """Pay, in a tab that still shows the button; where it leads."""
        answer = browser.post(f"/pay/{purchase.order.code}", page=f"/orders/{purchase.order.code}")
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"]

    def at_the_provider(self, answer: TestResponse, number: str = GOOD) -> tuple[int, str]:
        """What the payer does where the button leads."""
        assert answer.status_code == 302, answer.text
        found = re.fullmatch(r"http://localhost:\d+/pay/([^?]+)\?return_url=(.+)", answer.headers["Location"])
        assert found, answer.headers["Location"]
        return self.till.controls.pay(found[1], number, unquote(found[2]))

    def pay(self, purchase: Purchase) -> None:
        """At the provider's page; nobody has told us of it yet."""
        self.at_the_provider(self.press_pay(purchase))

    def events(self, purchase: Purchase, *types: str) -> list[dict[str, Any]]:
        """The newest of each type about this purchase, in the order of the types."""
        ref = self.till.at_provider(self.till.payment(purchase.bought)).id
        found = {event["type"]: event for event in self.till.events(*types) if ref in json.dumps(event)}
        return [found[name] for name in types]

    def hear(self, purchase: Purchase, *types: str) -> None:
        self.till.hear(*self.events(purchase, *(types or ("payment_intent.succeeded",))))

    def seat(self, purchase: Purchase) -> Seat:
        return lived.again(self.world, purchase.seat)

    def whole(self, purchase: Purchase) -> dict[str, Any]:
        """All that became of a purchase: of its order and payment, its seat and lesson, its earning."""
        seat = self.seat(purchase)
        with self.till.open():
            earning = earnings.of_seat(seat.id)
            taken = db.session.scalars(select(Occupation).where(Occupation.lesson_id == seat.lesson_id))
            entries = ledger.entries_of("seat", seat.id)
            return {
                **state(self.till, purchase.bought),
                "seat": (seat.status, seat.refund_minor),
                "lesson": (seat.lesson.status, seat.lesson.taken),
                "occupied": sorted((row.resource_kind, row.expires_at is None) for row in taken),
                "earning": earning
                and (
                    (earning.status, earning.is_held, earning.refunded_minor),
                    (
                        earning.tax_minor,
                        earning.platform_minor,
                        earning.tutor_minor,
                        earning.tenant_minor,
                    ),
                ),
                "shared": sorted(
                    (entry.kind, sorted((p.account.code, p.amount_minor) for p in entry.postings))
                    for entry in entries
                ),
            }

    def mails(self, role: str = "student") -> list[MockMailMessage]:
        with self.till.app.app_context(), platform_scope("test"):
            found = select(MockMailMessage).where(MockMailMessage.recipient == self.world.anna.email(role))
            found = found.options(undefer(MockMailMessage.attachments)).order_by(MockMailMessage.id)
            return list(db.session.scalars(found))

    def charges(self) -> int:
        return len(self.till.events("charge.succeeded"))

    def wait(self, minutes: float) -> Any:
        """Business time stands so many minutes later."""
        return clock.frozen(NOW + minutes * MINUTE)
