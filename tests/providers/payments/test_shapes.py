"""The simulator's objects have the members of Stripe's own examples and of its library's types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import stripe

from tests.providers.payments.rig import DECLINED, DISPUTED, KEYS, SECURE, Bench, ask, refund, simulating

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).resolve().parents[4] / "shared" / "data" / "stripe" / "fixtures3.json"
TYPES = {
    "payment_intent": stripe.PaymentIntent,
    "charge": stripe.Charge,
    "refund": stripe.Refund,
    "dispute": stripe.Dispute,
    "event": stripe.Event,
    "balance_transaction": stripe.BalanceTransaction,
    "payment_method": stripe.PaymentMethod,
}
# In an answer only when it is asked for: Stripe's examples are expanded.
ONLY_EXPANDED = {"charge.refunds"}
FREE = ("metadata", "data", "payment_method_options", "fraud_details", "address", "last_payment_error")


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[dict[str, Any]]]:
    """Every object of a simulator in which everything has happened, as it is on the wire."""
    with simulating(tmp_path_factory.mktemp("shapes")) as bench:
        everything_happens(bench)
        found: list[dict[str, Any]] = []
        for kind in TYPES:
            answer = get(bench, f"/v1/{kind}s?limit=100")
            assert answer["object"] == "list"
            assert answer["data"]
            found += answer["data"]
        yield found


def everything_happens(bench: Bench) -> None:
    paid = bench.paid()
    given = bench.provider.create_refund(refund(paid, 1000))
    bench.controls.fail_refund(given.id)
    bench.provider.create_refund(refund(paid, 4000, "refund-2"))
    bench.paid(DISPUTED, "order-2")
    for event in bench.controls.events():
        if event["type"] == "charge.dispute.created":
            bench.controls.close_dispute(event["data"]["object"]["id"], "won")
    bench.paid(DECLINED, "order-3")
    secure = bench.paid(SECURE, "order-4")
    bench.paid(SECURE, "order-5")
    bench.controls.authenticate(secure.client_secret, passed=True)
    bench.provider.cancel_payment(bench.payment("order-6").id, "c1")


def get(bench: Bench, path: str) -> dict[str, Any]:
    answer = ask(bench.simulator.port, "GET", path, headers={"Authorization": f"Bearer {KEYS.secret}"})
    assert answer.status == 200, answer.text
    return json.loads(answer.text)


@pytest.mark.skipif(not EXAMPLES.exists(), reason="Stripe's examples are not beside this checkout")
@pytest.mark.parametrize("kind", TYPES)
def test_objects_look_like_stripes_examples(objects: list[dict[str, Any]], kind: str) -> None:
    example = json.loads(EXAMPLES.read_text())["resources"][kind]
    ours = [item for item in objects if item["object"] == kind]
    assert ours
    for item in ours:
        assert differences(item, example, kind) == []


def differences(ours: Any, example: Any, path: str) -> list[str]:
    """Members that the example has and we lack, and values of another type. Null may stand for anything:
    the test of the library's types says where it may not."""
    if ours is None or example is None or path.rpartition(".")[2] in FREE:
        return []
    if isinstance(ours, str) and isinstance(example, dict) and "id" in example:
        return []  # the example is expanded
    if type(ours) is not type(example):
        return [f"{path} is {ours!r}, not as {example!r}"]
    if isinstance(example, list):
        return [found for item in ours for found in (differences(item, example[0], path) if example else [])]
    if not isinstance(example, dict):
        return []
    missing = [f"{path}.{name} is missing" for name in example if name not in ours]
    inner = [differences(ours[name], example[name], f"{path}.{name}") for name in example if name in ours]
    return [found for found in missing + sum(inner, []) if found.split()[0] not in ONLY_EXPANDED]


@pytest.mark.parametrize("kind", TYPES)
def test_objects_fit_the_librarys_types(objects: list[dict[str, Any]], kind: str) -> None:
    ours = [item for item in objects if item["object"] == kind]
    assert ours
    for item in ours:
        assert misfits(item, TYPES[kind], kind) == []


def misfits(item: dict[str, Any], type_: Any, path: str) -> list[str]:
    """Members that the library does not know, and nulls where it expects a value."""
    known = {
        name: annotation
        for base in type_.__mro__
        for name, annotation in getattr(base, "__annotations__", {}).items()
    }
    found = [
        f"{path}.{name} is unknown" for name in item if name not in known and path + f".{name}" not in LEGACY
    ]
    found += [
        f"{path}.{name} is null"
        for name, value in item.items()
        if value is None
        and name in known
        and "Optional" not in str(known[name])
        and "None" not in str(known[name])
    ]
    for name, inner in getattr(type_, "_inner_class_types", {}).items():
        values = item.get(name)
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, dict) and name not in FREE:
                found += misfits(value, inner, f"{path}.{name}")
    return found


# In the examples and on the wire, but not in the library's types.
LEGACY = {"payment_intent.source", "charge.source"}


def test_events_hold_objects_of_the_same_shape(objects: list[dict[str, Any]]) -> None:
    events = [item for item in objects if item["object"] == "event"]
    for event in events:
        thing = event["data"]["object"]
        assert misfits(thing, TYPES[thing["object"]], thing["object"]) == []
        assert set(event["data"]) <= {"object", "previous_attributes"}
        assert set(event["request"]) == {"id", "idempotency_key"}
        for name, before in event["data"].get("previous_attributes", {}).items():
            assert thing[name] != before
    known = str(stripe.Event.__annotations__["type"])
    assert {event["type"] for event in events if f"'{event['type']}'" not in known} == set()


@pytest.mark.parametrize(
    ("path", "form", "status", "type_"),
    [
        ("/v1/payment_intents", {"currency": "eur"}, 400, "invalid_request_error"),
        ("/v1/payment_intents", {"amount": "1", "currency": "eur"}, 400, "invalid_request_error"),
        ("/v1/refunds", {"payment_intent": "pi_nobody"}, 404, "invalid_request_error"),
        (
            "/v1/payment_intents",
            {
                "amount": "500",
                "currency": "eur",
                "payment_method": "pm_card_visa_chargeDeclined",
                "confirm": "true",
            },
            402,
            "card_error",
        ),
    ],
)
def test_errors_fit_the_librarys_type(
    bench: Bench, path: str, form: dict[str, str], status: int, type_: str
) -> None:
    answer = bench.post(path, form, Authorization=f"Bearer {KEYS.secret}")
    assert answer.status == status
    error = json.loads(answer.text)["error"]
    assert (error["type"], bool(error["message"])) == (type_, True)
    assert set(error) <= set(stripe.ErrorObject.__annotations__)
    if status == 402:
        assert error["decline_code"] == "generic_decline"
        assert misfits(error["payment_intent"], stripe.PaymentIntent, "payment_intent") == []
        assert error["charge"] == error["payment_intent"]["latest_charge"]
