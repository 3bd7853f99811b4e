"""The operator's offset of business time: one row that every process reads, and that moves in demo and test.

Each process remembers the offset for half a second at most. In production nobody asks for it: business
time is machine time there.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import threading
import time
import weakref
from typing import Any, ClassVar

from flask import Flask, current_app, has_app_context
from flask_babel import lazy_gettext as _l
from redis.exceptions import RedisError
from sqlalchemy import BigInteger, CheckConstraint, String, create_engine, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.pool import QueuePool

from app.core import clock, jobs
from app.core.audit import Actor, acting, note
from app.core.db import Model, UtcDateTime, db
from app.core.errors import Conflict, Invalid, NotFound
from app.core.transaction import after_commit

log = logging.getLogger(__name__)

MOVABLE = frozenset({"demo", "test"})
REMEMBERED_SECONDS = 0.5
FARTHEST = dt.timedelta(days=5 * 365 + 1)
ROW = 1
_KEY = "business_clock"


class ClockOffset(Model):
    """By how much business time differs from machine time; the only row, which the migrations made."""

    __tablename__ = "clock_offset"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)
    QUIET: ClassVar[frozenset[str]] = frozenset({"moved_at", "moved_by"})

    id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    offset_seconds: Mapped[int] = mapped_column(BigInteger, default=0)
    moved_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    moved_by: Mapped[str | None] = mapped_column(String(200))

    def __str__(self) -> str:
        return "business time"


class TooFar(Invalid):
    code, message = "clock_too_far", _l("Business time can be moved by five years at most, in all.")


class MovedMeanwhile(Conflict):
    code, message = "clock_moved", _l("Business time was moved a moment ago. This is where it stands now.")


class Memory:
    """What one process knows of the offset."""

    def __init__(self, url: str, connect_args: dict[str, Any]) -> None:
        # Not a connection of the pool: whoever asks may hold one already, and that is how pools run dry. One
        # of its own, which is kept: a new one each half second costs more than a page.
        self._engine = create_engine(
            url,
            poolclass=QueuePool,
            pool_size=1,
            max_overflow=0,
            pool_pre_ping=True,
            connect_args=connect_args,
            isolation_level="AUTOCOMMIT",
        )
        weakref.finalize(self, self._engine.dispose)
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._offset: dt.timedelta | None = None
        self._fresh_until = 0.0

    def read(self) -> dt.timedelta:
        """The offset, as it is or was half a second ago. Where the database is away the last one known, so
        that time does not jump back; raises what the driver raises where none is."""
        with self._lock:
            if self._offset is None or time.monotonic() >= self._fresh_until:
                try:
                    self._offset = self._ask()
                except DBAPIError:
                    if self._offset is None:
                        raise
                    log.warning("the offset of business time can't be read; the last one holds")
                self._fresh_until = time.monotonic() + REMEMBERED_SECONDS
            return self._offset

    def forget(self) -> None:
        """Ask anew the next time."""
        with self._lock:
            self._fresh_until = 0.0

    def _ask(self) -> dt.timedelta:
        if self._process != os.getpid():
            self._engine.dispose(close=False)  # after a fork it is the parent's
            self._process = os.getpid()
        with self._engine.connect() as connection:
            seconds = connection.scalar(select(ClockOffset.offset_seconds).where(ClockOffset.id == ROW))
        return dt.timedelta(seconds=seconds or 0)


def init_app(app: Flask) -> None:
    """In demo and test business time follows the operator's offset. Connects to nothing yet."""
    if app.config["ENVIRONMENT"] not in MOVABLE:
        return
    connect_args = app.config["SQLALCHEMY_ENGINE_OPTIONS"]["connect_args"]
    app.extensions[_KEY] = Memory(app.config["SQLALCHEMY_DATABASE_URI"], connect_args)
    clock.use_offset(read_offset)


def is_movable() -> bool:
    """Whether this application's business time can be moved; never in production."""
    return _KEY in current_app.extensions


def read_offset() -> dt.timedelta:
    """By how much business time is ahead of machine time; nothing in production and outside of an
    application."""
    memory: Memory | None = current_app.extensions.get(_KEY) if has_app_context() else None
    return memory.read() if memory is not None else dt.timedelta()


def standing() -> ClockOffset:
    """Where business time stands, as the database says now; in the platform's scope."""
    return db.session.scalars(select(ClockOffset).where(ClockOffset.id == ROW)).one()


def move(by: dt.timedelta, *, actor: Actor, seen_seconds: int | None = None) -> ClockOffset:
    """Move business time for everybody, and fire the schedules that fall due by it; in the platform's scope.

    `seen_seconds` is the offset on the page that asks, so that a double click moves it once. Raises
    TooFar, MovedMeanwhile, NotFound in production.
    """
    row = _locked(seen_seconds)
    return _set(row, row.offset_seconds + int(by.total_seconds()), actor)


def set_back(*, actor: Actor, seen_seconds: int | None = None) -> ClockOffset:
    """Business time is machine time again; in the platform's scope. Raises MovedMeanwhile, NotFound."""
    return _set(_locked(seen_seconds), 0, actor)


def _locked(seen_seconds: int | None) -> ClockOffset:
    if not is_movable():
        raise NotFound
    row = db.session.scalars(
        select(ClockOffset)
        .where(ClockOffset.id == ROW)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    if seen_seconds is not None and seen_seconds != row.offset_seconds:
        raise MovedMeanwhile
    return row


def _set(row: ClockOffset, seconds: int, actor: Actor) -> ClockOffset:
    if abs(seconds) > FARTHEST.total_seconds():
        raise TooFar(field="hours")
    if seconds == row.offset_seconds:
        return row
    row.offset_seconds = seconds
    row.moved_at, row.moved_by = clock.machine_now(), actor.label[:200]
    note(row, "moved business time")
    with acting(actor):
        db.session.flush()  # the trail's entry is written here, and names who moved it
    after_commit(_fire)
    return row


def _fire() -> None:
    """Best effort: other processes see the new offset half a second later, and the scheduler ticks anyway."""
    current_app.extensions[_KEY].forget()
    try:
        jobs.enqueue_tick()
    except RedisError:
        log.warning("no tick was asked for; the scheduler's next one will do")
