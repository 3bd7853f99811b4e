"""Many at once for one time or one last place, over HTTP: visitors, people who are signed in, and programs.

Exactly one gets it. All others are told that it is taken, and what they can have instead. (That the same
would oversell without its guards is shown by the races of booking itself.)
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from app.core import clock
from app.shell.checks import broken_rules
from tests.domains.booking.racing import deadlocks
from tests.domains.booking.support import MONDAY, NOW
from tests.shell.api_support import caller, variant_of
from tests.shell.http_racing import (
    CONTENDERS,
    HOLDS_AT_ONCE,
    MEMBERS,
    TAKEN,
    VISITORS,
    WON,
    ZONES,
    Client,
    changes_of,
    fair,
    run,
)
from tests.support import lived
from tests.support.databases import Database
from tests.support.servers import live_servers
from tests.support.world import World

LOCK_SECONDS = 3  # that a statement waits for a lock, see `_config` of the factory
OVERLAPS = """
    SELECT count(*) FROM lesson AS a JOIN lesson AS b ON a.tutor_id = b.tutor_id AND a.id < b.id
    WHERE a.status IN ('held', 'scheduled') AND b.status IN ('held', 'scheduled')
      AND tstzrange(a.starts_at, a.ends_at) && tstzrange(b.starts_at, b.ends_at)
"""
OVERSOLD = """
    SELECT count(*) FROM lesson
    WHERE capacity < (SELECT count(*) FROM seat WHERE lesson_id = lesson.id AND status = 'held')
       OR taken <> (SELECT count(*) FROM seat WHERE lesson_id = lesson.id AND status = 'held')
"""
HELD = "SELECT count(*) FROM seat WHERE status = 'held' AND actor NOT LIKE 'v:first-%'"


@pytest.mark.parametrize(
    "count", [pytest.param(12, id="12"), pytest.param(200, id="200", marks=pytest.mark.soak)]
)
def test_one_winner_each(fresh_database: Database, tmp_path: Path, count: int) -> None:
    with (
        live_servers(fresh_database, tmp_path, ["serve"], TRUSTED_PROXY_HOPS=1) as live,
        fair(fresh_database, tmp_path, live, targets=count) as company,
    ):
        targets = company.targets(count)
        visitors, members = company.visitors(), company.members(count)

        def client(place: int, number: int) -> Client:
            if place < VISITORS:
                return visitors[place]
            if place < VISITORS + MEMBERS:
                return members[place - VISITORS][number // HOLDS_AT_ONCE]
            return company.program(place, number)

        before, started = deadlocks(fresh_database), time.perf_counter()
        race = run(targets, client)
        seconds = time.perf_counter() - started
        print(f"{count} targets x {CONTENDERS}: {dict(race.outcomes)}, {dict(race.won_by)}, {seconds:.1f} s")

        assert race.winners == [1] * count, race.outcomes
        assert race.outcomes == {WON: count, TAKEN: count * (CONTENDERS - 1)}
        assert race.bare == []
        assert deadlocks(fresh_database) == before
        with fresh_database.connect() as connection:
            figures = [connection.execute(query).fetchone() for query in (OVERLAPS, OVERSOLD, HELD)]
        assert figures == [(0,), (0,), (count,)]
        assert {rule: lines for rule, lines in broken_rules(company.app).items() if lines} == {}
        assert '"error"' not in live.log("serve")


def test_the_days_of_changing_clocks_are_among_them() -> None:
    found = {zone: len(list(changes_of(zone))) for zone in ZONES}
    assert found.pop("Asia/Kathmandu") == 0
    assert min(found.values()) >= 1


@pytest.mark.parametrize("by", ["page", "program"])
def test_whoever_waited_too_long_for_others_gets_another_try(
    world: World, database: Database, by: str
) -> None:
    """On a busy machine the locks of many contenders may last longer than anybody waits for one."""
    with clock.frozen(NOW):
        offering = lived.publish(world)
        asked = {"variant": variant_of(world, offering), "starts_at": MONDAY.isoformat()}
        browser = world.browser(world.anna.host)
        browser.csrf(f"/o/{offering.slug}")
        student = caller(world, "student")
        with database.connect() as connection:
            begun = threading.Event()

            def block() -> None:
                with connection.transaction():
                    connection.execute("LOCK TABLE occupation IN ACCESS EXCLUSIVE MODE")
                    begun.set()
                    time.sleep(LOCK_SECONDS + 0.5)

            thread = threading.Thread(target=block)
            thread.start()
            assert begun.wait(10)
            started = time.perf_counter()
            if by == "page":
                answer = browser.post(f"/o/{offering.slug}/hold", page="/search", **asked)
            else:
                answer = student("post", "holds", {**asked, "offering": offering.slug})
            waited = time.perf_counter() - started
            thread.join()
    assert answer.status_code == (302 if by == "page" else 201), answer.text[:2000]
    assert waited >= LOCK_SECONDS
