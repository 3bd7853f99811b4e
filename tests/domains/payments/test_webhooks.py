"""What the provider tells: twice, in any order, before the answer, about others, forged; one end each time."""

from __future__ import annotations

import datetime as dt
import itertools
import json
import threading
from typing import Any

import pytest
from sqlalchemy import select, update
from werkzeug.serving import make_server

from app.core import clock
from app.core.audit import AuditEntry
from app.core.db import db
from app.core.outside import ProviderUnavailable
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.payments import jobs
from app.domains.payments.models import Payment, ProviderEvent
from app.domains.payments.service import webhooks
from app.providers.payments import PaymentRequest
from tests.domains.payments.support import GOOD, PLATFORM, Bought, Till, race, simulating, state
from tests.support.world import drain

TYPES = ("payment_intent.created", "payment_intent.succeeded", "charge.refunded", "charge.dispute.created")


def paid_elsewhere(till: Till, *, answered: bool) -> Bought:
    """Paid, refunded in part by hand and disputed at the provider, of which we have heard nothing but, if
    `answered`, the reply to our first call."""
    bought = till.place()
    if answered:
        till.start(bought)
    else:
        till.controls.set_faults(lose_answers=1)
        with pytest.raises(ProviderUnavailable):
            till.start(bought)
    seen = till.at_provider(till.payment(bought))
    till.controls.pay(seen.client_secret, GOOD)
    till.provider._stripe.v1.refunds.create({"payment_intent": seen.id, "amount": 1000})
    till.controls.dispute(seen.id)
    return bought


def of_payment(till: Till, bought: Bought) -> list[dict[str, Any]]:
    ref = till.at_provider(till.payment(bought)).id
    found = {event["type"]: event for event in till.events(*TYPES) if ref in json.dumps(event)}
    return [found[name] for name in TYPES]


@pytest.mark.parametrize(("copies", "answered"), [(1, True), (2, False)])
def test_any_order_of_messages_has_one_end(till: Till, copies: int, answered: bool) -> None:
    ends = []
    for order in itertools.permutations(range(len(TYPES))):
        bought = paid_elsewhere(till, answered=answered)
        events = of_payment(till, bought)
        # Twins come one after the other, or the second ones all at the end.
        heard = [events[number] for number in order]
        till.hear(*heard, *(reversed(heard) if copies == 2 else ()))
        ends.append((order, state(till, bought)))
    first = ends[0][1]
    assert first["order"] == ("paid", 4000, True)
    assert first["payments"][0][0] == "captured"
    assert [(status, minor) for status, minor in first["disputes"]] == [("open", 3000)]
    assert first["receipts"] == [("receipt",)]
    assert [order for order, end in ends if end != first] == []
    assert len(till.told()) == 24 * 4
    assert {event.status for event in till.told()} == {"processed"}
    assert all("by hand" in (event.note or "") for event in till.told() if event.type == "charge.refunded")


FIVE = (*TYPES, "charge.dispute.closed")
TWINS = {
    "once": lambda heard: heard,
    "one after the other": lambda heard: [event for event in heard for _twin in range(2)],
    "all again": lambda heard: [*heard, *heard],
    "all again backwards": lambda heard: [*heard, *reversed(heard)],
}


@pytest.mark.soak
@pytest.mark.parametrize("twins", TWINS)
@pytest.mark.parametrize("answered", [True, False])
@pytest.mark.parametrize("outcome", ["won", "lost"])
def test_any_order_of_five_messages_has_one_end(till: Till, outcome: str, answered: bool, twins: str) -> None:
    """The dispute is over as well before we hear of anything: 120 orders each."""
    ends = []
    for order in itertools.permutations(FIVE):
        bought = paid_elsewhere(till, answered=answered)
        ref = till.at_provider(till.payment(bought)).id
        opened = of_payment(till, bought)[-1]
        till.controls.close_dispute(opened["data"]["object"]["id"], outcome)
        found = {event["type"]: event for event in till.events(*FIVE) if ref in json.dumps(event)}
        till.hear(*TWINS[twins]([found[name] for name in order]))
        ends.append((order, state(till, bought)))
    first = ends[0][1]
    assert first["order"] == ("paid", 4000, True)
    assert [(status, minor) for status, minor in first["disputes"]] == [(outcome, 3000)]
    assert [order for order, end in ends if end != first] == []
    assert len(ends) == 120
    assert {event.status for event in till.told()} == {"processed"}


