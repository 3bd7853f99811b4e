"""The simulator's HTTP interface where the provider does not go: raw requests, other keys, long lists."""

from __future__ import annotations

import base64
import datetime as dt
import json
import threading
from typing import Any

import pytest
import stripe

from app.core import clock
from tests.providers.payments.rig import DECLINED, GOOD, KEYS, SECURE, Answer, Bench, client, fresh

AUTH = f"Bearer {KEYS.secret}"
INTENT = {"amount": "4000", "currency": "eur"}


def post(bench: Bench, path: str, form: dict[str, str], key: str = "", **more: str) -> Answer:
    headers = {"Authorization": AUTH, **({"Idempotency-Key": key} if key else {}), **more}
    return bench.post(f"/v1/{path}", form, **headers)


def get(bench: Bench, path: str) -> Answer:
    return bench.get(f"/v1/{path}", Authorization=AUTH)


def error(answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.text)["error"]
    return found


# -- Who may call ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [
        "", "Bearer", "Bearer ", f"Bearer {KEYS.publishable}", f"Bearer {KEYS.secret}x", KEYS.secret,
        f"Token {KEYS.secret}", "Basic !!!", "Basic " + base64.b64encode(b"x:").decode(), "Bearer \xe9",
        f"Bearer {KEYS.secret[:-1]}",
    ],
)  # fmt: skip
def test_without_the_key_nothing_is_told_and_nothing_done(shared: Bench, authorization: str) -> None:
    before = shared.event_types()
    for answer in (
        shared.post("/v1/payment_intents", INTENT, Authorization=authorization),
        shared.get("/v1/payment_intents", Authorization=authorization),
    ):
        assert answer.status == 401
        assert error(answer)["type"] == "invalid_request_error"
        assert KEYS.secret not in answer.text
    assert shared.event_types() == before


def test_basic_authentication_is_taken_too(bench: Bench) -> None:
    basic = base64.b64encode(f"{KEYS.secret}:".encode()).decode()
    assert bench.get("/v1/payment_intents", Authorization=f"Basic {basic}").status == 200


def test_what_there_is_not(bench: Bench) -> None:
    for method, path in [
        ("GET", "customers"),
        ("POST", "checkout/sessions"),
        ("GET", "payment_intents/a/b/c"),
    ]:
        answer = get(bench, path) if method == "GET" else post(bench, path, {})
        assert (answer.status, error(answer)["type"]) == (404, "invalid_request_error")
        assert f"{method}: /v1/{path}" in error(answer)["message"]
    for path in ("payment_intents/re_x", "refunds/x", "charges/x", "disputes/x", "events/x"):
        assert error(get(bench, path))["code"] == "resource_missing"
    payment = bench.payment()
    assert get(bench, f"refunds/{payment.id}").status == 404


# -- Parameters -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ({"amount": "4000"}, "parameter_missing", "currency"),
        ({"amount": "4e3"}, "parameter_invalid_integer", "amount"),
        ({"amount": "٤٠٠٠"}, "parameter_invalid_integer", "amount"),
        ({"amount": "4" * 400}, "parameter_invalid_integer", "amount"),
        ({"amount": "49"}, "amount_too_small", "amount"),
        ({"amount": "100000000"}, "amount_too_large", "amount"),
        ({"amount": "5005", "currency": "kwd"}, None, "amount"),
        ({"amount": "550", "currency": "isk"}, None, "amount"),
        ({"currency": "xxx"}, None, "currency"),
        ({"currency": "<script>"}, None, "currency"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        (
            {"automatic_payment_methods[colour]": "red"},
            "parameter_unknown",
            "automatic_payment_methods[colour]",
        ),
        ({"automatic_payment_methods": "yes"}, None, "automatic_payment_methods"),
        ({"automatic_payment_methods[enabled]": "maybe"}, None, "automatic_payment_methods[enabled]"),
        ({"capture_method": "manual"}, None, "capture_method"),
        ({"metadata": "flat"}, None, "metadata"),
        ({"metadata[a][b]": "deep"}, None, "metadata"),
        ({f"metadata[{'k' * 41}]": "v"}, None, "metadata"),
        ({"metadata[k]": "v" * 501}, None, "metadata"),
        ({"description": "x" * 1001}, "parameter_invalid_string", "description"),
        ({"description[x]": "y"}, None, "description"),
        ({"payment_method": "pm_nobody"}, "resource_missing", "payment_method"),
        ({"expand[]": "colour"}, None, "expand"),
        ({"expand[]": "currency"}, None, "expand"),
        ({"expand[]": "a.b.c.d.e"}, None, None),
        ({"amount[": "x"}, None, None),
    ],
)
def test_parameters_are_read_strictly(
    shared: Bench, form: dict[str, str], code: str | None, param: str | None
) -> None:
    given, key, before = {**INTENT, **form}, fresh(), shared.event_types()
    if code == "parameter_missing":
        del given["currency"]
    answer = post(shared, "payment_intents", given, key=key)
    assert answer.status in {400, 404}
    assert (error(answer).get("code"), error(answer).get("param")) == (code, param)
    assert shared.event_types() == before
    assert post(shared, "payment_intents", INTENT, key=key).status == 200, (
        "a key is used up by what was done only"
    )


