"""Recurring work of many companies, or on many rows: one's trouble does not keep the others waiting."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import TypeVar

from app.core.scope import nowhere, tenant_scope
from app.core.transaction import transaction

log = logging.getLogger(__name__)

Thing = TypeVar("Thing")


def for_each_tenant(tenant_ids: Iterable[int], work: Callable[[], object]) -> None:
    """Do `work` in each tenant's scope, whichever scope we are in. Raises ExceptionGroup at the end with all
    that went wrong."""

    def there(tenant_id: int) -> None:
        with nowhere(), tenant_scope(tenant_id):
            work()

    _each(tenant_ids, there, "tenant_id")


def for_each_row(row_ids: Iterable[int], work: Callable[[int], object]) -> None:
    """Do `work` on each row, in a transaction for each. Raises as `for_each_tenant` does."""

    def alone(row_id: int) -> None:
        with transaction():
            work(row_id)

    _each(row_ids, alone, "row_id")


def _each(things: Iterable[Thing], work: Callable[[Thing], object], name: str) -> None:
    troubles: list[Exception] = []
    for thing in things:
        try:
            work(thing)
        except Exception as error:
            log.exception("recurring work failed", extra={name: thing})
            troubles.append(error)
    if troubles:
        raise ExceptionGroup("recurring work failed", troubles)
