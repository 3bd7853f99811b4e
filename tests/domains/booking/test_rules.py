"""The rules of booking at their edges: the last moment at which something is so, and the first at which it is not."""

from __future__ import annotations

import datetime as dt
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.core.money import Money
from app.domains.booking import policies
from app.domains.booking.models import (
    BOOKED,
    CANCELLED,
    HELD,
    AvailabilityOverride,
    AvailabilityRule,
    AvailabilitySchedule,
    Lesson,
    Seat,
)
from app.domains.booking.policies import Interval, availability, calendar, refunds
from app.domains.booking.policies.explaining import Reason, Taken
from tests.domains.booking.test_oracle import CHANGES

SECOND, MINUTE, HOUR, DAY = (
    dt.timedelta(seconds=1),
    dt.timedelta(minutes=1),
    dt.timedelta(hours=1),
    dt.timedelta(days=1),
)
NOW = dt.datetime(2026, 5, 4, 9, tzinfo=dt.UTC)  # a Monday


def terms(**changed: Any) -> AvailabilitySchedule:
    return AvailabilitySchedule(
        **{
            "timezone": "UTC",
            "buffer_before_minutes": 0,
            "buffer_after_minutes": 0,
            "notice_minutes": 0,
            "horizon_days": 30,
            "step_minutes": 30,
            **changed,
        }
    )


# -- Wall time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("zone", "day"), CHANGES)
def test_wall_time_is_the_first_instant_that_shows_or_has_passed_it(zone: str, day: dt.date) -> None:
    """A second earlier the clock had not got there: also at the end of a gap, which is found by halving."""

    def shown(instant: dt.datetime) -> dt.datetime:
        return instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None)

    for minute in range(0, 1441, 7):
        found = availability.instant_of(day, minute, zone)
        assert found.tzinfo is dt.UTC
        wall = dt.datetime.combine(day, dt.time()) + minute * MINUTE
        assert shown(found - SECOND) < wall <= shown(found), minute


def test_moments_are_in_utc() -> None:
    wall = dt.datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001
    first, second = policies.moments_of(wall, "Europe/Berlin")
    assert first.tzinfo is second.tzinfo is dt.UTC
    assert policies.local_instant(wall, "Europe/Berlin") == first
    assert policies.local_instant(wall.replace(fold=1), "Europe/Berlin") == second


def test_an_hour_that_comes_once_is_the_same_whichever_is_meant() -> None:
    wall = dt.datetime(2026, 5, 4, 12)  # noqa: DTZ001
    for fold in (0, 1):
        assert policies.local_instant(wall.replace(fold=fold), "Europe/Berlin") == NOW + HOUR


# -- Working hours -----------------------------------------------------------------------------------------


def test_hours_end_with_the_last_day_that_was_asked_for() -> None:
    rules = [AvailabilityRule(weekday=day, starts_minute=600, ends_minute=660) for day in range(7)]
    found = policies.expand_availability(rules, [], "UTC", NOW.date(), NOW.date() + DAY)
    assert [hours.starts_at for hours in found] == [NOW + HOUR, NOW + DAY + HOUR]
    found = policies.expand_availability(rules[:1], [], "UTC", NOW.date(), NOW.date() + DAY)
    assert found == [Interval(NOW + HOUR, NOW + 2 * HOUR)], "nobody works on Tuesday"


def test_a_date_that_differs_has_its_own_stretches_or_none() -> None:
    rules = [AvailabilityRule(weekday=0, starts_minute=600, ends_minute=660)]
    for stretches, starts in ([(0, 60), (120, 180)], [0, 2]), ([(None, None)], []):
        overrides = [
            AvailabilityOverride(on_date=NOW.date(), starts_minute=begins, ends_minute=ends)
            for begins, ends in stretches
        ]
        found = policies.expand_availability(rules, overrides, "UTC", NOW.date(), NOW.date())
        assert [hours.starts_at.hour for hours in found] == starts


def test_stretches_that_touch_are_one() -> None:
    def span(begins: int, ends: int) -> Interval:
        return Interval(NOW + begins * HOUR, NOW + ends * HOUR)

    assert policies.merged([span(2, 3), span(0, 1), span(1, 2)]) == [span(0, 3)]
    assert policies.merged([span(0, 5), span(1, 2), span(6, 6), span(7, 6)]) == [span(0, 5)]
    assert policies.merged([span(0, 1), span(2, 3)]) == [span(0, 1), span(2, 3)]


