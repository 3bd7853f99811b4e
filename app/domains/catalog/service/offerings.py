"""What a tutor does with an offering: draft it, change it, send it to be reviewed, take it back."""

from __future__ import annotations

import datetime as dt

from flask_babel import lazy_gettext as _l

from app.core import clock, scope
from app.core.audit import note
from app.core.db import db
from app.core.errors import Invalid
from app.core.events import announce
from app.core.states import move_to
from app.domains.accounts.models import Person
from app.domains.catalog import events, policies, queries
from app.domains.catalog.errors import ChangedMeanwhile, NotReady, NotSubmitted, OfferingArchived, UnderReview
from app.domains.catalog.models import (
    ARCHIVED,
    DRAFT,
    SUBMITTED,
    CancellationPolicy,
    Offering,
    OfferingRevision,
    Subject,
    TaxRate,
)
from app.domains.catalog.policies import pictures
from app.domains.catalog.policies.content import Content, check, missing
from app.domains.catalog.service.profiles import check_picture, profile_for
from app.domains.tenancy import queries as tenancy

_POINTS_AT = {"subject_id": Subject, "policy_id": CancellationPolicy, "tax_rate_id": TaxRate}


def draft_offering(tutor: Person, *, kind: str, content: Content) -> Offering:
    """A new offering with its first revision, seen by nobody but its tutor and managers. Raises Invalid at
    its field, BadPrice, KindNotYet."""
    content = checked(content, kind=kind, offering=None)
    profile_for(tutor)
    offering = Offering(
        tutor_id=tutor.id,
        kind=kind,
        status=DRAFT,
        title=content.title,
        slug=free_slug_of(content.title),
        version=0,
    )
    db.session.add(offering)
    db.session.flush()  # the revision's key points at it
    db.session.add(_new_revision(offering, content))
    db.session.flush()
    return offering


def revise(offering: Offering, *, content: Content, seen_at: dt.datetime | None = None) -> OfferingRevision:
    """Change what is proposed; an approved version stays live. `seen_at` is when what was shown had been
    changed last. Raises UnderReview, ChangedMeanwhile, OfferingArchived, Invalid at its field, BadPrice."""
    offering = _locked(offering)
    revision = queries.open_revision(offering.id, lock=True)
    content = checked(content, kind=offering.kind, offering=offering)
    if revision is None:
        revision = _new_revision(offering, content)
        db.session.add(revision)
    elif revision.content != content.as_json():
        if revision.status == SUBMITTED:
            raise UnderReview
        if seen_at is not None and revision.changed_at != seen_at:
            raise ChangedMeanwhile
        revision.content = content.as_json()
        note(revision, "revised")
    if offering.version == 0:
        offering.title = content.title  # nobody knows it by another yet
    db.session.flush()
    return revision


def submit(offering: Offering) -> OfferingRevision:
    """Ask the company to look at it. Raises NotReady (`data["missing"]`), MoveNotAllowed, NotSubmitted where
    nothing is open, OfferingArchived."""
    offering = _locked(offering)
    revision = _open(offering)
    content = checked(Content.from_json(revision.content), kind=offering.kind, offering=offering)
    if lacking := missing(content):
        raise NotReady(missing=lacking)
    move_to(revision, SUBMITTED)
    revision.submitted_at = clock.now()
    note(revision, "submitted")
    announce(
        events.OfferingSubmitted(
            tenant_id=offering.tenant_id, offering_id=offering.id, revision_id=revision.id
        )
    )
    return revision


def withdraw(offering: Offering) -> OfferingRevision:
    """Take it back before it is reviewed. Raises NotSubmitted."""
    offering = _locked(offering)
    revision = _open(offering)
    if revision.status != SUBMITTED:
        raise NotSubmitted
    move_to(revision, DRAFT)
    revision.submitted_at = None
    note(revision, "taken back")
    return revision


def checked(content: Content, *, kind: str, offering: Offering | None) -> Content:
    """The content in order, and all that it points at is the tenant's, its variants the offering's own.
    Raises Invalid at its field, BadPrice, KindNotYet."""
    content = content.tidy(kind)
    check(content, kind=kind, currency=tenancy.tenant(scope.tenant_id()).currency)
    for field, model in (
        ("subject_id", Subject),
        ("policy_id", CancellationPolicy),
        ("tax_rate_id", TaxRate),
    ):
        pointed_at = getattr(content, field)
        if pointed_at is not None and not queries.exists(model, pointed_at):
            raise Invalid(_l("What you chose does not exist."), field=field)
    own = {row.id for row in queries.variants_of(offering.id)} if offering is not None else set()
    for number, row in enumerate(content.variants, 1):
        if row.id is not None and row.id not in own:
            raise Invalid(_l("What you chose does not exist."), field=f"variant_{number}_name")
    check_picture(content.image_key, kind=pictures.OFFERINGS)
    return content


def free_slug_of(title: str, *, but: int | None = None) -> str:
    """An address that no other offering has."""
    slug = policies.slug_of(title, fallback="offering")
    return policies.free_slug(slug, queries.taken_slugs(Offering, slug, but=but))


def _new_revision(offering: Offering, content: Content) -> OfferingRevision:
    return OfferingRevision(
        offering_id=offering.id,
        number=queries.last_number(offering.id) + 1,
        status=DRAFT,
        content=content.as_json(),
    )


def _locked(offering: Offering) -> Offering:
    """Whoever changes anything of an offering locks it first. Raises OfferingArchived."""
    offering = queries.offering(offering.id, lock=True)
    if offering.status == ARCHIVED:
        raise OfferingArchived
    return offering


def _open(offering: Offering) -> OfferingRevision:
    revision = queries.open_revision(offering.id, lock=True)
    if revision is None:
        raise NotSubmitted(_l("There is nothing new to review."))
    return revision
