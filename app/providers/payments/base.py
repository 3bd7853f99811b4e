"""Payments: what is asked of a provider, what it answers, and what every provider promises.

Amounts are in the minor units of an ISO currency. The payer gives their card to the provider alone
(in the browser), so no call here is declined: a decline is a state that `retrieve_payment` shows and
an event tells. Events come late, twice and in any order: they say *that* something happened, and
`retrieve_*` says what is true now.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from flask_babel import lazy_gettext as _l

from app.core.errors import DomainError
from app.core.money import Money
from app.core.outside import ProviderRefused
from app.providers.payments.units import step

PaymentStatus = Literal["requires_payment_method", "requires_action", "processing", "succeeded", "canceled"]
RefundStatus = Literal["pending", "requires_action", "succeeded", "failed", "canceled"]

TOLERANCE_SECONDS = 300

# What an installation asks to be told: what says something new of a payment, its refunds and disputes. That a
# payment was made says the call that made it; that it was charged, the message that it succeeded.
EVENTS = frozenset(
    {
        "payment_intent.succeeded",
        "payment_intent.processing",
        "payment_intent.requires_action",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "charge.updated",
        "charge.refunded",
        "charge.refund.updated",
        "charge.dispute.created",
        "charge.dispute.updated",
        "charge.dispute.closed",
        "refund.created",
        "refund.updated",
        "refund.failed",
    }
)

_REFERENCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}", re.ASCII)
_MOST_METADATA, _LONGEST_KEY, _LONGEST_VALUE = 50, 40, 500
_LONGEST_IDEMPOTENCY_KEY = 255
_LONGEST_DESCRIPTION = 1000


class PaymentRefused(ProviderRefused):
    """The provider says no; `reason` is its own code for why, such as `charge_already_refunded`."""

    def __init__(self, provider: str, detail: str, *, reason: str = "") -> None:
        super().__init__(provider, detail)
        self.reason = reason


class BadEvent(DomainError):
    """What came in at the webhook's door is no event of the provider."""

    code, status, message = "bad_event", 400, _l("This is not a message of the payment service.")


class BadSignature(BadEvent):
    """Its signature is missing, wrong or too old, or the text was changed."""

    code, message = "bad_signature", _l("The signature of this message is not right.")


@dataclass(frozen=True, slots=True)
class PaymentRequest:
    """A payment to be made. `reference` is our own name for it, by which it can be found again.

    The same `idempotency_key` makes the same payment, however often it is sent. Raises ValueError.
    """

    amount_minor: int
    currency: str
    reference: str
    description: str
    idempotency_key: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    receipt_email: str | None = None

    def __post_init__(self) -> None:
        _check(self.amount_minor, self.reference, self.metadata, self.idempotency_key)
        Money(self.amount_minor, self.currency)
        if self.amount_minor % step(self.currency):
            raise ValueError(f"{self.currency} is charged in steps of {step(self.currency)} minor units")
        if len(self.description) > _LONGEST_DESCRIPTION:
            raise ValueError("the description is too long")


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Money to be given back, in part or whole; key and reference as with a payment. Raises ValueError."""

    payment_id: str
    amount_minor: int
    currency: str
    reference: str
    idempotency_key: str
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check(self.amount_minor, self.reference, self.metadata, self.idempotency_key)
        Money(self.amount_minor, self.currency)
        if self.amount_minor % step(self.currency):
            raise ValueError(f"{self.currency} is refunded in steps of {step(self.currency)} minor units")


@dataclass(frozen=True, slots=True)
class ProviderPayment:
    """A payment as it stands. The fee is None until the provider knows it.

    `fee_currency` is the one that the provider pays out in, and need not be the payment's.
    """

    id: str
    status: PaymentStatus
    client_secret: str
    amount_minor: int
    currency: str
    captured_minor: int
    refunded_minor: int
    fee_minor: int | None
    fee_currency: str | None
    failure_code: str | None
    metadata: Mapping[str, str]
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class ProviderRefund:
    """A refund as it stands; one that succeeded can still fail, days later."""

    id: str
    payment_id: str
    amount_minor: int
    currency: str
    status: RefundStatus
    metadata: Mapping[str, str]
    failure_code: str | None


@dataclass(frozen=True, slots=True)
class ProviderFee:
    """What the provider keeps for one movement `id` of its balance; negative where it gives some back."""

    id: str
    minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class ProviderDispute:
    """A chargeback; `status` ends as won or lost (Stripe's words), and `fees` grow as it goes on."""

    id: str
    payment_id: str
    amount_minor: int
    currency: str
    status: str
    reason: str
    fees: tuple[ProviderFee, ...] = ()


@dataclass(frozen=True, slots=True)
class ProviderEvent:
    """Something that happened at the provider, to the object `object_id` of type `object_type`."""

    id: str
    type: str
    created_at: dt.datetime
    object_id: str
    object_type: str
    payment_id: str | None
    metadata: Mapping[str, str]
    api_version: str | None
    livemode: bool


class PaymentProvider(Protocol):
    """A way to be paid. Every call to the outside raises ProviderUnavailable (also ProviderDeferred) when
    it is worth another try, with the same idempotency key; else PaymentRefused."""

    @property
    def name(self) -> str: ...

    @property
    def is_test(self) -> bool:
        """Whether no real money moves."""

    @property
    def publishable_key(self) -> str:
        """What the payer's browser may know."""

    def checkout_url(self, payment: ProviderPayment, return_url: str) -> str | None:
        """Where the payer's browser goes to pay; None where our own page shows the provider's form."""

    def create_payment(self, request: PaymentRequest) -> ProviderPayment:
        """After ProviderUnavailable it may exist: the same key asked again answers with it."""

    def retrieve_payment(self, payment_id: str) -> ProviderPayment: ...

    def find_payment(self, reference: str) -> ProviderPayment | None:
        """The payment of ours with this reference; None where there is none *yet*.

        What was made seconds ago may be missed when very many others were made since.
        """

    def cancel_payment(self, payment_id: str, idempotency_key: str) -> ProviderPayment:
        """Nobody can pay it any more. PaymentRefused where it was paid; canceled before is fine."""

    def create_refund(self, request: RefundRequest) -> ProviderRefund:
        """PaymentRefused above the captured rest, before capture and while disputed."""

    def retrieve_refund(self, refund_id: str) -> ProviderRefund: ...

    def refunds_of(self, payment_id: str) -> tuple[ProviderRefund, ...]:
        """Oldest first."""

    def retrieve_dispute(self, dispute_id: str) -> ProviderDispute: ...

    def read_event(self, body: bytes, signature: str) -> ProviderEvent:
        """The event in a webhook's body, as it came; raises BadSignature or BadEvent. Calls nobody."""


def _check(amount_minor: int, reference: str, metadata: Mapping[str, str], idempotency_key: str) -> None:
    """What could never be right, whoever the provider is; raises ValueError."""
    if amount_minor <= 0:
        raise ValueError("the amount must be positive")
    if not _REFERENCE.fullmatch(reference):
        raise ValueError("this is no reference")
    if not 0 < len(idempotency_key) <= _LONGEST_IDEMPOTENCY_KEY or not idempotency_key.isascii():
        raise ValueError("this is no idempotency key")
    if len(metadata) >= _MOST_METADATA or "reference" in metadata:
        raise ValueError("too much metadata, or the reference in it")
    if any(
        not key
        or len(key) > _LONGEST_KEY
        or "[" in key
        or "]" in key
        or not value
        or len(value) > _LONGEST_VALUE
        for key, value in metadata.items()
    ):
        raise ValueError("a name or a value of the metadata is empty or too long")
