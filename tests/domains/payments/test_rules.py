"""What amounts are made of and what a provider's words mean, at the edges."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from app.core.money import Money
from app.domains.payments import policies
from app.domains.payments.models import (
    CANCELLED,
    CAPTURED,
    CREATED,
    EXPIRED,
    FAILED,
    OPEN,
    PAID,
    PENDING,
    UNKNOWN,
    VOIDED,
    Order,
    OrderLine,
    Payment,
)
from app.providers.payments import ProviderPayment

NOW = dt.datetime(2026, 5, 4, 9, tzinfo=dt.UTC)
SECOND = dt.timedelta(seconds=1)


@pytest.mark.parametrize(
    ("gross", "rate_bp", "tax"),
    [(11_900, 1900, 1900), (6000, 1900, 958), (6000, 0, 0), (1, 10_000, 1), (105, 500, 5)],
)
def test_the_tax_inside_a_price(gross: int, rate_bp: int, tax: int) -> None:
    assert policies.tax_within(Money(gross, "EUR"), rate_bp) == Money(tax, "EUR")


def test_parts_of_a_line_make_up_its_tax() -> None:
    line = OrderLine(gross_minor=1000, tax_minor=160)
    parts = [policies.tax_of_part(line, before_minor=before, amount_minor=333) for before in (0, 333, 666)]
    assert parts == [53, 54, 53]
    assert sum(parts) + policies.tax_of_part(line, before_minor=999, amount_minor=1) == 160
    assert policies.tax_of_part(OrderLine(gross_minor=0, tax_minor=0), before_minor=0, amount_minor=0) == 0
    assert policies.tax_of_part(OrderLine(gross_minor=1, tax_minor=1), before_minor=0, amount_minor=1) == 1


def test_some_currencies_go_in_steps_of_ten() -> None:
    assert policies.is_in_steps(Money(1230, "KWD"))
    assert not policies.is_in_steps(Money(1231, "KWD"))
    assert policies.is_in_steps(Money(1231, "EUR"))
    assert policies.in_steps(Money(1239, "KWD")) == Money(1230, "KWD")
    assert policies.in_steps(Money(1239, "EUR")) == Money(1239, "EUR")


def test_references_are_read_back_and_nothing_else_is() -> None:
    code = "0123456789ABCDEFGHJK"
    assert policies.reference_of(7, code) == f"t7:{code}"
    assert policies.read_reference(f"t7:{code}") == (7, code)
    assert policies.read_reference(f"t{10**17}:{code}") == (10**17, code)
    for text in (None, "", f"t0:{code}", f"T7:{code}", f"t{10**18}:{code}", f"t7:{code}0", f"t7:{code[:-1]}",
                 f"t7:{code.lower()}", f"t7:{code}\n", f" t7:{code}", f"t\u0667:{code}", f"7:{code}"):  # fmt: skip
        assert policies.read_reference(text) is None, text


def seen(status: Any, failure_code: str | None = None) -> ProviderPayment:
    return ProviderPayment(
        id="pi_1", status=status, client_secret="s", amount_minor=1, currency="EUR", captured_minor=0,
        refunded_minor=0, fee_minor=None, fee_currency=None, failure_code=failure_code, metadata={}, created_at=NOW,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "failure_code", "ours"),
    [
        ("requires_payment_method", None, PENDING),
        ("requires_payment_method", "card_declined", FAILED),
        ("requires_action", None, PENDING),
        ("requires_action", "card_declined", PENDING),
        ("processing", None, PENDING),
        ("succeeded", None, CAPTURED),
        ("succeeded", "card_declined", CAPTURED),
        ("canceled", None, VOIDED),
    ],
)
def test_the_providers_states_in_our_words(status: str, failure_code: str | None, ours: str) -> None:
    assert policies.status_of(seen(status, failure_code)) == ours


NOT_OURS, TOLD_TWICE = "not about a payment", "told by another message as well"


@pytest.mark.parametrize(
    ("event", "ignored", "making", "refunds", "dispute"),
    [
        ("payment_intent.created", None, True, False, False),
        ("payment_intent.succeeded", None, False, False, False),
        ("charge.succeeded", TOLD_TWICE, False, False, False),
        ("charge.failed", None, False, False, False),
        ("charge.refunded", None, False, True, False),
        ("charge.refund.updated", None, False, True, False),
        ("refund.created", None, False, True, False),
        ("refund.failed", None, False, True, False),
        ("charge.dispute.created", None, False, False, True),
        ("customer.created", NOT_OURS, False, False, False),
        ("refunds", NOT_OURS, False, False, False),
        ("charges.refund", NOT_OURS, False, False, False),
        ("payment_intents.succeeded", NOT_OURS, False, False, False),
        ("Charge.dispute.created", NOT_OURS, False, False, False),
    ],
)
def test_what_an_event_is_about(
    event: str, ignored: str | None, making: bool, refunds: bool, dispute: bool
) -> None:
    assert policies.why_ignored(event) == ignored
    assert policies.is_about_making(event) is making
    assert policies.is_about_paying(event) is event.startswith("payment_intent.")
    assert policies.is_about_refunds(event) is refunds
    assert policies.is_about_dispute(event) is dispute


def order(status: str = OPEN, *, payments: tuple[str, ...] = (), refunded: int = 0, **changed: Any) -> Order:
    return Order(
        **{
            "status": status, "payer_id": 5, "actor": "u:1", "total_minor": 1000,
            "expires_at": NOW + SECOND, **changed,
        },
        lines=[OrderLine(refunded_minor=refunded), OrderLine(refunded_minor=0)],
        payments=[Payment(status=each) for each in payments],
    )  # fmt: skip


def test_an_order_is_payable_until_it_ends() -> None:
    assert policies.is_payable(order(), NOW)
    assert not policies.is_payable(order(), NOW + SECOND)
    assert not policies.is_payable(order(PAID), NOW)


def test_whose_an_order_is() -> None:
    def belongs(person_id: int | None, *actors: str, payer_id: int | None = 5) -> bool:
        return policies.belongs_to(order(payer_id=payer_id), person_id=person_id, actors=actors)

    assert belongs(5)
    assert belongs(None, "u:1")
    assert belongs(6, "v:2", "u:1")
    assert not belongs(6)
    assert not belongs(6, "u:2")
    assert not belongs(None, payer_id=None), "nobody is not the same as nobody"


@pytest.mark.parametrize(
    ("status", "payments", "refunded", "late", "word"),
    [
        (OPEN, (), 0, False, "payable"),
        (OPEN, (CREATED,), 0, False, "waiting"),
        (OPEN, (PENDING,), 0, False, "waiting"),
        (OPEN, (FAILED,), 0, False, "declined"),
        (OPEN, (VOIDED,), 0, False, "payable"),
        (OPEN, (VOIDED, PENDING), 0, False, "waiting"),
        (OPEN, (), 0, True, EXPIRED),
        (OPEN, (CREATED,), 0, True, EXPIRED),
        (OPEN, (FAILED,), 0, True, EXPIRED),
        (OPEN, (PENDING,), 0, True, "late"),
        (OPEN, (UNKNOWN,), 0, True, "late"),
        (EXPIRED, (), 0, False, EXPIRED),
        (EXPIRED, (UNKNOWN,), 0, False, "late"),
        (CANCELLED, (), 0, False, CANCELLED),
        (CANCELLED, (FAILED,), 0, True, CANCELLED),
        (CANCELLED, (UNKNOWN,), 0, True, "late"),
        (CANCELLED, (PENDING,), 0, False, "late"),
        (PAID, (CAPTURED,), 0, True, PAID),
        (PAID, (CAPTURED,), 1, True, "partly_refunded"),
        (PAID, (CAPTURED,), 999, True, "partly_refunded"),
        (PAID, (CAPTURED,), 1000, True, "refunded"),
    ],
)
def test_one_word_for_an_orders_page(
    status: str, payments: tuple[str, ...], refunded: int, late: bool, word: str
) -> None:
    at = NOW + SECOND if late else NOW
    assert policies.state_of(order(status, payments=payments, refunded=refunded), at) == word
    assert word in policies.STATES
