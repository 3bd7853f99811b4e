"""Periods, comparisons and scales: pure rules, checked one by one and with many numbers."""

from __future__ import annotations

import datetime as dt
import random

import pytest

from app.domains.reporting.policies import (
    UNITS,
    YEAR,
    Period,
    change_percent,
    scale,
    share_percent,
)

DAY = dt.timedelta(days=1)
NOON = dt.datetime(2026, 11, 26, 12, tzinfo=dt.UTC)  # a Thursday


def period(days: int, now: dt.datetime = NOON, zone: str = "Europe/Berlin") -> Period:
    return Period.ending(now, days=days, zone=zone)


def test_today_is_the_last_of_the_days() -> None:
    found = period(7)
    assert (found.first, found.last) == (dt.date(2026, 11, 20), dt.date(2026, 11, 26))
    assert found.since == dt.datetime(2026, 11, 19, 23, tzinfo=dt.UTC), "midnight in Berlin"


def test_which_day_it_is_is_said_by_the_zone() -> None:
    late = dt.datetime(2026, 11, 26, 23, 30, tzinfo=dt.UTC)
    assert period(7, late, "Europe/Berlin").last == dt.date(2026, 11, 27)
    assert period(7, late, "America/New_York").last == dt.date(2026, 11, 26)


def test_a_year_is_this_month_and_the_eleven_before() -> None:
    assert period(YEAR).first == dt.date(2025, 12, 1)
    january = dt.datetime(2027, 1, 31, 12, tzinfo=dt.UTC)
    assert period(YEAR, january).first == dt.date(2026, 2, 1)


@pytest.mark.parametrize("days", UNITS)
def test_what_it_is_compared_with_ends_at_the_same_time_of_day(days: int) -> None:
    found = period(days)
    assert found.before_until < found.since
    assert found.now - found.before_until == (found.last - found.first) + DAY
    assert found.before_first + (found.last - found.first) + DAY == found.first


@pytest.mark.parametrize("days", UNITS)
def test_columns_are_all_days_once(days: int) -> None:
    rng = random.Random(days)
    for _try in range(50):
        found = period(days, NOON + rng.randrange(800) * DAY)
        buckets = found.buckets()
        covered = [
            bucket.first + n * DAY for bucket in buckets for n in range((bucket.last - bucket.first).days + 1)
        ]
        assert covered == [found.first + n * DAY for n in range((found.last - found.first).days + 1)]
    assert len(buckets) == {7: 7, 30: 30, 90: len(buckets), YEAR: 12}[days]


def test_weeks_begin_on_monday_and_months_on_the_first() -> None:
    assert {bucket.first.weekday() for bucket in period(90).buckets()[1:]} == {0}
    assert {bucket.first.day for bucket in period(YEAR).buckets()} == {1}
    assert period(YEAR).buckets()[-1].last == dt.date(2026, 11, 26), "not longer than today"


def test_sums_of_columns_are_the_sum() -> None:
    rng = random.Random(3)
    for days in UNITS:
        found = period(days)
        by_day = {found.first + n * DAY: rng.randrange(-500, 5000) for n in range(0, days, 3)}
        by_day = {day: value for day, value in by_day.items() if found.contains(day)}
        assert sum(found.bucketed(by_day)) == sum(by_day.values())


@pytest.mark.parametrize(
    ("now", "before", "expected"),
    [
        (112, 100, 12),
        (50, 100, -50),
        (0, 100, -100),
        (100, 100, 0),
        (5, 0, None),
        (0, 0, None),
        (-30, 100, -130),
    ],
)
def test_how_much_more(now: int, before: int, expected: int | None) -> None:
    assert change_percent(now, before) == expected


def test_a_share_of_nothing_is_none() -> None:
    assert share_percent(0, 0) is None
    assert share_percent(1, 3) == 33
    assert share_percent(90, 60) == 150, "more was taught than the week offers"


def test_a_scale_holds_everything_in_few_round_steps() -> None:
    rng = random.Random(4)
    for _try in range(500):
        least, most = rng.choice((0, -rng.randrange(10**6))), rng.choice((0, rng.randrange(10**9)))
        marks = scale(least, most)
        assert marks[0] <= least
        assert marks[-1] >= most
        assert 0 in marks
        assert 2 <= len(marks) <= 8
        steps = {later - earlier for earlier, later in zip(marks, marks[1:], strict=False)}
        assert len(steps) == 1
        assert str(steps.pop()).rstrip("0") in {"1", "2", "5"}
    assert scale(0, 0) == [0, 1]
