"""A company's figures beside what one finds by going through its rows one by one, and beside its books."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TypeVar
from zoneinfo import ZoneInfo

from sqlalchemy import select
from sqlalchemy.orm import selectinload

from app.core import clock
from app.core.db import db
from app.core.money import Money
from app.core.scope import tenant_scope
from app.domains.booking.models import (
    DONE,
    SCHEDULED,
    AvailabilityOverride,
    AvailabilitySchedule,
    Lesson,
    Seat,
)
from app.domains.earnings import service as earnings
from app.domains.ledger import queries as ledger
from app.domains.ledger.models import (
    CUSTOMER_FUNDS,
    PLATFORM_FEE,
    TAX_PAYABLE,
    TENANT_REVENUE,
    TUTOR_CLEARED,
    TUTOR_PENDING,
    LedgerEntry,
)
from app.domains.reporting.policies import UNITS, Period
from app.domains.reporting.queries import company
from app.domains.reporting.queries.company import CAME, CANCELLED, LATE, MISSED, SOLD
from tests.domains.booking.support import DAY, HOUR, MONDAY, NOW
from tests.domains.earnings.support import AT, at, eur, sell
from tests.support import lived
from tests.support.lived import AFTERWARDS
from tests.support.world import Company, World

T = TypeVar("T")
BERLIN = ZoneInfo("Europe/Berlin")
MOMENTS = (NOW, MONDAY + 3 * DAY, AFTERWARDS, AFTERWARDS + 40 * DAY)


def ask(world: World, when: dt.datetime, work: Callable[[], T], of: Company | None = None) -> T:
    with world.app.app_context(), tenant_scope((of or world.anna).id), clock.frozen(when):
        return work()


def period(when: dt.datetime, days: int = 30) -> Period:
    return Period.ending(when, days=days, zone="Europe/Berlin")


def within(found: Period, moment: dt.datetime | None) -> bool:
    return moment is not None and found.since <= moment <= found.now


def before(found: Period, moment: dt.datetime | None) -> bool:
    return moment is not None and found.before_since <= moment <= found.before_until


# -- Beside the rows ---------------------------------------------------------------------------------------


def test_the_figures_are_what_the_rows_say(world: World) -> None:
    """Everything that can happen to a seat has happened in anna's company; bert's sold something, too."""
    lived.live(world)
    with at(world, NOW, world.bert):
        sell(world.bert.people["tutor"], seat_id=10**6)
    seen = Counter[str]()
    for when in MOMENTS:
        for days in UNITS:
            found = period(when, days)

            def compare(found: Period = found) -> None:
                _compare_money(found)
                _compare_seats(found, seen)
                _compare_students(found)
                _compare_teaching(found)

            ask(world, when, compare)
    assert set(seen) == set(SEATS)
    assert all(seen.values()), "each of them happened"
    _look_at_what_stands(world)


def sales(found: Period, kinds: Iterable[str], inside: Callable[[Period, dt.datetime], bool]) -> int:
    """By going through the entries one by one."""
    total = 0
    for entry in db.session.scalars(select(LedgerEntry).options(selectinload(LedgerEntry.postings))):
        if entry.kind in kinds and inside(found, entry.occurred_at):
            total += sum(p.amount_minor for p in entry.postings if p.account.code == CUSTOMER_FUNDS)
    return total


def _compare_money(found: Period) -> None:
    takings = company.takings(found, "EUR")
    assert takings.now.minor == sales(found, ("sale", "giveback"), within)
    assert takings.before.minor == sales(found, ("sale", "giveback"), before)
    assert takings.back.minor == -sales(found, ("giveback",), within)
    drawn = sum(found.bucketed(takings.sold_by_day)) - sum(found.bucketed(takings.back_by_day))
    assert drawn == takings.now.minor, "the chart's columns add up to the figure"
    offered = sum(row.takings.minor for row in company.top_offerings(found, "EUR"))
    assert offered == takings.now.minor, "and so do the offerings"
    if found.first <= NOW.date() and found.now >= AFTERWARDS:
        # All was sold within the period: what was taken is what the others have of it.
        books = {row.code: -row.balance.minor for row in ledger.trial_balance()}
        shares = (TUTOR_PENDING, TUTOR_CLEARED, PLATFORM_FEE, TENANT_REVENUE, TAX_PAYABLE)
        assert takings.now.minor == sum(books.get(code, 0) for code in shares) > 0


SEATS: dict[str, Callable[[Seat], dt.datetime | None]] = {
    SOLD: lambda seat: seat.booked_at,
    CAME: lambda seat: seat.marked_at if seat.status == "attended" else None,
    MISSED: lambda seat: seat.marked_at if seat.status == "missed" else None,
    CANCELLED: lambda seat: seat.cancelled_at if seat.status == "cancelled" else None,
    LATE: lambda seat: (
        seat.cancelled_at if seat.status == "cancelled" and seat.refund_minor < seat.price_minor else None
    ),
}


def _compare_seats(found: Period, seen: Counter[str]) -> None:
    seats = company.seats(found)
    rows = db.session.scalars(select(Seat)).all()
    for what, moment in SEATS.items():
        assert seats.now(what) == sum(within(found, moment(row)) for row in rows), what
        assert seats.before(what) == sum(before(found, moment(row)) for row in rows), what
        assert sum(found.bucketed(seats.by_day.get(what, {}))) == seats.now(what)
        seen[what] += seats.now(what)


def _compare_students(found: Period) -> None:
    """New are those who never booked before."""
    booked: dict[int, list[dt.datetime]] = {}
    for seat in db.session.scalars(select(Seat).where(Seat.booked_at.is_not(None))):
        if seat.student_id is not None and seat.booked_at is not None:
            booked.setdefault(seat.student_id, []).append(seat.booked_at)
    now = [times for times in booked.values() if any(within(found, time) for time in times)]
    students = company.students(found)
    assert students.booked == len(now)
    assert students.new == sum(min(times) >= found.since for times in now)
    earlier = [times for times in booked.values() if any(before(found, time) for time in times)]
    assert students.booked_before == len(earlier)


def _compare_teaching(found: Period) -> None:
    lessons = [
        lesson
        for lesson in db.session.scalars(select(Lesson))
        if lesson.status in {SCHEDULED, DONE} and lesson.taken and lesson.ends_at <= found.now
    ]
    own = [lesson for lesson in lessons if within(found, lesson.starts_at)]
    teaching = company.teaching(found)
    assert teaching.lessons == len(own)
    assert teaching.lessons_before == sum(before(found, lesson.starts_at) for lesson in lessons)
    minutes = [int((lesson.ends_at - lesson.starts_at).total_seconds() // 60) for lesson in own]
    assert teaching.taught == sum(minutes)


def _look_at_what_stands(world: World) -> None:
    found = ask(world, AFTERWARDS, company.standing)
    assert (found.people, found.members, found.tutors) == (4, 4, 1)
    assert found.failed_refunds == 1
    assert found.without_hours == 0
    assert found.offerings == 3
    assert (found.open_orders, found.open_minor) == (1, 4000)
    later = ask(world, AFTERWARDS + HOUR, company.standing)
    assert (later.open_orders, later.open_minor) == (0, 0), "its time has run out"
    assert found.to_mark == 0
    soon = ask(world, AFTERWARDS + 3 * DAY, company.standing)
    assert soon.to_mark == 1, "what was booked last is over, and nobody has said who came"


# -- One by one --------------------------------------------------------------------------------------------


def test_only_the_days_of_the_period_count_and_of_the_one_before(world: World) -> None:
    person = world.anna.people["tutor"]
    for number, days_ago in enumerate((0, 1, 29, 30, 35, 59, 60, 200), 1):
        with at(world, AT - days_ago * DAY):
            sell(person, seat_id=number, gross=eur(100 * 10**0 * number))
    with at(world, AT - 2 * HOUR):
        earnings.give_back(seat_id=2, amount=eur(50), reason="Complaint")
    found = ask(world, AT, lambda: company.takings(period(AT), "EUR"))
    assert found.now == eur(100 + 200 + 300 - 50)
    assert found.before == eur(400 + 500 + 600)
    assert found.back == eur(50)
    assert ask(world, AT, lambda: company.takings(period(AT), "NOK")).now == Money(0, "NOK")


def test_the_figures_agree_with_the_trial_balance(world: World) -> None:
    """All was sold and given back within the period: what was taken is what the others have of it."""
    person = world.anna.people["tutor"]
    with at(world, AT - 9 * DAY):
        for seat_id in range(1, 6):
            sell(person, seat_id=seat_id)
        earnings.start_clearing(seat_id=1, ended_at=AT - 8 * DAY)
        earnings.give_back(seat_id=4, amount=eur(6000), reason="Cancelled in time.")
        earnings.give_back(seat_id=5, amount=eur(3000), reason="Cancelled late")
    with at(world):
        earnings.give_back(seat_id=1, amount=eur(4321), reason="Complaint")
    takings = ask(world, AT, lambda: company.takings(period(AT), "EUR"))
    books = ask(world, AT, lambda: {row.code: -row.balance for row in ledger.trial_balance()})
    balances = ask(world, AT, lambda: ledger.balances("EUR"))
    shares = (TUTOR_PENDING, PLATFORM_FEE, TENANT_REVENUE, TAX_PAYABLE)
    assert takings.now == eur(5 * 6000 - 6000 - 3000 - 4321)
    assert takings.now.minor == sum(books[code].minor for code in shares)
    assert [-balances[code] for code in shares] == [books[code] for code in shares]
    later = ask(world, AT + 22 * DAY, lambda: company.takings(period(AT + 22 * DAY), "EUR"))
    assert later.now == eur(-4321), "only the giving back is younger than 30 days"


def test_the_day_is_that_of_the_company(world: World) -> None:
    """Half past midnight in Berlin is yesterday in Greenwich."""
    moment = dt.datetime(2026, 11, 2, 23, 30, tzinfo=dt.UTC)
    with at(world, moment):
        sell(world.anna.people["tutor"])
    found = ask(world, AT, lambda: company.takings(period(AT, 7), "EUR"))
    assert found.sold_by_day == {dt.date(2026, 11, 3): 6000}


# -- Seats and students ------------------------------------------------------------------------------------


def test_offered_hours_are_the_week_s_but_for_dates_that_differ(world: World) -> None:
    """From 8 to 20 each day since the first lesson; a day off and a short day among them."""
    first = MONDAY.astimezone(BERLIN).date()
    with clock.frozen(NOW):
        lived.book(world, lived.publish(world))
    with lived.inside(world) as session:
        schedule = session.scalars(select(AvailabilitySchedule)).one()
        off = AvailabilityOverride(schedule_id=schedule.id, on_date=first + DAY)
        short = AvailabilityOverride(
            schedule_id=schedule.id, on_date=first + 2 * DAY, starts_minute=600, ends_minute=690
        )
        session.add_all([off, short])
    when = MONDAY + 6 * DAY
    teaching = ask(world, when, lambda: company.teaching(period(when, 30)))
    assert teaching.offered == 5 * 720 + 90
    assert teaching.taught == 60
    [tutor] = teaching.tutors
    assert (tutor.id, tutor.offered, tutor.taught) == (world.anna.people["tutor"], 5 * 720 + 90, 60)


def test_a_tutor_without_hours_is_named(world: World) -> None:
    found = ask(world, NOW, company.standing)
    assert (found.without_hours, found.first_without_hours) == (1, world.anna.people["tutor"])


def test_an_empty_company_has_figures_of_nothing(world: World) -> None:
    for days in UNITS:
        found = period(NOW, days)

        def look(found: Period = found) -> None:
            assert company.takings(found, "EUR").now == eur(0)
            assert company.top_offerings(found, "EUR") == []
            assert company.seats(found).now(SOLD) == 0
            assert company.students(found) == company.Students(0, 0, 0, 0)
            assert company.teaching(found) == company.Teaching(0, 0, 0, 0, ())

        ask(world, NOW, look)
