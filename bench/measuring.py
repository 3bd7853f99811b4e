"""What a request is, what it costs, and how much that is beside the floor."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from bench.running import Running

ROOT = Path(__file__).resolve().parents[1]
CONNECTIONS = 8
# What each transaction needs, and no design can save.
PLUMBING = ("begin", "commit", "rollback", "savepoint", "release", "select set_config", "set ")


@dataclass(frozen=True)
class Request:
    """One request as it is sent; `host` with its port."""

    host: str
    path: str
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""

    def raw(self) -> str:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: {self.host}", "Accept: */*"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.method != "GET":
            lines.append(f"Content-Length: {len(self.body)}")
        return "\r\n".join(lines) + "\r\n\r\n" + self.body


@dataclass
class Outcome:
    """What a load saw: the time of each request, and the answers' statuses."""

    ms: list[float]
    seconds: float
    cpu: float
    statuses: dict[str, int]
    lacking: str
    locations: dict[str, str]

    @property
    def count(self) -> int:
        return len(self.ms)


def drive(
    port: int,
    requests: Sequence[Request],
    *,
    seconds: float | None = None,
    connections: int = CONNECTIONS,
    contains: str = "",
    locations: bool = False,
) -> Outcome:
    """Send requests to a port for some seconds, or each of them once; from a process of its own."""
    plan = {
        "port": port,
        "connections": min(connections, len(requests)) if seconds is None else connections,
        "requests": [request.raw() for request in requests],
        "seconds": seconds,
        "contains": contains,
        "locations": locations,
    }
    return Outcome(**ask([sys.executable, "-m", "bench.load"], plan))


def ask(command: list[str], plan: dict[str, Any]) -> dict[str, Any]:
    """A program's answer to a plan, both as JSON. Raises RuntimeError with what it complained of."""
    done = subprocess.run(
        command, input=json.dumps(plan), capture_output=True, text=True, cwd=ROOT, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command[1:])} gave up: {done.stderr.strip()[-800:]}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@dataclass
class Cost:
    """What one kind of request came to: CPU of the server's and of the database's processes per request,
    throughput, and the times that half, 95 % and 99 % of the answers stay below."""

    statements: int | None = None
    requests: int = 0
    cpu_ms: float = 0.0
    database_ms: float = 0.0
    per_second: float = 0.0
    p50_ms: float = 0.0
    p95_ms: float = 0.0
    p99_ms: float = 0.0


@dataclass
class Line:
    """A kind of request with its floor; `goal` is the multiple of the floor's time it may take, `most` the
    statements."""

    name: str
    goal: float | None
    most: int | None
    house: Cost
    floor: Cost | None = None
    stock: Cost | None = None

    @property
    def times_floor(self) -> float | None:
        """Of its time: how many the floor answers while ours answers one, with the same connections."""
        return self.floor.per_second / self.house.per_second if self.floor else None

    @property
    def cpu_times_floor(self) -> float | None:
        return self.house.cpu_ms / self.floor.cpu_ms if self.floor and self.floor.cpu_ms else None

    @property
    def is_met(self) -> bool | None:
        """By time and by CPU, whichever is worse, and by statements; None where there is no goal."""
        if self.goal is None or self.times_floor is None or self.cpu_times_floor is None:
            return None
        few = self.most is None or self.house.statements is None or self.house.statements <= self.most
        return max(self.times_floor, self.cpu_times_floor) <= self.goal and few

    def as_json(self) -> dict[str, Any]:
        return {
            **asdict(self),
            "times_floor": self.times_floor,
            "cpu_times_floor": self.cpu_times_floor,
            "is_met": self.is_met,
        }


@dataclass
class Contestant:
    """Something that answers on a port, and the requests of a round; `once` where none may be repeated."""

    running: Running
    database: Running
    requests: Callable[[int], Sequence[Request]]
    contains: str = ""
    expect: str = "200"
    once: bool = False
    statements: int | None = None
    rounds: list[tuple[Outcome, float, float]] = field(default_factory=list)

    def play(self, number: int, seconds: float) -> Outcome:
        """One round. Raises AssertionError where an answer is not what it should be."""
        before, database_before = self.running.cpu(), self.database.cpu()
        found = drive(
            self.running.port,
            self.requests(number),
            seconds=None if self.once else seconds,
            contains=self.contains,
            locations=self.expect == "302",
        )
        spent, database_spent = self.running.cpu() - before, self.database.cpu() - database_before
        assert set(found.statuses) == {self.expect}, f"{self.running.name} answered {found.statuses}"
        assert not found.lacking, f"{self.running.name} answers without {self.contains!r}: {found.lacking}"
        self.rounds.append((found, spent, database_spent))
        return found

    def cost(self) -> Cost:
        """All rounds together; of the rates the median, which one disturbed round does not move."""
        times = sorted(each for found, _cpu, _database in self.rounds for each in found.ms)
        cuts = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99
        return Cost(
            statements=self.statements,
            requests=len(times),
            cpu_ms=statistics.median(cpu / found.count * 1000 for found, cpu, _ in self.rounds),
            database_ms=statistics.median(cpu / found.count * 1000 for found, _, cpu in self.rounds),
            per_second=statistics.median(found.count / found.seconds for found, *_ in self.rounds),
            p50_ms=cuts[49],
            p95_ms=cuts[94],
            p99_ms=cuts[98],
        )


def compete(contestants: Sequence[Contestant], *, rounds: int, seconds: float, first: int = 0) -> None:
    """Rounds alternate between them, so that a noisy machine disturbs all alike; `first` is the first one's
    number."""
    for number in range(first, first + rounds):
        for contestant in contestants:
            contestant.play(number, seconds)


@contextmanager
def counted(engine: Engine) -> Iterator[list[str]]:
    """The statements that the engine sends within the block, without the plumbing of transactions."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if not statement.lstrip().lower().startswith(PLUMBING):
            seen.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)
