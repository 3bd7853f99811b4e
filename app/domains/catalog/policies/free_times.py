"""The times that can be booked soon, as pages of the catalogue show them. What is free is not known here:
booking finds it, and the shell puts its way of finding into `app.extensions["free_times"]`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class FreeTime:
    """A time in the viewer's zone, and the address at which it can be taken."""

    tutor_id: int
    tutor: str
    title: str
    length: str
    price: str
    day: str
    time: str
    starts_at: dt.datetime
    url: str


@dataclass(frozen=True)
class FreeTimes:
    """In order; `zone` says by whose clock."""

    zone: str
    times: Sequence[FreeTime]

    def first_of(self, tutor_id: int) -> FreeTime | None:
        return next((time for time in self.times if time.tutor_id == tutor_id), None)


class FindTimes(Protocol):
    """The next times of these tutors, so many of each."""

    def __call__(self, tutor_ids: Collection[int], *, each: int) -> FreeTimes: ...
