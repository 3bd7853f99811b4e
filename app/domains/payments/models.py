"""Orders and the money that pays them. All amounts are minor units of the order's currency, tax included.

`provider_event` is the platform's: a webhook is stored before it is known whose it is.
"""

from __future__ import annotations

import datetime as dt
from typing import Any, ClassVar

from flask_babel import lazy_gettext as _l
from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.core.db import (
    Id,
    Model,
    TenantOwned,
    Timestamped,
    UtcDateTime,
    owned_by_tenant,
    points_at,
    to_many,
    to_one,
)
from app.core.money import Money
from app.domains.accounts.models import Person

# Orders
OPEN, PAID, EXPIRED, CANCELLED = "open", "paid", "expired", "cancelled"
ORDER_STATUS = {
    OPEN: _l("Waiting for payment"),
    PAID: _l("Paid"),
    EXPIRED: _l("Expired"),
    CANCELLED: _l("Cancelled"),
}
# Payments: `unknown` means that the provider did not answer; it is asked until it says.
CREATED, UNKNOWN, PENDING, CAPTURED, FAILED, VOIDED = (
    "created",
    "unknown",
    "pending",
    "captured",
    "failed",
    "voided",
)
PAYMENT_STATUS = {
    CREATED: _l("Created"),
    UNKNOWN: _l("Not yet known"),
    PENDING: _l("Pending"),
    CAPTURED: _l("Paid"),
    FAILED: _l("Failed"),
    VOIDED: _l("Cancelled"),
}
# Refunds
REQUESTED, SUBMITTED, SUCCEEDED = "requested", "submitted", "succeeded"
REFUND_STATUS = {
    REQUESTED: _l("Requested"),
    SUBMITTED: _l("On its way"),
    SUCCEEDED: _l("Refunded"),
    FAILED: _l("Failed"),
}
# Disputes
WON, LOST = "won", "lost"
DISPUTE_STATUS = {OPEN: _l("Open"), WON: _l("Won"), LOST: _l("Lost")}
# Provider events
RECEIVED, PROCESSED, IGNORED = "received", "processed", "ignored"
EVENT_STATUS = {RECEIVED: _l("Received"), PROCESSED: _l("Processed"), IGNORED: _l("Ignored")}
RECEIPT, CREDIT_NOTE = "receipt", "credit_note"
RECEIPT_KINDS = {RECEIPT: _l("Receipt"), CREDIT_NOTE: _l("Credit note")}
CARD, WALLET, FREE = "card", "wallet", "free"
SOURCES = (CARD, WALLET, FREE)


class Order(TenantOwned, Timestamped, Model):
    """What somebody is about to buy or has bought. `code` is public and can't be guessed; `actor` is who
    placed it (`v:<visitor>` until they signed in); it can be paid until `expires_at` (business time)."""

    __tablename__ = "sales_order"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        OPEN: frozenset({PAID, EXPIRED, CANCELLED}),
        EXPIRED: frozenset({PAID}),
        CANCELLED: frozenset({PAID}),
        PAID: frozenset(),
    }
    STATUS_NAMES: ClassVar[dict[str, Any]] = ORDER_STATUS

    code: Mapped[str] = mapped_column(String(20))
    payer_id: Mapped[int | None] = mapped_column(BigInteger)
    actor: Mapped[str] = mapped_column(String(80))
    status: Mapped[str] = mapped_column(String(10), default=OPEN)
    currency: Mapped[str] = mapped_column(String(3))
    total_minor: Mapped[int] = mapped_column(BigInteger)
    locale: Mapped[str] = mapped_column(String(10))
    placed_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    paid_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    payer: Mapped[Person | None] = to_one(lambda: Person, lambda: Order.payer_id)
    lines: Mapped[list[OrderLine]] = to_many(lambda: OrderLine.order_id, lambda: Order.id)
    payments: Mapped[list[Payment]] = to_many(lambda: Payment.order_id, lambda: Order.id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("person", "payer_id"),
            UniqueConstraint("tenant_id", "code"),
            CheckConstraint(f"status IN {tuple(ORDER_STATUS)!r}", name="status"),
            CheckConstraint("total_minor >= 0", name="total_minor"),
            CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
            Index("ix_sales_order_tenant_id_payer_id", "tenant_id", "payer_id"),
            Index("ix_sales_order_open", "tenant_id", "expires_at", postgresql_where="status = 'open'"),
        )

    @property
    def total(self) -> Money:
        return Money(self.total_minor, self.currency)

    def __str__(self) -> str:
        return self.code


