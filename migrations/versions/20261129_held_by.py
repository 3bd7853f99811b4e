"""What somebody holds is asked at each hold: by whom, however many others hold something just then."""

from __future__ import annotations

from alembic import op

revision = "20261129_held_by"
down_revision = "20261128_dispute_fees"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Keeps nobody from booking meanwhile. One that was broken off leaves an index that is none."""
    with op.get_context().autocommit_block():
        _drop()
        op.create_index(
            "ix_seat_held_by",
            "seat",
            ["tenant_id", "actor"],
            unique=False,
            postgresql_where="status = 'held'",
            postgresql_concurrently=True,
            if_not_exists=True,
        )


def downgrade() -> None:
    with op.get_context().autocommit_block():
        _drop()


def _drop() -> None:
    op.drop_index("ix_seat_held_by", "seat", postgresql_concurrently=True, if_exists=True)
