"""A demo company while it is lived: who is who in it, and the ways in which a deed gets at its rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from sqlalchemy import Select, and_, or_, select

from app.core import audit
from app.core.db import db
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Account, Membership, Person
from app.domains.booking.models import ATTENDED, BOOKED, CANCELLED, MISSED, Lesson, Seat, SeatMove
from app.domains.catalog import queries as catalog
from app.domains.catalog.models import Offering
from app.shell.world.deeds import SeatRef
from app.shell.world.follow_ups import FollowUps
from app.shell.world.model import Company
from app.shell.world.till import Till

WEBHOOKS_FOR = dt.timedelta(days=7)


class Who(NamedTuple):
    """Somebody with a login."""

    user_id: int
    email: str


@dataclass
class House:
    """`now` is the present, up to which the company is lived."""

    company: Company
    tenant_id: int
    seed: str
    now: dt.datetime
    follow_ups: FollowUps
    till: Till | None
    pictures: bool
    people: dict[str, int] = field(default_factory=dict)
    logins: dict[str, Who] = field(default_factory=dict)
    offerings: dict[str, int] = field(default_factory=dict)
    seats: dict[SeatRef, int] = field(default_factory=dict)

    @contextmanager
    def inside(self, by: str | None = None) -> Iterator[None]:
        """An edge's transaction of this company, in somebody's name."""
        with audit.acting(self.actor(by)), tenant_scope(self.tenant_id), transaction():
            yield

    def actor(self, name: str | None) -> audit.Actor:
        if name is None:
            return audit.SYSTEM
        who = self.login(name)
        return audit.Actor("user", who.user_id, f"{name} <{who.email}>")

    def login(self, name: str) -> Who:
        if name not in self.logins:
            with tenant_scope(self.tenant_id):
                row = db.session.execute(
                    select(Account.id, Account.email)
                    .join(Membership, Membership.user_id == Account.id)
                    .where(Membership.person_id == self.person_id(name))
                    .limit(1)
                ).one()
            self.logins[name] = Who(*row)
        return self.logins[name]

    def person_id(self, name: str) -> int:
        """In the company's scope."""
        if name not in self.people:
            found = select(Person.id).where(Person.full_name == name).order_by(Person.id).limit(1)
            self.people[name] = db.session.scalars(found).one()
        return self.people[name]

    def person(self, name: str) -> Person:
        return db.session.get_one(Person, self.person_id(name))

    def offering_id(self, title: str) -> int | None:
        """None for what was not proposed yet."""
        if title not in self.offerings:
            found = db.session.scalar(
                select(Offering.id).where(Offering.title == title).order_by(Offering.id).limit(1)
            )
            if found is None:
                return None
            self.offerings[title] = found
        return self.offerings[title]

    def offering(self, title: str) -> Offering:
        found = self.offering_id(title)
        assert found is not None, f"{title} was proposed"
        return catalog.offering(found)

    def seat_id(self, ref: SeatRef) -> int | None:
        """The seat as it was booked, wherever it was moved since; None where nothing came of it."""
        if ref not in self.seats:
            found = db.session.scalar(self._seat(ref))
            if found is None:
                return None
            self.seats[ref] = found
        return self.seats[ref]

    def _seat(self, ref: SeatRef) -> Select[int]:
        moved = select(SeatMove.seat_id).where(SeatMove.from_starts_at == ref.starts_at)
        return (
            select(Seat.id)
            .join(Lesson, and_(Lesson.id == Seat.lesson_id, Lesson.tenant_id == Seat.tenant_id))
            .where(
                Seat.student_id == self.person_id(ref.learner),
                Lesson.offering_id == self.offering_id(ref.offer),
                Seat.status.in_((BOOKED, ATTENDED, MISSED, CANCELLED)),
                or_(Lesson.starts_at == ref.starts_at, Seat.id.in_(moved)),
            )
            .order_by(Seat.id)
            .limit(1)
        )
