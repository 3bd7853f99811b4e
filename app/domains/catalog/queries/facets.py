"""How many there are of each kind of everything that a search finds: one pass for all counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, and_, func, select, true, tuple_

from app.core import plain
from app.domains.accounts.models import Person
from app.domains.catalog.models import Subject, TutorProfile
from app.domains.catalog.queries.on_sale import (
    FACETS,
    OFFERING,
    PERSON,
    PROFILE,
    SUBJECT,
    Shape,
    common,
    narrowed,
)

_EVERYTHING = (1 << len(FACETS)) - 1  # GROUPING's bits: 1 where a column is not in the set
_PLACES = {_EVERYTHING ^ (1 << (len(FACETS) - 1 - n)): n for n in range(len(FACETS))}


@dataclass(frozen=True)
class Facet:
    """A value that the results can be narrowed to, and what would be found then. `label` only where the value
    is the address of something that has a name."""

    value: str
    label: str | None
    count: int


def facet_counts(shape: Shape) -> Select[Any]:
    """A facet counts with all that is asked for but its own value, so that another of its values can be
    chosen. Each grouping set is a facet, and the empty one counts everything. What is counted by its key gets
    its name afterwards: there are few then."""
    meanings = narrowed(shape)

    def count(own: str | None) -> Any:
        others = [condition for name, condition in meanings.items() if name != own]
        return func.count().filter(and_(true(), *others)).label(f"count_{own or 'all'}")

    keys = (OFFERING.subject_id, OFFERING.level, OFFERING.kind, OFFERING.language, OFFERING.tutor_id)
    counted = (
        select(func.grouping(*keys).label("place"), *keys, count(None), *map(count, FACETS))
        .where(*common(shape))
        .group_by(func.grouping_sets(*map(tuple_, keys), tuple_()))
        .subquery("counted")
    )
    row = counted.c
    named = (SUBJECT.slug, row.level, row.kind, row.language, PROFILE.slug)
    return (
        select(row.place, *named, SUBJECT.name, PERSON.full_name, row.count_all)
        .add_columns(*(row[f"count_{name}"] for name in FACETS))
        .select_from(counted)
        .outerjoin(Subject.__table__, and_(SUBJECT.tenant_id == plain.tenant(), SUBJECT.id == row.subject_id))
        .outerjoin(
            TutorProfile.__table__,
            and_(PROFILE.tenant_id == plain.tenant(), PROFILE.person_id == row.tutor_id),
        )
        .outerjoin(Person.__table__, and_(PERSON.tenant_id == plain.tenant(), PERSON.id == row.tutor_id))
        .order_by(SUBJECT.position, SUBJECT.name, PERSON.full_name, *named)
    )


def read_facets(rows: Sequence[Any]) -> tuple[int, dict[str, list[Facet]]]:
    """Of the rows of `facet_counts`: (all that is found, the facets)."""
    total = 0
    found: dict[str, list[Facet]] = {name: [] for name in FACETS}
    for place, *named, subject, tutor, count_all, subjects, levels, kinds, languages, tutors in rows:
        if place == _EVERYTHING:
            total = count_all
            continue
        at = _PLACES[place]
        value, count = named[at], (subjects, levels, kinds, languages, tutors)[at]
        if value is not None and count:
            label = {"subject": subject, "tutor": tutor}.get(FACETS[at])
            found[FACETS[at]].append(Facet(value, label, count))
    return total, found
