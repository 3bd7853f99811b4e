"""What changes a booking locks its order first, then lessons, then seats. Otherwise two who change the same
would wait for each other, which no test that does one after the other sees."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial

import pytest

from app.core.db import db
from app.core.scope import tenant_scope
from app.domains.accounts.models import Person
from app.domains.booking import queries, service
from app.domains.booking.errors import CannotCancel, SlotTaken
from tests.domains.booking.support import DAY, MONDAY, School, add_hours, at
from tests.support.statements import count_statements

LOCKED = re.compile(r'FROM "?(\w+)"?.*FOR (?:NO KEY )?UPDATE', re.DOTALL)


def locks(work: Callable[[], object]) -> list[str]:
    """Of these three, whose rows were locked, each where it came first."""
    with count_statements(db.engine) as seen:
        work()
    found = [match[1] for statement in seen if (match := LOCKED.search(statement))]
    return [table for table in dict.fromkeys(found) if table in {"sales_order", "lesson", "seat"}]


def test_a_customer_cancels(school: School) -> None:
    seat_id = school.book()
    assert locks(lambda: school.cancel(seat_id)) == ["sales_order", "seat"]


def test_a_payment_arrives(school: School) -> None:
    order_id = school.checkout(school.hold())
    assert locks(lambda: school.pay(order_id)) == ["sales_order", "seat"]


def test_a_checkout_is_changed(school: School) -> None:
    seat_id = school.hold()
    school.checkout(seat_id)
    assert locks(lambda: school.checkout(seat_id)) == ["sales_order", "seat"]


def test_an_order_that_was_placed_meanwhile_is_found_without_waiting(school: School) -> None:
    """Whoever has it may be waiting for the people that are locked by then."""
    seat_id = school.hold()
    with tenant_scope(school.tenant_id):
        place = queries.place_of_seat(seat_id)
    order_id = school.checkout(seat_id)

    def again() -> int:
        payer, student = (db.session.get_one(Person, key) for key in (school.payer_id, school.student_id))
        actor = f"u:{seat_id}"
        return service.begin_checkout(place, payer=payer, student=student, actor=actor, locale="en").id

    with count_statements(db.engine) as seen:
        assert school.do(again) == order_id
    [waits] = [
        statement for statement in seen if "FROM sales_order" in statement and "FOR UPDATE" in statement
    ]
    assert waits.endswith("NOWAIT")


def test_a_lesson_is_called_off(school: School) -> None:
    lesson_id = school.lesson_of(school.book(MONDAY + DAY)).id

    def work() -> None:
        service.cancel_lesson(queries.lesson(lesson_id), by="Manager", reason="ill")

    assert locks(lambda: school.do(work)) == ["sales_order", "lesson", "seat"]


def test_a_hold_is_renewed_and_released(school: School) -> None:
    seat_id = school.hold()
    school.checkout(seat_id)
    for change in (service.renew_hold, service.release_hold):
        work = partial(school.do, lambda verb=change: verb(queries.seat(seat_id)) and None)
        assert locks(work) == ["sales_order", "seat"]


def test_whose_time_is_locked(school: School, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody's whose time is taken or given up; else two could have it. Who is refused makes nobody wait."""
    seen: list[tuple[set[int | None], str | None]] = []
    lock, tutor, student, other = queries.lock_people, school.tutor_id, school.student_id, school.other_id

    def remember(people: Iterable[int | None], *, actor: str | None = None) -> None:
        seen.append((set(people) - {None}, actor))
        lock(seen[-1][0], actor=actor)

    def locked(work: Callable[[], object]) -> list[tuple[set[int | None], str | None]]:
        seen.clear()
        work()
        return list(seen)

    monkeypatch.setattr(queries, "lock_people", remember)
    assert locked(lambda: school.do(lambda: add_hours(tutor) and None)) == [({tutor}, None)]
    assert locked(school.hold) == [({tutor}, "v:a")]
    with pytest.raises(SlotTaken):
        locked(lambda: school.hold(actor="v:b"))
    assert seen == []
    alone = school.seat(school.hold()).id
    assert locked(lambda: school.checkout(alone)) == [({tutor, student}, None)]
    assert locked(lambda: school.checkout(alone, other)) == [({tutor, student, other}, None)]
    assert locked(lambda: school.do(lambda: service.release_hold(queries.seat(alone)))) == [
        ({tutor, other}, None)
    ]
    assert locked(lambda: school.session(MONDAY + DAY)) == [({tutor}, None)]
    first, second = school.session(MONDAY + 2 * DAY), school.session(MONDAY + 3 * DAY)
    assert locked(lambda: school.hold_seat(first)) == [(set(), "v:a")]
    place = school.book_place(first)
    school.book_place(first, other, "v:b")

    def move() -> None:
        school.do(lambda: service.move_seat(queries.seat(place), lesson_id=second, by="Sam") and None)

    assert locked(move)[0] == ({tutor, student}, None)
    school.do(lambda: service.move_seat(queries.seat(place), lesson_id=first, by="Sam") and None)
    everybody = ({tutor, student, other}, None)
    with at(MONDAY + 4 * DAY):  # somebody who was marked keeps it from being called off
        assert (
            locked(lambda: school.do(lambda: service.auto_mark(queries.lesson(first)) and None))[0]
            == everybody
        )
        with pytest.raises(CannotCancel):
            locked(lambda: school.do(lambda: service.cancel_lesson(queries.lesson(first), by="M", reason="")))
    assert seen[0] == everybody