def test_too_large_a_body(bench: Bench) -> None:
    answer = post(bench, "payment_intents", {**INTENT, "description": "x" * 100_000})
    assert (answer.status, error(answer)["type"]) == (413, "invalid_request_error")


def test_emptied_metadata_is_none(bench: Bench) -> None:
    made = json.loads(post(bench, "payment_intents", {**INTENT, "metadata[a]": "", "metadata[b]": "ü"}).text)
    assert made["metadata"] == {"b": "ü"}


# -- The same key ---------------------------------------------------------------------------------


def test_a_replay_says_that_it_is_one(bench: Bench) -> None:
    first = post(bench, "payment_intents", INTENT, key="k1")
    again = post(bench, "payment_intents", INTENT, key="k1")
    assert (first.status, again.status) == (200, 200)
    assert again.text == first.text
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"]
    assert again.headers["Request-Id"] != first.headers["Request-Id"]
    assert again.headers["Idempotency-Key"] == "k1"
    assert first.headers["Stripe-Version"] == stripe.api_version
    assert bench.event_types() == ["payment_intent.created"]


def test_no_key_no_memory(bench: Bench) -> None:
    assert post(bench, "payment_intents", INTENT).text != post(bench, "payment_intents", INTENT).text


def test_a_key_belongs_to_its_call(bench: Bench) -> None:
    post(bench, "payment_intents", INTENT, key="k1")
    for path, form in [
        ("payment_intents", {**INTENT, "amount": "4001"}),
        ("payment_intents", {**INTENT, "description": "x"}),
        ("refunds", INTENT),
    ]:
        answer = post(bench, path, form, key="k1")
        assert (answer.status, error(answer)["type"]) == (400, "idempotency_error")
    assert post(bench, "payment_intents", dict(reversed(INTENT.items())), key="k1").status == 200
    assert post(bench, "payment_intents", INTENT, key="k" * 256).status == 400


def test_a_decline_is_replayed_too(bench: Bench) -> None:
    form = {**INTENT, "payment_method": "pm_card_visa_chargeDeclined", "confirm": "true"}
    first, again = (post(bench, "payment_intents", form, key="k1") for _ in range(2))
    assert (first.status, again.status, again.text) == (402, 402, first.text)
    assert bench.event_types().count("charge.failed") == 1


def test_sixteen_at_once_make_one(bench: Bench) -> None:
    answers: list[Answer] = []
    start = threading.Barrier(16)

    def call() -> None:
        start.wait()
        answers.append(post(bench, "payment_intents", INTENT, key="k1"))

    threads = [threading.Thread(target=call) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status for answer in answers} <= {200, 409}
    assert len({answer.text for answer in answers if answer.status == 200}) == 1
    for answer in answers:
        if answer.status == 409:
            assert error(answer)["code"] == "idempotency_key_in_use"
    assert bench.event_types() == ["payment_intent.created"]


