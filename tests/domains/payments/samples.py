"""Rows of the payments' admin entries, for the tests that look at every entry: they add up as real ones do."""

from __future__ import annotations

import datetime as dt
import itertools
from typing import Any

from app.core import clock, ids
from app.domains.payments.models import (
    CAPTURED,
    CARD,
    FAILED,
    OPEN,
    PAID,
    RECEIPT,
    Allocation,
    Dispute,
    Order,
    OrderLine,
    Payment,
    ProviderEvent,
    Receipt,
    ReceiptCounter,
    Refund,
)
from tests.support.sample import Sample, add, person

GROSS, TAX = 6000, 958
_numbers = itertools.count(900_001)


def order(session: Any, word: str, status: str = OPEN, kind: str = "course") -> Order:
    """Of one line; it can be paid for an hour."""
    now = clock.now()
    made = Order(
        code=ids.code(20),
        payer_id=person(session, word, "Payer").id,
        actor="u:0",
        status=status,
        currency="EUR",
        total_minor=GROSS,
        locale="en",
        placed_at=now,
        expires_at=now + dt.timedelta(hours=1),
        paid_at=now if status == PAID else None,
    )
    add(session, made)
    line = OrderLine(
        order_id=made.id,
        kind=kind,
        description=f"Lesson {word}",
        quantity=1,
        unit_minor=GROSS,
        gross_minor=GROSS,
        net_minor=GROSS - TAX,
        tax_minor=TAX,
        tax_rate_bp=1900,
        tax_code="VAT19",
        currency="EUR",
    )
    add(session, line)
    return made


def line(session: Any, word: str) -> OrderLine:
    return order(session, word).lines[0]


def allocation(session: Any, word: str, kind: str = "course") -> Allocation:
    """A paid order's line, and the payment that paid it."""
    paid = order(session, word, PAID, kind)
    payment = Payment(
        order_id=paid.id,
        provider="mock",
        provider_ref=f"pi_{word}",
        client_secret=f"pi_{word}_secret",
        code=ids.code(20),
        status=CAPTURED,
        currency="EUR",
        amount_minor=GROSS,
        captured_minor=GROSS,
        fee_minor=120,
        captured_at=clock.now(),
        asked_at=clock.machine_now(),
    )
    add(session, payment)
    made = Allocation(
        line_id=paid.lines[0].id, payment_id=payment.id, source=CARD, amount_minor=GROSS, currency="EUR"
    )
    return add(session, made)


def payment(session: Any, word: str) -> Payment:
    found: Payment = allocation(session, word).payment
    return found


def refund(session: Any, word: str) -> Refund:
    """One that failed and can be tried again."""
    part = allocation(session, word)
    made = Refund(
        code=ids.code(20),
        payment_id=part.payment_id,
        line_id=part.line_id,
        provider_ref=f"re_{word}",
        status=FAILED,
        amount_minor=1000,
        currency="EUR",
        reason=f"Cancelled {word}",
        requested_by=f"Manager {word}",
        requested_at=clock.now(),
        done_at=clock.now(),
        failure_code="expired_or_canceled_card",
    )
    return add(session, made)


def dispute(session: Any, word: str) -> Dispute:
    made = Dispute(
        payment_id=payment(session, word).id,
        provider_ref=f"dp_{word}",
        reason="fraudulent",
        amount_minor=GROSS,
        currency="EUR",
        opened_at=clock.now(),
    )
    return add(session, made)


def receipt(session: Any, word: str) -> Receipt:
    paid = order(session, word, PAID)
    sold = paid.lines[0]
    printed = {
        "description": sold.description,
        "quantity": 1,
        "unit": GROSS,
        "gross": GROSS,
        "tax": TAX,
        "tax_rate_bp": 1900,
    }
    made = Receipt(
        code=ids.code(40),
        kind=RECEIPT,
        number=next(_numbers),
        order_id=paid.id,
        issued_at=clock.now(),
        document={
            "order": paid.code,
            "currency": "EUR",
            "locale": "en",
            "timezone": "Europe/Berlin",
            "seller": f"Seller {word}",
            "color": "#0b5fa5",
            "buyer": f"Payer {word}",
            "buyer_email": f"{word}@people.test",
            "lines": [printed],
        },
    )
    return add(session, made)


def counter(session: Any, word: str) -> ReceiptCounter:
    """Of a kind of its own: there is one for each."""
    return add(session, ReceiptCounter(kind=word, next_number=7))


def event(session: Any, word: str) -> ProviderEvent:
    made = ProviderEvent(
        provider="mock",
        event_ref=f"evt_{word}",
        type="payment_intent.succeeded",
        object_ref=f"pi_{word}",
        payment_ref=f"pi_{word}",
        payload={"id": f"evt_{word}"},
        received_at=clock.machine_now(),
    )
    return add(session, made)


SAMPLES = {
    "sales-orders": Sample(order),
    "order-lines": Sample(line),
    "payments": Sample(payment),
    "allocations": Sample(allocation),
    "refunds": Sample(refund),
    "disputes": Sample(dispute),
    "receipts": Sample(receipt),
    "receipt-counters": Sample(counter),
    "provider-events": Sample(event),
}