def test_what_touches_does_not_overlap() -> None:
    first, second = Interval(NOW, NOW + HOUR), Interval(NOW + HOUR, NOW + 2 * HOUR)
    assert not first.overlaps(second)
    assert not second.overlaps(first)
    assert first.overlaps(Interval(NOW + HOUR - SECOND, NOW + 2 * HOUR))
    assert second.overlaps(Interval(NOW, NOW + HOUR + SECOND))


# -- What can be booked ------------------------------------------------------------------------------------


def test_buffers_lie_on_both_sides_of_a_lesson() -> None:
    asked = terms(buffer_before_minutes=15, buffer_after_minutes=45)
    found = availability.with_buffers(NOW, NOW + HOUR, asked)
    assert found == Interval(NOW - 15 * MINUTE, NOW + 105 * MINUTE)
    assert availability.with_buffers(NOW, NOW + HOUR, None) == Interval(NOW, NOW + HOUR)


def slots(
    busy: list[Interval], *, since: dt.datetime = NOW, until: dt.datetime = NOW + DAY, **changed: Any
) -> list[dt.datetime]:
    found = policies.free_slots(
        [Interval(NOW, NOW + 3 * HOUR)], busy, duration=HOUR, terms=terms(**changed),
        since=since, until=until, now=NOW,
    )  # fmt: skip
    assert all(slot.ends_at - slot.starts_at == HOUR for slot in found)
    return [slot.starts_at for slot in found]


def test_times_are_offered_up_to_a_moment_and_without_it() -> None:
    assert slots([], until=NOW + HOUR) == [NOW, NOW + 30 * MINUTE]
    assert slots([], until=NOW + HOUR + SECOND) == [NOW, NOW + 30 * MINUTE, NOW + HOUR]


def test_buffers_keep_their_distance_to_what_is_taken() -> None:
    taken = [Interval(NOW + HOUR, NOW + HOUR + 30 * MINUTE)]
    assert slots(taken) == [NOW, NOW + 90 * MINUTE, NOW + 120 * MINUTE]
    assert slots(taken, buffer_before_minutes=1) == [NOW, NOW + 120 * MINUTE]
    assert slots(taken, buffer_after_minutes=1) == [NOW + 90 * MINUTE, NOW + 120 * MINUTE]
    # What ends as the buffer begins is not in the way.
    assert slots(taken, buffer_before_minutes=30) == [NOW, NOW + 120 * MINUTE]
    assert slots(taken, buffer_before_minutes=31) == [NOW]


def test_each_of_several_that_are_taken_is_in_the_way() -> None:
    taken = [Interval(NOW + at * MINUTE, NOW + (at + 10) * MINUTE) for at in (20, 130, 170)]
    assert slots(taken) == [NOW + 30 * MINUTE, NOW + 60 * MINUTE]
    assert slots(taken[::2]) == [NOW + at * MINUTE for at in (30, 60, 90)]
    around = [Interval(NOW - HOUR, NOW + MINUTE), Interval(NOW + 2 * HOUR, NOW + 9 * HOUR)]
    assert slots(around, step_minutes=60) == [NOW + HOUR]


def test_starts_stay_on_the_raster_wherever_one_begins_to_look() -> None:
    assert slots([], since=NOW + 10 * MINUTE) == [NOW + number * 30 * MINUTE for number in (1, 2, 3, 4)]
    assert slots([], since=NOW + 30 * MINUTE) == [NOW + number * 30 * MINUTE for number in (1, 2, 3, 4)]
    assert slots([], notice_minutes=90) == [NOW + 90 * MINUTE, NOW + 120 * MINUTE]
    assert slots([], notice_minutes=91) == [NOW + 120 * MINUTE]


def test_the_last_day_is_the_tutors_own() -> None:
    late = dt.datetime(2026, 5, 4, 23, 30, tzinfo=dt.UTC)  # in Tokyo it is Tuesday
    end = availability.horizon_end(terms(timezone="Asia/Tokyo", horizon_days=1), late)
    assert end == dt.datetime(2026, 5, 6, 15, tzinfo=dt.UTC)


def why(starts_at: dt.datetime, **changed: Any) -> str | None:
    return policies.why_not(
        [Interval(NOW, NOW + 40 * DAY)], starts_at=starts_at, duration=HOUR, terms=terms(**changed), now=NOW
    )


