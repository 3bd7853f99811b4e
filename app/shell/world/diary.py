"""Who is where, as far as the plan of a demo company knows: nobody is planned into two places at once."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from random import Random
from zoneinfo import ZoneInfo

from app.shell.world.model import WEEKS, Tutor

GAP = dt.timedelta(minutes=10)  # what every demo tutor keeps free after a lesson
STEP = 30


class Diary:
    """Weeks are counted from the one that `now` is in: it is week 0, and begins on Monday."""

    def __init__(self, timezone: str, now: dt.datetime) -> None:
        self.zone = ZoneInfo(timezone)
        local = now.astimezone(self.zone).date()
        self.monday = local - dt.timedelta(days=local.weekday())
        self._taken: defaultdict[str, list[tuple[dt.datetime, dt.datetime]]] = defaultdict(list)

    def at(self, week: int, day: int, minute: int) -> dt.datetime:
        """A wall time of a week's day, in UTC."""
        date = self.monday + dt.timedelta(days=7 * week + day)
        wall = dt.datetime.combine(date, dt.time(), self.zone) + dt.timedelta(minutes=minute)
        return wall.astimezone(dt.UTC)

    def daytime(self, moment: dt.datetime, rng: Random) -> dt.datetime:
        """Some waking hour of that day."""
        date = moment.astimezone(self.zone).date()
        minute = int(rng.triangular(7 * 60, 23 * 60, 19 * 60))
        wall = dt.datetime.combine(date, dt.time(), self.zone) + dt.timedelta(minutes=minute)
        return wall.astimezone(dt.UTC) + dt.timedelta(seconds=rng.randrange(60))

    def week_of(self, moment: dt.datetime) -> int:
        return (moment.astimezone(self.zone).date() - self.monday).days // 7

    def is_free(self, who: str, starts_at: dt.datetime, minutes: int) -> bool:
        ends_at = starts_at + dt.timedelta(minutes=minutes) + GAP
        return all(ends_at <= begun or ended <= starts_at for begun, ended in self._taken[who])

    def take(self, who: str, starts_at: dt.datetime, minutes: int) -> None:
        self._taken[who].append((starts_at, starts_at + dt.timedelta(minutes=minutes) + GAP))

    def starts(self, tutor: Tutor, week: int, minutes: int) -> Iterator[dt.datetime]:
        """When a lesson of this length can begin in that week, by the tutor's hours alone."""
        for stretch in WEEKS[tutor.week]:
            for minute in range(stretch.starts_minute, stretch.ends_minute - minutes + 1, STEP):
                yield self.at(week, stretch.weekday, minute)

    def free_starts(
        self, tutor: Tutor, learner: str, week: int, minutes: int, *, after: dt.datetime
    ) -> list[dt.datetime]:
        """Of those, when tutor and learner have time."""
        return [
            start
            for start in self.starts(tutor, week, minutes)
            if start >= after
            and self.is_free(tutor.name, start, minutes)
            and self.is_free(learner, start, minutes)
        ]
