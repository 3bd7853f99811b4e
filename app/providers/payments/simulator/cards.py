"""Stripe's published test cards, and what happens when one is used. No other number is ever taken or kept."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass

from flask_babel import LazyString
from flask_babel import lazy_gettext as _l

_DIGITS = re.compile(r"[0-9]{12,19}", re.ASCII)
_CVC = re.compile(r"[0-9]{3,4}", re.ASCII)
_SEPARATORS = str.maketrans("", "", " -\u00a0\u202f")
_MOST_YEARS = 50

_DECLINED = "Your card was declined."


class CardProblem(Exception):
    """A card that can't be used: Stripe's code, parameter and English message."""

    def __init__(self, code: str, param: str, message: str, decline_code: str | None = None) -> None:
        super().__init__(message)
        self.code, self.param, self.message, self.decline_code = code, param, message, decline_code


@dataclass(frozen=True, slots=True)
class TestCard:
    """`token` is Stripe's ready-made payment method for it. `code` says why it is declined, if it is."""

    __test__ = False  # the name is for people; pytest must not collect it

    number: str
    token: str
    label: LazyString
    code: str | None = None
    decline_code: str | None = None
    message: str = ""
    needs_authentication: bool = False
    is_disputed: bool = False

    @property
    def last4(self) -> str:
        return self.number[-4:]

    @property
    def spaced(self) -> str:
        return " ".join(self.number[place : place + 4] for place in range(0, len(self.number), 4))


CARDS = (
    TestCard("4242424242424242", "pm_card_visa", _l("is accepted")),
    TestCard(
        "4000000000000002", "pm_card_visa_chargeDeclined", _l("is declined"),
        "card_declined", "generic_decline", _DECLINED,
    ),
    TestCard(
        "4000000000009995", "pm_card_visa_chargeDeclinedInsufficientFunds", _l("has insufficient funds"),
        "card_declined", "insufficient_funds", "Your card has insufficient funds.",
    ),
    TestCard(
        "4000000000000069", "pm_card_chargeDeclinedExpiredCard", _l("has expired"),
        "expired_card", "expired_card", "Your card has expired.",
    ),
    TestCard(
        "4000000000000127", "pm_card_chargeDeclinedIncorrectCvc", _l("has another security code"),
        "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.",
    ),
    TestCard(
        "4000000000003220", "pm_card_threeDSecure2Required", _l("asks for 3-D Secure"),
        needs_authentication=True,
    ),
    TestCard(
        "4000002760003184", "pm_card_authenticationRequired", _l("asks for 3-D Secure on every payment"),
        needs_authentication=True,
    ),
    TestCard(
        "4000000000000259", "pm_card_createDispute", _l("is accepted, and the payment disputed afterwards"),
        is_disputed=True,
    ),
)  # fmt: skip

BY_NUMBER = {card.number: card for card in CARDS}
BY_TOKEN = {card.token: card for card in CARDS}


def read_expiry(text: str) -> tuple[str, str]:
    """Month and year of what a person types: 12/34, 12 / 2034, 1234."""
    compact = "".join(text.split())
    if "/" in compact:
        month, _slash, year = compact.partition("/")
        return month, year
    return compact[:2], compact[2:]


def accept(number: str, month: str, year: str, cvc: str | None, today: dt.date) -> TestCard:
    """The test card with this number; raises CardProblem as Stripe would when a card is entered."""
    digits = number.translate(_SEPARATORS)
    if not _DIGITS.fullmatch(digits) or not luhn(digits):
        raise CardProblem("incorrect_number", "number", "Your card number is incorrect.")
    _check_expiry(month, year, today)
    if cvc is not None and not _CVC.fullmatch(cvc.strip()):
        raise CardProblem("invalid_cvc", "cvc", "Your card's security code is invalid.")
    card = BY_NUMBER.get(digits)
    if card is None:
        raise CardProblem(
            "card_declined",
            "number",
            "Your card was declined. Your request was in test mode, but used a non test card.",
            "test_mode_live_card",
        )
    return card


def luhn(digits: str) -> bool:
    """The check digit of ISO/IEC 7812."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def full_year(year: str) -> int:
    return int(year) + 2000 if len(year) == 2 else int(year)


def _check_expiry(month: str, year: str, today: dt.date) -> None:
    if not re.fullmatch(r"[0-9]{1,2}", month, re.ASCII) or not 1 <= int(month) <= 12:
        raise CardProblem("invalid_expiry_month", "exp_month", "Your card's expiration month is invalid.")
    if not re.fullmatch(r"[0-9]{2}|[0-9]{4}", year, re.ASCII):
        raise CardProblem("invalid_expiry_year", "exp_year", "Your card's expiration year is invalid.")
    if not today.year <= full_year(year) <= today.year + _MOST_YEARS:
        raise CardProblem("invalid_expiry_year", "exp_year", "Your card's expiration year is invalid.")
    if (full_year(year), int(month)) < (today.year, today.month):
        raise CardProblem("invalid_expiry_month", "exp_month", "Your card's expiration month is invalid.")
