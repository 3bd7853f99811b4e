"""Disputes: a bank takes a payment back, with its fees, and decides later; told in any order, and again."""

from __future__ import annotations

import datetime as dt
import itertools
from dataclasses import replace

import pytest

from app.core import clock
from app.core.events import Event
from app.domains.ledger import queries as ledger
from app.domains.payments import events, service
from app.domains.payments.errors import DisputedPayment, NothingToRefund, UnlikeOurs
from app.domains.payments.models import Dispute
from app.providers.payments import ProviderDispute, ProviderFee
from tests.domains.payments.support import Till, state

FEE, DISPUTE_FEE = 146, 1500


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_a_dispute_holds_its_money_and_stops_refunds(till: Till, outcome: str) -> None:
    bought = till.buy()
    dispute = till.controls.dispute(till.payment(bought).provider_ref or "")
    till.hear(*till.events("charge.dispute.created"))
    assert till.balances() == {
        "provider_balance": -FEE - DISPUTE_FEE,
        "processing_fees": FEE + DISPUTE_FEE,
        "disputes_held": 4000,
        "customer_funds": -4000,
    }
    with pytest.raises(DisputedPayment):
        till.refund(bought.line, 100)
    till.controls.close_dispute(dispute, outcome)
    till.hear(*till.events("charge.dispute.closed"))
    assert state(till, bought)["disputes"] == [(outcome, 4000)]
    if outcome == "won":
        assert till.balances()["provider_balance"] == 4000 - FEE - DISPUTE_FEE
        assert "disputes_held" not in till.balances()
        till.refund(bought.line, 4000)
    else:
        assert till.balances()["dispute_losses"] == 4000
        assert "disputes_held" not in till.balances()
        with pytest.raises(NothingToRefund):
            till.refund(bought.line, 100)


def test_messages_about_a_dispute_in_any_order(till: Till) -> None:
    """Also when the first that is heard is its end."""
    ends = []
    for order in itertools.permutations(range(2)):
        bought = till.buy()
        ref = till.payment(bought).provider_ref or ""
        dispute = till.controls.dispute(ref)
        till.controls.close_dispute(dispute, "lost")
        found = [e for e in till.events("charge.dispute.created", "charge.dispute.closed") if ref in str(e)]
        till.hear(*(found[number] for number in order), *found)
        ends.append(state(till, bought))
    assert ends[0]["disputes"] == [("lost", 4000)]
    assert ends[0] == ends[1]
    assert till.balances()["processing_fees"] == 2 * (FEE + DISPUTE_FEE)


def test_each_fee_of_a_dispute_is_booked_once_and_may_come_back(till: Till) -> None:
    """Providers tell a dispute's movements one by one; an old answer that is late takes nothing away."""
    bought = till.buy()
    payment = till.payment(bought)
    taken = ProviderFee("txn_taken", 1500, "EUR")
    others = ProviderFee("txn_usd", 1600, "USD")
    returned = ProviderFee("txn_returned", -1500, "EUR")
    opened = ProviderDispute("dp_1", payment.provider_ref or "", 4000, "EUR", "needs_response", "fraudulent")
    won = replace(opened, status="won")
    for seen, fee in (
        (opened, 0),
        (replace(opened, fees=(taken, others)), 1500),
        (opened, 1500),
        (replace(won, fees=(taken, others, returned)), 0),
        (replace(opened, fees=(taken, others)), 0),
    ):
        with till.writing():
            service.record_dispute(payment.id, seen)
        [dispute] = till.all(Dispute)
        assert dispute.fee_minor == fee
        assert till.balances()["processing_fees"] == FEE + fee


@pytest.mark.parametrize("unlike", [{"payment_id": "pi_another"}, {"currency": "USD"}])
def test_a_dispute_of_something_else_is_not_taken_over(till: Till, unlike: dict[str, str]) -> None:
    bought = till.buy()
    payment = till.payment(bought)
    before = till.balances()
    seen = ProviderDispute("dp_1", payment.provider_ref or "", 4000, "EUR", "needs_response", "r" * 61)
    with pytest.raises(UnlikeOurs), till.writing():
        service.record_dispute(payment.id, replace(seen, **unlike))
    assert (till.all(Dispute), till.balances()) == ([], before)
    with till.writing():
        service.record_dispute(payment.id, seen)
    [dispute] = till.all(Dispute)
    assert (dispute.status, dispute.reason, dispute.fee_minor) == ("open", "r" * 60, 0)
    assert ("dispute", [("disputes_held", 4000), ("provider_balance", -4000)]) in state(till, bought)[
        "entries"
    ]


@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_what_is_written_of_a_dispute(till: Till, monkeypatch: pytest.MonkeyPatch, outcome: str) -> None:
    """The row, the books under a key of their own for each step, and who else hears of it."""
    heard: list[Event] = []
    for kind in (events.DisputeOpened, events.DisputeClosed):
        monkeypatch.setitem(till.app.extensions["wiring"].now, kind, (heard.append,))
    bought, opened_at = till.buy(), clock.now()
    payment, closed_at = till.payment(bought), opened_at + dt.timedelta(days=20)
    fee = ProviderFee("txn_1", DISPUTE_FEE, "EUR")
    seen = ProviderDispute(
        "dp_1", payment.provider_ref or "", 4000, "EUR", "needs_response", "fraudulent", fees=(fee,)
    )

    def record(said: ProviderDispute) -> Dispute:
        with till.writing():
            assert service.record_dispute(payment.id, said) is not None
        [dispute] = till.all(Dispute)
        return dispute

    with clock.frozen(opened_at):
        dispute = record(seen)
    assert (dispute.payment_id, dispute.provider_ref, dispute.status) == (payment.id, "dp_1", "open")
    assert (dispute.opened_at, dispute.closed_at) == (opened_at, None)
    with clock.frozen(closed_at):
        dispute = record(replace(seen, status=outcome))
    assert (dispute.opened_at, dispute.closed_at) == (opened_at, closed_at)
    with clock.frozen(closed_at + dt.timedelta(days=1)):
        assert record(replace(seen, status=outcome)).closed_at == closed_at
    with till.open():
        entries = ledger.entries_of("dispute", dispute.id)
    assert [(entry.kind, entry.key, entry.memo) for entry in entries] == [
        ("dispute", f"dispute:{dispute.id}", "fraudulent"),
        ("dispute_fee", f"dispute-fee:{dispute.id}:txn_1", "fraudulent"),
        (f"dispute_{outcome}", f"dispute-{outcome}:{dispute.id}", "fraudulent"),
    ]
    tenant_id = till.company.id
    assert heard == [
        events.DisputeOpened(tenant_id, dispute.id),
        events.DisputeClosed(tenant_id, dispute.id, won=outcome == "won"),
    ]


def test_a_bank_s_mere_question_takes_nothing(till: Till) -> None:
    """Money moves, and refunds stop, once it is a dispute."""
    bought = till.buy()
    payment, before = till.payment(bought), till.balances()
    asked = ProviderDispute(
        "dp_1", payment.provider_ref or "", 4000, "EUR", "warning_needs_response", "fraudulent"
    )
    for status in ("warning_needs_response", "warning_under_review", "warning_closed"):
        with till.writing():
            assert service.record_dispute(payment.id, replace(asked, status=status)) is None
    assert (till.all(Dispute), till.balances()) == ([], before)
    till.refund(bought.line, 100)
