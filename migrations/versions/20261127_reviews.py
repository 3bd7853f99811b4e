"""Reviews: what a student says about an offering, the lessons that give the right to, and the ratings."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations import ddl

revision = "20261127_reviews"
down_revision = "20261127_saved_views"
branch_labels = None
depends_on = None


def upgrade() -> None:
    ddl.short_locks()
    rating()
    participation()
    review()
    ddl.protect("participation", grants=("SELECT", "INSERT", "UPDATE", "DELETE"))
    ddl.protect("review", grants=("SELECT", "INSERT", "UPDATE"))
    known_participation()


def downgrade() -> None:
    op.execute("DROP TABLE review")
    op.execute("DROP TABLE participation")
    op.drop_constraint(op.f("ck_offering_rating"), "offering")
    op.drop_column("offering", "rating_sum")
    op.drop_column("offering", "rating_count")


def rating() -> None:
    """To a table that there is already: constant defaults, so that nothing is rewritten."""
    for name in ("rating_count", "rating_sum"):
        op.add_column("offering", sa.Column(name, sa.Integer(), nullable=False, server_default="0"))
    op.create_check_constraint(
        op.f("ck_offering_rating"),
        "offering",
        "rating_count >= 0 AND rating_sum BETWEEN rating_count AND 5 * rating_count",
    )


def participation() -> None:
    op.create_table(
        "participation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("student_id", sa.BigInteger(), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "offering_id"],
            ["offering.tenant_id", "offering.id"],
            name=op.f("fk_participation_tenant_id_offering_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "student_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_participation_tenant_id_student_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_participation_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_participation")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_participation_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "source_id", name=op.f("uq_participation_tenant_id_source_id")),
    )
    op.create_index(
        "ix_participation_student", "participation", ["tenant_id", "student_id", "offering_id"], unique=False
    )
    op.create_index("ix_participation_offering", "participation", ["tenant_id", "offering_id"], unique=False)


def review() -> None:
    op.create_table(
        "review",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("student_id", sa.BigInteger(), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.Column("rating", sa.SmallInteger(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("hidden_reason", sa.Text(), nullable=True),
        sa.Column("hidden_by", sa.String(length=200), nullable=True),
        sa.Column("reply", sa.Text(), nullable=True),
        sa.Column("replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("rating BETWEEN 1 AND 5", name=op.f("ck_review_rating")),
        sa.CheckConstraint("status IN ('visible', 'hidden', 'lapsed')", name=op.f("ck_review_status")),
        sa.CheckConstraint("length(text) <= 2000", name=op.f("ck_review_text")),
        sa.CheckConstraint("length(reply) BETWEEN 1 AND 2000", name=op.f("ck_review_reply")),
        sa.CheckConstraint("(reply IS NULL) = (replied_at IS NULL)", name=op.f("ck_review_replied")),
        sa.CheckConstraint(
            "status <> 'hidden' OR btrim(hidden_reason) <> ''", name=op.f("ck_review_hidden_reason")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "offering_id"],
            ["offering.tenant_id", "offering.id"],
            name=op.f("fk_review_tenant_id_offering_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "student_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_review_tenant_id_student_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "author_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_review_tenant_id_author_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_review_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_review")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_review_tenant_id_id"),
        sa.UniqueConstraint(
            "tenant_id", "student_id", "offering_id", name=op.f("uq_review_tenant_id_student_id_offering_id")
        ),
    )
    op.create_index(
        "ix_review_offering", "review", ["tenant_id", "offering_id", "status", "written_at"], unique=False
    )
    op.create_index("ix_review_written", "review", ["tenant_id", "status", "written_at"], unique=False)


def known_participation() -> None:
    """Of lessons that were attended before there were reviews."""
    op.execute("""
        INSERT INTO participation (tenant_id, offering_id, student_id, source_id, happened_at)
        SELECT s.tenant_id, l.offering_id, s.student_id, s.id, l.starts_at
        FROM seat s JOIN lesson l ON l.tenant_id = s.tenant_id AND l.id = s.lesson_id
          JOIN order_line o ON o.tenant_id = s.tenant_id AND o.id = s.line_id
        WHERE s.status = 'attended' AND (o.gross_minor = 0 OR o.refunded_minor < o.gross_minor)
    """)
