"""Webhooks: signed as Stripe does, told to the application as plain values, and told wrongly on demand."""

from __future__ import annotations

import datetime as dt
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import stripe

from app.core import clock
from app.core.outside import Breaker
from app.providers.payments import EVENTS, BadEvent, BadSignature
from app.providers.payments.mock import MockProvider
from app.providers.payments.simulator import courier
from app.providers.payments.simulator.store import API_VERSION
from tests.providers.payments.rig import (
    DECLINED,
    DISPUTED,
    KEYS,
    SECURE,
    Bench,
    Delivery,
    Receiver,
    ask,
    eventually,
    refund,
    simulating,
)

PAID = ("payment_intent.created", "charge.succeeded", "payment_intent.succeeded")


def reader() -> MockProvider:
    return MockProvider(keys=KEYS, api_base="http://127.0.0.1:1", page_base="", guard=Breaker("payments"))


def body(**more: Any) -> bytes:
    event = {
        "id": "evt_1",
        "object": "event",
        "type": "payment_intent.succeeded",
        "created": 1_700_000_000,
        "api_version": API_VERSION,
        "livemode": False,
        "data": {"object": {"id": "pi_1", "object": "payment_intent", "metadata": {"reference": "order-1"}}},
    }
    return json.dumps({**event, **more}).encode()


def sign(raw: bytes, age: float = 0, secret: str = KEYS.webhook) -> str:
    return courier.signature(raw, secret, int(clock.machine_now().timestamp() - age))


# -- Reading ----------------------------------------------------------------------------------------


def test_an_event_is_read(told: Bench) -> None:
    paid = told.paid()
    told.receiver.wait_for(*PAID)
    read = [
        told.provider.read_event(delivery.body, delivery.signature) for delivery in told.receiver.deliveries
    ]
    assert [event.type for event in read] == list(PAID)
    assert {event.payment_id for event in read} == {paid.id}
    assert [event.object_type for event in read] == ["payment_intent", "charge", "payment_intent"]
    for event in read:
        assert event.metadata == {"tenant": "anna", "reference": "order-1"}
        assert (event.api_version, event.livemode) == (stripe.api_version, False)
        assert abs(event.created_at - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=5)
        assert event.id.startswith("evt_")
    assert told.receiver.deliveries[0].host == "shop.test"


def test_each_kind_of_event_names_its_payment(told: Bench) -> None:
    paid = told.paid(DISPUTED)
    dispute = next(
        event for event in told.controls.events() if event["data"]["object"]["object"] == "dispute"
    )
    told.controls.close_dispute(dispute["data"]["object"]["id"], "won")
    given = told.provider.create_refund(refund(paid, 100, "r1"))
    told.controls.fail_refund(given.id)
    other = told.payment("order-2")
    told.pay(other, DECLINED)
    told.pay(other, SECURE)
    told.provider.cancel_payment(other.id, "c1")
    types = told.event_types()
    eventually(lambda: len(told.receiver.deliveries) == len(types))
    read = [told.provider.read_event(item.body, item.signature) for item in told.receiver.deliveries]
    assert [event.type for event in read] == types
    assert {event.payment_id for event in read} == {paid.id, other.id}
    assert set(types) >= {
        "payment_intent.created", "payment_intent.succeeded", "payment_intent.payment_failed",
        "payment_intent.canceled", "payment_intent.requires_action", "charge.succeeded", "charge.failed",
        "charge.refunded", "charge.dispute.created", "charge.dispute.closed", "refund.created",
        "refund.updated", "refund.failed",
    }  # fmt: skip
    refunds = [event for event in read if event.object_type == "refund"]
    assert {event.object_id for event in refunds} == {given.id}
    assert refunds[0].metadata == {"reference": "r1"}


def test_a_signature_is_good_for_300_seconds_of_machine_time() -> None:
    raw = body()
    assert reader().read_event(raw, sign(raw, age=299)).object_id == "pi_1"
    for age in (302, 3600, 10**9):
        with pytest.raises(BadSignature):
            reader().read_event(raw, sign(raw, age=age))
    signature = sign(raw)
    with clock.machine_frozen(clock.machine_now() + dt.timedelta(seconds=303)), pytest.raises(BadSignature):
        reader().read_event(raw, signature)
    with clock.frozen(clock.now() + dt.timedelta(days=400)):
        assert reader().read_event(raw, signature).id == "evt_1"


