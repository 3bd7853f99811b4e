"""The operator moves business time: every process follows, schedules fire, and production knows nothing of it."""

from __future__ import annotations

import datetime as dt
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from flask_babel import force_locale
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from app.core import business_clock, clock, jobs, schedule, scope
from app.core.audit import Actor
from app.core.business_clock import FARTHEST, REMEMBERED_SECONDS, ClockOffset, MovedMeanwhile, TooFar
from app.core.db import db
from app.core.errors import NotFound
from app.core.schedule import Recurring
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import SUPPORT
from app.shell.clock_page import offset_in_words
from app.shell.factory import create_app
from config import Settings
from tests.support.databases import Database
from tests.support.statements import count_statements
from tests.support.world import PASSWORD, PLATFORM, Browser, World

HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
OLGA = Actor("user", None, "Olga Operator <operator@wemaster.test>", "192.0.2.9")


@pytest.fixture(autouse=True)
def _now_again(app: Flask, database: Database) -> Iterator[None]:
    """What a process remembers of a test's offset must not outlive the test."""
    clock.use_offset(business_clock.read_offset)
    app.extensions["business_clock"].forget()
    yield
    set_row(database, 0)
    app.extensions["business_clock"].forget()


def set_row(database: Database, seconds: int) -> None:
    with database.connect() as connection:
        connection.execute("UPDATE clock_offset SET offset_seconds = %s", [seconds])


def row(database: Database) -> tuple[Any, ...]:
    with database.connect() as connection:
        found = connection.execute("SELECT offset_seconds, moved_by, moved_at FROM clock_offset").fetchone()
    assert found
    return found


def ahead(app: Flask) -> dt.timedelta:
    """By how much the application's business time is ahead, to the second."""
    with app.app_context():
        difference = clock.now() - clock.machine_now()
    return dt.timedelta(seconds=round(difference.total_seconds()))


def move(app: Flask, by: dt.timedelta, **more: Any) -> None:
    with app.app_context(), platform_scope("test"), transaction():
        business_clock.move(by, actor=OLGA, **more)


def set_back(app: Flask, **more: Any) -> None:
    with app.app_context(), platform_scope("test"), transaction():
        business_clock.set_back(actor=OLGA, **more)


@contextmanager
def another_process(settings: Settings, **overrides: Any) -> Iterator[Flask]:
    """Another application on the same database, with a memory of its own."""
    made = create_app(settings.model_copy(update=overrides))
    try:
        yield made
    finally:
        with made.app_context():
            db.engine.dispose()
        made.extensions["redis"].close()


