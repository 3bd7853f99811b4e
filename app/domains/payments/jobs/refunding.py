"""Refunds: sent to the provider, and asked for."""

from __future__ import annotations

from app.core import scope
from app.core.crash import crash_point
from app.core.events import Delivery
from app.core.transaction import transaction
from app.domains.payments import policies, queries, service
from app.domains.payments.jobs.paying import provider
from app.domains.payments.models import REQUESTED, SUBMITTED, Refund
from app.providers.payments import PaymentRefused, ProviderRefund, RefundRequest


def submit_refund(delivery: Delivery) -> None:
    """LATER of RefundRequested: send it, under its own code as the key."""
    if queries.refund(delivery.event.refund_id).status == REQUESTED:
        _send_refund(delivery.event.refund_id)


def _send_refund(refund_id: int) -> None:
    request = _refund_request(queries.refund(refund_id))
    scope.release()
    try:
        seen = provider().create_refund(request)
    except PaymentRefused as refusal:
        with transaction():
            service.refuse_refund(refund_id, why=refusal.reason or "refused")
        return
    crash_point("refund.sent")
    with transaction():
        service.record_refund(refund_id, seen)


def _refund_request(refund: Refund) -> RefundRequest:
    assert refund.payment.provider_ref is not None, "only what was paid is refunded"
    return RefundRequest(
        payment_id=refund.payment.provider_ref,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        reference=policies.reference_of(scope.tenant_id(), refund.code),
        idempotency_key=refund.code,
    )


def ask_refund(refund_id: int) -> None:
    """Ask the provider how a refund stands; one that never arrived there is sent. Opens its own
    transactions."""
    refund = queries.refund(refund_id)
    if refund.status not in {REQUESTED, SUBMITTED} or refund.payment.provider != provider().name:
        return
    request, ref = _refund_request(refund), refund.provider_ref
    scope.release()
    seen = provider().retrieve_refund(ref) if ref else _among_refunds(request)
    if seen is None:
        _send_refund(refund_id)
        return
    crash_point("refund.found")
    with transaction():
        service.record_refund(refund_id, seen)


def _among_refunds(request: RefundRequest) -> ProviderRefund | None:
    found = provider().refunds_of(request.payment_id)
    return next((seen for seen in found if seen.metadata.get("reference") == request.reference), None)