def test_each_refusal_begins_where_it_says() -> None:
    assert why(NOW) is None
    assert why(NOW - SECOND) == "past"
    assert why(NOW + HOUR, notice_minutes=60) is None
    assert why(NOW + HOUR - SECOND, notice_minutes=60) == "notice"
    end = dt.datetime(2026, 6, 4, tzinfo=dt.UTC)
    assert why(end - 30 * MINUTE) is None
    assert why(end) == "horizon"
    assert why(NOW + 10 * MINUTE) == "step"


def test_a_lesson_fits_exactly_or_not_at_all() -> None:
    def fits(hours: Interval, starts_at: dt.datetime) -> str | None:
        return policies.why_not([hours], starts_at=starts_at, duration=HOUR, terms=terms(), now=NOW)

    assert fits(Interval(NOW, NOW + HOUR), NOW) is None
    assert fits(Interval(NOW, NOW + HOUR - SECOND), NOW) == "outside_hours"
    assert fits(Interval(NOW + SECOND, NOW + 2 * HOUR), NOW) == "outside_hours"


def test_far_away_nobody_calculates() -> None:
    far = availability._FARTHEST
    assert far == 3 * 366 * DAY
    assert availability.why_out_of_sight(NOW - DAY, NOW) is None
    assert availability.why_out_of_sight(NOW - DAY - SECOND, NOW) == "past"
    assert availability.why_out_of_sight(NOW + far, NOW) is None
    assert availability.why_out_of_sight(NOW + far + SECOND, NOW) == "horizon"


def test_the_first_that_are_free_for_somebody_else_too() -> None:
    offered = [availability.Slot(NOW + number * HOUR, NOW + (number + 1) * HOUR) for number in range(4)]
    busy = [Interval(NOW + 90 * MINUTE, NOW + 2 * HOUR)]
    assert policies.first_free(offered, busy, 2) == [offered[0], offered[2]]


@pytest.mark.parametrize(
    "busy_hours", [[], [(0, 4)], [(0, 1), (2, 3)], [(1, 2), (3, 5)], [(4, 5)], [(-3, -2), (2, 3), (6, 7)]]
)
@pytest.mark.parametrize("minutes", [30, 60, 150])
def test_free_in_somebody_elses_calendar_is_what_overlaps_nothing_of_it(
    busy_hours: list[tuple[int, int]], minutes: int
) -> None:
    busy = [Interval(NOW + begins * HOUR, NOW + ends * HOUR) for begins, ends in busy_hours]
    offered = [
        Interval(NOW + place * HOUR / 2, NOW + place * HOUR / 2 + minutes * MINUTE) for place in range(-4, 14)
    ]
    free = policies.first_free([availability.Slot(*each) for each in offered], busy, len(offered))
    assert [tuple(slot) for slot in free] == [
        tuple(each) for each in offered if not any(each.overlaps(other) for other in busy)
    ]


# -- Why a time is not free --------------------------------------------------------------------------------


def explained(
    starts_at: dt.datetime, *taken: Taken, dated: frozenset[dt.date] = frozenset(), **changed: Any
) -> Reason | None:
    return policies.why_not_free(
        [Interval(NOW, NOW + 3 * HOUR), Interval(NOW + 4 * HOUR, NOW + 5 * HOUR)], taken,
        dated=dated, starts_at=starts_at, duration=HOUR, terms=terms(**changed), now=NOW,
    )  # fmt: skip


def test_a_reason_brings_what_one_needs_to_change_it() -> None:
    hours = (Interval(NOW, NOW + 3 * HOUR), Interval(NOW + 4 * HOUR, NOW + 5 * HOUR))
    assert explained(NOW - HOUR) == Reason("past")
    assert explained(NOW, notice_minutes=90) == Reason("notice", at=NOW + 90 * MINUTE)
    assert explained(NOW + 40 * DAY) == Reason("horizon", at=dt.datetime(2026, 6, 4, tzinfo=dt.UTC))
    assert explained(NOW + 150 * MINUTE) == Reason("too_long", at=NOW + 3 * HOUR, hours=hours)
    assert explained(NOW + 3 * HOUR) == Reason("outside_hours", hours=hours)
    assert explained(NOW + DAY) == Reason("no_hours", at=None, hours=(), near=(), taken=None)
    assert explained(NOW + 3 * HOUR, dated=frozenset({NOW.date()})) == Reason("other_hours", hours=hours)
    assert explained(NOW + DAY, dated=frozenset({NOW.date() + DAY})) == Reason("day_off")


