"""Our provider in front of the simulator: what it asks, what it makes of the answers, what it raises."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest

from app.core.outside import (
    ProviderDeferred,
    ProviderRefused,
    ProviderUnavailable,
)
from app.providers.payments import PaymentRefused
from tests.providers.payments.rig import (
    DECLINED,
    DISPUTED,
    FAIL_MAX,
    POOR,
    SECURE,
    Bench,
    in_parallel,
    refund,
)


def test_a_payment_from_nothing_to_paid(bench: Bench) -> None:
    made = bench.payment(receipt_email="anna@shop.test")
    assert (made.status, made.amount_minor, made.currency) == ("requires_payment_method", 4000, "EUR")
    assert (made.captured_minor, made.refunded_minor, made.fee_minor, made.failure_code) == (0, 0, None, None)
    assert made.metadata == {"tenant": "anna", "reference": "order-1"}
    assert abs(made.created_at - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=5)
    bench.pay(made)
    paid = bench.provider.retrieve_payment(made.id)
    assert (paid.status, paid.captured_minor, paid.refunded_minor) == ("succeeded", 4000, 0)
    assert (paid.fee_minor, paid.fee_currency) == (146, "EUR")
    assert (paid.id, paid.client_secret, paid.created_at) == (made.id, made.client_secret, made.created_at)
    shown = bench.client.v1.payment_intents.retrieve(made.id)
    assert (shown.description, shown.receipt_email) == ("A lesson of German", "anna@shop.test")
    assert (shown.capture_method, shown.latest_charge) == ("automatic", str(shown.latest_charge))


@pytest.mark.parametrize(
    ("minor", "currency", "fee", "sent"),
    [(500, "JPY", 45, 500), (5120, "KWD", 448, 5120), (700, "ISK", 21, 70_000), (100_000, "MGA", 5900, 1000)],
)
def test_currencies_with_other_decimal_places(
    bench: Bench, minor: int, currency: str, fee: int, sent: int
) -> None:
    paid = bench.paid(amount_minor=minor, currency=currency)
    assert (paid.status, paid.amount_minor, paid.captured_minor) == ("succeeded", minor, minor)
    assert (paid.fee_minor, paid.fee_currency) == (fee, currency)
    assert bench.client.v1.payment_intents.retrieve(paid.id).amount == sent
    part = minor // 2 // 100 * 100 or 100
    given = bench.provider.create_refund(refund(paid, part))
    assert (given.amount_minor, given.currency) == (part, currency)
    assert bench.provider.retrieve_payment(paid.id).refunded_minor == part


@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (DECLINED, "generic_decline"),
        (POOR, "insufficient_funds"),
        ("4000000000000069", "expired_card"),
        ("4000000000000127", "incorrect_cvc"),
    ],
)
def test_a_decline_is_a_state_and_another_card_pays(bench: Bench, number: str, failure: str) -> None:
    declined = bench.paid(number)
    assert (declined.status, declined.failure_code) == ("requires_payment_method", failure)
    assert (declined.captured_minor, declined.fee_minor) == (0, None)
    assert bench.event_types() == [
        "payment_intent.created",
        "charge.failed",
        "payment_intent.payment_failed",
    ]
    bench.pay(declined)
    paid = bench.provider.retrieve_payment(declined.id)
    assert (paid.status, paid.failure_code, paid.captured_minor) == ("succeeded", None, 4000)


@pytest.mark.parametrize("number", ["4000000000003220", SECURE])
def test_3d_secure(bench: Bench, number: str) -> None:
    asked = bench.paid(number)
    assert asked.status == "requires_action"
    bench.controls.authenticate(asked.client_secret, passed=False)
    failed = bench.provider.retrieve_payment(asked.id)
    assert (failed.status, failed.failure_code) == (
        "requires_payment_method",
        "payment_intent_authentication_failure",
    )
    bench.pay(failed, number)
    bench.controls.authenticate(asked.client_secret, passed=True)
    assert bench.provider.retrieve_payment(asked.id).status == "succeeded"


def test_a_payment_is_found_by_its_reference(bench: Bench) -> None:
    assert bench.provider.find_payment("order-1") is None
    made = bench.payment()
    bench.payment("order-10")
    found = bench.provider.find_payment("order-1")
    assert found == made
    bench.controls.set_faults(search_blind=True)
    assert bench.provider.find_payment("order-1") == made
    assert bench.provider.find_payment("order") is None


def test_of_several_with_one_reference_the_paid_one_is_found(bench: Bench) -> None:
    bench.provider.cancel_payment(bench.payment().id, "c1")
    paid = bench.paid(idempotency_key="second")
    bench.payment(idempotency_key="third")
    found = bench.provider.find_payment("order-1")
    assert found is not None
    assert (found.id, found.fee_minor) == (paid.id, 146)


def test_cancel(bench: Bench) -> None:
    made = bench.payment()
    canceled = bench.provider.cancel_payment(made.id, "c1")
    assert canceled.status == "canceled"
    for key in ("c1", "c2"):
        assert bench.provider.cancel_payment(made.id, key).status == "canceled"
    assert bench.event_types().count("payment_intent.canceled") == 1
    assert bench.pay(made)[0] == 303
    assert bench.provider.retrieve_payment(made.id).status == "canceled"


def test_what_was_paid_is_not_canceled(bench: Bench) -> None:
    paid = bench.paid()
    with pytest.raises(PaymentRefused, match="succeeded") as refusal:
        bench.provider.cancel_payment(paid.id, "c1")
    assert (refusal.value.reason, refusal.value.permanent) == ("payment_intent_unexpected_state", True)
    assert bench.provider.retrieve_payment(paid.id).status == "succeeded"


def test_refunds_up_to_what_was_paid_and_no_further(bench: Bench) -> None:
    paid = bench.paid()
    first = bench.provider.create_refund(refund(paid, 1500, "r1", metadata={"why": "late"}))
    assert (first.status, first.payment_id, first.amount_minor) == ("succeeded", paid.id, 1500)
    assert first.metadata == {"why": "late", "reference": "r1"}
    with pytest.raises(PaymentRefused, match=r"€25\.01.*greater than unrefunded amount.*€25\.00"):
        bench.provider.create_refund(refund(paid, 2501, "r2"))
    second = bench.provider.create_refund(refund(paid, 2500, "r3"))
    with pytest.raises(PaymentRefused) as refusal:
        bench.provider.create_refund(refund(paid, 1, "r4"))
    assert refusal.value.reason == "charge_already_refunded"
    assert bench.provider.refunds_of(paid.id) == (first, second)
    assert bench.provider.retrieve_refund(second.id) == second
    assert bench.provider.retrieve_payment(paid.id).refunded_minor == 4000


def test_many_refunds_are_all_listed_oldest_first(bench: Bench) -> None:
    paid = bench.paid(amount_minor=50_000)
    other = bench.paid(reference="order-2")
    bench.provider.create_refund(refund(other, 100, "other"))
    made = [bench.provider.create_refund(refund(paid, 100, f"r{number}")) for number in range(103)]
    assert bench.provider.refunds_of(paid.id) == tuple(made)


def test_parallel_refunds_give_back_no_more_than_was_paid(bench: Bench) -> None:
    paid = bench.paid()
    outcomes: list[str] = []

    def give(number: int) -> None:
        try:
            outcomes.append(bench.provider.create_refund(refund(paid, 1500, f"r{number}")).status)
        except ProviderRefused:
            outcomes.append("refused")

    in_parallel(give, 8)
    assert sorted(outcomes) == ["refused"] * 6 + ["succeeded"] * 2
    assert bench.provider.retrieve_payment(paid.id).refunded_minor == 3000


@pytest.mark.parametrize("number", [None, DECLINED, SECURE])
def test_what_was_not_paid_is_not_refunded(bench: Bench, number: str | None) -> None:
    payment = bench.payment()
    if number:
        bench.pay(payment, number)
    with pytest.raises(PaymentRefused, match="does not have a successful charge"):
        bench.provider.create_refund(refund(payment, 100))
    assert bench.provider.refunds_of(payment.id) == ()


def test_a_refund_can_fail_days_later(bench: Bench) -> None:
    paid = bench.paid()
    given = bench.provider.create_refund(refund(paid, 4000))
    bench.controls.fail_refund(given.id, "expired_or_canceled_card")
    failed = bench.provider.retrieve_refund(given.id)
    assert (failed.status, failed.failure_code) == ("failed", "expired_or_canceled_card")
    assert bench.provider.retrieve_payment(paid.id).refunded_minor == 0
    again = bench.provider.create_refund(refund(paid, 4000, "refund-2"))
    assert again.status == "succeeded"
    with pytest.raises(ValueError, match="is failed"):
        bench.controls.fail_refund(given.id)


def test_a_disputed_card_and_how_it_ends(bench: Bench) -> None:
    paid = bench.paid(DISPUTED)
    assert paid.status == "succeeded"
    opened = [event for event in bench.controls.events() if event["type"] == "charge.dispute.created"]
    dispute = bench.provider.retrieve_dispute(opened[0]["data"]["object"]["id"])
    assert (dispute.payment_id, dispute.amount_minor, dispute.currency) == (paid.id, 4000, "EUR")
    assert (dispute.status, dispute.reason) == ("needs_response", "fraudulent")
    with pytest.raises(PaymentRefused) as refusal:
        bench.provider.create_refund(refund(paid, 100))
    assert refusal.value.reason == "charge_disputed"
    bench.controls.close_dispute(dispute.id, "won")
    assert bench.provider.retrieve_dispute(dispute.id).status == "won"
    assert bench.event_types()[-2:] == ["charge.dispute.closed", "charge.dispute.funds_reinstated"]
    assert bench.provider.create_refund(refund(paid, 100, "after")).status == "succeeded"
    with pytest.raises(ValueError, match="is won"):
        bench.controls.close_dispute(dispute.id, "lost")


def test_any_payment_can_be_disputed_by_hand_and_lost(bench: Bench) -> None:
    paid = bench.paid()
    bench.provider.create_refund(refund(paid, 1000))
    dispute_id = bench.controls.dispute(paid.id, "product_not_received")
    dispute = bench.provider.retrieve_dispute(dispute_id)
    assert (dispute.amount_minor, dispute.reason) == (3000, "product_not_received")
    with pytest.raises(ValueError, match="disputed already"):
        bench.controls.dispute(paid.id)
    bench.controls.close_dispute(dispute_id, "lost")
    assert bench.provider.retrieve_dispute(dispute_id).status == "lost"
    assert bench.event_types()[-1] == "charge.dispute.closed"
    with pytest.raises(PaymentRefused, match="charged back"):
        bench.provider.create_refund(refund(paid, 100, "r2"))
    with pytest.raises(ValueError, match="Nothing was paid"):
        bench.controls.dispute(bench.payment("order-2").id)


def test_what_does_not_exist_is_refused(bench: Bench) -> None:
    for call in (
        lambda: bench.provider.retrieve_payment("pi_nobody"),
        lambda: bench.provider.retrieve_refund("re_nobody"),
        lambda: bench.provider.retrieve_dispute("dp_nobody"),
        lambda: bench.provider.cancel_payment("pi_nobody", "k1"),
    ):
        with pytest.raises(PaymentRefused) as refusal:
            call()
        assert refusal.value.reason == "resource_missing"
    for _ in range(FAIL_MAX + 1):
        with pytest.raises(PaymentRefused):
            bench.provider.retrieve_payment("pi_nobody")
    assert bench.payment().status == "requires_payment_method"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"amount_minor": 49}, "amount_too_small"),
        ({"amount_minor": 49, "currency": "JPY"}, "amount_too_small"),
        ({"amount_minor": 100_000_000}, "amount_too_large"),
    ],
)
def test_amounts_that_stripe_does_not_take(bench: Bench, more: dict[str, Any], reason: str) -> None:
    with pytest.raises(PaymentRefused) as refusal:
        bench.payment(**more)
    assert refusal.value.reason == reason


# -- The same key ---------------------------------------------------------------------------------


def test_the_same_key_makes_the_same_payment(bench: Bench) -> None:
    first = bench.payment()
    assert bench.payment() == first
    bench.pay(first)
    assert bench.payment() == first, "the answer of then is given, not what became of it"
    assert bench.event_types().count("payment_intent.created") == 1


def test_the_same_key_gives_money_back_once(bench: Bench) -> None:
    paid = bench.paid()
    assert bench.provider.create_refund(refund(paid, 1500)) == bench.provider.create_refund(
        refund(paid, 1500)
    )
    assert bench.provider.retrieve_payment(paid.id).refunded_minor == 1500


def test_a_refusal_is_kept_with_its_key_too(bench: Bench) -> None:
    payment = bench.payment()
    with pytest.raises(PaymentRefused, match="successful charge"):
        bench.provider.create_refund(refund(payment, 100))
    bench.pay(payment)
    with pytest.raises(PaymentRefused, match="successful charge"):
        bench.provider.create_refund(refund(payment, 100))
    assert bench.provider.create_refund(refund(payment, 100, "r2")).status == "succeeded"


def test_another_request_under_a_used_key_is_refused(bench: Bench) -> None:
    bench.payment()
    with pytest.raises(PaymentRefused, match="same parameters"):
        bench.payment(amount_minor=4001)
    paid = bench.paid(reference="order-2")
    with pytest.raises(PaymentRefused, match="same parameters"):
        bench.provider.create_refund(refund(paid, 100, idempotency_key="pay order-2"))


def test_a_key_in_use_is_for_later_and_nobody_elses_trouble(bench: Bench) -> None:
    bench.controls.set_faults(slow=0.8)
    outcomes: list[Any] = []

    def pay(_number: int) -> None:
        try:
            outcomes.append(bench.payment().id)
        except ProviderUnavailable as refusal:
            outcomes.append(type(refusal))

    in_parallel(pay, FAIL_MAX + 2)
    made = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(made) == 1
    assert outcomes.count(ProviderDeferred) == FAIL_MAX + 1
    bench.controls.clear_faults()
    assert bench.payment().id == made[0]
    assert bench.event_types() == ["payment_intent.created"]
