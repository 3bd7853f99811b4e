"""What visitors look for: a page of published offerings, and how many there are of each kind of everything.

Two statements, however many facets there are: the page, and one pass for all counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true, tuple_
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import contains_eager, raiseload

from app.core.db import db
from app.core.money import Money
from app.domains.accounts.models import ACTIVE, ENDED, TUTOR, Membership, Person
from app.domains.catalog.models import PUBLISHED, Offering, Subject, TutorProfile, Variant
from app.domains.catalog.policies.reviews import PRIOR_COUNT, PRIOR_SUM, Rating

PAGE = 24
MOST_WORDS = 8
SORTS = ("newest", "rating", "price", "-price", "title")
FACETS = ("subject", "level", "kind", "language", "tutor")


@dataclass(frozen=True)
class SearchArgs:
    """What is looked for. Subject and tutor are named by their addresses, prices by their minor units."""

    text: str = ""
    subject: str | None = None
    level: str | None = None
    kind: str | None = None
    language: str | None = None
    tutor: str | None = None
    price_from: int | None = None
    price_to: int | None = None
    sort: str = "newest"
    page: int = 1
    size: int = PAGE


@dataclass(frozen=True)
class Hit:
    """An offering as a card shows it; `tutor` and `subject` of it are loaded."""

    offering: Offering
    profile: TutorProfile | None
    lowest: Money
    highest: Money


@dataclass(frozen=True)
class TutorSeen:
    """Somebody who teaches here as a card shows them: with how much they offer, and the subjects of it."""

    person_id: int
    name: str
    profile: TutorProfile
    rating: Rating
    offerings: int
    subjects: Sequence[str]


@dataclass(frozen=True)
class Facet:
    """A value that the results can be narrowed to, and what would be found then. `label` only where the value
    is the address of something that has a name."""

    value: str
    label: str | None
    count: int


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
    """A page of what is published, and the facets. A facet counts with all that is asked for but its own
    value, so that another of its values can be chosen. Two statements."""
    hits = [
        Hit(offering, profile, Money(lowest, currency), Money(highest, currency))
        for offering, profile, lowest, highest, currency in db.session.execute(_page(args))
    ]
    count, facets = _facets(args)
    return Found(args, count, hits, facets)


_PRICES = (
    select(
        func.min(Variant.price_minor).label("lowest"),
        func.max(Variant.price_minor).label("highest"),
        func.min(Variant.currency).label("currency"),
    )
    .where(
        Variant.offering_id == Offering.id,
        Variant.tenant_id == Offering.tenant_id,
        Variant.is_active,
    )
    .correlate(Offering)
    .lateral("prices")
)


def _joined(query: Select[Any]) -> Select[Any]:
    """Everything that is searched and shown; keys that carry the tenant, as the indexes do."""
    return (
        query.join(Person, and_(Person.id == Offering.tutor_id, Person.tenant_id == Offering.tenant_id))
        .outerjoin(Subject, and_(Subject.id == Offering.subject_id, Subject.tenant_id == Offering.tenant_id))
        .outerjoin(
            TutorProfile,
            and_(TutorProfile.person_id == Offering.tutor_id, TutorProfile.tenant_id == Offering.tenant_id),
        )
    )


def _page(args: SearchArgs) -> Select[Any]:
    prices = _PRICES.c
    return (
        _joined(select(Offering, TutorProfile, prices.lowest, prices.highest, prices.currency))
        .join(_PRICES, true())
        .where(*_common(args), *_narrowed(args).values(), prices.lowest.is_not(None))
        .order_by(*_order(args))
        .offset((args.page - 1) * args.size)
        .limit(args.size)
        .options(contains_eager(Offering.tutor), contains_eager(Offering.subject), raiseload("*"))
    )


def _order(args: SearchArgs) -> list[Any]:
    newest = Offering.published_at.desc()
    keys: dict[str, list[Any]] = {
        "newest": [newest],
        "rating": [*best_rated(Offering.rating_count, Offering.rating_sum), newest],
        "price": [_PRICES.c.lowest.asc()],
        "-price": [_PRICES.c.lowest.desc()],
        "title": [func.lower(Offering.title).asc()],
    }
    found = [*keys[args.sort], Offering.id.desc()]
    if args.text and args.sort == "newest":
        # Whose title says it is meant more than whose description does.
        found.insert(0, Offering.title.icontains(args.text, autoescape=True).desc())
    return found


def best_rated(count: Any, total: Any) -> tuple[Any, Any]:
    """Whose reviews are best, so that many good ones weigh more than one; what has none comes last."""
    return (count > 0).desc(), ((total + PRIOR_SUM) * 1.0 / (count + PRIOR_COUNT)).desc()


def teaches_still() -> ColumnElement[bool]:
    """Of an offering: whoever left is not booked any more, so nothing of theirs is shown."""
    taught = select(Membership.id).where(
        Membership.person_id == Offering.tutor_id,
        Membership.tenant_id == Offering.tenant_id,
        Membership.role_key == TUTOR,
    )
    taught = taught.correlate(Offering)
    return or_(
        ~taught.where(Membership.status == ENDED).exists(), taught.where(Membership.status == ACTIVE).exists()
    )


def _common(args: SearchArgs) -> list[ColumnElement[bool]]:
    """What holds for the page and for every count."""
    found: list[ColumnElement[bool]] = [Offering.status == PUBLISHED, _is_sold(args), teaches_still()]
    columns = (Offering.title, Offering.summary, Offering.description, Subject.name, Person.full_name)
    for word in args.text.split()[:MOST_WORDS]:
        found.append(or_(*(column.icontains(word, autoescape=True) for column in columns)))
    return found


def _is_sold(args: SearchArgs) -> ColumnElement[bool]:
    """Some variant can be bought, and for a price that was asked for."""
    wanted = [
        Variant.offering_id == Offering.id,
        Variant.tenant_id == Offering.tenant_id,
        Variant.is_active,
    ]
    if args.price_from is not None:
        wanted.append(Variant.price_minor >= args.price_from)
    if args.price_to is not None:
        wanted.append(Variant.price_minor <= args.price_to)
    return select(Variant.id).where(*wanted).correlate(Offering).exists()


def _narrowed(args: SearchArgs) -> dict[str, ColumnElement[bool]]:
    columns: dict[str, Any] = {
        "subject": Subject.slug,
        "level": Offering.level,
        "kind": Offering.kind,
        "language": Offering.language,
        "tutor": TutorProfile.slug,
    }
    return {
        name: column == value
        for name, column in columns.items()
        if (value := getattr(args, name)) is not None
    }


def _facets(args: SearchArgs) -> tuple[int, dict[str, list[Facet]]]:
    """(all that is found, the facets): each grouping set is a facet, and the empty one counts everything."""
    narrowed = _narrowed(args)

    def count(own: str | None) -> Any:
        others = [condition for name, condition in narrowed.items() if name != own]
        return func.count().filter(and_(true(), *others)).label(f"count_{own or 'all'}")

    values = (Subject.slug, Offering.level, Offering.kind, Offering.language, TutorProfile.slug)
    more: dict[str, tuple[Any, ...]] = {
        "subject": (Subject.name, Subject.position),
        "tutor": (Person.full_name,),
    }
    sets = [tuple_(value, *more.get(name, ())) for name, value in zip(FACETS, values, strict=True)]
    rows = db.session.execute(
        _joined(
            select(
                func.grouping(*values).label("place"),
                *values,
                Subject.name,
                Subject.position,
                Person.full_name,
                count(None),
                *map(count, FACETS),
            ).select_from(Offering)
        )
        .where(*_common(args))
        .group_by(func.grouping_sets(*sets, tuple_()))
        .order_by(Subject.position, Subject.name, Person.full_name, *values)
    ).all()
    return _read(rows)


def _read(rows: Sequence[Any]) -> tuple[int, dict[str, list[Facet]]]:
    everything = (1 << len(FACETS)) - 1  # GROUPING's bits: 1 where a column is not in the set
    places = {everything ^ (1 << (len(FACETS) - 1 - n)): n for n in range(len(FACETS))}
    total = 0
    facets: dict[str, list[Facet]] = {name: [] for name in FACETS}
    for row in rows:
        if row.place == everything:
            total = row.count_all
            continue
        at = places[row.place]
        value, count = row[1 + at], getattr(row, f"count_{FACETS[at]}")
        if value is not None and count:
            label = {"subject": row.name, "tutor": row.full_name}.get(FACETS[at])
            facets[FACETS[at]].append(Facet(value, label, count))
    return total, facets


def tutors(limit: int, *, offset: int = 0) -> list[TutorSeen]:
    """Who offers something that can be booked, the best rated first. One statement."""
    count, total = func.sum(Offering.rating_count), func.sum(Offering.rating_sum)
    rows = db.session.execute(
        select(
            Person.id,
            Person.full_name,
            TutorProfile,
            count,
            total,
            func.count(),
            func.array_agg(aggregate_order_by(Subject.name, Subject.position, Subject.name)),
        )
        .select_from(Offering)
        .join(Person, and_(Person.id == Offering.tutor_id, Person.tenant_id == Offering.tenant_id))
        .join(
            TutorProfile,
            and_(TutorProfile.person_id == Offering.tutor_id, TutorProfile.tenant_id == Offering.tenant_id),
        )
        .outerjoin(Subject, and_(Subject.id == Offering.subject_id, Subject.tenant_id == Offering.tenant_id))
        .where(*_common(SearchArgs()))
        .group_by(Person.id, Person.full_name, TutorProfile.id)
        .order_by(*best_rated(count, total), func.count().desc(), Person.full_name, Person.id)
        .offset(offset)
        .limit(limit)
        .options(raiseload("*"))
    )
    return [
        TutorSeen(
            person_id,
            name,
            profile,
            Rating(int(rated), int(stars)),
            number,
            list(dict.fromkeys(filter(None, subjects))),
        )
        for person_id, name, profile, rated, stars, number, subjects in rows
    ]


def is_shown(tutor_id: int) -> bool:
    """Whether visitors find anything of theirs to book."""
    query = select(Offering.id).where(
        Offering.tutor_id == tutor_id,
        Offering.status == PUBLISHED,
        _is_sold(SearchArgs()),
        teaches_still(),
    )
    return db.session.scalar(query.limit(1)) is not None


def addresses(limit: int) -> list[tuple[str, str, Any, Any]]:
    """(an offering's address, its tutor's, when each changed last) of all that is shown, the newest first."""
    rows = db.session.execute(
        select(Offering.slug, TutorProfile.slug, Offering.changed_at, TutorProfile.changed_at)
        .outerjoin(
            TutorProfile,
            and_(TutorProfile.person_id == Offering.tutor_id, TutorProfile.tenant_id == Offering.tenant_id),
        )
        .where(Offering.status == PUBLISHED, _is_sold(SearchArgs()), teaches_still())
        .order_by(Offering.published_at.desc(), Offering.id.desc())
        .limit(limit)
    )
    return [(offering, tutor, at, tutor_at) for offering, tutor, at, tutor_at in rows]
