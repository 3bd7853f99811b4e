"""Recurring work, on business time: holds run out, lessons that nobody marked took place."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from app.core.scope import platform_scope, release, tenant_scope
from app.core.transaction import transaction
from app.domains.booking import queries, service

log = logging.getLogger(__name__)

BATCH = 200


def lapse_holds() -> None:
    """Holds whose time is over end, and their time is free for everybody to see."""
    with platform_scope("find companies with holds that ran out"):
        _for_each(queries.tenants_with_expired_holds(), _lapse)


def finish_lessons() -> None:
    """Lessons that ended a day ago and were not marked took place with everybody."""
    with platform_scope("find companies with lessons to be finished"):
        _for_each(queries.tenants_with_unmarked_lessons(), _finish)


def _for_each(tenant_ids: Sequence[int], work: Callable[[], None]) -> None:
    """One company's trouble does not keep the others waiting; it is raised at the end."""
    release()  # a tenant's scope is entered outside of any transaction
    troubles: list[Exception] = []
    for tenant_id in tenant_ids:
        try:
            with tenant_scope(tenant_id):
                work()
        except Exception as error:
            log.exception("booking's recurring work failed", extra={"tenant_id": tenant_id})
            troubles.append(error)
    if troubles:
        raise ExceptionGroup("booking's recurring work failed", troubles)


def _lapse() -> None:
    _one_by_one(queries.expired_holds(BATCH), lambda seat_id: service.lapse_hold(queries.seat(seat_id)))


def _finish() -> None:
    _one_by_one(
        queries.unmarked_lessons(BATCH), lambda lesson_id: service.auto_mark(queries.lesson(lesson_id))
    )


def _one_by_one(row_ids: Sequence[int], work: Callable[[int], object]) -> None:
    """Each in a transaction of its own, since each locks other people; nor does one keep the rest waiting."""
    troubles: list[Exception] = []
    for row_id in row_ids:
        try:
            with transaction():
                work(row_id)
        except Exception as error:
            troubles.append(error)
    if troubles:
        raise ExceptionGroup("some could not be done", troubles)
