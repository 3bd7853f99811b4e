"""What comes round: payments and refunds whose end is not known, and orders whose time is over."""

from __future__ import annotations

import logging

from app.core import clock, scope
from app.core.outside import ProviderDeferred, ProviderUnavailable
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.payments import queries, service
from app.domains.payments.jobs.paying import ask_payment
from app.domains.payments.jobs.refunding import ask_refund

log = logging.getLogger(__name__)

MOST = 200


def resolve_unknown() -> None:
    """Recurring, by machine time: ask the provider for every payment and refund whose end is not known."""
    with platform_scope("ask for payments and refunds whose end is not known"):
        due = queries.unresolved(clock.machine_now(), MOST)
        scope.release()
        for tenant_id, kind, row_id in due:
            try:
                with tenant_scope(tenant_id):
                    _ask(kind, row_id)
            except ProviderDeferred:
                continue
            except ProviderUnavailable:
                return  # it is away: nothing else would be answered either
            except Exception:  # one that can't be resolved must not keep us from the others
                log.exception("%s %s can't be resolved", kind, row_id)


def _ask(kind: str, row_id: int) -> None:
    ask, note = (
        (ask_refund, service.note_refund_asked) if kind == "refund" else (ask_payment, service.note_asked)
    )
    with transaction():  # first, so that what can't be resolved is asked for more and more rarely, too
        note(row_id)
    ask(row_id)


def expire_orders() -> None:
    """Recurring, by business time: close the open orders whose time has run out."""
    with platform_scope("close orders whose time has run out"):
        due = queries.expired_orders(clock.now(), MOST)
        scope.release()
        for tenant_id, order_id in due:
            try:
                with tenant_scope(tenant_id), transaction():
                    service.expire_order(queries.order(order_id))
            except Exception:  # as above
                log.exception("order %s can't be closed", order_id)
