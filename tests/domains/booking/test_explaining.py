"""Why a time is not offered: a time is explained as free if and only if it is offered."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pytest

from app.core import clock
from app.core.db import db
from app.core.scope import tenant_scope
from app.domains.booking import policies, queries, service
from app.domains.booking.models import AvailabilityOverride, AvailabilitySchedule
from app.domains.booking.policies import Interval, Reason, Taken
from tests.domains.booking.support import DAY, HOUR, MINUTE, MONDAY, NOW, School
from tests.domains.booking.test_oracle import AFTER, BEFORE, SEED, Case, make_case
from tests.support.statements import assert_statements


def open_time(case: Case) -> list[Interval]:
    return policies.expand_availability(
        case.rules, case.overrides, case.zone, case.day - BEFORE * DAY, case.day + AFTER * DAY
    )


def explain(case: Case, starts_at: dt.datetime) -> Reason | None:
    return policies.why_not_free(
        open_time(case),
        [Taken(whole=span, lesson=span) for span in case.busy],
        dated={row.on_date for row in case.overrides},
        starts_at=starts_at,
        duration=case.duration * MINUTE,
        terms=case.terms,
        now=case.now,
    )


def differences(seed: int) -> list[str]:
    """Every fifth minute of the window, and each start that is offered."""
    case = make_case(seed)
    slots = policies.free_slots(
        open_time(case),
        case.busy,
        duration=case.duration * MINUTE,
        terms=case.terms,
        since=case.since,
        until=case.until,
        now=case.now,
    )
    offered = {slot.starts_at for slot in slots}
    count = int((case.until - case.since) / (5 * MINUTE))
    asked = offered | {case.since + 5 * number * MINUTE for number in range(count)}
    return [
        f"seed {seed}, {case.zone}: {at} is explained as {explain(case, at)}"
        for at in sorted(asked)
        if (explain(case, at) is None) != (at in offered)
    ]


@pytest.mark.parametrize(
    "count", [pytest.param(40, id="40"), pytest.param(400, id="400", marks=pytest.mark.soak)]
)
def test_free_is_what_is_offered_and_nothing_else(count: int) -> None:
    assert [text for number in range(count) for text in differences(SEED + number)] == []


def test_every_rule_comes_up() -> None:
    """Or the comparison above would not have tried it."""
    seen: Counter[str] = Counter()
    for number in range(60):
        case = make_case(SEED + number)
        for step in range(0, int((case.until - case.since) / MINUTE), 7):
            found = explain(case, case.since + step * MINUTE)
            seen[found.why if found else "free"] += 1
    assert set(seen) == {
        "free", "past", "notice", "horizon", "day_off", "other_hours", "no_hours", "outside_hours",
        "too_long", "step", "booked", "buffer",
    }  # fmt: skip


# -- What belongs to a reason ------------------------------------------------------------------------------

TERMS = AvailabilitySchedule(
    timezone="UTC",
    buffer_before_minutes=0,
    buffer_after_minutes=15,
    notice_minutes=120,
    horizon_days=30,
    step_minutes=30,
)
HOURS = [Interval(MONDAY, MONDAY + 4 * HOUR)]


def reason(starts_at: dt.datetime, *taken: Taken, dated: frozenset[dt.date] = frozenset()) -> Reason | None:
    return policies.why_not_free(
        HOURS, taken, dated=dated, starts_at=starts_at, duration=HOUR, terms=TERMS, now=NOW
    )


def lesson(starts_at: dt.datetime, *, is_held: bool = False) -> Taken:
    whole = Interval(starts_at, starts_at + HOUR + 15 * MINUTE)
    return Taken(whole, Interval(starts_at, starts_at + HOUR), "Maths", is_held=is_held)


def test_a_buffer_is_told_from_the_lesson_itself() -> None:
    there = lesson(MONDAY)
    assert reason(MONDAY + 30 * MINUTE, there) == Reason("booked", taken=there)
    assert reason(MONDAY + HOUR, there) == Reason("buffer", taken=there)
    assert reason(MONDAY + HOUR + 30 * MINUTE, there) is None
    held = lesson(MONDAY, is_held=True)
    assert reason(MONDAY, held) == Reason("held", taken=held)
    later = lesson(MONDAY + 2 * HOUR)
    assert reason(MONDAY + HOUR, later) == Reason("buffer", taken=later), "one's own buffer counts, too"


def test_times_off_the_raster_come_with_those_around() -> None:
    found = reason(MONDAY + 10 * MINUTE)
    assert found == Reason("step", near=(MONDAY, MONDAY + 30 * MINUTE))
    late = reason(MONDAY + 2 * HOUR + 40 * MINUTE)
    assert late is not None
    assert late.near == (MONDAY + 2 * HOUR + 30 * MINUTE, MONDAY + 3 * HOUR)


def test_closed_says_how() -> None:
    assert reason(MONDAY + 3 * HOUR + 30 * MINUTE) == Reason(
        "too_long", at=MONDAY + 4 * HOUR, hours=tuple(HOURS)
    )
    assert reason(MONDAY - HOUR) == Reason("outside_hours", hours=tuple(HOURS))
    assert reason(MONDAY + DAY) == Reason("no_hours")
    assert reason(MONDAY - HOUR, dated=frozenset({MONDAY.date()})) == Reason(
        "other_hours", hours=tuple(HOURS)
    )
    assert reason(MONDAY + DAY, dated=frozenset({(MONDAY + DAY).date()})) == Reason("day_off")


def test_the_first_and_the_last_moment_that_can_be_booked() -> None:
    assert reason(NOW - MINUTE) == Reason("past")
    assert reason(NOW + HOUR) == Reason("notice", at=NOW + 2 * HOUR)
    found = reason(NOW + 40 * DAY)
    assert found is not None
    assert found.at == policies.horizon_end(TERMS, NOW)


# -- In the database ---------------------------------------------------------------------------------------


def ask(school: School, starts_at: dt.datetime, *, sold: bool = True) -> Reason | None:
    with tenant_scope(school.tenant_id):
        pair = (school.offering, school.variant) if sold else None
        return queries.explained(school.tutor_id, starts_at, HOUR, sold=pair)


def test_a_week_is_explained_as_it_is_offered(school: School) -> None:
    school.book(MONDAY)
    school.hold(MONDAY + 3 * HOUR)
    first = MONDAY - 2 * HOUR
    with tenant_scope(school.tenant_id):
        slots = queries.slots(school.offering, school.variant, since=first, until=first + DAY)
    offered = {slot.starts_at for slot in slots}
    for number in range(96):
        at = first + number * 15 * MINUTE
        assert (ask(school, at) is None) == (at in offered), at


def test_what_is_in_the_way_has_its_name(school: School) -> None:
    seat_id = school.book(MONDAY)
    found = ask(school, MONDAY)
    assert found is not None
    assert found.taken is not None
    assert (found.why, found.taken.url_code) == ("booked", school.lesson_of(seat_id).code)
    school.hold(MONDAY + 3 * HOUR)
    held = ask(school, MONDAY + 3 * HOUR)
    assert held is not None
    assert held.why == "held"
    with clock.frozen(NOW + HOUR):
        assert ask(school, MONDAY + 3 * HOUR) is None, "it ran out"


def test_a_day_off_and_what_is_not_sold(school: School) -> None:
    def off() -> list[AvailabilityOverride]:
        schedule = queries.schedule_of(school.tutor_id)
        assert schedule is not None
        return service.set_override(schedule, on_date=MONDAY.date())

    school.do(off)
    assert ask(school, MONDAY) == Reason("day_off")
    with tenant_scope(school.tenant_id):
        group = queries.explained(
            school.tutor_id,
            MONDAY,
            HOUR,
            sold=(db.session.get_one(type(school.offering), school.group_id), school.variant),
        )
        stranger = queries.explained(school.student_id, MONDAY, HOUR)
    assert group == Reason("not_published"), "the variant is another offering's"
    assert stranger == Reason("no_schedule")
    assert ask(school, NOW + 4000 * DAY) == Reason("horizon")


def test_it_takes_two_statements(school: School) -> None:
    school.book(MONDAY)
    with tenant_scope(school.tenant_id):
        pair = (school.offering, school.variant)
        with assert_statements(db.engine, 2):
            queries.explained(school.tutor_id, MONDAY, HOUR, sold=pair)
