"""What amounts are made of, what a provider's words mean for us, and whose an order is."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Collection, Sequence
from typing import Protocol

from app.core.money import Money, half_up
from app.domains.payments.models import (
    CANCELLED,
    CAPTURED,
    CREATED,
    EXPIRED,
    FAILED,
    OPEN,
    PAID,
    PENDING,
    UNKNOWN,
    VOIDED,
    OrderLine,
)
from app.providers.payments import PaymentStatus, ProviderPayment, step

# What a page says of an order; finer than its status, and never stored.
PAYABLE, WAITING, DECLINED, LATE = "payable", "waiting", "declined", "late"
REFUNDED, PARTLY_REFUNDED = "refunded", "partly_refunded"
STATES = (PAYABLE, WAITING, DECLINED, LATE, PAID, PARTLY_REFUNDED, REFUNDED, EXPIRED, CANCELLED)

# A payment in one of these may still take money.
UNDER_WAY = frozenset({CREATED, UNKNOWN, PENDING, FAILED})

_STATUS: dict[PaymentStatus, str] = {
    "requires_payment_method": PENDING,
    "requires_action": PENDING,
    "processing": PENDING,
    "succeeded": CAPTURED,
    "canceled": VOIDED,
}
_REFERENCE = re.compile(r"t([1-9][0-9]{0,17}):([0-9A-Z]{20})", re.ASCII)
_CONCERNS_US = ("payment_intent.", "charge.", "refund.")
# The provider tells of the same moment as `payment_intent.succeeded` as well, which says nothing less.
_TOLD_TWICE = frozenset({"charge.succeeded"})


class HowItStands(Protocol):
    """An order, or what was read of one."""

    @property
    def status(self) -> str: ...
    @property
    def actor(self) -> str: ...
    @property
    def payer_id(self) -> int | None: ...
    @property
    def expires_at(self) -> dt.datetime: ...


class Paying(Protocol):
    """A payment."""

    @property
    def status(self) -> str: ...


class Paid(Protocol):
    """A line of an order."""

    @property
    def refunded_minor(self) -> int: ...


class WithAll(HowItStands, Protocol):
    """An order with its lines, and those of its payments that may still take money."""

    @property
    def total_minor(self) -> int: ...
    @property
    def lines(self) -> Sequence[Paid]: ...
    @property
    def payments(self) -> Sequence[Paying]: ...


def tax_within(gross: Money, rate_bp: int) -> Money:
    """The tax inside a price that includes it."""
    return Money(half_up(gross.minor * rate_bp, 10_000 + rate_bp), gross.currency)


def tax_of_part(line: OrderLine, *, before_minor: int, amount_minor: int) -> int:
    """The tax inside the part of a line that comes after `before_minor`: parts that make up the whole line
    make up its whole tax, whatever they are."""
    if not line.gross_minor:
        return 0

    def up_to(part: int) -> int:
        return half_up(part * line.tax_minor, line.gross_minor)

    return up_to(before_minor + amount_minor) - up_to(before_minor)


def is_in_steps(amount: Money) -> bool:
    """Whether a provider can move this amount to the last unit: some currencies go in steps of ten."""
    return amount.minor % step(amount.currency) == 0


def in_steps(amount: Money) -> Money:
    """The amount, rounded down to what a provider can move."""
    return Money(amount.minor - amount.minor % step(amount.currency), amount.currency)


def reference_of(tenant_id: int, code: str) -> str:
    """How a provider is told which payment or refund of which tenant this is."""
    return f"t{tenant_id}:{code}"


def read_reference(text: str | None) -> tuple[int, str] | None:
    """The tenant and the code in a reference of ours; None for anything else."""
    found = _REFERENCE.fullmatch(text or "")
    return (int(found[1]), found[2]) if found else None


def status_of(seen: ProviderPayment) -> str:
    """The provider's state in our words. After a decline the payer may try another card."""
    if seen.status == "requires_payment_method" and seen.failure_code:
        return FAILED
    return _STATUS[seen.status]


def why_ignored(event_type: str) -> str | None:
    """Why a provider's event need not be worked off; None where it must."""
    if not event_type.startswith(_CONCERNS_US):
        return "not about a payment"
    return "told by another message as well" if event_type in _TOLD_TWICE else None


def is_about_making(event_type: str) -> bool:
    """Whether it says no more than that there is a payment."""
    return event_type == "payment_intent.created"


def is_about_paying(event_type: str) -> bool:
    """Whether it is about how a payment is paid, and nothing that comes after."""
    return event_type.startswith("payment_intent.")


def is_about_refunds(event_type: str) -> bool:
    return event_type.startswith(("charge.refund", "refund."))


def is_about_dispute(event_type: str) -> bool:
    return event_type.startswith("charge.dispute.")


def is_payable(order: HowItStands, now: dt.datetime) -> bool:
    return order.status == OPEN and order.expires_at > now


def belongs_to(order: HowItStands, *, person_id: int | None, actors: Collection[str]) -> bool:
    """Whether somebody may see and pay an order: its payer, or who placed it."""
    return (person_id is not None and order.payer_id == person_id) or order.actor in actors


def state_of(order: WithAll, now: dt.datetime) -> str:
    """One word for what an order's page has to say."""
    under_way = next((p.status for p in order.payments if p.status in UNDER_WAY), None)
    if order.status == PAID:
        refunded = sum(line.refunded_minor for line in order.lines)
        if not refunded:
            return PAID
        return REFUNDED if refunded == order.total_minor else PARTLY_REFUNDED
    if order.status == CANCELLED:
        return LATE if under_way in {UNKNOWN, PENDING} else CANCELLED
    if order.status == EXPIRED or order.expires_at <= now:
        return LATE if under_way in {UNKNOWN, PENDING} else EXPIRED
    if under_way == FAILED:
        return DECLINED
    return WAITING if under_way else PAYABLE