def test_the_starts_around_are_those_that_hold_a_lesson() -> None:
    assert explained(NOW + 10 * MINUTE) == Reason("step", near=(NOW, NOW + 30 * MINUTE))
    near = (NOW + 90 * MINUTE, NOW + 2 * HOUR)
    assert explained(NOW + 119 * MINUTE) == Reason("step", near=near)
    assert explained(NOW + 119 * MINUTE, step_minutes=60) == Reason("step", near=(NOW + HOUR, NOW + 2 * HOUR))


def test_a_lesson_in_the_way_comes_before_a_buffer() -> None:
    def there(begins: int, ends: int, **more: Any) -> Taken:
        lesson = Interval(NOW + begins * MINUTE, NOW + ends * MINUTE)
        return Taken(Interval(lesson.starts_at, lesson.ends_at + 30 * MINUTE), lesson, **more)

    before, inside = there(0, 45), there(90, 120)
    assert explained(NOW + HOUR, before, inside) == Reason("booked", taken=inside)
    assert explained(NOW + HOUR, before) == Reason("buffer", taken=before)
    assert explained(NOW + 90 * MINUTE, before) is None
    held = there(60, 90, is_held=True)
    assert explained(NOW + HOUR, held) == Reason("held", taken=held)
    assert (held.label, held.url_code, before.is_held, before.teaches) == ("", "", False, True)
    assert explained(NOW, there(60, 90)) is None
    assert explained(NOW, there(60, 90), buffer_after_minutes=1) == Reason("buffer", taken=there(60, 90))


def test_a_day_is_the_tutors_own() -> None:
    hours = (Interval(NOW, NOW + 30 * MINUTE),)
    asked = terms(timezone="Asia/Tokyo")

    def closed(starts_at: dt.datetime, *dated: dt.date) -> Reason | None:
        return policies.why_not_free(
            hours, [], dated=dated, starts_at=starts_at, duration=HOUR, terms=asked, now=NOW
        )

    monday, tuesday = NOW.date(), NOW.date() + DAY
    assert closed(NOW) == Reason("too_long", at=NOW + 30 * MINUTE, hours=hours)
    assert closed(NOW + 30 * MINUTE) == Reason("outside_hours", hours=hours)
    assert closed(NOW + 6 * HOUR - SECOND, monday) == Reason("other_hours", hours=hours)
    assert closed(NOW + 6 * HOUR, monday) == Reason("no_hours"), "in Tokyo it is Tuesday"
    assert closed(NOW + 6 * HOUR, tuesday) == Reason("day_off")
    midnight = NOW - 18 * HOUR  # in Tokyo: Monday's hours are those that touch it
    hours = (Interval(midnight - HOUR, midnight), Interval(midnight + DAY, midnight + DAY + HOUR))
    assert closed(NOW) == Reason("no_hours")
    hours = (Interval(midnight - HOUR, midnight + SECOND), Interval(midnight + DAY - SECOND, midnight + DAY))
    assert closed(NOW) == Reason("outside_hours", hours=hours)


def test_a_start_after_which_the_hours_end_too_soon_is_not_near() -> None:
    found = policies.why_not_free(
        [Interval(NOW, NOW + 75 * MINUTE)], [], dated=(), starts_at=NOW + 10 * MINUTE, duration=HOUR,
        terms=terms(), now=NOW,
    )  # fmt: skip
    assert found == Reason("step", near=(NOW,))


# -- Refunds and moves -------------------------------------------------------------------------------------

START = NOW + 10 * DAY
POLICY = {"free_until_minutes": 1440, "late_refund_bp": 5000, "move_until_minutes": 720, "max_moves": 2}


def seat(**changed: Any) -> Seat:
    return Seat(
        **{
            "status": BOOKED, "price_minor": 6001, "currency": "EUR", "refund_minor": 0, "moves": 0,
            "policy": POLICY, **changed,
        }
    )  # fmt: skip


def due(at: dt.datetime, **changed: Any) -> tuple[int, int, str]:
    found = policies.refund_due(seat(**changed), START, at)
    return found.amount.minor, found.share_bp, found.why


