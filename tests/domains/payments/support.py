"""A till: a company that sells, the real simulator behind the real provider, and a payer with a card."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import selectinload
from werkzeug.test import TestResponse

from app.core import clock
from app.core.audit import AuditEntry
from app.core.db import db
from app.core.money import Money
from app.core.outside import Breaker
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.domains.ledger import queries as ledger
from app.domains.ledger.models import CHART
from app.domains.payments import jobs, queries, service
from app.domains.payments.models import (
    Allocation,
    Dispute,
    Order,
    OrderLine,
    Payment,
    ProviderEvent,
    Receipt,
    Refund,
)
from app.domains.payments.policies import reference_of
from app.domains.payments.service import NewLine
from app.domains.tenancy.models import Tenant
from app.providers.payments import ProviderPayment
from app.providers.payments.controls import SimulatorControls
from app.providers.payments.keys import SimulatorKeys
from app.providers.payments.mock import MockProvider
from app.providers.payments.simulator import Simulator, SimulatorSettings
from app.providers.payments.simulator.courier import signature
from tests.support.world import Company, World, drain

T = TypeVar("T")

GOOD, DECLINED, SECURE = "4242424242424242", "4000000000000002", "4000002760003184"
PLATFORM = "http://localhost:8000"
KIND = "course"  # nobody fulfils it, so that nothing but payments is at work here


@dataclass
class Till:
    """Works in anna's company."""

    app: Flask
    world: World
    controls: SimulatorControls
    provider: MockProvider
    keys: SimulatorKeys

    @property
    def company(self) -> Company:
        return self.world.anna

    @contextlib.contextmanager
    def open(self, company: Company | None = None) -> Iterator[None]:
        """Inside the application and the company's scope."""
        with self.app.app_context(), tenant_scope((company or self.company).id):
            yield

    @contextlib.contextmanager
    def writing(self, company: Company | None = None) -> Iterator[None]:
        with self.open(company), transaction():
            yield

    def sell_in(self, currency: str) -> None:
        """The company keeps its books in this currency from now on."""
        with self.app.app_context(), platform_scope("test world"), transaction() as session:
            session.get_one(Tenant, self.company.id).currency = currency

    def place(
        self,
        *lines: NewLine,
        payer: str = "student",
        actor: str = "u:0",
        company: Company | None = None,
        minutes: float = 10,
        locale: str = "en",
    ) -> Bought:
        company = company or self.company
        with self.writing(company):
            order = service.place_order(
                actor=actor,
                payer=db.session.get_one(Person, company.people[payer]),
                lines=lines or (line(),),
                expires_at=clock.now() + dt.timedelta(minutes=minutes),
                locale=locale,
            )
            ids = tuple(row.id for row in queries.lines_of(order.id))
            return Bought(order.id, order.code, ids)

    def start(self, bought: Bought) -> Payment:
        with self.open():
            return jobs.start_payment(bought.id)

    def pay(self, bought: Bought, number: str = GOOD) -> Payment:
        """Started, and paid on the provider's page; what the provider tells of it is not heard yet."""
        payment = self.start(bought)
        self.controls.pay(payment.client_secret or "", number)
        return payment

    def buy(self, *lines: NewLine, **more: Any) -> Bought:
        """Placed, paid, and known to be paid."""
        bought = self.place(*lines, **more)
        self.ask(self.pay(bought))
        assert self.order(bought).status == "paid"
        return bought

    def ask(self, payment: Payment) -> Payment:
        with self.open():
            return jobs.ask_payment(payment.id)

    def refund(self, line_id: int, minor: int | Money, reason: str = "Cancelled in time") -> list[int]:
        with self.writing():
            line = queries.line(line_id)
            amount = minor if isinstance(minor, Money) else Money(minor, line.currency)
            made = service.request_refund(line, amount=amount, reason=reason, by="Test")
            return [row.id for row in made]

    def drain(self) -> int:
        return drain(self.app)

    def order(self, bought: Bought) -> Order:
        with self.open():
            return order_of(bought.code)

    def payment(self, bought: Bought) -> Payment:
        with self.open():
            return queries.payments_of(bought.id)[-1]

    def at_provider(self, payment: Payment) -> ProviderPayment:
        """What the provider has under our reference."""
        with self.open():
            found = self.provider.find_payment(reference_of(self.company.id, payment.code))
        assert found is not None
        return found

    def all(self, model: type[T], *where: Any) -> Sequence[T]:
        with self.open():
            return db.session.scalars(select(model).where(*where).order_by(model.id)).all()  # type: ignore[attr-defined]

    def trail(self, model: type[Any], thing_id: int) -> list[str]:
        """What was done to a row, as the audit trail names it, oldest first."""
        kind = model.__tablename__
        return [
            entry.verb
            for entry in self.all(AuditEntry, AuditEntry.thing_type == kind, AuditEntry.thing_id == thing_id)
        ]

    def balances(self, currency: str = "EUR") -> dict[str, int]:
        """Of the accounts in which there is something: debits less credits."""
        with self.open():
            found = {code: ledger.balance(code, currency).minor for code in CHART}
        return {code: minor for code, minor in found.items() if minor}

    def events(self, *types: str) -> list[dict[str, Any]]:
        """The provider's events of these types, oldest first."""
        return [event for event in self.controls.events() if not types or event["type"] in types]

    def tell(self, event: dict[str, Any] | bytes, **more: Any) -> TestResponse:
        """Deliver an event as the provider would."""
        body = event if isinstance(event, bytes) else json.dumps(event).encode()
        at = more.pop("at", int(clock.machine_now().timestamp()))
        headers = {"Stripe-Signature": signature(body, more.pop("secret", self.keys.webhook), at)}
        return self.app.test_client().post(
            more.pop("path", "/webhooks/mock"),
            data=more.pop("data", body),
            headers={**headers, **more.pop("headers", {})},
            content_type="application/json",
            base_url=more.pop("base", PLATFORM),
        )

    def hear(self, *events: dict[str, Any]) -> None:
        """Events come in one by one, and each is worked off before the next."""
        for event in events:
            assert self.tell(event).status_code == 200
            self.drain()

    def told(self) -> list[ProviderEvent]:
        with self.app.app_context(), platform_scope("test"):
            return list(db.session.scalars(select(ProviderEvent).order_by(ProviderEvent.id)))


