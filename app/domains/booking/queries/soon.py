"""What is free soonest with several tutors: two statements, however many they are."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import cycle, islice

from sqlalchemy import select
from sqlalchemy.orm import joinedload, raiseload

from app.core import clock
from app.core.db import db
from app.domains.booking.policies import Slot
from app.domains.booking.queries.tables import Timetable, timetables
from app.domains.booking.queries.timetable import BY_SLOT
from app.domains.catalog.models import PUBLISHED, Offering, Variant

_DAY = dt.timedelta(days=1)
AHEAD = 21 * _DAY
# Most are found in the first days: the far ones are looked at only where they have to be.
_NEAR = 4 * _DAY


@dataclass(frozen=True)
class Soon:
    offering: Offering
    variant: Variant
    slot: Slot


def soonest(tutor_ids: Collection[int], *, each: int) -> list[Soon]:
    """The next free times of these tutors, so many of each, in order; their offerings take turns. Who has
    left is not asked for here."""
    offerings: dict[int, list[Offering]] = defaultdict(list)
    for offering in _sold_by_slot(tutor_ids):
        offerings[offering.tutor_id].append(offering)
    if not offerings:
        return []
    now = clock.now()
    tables = timetables(list(offerings), since=now, until=now + AHEAD)
    found = [
        soon
        for tutor_id, table in tables.items()
        for soon in _next_of(offerings[tutor_id], table, each=each, now=now)
    ]
    return sorted(found, key=lambda soon: (soon.slot.starts_at, soon.offering.id))


def _next_of(offerings: Sequence[Offering], table: Timetable, *, each: int, now: dt.datetime) -> list[Soon]:
    """One after the other: the next begins when the one before is over."""
    found: list[Soon] = []
    since = now
    for offering in islice(cycle(offerings), each):
        variant = offering.variants[0]
        slot = _first(table, dt.timedelta(minutes=variant.duration_minutes), since, now)
        if slot is not None:
            found.append(Soon(offering, variant, slot))
            since = slot.ends_at
    return found


def _first(table: Timetable, duration: dt.timedelta, since: dt.datetime, now: dt.datetime) -> Slot | None:
    for until in (since + _NEAR, now + AHEAD):
        slots = table.slots(duration, since, until)
        if slots:
            return slots[0]
    return None


def _sold_by_slot(tutor_ids: Collection[int]) -> list[Offering]:
    """What these tutors sell by the slot, with its tutor and active variants, the newest first."""
    rows = (
        db.session.scalars(
            select(Offering)
            .where(Offering.tutor_id.in_(tutor_ids), Offering.status == PUBLISHED, Offering.kind.in_(BY_SLOT))
            .order_by(Offering.published_at.desc(), Offering.id.desc())
            .options(
                joinedload(Offering.variants.and_(Variant.is_active)),
                joinedload(Offering.tutor),
                raiseload("*"),
            )
        )
        .unique()
        .all()
    )
    return [offering for offering in rows if offering.variants]
