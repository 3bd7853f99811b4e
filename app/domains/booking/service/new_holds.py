"""A new hold of a tutor's time as rows: a lesson, its seat, and the time that it takes. They are written in
one statement, so that the time under the locks is short, and not at all where somebody has that time already.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, bindparam
from sqlalchemy.dialects.postgresql import Range

from app.core import clock, ids
from app.core.adding import Added, Addition
from app.domains.booking import policies, queries
from app.domains.booking.models import HELD, TUTOR, Lesson, Occupation, Seat
from app.domains.booking.queries import PlaceOfSeat
from app.domains.booking.service.occupation import Claim, make_way, slot_taken

LESSON_CODE, SEAT_CODE = 10, 40  # characters, random

_ROWS = (
    Added(
        Lesson,
        [
            *("code", "offering_id", "variant_id", "tutor_id", "status", "starts_at", "ends_at", "timezone"),
            *("capacity", "taken"),
        ],
    ),
    Added(
        Seat,
        ["code", "actor", "status", "expires_at", "price_minor", "currency", "policy"],
        points={"lesson_id": Lesson},
    ),
    # Where somebody wrote past the locks, the exclusion constraint has the last word.
    Added(
        Occupation,
        ["resource_kind", "resource_id", "during", "expires_at"],
        points={"lesson_id": Lesson},
        or_nothing=True,
    ),
)
_IS_FREE = queries.nobody_there(
    [(bindparam("tutor"), bindparam("stretch", type_=Occupation.__table__.c.during.type))]
)
_HOLD = Addition(*_ROWS, where=_IS_FREE)
_HOLD_ALONE = Addition(*_ROWS, where=and_(_IS_FREE, queries.holds_nothing()))


@dataclass(frozen=True, slots=True)
class NewHold:
    """Written under the locks of its tutor and of who holds it. Nothing else may be committed once SlotTaken
    was raised."""

    lesson: Mapping[str, Any]
    seat: Mapping[str, Any]
    claim: Claim

    def write_alone(self) -> PlaceOfSeat | None:
        """None where the time is taken, even if by what ran out, or where the same actor holds something."""
        return self._write(_HOLD_ALONE, actor=self.seat["actor"], now=clock.now())

    def write(self) -> PlaceOfSeat:
        """Raises SlotTaken."""
        held = self._write(_HOLD)
        if held is None and make_way([self.claim]):
            held = self._write(_HOLD)
        if held is None:
            raise self._taken()
        return held

    def _write(self, addition: Addition, **more: Any) -> PlaceOfSeat | None:
        tutor_id, during = self.claim.person_id, Range(self.claim.span.starts_at, self.claim.span.ends_at)
        taken = {
            "resource_kind": self.claim.kind,
            "resource_id": tutor_id,
            "during": during,
            "expires_at": self.seat["expires_at"],
        }
        lesson_id, seat_id, occupation_id = addition.write(
            self.lesson, self.seat, taken, tutor=tutor_id, stretch=during, **more
        )
        if lesson_id is None or seat_id is None:
            return None
        if occupation_id is None:
            raise self._taken()
        return place(seat_id, self.seat["code"], lesson_id, tutor_id, self.seat["actor"])

    def _taken(self) -> Exception:
        starts_at = self.lesson["starts_at"]
        return slot_taken(self.claim.person_id, self.lesson["ends_at"] - starts_at, after=starts_at)


def new_hold(
    offering: policies.Sold,
    variant: policies.SoldVariant,
    starts_at: dt.datetime,
    *,
    terms: policies.Terms,
    seat: Mapping[str, Any],
) -> NewHold:
    """Of one student's lesson, with the buffers that the tutor wants now."""
    ends_at = starts_at + dt.timedelta(minutes=variant.duration_minutes)
    lesson = {
        "code": ids.code(LESSON_CODE),
        "offering_id": offering.id,
        "variant_id": variant.id,
        "tutor_id": offering.tutor_id,
        "status": HELD,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "timezone": terms.timezone,
        "capacity": 1,
        "taken": 1,
    }
    claim = Claim(TUTOR, offering.tutor_id, policies.with_buffers(starts_at, ends_at, terms))
    return NewHold(lesson, seat, claim)


def new_seat(variant: policies.SoldVariant, actor: str, policy: Mapping[str, Any]) -> dict[str, Any]:
    """Price and policy as they stand now: what is changed later changes nothing for this seat."""
    return {
        "code": ids.code(SEAT_CODE),
        "actor": actor,
        "status": HELD,
        "expires_at": clock.now() + policies.HOLD_LIFE,
        "price_minor": variant.price_minor,
        "currency": variant.currency,
        "policy": dict(policy),
    }


def place(seat_id: int, code: str, lesson_id: int, tutor_id: int, actor: str) -> PlaceOfSeat:
    """Of a seat that is held from now on, for nobody yet."""
    return PlaceOfSeat(seat_id, code, lesson_id, tutor_id, None, None, None, actor, HELD)
