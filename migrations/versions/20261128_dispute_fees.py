"""What the provider keeps for a dispute."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations import ddl

revision = "20261128_dispute_fees"
down_revision = "20261127b_search"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A constant default, so that nothing is rewritten; and what the books know, after a way down and up."""
    ddl.short_locks()
    op.add_column("dispute", sa.Column("fee_minor", sa.BigInteger(), nullable=False, server_default="0"))
    op.execute("""
        UPDATE dispute SET fee_minor = booked.minor
        FROM (SELECT e.tenant_id, e.source_id, sum(p.amount_minor) AS minor
              FROM ledger_entry e JOIN posting p ON p.tenant_id = e.tenant_id AND p.entry_id = e.id
                JOIN ledger_account a ON a.tenant_id = p.tenant_id AND a.id = p.account_id
              WHERE e.kind = 'dispute_fee' AND a.code = 'processing_fees' GROUP BY 1, 2) AS booked
        WHERE dispute.tenant_id = booked.tenant_id AND dispute.id = booked.source_id
    """)


def downgrade() -> None:
    op.drop_column("dispute", "fee_minor")