@dataclass(frozen=True)
class Bought:
    id: int
    code: str
    lines: tuple[int, ...]

    @property
    def line(self) -> int:
        return self.lines[0]


def order_of(code: str) -> Order:
    """With its lines and payments, as they are now."""
    query = select(Order).where(Order.code == code)
    query = query.options(selectinload(Order.lines), selectinload(Order.payments))
    return db.session.scalars(query.execution_options(populate_existing=True)).one()


def line(minor: int = 4000, currency: str = "EUR", **more: Any) -> NewLine:
    values = {
        "kind": KIND,
        "description": "Trial lesson",
        "quantity": 1,
        "tax_rate_bp": 1900,
        "tax_code": "DE19",
    }
    return NewLine(unit=Money(minor, currency), **{**values, **more})


def state(till: Till, bought: Bought) -> dict[str, Any]:
    """All that became of an order, without what differs from run to run."""
    with till.open():
        order = order_of(bought.code)
        payments = list(order.payments)
        numbers = [payment.id for payment in payments]

        def rows(model: Any, where: Any, *columns: str) -> list[tuple[Any, ...]]:
            found = db.session.scalars(select(model).where(where).order_by(model.id))
            return [tuple(getattr(row, column) for column in columns) for row in found]

        refunds = db.session.scalars(select(Refund.id).where(Refund.payment_id.in_(numbers))).all()
        disputes = db.session.scalars(select(Dispute.id).where(Dispute.payment_id.in_(numbers))).all()
        entries = [
            (entry.kind, sorted((p.account.code, p.amount_minor) for p in entry.postings))
            for kind, sources in (("payment", numbers), ("refund", refunds), ("dispute", disputes))
            for source in sources
            for entry in ledger.entries_of(kind, source)
        ]
        return {
            "order": (order.status, order.total_minor, order.paid_at is not None),
            "payments": [
                (p.status, p.captured_minor, p.refunded_minor, p.fee_minor, p.provider_ref is not None)
                for p in payments
            ],
            "lines": rows(OrderLine, OrderLine.order_id == bought.id, "gross_minor", "refunded_minor"),
            "allocations": rows(
                Allocation, Allocation.line_id.in_(bought.lines), "source", "amount_minor", "refunded_minor"
            ),
            "refunds": rows(Refund, Refund.payment_id.in_(numbers), "status", "amount_minor"),
            "disputes": rows(Dispute, Dispute.payment_id.in_(numbers), "status", "amount_minor"),
            "receipts": rows(Receipt, Receipt.order_id == bought.id, "kind"),
            "entries": sorted(entries),
        }


def race(app: Flask, count: int, work: Callable[[int], T]) -> list[T | Exception]:
    """The same at the same time, each in an application context of its own."""
    barrier = threading.Barrier(count)

    def run(number: int) -> T | Exception:
        with app.app_context():
            barrier.wait()
            try:
                return work(number)
            except Exception as error:
                return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@contextlib.contextmanager
def simulating(
    app: Flask, folder: Path, **more: Any
) -> Iterator[tuple[Simulator, MockProvider, SimulatorKeys]]:
    """A simulator with the application's keys, and the provider that asks it."""
    keys = SimulatorKeys.of(app.config["SECRET_KEY"])
    settings = SimulatorSettings(folder=folder, keys=keys, base_domain="localhost", port=0, **more)
    simulator = Simulator(settings).start()
    provider = MockProvider(
        keys=keys,
        api_base=f"http://127.0.0.1:{simulator.port}",
        page_base=f"http://localhost:{simulator.port}",
        read_seconds=1.0,
        guard=Breaker(f"payments {uuid.uuid4()}", fail_max=5, reset_seconds=0.3),
    )
    try:
        yield simulator, provider, keys
    finally:
        simulator.stop()
