"""What every migration of ours says in the same words: row-level security and grants per role.

Policies are one per database role (an OR inside one policy loses the index). The owner is a member
of wm_platform, so data migrations see all rows although row-level security is forced.
"""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

_TENANT = "nullif(current_setting('app.tenant_id', true), '')::bigint"
CRUD = ("SELECT", "INSERT", "UPDATE", "DELETE")


def short_locks() -> None:
    """First statement of a migration: better to fail than to make everybody wait."""
    op.execute("SET LOCAL lock_timeout = '1s'")


def protect(table: str, *, grants: Sequence[str] = CRUD, rows: str = f"tenant_id = {_TENANT}") -> None:
    """Force row-level security: the application's role sees the rows of its tenant, the platform's all."""
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY {table}_tenant ON {table} TO wm_app USING ({rows}) WITH CHECK ({rows})")
    op.execute(f"CREATE POLICY {table}_platform ON {table} TO wm_platform USING (true) WITH CHECK (true)")
    allow(table, app=grants, platform=grants)


def allow(table: str, *, app: Sequence[str] = (), platform: Sequence[str] = CRUD) -> None:
    """Grants of a table; what is not named is not granted."""
    if app:
        op.execute(f"GRANT {', '.join(app)} ON {table} TO wm_app")
    if platform:
        op.execute(f"GRANT {', '.join(platform)} ON {table} TO wm_platform")


def current_tenant() -> str:
    """The SQL expression for the tenant in force; NULL outside of any."""
    return _TENANT
