"""Collecting an order's money: one payment, one capture, whatever comes twice, late, lost or in between."""

from __future__ import annotations

import dataclasses
import datetime as dt
import time
from typing import Any

import pytest
from sqlalchemy import select

from app.core import clock
from app.core.db import db
from app.core.events import Delivery
from app.core.outside import ProviderUnavailable
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.payments import events, jobs, queries, service
from app.domains.payments.errors import AlreadyPaid, OrderClosed, UnlikeOurs
from app.domains.payments.models import Payment, Receipt
from tests.domains.payments.support import DECLINED, GOOD, Till, line, race, state

FEE = 146  # 2.9 % of 40.00, and 30


def test_a_payment_is_captured_once_with_books_receipt_and_event(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setitem(till.app.extensions["wiring"].now, events.OrderPaid, (seen.append,))
    bought = till.place()
    payment = till.pay(bought)
    assert till.payment(bought).status == "pending"
    for _again in range(3):
        till.ask(payment)
    assert state(till, bought) == {
        "order": ("paid", 4000, True),
        "payments": [("captured", 4000, 0, FEE, True)],
        "lines": [(4000, 0)],
        "allocations": [("card", 4000, 0)],
        "refunds": [],
        "disputes": [],
        "receipts": [("receipt",)],
        "entries": [
            ("capture", [("customer_funds", -4000), ("provider_balance", 4000)]),
            ("fee", [("processing_fees", FEE), ("provider_balance", -FEE)]),
        ],
    }
    assert [(event.order_id, event.was_expired) for event in seen] == [(bought.id, False)]


def test_starting_again_is_the_same_payment(till: Till) -> None:
    bought = till.place()
    first, second = till.start(bought), till.start(bought)
    assert (first.id, first.provider_ref) == (second.id, second.provider_ref)
    assert len(till.events("payment_intent.created")) == 1


def test_many_tabs_at_once_are_one_payment(till: Till) -> None:
    bought = till.place()
    company_id = till.company.id

    def start(_number: int) -> str | None:
        with tenant_scope(company_id):
            return jobs.start_payment(bought.id).provider_ref

    found = race(till.app, 8, start)
    assert len(set(found)) == 1, found
    assert isinstance(found[0], str)
    assert len(till.events("payment_intent.created")) == 1
    assert len(till.all(Payment)) == 1


def test_after_paying_nobody_can_pay_again(till: Till) -> None:
    """Also before any message came: starting again looks first."""
    bought = till.place()
    till.pay(bought)
    with pytest.raises(AlreadyPaid):
        till.start(bought)
    assert till.order(bought).status == "paid"
    with pytest.raises(AlreadyPaid):
        till.start(bought)
    assert len(till.events("charge.succeeded")) == 1


def test_a_declined_card_leaves_the_same_payment_for_another_card(till: Till) -> None:
    bought = till.place()
    payment = till.pay(bought, DECLINED)
    declined = till.ask(payment)
    assert (declined.status, declined.failure_code) == ("failed", "generic_decline")
    again = till.start(bought)
    assert again.provider_ref == payment.provider_ref
    till.controls.pay(again.client_secret or "", GOOD)
    paid = till.ask(again)
    assert (paid.status, paid.failure_code, paid.captured_minor) == ("captured", None, 4000)


@pytest.mark.parametrize("how", ["drop", "hang"])
def test_an_answer_that_is_lost_after_it_took_effect_makes_one_payment(till: Till, how: str) -> None:
    bought = till.place()
    till.controls.set_faults(lose_answers=1, lose_how=how)
    with pytest.raises(ProviderUnavailable):
        till.start(bought)
    assert till.payment(bought).status == "unknown"
    payment = till.pay(bought)
    assert till.ask(payment).status == "captured"
    assert len(till.events("payment_intent.created")) == 1
    assert len(till.events("charge.succeeded")) == 1
    assert till.balances()["customer_funds"] == -4000


def test_what_is_unknown_resolves_itself(till: Till) -> None:
    bought = till.place()
    till.controls.set_faults(lose_answers=1)
    with pytest.raises(ProviderUnavailable):
        till.start(bought)
    till.controls.pay(till.at_provider(till.payment(bought)).client_secret, GOOD)
    with till.app.app_context():
        jobs.resolve_unknown()
    assert till.payment(bought).status == "unknown", "it was asked for a moment ago"
    with till.app.app_context(), clock.machine_frozen(clock.machine_now() + dt.timedelta(seconds=31)):
        jobs.resolve_unknown()
    assert state(till, bought)["payments"] == [("captured", 4000, 0, FEE, True)]


def test_what_was_never_made_is_made_or_given_up(till: Till) -> None:
    """The provider did not get the request at all."""
    bought, late = till.place(), till.place(minutes=1)
    for order in (bought, late):
        till.controls.set_faults(fail_calls=1)
        with pytest.raises(ProviderUnavailable):
            till.start(order)
    now = clock.machine_now()
    with clock.frozen(clock.now() + dt.timedelta(minutes=5)):
        for seconds in (31, 90, 4000):
            with till.app.app_context(), clock.machine_frozen(now + dt.timedelta(seconds=seconds)):
                jobs.resolve_unknown()
    assert till.payment(bought).status == "pending"
    given_up = till.payment(late)
    assert (given_up.status, given_up.failure_code) == ("voided", "never made")
    assert len(till.events("payment_intent.created")) == 1


def test_one_that_can_not_be_resolved_keeps_nobody_waiting(till: Till) -> None:
    """It has another amount at the provider; it is asked for more and more rarely."""
    odd, good = till.place(), till.place()
    for bought in (odd, good):
        till.pay(bought)
    with till.writing():
        db.session.get_one(Payment, till.payment(odd).id).amount_minor = 3999
    asked = []
    now = clock.machine_now()
    for seconds in range(40, 2000, 40):
        with till.app.app_context(), clock.machine_frozen(now + dt.timedelta(seconds=seconds)):
            jobs.resolve_unknown()
        asked.append(till.payment(odd).asked_at)
    assert till.payment(good).status == "captured"
    assert till.payment(odd).status == "pending"
    assert 5 < len(set(asked)) < 25


@pytest.mark.parametrize(
    "unlike",
    [
        {"currency": "USD"},
        {"amount_minor": 4001},
        {"captured_minor": 3999},
        {"id": "pi_another"},
        {"currency": "USD", "amount_minor": 4001, "captured_minor": 4001},
    ],
)
def test_a_payment_that_is_not_ours_in_anything_is_not_taken_over(till: Till, unlike: dict[str, Any]) -> None:
    bought = till.place()
    payment = till.pay(bought)
    seen = till.at_provider(payment)
    assert (seen.status, seen.captured_minor) == ("succeeded", 4000)
    before = state(till, bought)
    with pytest.raises(UnlikeOurs), till.writing():
        service.record_payment(payment.id, dataclasses.replace(seen, **unlike))
    assert state(till, bought) == before
    with till.writing():
        service.record_payment(payment.id, seen)
    assert state(till, bought)["payments"] == [("captured", 4000, 0, FEE, True)]


@pytest.mark.parametrize(
    ("told", "booked"),
    [
        ([(None, None), (FEE, "EUR"), (FEE + 1, "EUR"), (None, None)], FEE),
        ([(FEE, "USD"), (FEE, None)], None),
        ([(FEE, "USD"), (FEE + 2, "EUR")], FEE + 2),
        ([(0, "EUR"), (FEE, "EUR")], 0),
    ],
)
def test_the_providers_fee_is_booked_once_and_in_the_books_currency_only(
    till: Till, told: list[tuple[int | None, str | None]], booked: int | None
) -> None:
    bought = till.place()
    payment = till.pay(bought)
    seen = till.at_provider(payment)
    for fee, currency in told:
        with till.writing():
            service.record_payment(
                payment.id, dataclasses.replace(seen, fee_minor=fee, fee_currency=currency)
            )
    assert state(till, bought)["payments"] == [("captured", 4000, 0, booked, True)]
    assert till.balances().get("processing_fees", 0) == (booked or 0)


def test_another_provider_makes_another_payment_and_ends_the_one_before(till: Till) -> None:
    """The company changed its provider while the order was open."""
    bought = till.place()
    with till.writing():
        first = service.open_payment(bought.id, provider="stripe")
        assert service.open_payment(bought.id, provider="stripe").id == first.id
    with till.writing():
        second = service.open_payment(bought.id, provider=till.provider.name)
    assert (second.provider, second.provider_ref, second.amount_minor) == (till.provider.name, None, 4000)
    with till.open():
        found = {
            made.id: made.status for made in db.session.scalars(select(Payment).filter_by(order_id=bought.id))
        }
    assert found == {first.id: "voided", second.id: "created"}


def test_only_what_the_provider_never_made_is_given_up(till: Till) -> None:
    bought = till.place()
    payment = till.start(bought)
    with till.writing():
        service.void_unmade(payment.id, why="never made")
    assert (till.payment(bought).status, till.payment(bought).failure_code) == ("pending", None)


def test_while_the_provider_is_away_the_order_stays_payable(till: Till) -> None:
    bought = till.place()
    till.controls.set_faults(fail_calls=20, fail_status=503)
    for _try in range(7):  # the breaker opens meanwhile
        with pytest.raises(ProviderUnavailable):
            till.start(bought)
    assert (till.order(bought).status, till.payment(bought).status) == ("open", "unknown")
    till.controls.clear_faults()
    time.sleep(0.35)  # until the breaker lets one through
    assert till.ask(till.pay(bought)).status == "captured"
    assert len(till.events("payment_intent.created")) == 1


def test_a_payment_that_comes_late_says_so(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setitem(till.app.extensions["wiring"].now, events.OrderPaid, (seen.append,))
    lapsed, just_over, given_up = till.place(), till.place(), till.place()
    for bought in (lapsed, just_over, given_up):
        till.pay(bought)
    with till.writing():
        service.cancel_order(queries.order(given_up.id))
    with clock.frozen(clock.now() + dt.timedelta(minutes=11)):
        with till.open(), transaction():
            assert service.expire_order(queries.order(lapsed.id)) is True
        for bought in (lapsed, just_over, given_up):
            till.ask(till.payment(bought))
    assert {event.order_id: event.was_expired for event in seen} == {
        lapsed.id: True,
        just_over.id: True,
        given_up.id: True,
    }
    assert [till.order(bought).status for bought in (lapsed, just_over, given_up)] == ["paid"] * 3
    assert till.balances()["customer_funds"] == -12000


def test_expired_orders_close_and_their_payments_are_called_off(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone: list[Any] = []
    monkeypatch.setitem(till.app.extensions["wiring"].now, events.OrderExpired, (gone.append,))
    idle, started, paid, later = till.place(), till.place(), till.place(), till.place(minutes=60)
    till.start(started)
    till.pay(paid)
    with clock.frozen(clock.now() + dt.timedelta(minutes=10)):
        for _again in range(2):
            with till.app.app_context():
                jobs.expire_orders()
        assert sorted(event.order_id for event in gone) == [idle.id, started.id, paid.id]
        till.drain()
        with pytest.raises(OrderClosed):
            till.start(started)
    assert [till.order(bought).status for bought in (idle, started, paid, later)] == [
        "expired",
        "expired",
        "paid",  # it had been paid already: that counts
        "open",
    ]
    assert till.payment(started).status == "voided"
    assert till.at_provider(till.payment(started)).status == "canceled"


def test_an_order_runs_out_at_its_time_and_no_sooner(till: Till) -> None:
    bought = till.place(minutes=10)
    ends = till.order(bought).expires_at
    for moment, ended, status in (
        (ends - dt.timedelta(seconds=1), False, "open"),
        (ends, True, "expired"),
        (ends, False, "expired"),
    ):
        with clock.frozen(moment), till.writing():
            assert service.expire_order(queries.order(bought.id)) is ended
        assert till.order(bought).status == status


def test_an_order_that_closes_while_the_provider_thinks_is_called_off(till: Till) -> None:
    bought = till.place()
    with till.open():
        with transaction():
            payment = service.open_payment(bought.id, provider="mock")
        with transaction():
            service.cancel_order(queries.order(bought.id))
        with pytest.raises(OrderClosed):
            jobs.start_payment(bought.id)
        # What was under way when it closed finds its end all the same.
        jobs.call_off_payments(Delivery(events.OrderCancelled(till.company.id, bought.id), "test"))
        assert queries.payment(payment.id).status == "unknown"
    assert till.events("payment_intent.created") == []


def test_a_free_order_is_paid_at_once_and_without_the_provider(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []
    monkeypatch.setitem(till.app.extensions["wiring"].now, events.OrderPaid, (heard.append,))
    bought = till.place(line(0))
    with till.open():
        for _again in range(2):
            with transaction():
                assert service.pay_free(queries.order(bought.id)).status == "paid"
    assert state(till, bought)["allocations"] == [("free", 0, 0)]
    assert till.order(bought).paid_at is not None
    assert [(event.tenant_id, event.order_id, event.was_expired) for event in heard] == [
        (till.company.id, bought.id, False)
    ]
    assert till.all(Receipt) == []
    assert till.refund(bought.line, 0) == []
    assert till.events() == []
