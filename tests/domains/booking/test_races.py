"""Many at once for one time or one place: one gets it, the others are told so, and nobody deadlocks.

The control does the same with the guards off, and oversells: so the races would notice.
"""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import Range

from app.core import clock
from app.core.db import db
from app.core.scope import tenant_scope
from app.domains.accounts.models import Person
from app.domains.booking import queries, service
from app.domains.booking.models import (
    BOOKED,
    CANCELLED,
    HELD,
    STUDENT,
    TAKING,
    TUTOR,
    Lesson,
    Occupation,
    Seat,
)
from app.domains.booking.policies import Interval
from app.domains.booking.service import occupation
from app.domains.booking.service.occupation import Claim
from app.domains.catalog.models import Offering, Variant
from app.domains.payments.models import Refund
from tests.domains.booking.racing import Race, Work, deadlocks, raced_app, run_together
from tests.domains.booking.support import DAY, HOUR, MINUTE, MONDAY, NOW, School, add_hours, add_offering, at
from tests.support.databases import Database

CONTENDERS = 16
ZONES = (
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kathmandu",
    "Pacific/Chatham",
    "Australia/Adelaide",
)
REFUSED = {"SlotTaken", "NoSeatLeft"}


@pytest.fixture
def raced(
    fresh_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Flask, School]]:
    with clock.frozen(NOW), raced_app(fresh_database, tmp_path, monkeypatch) as made:
        made[1].do(lambda: add_hours(made[1].tutor_id, step_minutes=15, horizon_days=365) and None)
        yield made


