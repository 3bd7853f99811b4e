"""Recurring work: rows with `due_at`, which a ticking job looks at.

What runs and how often is data in `shell/schedule.py`. A schedule on business time falls due when
the business clock passes it, so moving that clock fires it; one on machine time never does.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Flask, current_app
from redis.exceptions import RedisError
from sqlalchemy import DateTime, String, Text, or_, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column
from structlog.contextvars import bound_contextvars

from app.core import clock, jobs, scope, tally
from app.core.db import Id, Model, UtcDateTime, db
from app.core.scope import platform_scope
from app.core.transaction import transaction

log = logging.getLogger(__name__)

OVERDUE_AFTER = 3  # periods without a run, then the operator is told
PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Recurring:
    """Run `work` every `every`, by business time or by machine time. `work` opens its own scope."""

    name: str
    work: Callable[[], None]
    every: dt.timedelta
    business_time: bool = False

    def now(self) -> dt.datetime:
        return clock.now() if self.business_time else clock.machine_now()


class Schedule(Id, Model):
    """When a recurring work is due and how it went last."""

    __tablename__ = "schedule"
    AUDITED = False

    name: Mapped[str] = mapped_column(String(100), unique=True)
    due_at: Mapped[dt.datetime] = mapped_column(DateTime(timezone=True))
    last_run_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    last_seconds: Mapped[float | None]
    last_error: Mapped[str | None] = mapped_column(Text)

    def __str__(self) -> str:
        return self.name


def table() -> Sequence[Recurring]:
    found: Sequence[Recurring] = current_app.extensions["schedule"]
    return found


def ensure() -> None:
    """Have a row for each recurring work; called at start, safe to call again."""
    with platform_scope("keep the schedule's rows"), transaction() as session:
        for item in table():
            session.execute(
                insert(Schedule).values(name=item.name, due_at=item.now()).on_conflict_do_nothing()
            )


def run_due() -> list[str]:
    """Run what is due, each once, and return the names. Two callers at once never run the same one twice:
    the row stays locked while its work runs. What was missed while nothing ticked is made up by one run.
    """
    return [item.name for item in table() if _ran(item)]


def _ran(item: Recurring) -> bool:
    try:
        return _run_if_due(item)
    except Exception:
        log.exception("a schedule was not kept; the next tick tries again", extra={"schedule": item.name})
        return False


def _run_if_due(item: Recurring) -> bool:
    now = item.now()
    # We write one period ahead at most: the period was shortened since, or business time moved back.
    # Twice that, since another ticker may just now have written a moment that is later than ours.
    due = or_(Schedule.due_at <= now, Schedule.due_at > now + 2 * item.every)
    with platform_scope("tick the schedule"), transaction() as session:
        # This transaction only holds the row while the work runs in others, however long that takes.
        session.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        row = session.scalars(
            select(Schedule).where(Schedule.name == item.name, due).with_for_update(skip_locked=True)
        ).one_or_none()
        if row is None:
            return False
        started = time.monotonic()
        with bound_contextvars(schedule=item.name):
            try:
                with scope.nowhere():
                    item.work()
                row.last_error = None
            except Exception as error:
                log.exception("a recurring work failed")
                row.last_error = f"{type(error).__name__}: {error}"[:500]
        row.last_seconds = round(time.monotonic() - started, 3)
        row.last_run_at = clock.machine_now()
        row.due_at = item.now() + item.every
    return True


@dataclass(frozen=True)
class Standing:
    """How one recurring work is doing: by how much it is late, and whether its last run failed."""

    name: str
    late_seconds: float
    is_overdue: bool
    failed: bool


def standing() -> list[Standing]:
    """Each work that has a row. Late by its own clock; overdue after several of its periods without a run."""
    with platform_scope("look for overdue schedules"):
        rows = {row.name: row for row in db.session.scalars(select(Schedule))}
    found = []
    for item in table():
        if (row := rows.get(item.name)) is not None:
            late = max(item.now() - row.due_at, dt.timedelta())
            overdue = late > OVERDUE_AFTER * item.every
            found.append(Standing(item.name, late.total_seconds(), overdue, row.last_error is not None))
    return found


def overdue() -> list[str]:
    """The names of works that have not run for several of their periods: the dead man's switch."""
    return [work.name for work in standing() if work.is_overdue]


def run_scheduler(app: Flask, stop: threading.Event) -> None:
    """Tick until `stop` is set. Ticks through the queue; where that is away, does the work itself.

    Survives a database that is away.
    """
    ensured = False
    while not stop.is_set():
        try:
            with app.app_context():
                if not ensured:
                    ensure()
                    ensured = True
                _tick()
                tally.flush()
        except Exception:
            log.exception("the scheduler stumbled; trying again")
            stop.wait(PAUSE_SECONDS)
        stop.wait(app.config["SCHEDULE_TICK_SECONDS"])


def _tick() -> None:
    try:
        jobs.enqueue_tick()
    except RedisError:
        run_due()
