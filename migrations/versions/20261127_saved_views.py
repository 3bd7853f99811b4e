"""Lists as people keep them, actions on many records that take their time, and files that wait for a yes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import ddl

revision = "20261127_saved_views"
down_revision = "20261126_main_job"
branch_labels = None
depends_on = None

# Rows of the platform's host name no tenant; those of a company are walled like all that is its own.
OURS = ("list_view", "bulk_run", "bulk_failure", "import_draft")


def upgrade() -> None:
    ddl.short_locks()
    list_views()
    bulk_runs()
    import_drafts()
    ddl.protect("list_view")
    ddl.protect("import_draft")
    # What was done to many records at once is history: it is never deleted.
    ddl.protect("bulk_run", grants=("SELECT", "INSERT", "UPDATE"))
    ddl.protect("bulk_failure", grants=("SELECT", "INSERT"))


def downgrade() -> None:
    for table in reversed(OURS):
        op.drop_table(table)


def _json(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB(astext_type=sa.Text()), nullable=nullable)


def list_views() -> None:
    op.create_table(
        "list_view",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("owner_name", sa.String(length=200), nullable=False),
        sa.Column("entry", sa.String(length=60), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=True),
        sa.Column("is_shared", sa.Boolean(), nullable=False),
        _json("args"),
        _json("columns", nullable=True),
        sa.Column("opens_with_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_list_view_name")),
        sa.CheckConstraint("name IS NOT NULL OR NOT is_shared", name=op.f("ck_list_view_settings_private")),
        sa.CheckConstraint("name IS NULL OR opens_with_id IS NULL", name=op.f("ck_list_view_opens_with_id")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_list_view_tenant_id"),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_list_view_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_list_view")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_list_view_tenant_id_id"),
        sa.UniqueConstraint(
            "tenant_id",
            "entry",
            "user_id",
            "name",
            name=op.f("uq_list_view_tenant_id_entry_user_id_name"),
            postgresql_nulls_not_distinct=True,
        ),
    )


def bulk_runs() -> None:
    op.create_table(
        "bulk_run",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.BigInteger(), nullable=True),
        sa.Column("actor_label", sa.String(length=200), nullable=False),
        sa.Column("entry", sa.String(length=60), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        _json("values"),
        sa.Column("matching", sa.Text(), nullable=True),
        sa.Column("ids", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('waiting', 'running', 'done', 'stopped', 'failed')", name=op.f("ck_bulk_run_status")
        ),
        sa.CheckConstraint(
            "done + failed = position AND position BETWEEN 0 AND total", name=op.f("ck_bulk_run_position")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_bulk_run_tenant_id"),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_bulk_run_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_run")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_bulk_run_tenant_id_id"),
    )
    op.create_table(
        "bulk_failure",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("row_id", sa.BigInteger(), nullable=False),
        sa.Column("row_label", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["bulk_run.tenant_id", "bulk_run.id"],
            name=op.f("fk_bulk_failure_tenant_id_run_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_bulk_failure_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk_failure")),
        sa.UniqueConstraint("run_id", "row_id", name=op.f("uq_bulk_failure_run_id_row_id")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_bulk_failure_tenant_id_id"),
    )


def import_drafts() -> None:
    op.create_table(
        "import_draft",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("entry", sa.String(length=60), nullable=False),
        sa.Column("filename", sa.String(length=200), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("imported_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(content IS NULL) = (imported_at IS NOT NULL)", name=op.f("ck_import_draft_content")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_import_draft_tenant_id"),
        sa.ForeignKeyConstraint(["user_id"], ["ab_user.id"], name=op.f("fk_import_draft_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_draft")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_import_draft_tenant_id_id"),
    )
    op.create_index("ix_import_draft_made_at", "import_draft", ["made_at"], unique=False)
