"""Refunds: never more than was paid, once at the provider, and their money in the books at every step."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from app.core import clock
from app.core.errors import DomainError, Invalid
from app.core.events import Event
from app.core.money import Money
from app.core.scope import tenant_scope
from app.core.states import MoveNotAllowed
from app.core.transaction import transaction
from app.domains.ledger import queries as ledger
from app.domains.payments import events, jobs, queries, service
from app.domains.payments.errors import DisputedPayment, NothingToRefund, RefundTooLarge
from app.domains.payments.models import Allocation, OrderLine, Payment, Receipt, Refund
from tests.domains.payments.support import Bought, Till, line, race, state

FEE = 146


def at_provider(till: Till, bought: Bought) -> list[tuple[int, str]]:
    with till.open():
        ref = queries.payments_of(bought.id)[0].provider_ref
    with till.open():
        return [(refund.amount_minor, refund.status) for refund in till.provider.refunds_of(ref or "")]


def noted(till: Till) -> tuple[int, int, int]:
    """What line, payment and allocation say was refunded."""
    first = (till.all(model)[0] for model in (OrderLine, Payment, Allocation))
    line_minor, payment_minor, allocation_minor = (row.refunded_minor for row in first)  # type: ignore[attr-defined]
    return line_minor, payment_minor, allocation_minor


def test_a_refund_in_part_and_the_rest(till: Till) -> None:
    bought = till.buy()
    till.refund(bought.line, 1500)
    assert till.balances() == {
        "provider_balance": 4000 - FEE,
        "processing_fees": FEE,
        "customer_funds": -2500,
        "refunds_pending": -1500,
    }
    till.drain()
    assert till.balances() == {
        "provider_balance": 2500 - FEE,
        "processing_fees": FEE,
        "customer_funds": -2500,
    }
    till.refund(bought.line, 2500)
    till.drain()
    assert at_provider(till, bought) == [(1500, "succeeded"), (2500, "succeeded")]
    assert noted(till) == (4000, 4000, 4000)
    assert [receipt.kind for receipt in till.all(Receipt)] == ["receipt", "credit_note", "credit_note"]
    assert till.balances() == {"provider_balance": -FEE, "processing_fees": FEE}


@pytest.mark.parametrize(
    ("amount", "error"),
    [
        (Money(4001, "EUR"), RefundTooLarge),
        (Money(2**62, "EUR"), RefundTooLarge),
        (Money(-1, "EUR"), Invalid),
        (Money(100, "USD"), Invalid),
    ],
)
def test_what_can_not_be_given_back(till: Till, amount: Money, error: type[DomainError]) -> None:
    bought = till.buy()
    with pytest.raises(error) as refused:
        till.refund(bought.line, amount)
    assert (refused.value.status, refused.value.field) == (422, "amount")
    assert till.all(Refund) == []
    assert noted(till) == (0, 0, 0)


def test_more_than_is_left_is_refused(till: Till) -> None:
    bought = till.buy()
    till.refund(bought.line, 3000)
    with pytest.raises(RefundTooLarge) as refused:
        till.refund(bought.line, 1001)
    assert refused.value.field == "amount"
    assert noted(till) == (3000, 3000, 3000)


def test_nothing_was_paid_nothing_goes_back(till: Till) -> None:
    bought = till.place()
    with pytest.raises(RefundTooLarge):
        till.refund(bought.line, 100)
    assert till.refund(bought.line, 0) == []


def test_lines_are_refunded_each_on_its_own(till: Till) -> None:
    bought = till.buy(line(4000), line(1000))
    with pytest.raises(RefundTooLarge):
        till.refund(bought.lines[1], 1001)
    till.refund(bought.lines[1], 1000)
    till.drain()
    assert state(till, bought)["lines"] == [(4000, 0), (1000, 1000)]
    assert till.payment(bought).refunded_minor == 1000


def test_refunds_that_race_never_give_back_too_much(till: Till) -> None:
    """Sixteen at once, of sizes that nobody agreed on: what was paid is the end of it."""
    bought = till.buy()
    till.drain()
    company_id = till.company.id
    seeded = random.Random(7)
    sizes = [seeded.randint(200, 900) for _ in range(16)]

    def refund(number: int) -> int:
        with tenant_scope(company_id), transaction():
            amount = Money(sizes[number], "EUR")
            service.request_refund(queries.line(bought.line), amount=amount, reason="race", by=f"{number}")
        return sizes[number]

    found = race(till.app, 16, refund)
    done = [size for size in found if isinstance(size, int)]
    assert all(isinstance(other, RefundTooLarge) for other in found if not isinstance(other, int)), found
    assert sum(sizes) > 4000 >= sum(done) > 4000 - 900
    assert noted(till) == (sum(done),) * 3
    till.drain()
    assert sorted(at_provider(till, bought)) == sorted((size, "succeeded") for size in done)
    assert till.balances().get("customer_funds", 0) == -(4000 - sum(done))


@pytest.mark.parametrize("how", ["drop", "hang"])
def test_a_lost_reply_is_one_refund(till: Till, how: str) -> None:
    bought = till.buy()
    till.drain()
    till.refund(bought.line, 1500)
    till.controls.set_faults(lose_answers=1, lose_how=how)
    till.drain()
    assert [refund.status for refund in till.all(Refund)] == ["requested"]
    assert at_provider(till, bought) == [(1500, "succeeded")]
    with clock.machine_frozen(clock.machine_now() + dt.timedelta(minutes=2)):
        till.drain()
    assert [refund.status for refund in till.all(Refund)] == ["succeeded"]
    assert at_provider(till, bought) == [(1500, "succeeded")]


def test_a_refund_whose_delivery_was_lost_is_found_or_sent(till: Till) -> None:
    """By the recurring look: one did take effect, of the other the provider never heard."""
    found, sent = till.buy(), till.buy()
    till.drain()
    till.refund(found.line, 1500)
    till.controls.set_faults(lose_answers=1)
    till.drain()
    till.refund(sent.line, 700)
    now = clock.machine_now()
    for minutes in (1, 6, 13):
        with till.app.app_context(), clock.machine_frozen(now + dt.timedelta(minutes=minutes)):
            jobs.resolve_unknown()
        if minutes == 1:
            assert {refund.status for refund in till.all(Refund)} == {"requested"}
    assert [refund.status for refund in till.all(Refund)] == ["succeeded", "succeeded"]
    with clock.machine_frozen(now + dt.timedelta(minutes=14)):
        till.drain()
    assert at_provider(till, found) == [(1500, "succeeded")]
    assert at_provider(till, sent) == [(700, "succeeded")]


def test_a_refund_that_the_provider_refuses_is_the_customers_money_again(till: Till) -> None:
    """It was given back by hand at the provider: nothing is left there."""
    bought = till.buy()
    till.drain()
    ref = till.payment(bought).provider_ref
    till.provider._stripe.v1.refunds.create({"payment_intent": ref or ""})
    (refund_id,) = till.refund(bought.line, 1500)
    till.drain()
    (refund,) = till.all(Refund)
    assert (refund.status, refund.failure_code) == ("failed", "charge_already_refunded")
    assert noted(till) == (0, 0, 0)
    assert till.balances()["customer_funds"] == -4000
    with till.writing():
        assert service.try_again(queries.refund(refund_id)).status == "requested"
    till.drain()
    assert [refund.status for refund in till.all(Refund)] == ["failed"]


def test_a_refund_that_comes_back_days_later_can_be_tried_again(till: Till) -> None:
    bought = till.buy()
    (refund_id,) = till.refund(bought.line, 1500)
    till.drain()
    (first,) = till.all(Refund)
    till.controls.fail_refund(first.provider_ref or "")
    failed_event = till.events("refund.updated", "refund.failed")[-1]
    till.hear(failed_event)
    (refund,) = till.all(Refund)
    assert (refund.status, refund.failure_code) == ("failed", "lost_or_stolen_card")
    assert noted(till) == (0, 0, 0)
    assert till.balances() == {
        "provider_balance": 4000 - FEE,
        "processing_fees": FEE,
        "customer_funds": -4000,
    }
    with till.writing():
        service.try_again(queries.refund(refund_id))
    till.drain()
    # What was heard of the first one changes nothing of the second.
    till.hear({**failed_event, "id": "evt_again"})
    (again,) = till.all(Refund)
    assert again.status == "succeeded"
    assert again.provider_ref not in {None, first.provider_ref}
    assert noted(till) == (1500, 1500, 1500)
    assert till.balances()["customer_funds"] == -2500
    assert [receipt.kind for receipt in till.all(Receipt)] == ["receipt", "credit_note"]


def test_only_failed_refunds_are_tried_again_and_only_while_there_is_money(till: Till) -> None:
    bought = till.buy()
    (refund_id,) = till.refund(bought.line, 1500)
    with till.open(), pytest.raises(MoveNotAllowed), transaction():
        service.try_again(queries.refund(refund_id))
    with till.writing():
        service.refuse_refund(refund_id, why="test")
    till.refund(bought.line, 3000)
    with till.open(), pytest.raises(NothingToRefund), transaction():
        service.try_again(queries.refund(refund_id))
    assert [refund.status for refund in till.all(Refund)] == ["failed", "requested"]
    assert noted(till) == (3000, 3000, 3000)


def test_what_is_written_of_a_refund(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its row, the books at each step under keys of their own, and who else hears of it; when it fails and is
    tried again, too."""
    heard: list[Event] = []
    for kind in (events.RefundRequested, events.RefundSucceeded, events.RefundFailed):
        monkeypatch.setitem(till.app.extensions["wiring"].now, kind, (heard.append,))
    bought = till.buy()
    with till.writing():
        [made] = service.request_refund(
            queries.line(bought.line), amount=Money(1500, "EUR"), reason="r" * 201, by="b" * 201
        )
    [refund] = till.all(Refund)
    first = refund.code
    assert (refund.id, refund.status, refund.reason, refund.requested_by) == (
        made.id,
        "requested",
        "r" * 200,
        "b" * 200,
    )
    with till.writing():
        service.refuse_refund(refund.id, why="w" * 61)
    [refund] = till.all(Refund)
    assert (refund.status, refund.failure_code) == ("failed", "w" * 60)
    with till.writing():
        service.try_again(queries.refund(refund.id))
    till.drain()
    [refund] = till.all(Refund)
    assert (refund.status, refund.failure_code) == ("succeeded", None)
    assert till.trail(Refund, refund.id).count("tried again") == 1
    with till.open():
        entries = [(entry.kind, entry.key) for entry in ledger.entries_of("refund", refund.id)]
    assert entries == [
        ("refund", f"refund:{first}"),
        ("refund_failed", f"refund-failed:{first}"),
        ("refund", f"refund:{refund.code}"),
        ("refunded", f"refunded:{refund.code}"),
    ]
    tenant_id = till.company.id
    assert heard == [
        events.RefundRequested(tenant_id, refund.id),
        events.RefundFailed(tenant_id, refund.id),
        events.RefundRequested(tenant_id, refund.id),
        events.RefundSucceeded(tenant_id, refund.id),
    ]


