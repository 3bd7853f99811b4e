"""Accounts, entries, postings. Append-only: a correction is a new entry.

Amounts are minor units with a sign: debits are positive, credits negative. A deferred constraint trigger
makes every entry sum to zero per currency at commit; UPDATE, DELETE and TRUNCATE are refused by grant and
trigger.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from flask_babel import lazy_gettext as _l
from sqlalchemy import BigInteger, CheckConstraint, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from app.core.db import (
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

ASSET, LIABILITY, INCOME, EXPENSE = "asset", "liability", "income", "expense"
KIND_NAMES = {
    ASSET: _l("Asset"),
    LIABILITY: _l("Liability"),
    INCOME: _l("Income"),
    EXPENSE: _l("Expense"),
}

# The chart of accounts: what each is called, and which side it stands on. Those of a tutor exist per person.
PROVIDER_BALANCE = "provider_balance"
CUSTOMER_FUNDS = "customer_funds"
TUTOR_PENDING, TUTOR_CLEARED = "tutor_pending", "tutor_cleared"
PLATFORM_FEE = "platform_fee"
TENANT_REVENUE = "tenant_revenue"
TAX_PAYABLE = "tax_payable"
PROCESSING_FEES = "processing_fees"
REFUNDS_PENDING = "refunds_pending"
DISPUTES_HELD = "disputes_held"
DISPUTE_LOSSES = "dispute_losses"
WALLET = "wallet"
CHART: dict[str, tuple[str, Any]] = {
    PROVIDER_BALANCE: (ASSET, _l("Balance at the payment provider")),
    DISPUTES_HELD: (ASSET, _l("Held in disputes")),
    CUSTOMER_FUNDS: (LIABILITY, _l("Customers' money without a booking")),
    WALLET: (LIABILITY, _l("Students' wallets")),
    TUTOR_PENDING: (LIABILITY, _l("Tutors' earnings, pending")),
    TUTOR_CLEARED: (LIABILITY, _l("Tutors' earnings, cleared")),
    PLATFORM_FEE: (LIABILITY, _l("Fee owed to the platform")),
    TAX_PAYABLE: (LIABILITY, _l("Tax collected")),
    REFUNDS_PENDING: (LIABILITY, _l("Refunds on their way")),
    TENANT_REVENUE: (INCOME, _l("Company's share")),
    PROCESSING_FEES: (EXPENSE, _l("Fees of the payment provider")),
    DISPUTE_LOSSES: (EXPENSE, _l("Lost disputes")),
}
PER_PERSON = frozenset({TUTOR_PENDING, TUTOR_CLEARED, WALLET})
# A tutor whose lesson is refunded after payout owes; a provider's balance and the shares follow reversals.
MAY_BE_NEGATIVE = frozenset(
    {
        TUTOR_CLEARED,
        PROVIDER_BALANCE,
        PLATFORM_FEE,
        TAX_PAYABLE,
        TENANT_REVENUE,
        PROCESSING_FEES,
        DISPUTE_LOSSES,
    }
)


class LedgerAccount(TenantOwned, Timestamped, Model):
    """One account of a tenant's books, in one currency; `person_id` for those that exist per person."""

    __tablename__ = "ledger_account"

    code: Mapped[str] = mapped_column(String(40))
    kind: Mapped[str] = mapped_column(String(10))
    currency: Mapped[str] = mapped_column(String(3))
    person_id: Mapped[int | None] = mapped_column(BigInteger)
    may_be_negative: Mapped[bool] = mapped_column(default=False)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("person", "person_id"),
            CheckConstraint(f"kind IN {tuple(KIND_NAMES)!r}", name="kind"),
            CheckConstraint("currency ~ '^[A-Z]{3}$'", name="currency"),
            Index(
                "uq_ledger_account_code",
                "tenant_id",
                "code",
                "currency",
                "person_id",
                unique=True,
                postgresql_nulls_not_distinct=True,
            ),
        )

    @property
    def name(self) -> Any:
        return CHART[self.code][1] if self.code in CHART else self.code

    def __str__(self) -> str:
        return f"{self.name} ({self.currency})"


class LedgerEntry(TenantOwned, Model):
    """One thing that happened to money. `key` makes it once only; `occurred_at` is business time."""

    __tablename__ = "ledger_entry"
    AUDITED = False

    key: Mapped[str] = mapped_column(String(120))
    kind: Mapped[str] = mapped_column(String(40))
    memo: Mapped[str] = mapped_column(String(300), default="")
    source_kind: Mapped[str] = mapped_column(String(30))
    source_id: Mapped[int] = mapped_column(BigInteger)
    reverses_id: Mapped[int | None] = mapped_column(BigInteger)
    occurred_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    recorded_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)

    postings: Mapped[list[Posting]] = to_many(lambda: Posting.entry_id, lambda: LedgerEntry.id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("ledger_entry", "reverses_id"),
            UniqueConstraint("tenant_id", "key"),
            Index("ix_ledger_entry_source", "tenant_id", "source_kind", "source_id"),
            Index("ix_ledger_entry_tenant_id_occurred_at", "tenant_id", "occurred_at"),
        )

    def __str__(self) -> str:
        return f"{self.kind} {self.key}"


class Posting(TenantOwned, Model):
    """An amount on one account: debit positive, credit negative, never zero."""

    __tablename__ = "posting"
    AUDITED = False

    entry_id: Mapped[int] = mapped_column(BigInteger)
    account_id: Mapped[int] = mapped_column(BigInteger)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))

    entry: Mapped[LedgerEntry] = to_one(lambda: LedgerEntry, lambda: Posting.entry_id)
    account: Mapped[LedgerAccount] = to_one(lambda: LedgerAccount, lambda: Posting.account_id)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            points_at("ledger_entry", "entry_id"),
            points_at("ledger_account", "account_id"),
            CheckConstraint("amount_minor <> 0", name="amount_minor"),
            Index("ix_posting_tenant_id_entry_id", "tenant_id", "entry_id"),
            Index(
                "ix_posting_tenant_id_account_id",
                "tenant_id",
                "account_id",
                postgresql_include=["amount_minor"],
            ),
        )

    @property
    def amount(self) -> Money:
        return Money(self.amount_minor, self.currency)

    def __str__(self) -> str:
        return f"{self.amount}"
