"""The main job: catalog, ledger, earnings, payments, booking, messaging, notifications; the movable clock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations import ddl

revision = "20261126_main_job"
down_revision = "20261122_skeleton"
branch_labels = None
depends_on = None

CATALOG = (
    "subject",
    "tax_rate",
    "cancellation_policy",
    "tutor_profile",
    "offering",
    "variant",
    "price_change",
    "offering_revision",
)
LEDGER = ("ledger_account", "ledger_entry", "posting")
EARNINGS = ("commission_plan", "earning")
PAYMENTS = (
    "sales_order",
    "order_line",
    "payment",
    "allocation",
    "refund",
    "dispute",
    "receipt",
    "receipt_counter",
)
BOOKING = (
    "availability_schedule",
    "availability_rule",
    "availability_override",
    "lesson",
    "seat",
    "seat_move",
    "occupation",
)
MESSAGING = ("conversation", "conversation_member", "message")
OWNED = (*CATALOG, *LEDGER, *EARNINGS, *PAYMENTS, *BOOKING, *MESSAGING, "notification")

# What happened to money and time is never taken back by a row's end or change.
APPEND_ONLY = ("ledger_entry", "posting", "price_change", "seat_move")
KEPT = (*PAYMENTS, "earning", "lesson", "seat", "message", "conversation", "ledger_account")


def upgrade() -> None:
    ddl.short_locks()
    op.execute("CREATE EXTENSION IF NOT EXISTS btree_gist")
    additions()
    for make in (catalog, ledger, earnings, payments, booking, messaging, notifications):
        make()
    walls()
    books()


def downgrade() -> None:
    for table in ("provider_event", *reversed(OWNED), "clock_offset"):
        op.execute(f"DROP TABLE {table} CASCADE")
    op.execute("DROP FUNCTION ledger_entry_is_balanced()")
    op.execute("DROP FUNCTION refuse_change()")
    op.drop_column("mock_mail", "attachments")
    op.drop_column("person", "locale")
    op.drop_column("person", "timezone")
    op.drop_constraint(op.f("ck_plan_platform_fee_bp"), "plan")
    op.drop_column("plan", "platform_fee_bp")
    op.execute("DROP EXTENSION btree_gist")


def additions() -> None:
    """To tables that there are already: nullable or with a constant default, so that nothing is rewritten."""
    op.add_column("plan", sa.Column("platform_fee_bp", sa.Integer(), nullable=False, server_default="500"))
    op.create_check_constraint(op.f("ck_plan_platform_fee_bp"), "plan", "platform_fee_bp BETWEEN 0 AND 5000")
    op.add_column("person", sa.Column("timezone", sa.String(64), nullable=True))
    op.add_column("person", sa.Column("locale", sa.String(10), nullable=True))
    op.add_column(
        "mock_mail", sa.Column("attachments", postgresql.JSONB(astext_type=sa.Text()), nullable=True)
    )
    op.create_table(
        "clock_offset",
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("offset_seconds", sa.BigInteger(), nullable=False, server_default="0"),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("moved_by", sa.String(200), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clock_offset")),
        sa.CheckConstraint("id = 1", name=op.f("ck_clock_offset_one_row")),
    )
    op.execute("INSERT INTO clock_offset (id, offset_seconds) VALUES (1, 0)")


def walls() -> None:
    """Who may see and do what: see docs/adr/0002."""
    for table in OWNED:
        if table in APPEND_ONLY:
            ddl.protect(table, grants=("SELECT", "INSERT"))
        elif table in KEPT:
            ddl.protect(table, grants=("SELECT", "INSERT", "UPDATE"))
        else:
            ddl.protect(table)
    # A webhook is stored and worked off before it is known whose it is.
    ddl.allow("provider_event", platform=("SELECT", "INSERT", "UPDATE"))
    ddl.allow("clock_offset", app=("SELECT",), platform=("SELECT", "UPDATE"))


def books() -> None:
    """The books balance at every commit, and what is written in them stays."""
    op.execute("""
        CREATE FUNCTION ledger_entry_is_balanced() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE entry bigint;
        BEGIN
            IF TG_TABLE_NAME = 'posting' THEN entry := NEW.entry_id; ELSE entry := NEW.id; END IF;
            IF NOT EXISTS (SELECT FROM posting WHERE tenant_id = NEW.tenant_id AND entry_id = entry)
               OR EXISTS (SELECT FROM posting WHERE tenant_id = NEW.tenant_id AND entry_id = entry
                          GROUP BY currency HAVING sum(amount_minor) <> 0) THEN
                RAISE EXCEPTION 'ledger entry % does not sum to zero', entry
                    USING ERRCODE = 'integrity_constraint_violation';
            END IF;
            RETURN NULL;
        END $$
    """)
    for table in ("ledger_entry", "posting"):
        op.execute(
            f"CREATE CONSTRAINT TRIGGER {table}_is_balanced AFTER INSERT ON {table}"
            " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_entry_is_balanced()"
        )
    op.execute("""
        CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            RAISE EXCEPTION '% is append-only', TG_TABLE_NAME
                USING ERRCODE = 'integrity_constraint_violation';
        END $$
    """)
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
        )


def catalog() -> None:
    op.create_table(
        "subject",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_subject_name")),
        sa.CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name=op.f("ck_subject_slug")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_subject_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_subject")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_subject_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_subject_tenant_id_name")),
        sa.UniqueConstraint("tenant_id", "slug", name=op.f("uq_subject_tenant_id_slug")),
    )
    op.create_table(
        "tax_rate",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("rate_bp", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_tax_rate_name")),
        sa.CheckConstraint("rate_bp BETWEEN 0 AND 5000", name=op.f("ck_tax_rate_rate_bp")),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_tax_rate_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_rate")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_tax_rate_tenant_id_code")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_tax_rate_tenant_id_id"),
    )
    op.create_table(
        "cancellation_policy",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("free_until_minutes", sa.Integer(), nullable=False),
        sa.Column("late_refund_bp", sa.Integer(), nullable=False),
        sa.Column("move_until_minutes", sa.Integer(), nullable=False),
        sa.Column("max_moves", sa.Integer(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "free_until_minutes BETWEEN 0 AND 525600", name=op.f("ck_cancellation_policy_free_until_minutes")
        ),
        sa.CheckConstraint(
            "late_refund_bp BETWEEN 0 AND 10000", name=op.f("ck_cancellation_policy_late_refund_bp")
        ),
        sa.CheckConstraint("max_moves BETWEEN 0 AND 100", name=op.f("ck_cancellation_policy_max_moves")),
        sa.CheckConstraint(
            "move_until_minutes BETWEEN 0 AND 525600", name=op.f("ck_cancellation_policy_move_until_minutes")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_cancellation_policy_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cancellation_policy")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_cancellation_policy_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_cancellation_policy_tenant_id_name")),
    )
    op.create_index(
        "uq_cancellation_policy_default",
        "cancellation_policy",
        ["tenant_id"],
        unique=True,
        postgresql_where="is_default",
    )
    op.create_table(
        "tutor_profile",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("slug", sa.String(length=80), nullable=False),
        sa.Column("headline", sa.String(length=160), nullable=True),
        sa.Column("bio", sa.Text(), nullable=True),
        sa.Column("languages", sa.String(length=200), nullable=True),
        sa.Column("image_key", sa.String(length=200), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name=op.f("ck_tutor_profile_slug")),
        sa.CheckConstraint("length(bio) <= 10000", name=op.f("ck_tutor_profile_bio")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "person_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_tutor_profile_tenant_id_person_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_tutor_profile_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tutor_profile")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_tutor_profile_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "person_id", name=op.f("uq_tutor_profile_tenant_id_person_id")),
        sa.UniqueConstraint("tenant_id", "slug", name=op.f("uq_tutor_profile_tenant_id_slug")),
    )
    op.create_table(
        "offering",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("tutor_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("slug", sa.String(length=140), nullable=False),
        sa.Column("summary", sa.String(length=300), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.BigInteger(), nullable=True),
        sa.Column("level", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=10), nullable=False),
        sa.Column("capacity", sa.SmallInteger(), nullable=False),
        sa.Column("policy_id", sa.BigInteger(), nullable=True),
        sa.Column("tax_rate_id", sa.BigInteger(), nullable=True),
        sa.Column("image_key", sa.String(length=200), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("btrim(title) <> ''", name=op.f("ck_offering_title")),
        sa.CheckConstraint(
            "kind = 'group' OR kind = 'recorded' OR capacity = 1", name=op.f("ck_offering_capacity_of_kind")
        ),
        sa.CheckConstraint(
            "kind IN ('recorded', 'one_to_one', 'group', 'trial')", name=op.f("ck_offering_kind")
        ),
        sa.CheckConstraint(
            "level IN ('beginner', 'intermediate', 'advanced', 'all')", name=op.f("ck_offering_level")
        ),
        sa.CheckConstraint("slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$'", name=op.f("ck_offering_slug")),
        sa.CheckConstraint(
            "status IN ('draft', 'published', 'paused', 'archived')", name=op.f("ck_offering_status")
        ),
        sa.CheckConstraint("capacity BETWEEN 1 AND 500", name=op.f("ck_offering_capacity")),
        sa.CheckConstraint("length(description) <= 20000", name=op.f("ck_offering_description")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "policy_id"],
            ["cancellation_policy.tenant_id", "cancellation_policy.id"],
            name=op.f("fk_offering_tenant_id_policy_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "subject_id"],
            ["subject.tenant_id", "subject.id"],
            name=op.f("fk_offering_tenant_id_subject_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "tax_rate_id"],
            ["tax_rate.tenant_id", "tax_rate.id"],
            name=op.f("fk_offering_tenant_id_tax_rate_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "tutor_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_offering_tenant_id_tutor_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_offering_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offering")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_offering_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "slug", name=op.f("uq_offering_tenant_id_slug")),
    )
    op.create_index(
        "ix_offering_tenant_id_status_published_at",
        "offering",
        ["tenant_id", "status", "published_at"],
        unique=False,
    )
    op.create_index("ix_offering_tenant_id_subject_id", "offering", ["tenant_id", "subject_id"], unique=False)
    op.create_index("ix_offering_tenant_id_tutor_id", "offering", ["tenant_id", "tutor_id"], unique=False)
    op.create_table(
        "variant",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("duration_minutes", sa.SmallInteger(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_variant_name")),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_variant_currency")),
        sa.CheckConstraint("duration_minutes BETWEEN 5 AND 1440", name=op.f("ck_variant_duration_minutes")),
        sa.CheckConstraint("price_minor BETWEEN 0 AND 100000000000", name=op.f("ck_variant_price_minor")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "offering_id"],
            ["offering.tenant_id", "offering.id"],
            name=op.f("fk_variant_tenant_id_offering_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_variant_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_variant")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_variant_tenant_id_id"),
        sa.UniqueConstraint(
            "tenant_id", "offering_id", "name", name=op.f("uq_variant_tenant_id_offering_id_name")
        ),
    )
    op.create_table(
        "price_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("set_by", sa.String(length=200), nullable=False),
        sa.CheckConstraint("price_minor >= 0", name=op.f("ck_price_change_price_minor")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "variant_id"],
            ["variant.tenant_id", "variant.id"],
            name=op.f("fk_price_change_tenant_id_variant_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_price_change_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_price_change")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_price_change_tenant_id_id"),
    )
    op.create_index(
        "ix_price_change_variant", "price_change", ["tenant_id", "variant_id", "valid_from"], unique=False
    )
    op.create_table(
        "offering_revision",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("content", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reviewed_by", sa.String(length=200), nullable=True),
        sa.Column("review_reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('draft', 'submitted', 'returned', 'approved')",
            name=op.f("ck_offering_revision_status"),
        ),
        sa.CheckConstraint("length(review_reason) <= 2000", name=op.f("ck_offering_revision_review_reason")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "offering_id"],
            ["offering.tenant_id", "offering.id"],
            name=op.f("fk_offering_revision_tenant_id_offering_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_offering_revision_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_offering_revision")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_offering_revision_tenant_id_id"),
        sa.UniqueConstraint(
            "tenant_id",
            "offering_id",
            "number",
            name=op.f("uq_offering_revision_tenant_id_offering_id_number"),
        ),
    )
    op.create_index(
        "ix_offering_revision_tenant_id_status", "offering_revision", ["tenant_id", "status"], unique=False
    )
    op.create_index(
        "uq_offering_revision_open",
        "offering_revision",
        ["tenant_id", "offering_id"],
        unique=True,
        postgresql_where="status <> 'approved'",
    )


def ledger() -> None:
    op.create_table(
        "ledger_account",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("may_be_negative", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_ledger_account_currency")),
        sa.CheckConstraint(
            "kind IN ('asset', 'liability', 'income', 'expense')", name=op.f("ck_ledger_account_kind")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "person_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_ledger_account_tenant_id_person_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_ledger_account_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_account")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_ledger_account_tenant_id_id"),
    )
    op.create_index(
        "uq_ledger_account_code",
        "ledger_account",
        ["tenant_id", "code", "currency", "person_id"],
        unique=True,
        postgresql_nulls_not_distinct=True,
    )
    op.create_table(
        "ledger_entry",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("memo", sa.String(length=300), nullable=False),
        sa.Column("source_kind", sa.String(length=30), nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("reverses_id", sa.BigInteger(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "reverses_id"],
            ["ledger_entry.tenant_id", "ledger_entry.id"],
            name=op.f("fk_ledger_entry_tenant_id_reverses_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_ledger_entry_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger_entry")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_ledger_entry_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_ledger_entry_tenant_id_key")),
    )
    op.create_index(
        "ix_ledger_entry_source", "ledger_entry", ["tenant_id", "source_kind", "source_id"], unique=False
    )
    op.create_index(
        "ix_ledger_entry_tenant_id_occurred_at", "ledger_entry", ["tenant_id", "occurred_at"], unique=False
    )
    op.create_table(
        "posting",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("entry_id", sa.BigInteger(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.CheckConstraint("amount_minor <> 0", name=op.f("ck_posting_amount_minor")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "account_id"],
            ["ledger_account.tenant_id", "ledger_account.id"],
            name=op.f("fk_posting_tenant_id_account_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "entry_id"],
            ["ledger_entry.tenant_id", "ledger_entry.id"],
            name=op.f("fk_posting_tenant_id_entry_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_posting_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_posting")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_posting_tenant_id_id"),
    )
    op.create_index(
        "ix_posting_tenant_id_account_id",
        "posting",
        ["tenant_id", "account_id"],
        unique=False,
        postgresql_include=["amount_minor"],
    )
    op.create_index("ix_posting_tenant_id_entry_id", "posting", ["tenant_id", "entry_id"], unique=False)


def earnings() -> None:
    op.create_table(
        "commission_plan",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=True),
        sa.Column("tutor_share_bp", sa.Integer(), nullable=False),
        sa.Column("hold_days", sa.Integer(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("btrim(name) <> ''", name=op.f("ck_commission_plan_name")),
        sa.CheckConstraint("hold_days BETWEEN 0 AND 90", name=op.f("ck_commission_plan_hold_days")),
        sa.CheckConstraint(
            "tutor_share_bp BETWEEN 0 AND 10000", name=op.f("ck_commission_plan_tutor_share_bp")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "person_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_commission_plan_tenant_id_person_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_commission_plan_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commission_plan")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_commission_plan_tenant_id_id"),
    )
    op.create_index(
        "ix_commission_plan_tenant_id_person_id",
        "commission_plan",
        ["tenant_id", "person_id", "valid_from"],
        unique=False,
    )
    op.create_table(
        "earning",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("seat_id", sa.BigInteger(), nullable=False),
        sa.Column("tutor_id", sa.BigInteger(), nullable=False),
        sa.Column("plan_id", sa.BigInteger(), nullable=True),
        sa.Column("description", sa.String(length=300), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("platform_minor", sa.BigInteger(), nullable=False),
        sa.Column("tenant_minor", sa.BigInteger(), nullable=False),
        sa.Column("tutor_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("tutor_share_bp", sa.Integer(), nullable=False),
        sa.Column("platform_fee_bp", sa.Integer(), nullable=False),
        sa.Column("tax_rate_bp", sa.Integer(), nullable=False),
        sa.Column("hold_days", sa.Integer(), nullable=False),
        sa.Column("earned_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("clears_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cleared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_held", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('pending', 'cleared', 'reversed')", name=op.f("ck_earning_status")),
        sa.CheckConstraint(
            "gross_minor = tax_minor + platform_minor + tenant_minor + tutor_minor",
            name=op.f("ck_earning_adds_up"),
        ),
        sa.CheckConstraint(
            "least(gross_minor, tax_minor, platform_minor, tenant_minor, tutor_minor, refunded_minor) >= 0",
            name=op.f("ck_earning_not_negative"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "plan_id"],
            ["commission_plan.tenant_id", "commission_plan.id"],
            name=op.f("fk_earning_tenant_id_plan_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "tutor_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_earning_tenant_id_tutor_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_earning_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_earning")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_earning_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "seat_id", name=op.f("uq_earning_tenant_id_seat_id")),
    )
    op.create_index(
        "ix_earning_clears_at",
        "earning",
        ["tenant_id", "clears_at"],
        unique=False,
        postgresql_where="status = 'pending' AND clears_at IS NOT NULL",
    )
    op.create_index(
        "ix_earning_tenant_id_tutor_id", "earning", ["tenant_id", "tutor_id", "status"], unique=False
    )


def payments() -> None:
    op.create_table(
        "sales_order",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("payer_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("locale", sa.String(length=10), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("currency ~ '^[A-Z]{3}$'", name=op.f("ck_sales_order_currency")),
        sa.CheckConstraint(
            "status IN ('open', 'paid', 'expired', 'cancelled')", name=op.f("ck_sales_order_status")
        ),
        sa.CheckConstraint("total_minor >= 0", name=op.f("ck_sales_order_total_minor")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payer_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_sales_order_tenant_id_payer_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_sales_order_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sales_order")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_sales_order_tenant_id_code")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_sales_order_tenant_id_id"),
    )
    op.create_index(
        "ix_sales_order_open",
        "sales_order",
        ["tenant_id", "expires_at"],
        unique=False,
        postgresql_where="status = 'open'",
    )
    op.create_index(
        "ix_sales_order_tenant_id_payer_id", "sales_order", ["tenant_id", "payer_id"], unique=False
    )
    op.create_table(
        "order_line",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("description", sa.String(length=300), nullable=False),
        sa.Column("quantity", sa.SmallInteger(), nullable=False),
        sa.Column("unit_minor", sa.BigInteger(), nullable=False),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_rate_bp", sa.Integer(), nullable=False),
        sa.Column("tax_code", sa.String(length=20), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("gross_minor = net_minor + tax_minor", name=op.f("ck_order_line_adds_up")),
        sa.CheckConstraint("gross_minor = unit_minor * quantity", name=op.f("ck_order_line_gross_minor")),
        sa.CheckConstraint(
            "least(unit_minor, net_minor, tax_minor) >= 0", name=op.f("ck_order_line_not_negative")
        ),
        sa.CheckConstraint("quantity BETWEEN 1 AND 1000", name=op.f("ck_order_line_quantity")),
        sa.CheckConstraint(
            "refunded_minor BETWEEN 0 AND gross_minor", name=op.f("ck_order_line_refunded_minor")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["sales_order.tenant_id", "sales_order.id"],
            name=op.f("fk_order_line_tenant_id_order_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_order_line_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_order_line")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_order_line_tenant_id_id"),
    )
    op.create_index("ix_order_line_tenant_id_order_id", "order_line", ["tenant_id", "order_id"], unique=False)
    op.create_table(
        "payment",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("provider_ref", sa.String(length=100), nullable=True),
        sa.Column("client_secret", sa.String(length=300), nullable=True),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("captured_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("fee_minor", sa.BigInteger(), nullable=True),
        sa.Column("failure_code", sa.String(length=60), nullable=True),
        sa.Column("captured_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('created', 'unknown', 'pending', 'captured', 'failed', 'voided')",
            name=op.f("ck_payment_status"),
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_payment_amount_minor")),
        sa.CheckConstraint(
            "captured_minor BETWEEN 0 AND amount_minor", name=op.f("ck_payment_captured_minor")
        ),
        sa.CheckConstraint(
            "refunded_minor BETWEEN 0 AND captured_minor", name=op.f("ck_payment_refunded_minor")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["sales_order.tenant_id", "sales_order.id"],
            name=op.f("fk_payment_tenant_id_order_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_payment_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_payment")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_payment_tenant_id_code")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_payment_tenant_id_id"),
        sa.UniqueConstraint(
            "tenant_id", "provider", "provider_ref", name=op.f("uq_payment_tenant_id_provider_provider_ref")
        ),
    )
    op.create_index(
        "ix_payment_unknown",
        "payment",
        ["tenant_id", "asked_at"],
        unique=False,
        postgresql_where="status IN ('created', 'unknown', 'pending')",
    )
    op.create_index(
        "uq_payment_open",
        "payment",
        ["tenant_id", "order_id"],
        unique=True,
        postgresql_where="status IN ('created', 'unknown', 'pending', 'failed', 'captured')",
    )
    op.create_table(
        "allocation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=True),
        sa.Column("source", sa.String(length=10), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("refunded_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.CheckConstraint(
            "(source = 'card') = (payment_id IS NOT NULL)", name=op.f("ck_allocation_payment_of_card")
        ),
        sa.CheckConstraint("source IN ('card', 'wallet', 'free')", name=op.f("ck_allocation_source")),
        sa.CheckConstraint("amount_minor >= 0", name=op.f("ck_allocation_amount_minor")),
        sa.CheckConstraint(
            "refunded_minor BETWEEN 0 AND amount_minor", name=op.f("ck_allocation_refunded_minor")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "line_id"],
            ["order_line.tenant_id", "order_line.id"],
            name=op.f("fk_allocation_tenant_id_line_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payment_id"],
            ["payment.tenant_id", "payment.id"],
            name=op.f("fk_allocation_tenant_id_payment_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_allocation_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_allocation")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_allocation_tenant_id_id"),
    )
    op.create_index("ix_allocation_tenant_id_line_id", "allocation", ["tenant_id", "line_id"], unique=False)
    op.create_table(
        "refund",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_ref", sa.String(length=100), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("reason", sa.String(length=200), nullable=False),
        sa.Column("requested_by", sa.String(length=200), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure_code", sa.String(length=60), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('requested', 'submitted', 'succeeded', 'failed')", name=op.f("ck_refund_status")
        ),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_refund_amount_minor")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "line_id"],
            ["order_line.tenant_id", "order_line.id"],
            name=op.f("fk_refund_tenant_id_line_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payment_id"],
            ["payment.tenant_id", "payment.id"],
            name=op.f("fk_refund_tenant_id_payment_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_refund_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_refund")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_refund_tenant_id_code")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_refund_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "provider_ref", name=op.f("uq_refund_tenant_id_provider_ref")),
    )
    op.create_index(
        "ix_refund_open",
        "refund",
        ["tenant_id", "changed_at"],
        unique=False,
        postgresql_where="status IN ('requested', 'submitted')",
    )
    op.create_index("ix_refund_tenant_id_line_id", "refund", ["tenant_id", "line_id"], unique=False)
    op.create_index("ix_refund_tenant_id_payment_id", "refund", ["tenant_id", "payment_id"], unique=False)
    op.create_table(
        "dispute",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("payment_id", sa.BigInteger(), nullable=False),
        sa.Column("provider_ref", sa.String(length=100), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reason", sa.String(length=60), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status IN ('open', 'won', 'lost')", name=op.f("ck_dispute_status")),
        sa.CheckConstraint("amount_minor > 0", name=op.f("ck_dispute_amount_minor")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payment_id"],
            ["payment.tenant_id", "payment.id"],
            name=op.f("fk_dispute_tenant_id_payment_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_dispute_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispute")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_dispute_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "provider_ref", name=op.f("uq_dispute_tenant_id_provider_ref")),
    )
    op.create_index("ix_dispute_tenant_id_payment_id", "dispute", ["tenant_id", "payment_id"], unique=False)
    op.create_table(
        "receipt",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.BigInteger(), nullable=False),
        sa.Column("refund_id", sa.BigInteger(), nullable=True),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("storage_key", sa.String(length=200), nullable=True),
        sa.Column("document", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.CheckConstraint(
            "(kind = 'credit_note') = (refund_id IS NOT NULL)", name=op.f("ck_receipt_refund_of_note")
        ),
        sa.CheckConstraint("kind IN ('receipt', 'credit_note')", name=op.f("ck_receipt_kind")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "order_id"],
            ["sales_order.tenant_id", "sales_order.id"],
            name=op.f("fk_receipt_tenant_id_order_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "refund_id"],
            ["refund.tenant_id", "refund.id"],
            name=op.f("fk_receipt_tenant_id_refund_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_receipt_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_receipt_tenant_id_code")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_receipt_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "kind", "number", name=op.f("uq_receipt_tenant_id_kind_number")),
    )
    op.create_index(
        "uq_receipt_of_order",
        "receipt",
        ["tenant_id", "order_id"],
        unique=True,
        postgresql_where="kind = 'receipt'",
    )
    op.create_index(
        "uq_receipt_of_refund",
        "receipt",
        ["tenant_id", "refund_id"],
        unique=True,
        postgresql_where="refund_id IS NOT NULL",
    )
    op.create_table(
        "receipt_counter",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("next_number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_receipt_counter_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_receipt_counter")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_receipt_counter_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "kind", name=op.f("uq_receipt_counter_tenant_id_kind")),
    )
    op.create_table(
        "provider_event",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("provider", sa.String(length=20), nullable=False),
        sa.Column("event_ref", sa.String(length=100), nullable=False),
        sa.Column("type", sa.String(length=80), nullable=False),
        sa.Column("object_ref", sa.String(length=100), nullable=False),
        sa.Column("payment_ref", sa.String(length=100), nullable=True),
        sa.Column("tenant_id", sa.BigInteger(), nullable=True),
        sa.Column("payload", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('received', 'processed', 'ignored')", name=op.f("ck_provider_event_status")
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name=op.f("fk_provider_event_tenant_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_provider_event")),
        sa.UniqueConstraint("provider", "event_ref", name=op.f("uq_provider_event_provider_event_ref")),
    )
    op.create_index("ix_provider_event_received_at", "provider_event", ["received_at"], unique=False)


def booking() -> None:
    op.create_table(
        "availability_schedule",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("tutor_id", sa.BigInteger(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("buffer_before_minutes", sa.SmallInteger(), nullable=False),
        sa.Column("buffer_after_minutes", sa.SmallInteger(), nullable=False),
        sa.Column("notice_minutes", sa.Integer(), nullable=False),
        sa.Column("horizon_days", sa.SmallInteger(), nullable=False),
        sa.Column("step_minutes", sa.SmallInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "buffer_after_minutes BETWEEN 0 AND 240",
            name=op.f("ck_availability_schedule_buffer_after_minutes"),
        ),
        sa.CheckConstraint(
            "buffer_before_minutes BETWEEN 0 AND 240",
            name=op.f("ck_availability_schedule_buffer_before_minutes"),
        ),
        sa.CheckConstraint(
            "horizon_days BETWEEN 1 AND 365", name=op.f("ck_availability_schedule_horizon_days")
        ),
        sa.CheckConstraint(
            "notice_minutes BETWEEN 0 AND 43200", name=op.f("ck_availability_schedule_notice_minutes")
        ),
        sa.CheckConstraint(
            "step_minutes IN (5, 10, 15, 20, 30, 60)", name=op.f("ck_availability_schedule_step_minutes")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "tutor_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_availability_schedule_tenant_id_tutor_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_availability_schedule_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_schedule")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_availability_schedule_tenant_id_id"),
        sa.UniqueConstraint(
            "tenant_id", "tutor_id", name=op.f("uq_availability_schedule_tenant_id_tutor_id")
        ),
    )
    op.create_table(
        "availability_rule",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("schedule_id", sa.BigInteger(), nullable=False),
        sa.Column("weekday", sa.SmallInteger(), nullable=False),
        sa.Column("starts_minute", sa.SmallInteger(), nullable=False),
        sa.Column("ends_minute", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint(
            "0 <= starts_minute AND starts_minute < ends_minute AND ends_minute <= 1440",
            name=op.f("ck_availability_rule_span"),
        ),
        sa.CheckConstraint("weekday BETWEEN 0 AND 6", name=op.f("ck_availability_rule_weekday")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "schedule_id"],
            ["availability_schedule.tenant_id", "availability_schedule.id"],
            name=op.f("fk_availability_rule_tenant_id_schedule_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_availability_rule_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_rule")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_availability_rule_tenant_id_id"),
    )
    op.create_index(
        "ix_availability_rule_schedule", "availability_rule", ["tenant_id", "schedule_id"], unique=False
    )
    op.create_table(
        "availability_override",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("schedule_id", sa.BigInteger(), nullable=False),
        sa.Column("on_date", sa.Date(), nullable=False),
        sa.Column("starts_minute", sa.SmallInteger(), nullable=True),
        sa.Column("ends_minute", sa.SmallInteger(), nullable=True),
        sa.Column("note", sa.String(length=120), nullable=True),
        sa.CheckConstraint(
            "(starts_minute IS NULL AND ends_minute IS NULL)"
            " OR (0 <= starts_minute AND starts_minute < ends_minute AND ends_minute <= 1440)",
            name=op.f("ck_availability_override_span"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "schedule_id"],
            ["availability_schedule.tenant_id", "availability_schedule.id"],
            name=op.f("fk_availability_override_tenant_id_schedule_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_availability_override_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_availability_override")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_availability_override_tenant_id_id"),
    )
    op.create_index(
        "ix_availability_override_schedule",
        "availability_override",
        ["tenant_id", "schedule_id", "on_date"],
        unique=False,
    )
    op.create_table(
        "lesson",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=20), nullable=False),
        sa.Column("offering_id", sa.BigInteger(), nullable=False),
        sa.Column("variant_id", sa.BigInteger(), nullable=False),
        sa.Column("tutor_id", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("capacity", sa.SmallInteger(), nullable=False),
        sa.Column("taken", sa.SmallInteger(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("place", sa.String(length=300), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "status IN ('held', 'scheduled', 'done', 'cancelled', 'lapsed')", name=op.f("ck_lesson_status")
        ),
        sa.CheckConstraint("capacity BETWEEN 1 AND 500", name=op.f("ck_lesson_capacity")),
        sa.CheckConstraint("starts_at < ends_at", name=op.f("ck_lesson_span")),
        sa.CheckConstraint("taken BETWEEN 0 AND capacity", name=op.f("ck_lesson_taken")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "offering_id"],
            ["offering.tenant_id", "offering.id"],
            name=op.f("fk_lesson_tenant_id_offering_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "tutor_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_lesson_tenant_id_tutor_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "variant_id"],
            ["variant.tenant_id", "variant.id"],
            name=op.f("fk_lesson_tenant_id_variant_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_lesson_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lesson")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_lesson_tenant_id_code")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_lesson_tenant_id_id"),
    )
    op.create_index(
        "ix_lesson_tenant_id_ends_at",
        "lesson",
        ["tenant_id", "ends_at"],
        unique=False,
        postgresql_where="status = 'scheduled'",
    )
    op.create_index(
        "ix_lesson_tenant_id_offering_id_starts_at",
        "lesson",
        ["tenant_id", "offering_id", "starts_at"],
        unique=False,
    )
    op.create_index("ix_lesson_tenant_id_starts_at", "lesson", ["tenant_id", "starts_at"], unique=False)
    op.create_index(
        "ix_lesson_tenant_id_tutor_id_starts_at",
        "lesson",
        ["tenant_id", "tutor_id", "starts_at"],
        unique=False,
    )
    op.create_table(
        "seat",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.String(length=40), nullable=False),
        sa.Column("lesson_id", sa.BigInteger(), nullable=False),
        sa.Column("student_id", sa.BigInteger(), nullable=True),
        sa.Column("payer_id", sa.BigInteger(), nullable=True),
        sa.Column("actor", sa.String(length=80), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("renewals", sa.SmallInteger(), nullable=False),
        sa.Column("line_id", sa.BigInteger(), nullable=True),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("policy", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("moves", sa.SmallInteger(), nullable=False),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancelled_by", sa.String(length=200), nullable=True),
        sa.Column("cancel_reason", sa.Text(), nullable=True),
        sa.Column("refund_minor", sa.BigInteger(), nullable=False),
        sa.Column("marked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status <> 'held' OR expires_at IS NOT NULL", name=op.f("ck_seat_held_until")),
        sa.CheckConstraint(
            "status IN ('held', 'booked', 'attended', 'missed', 'cancelled', 'released', 'lapsed')",
            name=op.f("ck_seat_status"),
        ),
        sa.CheckConstraint(
            "status NOT IN ('booked', 'attended', 'missed')"
            " OR (student_id IS NOT NULL AND line_id IS NOT NULL)",
            name=op.f("ck_seat_booked_for_somebody"),
        ),
        sa.CheckConstraint("price_minor >= 0", name=op.f("ck_seat_price_minor")),
        sa.CheckConstraint("refund_minor BETWEEN 0 AND price_minor", name=op.f("ck_seat_refund_minor")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "lesson_id"],
            ["lesson.tenant_id", "lesson.id"],
            name=op.f("fk_seat_tenant_id_lesson_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "line_id"],
            ["order_line.tenant_id", "order_line.id"],
            name=op.f("fk_seat_tenant_id_line_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "payer_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_seat_tenant_id_payer_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "student_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_seat_tenant_id_student_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_seat_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seat")),
        sa.UniqueConstraint("tenant_id", "code", name=op.f("uq_seat_tenant_id_code")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_seat_tenant_id_id"),
    )
    op.create_index(
        "ix_seat_held", "seat", ["tenant_id", "expires_at"], unique=False, postgresql_where="status = 'held'"
    )
    op.create_index("ix_seat_tenant_id_lesson_id", "seat", ["tenant_id", "lesson_id"], unique=False)
    op.create_index("ix_seat_tenant_id_payer_id", "seat", ["tenant_id", "payer_id"], unique=False)
    op.create_index("ix_seat_tenant_id_student_id", "seat", ["tenant_id", "student_id"], unique=False)
    op.create_index(
        "uq_seat_line", "seat", ["tenant_id", "line_id"], unique=True, postgresql_where="line_id IS NOT NULL"
    )
    op.create_index(
        "uq_seat_student",
        "seat",
        ["tenant_id", "lesson_id", "student_id"],
        unique=True,
        postgresql_where="status IN ('booked', 'attended', 'missed')",
    )
    op.create_table(
        "seat_move",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("seat_id", sa.BigInteger(), nullable=False),
        sa.Column("from_lesson_id", sa.BigInteger(), nullable=False),
        sa.Column("to_lesson_id", sa.BigInteger(), nullable=False),
        sa.Column("from_starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("to_starts_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("moved_by", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "from_lesson_id"],
            ["lesson.tenant_id", "lesson.id"],
            name=op.f("fk_seat_move_tenant_id_from_lesson_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "seat_id"],
            ["seat.tenant_id", "seat.id"],
            name=op.f("fk_seat_move_tenant_id_seat_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "to_lesson_id"],
            ["lesson.tenant_id", "lesson.id"],
            name=op.f("fk_seat_move_tenant_id_to_lesson_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_seat_move_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_seat_move")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_seat_move_tenant_id_id"),
    )
    op.create_index("ix_seat_move_tenant_id_seat_id", "seat_move", ["tenant_id", "seat_id"], unique=False)
    op.create_table(
        "occupation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("resource_kind", sa.String(length=10), nullable=False),
        sa.Column("resource_id", sa.BigInteger(), nullable=False),
        sa.Column("during", postgresql.TSTZRANGE(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lesson_id", sa.BigInteger(), nullable=False),
        sa.Column("seat_id", sa.BigInteger(), nullable=True),
        postgresql.ExcludeConstraint(
            (sa.column("tenant_id"), "="),
            (sa.column("resource_kind"), "="),
            (sa.column("resource_id"), "="),
            (sa.column("during"), "&&"),
            using="gist",
            name="ex_occupation_one_place",
        ),
        sa.CheckConstraint(
            "resource_kind IN ('tutor', 'student', 'room')", name=op.f("ck_occupation_resource_kind")
        ),
        sa.CheckConstraint("NOT isempty(during)", name=op.f("ck_occupation_during")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "lesson_id"],
            ["lesson.tenant_id", "lesson.id"],
            name=op.f("fk_occupation_tenant_id_lesson_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "seat_id"],
            ["seat.tenant_id", "seat.id"],
            name=op.f("fk_occupation_tenant_id_seat_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_occupation_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_occupation")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_occupation_tenant_id_id"),
    )
    op.create_index(
        "ix_occupation_tenant_id_lesson_id", "occupation", ["tenant_id", "lesson_id"], unique=False
    )


def messaging() -> None:
    op.create_table(
        "conversation",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=80), nullable=False),
        sa.Column("tutor_id", sa.BigInteger(), nullable=False),
        sa.Column("student_id", sa.BigInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("last_seq >= 0", name=op.f("ck_conversation_last_seq")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "student_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_conversation_tenant_id_student_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "tutor_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_conversation_tenant_id_tutor_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_conversation_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_conversation_tenant_id_id"),
        sa.UniqueConstraint("tenant_id", "key", name=op.f("uq_conversation_tenant_id_key")),
    )
    op.create_index(
        "ix_conversation_tenant_id_student_id", "conversation", ["tenant_id", "student_id"], unique=False
    )
    op.create_index(
        "ix_conversation_tenant_id_tutor_id", "conversation", ["tenant_id", "tutor_id"], unique=False
    )
    op.create_table(
        "conversation_member",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("delivered_seq", sa.BigInteger(), nullable=False),
        sa.Column("read_seq", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "0 <= read_seq AND read_seq <= delivered_seq", name=op.f("ck_conversation_member_marks")
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["conversation.tenant_id", "conversation.id"],
            name=op.f("fk_conversation_member_tenant_id_conversation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "person_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_conversation_member_tenant_id_person_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_conversation_member_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversation_member")),
        sa.UniqueConstraint(
            "tenant_id",
            "conversation_id",
            "person_id",
            name=op.f("uq_conversation_member_tenant_id_conversation_id_person_id"),
        ),
        sa.UniqueConstraint("tenant_id", "id", name="uq_conversation_member_tenant_id_id"),
    )
    op.create_index(
        "ix_conversation_member_tenant_id_person_id",
        "conversation_member",
        ["tenant_id", "person_id"],
        unique=False,
    )
    op.create_table(
        "message",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("conversation_id", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("author_id", sa.BigInteger(), nullable=False),
        sa.Column("client_id", sa.Uuid(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("length(body) BETWEEN 1 AND 4000", name=op.f("ck_message_body")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "author_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_message_tenant_id_author_id"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "conversation_id"],
            ["conversation.tenant_id", "conversation.id"],
            name=op.f("fk_message_tenant_id_conversation_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_message_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint(
            "tenant_id",
            "conversation_id",
            "author_id",
            "client_id",
            name=op.f("uq_message_tenant_id_conversation_id_author_id_client_id"),
        ),
        sa.UniqueConstraint(
            "tenant_id", "conversation_id", "seq", name=op.f("uq_message_tenant_id_conversation_id_seq")
        ),
        sa.UniqueConstraint("tenant_id", "id", name="uq_message_tenant_id_id"),
    )


def notifications() -> None:
    op.create_table(
        "notification",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("tenant_id", sa.BigInteger(), nullable=False),
        sa.Column("person_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("url", sa.String(length=300), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("url LIKE '/%' AND url NOT LIKE '//%'", name=op.f("ck_notification_url")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "person_id"],
            ["person.tenant_id", "person.id"],
            name=op.f("fk_notification_tenant_id_person_id"),
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenant.id"], name="fk_notification_tenant_id"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint("tenant_id", "id", name="uq_notification_tenant_id_id"),
        sa.UniqueConstraint(
            "tenant_id", "person_id", "key", name=op.f("uq_notification_tenant_id_person_id_key")
        ),
    )
    op.create_index(
        "ix_notification_tenant_id_person_id",
        "notification",
        ["tenant_id", "person_id", "happened_at"],
        unique=False,
    )
    op.create_index(
        "ix_notification_unread",
        "notification",
        ["tenant_id", "person_id"],
        unique=False,
        postgresql_where="read_at IS NULL",
    )
