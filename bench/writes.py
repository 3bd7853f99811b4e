"""The writes of the table, each beside a bare insert with its commit: holding a seat, ordering, and the way
to the payment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from app.core import clock
from bench.data import FIRST_PERSON
from bench.ground import Ground, Person
from bench.measuring import Contestant, Line, Request, compete
from bench.rivals import Rivals

HORIZON_DAYS = 55
SEARCHED_DAYS = 31  # the most that the API answers at once


@dataclass(frozen=True)
class Pace:
    rounds: int = 3
    a_round: int = 80

    @property
    def all(self) -> int:
        """With the round before the first, which is not measured."""
        return (self.rounds + 1) * self.a_round


@dataclass(frozen=True)
class Time:
    """A free time that nobody else of the run is given."""

    tutor: int
    starts_at: str

    @property
    def values(self) -> dict[str, str]:
        return {"variant": str((FIRST_PERSON + self.tutor) * 2), "starts_at": self.starts_at}

    @property
    def path(self) -> str:
        return f"/o/lessons-{self.tutor}/hold"


def measure(ground: Ground, rivals: Rivals, pace: Pace, say: Callable[[str], None]) -> list[Line]:
    """Each step goes on with what the one before it made."""
    ground.serve()
    ground.start_backstage()
    ground.just_seen()
    times, buyers = free_times(ground), students(ground)
    spare = (next(buyers), next(times))
    chosen = [(next(buyers), next(times)) for _ in range(pace.all)]
    holds = [ground.post(time.path, who, **time.values) for who, time in chosen]
    say("holding a seat")
    hold, places = _line(ground, rivals, pace, "hold a seat", 5, holds)
    # What one costs is counted with one more, in this process.
    hold.house.statements, spare_code = _counted_hold(ground, *spare)
    hold.most = 9

    say("placing an order")
    codes = [path.rpartition("/")[2] for path in places]
    orders = [_order(ground, who, code) for (who, _time), code in zip(chosen, codes, strict=True)]
    order, _places = _line(ground, rivals, pace, "place an order", None, orders)
    order.house.statements = ground.statements(_order(ground, spare[0], spare_code), warm=False)

    say("starting a payment")
    by_seat = _order_codes(ground, [*codes, spare_code])
    pays = [
        ground.post(f"/pay/{by_seat[code]}", who) for (who, _time), code in zip(chosen, codes, strict=True)
    ]
    pay, _places = _line(ground, rivals, pace, "start its payment", None, pays)
    pay.house.statements = ground.statements(ground.post(f"/pay/{by_seat[spare_code]}", spare[0]), warm=False)
    return [hold, order, pay, _both(order, pay)]


def _line(
    ground: Ground, rivals: Rivals, pace: Pace, name: str, goal: float | None, requests: Sequence[Request]
) -> tuple[Line, list[str]]:
    """The line, and where each of the requests led."""
    number = pace.a_round
    # More of them: they are over before the kernel has counted their CPU.
    inserts = [Request(rivals.host, f"/insert/{n}", "POST") for n in range(number * 5)]
    house = Contestant(
        ground.serve(),
        ground.postgres,
        lambda n: requests[n * number : (n + 1) * number],
        expect="302",
        once=True,
    )
    floor = Contestant(
        rivals.floor, ground.postgres, lambda _: inserts, expect="201", once=True, statements=1
    )
    # Both workers, and the database's process behind each of their connections, have done it before.
    first = house.play(0, 0)
    floor.play(0, 0)
    house.rounds.clear()
    floor.rounds.clear()
    compete([house, floor], rounds=pace.rounds, seconds=0, first=1)
    rounds = [first, *(found for found, _cpu, _database in house.rounds)]
    places = [found.locations[str(n)] for found in rounds for n in range(found.count)]
    return Line(name, goal, None, house.cost(), floor.cost()), places


def _order(ground: Ground, who: Person, code: str) -> Request:
    return ground.post(f"/checkout/{code}", who, student=str(who.person_id))


def _counted_hold(ground: Ground, who: Person, time: Time) -> tuple[int, str]:
    statements = ground.statements(ground.post(time.path, who, **time.values), warm=False)
    rows = ground.rows(
        "SELECT s.code FROM seat s JOIN membership m ON s.actor = 'u:' || m.user_id"
        " WHERE m.person_id = :person_id ORDER BY s.id DESC LIMIT 1",
        person_id=who.person_id,
    )
    return statements, str(rows[0].code)


def _order_codes(ground: Ground, seats: Sequence[str]) -> dict[str, str]:
    rows = ground.rows(
        "SELECT s.code, o.code AS order_code FROM seat s JOIN order_line l ON l.id = s.line_id"
        " JOIN sales_order o ON o.id = l.order_id WHERE s.code = ANY(:seats)",
        seats=list(seats),
    )
    return {row.code: row.order_code for row in rows}


def _both(order: Line, pay: Line) -> Line:
    """Both together, as the table has it: one after the other, so times and costs add up."""
    first, second = order.house, pay.house
    house = type(first)(
        statements=(first.statements or 0) + (second.statements or 0),
        requests=first.requests,
        cpu_ms=first.cpu_ms + second.cpu_ms,
        database_ms=first.database_ms + second.database_ms,
        per_second=1 / (1 / first.per_second + 1 / second.per_second),
        p50_ms=first.p50_ms + second.p50_ms,
        p95_ms=first.p95_ms + second.p95_ms,
        p99_ms=first.p99_ms + second.p99_ms,
    )
    return Line("order and start of payment", 12, 25, house, pay.floor)


# -- Who buys what -----------------------------------------------------------------------------------------


def students(ground: Ground) -> Iterator[Person]:
    """The large company's students, one after the other; whoever comes again holds what they held, too."""
    tutors = ground.size.large_tutors
    for place in range(tutors + 1, tutors * 11 + 1):
        yield ground.signed_in(place)


def free_times(ground: Ground) -> Iterator[Time]:
    """Free times that do not overlap, as the application itself says them, the next ones first: those of all
    tutors at one hour stand together."""
    return iter(
        sorted(
            (each for tutor in range(1, ground.size.large_tutors + 1) for each in _of_tutor(ground, tutor)),
            key=lambda time: (time.starts_at, time.tutor),
        )
    )


def _of_tutor(ground: Ground, tutor: int) -> Iterator[Time]:
    """On the hour: lessons of an hour, then."""
    now = clock.now()
    for first in range(2, HORIZON_DAYS, SEARCHED_DAYS):
        since, until = (
            now + dt.timedelta(days=first),
            now + dt.timedelta(days=min(HORIZON_DAYS, first + SEARCHED_DAYS)),
        )
        span = f"since={since:%Y-%m-%dT%H:%M:%SZ}&until={until:%Y-%m-%dT%H:%M:%SZ}"
        answer = ground.here(ground.get(f"/api/v1/catalog/offerings/lessons-{tutor}/slots?{span}"))
        assert answer.status_code == 200, answer.text
        for slot in answer.json["slots"]:
            if dt.datetime.fromisoformat(slot["starts_at"]).minute == 0:
                yield Time(tutor, slot["starts_at"])