def test_any_order_of_messages_about_our_refund_has_one_end(till: Till) -> None:
    """The answer to the refund was lost; messages about it come in every order, twice."""
    ends = []
    for order in itertools.permutations(range(3)):
        bought = till.buy()
        till.drain()
        (refund,) = till.refund(bought.line, 1500)
        till.controls.set_faults(lose_answers=1)
        till.drain()
        before = state(till, bought)["refunds"]
        ref = till.payment(bought).provider_ref
        found = [
            event
            for event in till.events("charge.refunded", "refund.created", "refund.updated")
            if ref in json.dumps(event)
        ]
        assert before == [("requested", 1500)], refund
        assert len(found) >= 2
        events = [found[number % len(found)] for number in order]
        till.hear(*events, *events)
        ends.append(state(till, bought))
    assert ends[0]["refunds"] == [("succeeded", 1500)]
    assert ends[0]["receipts"] == [("receipt",), ("credit_note",)]
    assert all(end == ends[0] for end in ends)


def test_ten_copies_at_once_are_one_message(till: Till) -> None:
    bought = till.place()
    till.pay(bought)
    (event,) = till.events("payment_intent.succeeded")
    found = race(till.app, 10, lambda _number: till.tell(event))
    assert [getattr(answer, "status_code", answer) for answer in found] == [200] * 10
    assert sorted(answer.json["new"] for answer in found) == [False] * 9 + [True]  # type: ignore[union-attr, index]
    till.drain()
    assert len(till.told()) == 1
    assert state(till, bought)["receipts"] == [("receipt",)]
    assert till.balances()["customer_funds"] == -4000


def test_many_messages_worked_off_at_once_capture_once(till: Till) -> None:
    bought = till.place()
    till.pay(bought)
    for event in till.events():
        assert till.tell(event).status_code == 200
    assert len(till.told()) >= 3
    found = race(till.app, 4, lambda _number: drain(till.app))
    assert [error for error in found if isinstance(error, Exception)] == []
    till.drain()
    assert state(till, bought)["payments"][0][:2] == ("captured", 4000)
    assert len(state(till, bought)["entries"]) == 2