def test_after_a_day_a_key_is_new(bench: Bench) -> None:
    first = post(bench, "payment_intents", INTENT, key="k1")
    now = clock.machine_now()
    with clock.machine_frozen(now + dt.timedelta(hours=23)):
        assert post(bench, "payment_intents", INTENT, key="k1").text == first.text
    with clock.machine_frozen(now + dt.timedelta(hours=25)):
        assert post(bench, "payment_intents", INTENT, key="k1").text != first.text


# -- Cards ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "code", "decline_code"),
    [
        (DECLINED, "card_declined", "generic_decline"),
        ("4000000000009995", "card_declined", "insufficient_funds"),
        ("4000000000000069", "expired_card", "expired_card"),
        ("4000000000000127", "incorrect_cvc", "incorrect_cvc"),
    ],
)
def test_each_card_that_is_declined(bench: Bench, number: str, code: str, decline_code: str) -> None:
    card = bench.client.v1.payment_methods.create(
        {"type": "card", "card": {"number": number, "exp_month": 1, "exp_year": 2040, "cvc": "123"}}
    )
    made = bench.payment()
    with pytest.raises(stripe.CardError) as refusal:
        bench.client.v1.payment_intents.confirm(made.id, {"payment_method": card.id})
    assert refusal.value.code == code
    details = refusal.value.error
    assert details is not None
    assert (details.decline_code, details.type) == (decline_code, "card_error")
    intent = bench.client.v1.payment_intents.retrieve(made.id, {"expand": ["latest_charge"]})
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.code == code
    assert isinstance(intent.latest_charge, stripe.Charge)
    assert (intent.latest_charge.status, intent.latest_charge.paid) == ("failed", False)
    assert intent.latest_charge.outcome is not None
    assert intent.latest_charge.outcome.network_status == "declined_by_network"
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.refunds.create({"charge": intent.latest_charge.id})


@pytest.mark.parametrize(
    ("card", "code", "param"),
    [
        ({"number": "4242424242424241"}, "incorrect_number", "number"),
        ({"number": "42"}, "incorrect_number", "number"),
        ({"number": "٤٢٤٢٤٢٤٢٤٢٤٢٤٢٤٢"}, "incorrect_number", "number"),
        ({"number": "4" * 400}, "incorrect_number", "number"),
        ({"exp_month": "13"}, "invalid_expiry_month", "exp_month"),
        ({"exp_month": "0"}, "invalid_expiry_month", "exp_month"),
        ({"exp_month": "x"}, "invalid_expiry_month", "exp_month"),
        ({"exp_year": "2019"}, "invalid_expiry_year", "exp_year"),
        ({"exp_year": "2999"}, "invalid_expiry_year", "exp_year"),
        ({"exp_year": "3"}, "invalid_expiry_year", "exp_year"),
        ({"cvc": "12"}, "invalid_cvc", "cvc"),
        ({"cvc": "12345"}, "invalid_cvc", "cvc"),
        ({"cvc": "abc"}, "invalid_cvc", "cvc"),
        ({"number": "4111111111111111"}, "card_declined", "number"),
        ({"number": "5555555555554444"}, "card_declined", "number"),
    ],
)
def test_cards_that_can_not_be_entered(shared: Bench, card: dict[str, str], code: str, param: str) -> None:
    before = get(shared, "payment_methods").text
    given = {"number": GOOD, "exp_month": "12", "exp_year": "2040", "cvc": "123", **card}
    answer = post(shared, "payment_methods", {"type": "card", **{f"card[{k}]": v for k, v in given.items()}})
    assert (answer.status, error(answer)["code"], error(answer)["param"]) == (402, code, param)
    assert get(shared, "payment_methods").text == before


def test_a_card_is_good_until_the_end_of_its_month(bench: Bench) -> None:
    today = clock.machine_now()
    for month, year, status in [
        (today.month, today.year, 200),
        (12, today.year - 1, 402),
        (1, today.year + 1, 200),
    ]:
        form = {
            "type": "card",
            "card[number]": GOOD,
            "card[exp_month]": str(month),
            "card[exp_year]": str(year),
        }
        assert post(bench, "payment_methods", form).status == status


