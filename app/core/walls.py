"""The walls between tenants that stand in the application; row-level security stands below them.

(a) every ORM statement on a model that names its tenant is filtered, and every flushed row stamped and
checked; (b) every transaction tells PostgreSQL its tenant, or takes the platform's role.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sqlalchemy import Table, TextClause, event
from sqlalchemy.orm import ORMExecuteState, Session, with_loader_criteria
from sqlalchemy.sql import visitors

from app.core import pool
from app.core.db import Model, ScopedSession, TenantMarked
from app.core.errors import NotFound
from app.core.scope import PlatformScope, Scope, ScopeError, TenantScope

_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|MERGE|WITH)\b", re.IGNORECASE)
# They begin every transaction.
_AS_TENANT = "SELECT set_config('app.tenant_id', %s, true)"
_AS_PLATFORM = "SELECT set_config('role', 'wm_platform', true), set_config('app.tenant_id', '', true)"


def filter_statements(state: ORMExecuteState) -> None:
    """Wall (a), reading: add the tenant's criterion, or refuse a statement that has no scope."""
    if state.is_insert or state.is_update or state.is_delete or _is_written_text(state.statement):
        state.session.info["wrote"] = True
    scope = state.session.info["scope"]
    if isinstance(scope, TenantScope) and state.is_orm_statement:
        state.statement = state.statement.options(_of_tenant(scope.tenant_id))
    elif scope is None and not _marked_tables().isdisjoint(_tables_in(state.statement)):
        raise ScopeError("a tenant's table was queried without a scope")


@lru_cache(maxsize=4096)
def _of_tenant(tenant_id: int) -> Any:
    return with_loader_criteria(TenantMarked, lambda cls: cls.tenant_id == tenant_id, include_aliases=True)


def _is_written_text(statement: Any) -> bool:
    return isinstance(statement, TextClause) and _WRITES.match(statement.text) is not None


def _marked_tables() -> set[str]:
    models = (mapper for mapper in Model.registry.mappers if issubclass(mapper.class_, TenantMarked))
    return {mapper.local_table.name for mapper in models}


def _tables_in(statement: Any) -> Iterator[str]:
    """Also those in its joins, criteria and subqueries."""
    return (part.name for part in visitors.iterate(statement) if isinstance(part, Table))


def check_rows(session: Session, _context: Any, _instances: Any) -> None:
    """Wall (a), writing: stamp new rows with the tenant; refuse a row that belongs to another."""
    scope = session.info["scope"]
    for row in (*session.new, *session.dirty, *session.deleted):
        if not isinstance(row, TenantMarked):
            continue
        if isinstance(scope, TenantScope):
            if row.tenant_id is None and row in session.new:
                row.tenant_id = scope.tenant_id
            if row.tenant_id != scope.tenant_id:
                raise NotFound
        elif scope is None:
            raise ScopeError("a tenant's row was written without a scope")


def telling(scope: Scope | None) -> tuple[str, tuple[str, ...]]:
    """Wall (b): what tells the database the setting that row-level security reads, and its values; written
    always, empty without a tenant."""
    if isinstance(scope, PlatformScope):
        return _AS_PLATFORM, ()
    return _AS_TENANT, (str(int(scope.tenant_id)) if scope else "",)


def tell_database(session: Session, _transaction: Any, connection: Any) -> None:
    """As each transaction begins."""
    statement, values = telling(session.info["scope"])
    told = statement % tuple(f"'{value}'" for value in values)
    if not pool.begin(connection, told.encode()):
        connection.exec_driver_sql(told)


def note_write(session: Session, _context: Any) -> None:
    """Remember that the transaction holds changes, so that they can't be dropped in silence."""
    session.info["wrote"] = True


def forget_writes(session: Session, *_: Any) -> None:
    if not session.in_nested_transaction():
        session.info["wrote"] = False


event.listen(ScopedSession, "do_orm_execute", filter_statements)
event.listen(ScopedSession, "before_flush", check_rows)
event.listen(ScopedSession, "after_begin", tell_database)
event.listen(ScopedSession, "after_flush", note_write)
event.listen(ScopedSession, "after_commit", forget_writes)
event.listen(ScopedSession, "after_rollback", forget_writes)
