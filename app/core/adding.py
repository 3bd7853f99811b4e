"""New rows past the ORM, for the hottest writes: of several models in one statement, with the entries that
the flush would have written into the audit trail. All of them are written or none.

    _ADD = Addition(
        Added(Lesson, ["code", "tutor_id", ...]),
        Added(Seat, ["code", ...], points={"lesson_id": Lesson}),
        where=~taken.exists(),
    )
    lesson_id, seat_id = _ADD.write({"code": ...}, {"code": ...}, tutor=tutor_id)

The walls stand: each row gets the tenant in force, and row-level security and the composite keys see it. What
follows a flush elsewhere hears of it by `after_adding`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    CTE,
    Column,
    ColumnElement,
    Select,
    bindparam,
    func,
    inspect,
    literal_column,
    null,
    select,
    union_all,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.orm import Session

from app.core import audit, scope
from app.core.audit import AuditEntry
from app.core.db import TenantMarked
from app.core.transaction import writing

_DIALECT = postgresql.dialect()
_ENTRY = AuditEntry.__table__
_TENANT = bindparam("tenant", type_=_ENTRY.c.tenant_id.type)
_listeners: list[Callable[[Session, int, Collection[type[Any]]], None]] = []


def after_adding(told: Callable[[Session, int, Collection[type[Any]]], None]) -> None:
    """Have `told` called with the session, the tenant and the models of which rows were added."""
    _listeners.append(told)


@dataclass(frozen=True)
class Added:
    """A row of a model: the attributes that are given at each write, and those that point at a row before it,
    by its model. The others get their defaults. Its label in the trail is made of what is given: a model that
    is called by what it points at is not for this. With `or_nothing` a row that a constraint refuses is left
    out, and its id is None: whoever asks for that looks, and gives up the whole where they must."""

    model: type[Any]
    names: Sequence[str]
    points: Mapping[str, type[Any]] = field(default_factory=dict)
    or_nothing: bool = False


class _Writing:
    """Of one row, the parameters that are given at each write."""

    def __init__(self, place: int, row: Added) -> None:
        self._model = row.model
        self._parameters = [(_parameter(place, name), name) for name in row.names]
        self._told = (_parameter(place, "label"), _parameter(place, "changes"))
        self._is_audited = audit.is_audited_model(row.model)

    def give(self, values: Mapping[str, Any], to: dict[str, Any]) -> None:
        for parameter, name in self._parameters:
            to[parameter] = values[name]
        if self._is_audited:
            label, changes = self._told
            to[label], to[changes] = audit.of_new(self._model, values)


class Addition:
    """Made once. Raises ValueError for a row that can't be written so."""

    def __init__(self, *rows: Added, where: ColumnElement[bool] | None = None) -> None:
        self._writings = [_Writing(place, row) for place, row in enumerate(rows)]
        self._models = frozenset(row.model for row in rows)
        self._made_late: dict[str, Callable[[Any], Any]] = {}
        made: dict[type[Any], CTE] = {}
        for place, row in enumerate(rows):
            made[row.model] = self._insertion(place, row, made, where)
        told = [
            _entry(place, row, made) for place, row in enumerate(rows) if audit.is_audited_model(row.model)
        ]
        self._statement = select(*(_id_of(each) for each in made.values()))
        if told:
            names = [column.key for column in _ENTRY.c if column.key != "id"]
            entries = insert(_ENTRY).from_select(names, union_all(*told), include_defaults=False)
            self._statement = self._statement.add_cte(entries.cte("told"))

    def _insertion(
        self, place: int, row: Added, made: Mapping[type[Any], CTE], where: ColumnElement[bool] | None
    ) -> CTE:
        model, table = row.model, row.model.__table__
        if not issubclass(model, TenantMarked) or model in made:
            raise ValueError(f"a second row of a model, or one that names no tenant: {model.__name__}")
        values: dict[str, Any] = {"tenant_id": _TENANT}
        values |= {name: _id_of(made[model]) for name, model in row.points.items()}
        for name in row.names:
            values[name] = bindparam(_parameter(place, name), type_=_column(row.model, name).type)
        for name, column in _columns(row.model).items():
            if name not in values:
                values |= self._default(_parameter(place, name), name, column)
        wanted: Select[Any] = select(*values.values())
        if made:
            wanted = wanted.select_from(next(iter(made.values())))
        elif where is not None:
            wanted = wanted.where(where)
        columns = [_column(row.model, name) for name in values]
        adding = insert(table).from_select(columns, wanted, include_defaults=False)
        if row.or_nothing:
            adding = adding.on_conflict_do_nothing()
        return adding.returning(table.c.id).cte(f"new_{table.name}")

    def _default(self, parameter: str, name: str, column: Column[Any]) -> dict[str, Any]:
        """What is written where nothing is given; nothing at all where that is left to the database."""
        default: Any = column.default
        if default is None or column.identity is not None:
            if column.nullable or column.identity is not None or column.server_default is not None:
                return {}
            raise ValueError(f"{column} has no default and is not given")
        if default.is_scalar:
            return {name: _written(column, default.arg)}
        self._made_late[parameter] = default.arg
        return {name: bindparam(parameter, type_=column.type)}

    def write(self, *values: Mapping[str, Any], **more: Any) -> tuple[int | None, ...]:
        """The ids of the new rows, in their order; of what `where` refuses nothing is written, and all are
        None. `more` is for `where`. Inside the edge's transaction. Raises ScopeError without a tenant."""
        session, tenant_id = writing(), scope.tenant_id()
        given = {"tenant": tenant_id, **more, **audit.signature()}
        for parameter, make in self._made_late.items():
            given[parameter] = make(None)
        for row, of_row in zip(self._writings, values, strict=True):
            row.give(of_row, given)
        session.flush()  # what it has not written comes first, as everywhere
        ids = session.connection().execute(self._statement, given).one()
        if ids[0] is not None:
            for told in _listeners:
                told(session, tenant_id, self._models)
        return tuple(ids)


