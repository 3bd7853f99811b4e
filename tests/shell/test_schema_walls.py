"""Walls (b) and (c), read from the catalogue of a migrated database and tried out below the application."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from alembic import command
from psycopg import errors
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from app.core.db import db
from app.shell import migrations, schema
from app.shell.factory import create_app
from tests.support.canaries import fill
from tests.support.databases import Database, settings_for
from tests.support.world import World, make_world

# What belongs to no tenant, or to none alone, and why.
PLATFORMS = {
    "tenant": "is the tenant",
    "plan": "is the operator's, for all to choose from",
    "tenant_domain": "is found by its host before any tenant is known",
    "ab_user": "signs in at many companies and at the platform",
    "user_session": "may be of the platform's host",
    "refresh_token": "goes with its sign-in",
    "handover_ticket": "is the operator's way into a company",
    "outbox": "is worked off for all companies at once",
    "mock_mail": "is the operator's to look at",
    "schedule": "is the installation's",
    "throttle": "counts before anybody is known",
    "clock_offset": "is the installation's",
    "provider_event": "comes in before it is known whose it is",
    "alembic_version": "is the migrations'",
    "audit_entry": "also tells what concerns no company; a company's rows are walled all the same",
    "list_view": "operators keep views too; a company's are walled all the same",
    "bulk_run": "operators act on many records too; a company's are walled all the same",
    "bulk_failure": "goes with its run",
    "import_draft": "operators import too; a company's files are walled all the same",
    **dict.fromkeys(
        (
            "ab_api_key", "ab_group", "ab_group_role", "ab_permission", "ab_permission_view",
            "ab_permission_view_role", "ab_register_user", "ab_role", "ab_user_group", "ab_user_role",
            "ab_view_menu",
        ),
        "FAB's own, always empty: nobody is granted anything on it",
    ),
}  # fmt: skip
# Nothing in them is changed any more, by nobody: a migration that has to says so itself.
APPEND_ONLY = ("ledger_entry", "posting", "price_change", "seat_move")
FABS = sorted(name for name, reason in PLATFORMS.items() if reason.startswith("FAB's own"))
# Of the platform's tables, those that a company's rows can be told apart in, and walled.
WALLED = {
    "tenant",
    "tenant_domain",
    "ab_user",
    "user_session",
    "refresh_token",
    "handover_ticket",
    "outbox",
} | {"audit_entry", "list_view", "bulk_run", "bulk_failure", "import_draft"}
TENANT = "(tenant_id = (NULLIF(current_setting('app.tenant_id'::text, true), ''::text))::bigint)"


@pytest.fixture(scope="module")
def catalogue(database: Database) -> Iterator[psycopg.Connection[Any]]:
    with database.connect() as connection:
        yield connection


def column(connection: psycopg.Connection[Any], query: str, *values: Any) -> list[Any]:
    return [row[0] for row in connection.execute(query, values)]


def tables(connection: psycopg.Connection[Any]) -> list[str]:
    return column(
        connection,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        " ORDER BY 1",
    )


def owned(connection: psycopg.Connection[Any]) -> list[str]:
    return [name for name in tables(connection) if name not in PLATFORMS]


# -- The catalogue -------------------------------------------------------------------------------------------


def test_the_lists_name_what_there_is(catalogue: psycopg.Connection[Any]) -> None:
    assert set(PLATFORMS) <= set(tables(catalogue))
    assert {"person", "membership", "role", "invitation", "guardianship", "idempotency_key"} <= set(
        owned(catalogue)
    )


def test_every_owned_table_has_its_tenant(catalogue: psycopg.Connection[Any]) -> None:
    """`tenant_id` NOT NULL, a key to the tenant, and UNIQUE (tenant_id, id) as the target of others."""
    for table in owned(catalogue):
        assert column(
            catalogue,
            "SELECT attnotnull FROM pg_attribute WHERE attrelid = %s::regclass AND attname = 'tenant_id'",
            table,
        ) == [True], table
        constraints = column(
            catalogue,
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = %s::regclass",
            table,
        )
        assert "UNIQUE (tenant_id, id)" in constraints, table
        assert "FOREIGN KEY (tenant_id) REFERENCES tenant(id)" in constraints, table
        assert "PRIMARY KEY (id)" in constraints, table


def test_row_security_is_forced_with_a_policy_for_each_role(catalogue: psycopg.Connection[Any]) -> None:
    for table in (*owned(catalogue), *sorted(WALLED)):
        forced = catalogue.execute(
            "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = %s::regclass", [table]
        ).fetchone()
        assert forced == (True, True), table
        policies = catalogue.execute(
            "SELECT polroles::regrole[]::text, polcmd, polpermissive,"
            " pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)"
            " FROM pg_policy WHERE polrelid = %s::regclass ORDER BY 1",
            [table],
        ).fetchall()
        (app, *app_rest), (platform, *platform_rest) = policies
        assert (app, platform) == ("{wm_app}", "{wm_platform}"), table
        assert platform_rest == ["*", True, "true", "true"], table
        assert app_rest[:2] == ["*", True], table
        assert app_rest[2] == app_rest[3], f"{table}: what can be written is what can be read"
        if table not in {"tenant", "ab_user"}:
            assert app_rest[2] == TENANT, table


def test_nothing_without_row_security_is_a_companys(catalogue: psycopg.Connection[Any]) -> None:
    """A table that names tenants and has no wall is at least not granted to the application."""
    query = """
        SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
         WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
    """
    for table in column(catalogue, query):
        assert table in PLATFORMS, table
        assert not any(_privileges(catalogue, table).values()), table


def test_keys_to_a_tenants_rows_carry_the_tenant(catalogue: psycopg.Connection[Any]) -> None:
    names = owned(catalogue)
    found = catalogue.execute(
        "SELECT conrelid::regclass::text, confrelid::regclass::text, pg_get_constraintdef(oid)"
        " FROM pg_constraint WHERE contype = 'f' AND connamespace = 'public'::regnamespace"
    ).fetchall()
    composite = 0
    for table, target, definition in found:
        if target not in names:
            continue
        assert table in names, f"{table} is the platform's and points at a tenant's {target}"
        assert definition.startswith("FOREIGN KEY (tenant_id, "), definition
        assert f"REFERENCES {target}(tenant_id, id)" in definition, definition
        composite += 1
    assert composite >= 6


def test_what_is_unique_is_unique_within_a_tenant(catalogue: psycopg.Connection[Any]) -> None:
    """Otherwise a refusal would tell what another tenant has."""
    query = """
        SELECT i.indrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i
          JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'public'::regnamespace
         WHERE i.indisunique AND NOT i.indisprimary
    """
    names = owned(catalogue)
    for table, definition in catalogue.execute(query):
        if table in names:
            assert re.search(r"\(tenant_id[,)]", definition), definition


def test_nothing_slips_past_row_security(catalogue: psycopg.Connection[Any]) -> None:
    """Views run as their owner unless told otherwise, and so do functions that say so."""
    views = column(
        catalogue,
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('v', 'm')"
        " AND NOT coalesce('security_invoker=true' = ANY (reloptions), false)",
    )
    definers = column(
        catalogue,
        "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef",
    )
    assert views + definers == []


# -- Roles and grants ----------------------------------------------------------------------------------------


def test_the_applications_roles_are_nobody_special(catalogue: psycopg.Connection[Any]) -> None:
    for role in ("wm_app", "wm_platform", "wm_owner"):
        flags = catalogue.execute(
            "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, rolreplication FROM pg_roles"
            " WHERE rolname = %s",
            [role],
        ).fetchone()
        assert flags == (False,) * 5, role
    assert column(catalogue, "SELECT rolinherit FROM pg_roles WHERE rolname = 'wm_app'") == [False]
    assert column(catalogue, "SELECT rolcanlogin FROM pg_roles WHERE rolname = 'wm_platform'") == [False]
    for role in ("wm_app", "wm_platform"):
        owns = column(
            catalogue, "SELECT oid::regclass::text FROM pg_class WHERE relowner = %s::regrole", role
        )
        assert owns == []
    owners = column(
        catalogue,
        "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    )
    assert owners == ["wm_owner"]
    assert column(
        catalogue, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
    ) == ["wm_owner"]


def _privileges(catalogue: psycopg.Connection[Any], table: str, role: str = "wm_app") -> dict[str, bool]:
    """What the role may do with the table or with any column of it; not what it could after SET ROLE."""
    kinds = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
    query = """
        SELECT EXISTS (SELECT FROM pg_class c, aclexplode(c.relacl) x WHERE c.oid = %(table)s::regclass
                          AND x.grantee IN (%(role)s::regrole, 0) AND x.privilege_type = %(kind)s)
            OR EXISTS (SELECT FROM pg_attribute a, aclexplode(a.attacl) x
                        WHERE a.attrelid = %(table)s::regclass
                          AND x.grantee IN (%(role)s::regrole, 0) AND x.privilege_type = %(kind)s)
    """
    found = {}
    for kind in kinds:
        row = catalogue.execute(query, {"table": table, "role": role, "kind": kind}).fetchone()
        found[kind] = bool(row and row[0])
    return found


def test_nobody_truncates(catalogue: psycopg.Connection[Any]) -> None:
    """Row-level security does not stop it."""
    for table in tables(catalogue):
        for role in ("wm_app", "wm_platform"):
            granted = _privileges(catalogue, table, role)
            assert not granted["TRUNCATE"], table
            assert not granted["REFERENCES"], table
            assert not granted["TRIGGER"], table


@pytest.fixture(scope="module")
def forbidding(database: Database) -> Iterator[psycopg.Connection[Any]]:
    """wm_app, for what is refused whatever rows there are."""
    with database.connect("wm_app") as connection:
        connection.execute("SELECT set_config('app.tenant_id', '1', false)")
        yield connection


@pytest.fixture
def as_app(world: World, database: Database) -> Iterator[psycopg.Connection[Any]]:
    """wm_app with anna in scope, in a transaction that is rolled back."""
    with database.connect("wm_app") as connection, connection.transaction(force_rollback=True):
        connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(world.anna.id)])
        yield connection


FORBIDDEN = {
    "what is in the outbox": "SELECT payload FROM outbox",
    "all of the outbox": "SELECT * FROM outbox",
    "what others were sent": "SELECT * FROM mock_mail",
    "schedules": "SELECT * FROM schedule",
    "tickets": "SELECT * FROM handover_ticket",
    "changing the audit trail": "UPDATE audit_entry SET reason = 'x'",
    "shortening the audit trail": "DELETE FROM audit_entry",
    "its own status": "UPDATE tenant SET status = 'active'",
    "its own plan": "UPDATE tenant SET plan_id = 1",
    "its own address": "UPDATE tenant SET slug = 'mine'",
    "another company": "INSERT INTO tenant (slug) VALUES ('mine')",
    "leaving": "DELETE FROM tenant",
    "a host": "INSERT INTO tenant_domain (host) VALUES ('evil.test')",
    "a plan": "UPDATE plan SET max_tutors = NULL",
    "a password": "UPDATE ab_user SET password = 'x'",
    "a platform role": "UPDATE ab_user SET platform_role = 'operator'",
    "an account": "INSERT INTO ab_user (email) VALUES ('a@b.test')",
    "an account's end": "DELETE FROM ab_user",
    "forgetting a sign-in": "DELETE FROM user_session",
    "a delivery again": "UPDATE outbox SET due_at = now()",
    "a delivery's end": "DELETE FROM outbox",
    "the migrations": "UPDATE alembic_version SET version_num = 'x'",
    "emptying": "TRUNCATE person",
    "a table": "CREATE TABLE mine ()",
    "a wall": "ALTER TABLE person DISABLE ROW LEVEL SECURITY",
    **{f"FAB's {table}": f"SELECT * FROM {table}" for table in FABS},
    **{f"writing FAB's {table}": f"INSERT INTO {table} DEFAULT VALUES" for table in FABS},
}


@pytest.mark.parametrize("what", FORBIDDEN)
def test_the_application_may_not(forbidding: psycopg.Connection[Any], what: str) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        forbidding.execute(FORBIDDEN[what])


def test_the_platforms_role_leaves_fab_and_the_trail_alone(world: World, database: Database) -> None:
    statements = [
        *(f"SELECT * FROM {table}" for table in FABS),
        "DELETE FROM audit_entry",
        "DELETE FROM ab_user",
    ]
    with database.connect("wm_app") as connection:
        connection.execute("SET ROLE wm_platform")
        assert column(connection, "SELECT count(*) FROM person") == [2 * len(world.anna.people)]
        for statement in [*statements, "UPDATE audit_entry SET reason = 'x'", "TRUNCATE person"]:
            with pytest.raises(errors.InsufficientPrivilege):
                connection.execute(statement)


def test_a_backup_reads_everything_and_writes_nothing(world: World, database: Database) -> None:
    with database.connect("wm_backup") as connection, database.connect() as superuser:
        for table in tables(superuser):
            query = f"SELECT count(*) FROM {table}"
            assert column(connection, query) == column(superuser, query), table
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute("UPDATE person SET notes = 'x'")


# -- Tried out -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", [None, "", "0"])
def test_without_a_tenant_there_are_no_rows(world: World, database: Database, setting: str | None) -> None:
    with database.connect("wm_app") as connection, connection.transaction():
        if setting is not None:
            connection.execute("SELECT set_config('app.tenant_id', %s, true)", [setting])
        for table in ("person", "membership", "tenant", "ab_user", "user_session", "audit_entry"):
            assert column(connection, f"SELECT count(*) FROM {table}") == [0], table


def test_the_setting_ends_with_its_transaction(world: World, database: Database) -> None:
    with database.connect("wm_app") as connection:
        with connection.transaction():
            connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(world.anna.id)])
            assert column(connection, "SELECT count(*) FROM person") == [len(world.anna.people)]
        assert column(connection, "SELECT current_setting('app.tenant_id')") == [""]
        assert column(connection, "SELECT count(*) FROM person") == [0]


def test_no_row_points_at_another_tenants(world: World, database: Database) -> None:
    """Not even one that the platform's role writes, or the owner, whom no policy stops."""
    anna, bert = world.anna, world.bert
    pointing = {
        f"INSERT INTO guardianship (tenant_id, guardian_id, child_id, created_at, changed_at)"
        f" VALUES ({anna.id}, {anna.people['guardian']}, {bert.people['student']}, now(), now())",
        f"UPDATE membership SET person_id = {bert.people['tutor']} WHERE id = {anna.memberships['tutor']}",
    }
    for role in ("wm_app", "wm_owner", "postgres"):
        with database.connect(role) as connection:
            if role == "wm_app":
                connection.execute("SET ROLE wm_platform")
            for statement in pointing:
                with pytest.raises(errors.ForeignKeyViolation):
                    connection.execute(statement)


