"""Orders: what they come to, in every kind of currency, and when they can be paid."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from app.core import clock
from app.core.errors import Invalid, NotFound
from app.core.money import Money
from app.core.transaction import transaction
from app.domains.payments import events, policies, queries, service
from app.domains.payments.errors import AlreadyPaid, NotChargeable, OrderClosed, WrongCurrency
from app.domains.payments.models import Order, OrderLine, Receipt
from tests.domains.payments.support import GOOD, Till, line

TAXES = [
    # currency, unit, quantity, rate, gross, tax: half up, inside the price
    ("EUR", 4000, 1, 1900, 4000, 639),
    ("EUR", 1000, 3, 700, 3000, 196),
    ("EUR", 1, 1, 1900, 1, 0),
    ("EUR", 3, 1, 5000, 3, 1),
    ("EUR", 21, 1, 500, 21, 1),
    ("EUR", 4000, 1, 0, 4000, 0),
    ("JPY", 3300, 2, 1000, 6600, 600),
    ("JPY", 105, 1, 1000, 105, 10),
    ("KWD", 10250, 1, 500, 10250, 488),
    ("EUR", 0, 1, 1900, 0, 0),
]


@pytest.mark.parametrize(("currency", "unit", "quantity", "rate", "gross", "tax"), TAXES)
def test_the_tax_is_inside_the_price(
    till: Till, currency: str, unit: int, quantity: int, rate: int, gross: int, tax: int
) -> None:
    till.sell_in(currency)
    bought = till.place(line(unit, currency, quantity=quantity, tax_rate_bp=rate))
    (row,) = till.all(OrderLine)
    assert (row.gross_minor, row.tax_minor, row.net_minor) == (gross, tax, gross - tax)
    assert till.order(bought).total == Money(gross, currency)


@pytest.mark.parametrize(("currency", "minor", "fee"), [("JPY", 6600, 221), ("KWD", 10250, 597)])
def test_other_currencies_are_captured_to_the_last_unit(
    till: Till, currency: str, minor: int, fee: int
) -> None:
    till.sell_in(currency)
    till.buy(line(minor, currency))
    assert till.balances(currency) == {
        "provider_balance": minor - fee,
        "customer_funds": -minor,
        "processing_fees": fee,
    }


def test_the_total_is_the_sum_of_lines(till: Till) -> None:
    bought = till.place(line(4000), line(999, quantity=2), line(0))
    assert till.order(bought).total_minor == 5998
    assert [row.gross_minor for row in till.order(bought).lines] == [4000, 1998, 0]
    assert len(bought.code) == 20


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        (line(4000, "USD"), WrongCurrency),
        (line(-1), NotChargeable),
        (line(quantity=0), NotChargeable),
        (line(quantity=1001), NotChargeable),
        (line(tax_rate_bp=-1), NotChargeable),
        (line(tax_rate_bp=10_001), NotChargeable),
        (line(2**63 - 1, quantity=2), NotChargeable),
    ],
)
def test_what_can_not_be_sold(till: Till, bad: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        till.place(bad)
    assert till.all(Order) == []


def test_a_line_says_what_it_is(till: Till) -> None:
    with pytest.raises(Invalid) as refusal:
        till.place(line(description="  "))
    assert refusal.value.field == "description"
    till.place(line(description=f" {'é' * 301} "))
    assert [row.description for row in till.all(OrderLine)] == ["é" * 300]


def test_no_lines_and_too_much_together(till: Till) -> None:
    with till.open(), pytest.raises(NotChargeable), transaction():
        service.place_order(actor="u:1", payer=None, lines=[], expires_at=clock.now(), locale="en")
    with pytest.raises(NotChargeable):
        till.place(line(2**62), line(2**62))
    with pytest.raises(NotChargeable):
        till.place(*[line(1)] * 101)
    assert till.all(Order) == []


def test_the_most_that_can_be_sold(till: Till) -> None:
    """Each limit itself is allowed."""
    assert len(till.place(*[line(1)] * 100).lines) == 100
    till.place(line(1, quantity=1000, tax_rate_bp=10_000))
    assert till.order(till.place(line(2**63 - 1, tax_rate_bp=0))).total_minor == 2**63 - 1


@pytest.mark.parametrize("count", [1, 2])
def test_who_places_an_order_has_it_at_hand(till: Till, count: int) -> None:
    """With its lines, though they were written past the session; also without a payer."""
    with till.writing():
        order = service.place_order(
            actor="u:1", payer=None, lines=[line()] * count, expires_at=clock.now(), locale="en"
        )
        at_hand = [(row.id, row.order_id) for row in order.lines]
    assert order.payer_id is None
    assert at_hand == [(row.id, order.id) for row in till.all(OrderLine)]
    assert len(at_hand) == count


def test_an_amount_that_no_provider_can_move(till: Till) -> None:
    till.sell_in("KWD")
    with pytest.raises(NotChargeable):
        till.place(line(10255, "KWD"))


def test_the_parts_of_a_line_have_its_tax_together() -> None:
    row = OrderLine(gross_minor=1000, tax_minor=160, currency="EUR")
    parts = [333, 333, 334]
    taxes = [
        policies.tax_of_part(row, before_minor=sum(parts[:place]), amount_minor=part)
        for place, part in enumerate(parts)
    ]
    assert sum(taxes) == 160
    assert taxes == [53, 54, 53]
    assert policies.tax_of_part(OrderLine(gross_minor=0, tax_minor=0), before_minor=0, amount_minor=0) == 0


def test_an_order_is_renewed_and_given_up(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    gone: list[Any] = []
    monkeypatch.setitem(till.app.extensions["wiring"].now, events.OrderCancelled, (gone.append,))
    bought = till.place()
    later = clock.now() + dt.timedelta(minutes=25)
    with till.writing():
        service.renew_order(queries.order(bought.id), expires_at=later)
    assert till.order(bought).expires_at == later
    for _again in range(2):
        with till.writing():
            service.cancel_order(queries.order(bought.id))
    assert till.order(bought).status == "cancelled"
    assert gone == [events.OrderCancelled(till.company.id, bought.id)]
    assert till.trail(Order, bought.id) == ["created", "changed", "cancelled"]
    with till.open(), pytest.raises(OrderClosed), transaction():
        service.renew_order(queries.order(bought.id), expires_at=later)


def test_what_is_over_stays_over(till: Till) -> None:
    bought, free = till.buy(), till.place(line(0))
    refusals = [
        (lambda: service.cancel_order(queries.order(bought.id)), AlreadyPaid),
        (lambda: service.renew_order(queries.order(bought.id), expires_at=clock.now()), AlreadyPaid),
        (lambda: service.open_payment(bought.id, provider="mock"), AlreadyPaid),
        (lambda: service.pay_free(queries.order(bought.id)), NotChargeable),
    ]
    for refused, error in refusals:
        with till.open(), pytest.raises(error), transaction():
            refused()
    with clock.frozen(clock.now() + dt.timedelta(minutes=10)):
        with till.open(), pytest.raises(OrderClosed), transaction():
            service.pay_free(queries.order(free.id))
        with till.writing():
            assert service.expire_order(queries.order(free.id)) is True
        with till.open(), pytest.raises(OrderClosed), transaction():
            service.cancel_order(queries.order(free.id))
    with till.writing():
        assert service.expire_order(queries.order(bought.id)) is False


def test_another_company_has_no_such_order(till: Till) -> None:
    bought = till.place()
    with till.open(till.world.bert):
        for read in (
            lambda: queries.order(bought.id),
            lambda: queries.order_seen(bought.code),
            lambda: queries.line(bought.line),
            lambda: queries.order_of_line(bought.line),
            lambda: queries.order_for_update(bought.id),
        ):
            with pytest.raises(NotFound):
                read()
    with till.open():
        assert queries.order_of_line(bought.line).id == bought.id
        assert queries.line(bought.line).order.id == bought.id
        for code in ("", "x", "\x00" * 20, "'" * 20, bought.code[:-1]):
            with pytest.raises(NotFound):
                queries.order_seen(code)


def test_what_is_seen_of_an_order(till: Till) -> None:
    """Its lines and documents in their order, and the payment that may still take money, no other."""
    bought = till.place(line(4000), line(2000, quantity=2, tax_rate_bp=0))

    def seen() -> queries.OrderSeen:
        with till.open():
            return queries.order_seen(bought.code.lower())

    assert (seen().payments, seen().receipts) == ((), ())
    payment = till.start(bought)
    [under_way] = seen().payments
    assert (under_way.id, under_way.code, under_way.status) == (payment.id, payment.code, "pending")
    assert (under_way.provider, under_way.provider_ref) == (payment.provider, payment.provider_ref)
    till.controls.pay(payment.client_secret or "", GOOD)
    till.ask(payment)
    for line_id in reversed(bought.lines):
        till.refund(line_id, 1000)
    till.drain()
    order = seen()
    assert (order.status, order.total, order.payments) == ("paid", Money(8000, "EUR"), ())
    assert [(each.id, each.quantity, each.gross_minor, each.tax_minor, each.refunded_minor)
            for each in order.lines] == [
        (bought.lines[0], 1, 4000, 639, 1000), (bought.lines[1], 2, 4000, 0, 1000),
    ]  # fmt: skip
    documents = till.all(Receipt, Receipt.order_id == bought.id)
    assert [(each.kind, each.number, each.code) for each in order.receipts] == [
        (row.kind, row.number, row.code) for row in documents
    ]
    assert [each.kind for each in order.receipts] == ["receipt", "credit_note", "credit_note"]
    with till.open():
        assert queries.payment_seen(payment.id).status == "captured"
    with till.open(till.world.bert), pytest.raises(NotFound):
        queries.payment_seen(payment.id)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("t7:0123456789ABCDEFGHJK", (7, "0123456789ABCDEFGHJK")),
        ("t0:0123456789ABCDEFGHJK", None),
        ("t7:0123456789ABCDEFGHJK ", None),
        ("t7:short", None),
        ("x", None),
        ("t٧:0123456789ABCDEFGHJK", None),
        (f"t{'9' * 19}:0123456789ABCDEFGHJK", None),
        (None, None),
    ],
)
def test_references_are_read_strictly(text: str | None, read: tuple[int, str] | None) -> None:
    assert policies.read_reference(text) == read
    if read is not None:
        assert policies.reference_of(*read) == text