@pytest.mark.parametrize(
    "signature",
    [
        "", "t=1", "v1=abc", "t=,v1=", "t=x,v1=y", "nonsense", "t=1,v1=é", ",,,=", "t=1,v0=abc",
        "t=" + "9" * 5000 + ",v1=a", "\x00", "t=1,v1=" + "a" * 100_000,
    ],
)  # fmt: skip
def test_what_is_no_signature(signature: str) -> None:
    with pytest.raises(BadSignature) as refusal:
        reader().read_event(body(), signature)
    assert (refusal.value.status, refusal.value.code) == (400, "bad_signature")


def test_a_signature_of_somebody_else_or_of_another_text() -> None:
    raw = body()
    for secret in ("whsec_other", KEYS.secret, "x"):
        with pytest.raises(BadSignature):
            reader().read_event(raw, sign(raw, secret=secret))
    signature = sign(raw)
    for place in range(0, len(raw), 17):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(BadSignature):
            reader().read_event(changed, signature)
    for other in (b"", raw + b" ", b"\xff\xfe", raw[:-1]):
        with pytest.raises(BadSignature):
            reader().read_event(other, signature)
    moment, _comma, digest = signature.partition(",")
    with pytest.raises(BadSignature):
        reader().read_event(raw, f"t={int(moment[2:]) + 1},{digest}")


def test_while_a_secret_is_changed_there_are_two_signatures() -> None:
    raw = body()
    old, new = sign(raw, secret="whsec_old"), sign(raw)
    both = f"{old},{new.partition(',')[2]}"
    assert reader().read_event(raw, both).id == "evt_1"


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"null", b"[]", b"{}", b"not json", b'{"object": "event"}', b'"event"', b"\xe2\x82",
        body(object="v2.core.event"), body(data=None), body(data={"object": "pi_1"}), body(created="soon"),
        body(created=1e300), body(data={"object": {"id": "pi_1"}}), body(data={"object": {"object": "x", "metadata": 5}}),
        b"[" * 100_000,
    ],
)  # fmt: skip
def test_what_is_signed_and_still_no_event(raw: bytes) -> None:
    with pytest.raises(BadEvent):
        reader().read_event(raw, sign(raw))


def test_objects_that_are_none_of_ours_are_read_all_the_same() -> None:
    things = [
        ({"object": "balance"}, ("", None)),
        ({"id": "ch_1", "object": "charge", "payment_intent": None}, ("ch_1", None)),
        ({"id": "ch_1", "object": "charge", "payment_intent": {"id": "pi_9"}}, ("ch_1", "pi_9")),
        ({"id": "cus_1", "object": "customer", "metadata": None}, ("cus_1", None)),
    ]
    for thing, expected in things:
        raw = body(type="some.thing", data={"object": thing}, livemode=True, api_version=None)
        event = reader().read_event(raw, sign(raw))
        assert (event.object_id, event.payment_id) == expected
        assert (event.livemode, event.api_version, event.metadata) == (True, None, {})


# -- Sending ----------------------------------------------------------------------------------------


def test_only_what_somebody_asked_to_be_told_is_told(tmp_path: Path, receiver: Receiver) -> None:
    with simulating(tmp_path, receiver, webhook_events=EVENTS) as asked:
        asked.paid()
        asked.paid(reference="order-2")
        receiver.wait_for("payment_intent.succeeded", "payment_intent.succeeded")
        eventually(lambda: not any(event["pending_webhooks"] for event in asked.controls.events()))
        assert [event["type"] for event in asked.controls.events()] == [*PAID, *PAID]


def test_events_come_in_the_order_in_which_they_happened(told: Bench) -> None:
    for number in range(4):
        told.paid(reference=f"order-{number}")
    told.receiver.wait_for(*PAID * 4)
    assert [delivery.event.id for delivery in told.receiver.deliveries] == [
        event["id"] for event in told.controls.events()
    ]
    assert told.receiver.deliveries[0].event.pending_webhooks == 1
    eventually(lambda: not any(event["pending_webhooks"] for event in told.controls.events()))
    created = told.receiver.deliveries[0].event
    assert created.request is not None
    assert created.request.idempotency_key == "pay order-0"
    succeeded = told.receiver.deliveries[2].event
    assert succeeded.request is not None
    assert succeeded.request.idempotency_key is None