def test_no_row_moves_to_another_tenant(world: World, database: Database) -> None:
    anna, bert = world.anna, world.bert
    move = f"UPDATE person SET tenant_id = {bert.id} WHERE id = {anna.people['tutor']}"
    with database.connect("wm_app") as connection, connection.transaction(force_rollback=True):
        connection.execute("SELECT set_config('app.tenant_id', %s, true)", [str(anna.id)])
        with pytest.raises(errors.InsufficientPrivilege):
            connection.execute(move)
    with database.connect("wm_owner") as connection, pytest.raises(errors.ForeignKeyViolation):
        connection.execute(move)  # its membership would be left behind


def test_an_own_row_can_only_be_made_for_oneself(as_app: psycopg.Connection[Any], world: World) -> None:
    insert = (
        "INSERT INTO role (tenant_id, name, rights, created_at, changed_at)"
        " VALUES (%s, 'x', '{}', now(), now())"
    )
    as_app.execute(insert, [world.anna.id])
    with pytest.raises(errors.InsufficientPrivilege):
        as_app.execute(insert, [world.bert.id])


# -- Migrations ----------------------------------------------------------------------------------------------


@pytest.fixture
def filled(fresh_database: Database, tmp_path: Path) -> tuple[Database, World]:
    """A database with a row in every table that has something of a tenant's."""
    app = create_app(settings_for(fresh_database, tmp_path))
    world = make_world(app)
    fill(app, world.anna)
    fill(app, world.bert)
    with app.app_context():
        db.engine.dispose()
    app.extensions["redis"].close()
    return fresh_database, world


