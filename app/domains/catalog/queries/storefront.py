"""What visitors look for: a page of published offerings, who teaches, and the addresses of all that is shown.

A search takes one statement, however many facets there are, for the page and for one pass that counts all.
What it reads are plain values: these pages are asked for most, and nobody writes what they read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, and_, bindparam, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from app.core import plain
from app.core.money import Money
from app.domains.accounts.models import Person
from app.domains.catalog.models import Offering, Subject, TutorProfile
from app.domains.catalog.policies.reviews import PRIOR_COUNT, PRIOR_SUM, Rating
from app.domains.catalog.queries.facets import Facet, facet_counts, read_facets
from app.domains.catalog.queries.on_sale import (
    OFFERING,
    PERSON,
    PROFILE,
    SUBJECT,
    VARIANT,
    SearchArgs,
    Shape,
    common,
    contains,
    narrowed,
    shape_of,
    variants,
)

_COLUMNS = (
    "id",
    "slug",
    "title",
    "summary",
    "kind",
    "level",
    "language",
    "image_key",
    "rating_count",
    "rating_sum",
)


@dataclass(frozen=True, slots=True)
class SubjectShown:
    slug: str
    name: str


@dataclass(frozen=True, slots=True)
class TutorShown:
    full_name: str


@dataclass(frozen=True, slots=True)
class ProfileShown:
    slug: str
    headline: str | None
    languages: str | None
    image_key: str | None


@dataclass(frozen=True, slots=True)
class OfferingShown:
    """An offering as a card shows it; its parts have the names that its model has for them."""

    id: int
    slug: str
    title: str
    summary: str
    kind: str
    level: str
    language: str
    image_key: str | None
    rating_count: int
    rating_sum: int
    tutor: TutorShown
    subject: SubjectShown | None


@dataclass(frozen=True)
class Hit:
    """What was found, how its tutor is shown, and what it costs."""

    offering: OfferingShown
    profile: ProfileShown | None
    lowest: Money
    highest: Money


@dataclass(frozen=True)
class TutorSeen:
    """Somebody who teaches here as a card shows them: with how much they offer, and the subjects of it."""

    person_id: int
    name: str
    profile: ProfileShown
    rating: Rating
    offerings: int
    subjects: Sequence[str]


@dataclass(frozen=True)
class Found:
    args: SearchArgs
    count: int
    hits: Sequence[Hit]
    facets: Mapping[str, Sequence[Facet]] = field(default_factory=dict)

    @property
    def pages(self) -> int:
        return max(1, -(-self.count // self.args.size))


def search(args: SearchArgs) -> Found:
    """A page of what is published, and the facets. One statement."""
    shape, values = shape_of(args)
    asked = {name: value for name, value in values.items() if name != "whole" or args.sort == "newest"}
    skip = (args.page - 1) * args.size
    [(rows, counts)] = plain.rows_alone(_search(shape), **asked, skip=skip, most=args.size)
    count, found = read_facets(counts)
    return Found(args, count, [_hit(row) for row in rows or ()], found)


def _hit(row: Any) -> Hit:
    *columns, tutor, subject, profile, (lowest, highest, currency) = row
    shown_subject = SubjectShown(*subject) if subject else None
    return Hit(
        OfferingShown(*[*columns, TutorShown(tutor), shown_subject]),
        ProfileShown(*profile) if profile else None,
        Money(lowest, currency),
        Money(highest, currency),
    )


@lru_cache(maxsize=256)
def _search(shape: Shape) -> Select[Any]:
    """Both as lists of rows, each in its order."""
    return select(_as_list(_page(shape)), _as_list(facet_counts(shape)))


def _as_list(statement: Select[Any]) -> Any:
    rows = statement.subquery()
    return select(func.json_agg(func.json_build_array(*rows.c))).scalar_subquery()


def _page(shape: Shape) -> Select[Any]:
    """What belongs to an offering is asked for where the page is cut already."""
    tutor = select(PERSON.full_name).where(
        PERSON.tenant_id == OFFERING.tenant_id, PERSON.id == OFFERING.tutor_id
    )
    subject = select(func.json_build_array(SUBJECT.slug, SUBJECT.name)).where(
        SUBJECT.tenant_id == OFFERING.tenant_id, SUBJECT.id == OFFERING.subject_id
    )
    profile = select(func.json_build_array(*_PROFILE)).where(
        PROFILE.tenant_id == OFFERING.tenant_id, PROFILE.person_id == OFFERING.tutor_id
    )
    price = VARIANT.price_minor
    prices = variants(func.json_build_array(func.min(price), func.max(price), func.min(VARIANT.currency)))
    return (
        select(*(OFFERING[name] for name in _COLUMNS))
        .add_columns(*(part.scalar_subquery() for part in (tutor, subject, profile, prices)))
        .where(*common(shape), *narrowed(shape).values())
        .order_by(*_order(shape), OFFERING.id.desc())
        .offset(bindparam("skip"))
        .limit(bindparam("most"))
    )


_PROFILE = (PROFILE.slug, PROFILE.headline, PROFILE.languages, PROFILE.image_key)


def _order(shape: Shape) -> list[Any]:
    newest, lowest = OFFERING.published_at.desc(), variants(func.min(VARIANT.price_minor)).scalar_subquery()
    keys: dict[str, list[Any]] = {
        "newest": [newest],
        "rating": [*best_rated(OFFERING.rating_count, OFFERING.rating_sum), newest],
        "price": [lowest.asc()],
        "-price": [lowest.desc()],
        "title": [func.lower(OFFERING.title).asc()],
    }
    # Whose title says it is meant more than whose description does.
    first = [contains(OFFERING.title, "whole").desc()] if shape.words and shape.sort == "newest" else []
    return [*first, *keys[shape.sort]]


def best_rated(count: Any, total: Any) -> tuple[Any, Any]:
    """Whose reviews are best, so that many good ones weigh more than one; what has none comes last."""
    return (count > 0).desc(), ((total + PRIOR_SUM) * 1.0 / (count + PRIOR_COUNT)).desc()


# -- Tutors ------------------------------------------------------------------------------------------------


def _tutors() -> Select[Any]:
    count, total = func.sum(OFFERING.rating_count), func.sum(OFFERING.rating_sum)
    return (
        select(
            PERSON.id,
            PERSON.full_name,
            *_PROFILE,
            count,
            total,
            func.count(),
            func.array_agg(aggregate_order_by(SUBJECT.name, SUBJECT.position, SUBJECT.name)),
        )
        .select_from(Offering.__table__)
        .join(
            Person.__table__,
            and_(PERSON.tenant_id == OFFERING.tenant_id, PERSON.id == OFFERING.tutor_id),
        )
        .join(
            TutorProfile.__table__,
            and_(PROFILE.tenant_id == OFFERING.tenant_id, PROFILE.person_id == OFFERING.tutor_id),
        )
        .outerjoin(
            Subject.__table__,
            and_(SUBJECT.tenant_id == OFFERING.tenant_id, SUBJECT.id == OFFERING.subject_id),
        )
        .where(*common())
        .group_by(PERSON.id, PERSON.full_name, PROFILE.id)
        .order_by(*best_rated(count, total), func.count().desc(), PERSON.full_name, PERSON.id)
        .offset(bindparam("skip"))
        .limit(bindparam("most"))
    )


_TUTORS = _tutors()


def tutors(limit: int, *, offset: int = 0) -> list[TutorSeen]:
    """Who offers something that can be booked, the best rated first. One statement."""
    found = []
    for person_id, name, *profile, rated, stars, number, subjects in plain.rows_alone(
        _TUTORS, skip=offset, most=limit
    ):
        rating = Rating(int(rated), int(stars))
        taught = list(dict.fromkeys(filter(None, subjects)))
        found.append(TutorSeen(person_id, name, ProfileShown(*profile), rating, number, taught))
    return found


_SHOWN = select(OFFERING.id).where(*common(), OFFERING.tutor_id == bindparam("tutor_id")).limit(1)


def is_shown(tutor_id: int) -> bool:
    """Whether visitors find anything of theirs to book."""
    return bool(plain.rows(_SHOWN, tutor_id=tutor_id))


_ADDRESSES = (
    select(OFFERING.slug, PROFILE.slug, OFFERING.changed_at, PROFILE.changed_at)
    .select_from(Offering.__table__)
    .outerjoin(
        TutorProfile.__table__,
        and_(PROFILE.tenant_id == OFFERING.tenant_id, PROFILE.person_id == OFFERING.tutor_id),
    )
    .where(*common())
    .order_by(OFFERING.published_at.desc(), OFFERING.id.desc())
    .limit(bindparam("most"))
)


def addresses(limit: int) -> list[tuple[str, str, Any, Any]]:
    """(an offering's address, its tutor's, when each changed last) of all that is shown, the newest first."""
    return [tuple(row) for row in plain.rows_alone(_ADDRESSES, most=limit)]
