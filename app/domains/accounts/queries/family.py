"""Reads of families: who answers for whom, and for whom somebody can book."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, bindparam, or_, select

from app.core import plain
from app.core.db import db
from app.core.errors import NotFound
from app.domains.accounts.models import ACTIVE, STUDENT, Guardianship, Membership, Person


def children_of(guardian_id: int) -> Sequence[Person]:
    """For whom somebody answers, in the order of their names."""
    return db.session.scalars(
        select(Person)
        .join(Guardianship, Guardianship.child_id == Person.id)
        .where(Guardianship.guardian_id == guardian_id)
        .order_by(Person.full_name, Person.id)
    ).all()


def child_of(guardian_id: int, child_id: int, *, lock: bool = False) -> Person:
    """Raises NotFound for anybody else's; with `lock` the row as it is now, for changing it."""
    query = (
        select(Person)
        .join(Guardianship, Guardianship.child_id == Person.id)
        .where(Guardianship.guardian_id == guardian_id, Person.id == child_id)
    )
    if lock:
        query = query.with_for_update(of=Person).execution_options(populate_existing=True)
    found = db.session.scalars(query).one_or_none()
    if found is None:
        raise NotFound
    return found


_PEOPLE = plain.Records(Person, (), walled=True)


def _learners() -> Select[Any]:
    person, me = Person.__table__.c, bindparam("oneself", type_=Person.id.type)
    member, guardianship = Membership.__table__.c, Guardianship.__table__.c
    oneself = select(member.person_id).where(
        member.tenant_id == plain.tenant(),
        member.person_id == me,
        member.role_key == STUDENT,
        member.status == ACTIVE,
    )
    children = select(guardianship.child_id).where(
        guardianship.tenant_id == plain.tenant(), guardianship.guardian_id == me
    )
    return (
        select(*_PEOPLE.columns)
        .where(_PEOPLE.wall, or_(person.id.in_(oneself), person.id.in_(children)))
        .order_by(person.id != me, person.full_name, person.id)
    )


_LEARNERS = _learners()


def learners_for(person_id: int) -> list[Person]:
    """For whom somebody can book: oneself, first, as far as one is a student here, and one's children. To be
    read only: the ORM does not know them."""
    return _PEOPLE.made(_PEOPLE.run(_LEARNERS, oneself=person_id))


def guardianships_of(guardian_id: int) -> Sequence[Guardianship]:
    """What `policies.may_act_for` asks."""
    return db.session.scalars(select(Guardianship).where(Guardianship.guardian_id == guardian_id)).all()
