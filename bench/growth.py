"""How each read's cost grows with the platform: the same requests on little and on much data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bench.ground import Ground
from bench.measuring import Cost, compete
from bench.reads import Pace, contestant, growing


@dataclass(frozen=True)
class Grown:
    """What one read costs on little and on much data."""

    name: str
    little: Cost
    much: Cost

    @property
    def times(self) -> float:
        """Of its time with as many connections."""
        return self.little.per_second / self.much.per_second

    @property
    def cpu_times(self) -> float:
        """Of all CPU, the database's with it."""
        return (self.much.cpu_ms + self.much.database_ms) / (self.little.cpu_ms + self.little.database_ms)

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "times": self.times, "cpu_times": self.cpu_times}


def measure(small: Ground, large: Ground, pace: Pace, say: Callable[[str], None]) -> list[Grown]:
    """Rounds alternate between the two servers."""
    small.serve()
    large.serve()
    found = []
    for little, much in zip(growing(small), growing(large), strict=True):
        say(f"growth of: {much.name}")
        pair = [contestant(small, little, pace), contestant(large, much, pace)]
        for each in pair:
            each.play(0, pace.seconds / 2)
            each.rounds.clear()
        compete(pair, rounds=pace.rounds, seconds=pace.seconds)
        found.append(Grown(much.name, pair[0].cost(), pair[1].cost()))
    return found


def table(found: list[Grown], small: Ground, large: Ground) -> list[str]:
    """The lines to read."""
    heads = ("CPU ms", "db ms", "p50", "CPU ms", "db ms", "p50", "x time", "x CPU")
    sizes = f"{small.size.tenants} to {large.size.tenants} companies"
    lessons = f"{small.size.lessons} to {large.size.lessons} lessons"
    lines = [f"growth: {sizes}, {lessons}", f"{'':<34}" + "".join(f"{head:>8}" for head in heads)]
    for each in found:
        costs = [
            value
            for cost in (each.little, each.much)
            for value in (cost.cpu_ms, cost.database_ms, cost.p50_ms)
        ]
        cells = "".join(f"{value:>8.2f}" for value in (*costs, each.times, each.cpu_times))
        lines.append(f"{each.name:<34}{cells}")
    return lines
