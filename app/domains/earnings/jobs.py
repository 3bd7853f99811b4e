"""Earnings that clear when their time has come."""

from __future__ import annotations

from app.core import clock
from app.core.rounds import for_each_tenant
from app.core.scope import platform_scope
from app.core.transaction import transaction
from app.domains.earnings import queries, service

BATCH = 100


def clear_due() -> None:
    """Clear what is due in all companies, in batches. What can't be cleared stays due."""
    with platform_scope("find companies whose tutors' earnings clear"):
        tenant_ids = queries.tenants_with_due(clock.now())
    for_each_tenant(tenant_ids, _clear)


def _clear() -> None:
    while _clear_batch():
        pass


def _clear_batch() -> bool:
    """Whether there may be more."""
    with transaction():
        due = queries.due_for_update(clock.now(), BATCH)
        return [service.clear(earning) for earning in due].count(True) == BATCH
