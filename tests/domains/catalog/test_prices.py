"""Prices as people write them, and lengths as they read them."""

from __future__ import annotations

import pytest
from flask import Flask

from app.core.errors import Invalid
from app.core.money import Money
from app.domains.catalog import policies
from app.domains.catalog.errors import BadPrice


@pytest.mark.parametrize("text", ["-1", "0.001", "1e309", "NaN", "Infinity", "１０", str(2**63), "1,2,3", "", "€", "12 €", "0x10", "1\x000", "9" * 5000])  # fmt: skip
def test_texts_that_are_no_price(text: str) -> None:
    with pytest.raises(Invalid):
        policies.parse_price(text, currency="EUR", locale="en")


@pytest.mark.parametrize(
    ("text", "currency", "locale", "minor"),
    [
        ("50", "EUR", "en", 5000),
        ("1,234.50", "EUR", "en", 123450),
        ("1.234,50", "EUR", "de", 123450),
        ("5000", "JPY", "en", 5000),
        ("0.125", "KWD", "en", 125),
        ("1000000000.00", "EUR", "en", 100_000_000_000),
    ],
)
def test_prices_by_locale_and_currency(text: str, currency: str, locale: str, minor: int) -> None:
    assert policies.parse_price(text, currency=currency, locale=locale) == Money(minor, currency)


@pytest.mark.parametrize(("text", "currency"), [("5000.5", "JPY"), ("1.0000", "KWD"), ("12,50", "EUR")])
def test_decimals_that_a_currency_has_not(text: str, currency: str) -> None:
    with pytest.raises(Invalid):
        policies.parse_price(text, currency=currency, locale="en")


def test_the_most_that_can_be_charged() -> None:
    with pytest.raises(BadPrice):
        policies.parse_price("1000000000.01", currency="EUR", locale="en")


def test_minutes_in_words(app: Flask) -> None:
    with app.test_request_context():
        words = [policies.minutes_in_words(n) for n in (0, 1, 45, 60, 90, 720, 1440, 2880, 1500)]
    assert words == [
        "0 minutes", "1 minute", "45 minutes", "1 hour", "90 minutes", "12 hours", "1 day", "2 days", "25 hours",
    ]  # fmt: skip
