"""The rows of one page of a list and the count of all of them, in one statement without the ORM: the lists of
the admin and of the API are its most asked reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select

from app.core import plain
from app.core.plain import Records
from app.core.pool import PLANNED_ANEW
from app.core.web.list_filters import RequestFilters, as_pattern, contains

MAX_WORDS = 8  # that are searched for


@dataclass(frozen=True)
class Asked:
    """The shape of a list's statement: all of what is asked but the values, which come as parameters.

    `relations` are read along; `search` are the columns in which each of `words` has to be, `filters` the
    kinds of filter by column.
    """

    model: type[Any]
    relations: tuple[str, ...]
    search: tuple[str, ...]
    words: int
    filters: tuple[tuple[str, type[Any]], ...]
    order: tuple[str, str]


def page_of(
    asked: Asked, filters: RequestFilters, words: Sequence[str], *, page: int, size: int
) -> tuple[int, list[Any]]:
    """(count of all, the rows of one page); `page` counts from 1. The rows are as `plain.Records` makes
    them."""
    reading = _reading(asked, walled=not plain.on_platform())
    values: dict[str, Any] = {f"filter_{n}": f.sent(v) for n, (f, v) in enumerate(filters.pairs())}
    values |= {f"word_{n}": as_pattern(word) for n, word in enumerate(words)}
    records = reading.records
    found = records.run(reading.rows, **values, size=size, skipped=(page - 1) * size)
    if found:
        count = found[0][-1]
    else:  # with no row there is none that could say the count
        count = records.run(reading.count, **values)[0][0] if page > 1 else 0
    return count, records.made(found)


@dataclass(frozen=True)
class _Reading:
    records: Records
    rows: Select[Any]
    count: Select[Any]


@lru_cache(maxsize=1024)
def _reading(asked: Asked, *, walled: bool) -> _Reading:
    searched = {name.rpartition(".")[0] for name in asked.search if asked.words} - {""}
    records = Records(asked.model, (*asked.relations, *sorted(searched)), walled=walled)
    criteria = [records.wall, *_criteria(asked, records)]
    # Whatever is joined, is joined to one row at most: only what is searched has to be there to be counted.
    count = select(func.count()).select_from(records.source(searched)).where(*criteria)
    column, direction = records.column(asked.order[0]), asked.order[1]
    keys = [column] if asked.order[0] == "id" else [column, records.column("id")]
    rows = (
        select(*records.columns, count.correlate(None).scalar_subquery())
        .select_from(records.source())
        .where(*criteria)
        # The key breaks ties, so that pages neither repeat nor miss a row.
        .order_by(*(key.asc() if direction == "asc" else key.desc() for key in keys))
        .limit(bindparam("size"))
        .offset(bindparam("skipped"))
    )
    return _Reading(records, rows.execution_options(**PLANNED_ANEW), count.execution_options(**PLANNED_ANEW))


def _criteria(asked: Asked, records: Records) -> list[ColumnElement[bool]]:
    found = [
        kind.criterion(records.column(name), bindparam(f"filter_{n}"))
        for n, (name, kind) in enumerate(asked.filters)
    ]
    for n in range(asked.words):
        found.append(or_(*(contains(records.column(c), bindparam(f"word_{n}")) for c in asked.search)))
    return found
