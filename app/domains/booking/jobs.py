"""Recurring work, on business time: holds run out, lessons that nobody marked took place."""

from __future__ import annotations

from app.core.rounds import for_each_row, for_each_tenant
from app.core.scope import platform_scope
from app.domains.booking import queries, service

BATCH = 200


def lapse_holds() -> None:
    """Holds whose time is over end, and their time is free for everybody to see."""
    with platform_scope("find companies with holds that ran out"):
        tenant_ids = queries.tenants_with_expired_holds()
    for_each_tenant(tenant_ids, _lapse)


def finish_lessons() -> None:
    """Lessons that ended a day ago and were not marked took place with everybody."""
    with platform_scope("find companies with lessons to be finished"):
        tenant_ids = queries.tenants_with_unmarked_lessons()
    for_each_tenant(tenant_ids, _finish)


def _lapse() -> None:
    """A transaction for each, since each locks other people."""
    for_each_row(queries.expired_holds(BATCH), lambda seat_id: service.lapse_hold(queries.seat(seat_id)))


def _finish() -> None:
    for_each_row(
        queries.unmarked_lessons(BATCH), lambda lesson_id: service.auto_mark(queries.lesson(lesson_id))
    )