def test_3d_secure_by_the_api_leads_to_the_page(bench: Bench) -> None:
    made = bench.payment()
    asked = bench.client.v1.payment_intents.confirm(
        made.id,
        {
            "payment_method_data": {
                "type": "card",
                "card": {"number": SECURE, "exp_month": 12, "exp_year": 2040},
            },  # type: ignore[typeddict-unknown-key]
            "return_url": "http://anna.shop.test/done",
        },
    )
    assert asked.status == "requires_action"
    assert asked.next_action is not None
    assert asked.next_action.redirect_to_url is not None
    url = str(asked.next_action.redirect_to_url.url)
    assert url.startswith(f"http://shop.test:{bench.simulator.port}/pay/{made.client_secret}/authenticate?")
    page = bench.get(url.partition(str(bench.simulator.port))[2])
    assert (page.status, "3-D Secure" in page.text) == (200, True)


# -- Lists ----------------------------------------------------------------------------------------


def test_lists_go_on_page_by_page(bench: Bench) -> None:
    made = [bench.payment(f"order-{number}").id for number in range(25)]
    everything = bench.client.v1.payment_intents.list({"limit": 7})
    assert [intent.id for intent in everything.auto_paging_iter()] == made[::-1]
    assert (len(everything.data), everything.has_more) == (7, True)
    assert len(bench.client.v1.payment_intents.list().data) == 10
    later = bench.client.v1.payment_intents.list({"created": {"gt": 4_000_000_000}})
    assert (later.data, later.has_more) == ([], False)
    assert len(bench.client.v1.payment_intents.list({"created": {"gte": 1}, "limit": 100}).data) == 25
    for query in ("limit=0", "limit=101", "starting_after=pi_nobody", "colour=red", "created[near]=1"):
        assert get(bench, f"payment_intents?{query}").status in {400, 404}


def test_lists_are_filtered(bench: Bench) -> None:
    first, second = bench.paid(reference="order-1"), bench.paid(DECLINED, "order-2")
    charges = bench.client.v1.charges.list({"payment_intent": second.id}).data
    assert [(charge.payment_intent, charge.status) for charge in charges] == [(second.id, "failed")]
    events = bench.client.v1.events.list({"type": "payment_intent.succeeded"}).data
    assert [event.data.object["id"] for event in events] == [first.id]
    assert len(bench.client.v1.balance_transactions.list({"type": "charge"}).data) == 1
    assert bench.client.v1.balance_transactions.list({"type": "refund"}).data == []


@pytest.mark.parametrize(
    "query", ["", "status:'succeeded'", "metadata['reference']", "metadata['reference']:'a' OR x", "'", "\\"]
)
def test_a_search_that_is_not_understood(shared: Bench, query: str) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        shared.client.v1.payment_intents.search({"query": query})


def test_expansion_goes_deep_and_leaves_the_kept_object_alone(bench: Bench) -> None:
    paid = bench.paid()
    deep = bench.client.v1.payment_intents.retrieve(
        paid.id,
        {"expand": ["latest_charge.balance_transaction", "payment_method", "latest_charge.payment_intent"]},
    )
    assert isinstance(deep.latest_charge, stripe.Charge)
    assert isinstance(deep.latest_charge.balance_transaction, stripe.BalanceTransaction)
    assert isinstance(deep.latest_charge.payment_intent, stripe.PaymentIntent)
    assert isinstance(deep.payment_method, stripe.PaymentMethod)
    listed = bench.client.v1.payment_intents.list({"expand": ["data.latest_charge.balance_transaction"]})
    assert isinstance(listed.data[0].latest_charge, stripe.Charge)
    plain = bench.client.v1.payment_intents.retrieve(paid.id)
    assert plain.latest_charge == deep.latest_charge.id


def test_a_dispute_can_be_accepted(bench: Bench) -> None:
    dispute_id = bench.controls.dispute(bench.paid().id)
    assert bench.client.v1.disputes.close(dispute_id).status == "lost"
    with pytest.raises(stripe.InvalidRequestError):
        bench.client.v1.disputes.close(dispute_id)
    charge = bench.client.v1.charges.list().data[0]
    assert charge.disputed is True


def test_two_keys_see_nothing_of_each_other(bench: Bench) -> None:
    made = bench.payment()
    with pytest.raises(stripe.AuthenticationError):
        client(bench.base, KEYS.publishable).v1.payment_intents.retrieve(made.id)
