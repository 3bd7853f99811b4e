"""What must never be false (`python run.py check`): each rule with what breaks it, on any database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass

import click
from flask import Flask
from sqlalchemy import Connection, text

from app.core import clock
from app.core.db import Model, TenantOwned, db
from app.shell import models

LATE = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Rule:
    """A rule and the query that finds what breaks it, as texts."""

    name: str
    broken: Callable[[Connection], list[str]]


def tenant_owned() -> list[str]:
    """The names of all tenant-owned tables."""
    assert models.metadata is not None
    mappers = Model.registry.mappers
    return sorted({m.local_table.name for m in mappers if issubclass(m.class_, TenantOwned)})


def foreign_rows(connection: Connection) -> list[str]:
    """Rows that point at a row of another tenant."""
    found = []
    for table in tenant_owned():
        for key in models.metadata.tables[table].foreign_key_constraints:
            target = key.referred_table.name
            column = next((c for c in key.column_keys if c != "tenant_id"), None)
            if target not in tenant_owned() or column is None:
                continue
            rows = connection.execute(
                text(
                    f'SELECT a.id FROM "{table}" a JOIN "{target}" b ON b.id = a."{column}"'  # noqa: S608 - our own names
                    " WHERE b.tenant_id <> a.tenant_id LIMIT 10"
                )
            )
            found += [f"{table} {row.id}: {column} is another tenant's" for row in rows]
    return found


def open_tables(connection: Connection) -> list[str]:
    """Tenant-owned tables whose row-level security is not forced, or that lack a policy."""
    rows = connection.execute(
        text("""
            SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS forced,
                   (SELECT count(*) FROM pg_policy p WHERE p.polrelid = c.oid) AS policies
            FROM pg_class c WHERE c.relname = ANY(:names) AND c.relnamespace = 'public'::regnamespace
        """),
        {"names": tenant_owned()},
    )
    return [f"{row.relname}: its walls are open" for row in rows if not row.forced or row.policies < 2]


def late_deliveries(connection: Connection) -> list[str]:
    """Deliveries that are neither delivered nor dead and have been due for an hour."""
    rows = connection.execute(
        text("SELECT id, handler, due_at FROM outbox WHERE status = 'due' AND due_at < :since LIMIT 100"),
        {"since": clock.machine_now() - LATE},
    )
    return [f"delivery {row.id} to {row.handler} is due since {row.due_at:%Y-%m-%d %H:%M}" for row in rows]


def dead_deliveries(connection: Connection) -> list[str]:
    """Deliveries that gave up; an operator looks at them."""
    rows = connection.execute(text("SELECT id, handler FROM outbox WHERE status = 'dead' LIMIT 100"))
    return [f"delivery {row.id} to {row.handler} gave up" for row in rows]


def unmanaged(connection: Connection) -> list[str]:
    """Companies that had a manager once and have none now."""
    rows = connection.execute(
        text("""
            SELECT t.slug FROM tenant t
            WHERE EXISTS (SELECT FROM membership m WHERE m.tenant_id = t.id AND m.role_key = 'manager')
              AND NOT EXISTS (SELECT FROM membership m
                              WHERE m.tenant_id = t.id AND m.role_key = 'manager' AND m.status = 'active')
        """)
    )
    return [f"{row.slug} has no manager" for row in rows]


def accepted_without_member(connection: Connection) -> list[str]:
    """Accepted invitations whose person never became a member."""
    rows = connection.execute(
        text("""
            SELECT i.id FROM invitation i
            WHERE i.status = 'accepted' AND NOT EXISTS (
                SELECT FROM membership m WHERE m.tenant_id = i.tenant_id AND m.person_id = i.person_id)
            LIMIT 100
        """)
    )
    return [f"invitation {row.id} was accepted by nobody" for row in rows]


RULES = (
    Rule("no row refers to another tenant's row", foreign_rows),
    Rule("every tenant-owned table has its policies on", open_tables),
    Rule("each delivery was made or is due", late_deliveries),
    Rule("no delivery gave up", dead_deliveries),
    Rule("each company that had a manager has one", unmanaged),
    Rule("each accepted invitation has its member", accepted_without_member),
)


def broken_rules(app: Flask) -> dict[str, list[str]]:
    """Rule by rule, what breaks it; across all tenants."""
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(text("SELECT set_config('role', 'wm_platform', true)"))
        return {rule.name: rule.broken(connection) for rule in RULES}


def run(app: Flask) -> int:
    """Print each rule with its count; the exit code says whether all hold."""
    found = broken_rules(app)
    for name, breaks in found.items():
        click.echo(f"{'ok  ' if not breaks else 'FAIL'} {name}: {len(breaks)}")
        for line in breaks[:20]:
            click.echo(f"       {line}")
    return 1 if any(found.values()) else 0
