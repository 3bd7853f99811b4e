"""What changes a booking locks its order first, then lessons, then seats. Otherwise two who change the same
would wait for each other, which no test that does one after the other sees."""

from __future__ import annotations

import re
from collections.abc import Callable

from app.core.db import db
from app.domains.booking import queries, service
from tests.domains.booking.support import DAY, MONDAY, School
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


def test_a_lesson_is_called_off(school: School) -> None:
    lesson_id = school.lesson_of(school.book(MONDAY + DAY)).id

    def work() -> None:
        service.cancel_lesson(queries.lesson(lesson_id), by="Manager", reason="ill")

    assert locks(lambda: school.do(work)) == ["sales_order", "lesson", "seat"]
