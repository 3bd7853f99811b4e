"""The two times of the house, both aware UTC, and the only place that asks the machine what time it is.

*Business time* (`now`) is what lessons, holds, notice and renewals live by; it is machine time plus
an offset that an operator may move in demo, test and simulation. *Machine time* (`machine_now`) is
for leases, back-off, sessions, tokens and audit, and nobody moves it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from zoneinfo import ZoneInfo

Offset = Callable[[], dt.timedelta]


def _no_offset() -> dt.timedelta:
    return dt.timedelta()


_offset: Offset = _no_offset
# Module globals, not context variables: a test's frozen time must hold in the server's threads too.
_frozen_at: dt.datetime | None = None
_machine_frozen_at: dt.datetime | None = None


def machine_now() -> dt.datetime:
    """Machine time, aware UTC."""
    return _machine_frozen_at or dt.datetime.now(dt.UTC)


def now() -> dt.datetime:
    """Business time, aware UTC: machine time plus the operator's offset."""
    return _frozen_at or machine_now() + _offset()


def today(zone: str) -> dt.date:
    """The day it is in a zone, by business time."""
    return now().astimezone(ZoneInfo(zone)).date()


def use_offset(offset: Offset) -> None:
    """Told once, at start, where the offset of business time is read."""
    global _offset
    _offset = offset


def _utc(at: dt.datetime) -> dt.datetime:
    if at.tzinfo is None:
        raise ValueError("a time needs its zone")
    return at.astimezone(dt.UTC)


@contextmanager
def frozen(at: dt.datetime) -> Iterator[None]:
    """For tests: business time stands still at `at`; machine time goes on. Refuses a naive time."""
    global _frozen_at
    before, _frozen_at = _frozen_at, _utc(at)
    try:
        yield
    finally:
        _frozen_at = before


@contextmanager
def machine_frozen(at: dt.datetime) -> Iterator[None]:
    """For tests of leases and tokens: machine time stands still at `at`. Refuses a naive time."""
    global _machine_frozen_at
    before, _machine_frozen_at = _machine_frozen_at, _utc(at)
    try:
        yield
    finally:
        _machine_frozen_at = before
