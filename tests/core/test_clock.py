"""Business time can be moved, machine time can't."""

from __future__ import annotations

import datetime as dt
import threading

import pytest

from app.core import clock

CHRISTMAS = dt.datetime(2030, 12, 25, 12, tzinfo=dt.UTC)


@pytest.fixture(autouse=True)
def _own_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_offset", clock._no_offset)


def test_both_are_aware_utc_and_agree_without_an_offset() -> None:
    before = dt.datetime.now(dt.UTC)
    machine, business = clock.machine_now(), clock.now()
    assert before <= machine <= business <= dt.datetime.now(dt.UTC)
    assert machine.tzinfo is dt.UTC
    assert business.tzinfo is dt.UTC


def test_the_offset_moves_business_time_only_and_is_asked_each_time() -> None:
    offsets = [dt.timedelta(days=365), dt.timedelta(days=-1)]
    clock.use_offset(lambda: offsets.pop(0))
    assert dt.timedelta(days=364) < clock.now() - clock.machine_now() < dt.timedelta(days=366)
    assert clock.now() < clock.machine_now()


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("UTC", 31),
        ("Asia/Tokyo", 1),
        ("Pacific/Kiritimati", 1),
        ("America/New_York", 31),
        ("Asia/Kolkata", 1),
    ],
)
def test_the_day_depends_on_the_zone(zone: str, day: int) -> None:
    with clock.frozen(dt.datetime(2030, 12, 31, 19, 0, tzinfo=dt.UTC)):
        assert clock.today(zone).day == day
    clock.use_offset(lambda: dt.timedelta(days=1))
    with clock.machine_frozen(dt.datetime(2030, 12, 30, 19, 0, tzinfo=dt.UTC)):
        assert clock.today(zone).day == day


def test_frozen_stops_business_time_in_every_thread() -> None:
    seen: list[dt.datetime] = []
    with clock.frozen(CHRISTMAS):
        thread = threading.Thread(target=lambda: seen.append(clock.now()))
        thread.start()
        thread.join()
        assert clock.now() == CHRISTMAS
        assert abs(clock.machine_now() - dt.datetime.now(dt.UTC)) < dt.timedelta(minutes=1)
        with clock.frozen(CHRISTMAS + dt.timedelta(1)):
            assert clock.now() == CHRISTMAS + dt.timedelta(1)
        assert clock.now() == CHRISTMAS
    assert seen == [CHRISTMAS]
    assert clock.now() < CHRISTMAS


def test_machine_frozen_stops_machine_time_and_business_time_follows() -> None:
    clock.use_offset(lambda: dt.timedelta(hours=2))
    with clock.machine_frozen(CHRISTMAS):
        assert clock.machine_now() == CHRISTMAS
        assert clock.now() == CHRISTMAS + dt.timedelta(hours=2)
    assert clock.machine_now() < CHRISTMAS


def test_freezing_ends_with_an_exception() -> None:
    with pytest.raises(KeyError), clock.frozen(CHRISTMAS):
        raise KeyError
    assert clock.now() < CHRISTMAS


def test_another_zone_becomes_utc_and_none_is_refused() -> None:
    berlin = dt.timezone(dt.timedelta(hours=1))
    with clock.frozen(CHRISTMAS.astimezone(berlin)):
        assert clock.now() == CHRISTMAS
        assert clock.now().tzinfo is dt.UTC
    naive = CHRISTMAS.replace(tzinfo=None)
    for freeze in (clock.frozen, clock.machine_frozen):
        with pytest.raises(ValueError, match="zone"), freeze(naive):
            pytest.fail("a naive time was taken")