def test_a_message_comes_before_the_answer(
    till: Till, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    """The provider tells of the payment, and all of it is worked off, before it answers our call."""
    heard: list[int] = []

    def listening(environ: Any, start_response: Any) -> Any:
        answer = till.app.wsgi_app(environ, start_response)
        heard.append(drain(till.app))
        return answer

    server = make_server("127.0.0.1", 0, listening, threaded=True)  # type: ignore[arg-type]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/webhooks/mock"
    try:
        with simulating(till.app, tmp_path / "early", webhook_url=url, webhook_host="localhost") as (
            simulator,
            provider,
            _keys,
        ):
            monkeypatch.setitem(till.app.extensions, "payments", provider)
            simulator.faults.set({"webhook_early": True})
            bought = till.place()
            payment = till.start(bought)
            assert heard
            assert (payment.status, payment.provider_ref is not None) == ("pending", True)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert [event.type for event in till.told()] == ["payment_intent.created"]
    assert till.told()[0].tenant_id == till.company.id


def test_what_is_in_the_books_is_no_news(till: Till) -> None:
    """The payer came back, and we asked: the message that it is paid costs nothing more."""
    bought = till.buy()
    till.drain()
    before = state(till, bought)
    assert till.tell(*till.events("payment_intent.succeeded")).status_code == 200
    [told] = till.told()
    assert (told.status, told.note, told.tenant_id) == ("processed", "was known", till.company.id)
    assert told.processed_at == told.received_at
    assert till.drain() == 0
    assert state(till, bought) == before


def test_what_we_made_ourselves_is_no_news(till: Till) -> None:
    """That there is a payment comes with each one, mostly before the answer to our own call."""
    till.start(till.place())
    till.drain()
    assert till.tell(*till.events("payment_intent.created")).status_code == 200
    [told] = till.told()
    assert (told.status, told.note, told.tenant_id) == ("processed", "was known", till.company.id)
    assert till.drain() == 0


def test_what_is_to_be_worked_off_is_not_processed_yet(till: Till) -> None:
    till.pay(till.place())
    assert till.tell(*till.events("payment_intent.succeeded")).status_code == 200
    [told] = till.told()
    assert (told.status, told.note, told.processed_at, told.tenant_id) == ("received", None, None, None)


def test_what_was_booked_meanwhile_is_not_asked_for_again(
    till: Till, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message was here first, but the payer's return was worked off before it."""
    bought = till.place()
    payment = till.pay(bought)
    assert till.tell(*till.events("payment_intent.succeeded")).status_code == 200
    till.ask(payment)
    before = state(till, bought)
    monkeypatch.setattr(till.provider, "retrieve_payment", None)
    assert till.drain() > 0
    assert [(e.status, e.note, e.tenant_id) for e in till.told()] == [
        ("processed", "was known", till.company.id)
    ]
    assert state(till, bought) == before


def test_it_is_news_while_the_fee_is_not_known(till: Till) -> None:
    bought = till.buy()
    with till.writing():
        db.session.execute(update(Payment).values(fee_minor=None))
    till.hear(*till.events("payment_intent.succeeded"))
    assert [(event.status, event.note) for event in till.told()] == [("processed", None)]
    assert till.payment(bought).fee_minor is not None


def test_who_names_our_payment_for_another_object_is_looked_at(till: Till) -> None:
    """Our reference alone shows nothing: others can write it on theirs."""
    till.buy()
    till.drain()
    (event,) = till.events("payment_intent.succeeded")
    event["id"], event["data"]["object"]["id"] = "evt_other", "pi_other"
    till.hear(event)
    assert [event.status for event in till.told()] == ["ignored"]


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ({"headers": {"Stripe-Signature": ""}}, 400),
        ({"headers": {"Stripe-Signature": "t=1,v1=00"}}, 400),
        ({"headers": {"Stripe-Signature": "\u00e4"}}, 400),
        ({"secret": "whsec_of_somebody_else"}, 400),
        ({"data": b'{"id": "evt_1"}'}, 400),
        ({"data": b"x" * 2_000_000}, 413),
        ({"path": "/webhooks/stripe"}, 404),
        ({"path": "/webhooks/"}, 404),
        ({"base": "http://anna.localhost:8000"}, 404),
    ],
)
def test_what_can_not_be_trusted_is_not_stored(till: Till, how: dict[str, Any], status: int) -> None:
    till.pay(till.place())
    (event,) = till.events("payment_intent.succeeded")
    assert till.tell(event, **how).status_code == status
    assert till.told() == []


def test_an_old_signature_and_a_changed_byte_are_refused(till: Till) -> None:
    till.pay(till.place())
    (event,) = till.events("payment_intent.succeeded")
    now = int(clock.machine_now().timestamp())
    assert till.tell(event, at=now - 301).status_code == 400
    body = json.dumps(event).encode()
    assert till.tell(body, data=body.replace(b"4000", b"4001", 1)).status_code == 400
    assert till.told() == []
    assert till.tell(event, at=now - 200).status_code == 200


@pytest.mark.parametrize("body", [b"[]", b"{}", b"null", b'{"object": "event"}', b"\xff", b"[" * 20_000])
def test_a_signed_text_that_is_no_event_is_refused(till: Till, body: bytes) -> None:
    assert till.tell(body).status_code == 400
    assert till.told() == []


def foreign(till: Till, reference: str) -> dict[str, Any]:
    """A payment of somebody else on the same account of the provider, and its event."""
    with till.open():
        till.provider.create_payment(
            PaymentRequest(
                amount_minor=4000,
                currency="EUR",
                reference=reference,
                description="?",
                idempotency_key=reference,
            )
        )
    return till.events("payment_intent.created")[-1]


