"""Working hours and slots against a slow oracle that walks through time minute by minute.

It knows zones from zoneinfo alone. Its clock is the local one, except that it never goes back: in a doubled
hour it waits, over a gap it jumps. Open is what that clock shows within the day's stretches.
"""

from __future__ import annotations

import datetime as dt
import random
from bisect import bisect_left
from dataclasses import dataclass
from functools import cache
from zoneinfo import ZoneInfo

import pytest

from app.domains.booking import policies
from app.domains.booking.errors import SkippedTime
from app.domains.booking.models import AvailabilityOverride, AvailabilityRule, AvailabilitySchedule
from app.domains.booking.policies import Interval, availability

MINUTE, DAY = dt.timedelta(minutes=1), dt.timedelta(days=1)
SEED = 20261125

# Days around which the clocks change, in both hemispheres: forwards, back, by half an hour, at midnight, and
# a day that a country left out; and zones where they never do, off by half and by quarter hours.
CHANGES = [
    ("Europe/Berlin", dt.date(2026, 3, 29)),
    ("Europe/Berlin", dt.date(2026, 10, 25)),
    ("Europe/London", dt.date(2027, 3, 28)),
    ("America/New_York", dt.date(2026, 3, 8)),
    ("America/New_York", dt.date(2026, 11, 1)),
    ("America/St_Johns", dt.date(2010, 11, 7)),  # 00:01 → 23:01 of the day before
    ("America/Santiago", dt.date(2026, 9, 6)),  # midnight is skipped
    ("America/Santiago", dt.date(2026, 4, 4)),
    ("Africa/Cairo", dt.date(2026, 4, 24)),  # midnight is skipped
    ("Africa/Cairo", dt.date(2026, 10, 29)),
    ("Australia/Sydney", dt.date(2026, 4, 5)),
    ("Australia/Sydney", dt.date(2026, 10, 4)),
    ("Australia/Adelaide", dt.date(2026, 10, 4)),
    ("Australia/Lord_Howe", dt.date(2026, 4, 5)),  # by half an hour
    ("Australia/Lord_Howe", dt.date(2026, 10, 4)),
    ("Pacific/Apia", dt.date(2011, 12, 30)),  # left out
    ("Pacific/Kwajalein", dt.date(1993, 8, 21)),  # left out
    ("Pacific/Auckland", dt.date(2026, 9, 27)),
    ("Pacific/Chatham", dt.date(2026, 4, 5)),  # at 03:45
    ("Asia/Kolkata", dt.date(2026, 3, 29)),
    ("Asia/Kathmandu", dt.date(2026, 10, 25)),
    ("UTC", dt.date(2026, 2, 28)),
]
BEFORE, AFTER = 3, 3  # days around the change that the walk covers


@dataclass(frozen=True)
class Walk:
    """Every minute of some days: what the local clock shows that never goes back."""

    first_day: dt.date
    starts_at: dt.datetime
    shown: list[tuple[int, int]]  # day, and minute of the day


