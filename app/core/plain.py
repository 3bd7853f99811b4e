"""Rows past the ORM, for the hottest reads: a Core select of columns, which costs a fifth of one of entities.

The walls stand all the same. Row-level security sees the tenant that the transaction named, and the statement
itself names it: it is made once, of tables, with `tenant` as a parameter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Engine,
    Executable,
    FromClause,
    Select,
    Update,
    and_,
    bindparam,
    inspect,
    literal_column,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import RelationshipDirection

from app.core import pool, scope, walls
from app.core.db import TenantMarked, db
from app.core.scope import PlatformScope, Scope
from app.core.transaction import is_open, writing

# What nobody is told of a row that another one points at.
_UNTOLD = frozenset({"tenant_id", "created_at", "changed_at"})


def tenant() -> BindParameter[int]:
    """The tenant in force, in a statement for `rows`."""
    return bindparam("tenant")


def word(text: str) -> ColumnElement[Any]:
    """A word of our own (a status, a role), which stands in the statement since it is always the same. With a
    parameter PostgreSQL could not tell that an index for some of them will do."""
    if not text.isidentifier():  # nobody's but ours
        raise ValueError(f"{text!r} is no word for a statement")
    return literal_column(f"'{text}'")


def rows(statement: Select[Any], **values: Any) -> Sequence[Any]:
    """All rows, as the session would see them: what it has not written yet is written first. Raises
    ScopeError without a tenant."""
    values["tenant"] = scope.tenant_id()
    return _with_session(statement, values)


def rows_alone(statement: Select[Any], **values: Any) -> Sequence[Any]:
    """As `rows`, for who asks the database nothing else: where the session has no transaction yet the
    statement is one by itself, on one way to the server and back in place of three. From the second statement
    on a session costs less."""
    if scope.in_transaction() or is_open():
        return rows(statement, **values)
    values["tenant"] = scope.tenant_id()
    return alone(db.engine, statement, values, whose=scope.current())


def alone(
    engine: Engine, statement: Executable, values: Mapping[str, Any], *, whose: Scope | None
) -> Sequence[Any]:
    """All rows that a statement finds in a scope, in a transaction of its own."""
    with engine.connect() as connection:
        options = {pool.AFTER: walls.telling(whose)}
        try:
            return connection.execute(statement, values, execution_options=options).all()
        except BaseException:
            # psycopg takes for prepared what a pipeline was to prepare, though it was refused; and nobody
            # knows where an interrupted one stands.
            connection.invalidate()
            raise


def on_platform() -> bool:
    """Whether statements name no tenant here. Raises ScopeError outside of any scope."""
    if isinstance(scope.current(), PlatformScope):
        return True
    scope.tenant_id()
    return False


def rows_of_all(statement: Select[Any], **values: Any) -> Sequence[Any]:
    """The same of a statement that names no tenant, on the platform. Raises ScopeError elsewhere."""
    if not on_platform():
        raise scope.ScopeError("a statement without a tenant belongs to the platform")
    return _with_session(statement, values)


def write(statement: Select[Any] | Update, **values: Any) -> Sequence[Any]:
    """Change rows of tables that are not audited; the ORM does not hear of it, and what it has loaded stays
    as it was. The rows that the statement returns. Inside the edge's transaction; raises as `rows` does."""
    writing()
    values["tenant"] = scope.tenant_id()
    return _with_session(statement, values)


def _with_session(statement: Select[Any] | Update, values: Mapping[str, Any]) -> Sequence[Any]:
    session = db.session()
    session.flush()
    found = session.connection().execute(statement, values)
    return found.all() if found.returns_rows else ()


def of_tenant(model: type[Any], table: FromClause) -> ColumnElement[bool]:
    """The wall of a statement for `rows`: of a model that names its tenant, this tenant's."""
    return table.c.tenant_id == tenant() if issubclass(model, TenantMarked) else true()


@dataclass(frozen=True)
class _Part:
    """A model's place in a row: its attributes from `start` on, and which part points at it by which name."""

    model: type[Any]
    table: FromClause
    names: tuple[str, ...]
    start: int
    parent: int = 0
    key: str = ""

    @property
    def stop(self) -> int:
        return self.start + len(self.names)


