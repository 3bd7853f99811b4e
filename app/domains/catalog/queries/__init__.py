"""Reads of the catalogue: offerings and what belongs to them. `storefront` has the visitors' search."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeVar

from sqlalchemy import Select, func, or_, select, text
from sqlalchemy.orm import joinedload, raiseload, selectinload

from app.core import scope
from app.core.db import db
from app.core.errors import NotFound
from app.domains.accounts.models import Person
from app.domains.catalog.models import (
    APPROVED,
    PUBLISHED,
    SUBMITTED,
    CancellationPolicy,
    Offering,
    OfferingRevision,
    Subject,
    TaxRate,
    TutorProfile,
    Variant,
)
from app.domains.catalog.queries.facets import Facet
from app.domains.catalog.queries.on_sale import SearchArgs
from app.domains.catalog.queries.storefront import (
    Found,
    Hit,
    TutorSeen,
    addresses,
    is_shown,
    search,
    tutors,
)

__all__ = [  # beside what is defined here
    "Facet",
    "Found",
    "Hit",
    "SearchArgs",
    "TutorSeen",
    "addresses",
    "is_shown",
    "search",
    "tutors",
]

Row = TypeVar("Row")

_ACTIVE = selectinload(Offering.variants.and_(Variant.is_active))


def published(slug: str) -> Offering:
    """What can be bought under this address, with its active variants, tutor, subject, policy and tax rate.
    Raises NotFound unless it is published."""
    return _one(
        select(Offering)
        .where(Offering.slug == _address(slug), Offering.status == PUBLISHED)
        .options(
            joinedload(Offering.variants.and_(Variant.is_active)),
            joinedload(Offering.tutor),
            joinedload(Offering.subject),
            joinedload(Offering.policy),
            joinedload(Offering.tax_rate),
            raiseload("*"),
        )
    )


def offering(offering_id: int, *, lock: bool = False) -> Offering:
    """Raises NotFound; with `lock` the row as it is now, whoever locks it too waits."""
    return _row(Offering, offering_id, lock)


def offering_by_slug(slug: str) -> Offering:
    """Whatever became of it: its address stays its own. Raises NotFound."""
    return _one(select(Offering).where(Offering.slug == _address(slug)))


def offering_of(tutor_id: int, offering_id: int) -> Offering:
    """A tutor's own, with its variants. Raises NotFound, for somebody else's as well."""
    return _one(
        select(Offering)
        .where(Offering.id == offering_id, Offering.tutor_id == tutor_id)
        .options(selectinload(Offering.variants), joinedload(Offering.subject))
    )


def offerings_of(tutor_id: int) -> list[tuple[Offering, OfferingRevision | None]]:
    """All of a tutor's, each with its open revision, the newest first."""
    open_one = (OfferingRevision.offering_id == Offering.id) & (OfferingRevision.status != APPROVED)
    rows = db.session.execute(
        select(Offering, OfferingRevision)
        .outerjoin(OfferingRevision, open_one)
        .where(Offering.tutor_id == tutor_id)
        .order_by(Offering.id.desc())
    )
    return [(row, revision) for row, revision in rows]


def variant(variant_id: int) -> Variant:
    """With its offering. Raises NotFound."""
    return _one(select(Variant).where(Variant.id == variant_id).options(joinedload(Variant.offering)))


def variants_of(offering_id: int) -> list[Variant]:
    """All there ever were, as they are now."""
    return list(
        db.session.scalars(
            select(Variant)
            .where(Variant.offering_id == offering_id)
            .order_by(Variant.position, Variant.id)
            .execution_options(populate_existing=True)
        )
    )


def revision(revision_id: int) -> OfferingRevision:
    """With its offering. Raises NotFound."""
    return _one(
        select(OfferingRevision)
        .where(OfferingRevision.id == revision_id)
        .options(joinedload(OfferingRevision.offering))
    )


def revision_for_update(revision_id: int) -> OfferingRevision:
    """The locked row, as it is now. Raises NotFound."""
    return _row(OfferingRevision, revision_id, lock=True)


def open_revision(offering_id: int, *, lock: bool = False) -> OfferingRevision | None:
    """The one that is not approved yet."""
    query = select(OfferingRevision).where(
        OfferingRevision.offering_id == offering_id, OfferingRevision.status != APPROVED
    )
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return db.session.scalars(query).one_or_none()