@cache
def walk(zone_name: str, day: dt.date) -> Walk:
    zone = ZoneInfo(zone_name)
    first_day = day - BEFORE * DAY
    midnight = dt.datetime.combine(first_day, dt.time())
    at = dt.datetime.combine(first_day - DAY, dt.time(), dt.UTC)
    starts_at, shown, latest = at, [], -(10**9)
    for _minute in range((BEFORE + AFTER + 2) * 1440):
        local = at.astimezone(zone).replace(tzinfo=None)
        latest = max(latest, (local - midnight) // MINUTE)
        shown.append(divmod(latest, 1440))
        at += MINUTE
    return Walk(first_day, starts_at, shown)


@dataclass
class Case:
    zone: str
    day: dt.date
    rules: list[AvailabilityRule]
    overrides: list[AvailabilityOverride]
    terms: AvailabilitySchedule
    busy: list[Interval]
    duration: int
    now: dt.datetime
    since: dt.datetime
    until: dt.datetime


def stretch(dice: random.Random) -> tuple[int, int]:
    """Often about the hours in which clocks change, sometimes the whole day."""
    if dice.random() < 0.15:
        return 0, 1440
    grain = dice.choice((1, 15, 30, 60))
    starts = dice.randrange(0, 300 if dice.random() < 0.6 else 1440, grain)
    return starts, min(1440, starts + max(1, dice.randrange(grain, 600, grain)))


def make_case(seed: int) -> Case:
    dice = random.Random(seed)
    zone, day = CHANGES[seed % len(CHANGES)]
    rules = []
    for weekday in range(7):
        for _ in range(dice.choice((0, 1, 1, 2, 3))):
            starts, ends = stretch(dice)
            rules.append(AvailabilityRule(weekday=weekday, starts_minute=starts, ends_minute=ends))
    overrides = []
    for number in range(-BEFORE, AFTER + 1):
        if dice.random() < 0.15:
            on_date = day + number * DAY
            for _ in range(dice.choice((0, 1, 2))):
                starts, ends = stretch(dice)
                overrides.append(
                    AvailabilityOverride(on_date=on_date, starts_minute=starts, ends_minute=ends)
                )
            if not any(row.on_date == on_date for row in overrides):
                overrides.append(AvailabilityOverride(on_date=on_date))
    terms = AvailabilitySchedule(
        timezone=zone,
        buffer_before_minutes=dice.choice((0, 0, 5, 15, 60)),
        buffer_after_minutes=dice.choice((0, 0, 10, 45)),
        notice_minutes=dice.choice((0, 1, 120, 1440)),
        horizon_days=dice.choice((1, 2, 60, 60)),
        step_minutes=dice.choice((5, 10, 15, 20, 30, 60)),
    )
    noon = dt.datetime.combine(day, dt.time(12), dt.UTC)
    busy = []
    for _ in range(dice.choice((0, 1, 3, 6))):
        begins = noon + dice.randrange(-2880, 2880) * MINUTE
        busy.append(Interval(begins, begins + dice.randrange(1, 300) * MINUTE))
    since = noon - dice.randrange(0, 1500) * MINUTE
    return Case(
        zone, day, rules, overrides, terms, busy,
        duration=dice.choice((5, 25, 30, 30, 45, 60, 60, 90, 1440)),
        now=noon - dice.randrange(0, 4000) * MINUTE,
        since=since,
        until=since + dice.randrange(60, 2880) * MINUTE,
    )  # fmt: skip


def oracle(case: Case) -> tuple[list[bool], list[dt.datetime]]:
    """Which minutes are open, and at which of them a lesson can begin."""
    seen = walk(case.zone, case.day)
    dated = {row.on_date for row in case.overrides}
    working: dict[int, bytearray] = {}
    for number in range(-2, BEFORE + AFTER + 3):
        day, minutes = seen.first_day + number * DAY, bytearray(1440)
        for row in case.overrides if day in dated else case.rules:
            if row.starts_minute is not None and day in {getattr(row, "on_date", None), _day_of(row, day)}:
                for minute in range(row.starts_minute, row.ends_minute):
                    minutes[minute] = 1
        working[number] = minutes
    opened = [working[number][minute] == 1 for number, minute in seen.shown]
    taken = {
        int((row.starts_at - seen.starts_at) / MINUTE) + minute
        for row in case.busy
        for minute in range(int((row.ends_at - row.starts_at) / MINUTE))
    }
    terms, found, anchor, midnights = case.terms, [], 0, seen.shown
    today = case.now.astimezone(ZoneInfo(case.zone)).date()
    last = (today - seen.first_day).days + terms.horizon_days
    for place, is_open in enumerate(opened):
        if not is_open:
            continue
        if place == 0 or not opened[place - 1] or midnights[place - 1][0] != midnights[place][0]:
            anchor = place
        if (place - anchor) % terms.step_minutes:
            continue
        at = seen.starts_at + place * MINUTE
        lesson = range(place, place + case.duration)
        needed = range(
            place - terms.buffer_before_minutes, place + case.duration + terms.buffer_after_minutes
        )
        if (
            case.since <= at < case.until
            and at - case.now >= terms.notice_minutes * MINUTE
            and midnights[place][0] <= last
            and all(minute < len(opened) and opened[minute] for minute in lesson)
            and not any(minute in taken for minute in needed)
        ):
            found.append(at)
    return opened, found


def _day_of(row: AvailabilityRule | AvailabilityOverride, day: dt.date) -> dt.date | None:
    return day if getattr(row, "weekday", None) == day.weekday() else None


def differences(seed: int) -> list[str]:
    case = make_case(seed)
    seen = walk(case.zone, case.day)
    opened, starts = oracle(case)
    open_time = policies.expand_availability(
        case.rules, case.overrides, case.zone, case.day - BEFORE * DAY, case.day + AFTER * DAY
    )
    slots = policies.free_slots(
        open_time, case.busy, duration=case.duration * MINUTE, terms=case.terms,
        since=case.since, until=case.until, now=case.now,
    )  # fmt: skip
    wrong = []
    ours = [slot.starts_at for slot in slots]
    if ours != starts:
        wrong.append(f"seed {seed}, {case.zone} {case.day}: slots {sorted(set(ours) ^ set(starts))[:4]}")
    # The days in the middle, that both know whole.
    first, last = bisect_left(seen.shown, (1, 0)), bisect_left(seen.shown, (BEFORE + AFTER - 1, 0))
    covered = [False] * len(opened)
    for interval in open_time:
        begin, end = (
            (moment - seen.starts_at) // MINUTE for moment in (interval.starts_at, interval.ends_at)
        )
        covered[begin:end] = [True] * (end - begin)
    if opened[first:last] != covered[first:last]:
        place = next(place for place in range(first, last) if opened[place] != covered[place])
        wrong.append(f"seed {seed}, {case.zone}: minute {seen.starts_at + place * MINUTE}")
    for at in starts[:3]:
        why = policies.why_not(
            open_time, starts_at=at, duration=case.duration * MINUTE, terms=case.terms, now=case.now
        )
        if why is not None:
            wrong.append(f"seed {seed}: {at} is offered, and is not because of {why}")
    return wrong


@pytest.mark.parametrize(
    "count", [pytest.param(500, id="500"), pytest.param(2000, id="2000", marks=pytest.mark.soak)]
)
def test_no_difference(count: int) -> None:
    found = [text for number in range(count) for text in differences(SEED + number)]
    assert found == []


def test_the_cases_have_something_to_find() -> None:
    counts = [len(oracle(make_case(SEED + number))[1]) for number in range(60)]
    assert sum(count > 0 for count in counts) > 30
    assert max(counts) > 50


def test_a_wrong_rule_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python does by itself, a skipped time an hour later, is not our rule: the oracle finds it."""

    def python_does(day: dt.date, minute: int, timezone: str) -> dt.datetime:
        wall = dt.datetime.combine(day, dt.time()) + minute * MINUTE
        return wall.replace(tzinfo=ZoneInfo(timezone)).astimezone(dt.UTC)

    monkeypatch.setattr(availability, "instant_of", python_does)
    assert [text for number in range(100) for text in differences(SEED + number)] != []


# -- The rule in words -------------------------------------------------------------------------------------


def hours(zone: str, day: dt.date, *spans: tuple[int, int]) -> list[float]:
    rules = [AvailabilityRule(weekday=day.weekday(), starts_minute=s, ends_minute=e) for s, e in spans]
    found = policies.expand_availability(rules, [], zone, day, day)
    return [(interval.ends_at - interval.starts_at) / dt.timedelta(hours=1) for interval in found]


@pytest.mark.parametrize(
    ("zone", "day", "spans", "expected"),
    [
        ("Europe/Berlin", dt.date(2026, 3, 29), [(0, 1440)], [23]),
        ("Europe/Berlin", dt.date(2026, 3, 29), [(120, 180)], []),  # all of it is skipped
        ("Europe/Berlin", dt.date(2026, 3, 29), [(60, 150)], [1]),  # ends where the gap begins
        ("Europe/Berlin", dt.date(2026, 3, 29), [(150, 240)], [1]),  # begins where it ends
        ("Europe/Berlin", dt.date(2026, 10, 25), [(0, 1440)], [25]),
        ("Europe/Berlin", dt.date(2026, 10, 25), [(60, 150)], [1.5]),  # until the first 02:30
        ("Europe/Berlin", dt.date(2026, 10, 25), [(150, 240)], [2.5]),  # from the first 02:30
        ("Pacific/Apia", dt.date(2011, 12, 30), [(0, 1440)], []),  # there was no such day
        ("Pacific/Apia", dt.date(2011, 12, 31), [(0, 1440)], [24]),
        ("Australia/Lord_Howe", dt.date(2026, 4, 5), [(0, 1440)], [24.5]),
        ("Asia/Kolkata", dt.date(2026, 3, 29), [(540, 570), (570, 600), (590, 720)], [3]),
    ],
)
def test_wall_time_becomes_hours(
    zone: str, day: dt.date, spans: list[tuple[int, int]], expected: list[float]
) -> None:
    assert hours(zone, day, *spans) == expected


def test_what_somebody_types() -> None:
    twice = dt.datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001
    assert policies.local_instant(twice, "Europe/Berlin") == dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC)
    assert policies.local_instant(twice.replace(fold=1), "Europe/Berlin") == dt.datetime(
        2026, 10, 25, 1, 30, tzinfo=dt.UTC
    )
    assert len(policies.moments_of(twice, "Europe/Berlin")) == 2
    skipped = dt.datetime(2026, 3, 29, 2, 30)  # noqa: DTZ001
    assert policies.moments_of(skipped, "Europe/Berlin") == []
    with pytest.raises(SkippedTime):
        policies.local_instant(skipped, "Europe/Berlin")
    assert policies.moments_of(dt.datetime(2011, 12, 30, 12), "Pacific/Apia") == []  # noqa: DTZ001


def test_a_lesson_goes_on_past_midnight_where_hours_touch() -> None:
    day = dt.date(2026, 5, 4)
    rules = [
        AvailabilityRule(weekday=w, starts_minute=s, ends_minute=e)
        for w, s, e in ((0, 1380, 1440), (1, 0, 60))
    ]
    open_time = policies.expand_availability(rules, [], "Asia/Kolkata", day, day + DAY)
    terms = AvailabilitySchedule(
        timezone="Asia/Kolkata", buffer_before_minutes=0, buffer_after_minutes=0,
        notice_minutes=0, horizon_days=60, step_minutes=30,
    )  # fmt: skip
    now = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    slots = policies.free_slots(
        open_time, [], duration=60 * MINUTE, terms=terms, since=now, until=now + 14 * DAY, now=now
    )
    local = [slot.starts_at.astimezone(ZoneInfo("Asia/Kolkata")).strftime("%a %H:%M") for slot in slots]
    assert local == ["Mon 23:00", "Mon 23:30", "Tue 00:00"]
