"""What is on sale now, and what a search narrows it to: conditions on plain tables, of which the storefront's
statements are made, once for each shape of search. Their values are given when they run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, or_, select

from app.core import plain
from app.domains.accounts.models import ENDED, TUTOR, Membership, Person
from app.domains.catalog.models import PUBLISHED, Offering, Subject, TutorProfile, Variant

PAGE = 24
MOST_WORDS = 8
SORTS = ("newest", "rating", "price", "-price", "title")
FACETS = ("subject", "level", "kind", "language", "tutor")

OFFERING, VARIANT, MEMBER = Offering.__table__.c, Variant.__table__.c, Membership.__table__.c
SUBJECT, PERSON, PROFILE = Subject.__table__.c, Person.__table__.c, TutorProfile.__table__.c
_ESCAPED = str.maketrans({char: f"/{char}" for char in "/%_"})


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
class Shape:
    """What is asked for, without its values: how many words, which facets, which ends of the price."""

    words: int = 0
    facets: tuple[str, ...] = ()
    price_from: bool = False
    price_to: bool = False
    sort: str = "newest"


def shape_of(args: SearchArgs) -> tuple[Shape, dict[str, Any]]:
    """With the values for a statement of this shape."""
    words = args.text.split()[:MOST_WORDS]
    named = {name: getattr(args, name) for name in (*FACETS, "price_from", "price_to")}
    values = {name: value for name, value in named.items() if value is not None}
    shape = Shape(
        words=len(words),
        facets=tuple(name for name in FACETS if name in values),
        price_from="price_from" in values,
        price_to="price_to" in values,
        sort=args.sort,
    )
    values |= {f"word_{number}": _anywhere(word) for number, word in enumerate(words)}
    return shape, values | ({"whole": _anywhere(args.text)} if words else {})


def _anywhere(text: str) -> str:
    return f"%{text.translate(_ESCAPED)}%"


def contains(column: Any, name: str) -> ColumnElement[bool]:
    """Whether it has the text of this parameter in it, in capitals or not."""
    found: ColumnElement[bool] = column.ilike(bindparam(name), escape="/")
    return found


def common(shape: Shape = Shape()) -> list[ColumnElement[bool]]:
    """What holds for the page and for every count."""
    found = [
        OFFERING.tenant_id == plain.tenant(),
        OFFERING.status == PUBLISHED,
        _is_sold(shape),
        OFFERING.tutor_id.not_in(
            left(Membership.__table__.c).where(Membership.__table__.c.tenant_id == plain.tenant())
        ),
    ]
    return [*found, *(_says(f"word_{number}") for number in range(shape.words))]


def left(member: Any) -> Select[Any]:
    """Who taught here and does not any more, by a table or by its model: whoever left is not booked, so
    nothing of theirs is shown."""
    return (
        select(member.person_id)
        .where(member.role_key == TUTOR)
        .group_by(member.person_id)
        .having(func.bool_and(member.status == ENDED))
    )


def _is_sold(shape: Shape) -> ColumnElement[bool]:
    """Some variant can be bought, and for a price that was asked for."""
    wanted = variants()
    if shape.price_from:
        wanted = wanted.where(VARIANT.price_minor >= bindparam("price_from"))
    if shape.price_to:
        wanted = wanted.where(VARIANT.price_minor <= bindparam("price_to"))
    return wanted.exists()


def variants(*columns: Any) -> Select[Any]:
    """Of an offering, those that can be bought."""
    return (
        select(*(columns or (VARIANT.id,)))
        .where(VARIANT.tenant_id == OFFERING.tenant_id, VARIANT.offering_id == OFFERING.id, VARIANT.is_active)
        .correlate(Offering.__table__)
    )


def _says(word: str) -> ColumnElement[bool]:
    """Whether a word is in what an offering says, or in the name of its subject or its tutor."""
    about = select(SUBJECT.id).where(SUBJECT.tenant_id == plain.tenant(), contains(SUBJECT.name, word))
    tutor = (
        select(PERSON.full_name)
        .where(PERSON.tenant_id == OFFERING.tenant_id, PERSON.id == OFFERING.tutor_id)
        .correlate(Offering.__table__)
        .scalar_subquery()
    )
    said = (contains(column, word) for column in (OFFERING.title, OFFERING.summary, OFFERING.description))
    return or_(*said, OFFERING.subject_id.in_(about), contains(tutor, word))


def narrowed(shape: Shape) -> dict[str, ColumnElement[bool]]:
    """By facet, what its chosen value means."""
    subject = select(SUBJECT.id).where(
        SUBJECT.tenant_id == plain.tenant(), SUBJECT.slug == bindparam("subject")
    )
    tutor = select(PROFILE.person_id).where(
        PROFILE.tenant_id == plain.tenant(), PROFILE.slug == bindparam("tutor")
    )
    meanings: dict[str, ColumnElement[bool]] = {
        "subject": OFFERING.subject_id == subject.scalar_subquery(),
        "level": OFFERING.level == bindparam("level"),
        "kind": OFFERING.kind == bindparam("kind"),
        "language": OFFERING.language == bindparam("language"),
        "tutor": OFFERING.tutor_id == tutor.scalar_subquery(),
    }
    return {name: meanings[name] for name in shape.facets}
