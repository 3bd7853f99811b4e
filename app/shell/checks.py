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
from app.core.states import Moves
from app.shell import business_checks, models, review_checks

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
    """Tenant-owned tables that are missing, whose row-level security is not forced, or that have a policy
    by which somebody but the platform's role sees rows without naming a tenant."""
    rows = connection.execute(
        text("""
            WITH policy AS (
                SELECT tablename, roles = '{wm_app}' AS tenants, roles = '{wm_platform}' AS platforms,
                       coalesce(qual, with_check) LIKE '%current_setting%tenant_id%'
                       AND coalesce(with_check, qual) LIKE '%current_setting%tenant_id%' AS names_it
                FROM pg_policies WHERE schemaname = 'public')
            SELECT c.relname FROM pg_class c
            WHERE c.relnamespace = 'public'::regnamespace AND c.relrowsecurity AND c.relforcerowsecurity
              AND EXISTS (SELECT FROM policy WHERE tablename = c.relname AND tenants)
              AND NOT EXISTS (SELECT FROM policy
                              WHERE tablename = c.relname AND NOT platforms AND NOT (tenants AND names_it))
        """)
    )
    closed = {row.relname for row in rows}
    return [f"{name}: its walls are open" for name in tenant_owned() if name not in closed]


def late_deliveries(connection: Connection) -> list[str]:
    """Deliveries that have been due for an hour, or were announced that long ago and never tried.

    The latter lie in a queue that nobody works off: each handing over moves their due time on.
    """
    rows = connection.execute(
        text("""
            SELECT o.id, o.handler, o.announced_at FROM outbox o
            WHERE o.status = 'due' AND (o.due_at < :since OR (
                o.attempts = 0 AND o.announced_at < :since AND NOT EXISTS (
                    SELECT FROM audit_entry a WHERE a.thing_type = 'outbox' AND a.thing_id = o.id
                    AND a.verb = 'tried again' AND a.occurred_at >= :since)))
            LIMIT 100
        """),
        {"since": clock.machine_now() - LATE},
    )
    return [f"delivery {r.id} to {r.handler} waits since {r.announced_at:%Y-%m-%d %H:%M}" for r in rows]


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


def forbidden_moves(connection: Connection) -> list[str]:
    """Moves in the audit trail that the model's table does not allow."""
    found = []
    for table, moves in _with_states().items():
        allowed = [f"{before} {after}" for before in moves for after in moves[before]] + list(moves)
        rows = connection.execute(
            text("""
                SELECT thing_id, changes -> 'status' ->> 0 AS before, changes -> 'status' ->> 1 AS after
                FROM audit_entry
                WHERE thing_type = :table AND changes -> 'status' ->> 1 IS NOT NULL
                  AND concat_ws(' ', changes -> 'status' ->> 0, changes -> 'status' ->> 1) <> ALL (:allowed)
                LIMIT 100
            """),
            {"table": table, "allowed": allowed},
        )
        found += [f"{table} {row.thing_id} went from {row.before} to {row.after}" for row in rows]
    return found


def moved_past_the_trail(connection: Connection) -> list[str]:
    """Things in another state than the audit trail's last word on them: changed by hand."""
    found = []
    for table in _with_states():
        rows = connection.execute(
            text(
                "SELECT t.id, t.status, said.status AS said FROM ("  # noqa: S608 - our own names
                " SELECT DISTINCT ON (thing_id) thing_id, changes -> 'status' ->> 1 AS status"
                " FROM audit_entry WHERE thing_type = :table AND changes -> 'status' IS NOT NULL"
                " ORDER BY thing_id, id DESC) said"
                f' JOIN "{table}" t ON t.id = said.thing_id WHERE t.status <> said.status LIMIT 100'
            ),
            {"table": table},
        )
        found += [f"{table} {row.id} is {row.status}, but was last made {row.said}" for row in rows]
    return found


def _with_states() -> dict[str, Moves]:
    """The tables of moves of all models that the audit trail follows."""
    classes = [mapper.class_ for mapper in Model.registry.mappers]
    return {c.__tablename__: c.MOVES for c in classes if hasattr(c, "MOVES") and getattr(c, "AUDITED", True)}


RULES = (
    Rule("no row refers to another tenant's row", foreign_rows),
    Rule("every tenant-owned table has its policies on", open_tables),
    Rule("each delivery was made or is due", late_deliveries),
    Rule("no delivery gave up", dead_deliveries),
    Rule("each company that had a manager has one", unmanaged),
    Rule("each accepted invitation has its member", accepted_without_member),
    Rule("states moved as allowed only", forbidden_moves),
    Rule("each state is the one that the audit trail ends with", moved_past_the_trail),
    *(Rule(name, broken) for name, broken in (*business_checks.RULES, *review_checks.RULES)),
)


def broken_rules(app: Flask) -> dict[str, list[str]]:
    """Rule by rule, what breaks it; across all tenants."""
    with app.app_context(), db.engine.connect() as connection:
        connection.execute(text("SELECT set_config('role', 'wm_platform', true)"))
        # Years of a large installation take longer than any request may.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        return {rule.name: rule.broken(connection) for rule in RULES}


def run(app: Flask) -> int:
    """Print each rule with its count; the exit code says whether all hold."""
    found = broken_rules(app)
    for name, breaks in found.items():
        click.echo(f"{'ok  ' if not breaks else 'FAIL'} {name}: {len(breaks)}")
        for line in breaks[:20]:
            click.echo(f"       {line}")
    return 1 if any(found.values()) else 0