def until(condition: Any, seconds: float = 5.0) -> float:
    """Waits for it; how long that took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it never came true"
        time.sleep(0.02)
    return time.monotonic() - started


# -- Moving ------------------------------------------------------------------------------------------------


def test_business_time_follows_and_machine_time_does_not(app: Flask, database: Database) -> None:
    assert ahead(app) == dt.timedelta()
    before = clock.machine_now()
    move(app, 7 * DAY)
    assert ahead(app) == 7 * DAY
    move(app, -HOUR)
    assert ahead(app) == 7 * DAY - HOUR
    assert clock.machine_now() - before < HOUR
    seconds, moved_by, moved_at = row(database)
    assert dt.timedelta(seconds=seconds) == 7 * DAY - HOUR
    assert moved_by == OLGA.label
    assert before <= moved_at <= clock.machine_now()
    set_back(app)
    assert ahead(app) == dt.timedelta()
    assert row(database)[0] == 0


def test_the_trail_says_who_moved_it(app: Flask, database: Database) -> None:
    move(app, DAY)
    set_back(app)
    set_back(app)  # nothing to do, nothing to write
    with database.connect() as connection:
        entries = connection.execute(
            "SELECT verb, actor_label, changes, tenant_id FROM audit_entry"
            " WHERE thing_type = 'clock_offset' ORDER BY id"
        ).fetchall()
    day = 24 * 3600
    assert entries == [
        ("moved business time", OLGA.label, {"offset_seconds": [0, day]}, None),
        ("moved business time", OLGA.label, {"offset_seconds": [day, 0]}, None),
    ]


@pytest.mark.parametrize("far", [FARTHEST, -FARTHEST])
def test_five_years_at_most_in_all(app: Flask, far: dt.timedelta) -> None:
    second = dt.timedelta(seconds=1 if far > dt.timedelta() else -1)
    with pytest.raises(TooFar):
        move(app, far + second)
    move(app, far)
    with pytest.raises(TooFar):
        move(app, second)
    with pytest.raises(TooFar):
        move(app, dt.timedelta.max if far > dt.timedelta() else dt.timedelta.min)
    assert ahead(app) == far


def test_rolled_back_it_never_moved(app: Flask, database: Database) -> None:
    def stumble() -> None:
        with app.app_context(), platform_scope("test"), transaction():
            business_clock.move(DAY, actor=OLGA)
            raise KeyError

    with pytest.raises(KeyError):
        stumble()
    assert ahead(app) == dt.timedelta()
    assert row(database)[0] == 0


def test_moved_eight_times_at_once_it_moved_eight_times(app: Flask) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _number: move(app, HOUR), range(8)))
    assert ahead(app) == 8 * HOUR


def test_a_page_that_saw_another_offset_moves_nothing(app: Flask) -> None:
    move(app, HOUR, seen_seconds=0)
    for again in (lambda: move(app, HOUR, seen_seconds=0), lambda: set_back(app, seen_seconds=0)):
        with pytest.raises(MovedMeanwhile):
            again()
    assert ahead(app) == HOUR
    set_back(app, seen_seconds=3600)
    assert ahead(app) == dt.timedelta()


def test_a_company_can_not_move_it(world: World, database: Database) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id), pytest.raises(NotFound), transaction():
        business_clock.move(DAY, actor=OLGA)
    assert row(database)[0] == 0


# -- What each process remembers ---------------------------------------------------------------------------


def test_another_process_follows_within_half_a_second(
    app: Flask, settings: Settings, database: Database
) -> None:
    with another_process(settings) as other:
        assert ahead(other) == ahead(app) == dt.timedelta()
        move(app, DAY)
        assert ahead(app) == DAY, "the process that moved it knows at once"
        assert until(lambda: ahead(other) == DAY) < REMEMBERED_SECONDS + 0.4
        move(other, DAY)
        assert ahead(other) == 2 * DAY
        assert until(lambda: ahead(app) == 2 * DAY) < REMEMBERED_SECONDS + 0.4


def test_it_is_asked_for_twice_a_second_at_most(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    memory, asked = app.extensions["business_clock"], []
    ask = memory._ask
    monkeypatch.setattr(memory, "_ask", lambda: (asked.append(1), ask())[1])
    started = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _number: [ahead(app) for _time in range(50)], range(4)))
    assert 1 <= len(asked) <= 2 + 2 * (time.monotonic() - started)


def test_it_takes_no_connection_and_no_statement_of_the_sessions(app: Flask) -> None:
    """In the middle of a transaction, too; what it reads is committed by others meanwhile."""
    memory = app.extensions["business_clock"]
    with app.app_context(), platform_scope("test"), transaction() as session:
        session.get(ClockOffset, 1)
        with count_statements(db.engine) as statements:
            for _time in range(3):
                memory.forget()
                clock.now()
        assert statements == []
        assert db.engine.pool.checkedout() == 1  # type: ignore[attr-defined]
        assert scope.in_transaction()


def test_where_the_database_is_away_the_last_one_holds(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    move(app, DAY)
    assert ahead(app) == DAY
    memory = app.extensions["business_clock"]
    nowhere = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/nothing")
    monkeypatch.setattr(memory, "_engine", nowhere)
    memory.forget()
    assert ahead(app) == DAY
    monkeypatch.setattr(memory, "_offset", None)
    with pytest.raises(OperationalError):
        ahead(app)


def test_outside_of_an_application_there_is_no_offset(app: Flask) -> None:
    move(app, DAY)
    assert clock.now() - clock.machine_now() < dt.timedelta(seconds=1)


def test_production_never_asks(world: World, settings: Settings, database: Database) -> None:
    set_row(database, 24 * 3600)
    with another_process(settings, ENVIRONMENT="production") as made:
        assert ahead(made) == dt.timedelta()
        with pytest.raises(NotFound):
            move(made, DAY)
        operator = World(made, world.anna, world.bert, world.operator_id).operator()
        for browser, page in ((Browser(made, PLATFORM), "/login/"), (operator, "/account/")):
            assert browser.get("/admin/clock/").status_code == 404
            for path in ("/admin/clock/move", "/admin/clock/back"):
                assert browser.post(path, page=page, hours="1").status_code == 404
    assert row(database)[0] == 24 * 3600


# -- Schedules ---------------------------------------------------------------------------------------------


def test_what_falls_due_by_business_time_is_done(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    runs: list[str] = []
    items = (
        Recurring("by business time", lambda: runs.append("business"), DAY, business_time=True),
        Recurring("by machine time", lambda: runs.append("machine"), DAY),
    )
    monkeypatch.setitem(app.extensions, "schedule", items)
    with app.app_context():
        schedule.ensure()
        schedule.run_due()
        runs.clear()
        assert jobs.queue("default").get_job_ids() == []
    move(app, DAY + HOUR)
    with app.app_context():
        assert jobs.queue("default").get_job_ids() == ["tick"], "a tick was asked for"
        schedule.run_due()
        assert runs == ["business"]
    move(app, -3 * DAY)
    with app.app_context():
        schedule.run_due()
    assert runs == ["business", "business"], "moved back, it does not wait until time catches up"


def test_without_a_queue_it_moves_all_the_same(settings: Settings, database: Database) -> None:
    with another_process(settings, REDIS_URL="redis://127.0.0.1:1/0") as made:
        move(made, DAY)
        assert ahead(made) == DAY


# -- The operator's page -----------------------------------------------------------------------------------


def test_the_operator_moves_it_by_buttons_and_by_hours(world: World, database: Database) -> None:
    operator, page = world.operator(), "/admin/clock/"
    text = operator.get(page).text
    assert "Lessons, holds and earnings live by this clock" in text
    assert "the same as machine time" in text
    assert "Back to now" not in text
    assert re.findall(r'name="hours" value="(\d+)"', text) == ["1", "24", "168"]
    for hours, words in (
        ("1", "1 hour ahead of machine time"),
        ("24", "1 day and 1 hour ahead of machine time"),
        ("168", "8 days and 1 hour ahead of machine time"),
        ("-200", "7 hours behind machine time"),
    ):
        answer = operator.post("/admin/clock/move", page=page, hours=hours)
        assert (answer.status_code, answer.location) == (302, page)
        assert words in operator.get(page).text
    assert "Last moved by Olga Operator on" in operator.get(page).text
    assert operator.post("/admin/clock/back", page=page).location == page
    assert "the same as machine time" in operator.get(page).text
    assert row(database)[0] == 0


def test_a_second_click_on_the_same_page_moves_it_once(world: World) -> None:
    operator = world.operator()
    form = {"hours": "24", "seen": "0", "csrf_token": operator.csrf("/admin/clock/")}
    assert [operator.post_raw("/admin/clock/move", form).status_code for _click in range(2)] == [302, 302]
    page = operator.get("/admin/clock/").text
    assert "1 day ahead of machine time" in page
    assert "Business time was moved a moment ago." in page
    assert ahead(world.app) == DAY


@pytest.mark.parametrize(
    "hours",
    [
        "",
        "x",
        "1.5",
        "1e3",
        "NaN",
        "99999999",
        "-99999999",
        "9" * 5000,
        "1\x00",
        "43825",
        "²",
        "x" * 1_000_000,
    ],
    ids=lambda text: text[:9].replace("\x00", "NUL"),
)
def test_what_is_no_number_of_hours_moves_nothing(world: World, database: Database, hours: str) -> None:
    operator = world.operator()
    answer = operator.post("/admin/clock/move", page="/admin/clock/", hours=hours)
    assert answer.status_code == 422, answer.text[:300]
    assert "Time stands where it stood." in answer.text
    assert row(database)[0] == 0


@pytest.mark.parametrize("seen", ["", "x", "--5", "1" * 400, "²"])
def test_a_mark_that_says_nothing_is_none(world: World, seen: str) -> None:
    answer = world.operator().post("/admin/clock/move", page="/admin/clock/", hours="1", seen=seen)
    assert answer.status_code == 302
    assert ahead(world.app) == HOUR


def test_who_may_look_and_who_may_move(world: World, database: Database) -> None:
    visitor, manager = Browser(world.app, PLATFORM), world.manager()
    assert visitor.get("/admin/clock/").location.startswith("/login/")
    assert manager.get("/admin/clock/").status_code == 404
    with database.connect() as connection:
        connection.execute(
            "UPDATE ab_user SET platform_role = %s WHERE id = %s", [SUPPORT, world.operator_id]
        )
    support = world.browser(PLATFORM, "operator@wemaster.test", PASSWORD)
    page = support.get("/admin/clock/")
    assert page.status_code == 200
    assert "/admin/clock/move" not in page.text
    for browser, page_of_token, status in (
        (visitor, "/login/", 401), (manager, "/account/", 404), (support, "/account/", 403)
    ):  # fmt: skip
        token = browser.csrf(page_of_token)
        for path in ("/admin/clock/move", "/admin/clock/back"):
            assert browser.post_raw(path, {"hours": "1", "csrf_token": token}).status_code == status
    assert row(database)[0] == 0


def test_no_other_site_moves_it(world: World, database: Database) -> None:
    operator = world.operator()
    for path in ("/admin/clock/move", "/admin/clock/back"):
        assert operator.post_raw(path, {"hours": "1"}).status_code == 400
        assert operator.get(path).status_code == 405
    assert row(database)[0] == 0


def test_offsets_in_words(app: Flask) -> None:
    with app.app_context(), force_locale("en"):
        assert offset_in_words(0) == "the same as machine time"
        assert offset_in_words(1) == "1 second ahead of machine time"
        assert offset_in_words(-61) == "1 minute and 1 second behind machine time"
        long = 1826 * 86400 + 2 * 3600 + 60 + 2
        assert offset_in_words(long) == "1,826 days, 2 hours, 1 minute, and 2 seconds ahead of machine time"
