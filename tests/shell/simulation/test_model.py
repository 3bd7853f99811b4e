"""The model of the simulation is no mirror: it imports nothing of the house, and notices what is wrong."""

from __future__ import annotations

import ast
import datetime as dt
from typing import Any

import pytest

from app.shell.simulation import model, rules
from app.shell.simulation.model import Model
from app.shell.simulation.rules import Company, Difference, Offer
from tests.support.databases import ROOT

NOW = dt.datetime(2027, 3, 10, 12, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
TUTOR, STUDENT = 7, 8


def make_model(**more: Any) -> Model:
    company = Company(1, "EUR", 1, 500, DAY, 5000, HOUR, 2)
    values = {"kind": "one_to_one", "minutes": 60, "price": 4000, "tax_bp": 1900, "capacity": 1, **more}
    offer = Offer(3, company, TUTOR, before=dt.timedelta(), after=10 * HOUR / 60, **values)
    return Model(companies={1: company}, offers={3: offer}, now=NOW)


def lesson(number: int = 1, starts_at: dt.datetime = NOW + 3 * DAY, **more: Any) -> dict[str, Any]:
    row = {"id": number, "offering_id": 3, "starts_at": starts_at, "ends_at": starts_at + HOUR}
    return {**row, "status": "held", "capacity": 1, **more}


def seat(number: int = 1, **more: Any) -> dict[str, Any]:
    row = {"id": number, "lesson_id": number, "status": "held", "price_minor": 4000, "currency": "EUR"}
    row |= {"expires_at": NOW + dt.timedelta(minutes=10), "student_id": STUDENT, "line_id": 11}
    return {**row, "refund_minor": 0, "cancelled_by": None, **more}


def line(status: str = "open", **more: Any) -> dict[str, Any]:
    return {"id": 11, "gross_minor": 4000, "status": status, "seat_id": 1, **more}


def sold(**more: Any) -> Model:
    """A booked seat, paid with 40.00."""
    told = make_model(**more)
    told.told_lesson(lesson())
    told.told_seat(seat())
    told.told_line(line())
    told.judge()
    told.told_lesson(lesson(status="scheduled"))
    told.told_seat(seat(status="booked", expires_at=None))
    told.told_line(line("paid"))
    told.judge()
    return told


def test_it_knows_nothing_of_the_house() -> None:
    for module in (model, rules):
        tree = ast.parse(
            (ROOT / "app/shell/simulation" / f"{module.__name__.rpartition('.')[2]}.py").read_text()
        )
        names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        names += [
            found.name for node in ast.walk(tree) if isinstance(node, ast.Import) for found in node.names
        ]
        ours = {name for name in names if name.split(".")[0] in {"app", "config", "flask", "sqlalchemy"}}
        assert ours <= {"app.shell.simulation.rules"}


def test_a_sale_is_shared_as_worked_out_by_hand() -> None:
    """40.00 with 19 % in it: 6.39 of tax; 33.61 to share: 5 % 1.68, 70 % 23.53, the rest 8.40."""
    assert sold().books.filled() == {
        (1, "provider_balance", "EUR", None): 4000,
        (1, "tax_payable", "EUR", None): -639,
        (1, "platform_fee", "EUR", None): -168,
        (1, "tenant_revenue", "EUR", None): -840,
        (1, "tutor_pending", "EUR", TUTOR): -2353,
    }


def test_half_of_it_goes_back_late() -> None:
    told = sold()
    told.now = NOW + 2 * DAY + HOUR
    told.told_seat(seat(status="cancelled", expires_at=None, refund_minor=2000, cancelled_by="customer"))
    assert told.books.filled()[1, "customer_funds", "EUR", None] == -2000
    assert told.seats[1].earning is not None
    assert sum(told.seats[1].earning.shares) == 2000
    assert told.seats[1].earning.clears_at == NOW + 3 * DAY + HOUR + 7 * DAY


@pytest.mark.parametrize(
    ("what", "when", "changed"),
    [
        ("another amount goes back", 2 * DAY + HOUR, {"refund_minor": 4000, "cancelled_by": "customer"}),
        ("too little goes back in time", HOUR, {"refund_minor": 2000, "cancelled_by": "customer"}),
        ("cancelled after it began", 3 * DAY, {"refund_minor": 2000, "cancelled_by": "customer"}),
        ("the company keeps something", HOUR, {"refund_minor": 3999, "cancelled_by": "tutor"}),
        ("marked before the lesson", HOUR, {"status": "attended"}),
        ("booked, and held again", HOUR, {"status": "held"}),
    ],
)
def test_it_notices(what: str, when: dt.timedelta, changed: dict[str, Any]) -> None:
    told = sold()
    told.now = NOW + when
    with pytest.raises(Difference):
        told.told_seat(seat(**{"status": "cancelled", "expires_at": None, **changed}))


def test_it_notices_a_place_that_is_given_twice() -> None:
    told = sold()
    told.told_lesson(lesson(2, NOW + 3 * DAY + HOUR))  # within the ten minutes after the first
    told.told_seat(seat(2, lesson_id=2, student_id=9, line_id=None))
    with pytest.raises(Difference, match="two places"):
        told.judge()


def test_it_notices_a_student_in_two_places() -> None:
    told = sold()
    other = Offer(4, told.companies[1], 77, "one_to_one", 60, 4000, 0, 1, dt.timedelta(), dt.timedelta())
    told.offers[4] = other
    told.told_lesson(lesson(2, NOW + 3 * DAY, offering_id=4))
    told.told_seat(seat(2, lesson_id=2, line_id=None))
    with pytest.raises(Difference, match="student"):
        told.judge()


def test_it_notices_a_class_that_is_too_full() -> None:
    told = make_model(kind="group", capacity=2)
    told.told_lesson(lesson(capacity=2, status="scheduled"))
    for number in (1, 2):
        told.told_seat(seat(number, lesson_id=1, student_id=number, line_id=None))
    told.judge()
    told.told_seat(seat(3, lesson_id=1, student_id=3, line_id=None))
    with pytest.raises(Difference, match="more seats"):
        told.judge()


def test_it_notices_money_that_was_taken_for_nothing() -> None:
    told = make_model()
    told.told_lesson(lesson())
    told.told_seat(seat())
    told.told_line(line())
    told.judge()
    told.now = NOW + HOUR
    told.told_seat(seat(status="lapsed"))
    told.judge()
    told.told_line(line("paid"))
    with pytest.raises(Difference, match="could still be had"):
        told.judge()


def test_it_notices_an_earning_that_clears_too_early() -> None:
    told = sold()
    told.now = NOW + 3 * DAY + HOUR
    told.told_seat(seat(status="attended", expires_at=None))
    row = {"seat_id": 1, "tax_minor": 639, "platform_minor": 168, "tenant_minor": 840, "tutor_minor": 2353}
    row |= {"refunded_minor": 0, "status": "cleared", "clears_at": told.now + 7 * DAY, "is_held": False}
    told.now += 7 * DAY - dt.timedelta(seconds=1)
    with pytest.raises(Difference, match="before its time"):
        told.told_earning(row)


def test_it_notices_a_refund_that_nobody_is_owed() -> None:
    told = sold()
    with pytest.raises(Difference, match="owed is 0"):
        told.told_refund({"id": 1, "code": "A", "line_id": 11, "amount_minor": 1, "status": "requested"})


def test_it_knows_what_is_overdue() -> None:
    told = sold()
    told.now = NOW + 6 * DAY
    assert told.overdue() == ["seat 1 was never marked"]
