"""Money: whole minor units and a currency. No floats, no rounding that has no name.

What a person types comes in by `Money.parse`, what a person reads goes out by `Money.format`, and
in between there are only integers, so that no cent is made or lost.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, lru_cache, total_ordering
from typing import TypeVar

from babel import Locale
from babel.core import get_global
from babel.numbers import NumberPattern, get_decimal_symbol, get_group_symbol, list_currencies
from flask_babel import lazy_gettext as _l

from app.core.errors import Invalid

Key = TypeVar("Key")

BIGINT_MAX = 2**63 - 1

# ISO 4217's exponents where they are not 2. Babel's digits are those people write (CLDR), and differ:
# it has 0 for the Iraqi dinar and the Serbian dinar, whose minor units are 1/1000 and 1/100.
_BY_EXPONENT = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    4: "CLF UYW",
}
_EXPONENTS = {code: places for places, codes in _BY_EXPONENT.items() for code in codes.split()}
# Codes of ISO 4217 that are no money: metals, bond units, testing, "none".
_NO_MONEY = "XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX"

# What people type for the same sign: no-break spaces, the typographic apostrophe and minus; marks of
# writing direction come along with pasted text and mean nothing.
_SAME = str.maketrans(
    {"\u00a0": " ", "\u202f": " ", "’": "'", "\u2212": "-", **dict.fromkeys("\u200e\u200f\u061c")}
)
# A currency without a sign of its own stands apart from its digits: CLDR asks for that, and Babel writes
# "NOK1.00".
_RUN_TOGETHER = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
# On a line from right to left a minus goes to the wrong side of its digits, and "US$" becomes "$US".
_MINUS = re.compile(r"(?<!\u200e)-")
_LATIN_SIGN = re.compile(r"(?<=[A-Za-z])[^\w\s]+(?=\s|$)")
# Longer than any amount that fits, in any grouping; keeps a megabyte away from the pattern below.
_LONGEST = 48


class CurrencyMismatch(ValueError):
    """A fault of ours: amounts of two currencies were put together."""


class MoneyFormatError(Invalid):
    """A typed text that is no amount; its message says why."""

    code = "money_format"
    message = _l("This is not an amount of money.")


@cache
def _known() -> frozenset[str]:
    return frozenset(list_currencies()) - set(_NO_MONEY.split())


@cache
def currencies() -> tuple[str, ...]:
    """The currencies that are legal tender somewhere today, for choice lists, in order of their codes."""
    rows = (row for territory in get_global("territory_currencies").values() for row in territory)
    return tuple(sorted({code for code, _start, end, tender in rows if tender and end is None} & _known()))


def exponent(currency: str) -> int:
    """How many decimal places ISO 4217 gives a currency; raises ValueError for an unknown one."""
    if currency not in _known():
        raise ValueError(f"{currency!r} is not a currency")
    return _EXPONENTS.get(currency, 2)


@total_ordering
@dataclass(frozen=True, slots=True)
class Money:
    """`minor` units (may be negative) of an ISO 4217 `currency`.

    Adding, subtracting and ordering two currencies raises CurrencyMismatch; they are merely unequal.
    Raises ValueError for an unknown currency or what a bigint can't hold.
    """

    minor: int
    currency: str

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"minor units are whole numbers, not {type(self.minor).__name__}")
        if abs(self.minor) > BIGINT_MAX:
            raise ValueError("the amount is too large")
        exponent(self.currency)

    @classmethod
    def zero(cls, currency: str) -> Money:
        return cls(0, currency)

    @classmethod
    def total(cls, amounts: Iterable[Money], currency: str) -> Money:
        """The sum of any number of amounts, all of this currency."""
        total = cls.zero(currency)
        for amount in amounts:
            total += amount
        return total

    @classmethod
    def parse(cls, text: str, currency: str, locale: Locale | str, *, minimum: int | None = 0) -> Money:
        """What a person typed, read by the rules of their locale; raises MoneyFormatError.

        Less than `minimum` minor units is refused; None lets everything through.
        """
        minor = _read(text, exponent(currency), Locale.parse(locale))
        if abs(minor) > BIGINT_MAX:
            raise MoneyFormatError(_l("This amount is too large."))
        if minimum is not None and minor < minimum:
            least = cls(minimum, currency)
            raise MoneyFormatError(_l("The amount must be at least %(amount)s.", amount=least.format(locale)))
        return cls(minor, currency)

    @property
    def decimal(self) -> Decimal:
        """The amount in major units, exact."""
        return Decimal(self.minor).scaleb(-exponent(self.currency))

    def format(self, locale: Locale | str) -> str:
        """As the locale writes it, with all decimal places of the currency."""
        return _formatted(self, locale)

    def __str__(self) -> str:
        return f"{self.decimal} {self.currency}"

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __mul__(self, quantity: int) -> Money:
        if type(quantity) is not int:
            raise TypeError("money is multiplied by whole numbers; see times_percent")
        return Money(self.minor * quantity, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def _same(self, other: Money) -> int:
        if not isinstance(other, Money):
            raise TypeError(f"money can't be combined with {type(other).__name__}")
        if other.currency != self.currency:
            raise CurrencyMismatch(f"{self.currency} and {other.currency}")
        return other.minor

    def times_percent(self, basis_points: int) -> Money:
        """The share of so many hundredths of a percent, rounded by `half_up`."""
        return Money(half_up(self.minor * basis_points, 10_000), self.currency)

    def split(self, parts: int | Sequence[int]) -> tuple[Money, ...]:
        """Shares that sum to the whole: so many equal ones, or one for each weight.

        By largest remainder: nobody is more than one minor unit away from their exact share, and
        of equal remainders the earlier gets the unit. Raises ValueError without a positive weight.
        """
        weights = [1] * parts if isinstance(parts, int) else list(parts)
        whole = sum(weights)
        if whole <= 0 or min(weights) < 0:
            raise ValueError("a split needs weights of zero or more, and not all of them zero")
        sign = -1 if self.minor < 0 else 1
        exact = [divmod(abs(self.minor) * weight, whole) for weight in weights]
        shares = [share for share, _remainder in exact]
        by_remainder = sorted(range(len(exact)), key=lambda place: -exact[place][1])
        for place in by_remainder[: abs(self.minor) - sum(shares)]:
            shares[place] += 1
        return tuple(Money(sign * share, self.currency) for share in shares)

    def allocate(self, weights: Mapping[Key, int]) -> dict[Key, Money]:
        """`split` by name: a share for each key, in the order given."""
        return dict(zip(weights, self.split(list(weights.values())), strict=True))


def half_up(numerator: int, denominator: int) -> int:
    """The nearest whole number; halves go away from zero, so that a refund mirrors its charge."""
    if denominator <= 0:
        raise ValueError("the denominator must be positive")
    nearest = (2 * abs(numerator) + denominator) // (2 * denominator)
    return nearest if numerator >= 0 else -nearest


@lru_cache(maxsize=8192)
def _formatted(amount: Money, locale: Locale | str) -> str:
    """Kept: a list has the same few prices over and over."""
    locale = Locale.parse(locale)
    pattern = _pattern(str(locale), exponent(amount.currency))
    text: str = pattern.apply(amount.decimal, locale, currency=amount.currency, currency_digits=False)
    text = _RUN_TOGETHER.sub("\u00a0", text)
    if locale.text_direction == "rtl":
        text = _LATIN_SIGN.sub("\\g<0>\u200e", _MINUS.sub("\u200e-", text))
    return text


@cache
def _pattern(locale: str, places: int) -> NumberPattern:
    """The locale's way to write money, with the currency's decimal places in place of Babel's."""
    pattern: NumberPattern = copy.copy(Locale.parse(locale).currency_formats["standard"])
    pattern.frac_prec = (places, places)
    return pattern