def test_a_refund_of_a_disputed_payment_is_not_tried_again(till: Till) -> None:
    bought = till.buy()
    (refund_id,) = till.refund(bought.line, 1500)
    with till.writing():
        service.refuse_refund(refund_id, why="test")
    till.controls.dispute(till.payment(bought).provider_ref or "")
    till.hear(*till.events("charge.dispute.created"))
    with till.open(), pytest.raises(DisputedPayment), transaction():
        service.try_again(queries.refund(refund_id))
    assert [refund.status for refund in till.all(Refund)] == ["failed"]


def test_all_that_is_left_can_be_tried_again(till: Till) -> None:
    bought = till.buy()
    (refund_id,) = till.refund(bought.line, 4000)
    with till.writing():
        service.refuse_refund(refund_id, why="test")
    with till.writing():
        service.try_again(queries.refund(refund_id))
    assert noted(till) == (4000, 4000, 4000)


def test_amounts_go_back_in_the_steps_that_the_provider_can_move(till: Till) -> None:
    """Three-digit currencies go in steps of ten: a half of 10.250 dinars is given back as 5.120."""
    till.sell_in("KWD")
    bought = till.buy(line(10250, "KWD"))
    till.refund(bought.line, 5125)
    till.drain()
    assert at_provider(till, bought) == [(5120, "succeeded")]
    assert noted(till) == (5120, 5120, 5120)
    till.refund(bought.line, 5130)
    till.drain()
    assert at_provider(till, bought) == [(5120, "succeeded"), (5130, "succeeded")]