def slot_target(school: School, number: int) -> list[Work]:
    """Starts a quarter of an hour apart, so that every two of the lessons overlap, said in many zones."""
    nth = number // 2  # of its kind: they take turns
    base = MONDAY + (nth // 5) * DAY + (nth % 5) * 105 * MINUTE

    def at_place(place: int) -> Work:
        starts_at = base + (place % 4) * 15 * MINUTE
        zone = ZoneInfo(ZONES[place % len(ZONES)])
        return partial(school.hold, starts_at.astimezone(zone), f"v:{number}-{place}")

    return [at_place(place) for place in range(CONTENDERS)]


def seat_target(school: School, number: int) -> list[Work]:
    """The last place of a class; the first one is held already."""
    nth = number // 2  # of its kind: they take turns
    starts_at = MONDAY + (200 + nth // 8) * DAY + (nth % 8) * HOUR
    lesson_id = school.session(starts_at, capacity=2)
    school.hold_seat(lesson_id, f"v:first-{number}")
    return [partial(school.hold_seat, lesson_id, f"v:{number}-{place}") for place in range(CONTENDERS)]


def oversold(school: School) -> tuple[int, int]:
    """Pairs of lessons of the tutor that overlap, and classes with more seats than there are places."""
    with tenant_scope(school.tenant_id):
        spans = sorted(
            (row.during.lower, row.during.upper)
            for row in db.session.scalars(select(Occupation).where(Occupation.resource_kind == "tutor"))
        )
        pairs = sum(after[0] < before[1] for before, after in zip(spans, spans[1:], strict=False))
        taken: dict[int, int] = {}
        for seat in db.session.scalars(select(Seat).where(Seat.status.in_(TAKING))):
            taken[seat.lesson_id] = taken.get(seat.lesson_id, 0) + 1
        lessons = db.session.scalars(select(Lesson)).all()
    full = sum(taken.get(lesson.id, 0) > lesson.capacity for lesson in lessons)
    return pairs, full


@pytest.mark.parametrize(
    "targets",
    [
        pytest.param(16, id="16"),
        pytest.param(200, id="200", marks=pytest.mark.soak),
        pytest.param(2_000, id="2000", marks=pytest.mark.soak),
    ],
)
def test_one_winner_each(raced: tuple[Flask, School], fresh_database: Database, targets: int) -> None:
    app, school = raced
    rounds = [
        slot_target(school, number) if number % 2 else seat_target(school, number)
        for number in range(targets)
    ]
    before, started = deadlocks(fresh_database), time.perf_counter()
    race = run_together(app, rounds, REFUSED)
    seconds = time.perf_counter() - started
    print(f"{targets} targets x {CONTENDERS}: {dict(race.outcomes)} in {seconds:.1f} s")
    assert race.errors == []
    assert race.winners == [1] * targets
    assert sum(race.outcomes.values()) == targets * CONTENDERS
    assert set(race.outcomes) == {"won", *REFUSED}
    assert oversold(school) == (0, 0)
    assert deadlocks(fresh_database) == before


def test_without_the_guards_it_is_oversold(
    raced: tuple[Flask, School], fresh_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same code, check then insert, without locks and constraints."""
    app, school = raced
    rounds = [
        slot_target(school, number) if number % 2 else seat_target(school, number) for number in range(8)
    ]
    with fresh_database.connect() as connection:
        connection.execute("ALTER TABLE occupation DROP CONSTRAINT ex_occupation_one_place")
        connection.execute("ALTER TABLE lesson DROP CONSTRAINT ck_lesson_taken")
    monkeypatch.setattr(queries, "lock_people", lambda *_people, **_more: None)
    monkeypatch.setattr(queries, "lesson_for_update", queries.lesson)
    race = run_together(app, rounds, REFUSED)
    pairs, full = oversold(school)
    print(f"without guards: {race.winners} winners, {pairs} overlaps, {full} classes oversold")
    assert race.errors == []
    assert pairs > 0
    assert full > 0


def test_who_writes_past_the_locks_leaves_nothing_half_taken(raced: tuple[Flask, School]) -> None:
    """Tutor and student are wanted, and the student's time goes to somebody who took no lock: the constraint
    waits for them, says no, and the tutor's time is not taken either."""
    app, school = raced
    lesson_id = school.lesson_of(school.book()).id
    later = Interval(MONDAY + 3 * HOUR, MONDAY + 4 * HOUR)
    student = Claim(STUDENT, school.student_id, later)
    written, may_commit, outcome = threading.Event(), threading.Event(), []

    def write_past_the_locks() -> None:
        with app.app_context(), school.inside() as session:
            assert occupation._take(session.get_one(Lesson, lesson_id), [student], None)
            written.set()
            may_commit.wait(10)

    def want_both() -> None:
        with app.app_context(), school.inside() as session:
            lesson = session.get_one(Lesson, lesson_id)
            claims = [Claim(TUTOR, school.tutor_id, later), student]
            outcome.append(occupation.occupy(lesson, claims, expires_at=None))

    threads = [threading.Thread(target=work) for work in (write_past_the_locks, want_both)]
    threads[0].start()
    assert written.wait(10)
    threads[1].start()
    time.sleep(0.3)  # it waits for the other to end
    may_commit.set()
    for thread in threads:
        thread.join()
    assert outcome == [False]
    with tenant_scope(school.tenant_id):
        rows = db.session.scalars(
            select(Occupation).where(Occupation.during.overlaps(Range(later.starts_at, later.ends_at)))
        ).all()
        assert [(row.resource_kind, row.resource_id) for row in rows] == [(STUDENT, school.student_id)]


def test_a_student_is_in_one_place_whoever_teaches(
    raced: tuple[Flask, School], fresh_database: Database
) -> None:
    """Eight tutors, one student: their time is taken once, though no two hold the same tutor."""
    app, school = raced
    tutors = 8

    def add_tutors() -> list[tuple[int, int]]:
        found = []
        for number in range(tutors):
            person = Person(full_name=f"Tutor {number}")
            db.session.add(person)
            db.session.flush()
            add_hours(person.id, step_minutes=15)
            found.append(add_offering(person.id))
        return found

    offerings = school.do(add_tutors)

    def hold(number: int, offering_id: int, variant_id: int, day: int) -> int:
        def work() -> int:
            return service.hold_slot(
                offering=db.session.get_one(Offering, offering_id),
                variant=db.session.get_one(Variant, variant_id),
                starts_at=MONDAY + day * DAY + (number % 4) * 15 * MINUTE,
                actor=f"v:{number}-{day}",
            ).id

        return school.do(work)

    rounds = [
        [
            partial(school.checkout, hold(number, *offering, day), actor=f"u:{number}")
            for number, offering in enumerate(offerings)
        ]
        for day in range(3)
    ]
    before = deadlocks(fresh_database)
    race = run_together(app, rounds, {"SlotTaken"})
    assert race.errors == []
    assert race.winners == [1] * 3
    assert deadlocks(fresh_database) == before


def test_two_students_of_one_browser_want_one_seat(
    raced: tuple[Flask, School], fresh_database: Database
) -> None:
    """Who finds the order of another attempt locked begins anew, at the edge; nobody waits in a circle."""
    app, school = raced
    before = deadlocks(fresh_database)
    seats = [school.hold(MONDAY + day * DAY, f"v:{day}") for day in range(6)]
    rounds = [
        [
            partial(school.checkout, seat_id, student, actor=f"u:{day}")
            for student in (school.student_id, school.other_id) * 2
        ]
        for day, seat_id in enumerate(seats)
    ]
    race = run_together(app, rounds, {"Conflict", "Contended"})
    assert race.errors == []
    assert deadlocks(fresh_database) == before
    assert all(race.winners)
    with tenant_scope(school.tenant_id):
        for seat_id in seats:
            owners = db.session.scalars(
                select(Occupation.resource_id).where(Occupation.seat_id == seat_id)
            ).all()
            assert owners == [queries.seat(seat_id).student_id]


def test_a_double_click_is_one_hold(raced: tuple[Flask, School]) -> None:
    app, school = raced
    rounds = [[partial(school.hold, MONDAY + day * DAY, f"v:{day}")] * 6 for day in range(6)]
    race = run_together(app, rounds, set())
    assert race.errors == []
    with tenant_scope(school.tenant_id):
        assert db.session.query(Seat).count() == 6


def test_an_actor_gets_three_holds_at_once(raced: tuple[Flask, School]) -> None:
    app, school = raced
    race = run_together(
        app, [[partial(school.hold, MONDAY + day * DAY) for day in range(12)]], {"TooManyHolds"}
    )
    assert (race.errors, race.winners) == ([], [3])


def settle(app: Flask, school: School, works: list[list[Work]], allowed: set[str]) -> Race:
    race = run_together(app, works, allowed)
    assert race.errors == []
    return race


def test_cancelled_twice_at_once_gives_back_once(raced: tuple[Flask, School]) -> None:
    app, school = raced
    seats = [school.book(MONDAY + day * DAY, actor=f"v:{day}") for day in range(5)]
    race = settle(app, school, [[partial(school.cancel, seat_id)] * 4 for seat_id in seats], {"CannotCancel"})
    assert race.winners == [1] * 5
    with tenant_scope(school.tenant_id):
        assert [row.amount_minor for row in db.session.query(Refund)] == [4000] * 5
    assert school.balance("customer_funds") == 0


def test_cancelled_and_moved_at_once(raced: tuple[Flask, School], fresh_database: Database) -> None:
    """Whoever is first: a cancelled seat is not moved, a moved one is cancelled where it went."""
    app, school = raced
    seats = [school.book(MONDAY + day * DAY, actor=f"v:{day}") for day in range(6)]
    rounds = [
        [partial(school.cancel, seat_id), partial(school.move, seat_id, MONDAY + day * DAY + 4 * HOUR)]
        for day, seat_id in enumerate(seats)
    ]
    before = deadlocks(fresh_database)
    settle(app, school, rounds, {"CannotMove"})
    assert [school.seat(seat_id).status for seat_id in seats] == [CANCELLED] * 6
    with tenant_scope(school.tenant_id):
        assert db.session.query(Occupation).count() == 0
    assert deadlocks(fresh_database) == before


def test_two_move_to_one_time(raced: tuple[Flask, School]) -> None:
    app, school = raced
    first = school.book(MONDAY, actor="v:1")
    second = school.book(MONDAY + 2 * HOUR, school.other_id, "v:2")
    race = settle(
        app,
        school,
        [[partial(school.move, seat_id, MONDAY + DAY) for seat_id in (first, second)]],
        {"SlotTaken"},
    )
    assert race.winners == [1]
    assert oversold(school) == (0, 0)


@pytest.mark.parametrize("seconds", [599, 600, 601])
def test_late_money_and_another_hold_at_once(
    raced: tuple[Flask, School], fresh_database: Database, seconds: int
) -> None:
    """There is one owner at the end, and what was paid for nothing goes back."""
    app, school = raced
    paying = {}
    for day in range(4):
        seat_id = school.hold(MONDAY + day * DAY, f"v:{day}")
        paying[seat_id] = school.start_payment(school.checkout(seat_id))
    before = deadlocks(fresh_database)
    with at(NOW + dt.timedelta(seconds=seconds)):
        rounds = [
            [
                partial(school.capture, payment_id),
                *[
                    partial(school.hold, MONDAY + day * DAY + 15 * n * MINUTE, f"v:{n}-{day}")
                    for n in range(3)
                ],
            ]
            for day, payment_id in enumerate(paying.values())
        ]
        settle(app, school, rounds, {"SlotTaken"})
    won = [school.seat(seat_id).status == BOOKED for seat_id in paying]
    with tenant_scope(school.tenant_id):
        refunds = db.session.query(Refund).count()
        held = db.session.query(Seat).filter(Seat.status == HELD).count()
    assert refunds == held == won.count(False)
    assert all(won) or seconds >= 600
    assert oversold(school) == (0, 0)
    assert deadlocks(fresh_database) == before


def test_places_of_a_class_are_cleared_and_taken_at_once(raced: tuple[Flask, School]) -> None:
    """Holds that ran out lapse once, however many notice."""
    app, school = raced
    lessons = [school.session(MONDAY + day * DAY, capacity=2) for day in range(4)]
    for lesson_id in lessons:
        for number in range(2):
            school.hold_seat(lesson_id, f"v:{lesson_id}-{number}")
    with at(NOW + 10 * MINUTE):
        rounds = [
            [partial(school.hold_seat, lesson_id, f"v:new-{lesson_id}-{number}") for number in range(6)]
            for lesson_id in lessons
        ]
        race = settle(app, school, rounds, {"NoSeatLeft"})
    assert race.winners == [2] * 4
    with tenant_scope(school.tenant_id):
        assert [lesson.taken for lesson in db.session.query(Lesson)] == [2] * 4