def _read(text: str, places: int, locale: Locale) -> int:
    """The minor units that a text means in a locale; raises MoneyFormatError with the reason."""
    text = text.translate(_SAME).strip()
    if not text:
        raise MoneyFormatError(_l("Please enter an amount."))
    if any(char.isnumeric() and not char.isascii() for char in text):
        raise MoneyFormatError(_l("Please use the digits 0 to 9."))
    found = _amount_pattern(str(locale)).fullmatch(text) if len(text) <= _LONGEST else None
    if found is None:
        raise MoneyFormatError(
            _l("Please write the amount like %(example)s.", example=_example(places, locale))
        )
    fraction = found["fraction"] or ""
    if len(fraction) > places == 0:
        raise MoneyFormatError(_l("This currency has no decimal places."))
    if len(fraction) > places:
        raise MoneyFormatError(_l("This currency has %(count)s decimal places at most.", count=places))
    minor = int(re.sub(r"[^0-9]", "", found["whole"]) + fraction.ljust(places, "0"))
    return -minor if found["minus"] else minor


def _example(places: int, locale: Locale) -> str:
    fraction = get_decimal_symbol(locale) + "5".ljust(places, "0") if places else ""
    return f"1{get_group_symbol(locale)}234{fraction}"


@cache
def _amount_pattern(locale: str) -> re.Pattern[str]:
    """Digits, with or without the locale's grouping, and its decimal sign.

    Groups must be complete: "12,50" in English is a mistake, not 1,250.
    """
    parsed = Locale.parse(locale)
    point = re.escape(get_decimal_symbol(parsed))
    group = re.escape(get_group_symbol(parsed).translate(_SAME))
    last, others = parsed.decimal_formats[None].grouping
    grouped = rf"[0-9]{{1,{others}}}(?:{group}[0-9]{{{others}}})*{group}[0-9]{{{last}}}"
    return re.compile(rf"(?P<minus>-?)(?P<whole>[0-9]+|{grouped})(?:{point}(?P<fraction>[0-9]+))?")