class OrderLine(TenantOwned, Timestamped, Model):
    """One thing of an order: gross = net + tax. `kind` says which domain fulfils it (`seat`)."""

    __tablename__ = "order_line"

    order_id: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(String(20))
    description: Mapped[str] = mapped_column(String(300))
    quantity: Mapped[int] = mapped_column(SmallInteger, default=1)
    unit_minor: Mapped[int] = mapped_column(BigInteger)
    gross_minor: Mapped[int] = mapped_column(BigInteger)
    net_minor: Mapped[int] = mapped_column(BigInteger)
    tax_minor: Mapped[int] = mapped_column(BigInteger)
    tax_rate_bp: Mapped[int] = mapped_column(Integer)
    tax_code: Mapped[str] = mapped_column(String(20), default="")
    currency: Mapped[str] = mapped_column(String(3))
    refunded_minor: Mapped[int] = mapped_column(BigInteger, default=0)

    order: Mapped[Order] = to_one(lambda: Order, lambda: OrderLine.order_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("sales_order", "order_id"),
            CheckConstraint("quantity BETWEEN 1 AND 1000", name="quantity"),
            CheckConstraint("gross_minor = net_minor + tax_minor", name="adds_up"),
            CheckConstraint("gross_minor = unit_minor * quantity", name="gross_minor"),
            CheckConstraint("least(unit_minor, net_minor, tax_minor) >= 0", name="not_negative"),
            CheckConstraint("refunded_minor BETWEEN 0 AND gross_minor", name="refunded_minor"),
            Index("ix_order_line_tenant_id_order_id", "tenant_id", "order_id"),
        )

    @property
    def gross(self) -> Money:
        return Money(self.gross_minor, self.currency)

    def __str__(self) -> str:
        return self.description


class Payment(TenantOwned, Timestamped, Model):
    """One try to collect an order's total from a provider. `provider_ref` is its object there, known once."""

    __tablename__ = "payment"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        CREATED: frozenset({UNKNOWN, PENDING, CAPTURED, FAILED, VOIDED}),
        UNKNOWN: frozenset({PENDING, CAPTURED, FAILED, VOIDED}),
        PENDING: frozenset({CAPTURED, FAILED, VOIDED}),
        FAILED: frozenset({PENDING, CAPTURED, VOIDED}),
        CAPTURED: frozenset(),
        VOIDED: frozenset({CAPTURED}),
    }
    STATUS_NAMES: ClassVar[dict[str, Any]] = PAYMENT_STATUS
    SECRETS: ClassVar[frozenset[str]] = frozenset({"client_secret"})
    QUIET: ClassVar[frozenset[str]] = frozenset({"asked_at"})

    order_id: Mapped[int] = mapped_column(BigInteger)
    provider: Mapped[str] = mapped_column(String(20))
    provider_ref: Mapped[str | None] = mapped_column(String(100))
    client_secret: Mapped[str | None] = mapped_column(String(300))
    code: Mapped[str] = mapped_column(String(20))
    status: Mapped[str] = mapped_column(String(10), default=CREATED)
    currency: Mapped[str] = mapped_column(String(3))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    captured_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    refunded_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    fee_minor: Mapped[int | None] = mapped_column(BigInteger)
    failure_code: Mapped[str | None] = mapped_column(String(60))
    captured_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    asked_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    order: Mapped[Order] = to_one(lambda: Order, lambda: Payment.order_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("sales_order", "order_id"),
            UniqueConstraint("tenant_id", "code"),
            UniqueConstraint("tenant_id", "provider", "provider_ref"),
            CheckConstraint(f"status IN {tuple(PAYMENT_STATUS)!r}", name="status"),
            CheckConstraint("amount_minor > 0", name="amount_minor"),
            CheckConstraint("captured_minor BETWEEN 0 AND amount_minor", name="captured_minor"),
            CheckConstraint("refunded_minor BETWEEN 0 AND captured_minor", name="refunded_minor"),
            # One collection at a time: two open payments of an order could both be paid.
            Index(
                "uq_payment_open",
                "tenant_id",
                "order_id",
                unique=True,
                postgresql_where="status IN ('created', 'unknown', 'pending', 'failed', 'captured')",
            ),
            Index(
                "ix_payment_unknown",
                "tenant_id",
                "asked_at",
                postgresql_where="status IN ('created', 'unknown', 'pending')",
            ),
        )

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    def __str__(self) -> str:
        return f"{self.code} {self.amount}"


