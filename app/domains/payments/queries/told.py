"""Reads of what a provider told, in the platform's scope."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import bindparam, select

from app.core import plain
from app.core.errors import NotFound
from app.domains.payments.models import ProviderEvent
from app.domains.payments.queries.rows import locked


@dataclass(frozen=True, slots=True)
class EventSeen:
    """A stored event, without all that the provider wrote. `reference` is what its object calls itself."""

    id: int
    provider: str
    type: str
    object_ref: str
    payment_ref: str | None
    status: str
    reference: str | None


_EVENT = ("id", "provider", "type", "object_ref", "payment_ref", "status")
_REFERENCE = ProviderEvent.__table__.c.payload[("data", "object", "metadata", "reference")].astext
_BY_ID = select(*(ProviderEvent.__table__.c[name] for name in _EVENT), _REFERENCE).where(
    ProviderEvent.__table__.c.id == bindparam("event")
)


def event_seen(event_id: int) -> EventSeen:
    """As the database says now. Raises NotFound."""
    for row in plain.rows_of_all(_BY_ID, event=event_id):
        return EventSeen(*row)
    raise NotFound


def provider_event_for_update(event_id: int) -> ProviderEvent:
    """Raises NotFound."""
    return locked(ProviderEvent, event_id)
