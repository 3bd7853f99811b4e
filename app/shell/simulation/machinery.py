"""The house's own processes, each a call: dispatcher, workers and scheduler, unless something kills them."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from itertools import groupby

from app.core import dispatcher, schedule
from app.core.events import wiring
from app.shell.simulation.weather import Killed, Weather

ROUNDS = 60  # of deliveries, each of which may announce others


class Machinery:
    """What runs beside the web process."""

    def __init__(self, rng: random.Random, weather: Weather, due: Callable[[], int]) -> None:
        self._rng, self._weather, self._due = rng, weather, due
        self.killed = 0
        self.delivered = 0

    def work(self) -> None:
        """Everything that is due is delivered, in any order, now and then by two workers; or its process
        dies, and what it held waits for its lease to run out."""
        for _round in range(ROUNDS):
            if not self._due():
                return
            try:
                with self._weather.deadly():
                    claims = dispatcher.claim(dispatcher.BATCH)
            except Killed:
                self.killed += 1
                continue
            self.delivered += len(claims)
            here = [row for row in claims if wiring().handlers[row.handler].queue is None]
            outside = [row for row in claims if wiring().handlers[row.handler].queue]
            for tenant_id, rows in groupby(here, key=lambda row: row.tenant_id):
                self._survive(partial(dispatcher.deliver_together, tenant_id, list(rows)))
            self._rng.shuffle(outside)
            for row in outside:
                times = 2 if self._rng.random() < 0.05 else 1
                for _time in range(times):
                    self._survive(partial(dispatcher.deliver_outside, row.id, row.attempts))

    def tick(self) -> None:
        """What recurs and is due, by either clock."""
        self._survive(schedule.run_due)

    def _survive(self, work: Callable[[], object]) -> None:
        self._weather.strike()
        try:
            with self._weather.deadly():
                work()
        except Killed:
            self.killed += 1

    def stop_for_now(self) -> bool:
        """Whether the processes are away for a while: restarted, or on a machine that is."""
        return self._weather.is_bad and self._rng.random() < 0.15
