"""What the reads of payments have in common: a row that must be there, as it is or locked."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Select, bindparam, inspect, select
from sqlalchemy.orm import Mapper, make_transient_to_detached

from app.core.db import Model, db
from app.core.errors import NotFound

Row = TypeVar("Row", bound=Model)


def one(query: Select[Row]) -> Row:
    """Raises NotFound."""
    found: Row | None = db.session.scalars(query).one_or_none()
    if found is None:
        raise NotFound
    return found


def locked(model: type[Row], row_id: int) -> Row:
    """Raises NotFound."""
    found: Row | None = db.session.scalars(_lock(inspect(model)), {"row": row_id}).one_or_none()
    if found is None:
        raise NotFound
    return found


@lru_cache(maxsize=32)
def _lock(mapper: Mapper[Any]) -> Select[Any]:
    model = mapper.class_
    query = select(model).where(model.id == bindparam("row")).with_for_update(of=model)
    return query.execution_options(populate_existing=True)


def written(model: type[Row], **values: Any) -> Row:
    """The row that was just written past the ORM with these values and no others, as the session knows it
    from now on. What the database or a default has put into it is read when it is asked for."""
    missing = {each.key: None for each in inspect(model).column_attrs if each.columns[0].nullable}
    row: Row = model(**{**missing, **values})
    make_transient_to_detached(row)
    db.session.add(row)
    return row
