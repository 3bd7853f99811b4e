"""How a sale is shared, and how that is said in plain words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from babel.numbers import format_percent
from flask_babel import gettext as _
from flask_babel import ngettext

from app.core.locales import reader_locale
from app.core.moments import moment
from app.core.money import Money
from app.domains.earnings.models import PENDING, REVERSED, Earning
from app.domains.ledger.models import (
    PLATFORM_FEE,
    TAX_PAYABLE,
    TENANT_REVENUE,
    TUTOR_CLEARED,
    TUTOR_PENDING,
    LedgerEntry,
)

WHOLE_BP = 10_000
LONGEST_HOLD_DAYS = 90

Chapter = tuple[LedgerEntry | None, str, list[str]]  # an entry, its title, and what is said of it


@dataclass(frozen=True)
class Shares:
    """What a price consists of. The four add up to it."""

    tax: Money
    platform: Money
    tenant: Money
    tutor: Money

    @property
    def gross(self) -> Money:
        return self.tax + self.platform + self.tenant + self.tutor

    def part(self, amount: Money) -> Shares:
        """What each gives if so much of the price is given back: in proportion, by largest remainder, and
        nobody more than they have."""
        held = (self.tax.minor, self.platform.minor, self.tenant.minor, self.tutor.minor)
        return Shares(*amount.split(held)) if amount.minor else Shares(*(amount for _share in held))

    def __sub__(self, other: Shares) -> Shares:
        return Shares(
            self.tax - other.tax,
            self.platform - other.platform,
            self.tenant - other.tenant,
            self.tutor - other.tutor,
        )


def split_sale(gross: Money, *, tax: Money, platform_fee_bp: int, tutor_share_bp: int) -> Shares:
    """Tax first; platform, tutor and company share the rest by largest remainder.

    Platform and tutor never get more than all of it: the platform comes first. Raises ValueError for a tax
    below zero or above the price, and for shares out of range.
    """
    net = gross - tax
    if min(gross.minor, tax.minor, net.minor) < 0:
        raise ValueError(f"a price of {gross} can't hold a tax of {tax}")
    if not (0 <= platform_fee_bp <= WHOLE_BP and 0 <= tutor_share_bp <= WHOLE_BP):
        raise ValueError("a share is between nothing and all")
    tutor_part = min(tutor_share_bp, WHOLE_BP - platform_fee_bp)
    weights = [platform_fee_bp, tutor_part, WHOLE_BP - platform_fee_bp - tutor_part]
    platform, tutor, tenant = net.split(weights)
    return Shares(tax, platform, tenant, tutor)


def shares_of(earning: Earning) -> Shares:
    """How what is left of the price is shared."""
    currency = earning.currency
    return Shares(
        Money(earning.tax_minor, currency),
        Money(earning.platform_minor, currency),
        Money(earning.tenant_minor, currency),
        Money(earning.tutor_minor, currency),
    )


def tutor_bp(earning: Earning) -> int:
    """The tutor's share as it was taken: what the platform takes comes first."""
    return min(earning.tutor_share_bp, WHOLE_BP - earning.platform_fee_bp)


def shares_in(entry: LedgerEntry, currency: str) -> Shares:
    """What an entry of a sale, or of its being given back, moved for each; above zero in both."""
    moved = {posting.account.code: abs(posting.amount_minor) for posting in entry.postings}
    tutor = moved.get(TUTOR_PENDING, 0) + moved.get(TUTOR_CLEARED, 0)
    of_each = (moved.get(TAX_PAYABLE, 0), moved.get(PLATFORM_FEE, 0), moved.get(TENANT_REVENUE, 0), tutor)
    return Shares(*(Money(minor, currency) for minor in of_each))


def may_clear(earning: Earning, *, at: dt.datetime) -> bool:
    """Whether its time has come, and nothing holds it."""
    return (
        earning.status == PENDING
        and not earning.is_held
        and earning.clears_at is not None
        and earning.clears_at <= at
    )


# -- in words ---------------------------------------------------------------------------------------------


def amount(value: Money) -> str:
    """As the reader's language writes it."""
    return value.format(reader_locale())


