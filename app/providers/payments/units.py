"""Stripe's smallest units are not always ISO 4217's; here one becomes the other.

It treats the Malagasy ariary as having no decimal places, still writes the Icelandic króna and the
Ugandan shilling with two (always 00), and takes currencies of three places in steps of ten only.
"""

from __future__ import annotations

from app.core.money import exponent as iso_exponent
from app.core.money import half_up

_PLACES = {"ISK": 2, "UGX": 2, "MGA": 0}
_IN_STEPS_OF_TEN = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})


def places(currency: str) -> int:
    """How many decimal places Stripe gives a currency (ISO code in capitals)."""
    return _PLACES.get(currency, iso_exponent(currency))


def step(currency: str) -> int:
    """The smallest step, in our minor units, in which an amount can be charged and refunded."""
    if currency in _IN_STEPS_OF_TEN:
        return 10
    return int(10 ** max(0, iso_exponent(currency) - places(currency)))


def stripe_step(currency: str) -> int:
    """The same step in Stripe's units."""
    if currency in _IN_STEPS_OF_TEN:
        return 10
    return int(10 ** max(0, places(currency) - iso_exponent(currency)))


def to_stripe(minor: int, currency: str) -> int:
    """Our minor units as Stripe writes them; raises ValueError off the step."""
    if minor % step(currency):
        raise ValueError(f"{currency} is charged in steps of {step(currency)} minor units, not {minor}")
    shift = places(currency) - iso_exponent(currency)
    return int(minor * 10**shift) if shift >= 0 else int(minor // 10**-shift)


def from_stripe(amount: int, currency: str) -> int:
    """Stripe's units as ours; a part of our minor unit (a fee may have one) is rounded half up."""
    shift = places(currency) - iso_exponent(currency)
    return half_up(amount, 10**shift) if shift >= 0 else int(amount * 10**-shift)
