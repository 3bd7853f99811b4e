"""What the provider tells: an event says that something happened, what is true now is asked for."""

from __future__ import annotations

import logging

from app.core import scope
from app.core.crash import crash_point
from app.core.events import Delivery
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.payments import policies, queries, service
from app.domains.payments.errors import UnlikeOurs
from app.domains.payments.jobs.paying import provider
from app.domains.payments.models import RECEIVED
from app.domains.payments.queries import EventSeen
from app.domains.payments.service import webhooks
from app.providers.payments import PaymentRefused, ProviderPayment

log = logging.getLogger(__name__)


def process_event(delivery: Delivery) -> None:
    """LATER of ProviderEventStored, in the platform's scope: an event says that something happened; what is
    true now is asked for, and taken over in the scope of the tenant whose it is."""
    event = queries.event_seen(delivery.event.provider_event_id)
    if event.status != RECEIVED:
        return
    # As when it came in: meanwhile the payer may have come back, and we have asked.
    known_to = webhooks.to_whom_it_is_no_news(
        event.type, provider=event.provider, payment_ref=event.payment_ref, reference=event.reference
    )
    scope.release()
    tenant_id, note = _worked_off(event) if known_to is None else (known_to, "was known")
    crash_point("webhook.worked_off")
    with transaction():
        webhooks.settle(event.id, tenant_id=tenant_id, note=note)


def _worked_off(event: EventSeen) -> tuple[int | None, str]:
    """Whose it was, None for nobody's, and a remark."""
    if event.provider != provider().name:
        return None, "of a provider that is not in use"
    if event.payment_ref is None:
        return None, "names no payment"
    try:
        seen = provider().retrieve_payment(event.payment_ref)
    except PaymentRefused as refusal:
        return None, refusal.detail
    place = policies.read_reference(seen.metadata.get("reference"))
    payment_id = queries.payment_by_reference(*place) if place is not None else None
    scope.release()
    crash_point("webhook.looked_at")
    if place is None or payment_id is None:
        return None, "not one of our payments"
    with tenant_scope(place[0]):
        try:
            return place[0], _caught_up(payment_id, seen, event)
        except UnlikeOurs as error:
            return None, f"{error.code}: payment {payment_id}"


def _caught_up(payment_id: int, seen: ProviderPayment, event: EventSeen) -> str:
    with transaction():
        service.record_payment(payment_id, seen)
    if policies.is_about_dispute(event.type):
        dispute = provider().retrieve_dispute(event.object_ref)
        crash_point("webhook.dispute_seen")
        with transaction():
            service.record_dispute(payment_id, dispute)
    if policies.is_about_refunds(event.type):
        return _caught_up_with_refunds(seen.id)
    return ""


def _caught_up_with_refunds(ref: str) -> str:
    foreign = []
    for refund in provider().refunds_of(ref):
        crash_point("webhook.refund_seen")
        place = policies.read_reference(refund.metadata.get("reference"))
        with transaction():
            known = queries.refund_by_code(place[1]) if place is not None else None
            if known is not None:
                service.record_refund(known.id, refund)
            elif place is None:
                foreign.append(refund.id)
    if foreign:
        log.error("refunds were made at the provider by hand: %s", ", ".join(foreign))
        return f"made at the provider by hand, not in the books: {', '.join(foreign)}"
    return ""
