"""What waits is counted on every page of the admin: the few rows that do, in indexes of their own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations import ddl

revision = "20261127b_search"
down_revision = "20261127_reviews"
branch_labels = None
depends_on = None


def upgrade() -> None:
    ddl.short_locks()
    op.create_index(
        "ix_outbox_dead", "outbox", ["id"], unique=False, postgresql_where=sa.text("status = 'dead'")
    )
    op.create_index(
        "ix_refund_failed",
        "refund",
        ["tenant_id"],
        unique=False,
        postgresql_where=sa.text("status = 'failed'"),
    )


def downgrade() -> None:
    op.drop_index("ix_refund_failed", "refund")
    op.drop_index("ix_outbox_dead", "outbox")
