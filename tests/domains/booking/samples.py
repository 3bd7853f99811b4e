"""Rows of the booking's admin entries, for the tests that look at every entry: paid for, so that they can be
cancelled."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from typing import Any

from sqlalchemy.dialects.postgresql import Range

from app.core import clock, ids
from app.core.money import Money
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.booking.models import (
    BOOKED,
    SCHEDULED,
    STUDENT,
    TUTOR,
    AvailabilityOverride,
    AvailabilityRule,
    AvailabilitySchedule,
    Lesson,
    Occupation,
    Seat,
    SeatMove,
)
from app.domains.earnings import service as earnings
from app.domains.ledger import service as ledger
from app.domains.ledger.models import CUSTOMER_FUNDS, PROVIDER_BALANCE
from app.domains.ledger.service import Line
from tests.domains.catalog.samples import variant
from tests.domains.payments.samples import GROSS, TAX, allocation
from tests.support.sample import Sample, add, person
from tests.support.world import World

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
_days = itertools.count(3)


def schedule(session: Any, word: str) -> AvailabilitySchedule:
    tutor = person(session, word, "Tutor")
    return add(session, AvailabilitySchedule(tutor_id=tutor.id, timezone="Europe/Berlin"))


def rule(session: Any, word: str) -> AvailabilityRule:
    """Mondays from eight to twelve."""
    hours = schedule(session, word)
    return add(session, AvailabilityRule(schedule_id=hours.id, weekday=0, starts_minute=480, ends_minute=720))


def override(session: Any, word: str) -> AvailabilityOverride:
    """A day off to come."""
    hours = schedule(session, word)
    day = (clock.now() + 30 * DAY).date()
    return add(session, AvailabilityOverride(schedule_id=hours.id, on_date=day, note=f"Away {word}"))


def lesson(session: Any, word: str) -> Lesson:
    """Of one's own, to come, each on a day of its own."""
    sold = variant(session, word)
    begins = (clock.now() + next(_days) * DAY).replace(minute=0, second=0, microsecond=0)
    made = Lesson(
        code=ids.code(10),
        offering_id=sold.offering_id,
        variant_id=sold.id,
        tutor_id=sold.offering.tutor_id,
        status=SCHEDULED,
        starts_at=begins,
        ends_at=begins + HOUR,
        timezone="Europe/Berlin",
        capacity=1,
        place=f"Room {word}",
    )
    return add(session, made)


def seat(session: Any, word: str) -> Seat:
    """Booked and paid, in the books as well."""
    part, taken = allocation(session, word, "seat"), lesson(session, word)
    amount = Money(GROSS, "EUR")
    ledger.post(
        key=f"capture:{part.payment_id}",
        kind="capture",
        memo=word,
        source=("payment", part.payment_id),
        lines=[Line(PROVIDER_BALANCE, amount), Line(CUSTOMER_FUNDS, -amount)],
    )
    student = person(session, f"{word}s", "Student")
    made = Seat(
        code=ids.code(40),
        lesson_id=taken.id,
        student_id=student.id,
        payer_id=part.line.order.payer_id,
        actor="u:0",
        status=BOOKED,
        line_id=part.line_id,
        price_minor=GROSS,
        currency="EUR",
        policy={
            "name": f"Policy {word}",
            "free_until_minutes": 1440,
            "late_refund_bp": 5000,
            "move_until_minutes": 720,
            "max_moves": 2,
        },
        booked_at=clock.now(),
    )
    add(session, made)
    taken.taken = 1
    _occupy(session, taken, TUTOR, taken.tutor_id)
    _occupy(session, taken, STUDENT, student.id, made.id)
    earnings.accrue(
        seat_id=made.id,
        tutor_id=taken.tutor_id,
        description=f"Lesson {word}",
        gross=amount,
        tax=Money(TAX, "EUR"),
        tax_rate_bp=1900,
        platform_fee_bp=500,
    )
    session.flush()
    return made


def _occupy(
    session: Any, taken: Lesson, kind: str, resource_id: int, seat_id: int | None = None
) -> Occupation:
    made = Occupation(
        resource_kind=kind,
        resource_id=resource_id,
        during=Range(taken.starts_at, taken.ends_at),
        lesson_id=taken.id,
        seat_id=seat_id,
    )
    return add(session, made)


def move(session: Any, word: str) -> SeatMove:
    """From the lesson of somebody who is no longer in it."""
    former, moved = lesson(session, f"{word}f"), seat(session, word)
    made = SeatMove(
        seat_id=moved.id,
        from_lesson_id=former.id,
        to_lesson_id=moved.lesson_id,
        from_starts_at=former.starts_at,
        to_starts_at=moved.lesson.starts_at,
        moved_at=clock.now(),
        moved_by=f"Student {word}",
    )
    return add(session, made)


def occupation(session: Any, word: str) -> Occupation:
    taken = lesson(session, word)
    return _occupy(session, taken, TUTOR, taken.tutor_id)


def _new(world: World, row: Callable[[Any, str], Any], word: str) -> int:
    """The id of another row of anna's, which a form names."""
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        return int(row(session, word).id)


SAMPLES = {
    "availability-schedules": Sample(
        schedule,
        lambda world, word: {
            "tutor": _new(world, person, word),
            "timezone": "Europe/Berlin",
            "buffer_before_minutes": 0,
            "buffer_after_minutes": 15,
            "notice_minutes": 120,
            "horizon_days": 60,
            "step_minutes": 30,
        },
        change={"notice_minutes": 240},
        wrong={"step_minutes": "7"},
    ),
    "availability-rules": Sample(
        rule,
        lambda world, word: {
            "schedule": _new(world, schedule, word),
            "weekday": "1",
            "starts_minute": "09:00",
            "ends_minute": "12:30",
        },
        wrong={"ends_minute": "25:00"},
    ),
    "availability-overrides": Sample(
        override,
        lambda world, word: {
            "schedule": _new(world, schedule, word),
            "on_date": "2031-02-03",
            "starts_minute": "09:00",
            "ends_minute": "12:30",
            "note": "Open house",
        },
        wrong={"starts_minute": "noon"},
    ),
    "all-lessons": Sample(lesson, actions={"cancel": {"reason": "The tutor is ill."}}),
    "seats": Sample(
        seat, actions={"cancel": {"reason": "They called."}, "call-off": {"reason": "The tutor is ill."}}
    ),
    "seat-moves": Sample(move),
    "occupations": Sample(occupation),
}
