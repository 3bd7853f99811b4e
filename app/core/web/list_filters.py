"""What a list can be filtered by, each kind said once: for FAB's queries, and for statements that are made
once and get their values as parameters."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from flask_appbuilder.models.filters import BaseFilter, BaseFilterConverter, Filters
from sqlalchemy import ColumnElement

if TYPE_CHECKING:
    from app.core.web.admin_data import AdminData

_ESCAPE = "/"


def as_pattern(text: str) -> str:
    """A pattern of what contains this text: `%` and `_` in what people type are just characters."""
    for char in (_ESCAPE, "%", "_"):
        text = text.replace(char, f"{_ESCAPE}{char}")
    return f"%{text}%"


def contains(column: Any, pattern: Any) -> ColumnElement[bool]:
    """A column in which the text of `as_pattern` is, in capitals or not."""
    found: ColumnElement[bool] = column.ilike(pattern, escape=_ESCAPE)
    return found


class OfColumn(BaseFilter):
    """A filter of one column. `criterion` takes what `sent` makes of a value, or a parameter for it."""

    @staticmethod
    def sent(value: Any) -> Any:
        return value

    @staticmethod
    def criterion(column: Any, value: Any) -> ColumnElement[bool]:
        raise NotImplementedError

    def apply(self, query: Any, value: Any) -> Any:
        return query.filter(self.criterion(getattr(self.model, self.column_name), self.sent(value)))


class Contains(OfColumn):
    @staticmethod
    def sent(value: Any) -> Any:
        return as_pattern(value)

    @staticmethod
    def criterion(column: Any, value: Any) -> ColumnElement[bool]:
        return contains(column, value)


class From(OfColumn):
    @staticmethod
    def criterion(column: Any, value: Any) -> ColumnElement[bool]:
        found: ColumnElement[bool] = column >= value
        return found


class Before(OfColumn):
    @staticmethod
    def criterion(column: Any, value: Any) -> ColumnElement[bool]:
        found: ColumnElement[bool] = column < value
        return found


class Is(OfColumn):
    """Equal to a value that is of the column's type already."""

    @staticmethod
    def criterion(column: Any, value: Any) -> ColumnElement[bool]:
        found: ColumnElement[bool] = column == value
        return found


class RequestFilters(Filters):
    """Filters of one request. FAB's constructor works out every filter there could be; this none."""

    def __init__(self, datamodel: AdminData) -> None:
        self.datamodel = datamodel
        self.filter_converter = BaseFilterConverter
        self.search_columns: list[str] = []
        self.filters: list[Any] = []
        self.values: list[Any] = []

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        """Each filter with its value."""
        return zip(self.filters, self.values, strict=True)

    @property
    def shape(self) -> tuple[tuple[str, type[Any]], ...]:
        """The kinds of filter by column, without their values."""
        return tuple((item.column_name, type(item)) for item in self.filters)

    def apply_all(self, query: Any) -> Any:
        for item, value in self.pairs():
            query = item.apply(query, value)
        return query
