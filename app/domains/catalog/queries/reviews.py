"""Reads of reviews: what is shown of an offering, of a tutor and of a whole company, and what somebody may
still say."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, select
from sqlalchemy.orm import contains_eager, joinedload, raiseload

from app.core.db import db
from app.core.errors import NotFound
from app.domains.accounts.models import Membership, Person
from app.domains.catalog.models import LAPSED, PUBLISHED, VISIBLE, Offering, Participation, Review
from app.domains.catalog.policies.reviews import GOOD, Rating
from app.domains.catalog.queries.on_sale import left

PAGE = 10


@dataclass(frozen=True)
class ToReview:
    """An offering that a student came to and has said nothing about yet."""

    student: Person
    offering: Offering
    last_at: dt.datetime


def reviews_of(offering_id: int, *, page: int = 1, size: int = PAGE) -> Sequence[Review]:
    """The visible ones of an offering with their authors, the newest first; how many there are is the
    offering's `rating_count`."""
    query = _shown().where(Review.offering_id == offering_id)
    return db.session.scalars(query.offset((page - 1) * size).limit(size)).all()


def reviews_of_tutor(tutor_id: int, *, page: int = 1, size: int = PAGE) -> Sequence[Review]:
    """As `reviews_of`, of all that somebody teaches or taught."""
    query = _shown().where(Offering.tutor_id == tutor_id)
    return db.session.scalars(query.offset((page - 1) * size).limit(size)).all()


def quotes(limit: int) -> Sequence[Review]:
    """Good words about what is sold here, the newest first, with offering, author and tutor."""
    return db.session.scalars(
        _shown()
        .options(contains_eager(Review.offering).joinedload(Offering.tutor))
        .where(Review.rating >= GOOD, Review.text != "", Offering.status == PUBLISHED)
        .where(Offering.tutor_id.not_in(left(Membership)))
        .limit(limit)
    ).all()


def _shown() -> Select[Review]:
    return (
        select(Review)
        .join(Offering, and_(Offering.id == Review.offering_id, Offering.tenant_id == Review.tenant_id))
        .where(Review.status == VISIBLE)
        .order_by(Review.written_at.desc(), Review.id.desc())
        .options(contains_eager(Review.offering), joinedload(Review.author), raiseload("*"))
    )


def reviews_for_tutor(tutor_id: int, *, page: int = 1, size: int = PAGE) -> tuple[int, Sequence[Review]]:
    """(all there are, a page of them): hidden ones, too, since their tutor has read them already."""
    rows = db.session.execute(
        select(Review, func.count().over())
        .join(Offering, and_(Offering.id == Review.offering_id, Offering.tenant_id == Review.tenant_id))
        .where(Offering.tutor_id == tutor_id, Review.status != LAPSED)
        .order_by(Review.written_at.desc(), Review.id.desc())
        .offset((page - 1) * size)
        .limit(size)
        .options(contains_eager(Review.offering), joinedload(Review.author), raiseload("*"))
    ).all()
    return (rows[0][1] if rows else 0), [row[0] for row in rows]


def rating_of_tutor(tutor_id: int) -> Rating:
    """Of all that somebody teaches or taught."""
    found = db.session.execute(
        select(
            func.coalesce(func.sum(Offering.rating_count), 0), func.coalesce(func.sum(Offering.rating_sum), 0)
        ).where(Offering.tutor_id == tutor_id)
    ).one()
    return Rating(int(found[0]), int(found[1]))


def review(review_id: int, *, lock: bool = False) -> Review:
    """With its offering. Raises NotFound; with `lock` the row as it is now."""
    return _one(select(Review).where(Review.id == review_id).options(joinedload(Review.offering)), lock)


def review_of(student_id: int, offering_id: int, *, lock: bool = False) -> Review | None:
    """What was said for this student about an offering."""
    query = select(Review).where(Review.student_id == student_id, Review.offering_id == offering_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    return db.session.scalars(query).one_or_none()


def reviews_by(student_ids: Collection[int], *, limit: int = 100) -> Sequence[Review]:
    """What was said for these students, with offering and student, the newest first."""
    return db.session.scalars(
        select(Review)
        .where(Review.student_id.in_(student_ids))
        .order_by(Review.written_at.desc(), Review.id.desc())
        .limit(limit)
        .options(
            joinedload(Review.offering).joinedload(Offering.tutor),
            joinedload(Review.student),
            joinedload(Review.author),
            raiseload("*"),
        )
    ).all()


def to_review(student_ids: Collection[int], *, limit: int = 20) -> list[ToReview]:
    """What these students came to and have said nothing about, the latest first. One statement."""
    said = select(Review.id).where(
        Review.student_id == Participation.student_id,
        Review.offering_id == Participation.offering_id,
        Review.tenant_id == Participation.tenant_id,
    )
    last_at = func.max(Participation.happened_at)
    came = (
        select(
            Participation.student_id, Participation.offering_id, Participation.tenant_id, last_at.label("at")
        )
        .where(Participation.student_id.in_(student_ids), ~said.exists())
        .group_by(Participation.student_id, Participation.offering_id, Participation.tenant_id)
        .order_by(last_at.desc(), Participation.offering_id)
        .limit(limit)
        .subquery()
    )
    rows = db.session.execute(
        select(Person, Offering, came.c.at)
        .select_from(came)
        .join(Person, and_(Person.id == came.c.student_id, Person.tenant_id == came.c.tenant_id))
        .join(Offering, and_(Offering.id == came.c.offering_id, Offering.tenant_id == came.c.tenant_id))
        .order_by(came.c.at.desc(), came.c.offering_id)
        .options(joinedload(Offering.tutor))
    )
    return [ToReview(student, offering, at) for student, offering, at in rows]


def took_part(student_id: int, offering_id: int, *, lock: bool = False) -> bool:
    """Whether a lesson stands behind a review; with `lock` one that nobody else works on meanwhile."""
    query = select(Participation.id).where(
        Participation.student_id == student_id, Participation.offering_id == offering_id
    )
    query = query.order_by(Participation.id).limit(1)
    if lock:
        query = query.with_for_update(key_share=True)
    return db.session.scalar(query) is not None


def participation_of(source_id: int) -> Participation | None:
    return db.session.scalars(select(Participation).where(Participation.source_id == source_id)).one_or_none()


def _one(query: Select[Review], lock: bool) -> Review:
    if lock:
        query = query.with_for_update(of=Review).execution_options(populate_existing=True)
    found: Any = db.session.scalars(query).one_or_none()
    if found is None:
        raise NotFound
    return found  # type: ignore[no-any-return]
