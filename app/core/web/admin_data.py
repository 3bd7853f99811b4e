"""`AdminData`: FAB's data interface, without its N+1 lists and without state shared by requests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask_appbuilder.models.filters import Filters
from flask_appbuilder.models.sqla.interface import SQLAInterface
from sqlalchemy import and_, inspect, or_
from sqlalchemy.orm import Query, aliased, joinedload

from app.core.db import db
from app.core.web.forms import MAX_OPTIONS
from app.core.web.list_filters import RequestFilters, as_pattern, contains
from app.core.web.list_rows import MAX_WORDS, Asked, page_of


def loading(model: type[Any], path: str) -> Any:
    """The option that loads a relation along with its rows, and with a dot that of a relation's rows."""
    first, *more = path.split(".")
    relation = getattr(model, first)
    option = joinedload(relation)
    for name in more:
        relation = getattr(relation.property.mapper.class_, name)
        option = option.joinedload(relation)
    return option


class AdminData(SQLAInterface):
    """Reads rows along with the relations that `eager` names: see `loading`."""

    def __init__(self, model: type[Any], eager: Sequence[str] = (), search: Sequence[str] = ()) -> None:
        super().__init__(model)
        self.eager = tuple(eager)
        self.search = tuple(search)

    @property
    def session(self) -> Any:
        return db.session

    def new_filters(self) -> RequestFilters:
        """Filters that no other request can see."""
        return RequestFilters(self)

    def base(self, filters: Filters | None = None, text: str = "") -> Query[Any]:
        """The rows in scope that match the filters and, in any searched column, each word of `text`."""
        query = db.session.query(self.obj)
        if filters is not None:
            query = filters.apply_all(query)
        for word in self._words(text):
            hits = []
            for column in self.search:
                query, field = self._column(query, column)
                hits.append(contains(field, as_pattern(word)))
            query = query.filter(or_(*hits))
        return query

    def _words(self, text: str) -> list[str]:
        """What has to be in one of the searched columns."""
        return text.split()[:MAX_WORDS] if self.search else []

    def fetch(
        self,
        filters: RequestFilters,
        *,
        text: str = "",
        order: tuple[str, str],
        page: int,
        size: int,
        relations: Sequence[str] | None = None,
    ) -> tuple[int, list[Any]]:
        """(count of all, the rows of one page); `page` counts from 1, `order` is (column, asc or desc). Rows
        know themselves and these relations (without a word, the eager ones), and are to be read only: see
        `plain.Records`."""
        words = self._words(text)
        relations = self.eager if relations is None else tuple(relations)
        asked = Asked(self.obj, relations, self.search, len(words), filters.shape, order)
        return page_of(asked, filters, words, page=page, size=size)

    def ordered(self, query: Query[Any], order: tuple[str, str]) -> Query[Any]:
        """Sorted with the key as the tie-breaker, so that pages neither repeat nor miss a row."""
        column, direction = getattr(self.obj, order[0]), order[1]
        keys = [column] if order[0] == "id" else [column, self.obj.id]
        return self.with_relations(query).order_by(
            *(key.asc() if direction == "asc" else key.desc() for key in keys)
        )

    def after(self, query: Query[Any], order: tuple[str, str], row: tuple[Any, int] | None) -> Query[Any]:
        """Of a query in this order the rows behind the one with this (value, id); NULL is the largest."""
        if row is None:
            return query
        column, key = getattr(self.obj, order[0]), self.obj.id
        (value, row_id), ascending = row, order[1] == "asc"
        beyond = key > row_id if ascending else key < row_id
        if order[0] == "id":
            return query.filter(beyond)
        if value is None:
            alike = and_(column.is_(None), beyond)
            return query.filter(alike if ascending else or_(alike, column.is_not(None)))
        alike = and_(column == value, beyond)
        if ascending:
            return query.filter(or_(column > value, alike, column.is_(None)))
        return query.filter(or_(column < value, alike))

    def ids(self, filters: Filters, text: str, most: int) -> list[int]:
        """The ids of the rows that match, in their order."""
        query = self.base(filters, text).with_entities(self.obj.id).order_by(self.obj.id).limit(most)
        return [row_id for (row_id,) in query]

    def with_relations(self, query: Query[Any]) -> Query[Any]:
        return query.options(*(loading(self.obj, path) for path in self.eager))

    def find(self, pk: int) -> Any | None:
        """The row of this id if it is in scope."""
        return self.with_relations(db.session.query(self.obj)).filter(self.obj.id == pk).one_or_none()

    def find_for_update(self, pk: int) -> Any | None:
        """The same as it is now, locked until the transaction ends. Relations are read when they are asked
        for: joined to the lock they could be those of before."""
        query = db.session.query(self.obj).filter(self.obj.id == pk)
        # No more than an UPDATE takes anyway, so that rows which point at this one can still be added.
        return query.with_for_update(of=self.obj, key_share=True).populate_existing().one_or_none()

    def find_all(self, pks: Sequence[int]) -> list[Any]:
        """The rows of these ids that are in scope, in the order of their ids."""
        query = self.with_relations(db.session.query(self.obj))
        return query.filter(self.obj.id.in_(pks)).order_by(self.obj.id).all()

    def options(self, text: str, most: int = MAX_OPTIONS) -> list[Any]:
        """The first rows for a choice, by what they are called."""
        query = self.with_relations(self.base(None, text))
        key = getattr(self.obj, self.search[0]) if self.search and "." not in self.search[0] else self.obj.id
        return query.order_by(key, self.obj.id).limit(most).all()

    def _column(self, query: Query[Any], name: str) -> tuple[Query[Any], Any]:
        """A column of the model or, written `relation.column`, of a relation, which is joined once."""
        if "." not in name:
            return query, getattr(self.obj, name)
        relation, leaf = name.split(".", 1)
        joined = query._execution_options.get("joined", {})
        if relation not in joined:
            # By a name of its own: two relations may lead to the same table.
            target = aliased(inspect(self.obj).relationships[relation].mapper.class_)
            joined = {**joined, relation: target}
            query = query.outerjoin(getattr(self.obj, relation).of_type(target))
            query = query.execution_options(joined=joined)
        return query, getattr(joined[relation], leaf)
