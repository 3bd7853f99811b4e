"""Whole purchases, from the offering's page to the paid order, and the rush for a class that is too small."""

from __future__ import annotations

import datetime as dt
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from app.core import clock
from bench.ground import Ground, Person
from bench.measuring import ask, drive
from bench.writes import Time, free_times, students

STEPS = ("page", "hold", "who", "order", "check", "pay", "card", "paid")


@dataclass(frozen=True)
class Pace:
    buyers: int = 4
    purchases: int = 25  # of each buyer
    rushing: int = 50
    seats: int = 10


def measure(ground: Ground, pace: Pace, say: Callable[[str], None]) -> dict[str, Any]:
    """Both, with the figures that they are told by."""
    ground.serve()
    ground.start_backstage()
    ground.just_seen()
    say("whole purchases")
    found = bought(ground, pace)
    say("the rush")
    return {**found, **rush(ground, pace)}


def bought(ground: Ground, pace: Pace) -> dict[str, Any]:
    """Buyers who do what people do in a browser, each purchase with a time of its own. Raises AssertionError
    unless every one of them is paid for."""
    people, times = students(ground), free_times(ground)
    # From the far end of the calendar: the near one was handed out before.
    far = list(times)[::-1]
    buyers = [next(people) for _ in range(pace.buyers)]
    per_buyer: list[list[Time]] = [[] for _ in buyers]
    for place, mine in enumerate(per_buyer):
        seen: set[str] = set()
        for free in far[place :: pace.buyers]:
            if len(mine) < pace.purchases and free.starts_at not in seen:
                seen.add(free.starts_at)
                mine.append(free)
    server, backstage = ground.serve(), ground.start_backstage()
    before, database = server.cpu(), ground.postgres.cpu()
    behind = {each.name: each.cpu() for each in backstage}
    started = time.perf_counter()
    plan = {
        "port": ground.port,
        "host": ground.host,
        "simulator": ground.settings.SIMULATOR_PORT,
        "buyers": [
            {"cookie": who.cookie, "csrf": who.csrf, "person_id": who.person_id, "times": _plain(mine)}
            for who, mine in zip(buyers, per_buyer, strict=True)
        ],
    }
    answer = ask([sys.executable, "-m", "bench.buyers"], plan)
    count = pace.buyers * pace.purchases
    assert answer["paid"] == count, f"{answer['paid']} of {count} are paid: {answer['problems'][:3]}"
    ground.wait_until_delivered()  # mails, receipts and what else follows are part of a purchase
    seconds = time.perf_counter() - started
    return {
        "purchases": count,
        "purchases per second": answer["paid"] / answer["seconds"],
        "a purchase, p50 ms": answer["p50"],
        "a purchase, p95 ms": answer["p95"],
        "a purchase, CPU of the web workers, ms": (server.cpu() - before) / count * 1000,
        "a purchase, CPU of the database, ms": (ground.postgres.cpu() - database) / count * 1000,
        **{
            f"a purchase, CPU of the {each.name}, ms": (each.cpu() - behind[each.name]) / count * 1000
            for each in backstage
        },
        "purchases per second, with all that follows": count / seconds,
        **{f"  step {step}, p50 ms": answer["steps"][step] for step in STEPS},
    }


def _plain(times: Sequence[Time]) -> list[dict[str, Any]]:
    return [{"path": f"/o/lessons-{time.tutor}", **time.values} for time in times]


# -- The rush ----------------------------------------------------------------------------------------------


def rush(ground: Ground, pace: Pace) -> dict[str, Any]:
    """All ask for a place in the same class at once. Raises AssertionError unless just as many win as there
    are places."""
    code = _class(ground, pace.seats)
    people: list[Person] = list(students(ground))[-pace.rushing :]
    holds = [ground.post("/o/rush/hold", who, lesson=code) for who in people]
    found = drive(ground.port, holds, connections=pace.rushing)
    won, lost = found.statuses.get("302", 0), found.statuses.get("409", 0)
    assert (won, lost) == (pace.seats, pace.rushing - pace.seats), found.statuses
    (row,) = ground.rows("SELECT taken, capacity FROM lesson WHERE code = :code", code=code)
    assert row.taken == row.capacity == pace.seats
    return {
        f"rush of {pace.rushing} for {pace.seats} seats: won": won,
        "rush: over after ms": found.seconds * 1000,
        "rush: slowest answer, ms": max(found.ms),
    }


def _class(ground: Ground, seats: int) -> str:
    """A group class of the first tutor, at an hour when nobody teaches otherwise; its date's code."""
    now = clock.now()
    starts_at = now.replace(hour=3, minute=0, second=0, microsecond=0) + dt.timedelta(days=30)
    values: dict[str, object] = {
        "tenant_id": ground.tenant_id,
        "now": now,
        "seats": seats,
        "starts_at": starts_at,
        "ends_at": starts_at + dt.timedelta(hours=1),
    }
    ground.run(
        """
        WITH teacher AS (SELECT tutor_id FROM offering WHERE tenant_id = :tenant_id AND slug = 'lessons-1'),
        class AS (
            INSERT INTO offering (tenant_id, tutor_id, kind, status, title, slug, summary, description, level,
                language, capacity, version, published_at, created_at, changed_at)
            SELECT :tenant_id, tutor_id, 'group', 'published', 'A small class', 'rush', '', '', 'all', 'en',
                   :seats, 1, :now, :now, :now FROM teacher RETURNING id, tutor_id),
        price AS (
            INSERT INTO variant (tenant_id, offering_id, name, duration_minutes, price_minor, currency,
                position, is_active, created_at, changed_at)
            SELECT :tenant_id, id, '60 minutes', 60, 1500, 'EUR', 0, true, :now, :now FROM class
            RETURNING id, offering_id),
        date AS (
            INSERT INTO lesson (tenant_id, code, offering_id, variant_id, tutor_id, status, starts_at,
                ends_at, timezone, capacity, taken, sequence, created_at, changed_at)
            SELECT :tenant_id, 'RUSH000001', class.id, price.id, tutor_id, 'scheduled', :starts_at, :ends_at,
                   'Europe/Berlin', :seats, 0, 0, :now, :now
            FROM class, price RETURNING id, tutor_id, starts_at, ends_at)
        INSERT INTO occupation (tenant_id, resource_kind, resource_id, during, lesson_id)
        SELECT :tenant_id, 'tutor', tutor_id, tstzrange(starts_at, ends_at), id FROM date
        """,
        **values,
    )
    return "RUSH000001"
