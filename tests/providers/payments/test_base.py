"""Requests that could never be right are refused before anybody is called, and units are Stripe's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import stripe

from app.core.money import currencies, exponent
from app.providers.payments import PaymentSettings, RefundRequest, SimulatorKeys, build, step
from app.providers.payments.mock import MockProvider
from app.providers.payments.simulator import shapes
from app.providers.payments.simulator.store import API_VERSION
from app.providers.payments.stripe import StripeProvider
from app.providers.payments.units import from_stripe, places, to_stripe
from tests.providers.payments.rig import request


@pytest.mark.parametrize(
    "wrong",
    [
        {"amount_minor": 0},
        {"amount_minor": -1},
        {"currency": "eur"},
        {"currency": "XXX"},
        {"amount_minor": 1005, "currency": "KWD"},
        {"amount_minor": 150, "currency": "MGA"},
        {"idempotency_key": ""},
        {"idempotency_key": "k" * 256},
        {"idempotency_key": "schlüssel"},
        {"metadata": {"reference": "mine"}},
        {"metadata": {f"k{number}": "v" for number in range(50)}},
        {"metadata": {"k" * 41: "v"}},
        {"metadata": {"k[0]": "v"}},
        {"metadata": {"k": ""}},
        {"metadata": {"k": "v" * 501}},
        {"description": "x" * 1001},
    ],
)
def test_a_request_is_checked_when_it_is_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the texts are for us
        request(**wrong)


@pytest.mark.parametrize("reference", ["", "-x", "a b", "a'b", 'a"b', "a\\b", "é", "x" * 201, "a\n"])
def test_a_reference_can_be_searched_for(reference: str) -> None:
    with pytest.raises(ValueError, match="reference"):
        request(reference)
    with pytest.raises(ValueError, match="reference"):
        RefundRequest("pi_1", 100, "EUR", reference, "k")


def test_a_refund_is_checked_too() -> None:
    for amount, currency in [(0, "EUR"), (-5, "EUR"), (1005, "KWD")]:
        with pytest.raises(ValueError, match=r"positive|steps"):
            RefundRequest("pi_1", amount, currency, "r1", "k")


@pytest.mark.parametrize(
    ("minor", "currency", "stripes"),
    [
        (1099, "EUR", 1099),
        (500, "JPY", 500),
        (5120, "KWD", 5120),
        (5, "ISK", 500),
        (5, "UGX", 500),
        (1000, "MGA", 10),
        (45, "HUF", 45),
        (10, "BHD", 10),
    ],
)
def test_stripes_units(minor: int, currency: str, stripes: int) -> None:
    assert to_stripe(minor, currency) == stripes
    assert from_stripe(stripes, currency) == minor


def test_each_currency_goes_there_and_back() -> None:
    for currency in currencies():
        for steps in (1, 7, 12_345):
            minor = steps * step(currency)
            assert from_stripe(to_stripe(minor, currency), currency) == minor
        assert abs(places(currency) - exponent(currency)) <= 2
    assert {currency for currency in currencies() if step(currency) == 10} == {
        "BHD",
        "JOD",
        "KWD",
        "OMR",
        "TND",
    }


@pytest.mark.parametrize(
    ("amount", "currency", "fee"),
    [
        (10_000, "EUR", 320),
        (1099, "EUR", 62),
        (50, "EUR", 31),
        (1000, "JPY", 59),
        (50, "JPY", 31),
        (10_000, "KWD", 590),
        (50_000, "ISK", 1500),  # 2.9 % and 30 are 14.80 krónur; there is no part of one
        (1000, "MGA", 59),
    ],
)
def test_the_simulators_fee(amount: int, currency: str, fee: int) -> None:
    assert shapes.fee(amount, currency) == fee


def test_the_version_is_the_one_of_the_library() -> None:
    assert API_VERSION == stripe.api_version


@dataclass(frozen=True)
class Given:
    PAYMENT_PROVIDER: str
    STRIPE_SECRET_KEY: str = ""
    STRIPE_PUBLISHABLE_KEY: str = ""
    STRIPE_WEBHOOK_SECRET: str = ""
    STRIPE_API_BASE: str = ""
    SIMULATOR_PORT: int = 8002
    SECRET_KEY: str = "x" * 40
    BASE_DOMAIN: str = "shop.test"


def test_the_settings_choose_the_provider() -> None:
    given: PaymentSettings = Given("mock")
    mock = build(given)
    assert isinstance(mock, MockProvider)
    assert (mock.name, mock.is_test) == ("mock", True)
    assert mock.publishable_key == SimulatorKeys.of("x" * 40).publishable
    live = build(Given("stripe", "sk_live_1", "pk_live_1", "whsec_1"))
    assert type(live) is StripeProvider
    assert (live.name, live.is_test, live.publishable_key) == ("stripe", False, "pk_live_1")
    assert build(Given("stripe", "sk_test_1", "pk_test_1", "whsec_1")).is_test


def test_the_simulators_keys_follow_from_the_secret_key_and_do_not_show_it() -> None:
    keys = SimulatorKeys.of("x" * 40)
    assert keys == SimulatorKeys.of("x" * 40)
    values = {keys.secret, keys.publishable, keys.webhook, keys.control}
    other = SimulatorKeys.of("y" * 40)
    assert values.isdisjoint({other.secret, other.publishable, other.webhook, other.control})
    assert len({value.rpartition("_")[2] for value in values}) == 4
    assert all(value.startswith(("sk_test_", "pk_test_", "whsec_")) or "_" not in value for value in values)
