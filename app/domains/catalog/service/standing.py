"""Whether an offering is sold at the moment."""

from __future__ import annotations

from app.core.audit import note
from app.core.events import announce
from app.core.states import MoveNotAllowed, move_to
from app.domains.catalog import events, queries
from app.domains.catalog.models import ARCHIVED, DRAFT, PAUSED, PUBLISHED, SUBMITTED, Offering


def pause(offering: Offering) -> None:
    """Take it off the storefront for a while; what was sold stays sold. Raises MoveNotAllowed."""
    _move(offering, PAUSED, "paused")


def resume(offering: Offering) -> None:
    """Put it back as it was. Raises MoveNotAllowed; a draft is published by its approval only."""
    if queries.offering(offering.id, lock=True).status == DRAFT:
        raise MoveNotAllowed(before=DRAFT, after=PUBLISHED)
    _move(offering, PUBLISHED, "resumed")


def archive(offering: Offering) -> None:
    """Take it off the storefront for good, and out of the review that it waits for. Raises MoveNotAllowed."""
    _move(offering, ARCHIVED, "archived")
    revision = queries.open_revision(offering.id, lock=True)
    if revision is not None and revision.status == SUBMITTED:
        move_to(revision, DRAFT)
        note(revision, "taken back")


def _move(offering: Offering, state: str, verb: str) -> None:
    offering = queries.offering(offering.id, lock=True)
    move_to(offering, state)
    note(offering, verb)
    announce(events.OfferingChanged(tenant_id=offering.tenant_id, offering_id=offering.id))
