"""What belongs into the books, and what accounts and entries mean to people who never learned bookkeeping."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flask_babel import lazy_gettext as _l

from app.core.money import Money
from app.domains.ledger.errors import Unbalanced
from app.domains.ledger.models import (
    CHART,
    CUSTOMER_FUNDS,
    DISPUTE_LOSSES,
    DISPUTES_HELD,
    PER_PERSON,
    PLATFORM_FEE,
    PROCESSING_FEES,
    PROVIDER_BALANCE,
    REFUNDS_PENDING,
    TAX_PAYABLE,
    TENANT_REVENUE,
    TUTOR_CLEARED,
    TUTOR_PENDING,
    WALLET,
)

# What an entry is about, by its `kind`. One that is missing here is shown as it was written.
KIND_OF_ENTRY: Mapping[str, Any] = {
    "capture": _l("Payment received"),
    "fee": _l("Fee of the payment provider"),
    "sale": _l("Sale"),
    "giveback": _l("Sale taken back"),
    "refund": _l("Refund on its way"),
    "refunded": _l("Refund arrived"),
    "refund_failed": _l("Refund failed"),
    "clear": _l("Earnings cleared"),
    "dispute": _l("Dispute opened"),
    "dispute_won": _l("Dispute won"),
    "dispute_lost": _l("Dispute lost"),
    "dispute_fee": _l("Fee of a dispute"),
    "reversal": _l("Reversal"),
}

MEANING: Mapping[str, Any] = {
    PROVIDER_BALANCE: _l("What the payment provider holds for you until it pays it out."),
    DISPUTES_HELD: _l("Taken from you while a customer's bank looks into a payment."),
    CUSTOMER_FUNDS: _l("Paid by customers, but not yet for a lesson that stands; it is owed to them."),
    WALLET: _l("What students have on account with you."),
    TUTOR_PENDING: _l("Earned by your tutors, but still inside the time in which it may be refunded."),
    TUTOR_CLEARED: _l("What you owe your tutors for certain."),
    PLATFORM_FEE: _l("What you owe the platform for what was sold."),
    TAX_PAYABLE: _l("Collected with the prices, and owed to the tax office."),
    REFUNDS_PENDING: _l("On its way back to customers, but not there yet."),
    TENANT_REVENUE: _l("What is left for you of what was sold."),
    PROCESSING_FEES: _l("What the payment provider keeps of payments, and for disputes."),
    DISPUTE_LOSSES: _l("What you lost to customers' banks."),
}


def check_account(code: str, person_id: int | None) -> None:
    """Raises ValueError for an account that the chart does not know, or of nobody where it is somebody's."""
    if code not in CHART:
        raise ValueError(f"the chart of accounts knows no {code!r}")
    if (code in PER_PERSON) != (person_id is not None):
        raise ValueError(f"{code!r} exists {'per person' if code in PER_PERSON else 'once'}")


def check_balanced(amounts: Iterable[Money]) -> None:
    """Raises Unbalanced unless they sum to zero in each currency, and something moves at all."""
    sums: dict[str, int] = {}
    for amount in amounts:
        sums[amount.currency] = sums.get(amount.currency, 0) + amount.minor
    if not sums:
        raise Unbalanced("nothing moves in this entry")
    if any(sums.values()):
        raise Unbalanced(f"an entry sums to zero, this one to {sums}")
