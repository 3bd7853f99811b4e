"""How a price is shared: tax first, then by largest remainder; nothing is lost and nobody gets more than all."""

from __future__ import annotations

import random

import pytest
from flask import Flask

from app.core.money import CurrencyMismatch, Money
from app.domains.earnings import policies
from app.domains.earnings.models import Earning
from app.domains.earnings.policies import Shares, split_sale
from app.domains.ledger.models import (
    PLATFORM_FEE,
    TAX_PAYABLE,
    TENANT_REVENUE,
    TUTOR_CLEARED,
    TUTOR_PENDING,
    LedgerAccount,
    LedgerEntry,
    Posting,
)
from tests.domains.earnings.support import eur, tax_in


def minor(shares: Shares) -> tuple[int, int, int, int]:
    return shares.tax.minor, shares.platform.minor, shares.tenant.minor, shares.tutor.minor


@pytest.mark.parametrize(
    ("gross", "tax", "platform_bp", "tutor_bp", "expected"),
    [
        # 60.00 with 19 % inside: 9.58 tax, 50.42 net; 5 % = 2.521, 70 % = 35.294, 25 % = 12.605
        (eur(6000), eur(958), 500, 7000, (958, 252, 1261, 3529)),
        (eur(6000), eur(0), 500, 7000, (0, 300, 1500, 4200)),
        (eur(6000), eur(0), 0, 10_000, (0, 0, 0, 6000)),
        (eur(6000), eur(0), 500, 10_000, (0, 300, 0, 5700)),  # the platform comes first
        (eur(6000), eur(0), 10_000, 7000, (0, 6000, 0, 0)),
        (eur(6000), eur(6000), 500, 7000, (6000, 0, 0, 0)),
        (eur(0), eur(0), 500, 7000, (0, 0, 0, 0)),
        (eur(1), eur(0), 500, 7000, (0, 0, 0, 1)),
        (eur(1), eur(0), 3333, 3333, (0, 0, 1, 0)),  # the largest remainder
        (eur(1), eur(0), 5000, 5000, (0, 1, 0, 0)),  # of equal ones the first
        (Money(1001, "JPY"), Money(91, "JPY"), 500, 7250, (91, 45, 205, 660)),
        (Money(12_345, "KWD"), Money(0, "KWD"), 1, 9998, (0, 1, 1, 12_343)),
    ],
)
def test_a_price_is_shared(
    gross: Money, tax: Money, platform_bp: int, tutor_bp: int, expected: tuple[int, ...]
) -> None:
    shares = split_sale(gross, tax=tax, platform_fee_bp=platform_bp, tutor_share_bp=tutor_bp)
    assert minor(shares) == expected
    assert shares.gross == gross


@pytest.mark.parametrize(
    ("gross", "tax", "platform_bp", "tutor_bp"),
    [
        (eur(-1), eur(0), 500, 7000),
        (eur(100), eur(-1), 500, 7000),
        (eur(100), eur(101), 500, 7000),
        (eur(100), eur(0), -1, 7000),
        (eur(100), eur(0), 10_001, 7000),
        (eur(100), eur(0), 500, -1),
        (eur(100), eur(0), 500, 10_001),
        (eur(100), Money(0, "USD"), 500, 7000),
    ],
)
def test_what_can_not_be_shared_is_refused(gross: Money, tax: Money, platform_bp: int, tutor_bp: int) -> None:
    with pytest.raises((ValueError, CurrencyMismatch)):
        split_sale(gross, tax=tax, platform_fee_bp=platform_bp, tutor_share_bp=tutor_bp)


def test_giving_back_bit_by_bit_ends_with_nothing() -> None:
    """Whatever the parts: nobody ever gives more than they have, and in the end all have given all."""
    rng = random.Random(7)
    for _case in range(2_000):
        gross = eur(rng.choice([1, 2, 99, 6000, 123_457]))
        left = split_sale(
            gross,
            tax=tax_in(gross, rng.choice([0, 700, 1900])),
            platform_fee_bp=rng.randrange(5_001),
            tutor_share_bp=rng.randrange(10_001),
        )
        while left.gross.minor:
            part = left.part(eur(rng.randint(1, left.gross.minor)))
            assert all(0 <= given <= has for given, has in zip(minor(part), minor(left), strict=True))
            left -= part
        assert minor(left) == (0, 0, 0, 0)
    assert minor(left.part(eur(0))) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("platform_bp", "tutor_bp", "taken"), [(500, 7000, 7000), (2000, 9000, 8000), (10_000, 7000, 0)]
)
def test_the_platform_comes_before_the_tutor(platform_bp: int, tutor_bp: int, taken: int) -> None:
    earning = Earning(platform_fee_bp=platform_bp, tutor_share_bp=tutor_bp)
    assert policies.tutor_bp(earning) == taken


@pytest.mark.parametrize(
    ("moved", "shares"),
    [
        # A sale; what is given back of one that cleared meanwhile; one with neither tax nor fee.
        (
            {TAX_PAYABLE: -958, PLATFORM_FEE: -252, TENANT_REVENUE: -1261, TUTOR_PENDING: -3529},
            (958, 252, 1261, 3529),
        ),
        ({TAX_PAYABLE: 96, PLATFORM_FEE: 25, TENANT_REVENUE: 126, TUTOR_CLEARED: 353}, (96, 25, 126, 353)),
        ({TUTOR_PENDING: -6000}, (0, 0, 0, 6000)),
        ({PLATFORM_FEE: -6000}, (0, 6000, 0, 0)),
    ],
)
def test_what_an_entry_moved_for_each(moved: dict[str, int], shares: tuple[int, ...]) -> None:
    entry = LedgerEntry(
        postings=[
            Posting(account=LedgerAccount(code=code), amount_minor=amount) for code, amount in moved.items()
        ]
    )
    assert minor(policies.shares_in(entry, "EUR")) == shares


def test_percents_are_written_with_all_their_places(app: Flask) -> None:
    with app.test_request_context():
        found = [policies.percent(basis_points) for basis_points in (0, 7000, 1250, 3333, 1)]
    assert found == ["0%", "70%", "12.5%", "33.33%", "0.01%"]