class Records:
    """Rows of a model and of what they point at, as the models' own objects: with what the class says of
    itself (`__str__`, properties), but unknown to the ORM. They can't be saved, and what was not read is not
    fetched later: asking for it raises UnmappedInstanceError.

    `relations` are to-one and may lead on (`schedule.tutor`). Without `walled` no tenant is named.
    """

    def __init__(self, model: type[Any], relations: Iterable[str], *, walled: bool) -> None:
        self.walled = walled
        names = tuple(p.key for p in inspect(model).column_attrs if not p.deferred)
        self.root: FromClause = model.__table__
        self._parts = [_Part(model, self.root, names, 0)]
        self._places: dict[str, int] = {"": 0}
        for path in relations:
            self._join(path)

    def _join(self, path: str) -> int:
        if path in self._places:
            return self._places[path]
        before, _, key = path.rpartition(".")
        at = self._join(before)
        parent = self._parts[at]
        relation = inspect(parent.model).relationships[key]
        if relation.direction is not RelationshipDirection.MANYTOONE:
            raise ValueError(f"{parent.model.__name__}.{key} does not point at one row")
        model = relation.mapper.class_
        table = model.__table__.alias()
        found = _Part(model, table, _told(model), self._parts[-1].stop, at, key)
        self._parts.append(found)
        self._places[path] = len(self._parts) - 1
        return self._places[path]

    def source(self, relations: Iterable[str] | None = None) -> FromClause:
        """What a statement selects from: all of it, or the root with these relations only."""
        asked = self._places if relations is None else {p: self._places[p] for p in relations}
        wanted = set(asked.values())
        for at in sorted(wanted, reverse=True):  # whoever points comes first
            wanted.add(self._parts[at].parent)
        joined = self.root
        for at in sorted(wanted - {0}):
            part = self._parts[at]
            joined = joined.outerjoin(part.table, self._link(self._parts[part.parent], part))
        return joined

    def _link(self, parent: _Part, child: _Part) -> ColumnElement[bool]:
        """What joins the two, with the wall around the second."""
        pairs = inspect(parent.model).relationships[child.key].local_remote_pairs or ()
        same = (parent.table.c[ours.key] == child.table.c[theirs.key] for ours, theirs in pairs)
        return and_(*same, of_tenant(child.model, child.table) if self.walled else true())

    def run(self, statement: Select[Any], **values: Any) -> Sequence[Any]:
        """The rows of a statement on them, in the scope that they were made for."""
        return rows(statement, **values) if self.walled else rows_of_all(statement, **values)

    @property
    def wall(self) -> ColumnElement[bool]:
        """The criterion of each statement on these rows."""
        return of_tenant(self._parts[0].model, self.root) if self.walled else true()

    @property
    def columns(self) -> list[ColumnElement[Any]]:
        """What a statement selects for `made`, in this order; more may follow."""
        found: list[ColumnElement[Any]] = []
        for part in self._parts:
            attributes = inspect(part.model).column_attrs
            of = part.table.c if part.key else None
            columns = (attributes[name].columns[0] for name in part.names)
            found += [column if of is None else of[column.key] for column in columns]
        return found

    def column(self, path: str) -> ColumnElement[Any]:
        """The column of an attribute: `status`, or one of a relation that is joined (`tutor.full_name`)."""
        before, _, name = path.rpartition(".")
        part = self._parts[self._places[before]]
        column: ColumnElement[Any] = inspect(part.model).column_attrs[name].columns[0]
        return part.table.c[str(column.key)] if part.key else column

    def made(self, found: Iterable[Any]) -> list[Any]:
        """The objects of a statement's rows."""
        root, others = self._parts[0], list(enumerate(self._parts))[1:]
        known: dict[tuple[int, Any], Any] = {}
        result = []
        for row in found:
            things = [_bare(root.model, root.names, row)]
            for at, part in others:
                thing, key = None, row[part.start]
                if key is not None:
                    thing = known.get((at, key))
                    if thing is None:
                        thing = _bare(part.model, part.names, row[part.start : part.stop])
                        known[at, key] = thing
                things.append(thing)
                if things[part.parent] is not None:
                    things[part.parent].__dict__[part.key] = thing
            result.append(things[0])
        return result


def _bare(model: type[Any], names: Sequence[str], values: Iterable[Any]) -> Any:
    thing = object.__new__(model)
    thing.__dict__.update(zip(names, values, strict=False))  # the root's values are followed by the others'
    return thing


@cache
def _told(model: type[Any]) -> tuple[str, ...]:
    """What is read of a row that another one points at, its id first: not bookkeeping, nor what is worked out
    by the database, nor documents."""
    mapper, table = inspect(model), model.__table__
    names = [
        p.key
        for p in mapper.column_attrs
        if not p.deferred
        and getattr(p.columns[0], "table", None) is table
        and p.key not in {*_UNTOLD, "id"}
        and not isinstance(p.columns[0].type, JSONB)
    ]
    return ("id", *names)