class Allocation(TenantOwned, Model):
    """How much of a line was paid by which source; a refund gives back what is left of it, in order."""

    __tablename__ = "allocation"

    line_id: Mapped[int] = mapped_column(BigInteger)
    payment_id: Mapped[int | None] = mapped_column(BigInteger)
    source: Mapped[str] = mapped_column(String(10))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    refunded_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    currency: Mapped[str] = mapped_column(String(3))

    line: Mapped[OrderLine] = to_one(lambda: OrderLine, lambda: Allocation.line_id)
    payment: Mapped[Payment | None] = to_one(lambda: Payment, lambda: Allocation.payment_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("order_line", "line_id"),
            points_at("payment", "payment_id"),
            CheckConstraint(f"source IN {SOURCES!r}", name="source"),
            CheckConstraint("(source = 'card') = (payment_id IS NOT NULL)", name="payment_of_card"),
            CheckConstraint("amount_minor >= 0", name="amount_minor"),
            CheckConstraint("refunded_minor BETWEEN 0 AND amount_minor", name="refunded_minor"),
            Index("ix_allocation_tenant_id_line_id", "tenant_id", "line_id"),
        )

    def __str__(self) -> str:
        return f"{Money(self.amount_minor, self.currency)}"


class Refund(TenantOwned, Timestamped, Model):
    """Money on its way back for one line. Its own `code` is the idempotency key, so that two refunds in part
    of one payment are two refunds, and one that is tried again is one."""

    __tablename__ = "refund"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        REQUESTED: frozenset({SUBMITTED, SUCCEEDED, FAILED}),
        SUBMITTED: frozenset({SUCCEEDED, FAILED}),
        FAILED: frozenset({REQUESTED}),
        SUCCEEDED: frozenset({FAILED}),
    }
    STATUS_NAMES: ClassVar[dict[str, Any]] = REFUND_STATUS

    code: Mapped[str] = mapped_column(String(20))
    payment_id: Mapped[int] = mapped_column(BigInteger)
    line_id: Mapped[int] = mapped_column(BigInteger)
    provider_ref: Mapped[str | None] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(10), default=REQUESTED)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    reason: Mapped[str] = mapped_column(String(200))
    requested_by: Mapped[str] = mapped_column(String(200))
    requested_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    done_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    failure_code: Mapped[str | None] = mapped_column(String(60))

    payment: Mapped[Payment] = to_one(lambda: Payment, lambda: Refund.payment_id)
    line: Mapped[OrderLine] = to_one(lambda: OrderLine, lambda: Refund.line_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("payment", "payment_id"),
            points_at("order_line", "line_id"),
            UniqueConstraint("tenant_id", "code"),
            UniqueConstraint("tenant_id", "provider_ref"),
            CheckConstraint(f"status IN {tuple(REFUND_STATUS)!r}", name="status"),
            CheckConstraint("amount_minor > 0", name="amount_minor"),
            Index("ix_refund_tenant_id_payment_id", "tenant_id", "payment_id"),
            Index("ix_refund_tenant_id_line_id", "tenant_id", "line_id"),
            Index(
                "ix_refund_open",
                "tenant_id",
                "changed_at",
                postgresql_where="status IN ('requested', 'submitted')",
            ),
            Index("ix_refund_failed", "tenant_id", postgresql_where="status = 'failed'"),
        )

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    def __str__(self) -> str:
        return f"{self.code} {self.amount}"


