"""A provider's events: stored once, in the platform's scope, before anything is done with them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from app.core import audit, clock
from app.core.db import db
from app.core.events import announce
from app.domains.payments import events, policies, queries
from app.domains.payments.models import IGNORED, PROCESSED, RECEIVED, ProviderEvent
from app.providers.payments import ProviderEvent as Seen

# What nobody here needs to know of a payer, and what opens their payment.
_LEFT_OUT = frozenset(
    {
        "client_secret",
        "billing_details",
        "payment_method_details",
        "receipt_email",
        "receipt_url",
        "shipping",
        "evidence",
    }
)


_EVENT = ProviderEvent.__table__
_STORE = (
    insert(_EVENT).on_conflict_do_nothing(index_elements=["provider", "event_ref"]).returning(_EVENT.c.id)
)
_SETTLE = (
    update(_EVENT)
    .where(_EVENT.c.id == bindparam("event"))
    .values(
        status=bindparam("state"),
        tenant_id=bindparam("whose"),
        note=bindparam("remark"),
        processed_at=bindparam("now"),
    )
)


def store(event: Seen, *, provider: str, payload: dict[str, Any]) -> bool:
    """Keep an event, and have it worked off; False where it was kept before. One that tells us nothing is
    kept, and that is all."""
    ignored = policies.why_ignored(event.type)
    known_to = None
    if not ignored:
        reference = event.metadata.get("reference")
        known_to = to_whom_it_is_no_news(
            event.type, provider=provider, payment_ref=event.payment_id, reference=reference
        )
    now = clock.machine_now()
    row = {
        "provider": provider,
        "event_ref": event.id[:100],
        "type": event.type[:80],
        "object_ref": event.object_id[:100],
        "payment_ref": event.payment_id[:100] if event.payment_id else None,
        "tenant_id": known_to,
        "payload": _storable(payload),
        "status": IGNORED if ignored else PROCESSED if known_to else RECEIVED,
        "note": ignored or ("was known" if known_to else None),
        "received_at": now,
        "processed_at": now if known_to else None,
    }
    event_id = db.session.scalar(_STORE, row)
    if event_id is not None and not ignored and not known_to:
        announce(events.ProviderEventStored(None, event_id))
    return event_id is not None


def to_whom_it_is_no_news(
    kind: str, *, provider: str, payment_ref: str | None, reference: str | None
) -> int | None:
    """The tenant of whose payment an event tells what we know; None for whatever must be worked off. With
    each purchase it comes twice: that there is a payment, mostly before the answer to our own call; and that
    it is paid, about when the payer comes back and we ask. `reference` is what its object calls itself."""
    place = policies.read_reference(reference)
    if place is None or not payment_ref:
        return None
    if policies.is_about_making(kind):
        is_known = queries.is_of_our_making(*place, provider=provider, ref=payment_ref)
    elif policies.is_about_paying(kind):
        is_known = queries.is_in_the_books(*place, provider=provider, ref=payment_ref)
    else:
        return None
    return place[0] if is_known else None


def settle(event_id: int, *, tenant_id: int | None, note: str = "") -> None:
    """It was worked off, for this tenant; without one it was nobody's, and `note` says why."""
    db.session.execute(
        _SETTLE,
        {
            "event": event_id,
            "state": IGNORED if tenant_id is None else PROCESSED,
            "whose": tenant_id,
            "remark": note[:500] or None,
            "now": clock.machine_now(),
        },
    )


def process_again(event: ProviderEvent) -> None:
    """Have it worked off once more."""
    event = queries.provider_event_for_update(event.id)
    event.status, event.note, event.processed_at = RECEIVED, None, None
    audit.record(db.session(), event, "tried again")
    announce(events.ProviderEventStored(None, event.id))


def _storable(value: Any) -> Any:
    """JSON can spell NUL and halves of surrogate pairs; PostgreSQL takes neither."""
    if isinstance(value, dict):
        return {_storable(name): _storable(part) for name, part in value.items() if name not in _LEFT_OUT}
    if isinstance(value, list):
        return [_storable(part) for part in value]
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode().replace("\x00", "")
    return value