def percent(basis_points: int) -> str:
    """With all the decimal places there are."""
    share = Decimal(basis_points) / WHOLE_BP
    return str(format_percent(share.normalize(), locale=reader_locale(), decimal_quantization=False))


def sale_in_words(shares: Shares, earning: Earning) -> list[str]:
    """How the price of a sale came to be shared, to its tutor."""
    if not shares.gross.minor:
        return [_("It was free: nothing was paid, so there is nothing to share.")]
    net = shares.gross - shares.tax
    if shares.tax.minor:
        first = _(
            "%(gross)s paid, %(tax)s of it tax at %(rate)s. That leaves %(net)s to share.",
            gross=amount(shares.gross),
            tax=amount(shares.tax),
            rate=percent(earning.tax_rate_bp),
            net=amount(net),
        )
    else:
        first = _("%(gross)s paid, no tax in it. All of it is shared.", gross=amount(shares.gross))
    return [
        first,
        _(
            "The platform's fee is %(share)s of that: %(amount)s.",
            share=percent(earning.platform_fee_bp),
            amount=amount(shares.platform),
        ),
        _(
            "Your share is %(share)s of that: %(amount)s.",
            share=percent(tutor_bp(earning)),
            amount=amount(shares.tutor),
        ),
        _("The company keeps the rest: %(amount)s.", amount=amount(shares.tenant)),
    ]


def giveback_in_words(shares: Shares) -> list[str]:
    """What each gave when some of a sale was given back, to its tutor."""
    return [
        _("%(amount)s went back to the customer. Each gave their part of it:", amount=amount(shares.gross)),
        _(
            "tax %(tax)s, the platform %(platform)s, the company %(company)s, you %(tutor)s.",
            tax=amount(shares.tax),
            platform=amount(shares.platform),
            company=amount(shares.tenant),
            tutor=amount(shares.tutor),
        ),
    ]


def next_in_words(earning: Earning) -> str:
    """What happens to an earning next, when, and why."""
    return str(_next(earning))


def _next(earning: Earning) -> Any:
    if earning.status == REVERSED:
        if earning.reason:
            words = earning.reason.rstrip(".")
            return _("Given back: %(reason)s. This does not change any more.", reason=words)
        return _("Given back. This does not change any more.")
    if earning.cleared_at is not None:
        return _("Cleared on %(time)s. Only a refund could still change it.", time=moment(earning.cleared_at))
    if earning.is_held:
        return _("Held until the customer's bank has decided about the payment.")
    if earning.clears_at is None:
        return ngettext(
            "Clears %(num)s day after the lesson has taken place.",
            "Clears %(num)s days after the lesson has taken place.",
            earning.hold_days,
        )
    return ngettext(
        "Clears on %(time)s, %(num)s day after the lesson.",
        "Clears on %(time)s, %(num)s days after the lesson.",
        earning.hold_days,
        time=moment(earning.clears_at),
    )


def story(earning: Earning, entries: Iterable[LedgerEntry]) -> list[Chapter]:
    """Each entry of an earning with its title and sentences; one without an entry where it was free."""
    found: list[Chapter] = []
    for entry in entries:
        shares = shares_in(entry, earning.currency)
        if entry.kind == "sale":
            found.append((entry, _("Sold"), sale_in_words(shares, earning)))
        elif entry.kind == "giveback":
            found.append((entry, _("Given back"), giveback_in_words(shares)))
        elif entry.kind == "clear":
            found.append((entry, _("Cleared"), [clearing_in_words(entry, earning)]))
    return found or [(None, _("Sold"), sale_in_words(shares_of(earning), earning))]


def clearing_in_words(entry: LedgerEntry, earning: Earning) -> str:
    """What clearing made of an earning."""
    cleared = sum(posting.amount_minor for posting in entry.postings if posting.amount_minor > 0)
    words = ngettext(
        "%(amount)s became yours for certain, %(num)s day after the lesson.",
        "%(amount)s became yours for certain, %(num)s days after the lesson.",
        earning.hold_days,
        amount=amount(Money(cleared, earning.currency)),
    )
    return str(words)