class Dispute(TenantOwned, Timestamped, Model):
    """A customer's bank took a payment back; `amount_minor` is held until it is decided. `fee_minor` is what
    the provider keeps for it, as far as it is known; a part may come back."""

    __tablename__ = "dispute"
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        OPEN: frozenset({WON, LOST}),
        WON: frozenset(),
        LOST: frozenset(),
    }
    STATUS_NAMES: ClassVar[dict[str, Any]] = DISPUTE_STATUS

    payment_id: Mapped[int] = mapped_column(BigInteger)
    provider_ref: Mapped[str] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(10), default=OPEN)
    reason: Mapped[str] = mapped_column(String(60))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    fee_minor: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    opened_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    payment: Mapped[Payment] = to_one(lambda: Payment, lambda: Dispute.payment_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("payment", "payment_id"),
            UniqueConstraint("tenant_id", "provider_ref"),
            CheckConstraint(f"status IN {tuple(DISPUTE_STATUS)!r}", name="status"),
            CheckConstraint("amount_minor > 0", name="amount_minor"),
            Index("ix_dispute_tenant_id_payment_id", "tenant_id", "payment_id"),
        )

    def __str__(self) -> str:
        return self.provider_ref


class Receipt(TenantOwned, Model):
    """A document about an order: `number` is gapless per tenant and kind. `code` opens it without signing
    in."""

    __tablename__ = "receipt"

    code: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(12))
    number: Mapped[int] = mapped_column(Integer)
    order_id: Mapped[int] = mapped_column(BigInteger)
    refund_id: Mapped[int | None] = mapped_column(BigInteger)
    issued_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    storage_key: Mapped[str | None] = mapped_column(String(200))
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)

    order: Mapped[Order] = to_one(lambda: Order, lambda: Receipt.order_id)
    refund: Mapped[Refund | None] = to_one(lambda: Refund, lambda: Receipt.refund_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("sales_order", "order_id"),
            points_at("refund", "refund_id"),
            UniqueConstraint("tenant_id", "kind", "number"),
            UniqueConstraint("tenant_id", "code"),
            CheckConstraint(f"kind IN {tuple(RECEIPT_KINDS)!r}", name="kind"),
            CheckConstraint("(kind = 'credit_note') = (refund_id IS NOT NULL)", name="refund_of_note"),
            Index(
                "uq_receipt_of_order",
                "tenant_id",
                "order_id",
                unique=True,
                postgresql_where="kind = 'receipt'",
            ),
            Index(
                "uq_receipt_of_refund",
                "tenant_id",
                "refund_id",
                unique=True,
                postgresql_where="refund_id IS NOT NULL",
            ),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.number}"


class ReceiptCounter(TenantOwned, Model):
    """The next number of a kind of document; locked while one is issued, so that none is skipped."""

    __tablename__ = "receipt_counter"
    AUDITED = False

    kind: Mapped[str] = mapped_column(String(12))
    next_number: Mapped[int] = mapped_column(Integer, default=1)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(cls, UniqueConstraint("tenant_id", "kind"))

    def __str__(self) -> str:
        return self.kind


class ProviderEvent(Id, Model):
    """A signed webhook as it came in, once per event of the provider. `tenant_id` when it is known whose it
    is."""

    __tablename__ = "provider_event"
    AUDITED = False

    provider: Mapped[str] = mapped_column(String(20))
    event_ref: Mapped[str] = mapped_column(String(100))
    type: Mapped[str] = mapped_column(String(80))
    object_ref: Mapped[str] = mapped_column(String(100))
    payment_ref: Mapped[str | None] = mapped_column(String(100))
    tenant_id: Mapped[int | None] = mapped_column(BigInteger, ForeignKey("tenant.id"))
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    status: Mapped[str] = mapped_column(String(10), default=RECEIVED)
    note: Mapped[str | None] = mapped_column(Text)
    received_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    processed_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    __table_args__ = (
        UniqueConstraint("provider", "event_ref"),
        CheckConstraint(f"status IN {tuple(EVENT_STATUS)!r}", name="status"),
        Index("ix_provider_event_received_at", "received_at"),
    )

    def __str__(self) -> str:
        return f"{self.type} {self.event_ref}"
