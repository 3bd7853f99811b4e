"""Earnings that clear when their time has come."""

from __future__ import annotations

import logging

from app.core import clock
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.earnings import queries, service

log = logging.getLogger(__name__)

BATCH = 100


def clear_due() -> None:
    """Clear what is due in all companies, in batches. One company's trouble does not keep the others waiting:
    its earnings stay due, and the trouble is raised at the end."""
    with platform_scope("find companies whose tutors' earnings clear"):
        tenant_ids = queries.tenants_with_due(clock.now())
    troubles: list[Exception] = []
    for tenant_id in tenant_ids:
        try:
            with tenant_scope(tenant_id):
                while _clear_batch():
                    pass
        except Exception as error:
            log.exception("a company's earnings did not clear", extra={"tenant_id": tenant_id})
            troubles.append(error)
    if troubles:
        raise ExceptionGroup("earnings did not clear", troubles)


def _clear_batch() -> bool:
    """Whether there may be more."""
    with transaction():
        due = queries.due_for_update(clock.now(), BATCH)
        return [service.clear(earning) for earning in due].count(True) == BATCH