def test_others_payments_and_other_things_are_stored_as_ignored(till: Till) -> None:
    bought = till.place()
    till.pay(bought)
    (good,) = till.events("payment_intent.succeeded")
    ours = till.payment(bought)
    before = state(till, bought)
    unknown_type = {**good, "id": "evt_customer", "type": "customer.created"}
    gone = json.loads(json.dumps(good).replace(str(ours.provider_ref), "pi_nobody"))
    gone["id"] = "evt_gone"
    till.hear(
        unknown_type,
        gone,
        foreign(till, "some-other-shop-7"),
        foreign(till, f"t{till.company.id}:{'0' * 20}"),
        foreign(till, f"t{till.world.bert.id}:{ours.code}"),
        foreign(till, f"t999999999:{ours.code}"),
    )
    assert [event.status for event in till.told()] == ["ignored"] * 6
    assert {event.tenant_id for event in till.told()} == {None}
    assert state(till, bought) == before


def test_a_second_object_under_our_reference_takes_nothing_from_us(till: Till) -> None:
    """Same reference, another amount: not what we asked for."""
    bought = till.place()
    payment = till.pay(bought)
    with till.open():
        other = till.provider.create_payment(
            PaymentRequest(
                amount_minor=100,
                currency="JPY",
                reference=f"t{till.company.id}:{payment.code}",
                description="?",
                idempotency_key="another",
            )
        )
    (event,) = [e for e in till.events("payment_intent.created") if other.id in json.dumps(e)]
    till.hear(event)
    assert [(e.status, e.note) for e in till.told()] == [("ignored", f"unlike_ours: payment {payment.id}")]
    assert till.payment(bought).provider_ref == payment.provider_ref


def test_each_message_reaches_its_own_tenant(till: Till) -> None:
    """Two companies on one account of the provider."""
    ours = till.place()
    till.pay(ours)
    theirs = till.place(company=till.world.bert)
    with till.open(till.world.bert):
        payment = jobs.start_payment(theirs.id)
    till.controls.pay(payment.client_secret or "", GOOD)
    till.hear(*till.events("payment_intent.succeeded"))
    assert [event.tenant_id for event in till.told()] == [till.company.id, till.world.bert.id]
    assert till.order(ours).status == "paid"
    with till.open(till.world.bert):
        assert [row.status for row in db.session.query(Payment)] == ["captured"]


def test_hostile_text_and_secrets_are_not_kept(till: Till) -> None:
    till.pay(till.place())
    (event,) = till.events("payment_intent.succeeded")
    event["data"]["object"]["description"] = "nul \x00, half \ud800, <script>alert(1)</script>"
    event["data"]["object"]["receipt_email"] = "somebody@example.org"
    event["data"]["object"]["parts"] = ["a\x00b", ["\ud800"], 1]
    till.hear(event)
    (stored,) = till.told()
    kept = json.dumps(stored.payload)
    assert "<script>" in kept
    assert stored.payload["data"]["object"]["parts"] == ["ab", ["?"], 1]
    for never in ("client_secret", "_secret_", "somebody@example.org", "\\u0000", "\\ud800"):
        assert never not in kept
    assert stored.status == "processed"


def test_an_operator_has_one_worked_off_again(till: Till) -> None:
    bought = till.place()
    till.pay(bought)
    till.hear(*till.events("payment_intent.succeeded"))
    before = state(till, bought)
    with till.app.app_context(), platform_scope("test"), transaction() as session:
        webhooks.process_again(session.query(ProviderEvent).one())
    assert [event.status for event in till.told()] == ["received"]
    till.drain()
    assert [event.status for event in till.told()] == ["processed"]
    assert state(till, bought) == before
    with till.app.app_context(), platform_scope("test"):
        done = db.session.scalars(select(AuditEntry.verb).where(AuditEntry.thing_type == "provider_event"))
        assert "tried again" in done.all()


def test_a_message_waits_while_the_provider_is_away(till: Till) -> None:
    bought = till.place()
    till.pay(bought)
    (event,) = till.events("payment_intent.succeeded")
    assert till.tell(event, base=PLATFORM).status_code == 200
    till.controls.set_faults(fail_calls=1)
    till.drain()
    assert till.told()[0].status == "received"
    assert till.order(bought).status == "open"
    with clock.machine_frozen(clock.machine_now() + dt.timedelta(minutes=1)):
        till.drain()
    assert till.order(bought).status == "paid"