def _parameter(place: int, name: str) -> str:
    """Not as SQLAlchemy names those of `where` by itself, `status_1`."""
    return f"new_{place}_{name}"


def _entry(place: int, row: Added, made: Mapping[type[Any], CTE]) -> Select[Any]:
    """The row of the trail about a new row."""
    new = made[row.model]
    changes: ColumnElement[Any] = bindparam(_parameter(place, "changes"), type_=JSONB)
    for name, model in row.points.items():
        at = func.jsonb_build_array(null(), _id_of(made[model]), type_=JSONB)
        changes = changes.op("||", return_type=JSONB())(func.jsonb_build_object(_text(name), at, type_=JSONB))
    known: dict[str, ColumnElement[Any]] = {
        "tenant_id": _TENANT,
        "verb": _text(audit.CREATED),
        "thing_type": _text(row.model.__tablename__),
        "thing_id": new.c.id,
        "thing_label": bindparam(_parameter(place, "label"), type_=_ENTRY.c.thing_label.type),
        "changes": changes,
        "reason": null(),
    }
    wanted = (
        known.get(column.key, bindparam(column.key, type_=column.type))
        for column in _ENTRY.c
        if column.key != "id"
    )
    return select(*wanted).select_from(new)


def _id_of(new: CTE) -> ColumnElement[int]:
    return select(new.c.id).scalar_subquery()


def _columns(model: type[Any]) -> dict[str, Column[Any]]:
    """By the attributes' names."""
    found = {each.key: each.columns[0] for each in inspect(model).column_attrs}
    return {name: column for name, column in found.items() if isinstance(column, Column)}


def _column(model: type[Any], name: str) -> Column[Any]:
    if name not in _columns(model):
        raise ValueError(f"{model.__name__} has no {name}")
    return _columns(model)[name]


def _written(column: Column[Any], value: Any) -> ColumnElement[Any]:
    """A value of ours as it stands in the statement."""
    write = column.type.literal_processor(_DIALECT)
    assert write is not None
    return literal_column(write(value), column.type)


def _text(value: str) -> ColumnElement[Any]:
    """A word of ours, not of people's."""
    return _written(_ENTRY.c.thing_type, value)