def test_a_data_migration_touches_all_rows(filled: tuple[Database, World]) -> None:
    """Row-level security is forced on the owner too; being one of the platform's, it sees every tenant's."""
    database, _world = filled
    with database.connect("wm_owner") as owner, database.connect() as superuser:
        for table in owned(superuser):
            total = column(superuser, f"SELECT count(*) FROM {table}")
            assert total[0] > 1, table
            assert column(owner, f"SELECT count(*) FROM {table}") == total, table
            change = f"UPDATE {table} SET tenant_id = tenant_id"
            if table in APPEND_ONLY:
                with pytest.raises(errors.IntegrityConstraintViolation, match="append-only"):
                    owner.execute(change)
            else:
                assert owner.execute(change).rowcount == total[0], table


@pytest.mark.parametrize("table", APPEND_ONLY)
def test_what_is_append_only_is_changed_by_nobody(
    world: World, database: Database, catalogue: psycopg.Connection[Any], table: str
) -> None:
    """The application's roles lack the right; the owner and a superuser are stopped by a trigger."""
    for role in ("wm_app", "wm_platform"):
        granted = {kind for kind, has in _privileges(catalogue, table, role).items() if has}
        assert granted == {"SELECT", "INSERT"}, role
    for change in (f"UPDATE {table} SET tenant_id = tenant_id", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        for role in ("wm_owner", "postgres"):
            with database.connect(role) as connection, pytest.raises(psycopg.Error) as refused:
                connection.execute(change)
            assert isinstance(
                refused.value, errors.IntegrityConstraintViolation | errors.FeatureNotSupported
            ), (role, change)


def test_the_migrations_go_down_and_up_again(filled: tuple[Database, World]) -> None:
    database, _world = filled
    config = migrations._config(database.owner_url)
    before = _describe(database)
    command.downgrade(config, "base")
    with database.connect() as connection:
        assert tables(connection) == ["alembic_version"]
        left = column(
            connection,
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'",
        )
        assert left == []
    migrations.upgrade(database.owner_url)
    assert _describe(database) == before


def _describe(database: Database) -> str:
    engine = create_engine(database.superuser_url, poolclass=NullPool)
    with engine.connect() as connection:
        return schema.describe(connection)
