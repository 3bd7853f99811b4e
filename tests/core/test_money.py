"""Money: nothing is made or lost, nothing is mixed, nothing strange comes in."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.money import (
    BIGINT_MAX,
    CurrencyMismatch,
    Money,
    MoneyFormatError,
    currencies,
    exponent,
    half_up,
)

CODES = st.sampled_from(["EUR", "JPY", "KWD"])
MINOR = st.integers(-(10**15), 10**15)
AMOUNTS = st.builds(Money, MINOR, CODES)
LOCALES = ["en", "de", "es", "ar", "fr", "de_CH", "en_IN", "pl"]


@pytest.mark.parametrize(
    ("code", "places"),
    [
        ("EUR", 2),
        ("USD", 2),
        ("JPY", 0),
        ("KWD", 3),
        ("IQD", 3),
        ("RSD", 2),
        ("CLF", 4),
        ("ISK", 0),
        ("BIF", 0),
        ("XPF", 0),
        ("BHD", 3),
        ("TND", 3),
        ("UYW", 4),
    ],
)
def test_exponents_are_those_of_iso_4217(code: str, places: int) -> None:
    assert exponent(code) == places


@pytest.mark.parametrize("code", ["", "eur", "EURO", "ABC", "XXX", "XAU", "€", "EU\0"])
def test_unknown_currencies_are_refused(code: str) -> None:
    with pytest.raises(ValueError, match="not a currency"):
        Money(1, code)


def test_choice_lists_hold_todays_currencies() -> None:
    assert {"EUR", "USD", "JPY", "KWD", "CHF"} <= set(currencies())
    assert "DEM" not in currencies()
    assert list(currencies()) == sorted(currencies())


@pytest.mark.parametrize("minor", [1.0, "1", True, None])
def test_minor_units_are_whole_numbers(minor: Any) -> None:
    with pytest.raises(TypeError):
        Money(minor, "EUR")


@pytest.mark.parametrize("minor", [BIGINT_MAX + 1, -BIGINT_MAX - 1])
def test_no_amount_is_larger_than_the_database_holds(minor: int) -> None:
    with pytest.raises(ValueError, match="too large"):
        Money(minor, "EUR")


def test_arithmetic() -> None:
    price, fee = Money(1250, "EUR"), Money(-50, "EUR")
    assert price + fee == Money(1200, "EUR")
    assert price - fee == Money(1300, "EUR")
    assert -price == Money(-1250, "EUR")
    assert price * 3 == Money(3750, "EUR")
    assert fee < Money.zero("EUR") < price
    assert price >= price
    assert Money.total([price, fee, fee], "EUR") == Money(1150, "EUR")
    assert Money.total([], "JPY") == Money(0, "JPY")
    assert str(price) == "12.50 EUR"
    assert str(Money(-7, "KWD")) == "-0.007 KWD"


def test_two_currencies_do_not_mix() -> None:
    euro, yen = Money(1, "EUR"), Money(1, "JPY")
    for mixed in (
        lambda: euro + yen,
        lambda: euro - yen,
        lambda: euro < yen,
        lambda: euro >= yen,
        lambda: max(euro, yen),
        lambda: Money.total([euro, yen], "EUR"),
    ):
        with pytest.raises(CurrencyMismatch, match="EUR and JPY|JPY and EUR"):
            mixed()
    assert euro != yen


@pytest.mark.parametrize("other", [1, 1.5, "1", None])
def test_money_and_numbers_do_not_mix(other: Any) -> None:
    with pytest.raises(TypeError):
        Money(1, "EUR") + other
    with pytest.raises(TypeError):
        Money(1, "EUR") < other  # noqa: B015 - the comparison is what must fail


@pytest.mark.parametrize("factor", [1.5, True, "2"])
def test_only_whole_numbers_multiply(factor: Any) -> None:
    with pytest.raises(TypeError):
        Money(1, "EUR") * factor


@given(AMOUNTS, AMOUNTS)
def test_what_is_added_can_be_taken_away(first: Money, second: Money) -> None:
    second = Money(second.minor, first.currency)
    assert first + second - second == first
    assert first + second == second + first
    assert -(first - second) == second - first


# -- Shares -------------------------------------------------------------------------------------------


@given(AMOUNTS, st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any))
def test_a_split_loses_nothing_and_is_fair(amount: Money, weights: list[int]) -> None:
    shares = amount.split(weights)
    assert Money.total(shares, amount.currency) == amount
    for share, weight in zip(shares, weights, strict=True):
        # Less than one minor unit from the exact share, in whole numbers: |share*sum - amount*weight| < sum
        assert abs(share.minor * sum(weights) - amount.minor * weight) < sum(weights)
        assert weight or share.minor == 0


@given(AMOUNTS, st.integers(1, 50))
def test_equal_parts_differ_by_one_unit_at_most(amount: Money, parts: int) -> None:
    shares = [share.minor for share in amount.split(parts)]
    assert (sum(shares), len(shares)) == (amount.minor, parts)
    assert max(shares) - min(shares) <= 1


@given(AMOUNTS, st.lists(st.integers(0, 9), min_size=1, max_size=9).filter(any))
def test_the_split_of_a_refund_mirrors_that_of_its_charge(amount: Money, weights: list[int]) -> None:
    assert (-amount).split(weights) == tuple(-share for share in amount.split(weights))


def test_of_equal_remainders_the_earlier_gets_the_unit() -> None:
    assert [share.minor for share in Money(100, "EUR").split(3)] == [34, 33, 33]
    assert [share.minor for share in Money(5, "JPY").split([1, 0, 1])] == [3, 0, 2]
    assert [share.minor for share in Money(10, "EUR").split([1, 5, 4])] == [1, 5, 4]
    # The largest remainder, not the largest weight: 1.4, 3.2, 0.4 of 5
    assert [share.minor for share in Money(5, "EUR").split([28, 64, 8])] == [2, 3, 0]


@pytest.mark.parametrize("parts", [0, -1, [], [0, 0], [2, -1]])
def test_a_split_needs_a_positive_weight(parts: Any) -> None:
    with pytest.raises(ValueError, match="weights"):
        Money(100, "EUR").split(parts)


def test_allocate_names_the_shares() -> None:
    shares = Money(1001, "KWD").allocate({"tutor": 70, "platform": 30})
    assert shares == {"tutor": Money(701, "KWD"), "platform": Money(300, "KWD")}


@pytest.mark.parametrize(
    ("minor", "basis_points", "expected"),
    [
        (1000, 1900, 190),
        (5, 1000, 1),  # 0.5: half up
        (-5, 1000, -1),  # and its refund
        (4, 1000, 0),
        (999, 0, 0),
        (12345, 10_000, 12345),
        (10**18, 1, 10**14),
        (100, -250, -3),
    ],
)
def test_percentages_are_rounded_half_up(minor: int, basis_points: int, expected: int) -> None:
    assert Money(minor, "EUR").times_percent(basis_points) == Money(expected, "EUR")


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_half_up_is_never_more_than_a_half_away(numerator: int, denominator: int) -> None:
    nearest = half_up(numerator, denominator)
    assert 2 * abs(nearest * denominator - numerator) <= denominator
    assert half_up(-numerator, denominator) == -nearest


@pytest.mark.parametrize("denominator", [0, -1])
def test_half_up_divides_by_what_is_positive(denominator: int) -> None:
    with pytest.raises(ValueError, match="positive"):
        half_up(1, denominator)


# -- What people read and type ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("money", "locale", "text"),
    [
        (Money(123450, "EUR"), "en", "€1,234.50"),
        (Money(123450, "EUR"), "de", "1.234,50\u00a0€"),
        (Money(1234, "JPY"), "en", "¥1,234"),
        (Money(1234567, "KWD"), "en", "KWD\u00a01,234.567"),
        (Money(1234567, "IQD"), "en", "IQD\u00a01,234.567"),
        (Money(-60000, "NOK"), "en", "-NOK\u00a0600.00"),
        (Money(500, "USD"), "de", "5,00\u00a0$"),
        (Money(0, "EUR"), "en", "€0.00"),
        (Money(-5, "EUR"), "en", "-€0.05"),
        (Money(BIGINT_MAX, "EUR"), "en", "€92,233,720,368,547,758.07"),
        # Marks of direction keep the minus before its digits, and the dollar after its letters.
        (Money(-22464, "USD"), "ar", "\u200f\u200e-224.64\u00a0US$\u200e"),
        (Money(22464, "EUR"), "ar", "\u200f224.64\u00a0€"),
        (Money(100, "XCG"), "ar", "\u200f1.00\u00a0Cg.\u200e"),
    ],
)
def test_format(money: Money, locale: str, text: str) -> None:
    assert money.format(locale) == text


@given(AMOUNTS, st.sampled_from(LOCALES))
def test_format_shows_the_exact_amount(amount: Money, locale: str) -> None:
    shown = "".join(char for char in amount.format(locale) if char.isdigit())
    assert int(shown) == abs(amount.minor)


@pytest.mark.parametrize(
    ("text", "currency", "locale", "minor"),
    [
        ("12.50", "EUR", "en", 1250),
        (" 12.5 ", "EUR", "en", 1250),
        ("12", "EUR", "en", 1200),
        ("1,234.50", "EUR", "en", 123450),
        ("1234.50", "EUR", "en", 123450),
        ("12,50", "EUR", "de", 1250),
        ("1.234,50", "EUR", "de", 123450),
        ("1.234", "EUR", "de", 123400),
        ("1 234,50", "EUR", "fr", 123450),
        ("1\u00a0234,50", "EUR", "fr", 123450),
        ("1\u202f234,50", "EUR", "fr", 123450),
        ("1'234.50", "CHF", "de_CH", 123450),
        ("1’234.50", "CHF", "de_CH", 123450),
        ("12,34,567.89", "INR", "en_IN", 123456789),
        ("1,234", "JPY", "en", 1234),
        ("1.234", "KWD", "en", 1234),
        ("\u200f12.50", "EUR", "ar", 1250),
        ("0" * 44 + "1.00", "EUR", "en", 100),  # as long as it may be
        ("0", "EUR", "en", 0),
        ("-0", "EUR", "en", 0),
        ("92233720368547758.07", "EUR", "en", BIGINT_MAX),
    ],
)
def test_parse(text: str, currency: str, locale: str, minor: int) -> None:
    assert Money.parse(text, currency, locale) == Money(minor, currency)


NOT_AN_AMOUNT = "Please write the amount like 1,234.50."


@pytest.mark.parametrize(
    ("text", "currency", "reason"),
    [
        ("", "EUR", "Please enter an amount."),
        ("   ", "EUR", "Please enter an amount."),
        ("abc", "EUR", NOT_AN_AMOUNT),
        ("12X", "EUR", NOT_AN_AMOUNT),
        ("0" * 45 + "1.00", "EUR", NOT_AN_AMOUNT),  # longer than any amount
        ("12,50", "EUR", NOT_AN_AMOUNT),
        ("1,23,456", "EUR", NOT_AN_AMOUNT),
        ("1.234.50", "EUR", NOT_AN_AMOUNT),
        ("1 234", "EUR", NOT_AN_AMOUNT),
        (".5", "EUR", NOT_AN_AMOUNT),
        ("5.", "EUR", NOT_AN_AMOUNT),
        ("+5", "EUR", NOT_AN_AMOUNT),
        ("--5", "EUR", NOT_AN_AMOUNT),
        ("0x1F", "EUR", NOT_AN_AMOUNT),
        ("1e3", "EUR", NOT_AN_AMOUNT),
        ("1e309", "EUR", NOT_AN_AMOUNT),
        ("NaN", "EUR", NOT_AN_AMOUNT),
        ("Infinity", "EUR", NOT_AN_AMOUNT),
        ("5\0", "EUR", NOT_AN_AMOUNT),
        ("5\n6", "EUR", NOT_AN_AMOUNT),
        ("1_000", "EUR", NOT_AN_AMOUNT),
        ("1" * 1_000_000, "EUR", NOT_AN_AMOUNT),
        ("1１", "EUR", "Please use the digits 0 to 9."),
        ("１０", "EUR", "Please use the digits 0 to 9."),
        ("١٢", "EUR", "Please use the digits 0 to 9."),
        ("½", "EUR", "Please use the digits 0 to 9."),
        ("0.001", "EUR", "This currency has 2 decimal places at most."),
        ("1.2345", "KWD", "This currency has 3 decimal places at most."),
        ("1.0", "JPY", "This currency has no decimal places."),
        ("9223372036854775808", "JPY", "This amount is too large."),
        ("92233720368547758.08", "EUR", "This amount is too large."),
        ("-1", "EUR", "The amount must be at least €0.00."),
        ("\u22121", "EUR", "The amount must be at least €0.00."),
    ],
)
def test_what_is_no_amount_is_refused_with_its_reason(text: str, currency: str, reason: str) -> None:
    with pytest.raises(MoneyFormatError) as refusal:
        Money.parse(text, currency, "en")
    assert str(refusal.value.text) == reason
    assert (refusal.value.code, refusal.value.status) == ("money_format", 422)


def test_the_smallest_amount_is_the_callers_choice() -> None:
    assert Money.parse("-5", "EUR", "en", minimum=None) == Money(-500, "EUR")
    assert Money.parse("0.50", "EUR", "en", minimum=50) == Money(50, "EUR")
    with pytest.raises(MoneyFormatError, match="at least €0.50"):
        Money.parse("0.49", "EUR", "en", minimum=50)


def test_the_example_is_in_the_readers_way() -> None:
    for locale, currency, example in (
        ("de", "EUR", "1.234,50"),
        ("en", "JPY", "1,234"),
        ("en", "KWD", "1,234.500"),
    ):
        with pytest.raises(MoneyFormatError) as refusal:
            Money.parse("x", currency, locale)
        assert str(refusal.value.text) == f"Please write the amount like {example}."
        assert Money.parse(example, currency, locale).minor > 1000


@given(st.integers(0, BIGINT_MAX), CODES, st.sampled_from(LOCALES))
def test_what_is_written_without_its_sign_reads_back(minor: int, currency: str, locale: str) -> None:
    money = Money(minor, currency)
    shown = money.format(locale)
    first = next(place for place, char in enumerate(shown) if char.isdigit())
    last = len(shown) - next(place for place, char in enumerate(reversed(shown)) if char.isdigit())
    assert Money.parse(shown[first:last], currency, locale) == money


@given(st.text(max_size=30) | st.text("0123456789.,'- \u200f", max_size=25), st.sampled_from(LOCALES))
def test_any_text_is_refused_or_read_digit_by_digit(text: str, locale: str) -> None:
    with contextlib.suppress(MoneyFormatError):
        money = Money.parse(text, "EUR", locale, minimum=None)
        typed = int("".join(char for char in text if char.isnumeric()))
        assert abs(money.minor) in {typed, typed * 10, typed * 100}