def test_a_webhook_is_sent_again_until_somebody_takes_it(
    told: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(courier, "FIRST_PAUSE_SECONDS", 0.05)
    told.receiver.answers[:] = [500, 0, 302, 404]
    told.payment()
    told.receiver.wait_for(*["payment_intent.created"] * 5)
    time.sleep(0.2)
    assert len(told.receiver.deliveries) == 5
    assert len({delivery.body for delivery in told.receiver.deliveries}) == 1
    gaps = [
        later.at - earlier.at
        for earlier, later in zip(told.receiver.deliveries, told.receiver.deliveries[1:], strict=False)
    ]
    assert all(gap >= pause for gap, pause in zip(gaps, (0.05, 0.1, 0.2, 0.4), strict=True))


def test_webhooks_that_come_late(told: Bench) -> None:
    told.controls.set_faults(webhook_lag=0.6)
    started = time.monotonic()
    told.payment()
    assert told.receiver.deliveries == []
    told.receiver.wait_for("payment_intent.created")
    assert told.receiver.deliveries[0].at - started >= 0.6


def test_webhooks_that_come_many_times_at_once(told: Bench) -> None:
    together = threading.Barrier(10, timeout=5)
    told.receiver.hook = lambda _delivery: together.wait() and None
    told.controls.set_faults(webhook_copies=10)
    told.payment()
    told.receiver.wait_for(*["payment_intent.created"] * 10)
    assert len({delivery.event.id for delivery in told.receiver.deliveries}) == 1


def test_webhooks_in_another_order(told: Bench) -> None:
    payment = told.payment()
    told.receiver.wait_for(PAID[0])
    told.controls.set_faults(webhook_reorder=2)
    told.pay(payment)
    told.receiver.wait_for(PAID[0], PAID[2], PAID[1])


def test_webhooks_before_the_answer(told: Bench) -> None:
    told.controls.set_faults(webhook_early=True)
    seen: list[tuple[bool, str]] = []
    answered = threading.Event()

    def hook(delivery: Delivery) -> None:
        thing = delivery.event.data.object
        seen.append((answered.is_set(), told.provider.retrieve_payment(thing["id"]).status))

    told.receiver.hook = hook
    payment = told.payment()
    answered.set()
    assert told.receiver.types() == ["payment_intent.created"]
    answered.clear()
    told.receiver.hook = lambda _delivery: seen.append((answered.is_set(), "paid"))
    told.pay(payment)
    answered.set()
    assert seen == [(False, "requires_payment_method"), (False, "paid"), (False, "paid")]
    time.sleep(0.1)
    assert told.receiver.types() == list(PAID)


def test_webhooks_that_never_come_and_are_sent_by_hand_in_any_order(told: Bench) -> None:
    told.controls.set_faults(webhook_never=True)
    paid = told.paid()
    time.sleep(0.2)
    assert told.receiver.deliveries == []
    assert paid.status == "succeeded"
    for event in reversed(told.controls.events()):
        assert told.controls.send_event(event["id"]) == 200
    assert told.receiver.types() == list(reversed(PAID))
    told.receiver.answers.append(503)
    assert told.controls.send_event(told.controls.events()[0]["id"]) == 503
    with pytest.raises(ValueError, match="404"):
        told.controls.send_event("evt_nobody")


def test_the_end_of_a_fault(told: Bench) -> None:
    told.controls.set_faults(webhook_never=True, webhook_lag=3, fail_calls=7)
    told.controls.clear_faults()
    told.payment()
    told.receiver.wait_for("payment_intent.created")
    assert told.controls.set_faults()["fail_calls"] == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"webhook_lag": -1}, {"webhook_lag": "1"}, {"colour": "red"}, {"lose_how": "gently"}, {"fail_calls": 1.5},
        {"webhook_never": 1}, {"slow": 1e9}, {"webhook_copies": None}, {"fail_status": 200},
    ],
)  # fmt: skip
def test_faults_that_there_are_not(bench: Bench, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="400"):
        bench.controls.set_faults(**wrong)


def test_the_controls_are_for_the_holder_of_the_key_on_this_machine(bench: Bench) -> None:
    key = "X-Simulator-Key"
    for given in ({}, {key: "wrong"}, {key: KEYS.secret}):
        assert ask(bench.simulator.port, "GET", "/_control/events", headers=given).status == 403
    inside = bench.simulator.app.test_client()
    for peer, status in {"127.0.0.1": 200, "::1": 200, "10.0.0.7": 403, "192.168.1.1": 403}.items():
        answer = inside.get(
            "/_control/events", headers={key: KEYS.control}, environ_base={"REMOTE_ADDR": peer}
        )
        assert answer.status_code == status
    assert bench.get("/health").status == 200