def test_the_last_moment_is_in_time() -> None:
    assert policies.refund_start(seat(), START) == START - DAY
    assert due(START - DAY) == (6001, 10_000, "free")
    assert due(START - DAY + SECOND) == (3001, 5000, "late")
    assert due(START - 2 * DAY, status=CANCELLED) == (0, 0, "not_booked")


def test_what_went_back_already_is_taken_off_and_never_below_nothing() -> None:
    assert due(START - 2 * DAY, refund_minor=1000) == (5001, 10_000, "free")
    assert due(START, refund_minor=4000) == (0, 5000, "late")
    assert policies.full_refund(seat(refund_minor=1)) == refunds.Refundable(
        Money(6000, "EUR"), 10_000, "by_company"
    )


def test_what_the_provider_cannot_move_stays() -> None:
    assert due(START - DAY, price_minor=6001, currency="KWD") == (6000, 10_000, "free")


def test_until_when_one_may_cancel() -> None:
    assert policies.why_not_cancelled(seat(), START, START - SECOND) is None
    assert policies.why_not_cancelled(seat(), START, START) == "started"
    assert policies.why_not_cancelled(seat(status=HELD), START, START - DAY) == "not_booked"


def test_until_when_and_how_often_one_may_move() -> None:
    def refused(at: dt.datetime, **changed: Any) -> str | None:
        return policies.why_not_moved(seat(**changed), START, at)

    last = START - 720 * MINUTE
    assert policies.move_deadline(seat(), START) == last
    assert refused(last) is None
    assert policies.may_move(seat(), START, last)
    assert refused(last + SECOND) == "too_late"
    assert not policies.may_move(seat(), START, last + SECOND)
    assert refused(START - SECOND) == "too_late"
    assert refused(START) == "started"
    assert refused(last, moves=1) is None
    assert refused(last, moves=2) == "too_often"
    assert refused(last, status=CANCELLED) == "not_booked"


def test_a_late_move_keeps_the_earlier_start_and_one_in_time_forgets_it() -> None:
    def after(at: dt.datetime, to: dt.datetime, **policy: Any) -> dict[str, Any]:
        moved = seat(policy={**POLICY, **policy})
        return policies.policy_after_move(moved, before=START, after=to, at=at)

    in_time, late = START - DAY, START - DAY + SECOND
    assert after(in_time, START + DAY) == POLICY
    assert after(late, START + DAY) == {**POLICY, "counts_from": START.isoformat()}
    assert after(late, START - HOUR) == {**POLICY, "counts_from": (START - HOUR).isoformat()}
    kept = (START - 2 * DAY).isoformat()
    assert after(late, START + DAY, counts_from=kept) == {**POLICY, "counts_from": kept}
    assert after(START - 4 * DAY, START + DAY, counts_from=kept) == POLICY
    moved = seat(policy={**POLICY, "counts_from": kept})
    assert policies.refund_start(moved, START) == START - 3 * DAY


def test_what_people_are_told() -> None:
    assert (policies.HOLD_LIFE, policies.MAX_HOLDS) == (10 * MINUTE, 3)
    assert (policies.MARKED_AFTER, policies.MARKING_OPEN) == (DAY, 7 * DAY)


# -- Calendars ---------------------------------------------------------------------------------------------


def test_calendars_believe_the_highest_sequence() -> None:
    def sequence(moves: int, changes: int, status: str = BOOKED) -> int:
        asked = SimpleNamespace(moves=moves, status=status, lesson=SimpleNamespace(sequence=changes))
        return calendar.sequence_of_seat(asked)  # type: ignore[arg-type]

    assert (sequence(0, 0), sequence(0, 3), sequence(2, 3)) == (0, 3, 2003)
    assert sequence(0, 499) == sequence(0, 500) == sequence(0, 9_999) == 499
    assert sequence(1, 0) > sequence(0, 9_999, CANCELLED) > sequence(0, 9_999)
    assert sequence(0, 0, CANCELLED) == 500
    assert calendar.sequence_of_lesson(Lesson(sequence=7)) == 7
    assert calendar.uid_of_seat(Seat(id=7), "a.example") == "seat-7@a.example"
    assert calendar.uid_of_lesson(Lesson(id=7), "a.example") == "lesson-7@a.example"
