"""What a manager does with what a tutor proposes: see what changes, approve it, send it back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from flask_babel import lazy_gettext as _l

from app.core import clock, scope
from app.core.audit import note
from app.core.db import db
from app.core.errors import Invalid
from app.core.events import announce
from app.core.states import move_to
from app.domains.catalog import events, queries
from app.domains.catalog.errors import ChangedMeanwhile, NotReady, NotSubmitted, OfferingArchived
from app.domains.catalog.models import (
    APPROVED,
    ARCHIVED,
    DRAFT,
    PUBLISHED,
    RETURNED,
    SUBMITTED,
    CancellationPolicy,
    Offering,
    OfferingRevision,
    PriceChange,
    Subject,
    TaxRate,
    Variant,
)
from app.domains.catalog.policies.comparison import Change, Names, compare, pair_up
from app.domains.catalog.policies.content import OWN_FIELDS, Content, VariantContent, missing
from app.domains.catalog.service.offerings import checked, free_slug_of
from app.domains.tenancy import queries as tenancy

MOST_REASON = 2000


def changes_of(revision: OfferingRevision) -> Sequence[Change]:
    """What an approval would change now, in words; all that it says where nothing was approved before, or
    where it is approved itself."""
    offering = revision.offering
    after = Content.from_json(revision.content)
    is_compared = offering.version and revision.status != APPROVED
    before = Content.of(offering, queries.variants_of(offering.id)) if is_compared else None
    both = [content for content in (before, after) if content is not None]
    names = Names(
        currency=tenancy.tenant(scope.tenant_id()).currency,
        subject_id=queries.names_of(Subject, [content.subject_id for content in both]),
        policy_id=queries.names_of(CancellationPolicy, [content.policy_id for content in both]),
        tax_rate_id=queries.names_of(TaxRate, [content.tax_rate_id for content in both]),
    )
    return compare(before, after, names)


def approve(revision: OfferingRevision, *, by: str, seen: str | None = None) -> Offering:
    """Put what is proposed live. `seen` is `stamp_of` what was looked at. Raises NotSubmitted (also when
    somebody else was faster), ChangedMeanwhile, NotReady, Invalid (what it points at is gone),
    OfferingArchived."""
    offering, revision = _submitted(revision)
    if seen and seen != stamp_of(revision):
        raise ChangedMeanwhile
    content = checked(Content.from_json(revision.content), kind=offering.kind, offering=offering)
    if lacking := missing(content):
        raise NotReady(missing=lacking)
    _apply(offering, content)
    if offering.status == DRAFT:
        move_to(offering, PUBLISHED)
    offering.published_at = offering.published_at or clock.now()
    offering.version += 1
    note(offering, "published")
    _reviewed(revision, APPROVED, by, None)
    note(revision, "approved")
    _apply_variants(offering, content.variants, by)
    announce(
        events.OfferingPublished(
            tenant_id=offering.tenant_id, offering_id=offering.id, revision_id=revision.id
        )
    )
    return offering


def send_back(revision: OfferingRevision, *, reason: str, by: str) -> None:
    """Ask its tutor for something else. Raises NotSubmitted, Invalid (no reason), OfferingArchived."""
    offering, revision = _submitted(revision)
    reason = reason.strip()
    if not reason or len(reason) > MOST_REASON:
        raise Invalid(_l("Please say what has to change."), field="reason")
    _reviewed(revision, RETURNED, by, reason)
    note(revision, "sent back", reason=reason)
    announce(
        events.OfferingReturned(
            tenant_id=offering.tenant_id, offering_id=offering.id, revision_id=revision.id
        )
    )


def stamp_of(revision: OfferingRevision) -> str:
    """Another one each time that it is sent to be reviewed."""
    return revision.submitted_at.astimezone(dt.UTC).isoformat() if revision.submitted_at else ""


def _submitted(revision: OfferingRevision) -> tuple[Offering, OfferingRevision]:
    """Both locked, in the order that everybody locks them."""
    offering = queries.offering(revision.offering_id, lock=True)
    revision = queries.revision_for_update(revision.id)
    if offering.status == ARCHIVED:
        raise OfferingArchived
    if revision.status != SUBMITTED:
        raise NotSubmitted
    return offering, revision


def _reviewed(revision: OfferingRevision, state: str, by: str, reason: str | None) -> None:
    move_to(revision, state)
    revision.reviewed_at, revision.reviewed_by = clock.now(), by[:200]
    revision.review_reason = reason


def _apply(offering: Offering, content: Content) -> None:
    if offering.version == 0:
        # Its address follows the title until the first visitor may have seen it, and never after.
        offering.slug = free_slug_of(content.title, but=offering.id)
    for name in OWN_FIELDS:
        setattr(offering, name, getattr(content, name))


def _apply_variants(offering: Offering, wanted: tuple[VariantContent, ...], by: str) -> None:
    """Those that are there are changed, new ones added, and those that are not wanted any more kept for
    the seats that were sold of them, but not sold again."""
    currency = tenancy.tenant(offering.tenant_id).currency
    stored = {VariantContent.of(row): row for row in queries.variants_of(offering.id)}
    same = dict(pair_up(tuple(stored), wanted))
    kept = {old.id for old in same.values()}
    for row in stored.values():
        if row.id not in kept:
            row.is_active = False
    for position, content in enumerate(wanted):
        terms = {
            "name": content.name,
            "duration_minutes": content.duration_minutes,
            "price_minor": content.price_minor,
            "currency": currency,
            "position": position,
            "is_active": True,
        }
        if content not in same:
            row = Variant(offering_id=offering.id, **terms)
            db.session.add(row)
            db.session.flush()  # the price's key points at it
            _note_price(row, by)
        else:
            row = stored[same[content]]
            is_new_price = row.price_minor != content.price_minor
            for name, value in terms.items():
                setattr(row, name, value)
            if is_new_price:
                _note_price(row, by)


def _note_price(row: Variant, by: str) -> None:
    db.session.add(
        PriceChange(
            variant_id=row.id,
            price_minor=row.price_minor,
            currency=row.currency,
            valid_from=clock.now(),
            set_by=by[:200],
        )
    )