def last_number(offering_id: int) -> int:
    """The number of an offering's newest revision; 0 where there is none."""
    query = select(OfferingRevision.number).where(OfferingRevision.offering_id == offering_id)
    return db.session.scalars(query.order_by(OfferingRevision.number.desc()).limit(1)).one_or_none() or 0


def waiting() -> Sequence[OfferingRevision]:
    """What a manager has to look at, the longest waiting first."""
    return db.session.scalars(
        select(OfferingRevision)
        .where(OfferingRevision.status == SUBMITTED)
        .options(joinedload(OfferingRevision.offering))
        .order_by(OfferingRevision.submitted_at, OfferingRevision.id)
    ).all()


def default_policy() -> CancellationPolicy | None:
    """The company's, for offerings that name none."""
    return db.session.scalars(select(CancellationPolicy).where(CancellationPolicy.is_default)).one_or_none()


def subjects() -> Sequence[Subject]:
    return db.session.scalars(select(Subject).order_by(Subject.position, Subject.name)).all()


def last_place() -> int:
    """Of the last subject in the list; 0 where there is none."""
    return db.session.scalar(select(func.max(Subject.position))) or 0


def cancellation_policies() -> Sequence[CancellationPolicy]:
    return db.session.scalars(select(CancellationPolicy).order_by(CancellationPolicy.name)).all()


def tax_rates() -> Sequence[TaxRate]:
    return db.session.scalars(select(TaxRate).order_by(TaxRate.name)).all()


def exists(model: type[Any], row_id: int) -> bool:
    """Whether the tenant in scope has this row."""
    return db.session.scalar(select(model.id).where(model.id == row_id)) is not None


def names_of(model: type[Any], ids: Collection[int | None]) -> Mapping[int, str]:
    """What rows are called, by their ids; asks nothing where there are none to ask for."""
    wanted = {row_id for row_id in ids if row_id is not None}
    if not wanted:
        return {}
    rows = db.session.execute(select(model.id, model.name).where(model.id.in_(wanted)))
    return {row_id: name for row_id, name in rows}  # noqa: C416 - a Row is no pair to mypy


def tutor_names() -> Mapping[int, str]:
    """Who has ever written an offering here, by their ids."""
    authors = select(Offering.tutor_id)
    rows = db.session.execute(select(Person.id, Person.full_name).where(Person.id.in_(authors)))
    return {row_id: name for row_id, name in rows}  # noqa: C416 - a Row is no pair to mypy


def profile(slug: str) -> TutorProfile:
    """With its person. Raises NotFound."""
    return _one(
        select(TutorProfile)
        .where(TutorProfile.slug == _address(slug))
        .options(joinedload(TutorProfile.person))
    )


def profile_of(person_id: int, *, lock: bool = False) -> TutorProfile | None:
    query = select(TutorProfile).where(TutorProfile.person_id == person_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return db.session.scalars(query).one_or_none()


def person_for_update(person_id: int) -> Person:
    """Raises NotFound."""
    return _row(Person, person_id, lock=True)


def taken_slugs(model: type[Any], slug: str, *, but: int | None = None) -> set[str]:
    """Of these that begin so, apart from one row's own; whoever names something of the tenant's next waits
    until the transaction ends."""
    db.session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:mark, 4))"),
        {"mark": f"catalog names|{scope.tenant_id()}"},
    )
    query = select(model.slug).where(or_(model.slug == slug, model.slug.startswith(f"{slug}-")))
    return set(db.session.scalars(query if but is None else query.where(model.id != but)))


def _address(slug: str) -> str:
    """What can be part of an address of ours. Raises NotFound: PostgreSQL refuses to look for NUL."""
    if not slug.isascii() or not slug.isprintable():
        raise NotFound
    return slug


def _row(model: type[Row], row_id: int, lock: bool) -> Row:
    query = select(model).where(model.id == row_id)  # type: ignore[attr-defined]
    if lock:
        # No more than an UPDATE takes anyway, so that rows which point at this one can still be added.
        query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return _one(query)


def _one(query: Select[Row]) -> Row:
    found = db.session.scalars(query).unique().one_or_none()
    if found is None:
        raise NotFound
    return found
