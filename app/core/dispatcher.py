"""The loop that empties the outbox: `python run.py dispatcher`.

A claim takes up to 100 due rows (SKIP LOCKED) and moves their `due_at` beyond a lease, so that a row
whose worker died, or whose job Redis lost, comes back by itself. Handlers that touch only the
database run here, in batches, together with their mark "delivered"; the others become RQ jobs, a few
hundred at a time: what the workers can't keep up with waits here, and waiting is no attempt.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flask import Flask, current_app
from redis.exceptions import RedisError
from sqlalchemy import case, select, update
from sqlalchemy.exc import OperationalError
from structlog.contextvars import bound_contextvars

from app.core import clock, jobs, tally
from app.core.crash import crash_point
from app.core.db import db
from app.core.events import Delivery, Later, from_json, wiring
from app.core.outbox import DEAD, DELIVERED, DUE, MAX_ATTEMPTS, Outbox
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction

log = logging.getLogger(__name__)

BATCH = 100
IDLE_SECONDS = 0.25
# What was handed over and not begun by then may have been lost with Redis; it is handed over again.
HANDOVER_SECONDS = 15
PAUSES = (0.5, 1.0, 2.0, 4.0)


@dataclass(frozen=True)
class Claim:
    """A row of the outbox that is ours until its lease runs out."""

    id: int
    lease: uuid.UUID
    event_id: uuid.UUID
    handler: str
    name: str
    tenant_id: int | None
    payload: dict[str, Any]
    request_id: str
    attempts: int


class LeaseLost(RuntimeError):
    """Somebody else has taken the row over; whatever was done for it is rolled back."""


class Abandoned(RuntimeError):
    """Every try ended without a word: its process was killed, or died of it."""


def run(app: Flask, stop: threading.Event) -> None:
    """Work until `stop` is set; survives a database or a Redis that is away."""
    while not stop.is_set():
        try:
            with app.app_context():
                worked = run_once()
        except OperationalError:
            log.warning("the database is away; trying again")
            worked = 0
            stop.wait(1)
        except Exception:
            log.exception("the dispatcher stumbled; what it held comes back when its lease runs out")
            worked = 0
            stop.wait(1)
        with app.app_context():
            tally.flush()
            if not worked and not stop.is_set():
                _rest(stop)


def _rest(stop: threading.Event) -> None:
    """Until somebody hints that there is work, or for a quarter of a second: hints may get lost."""
    try:
        jobs.wait_for_hint(IDLE_SECONDS)
    except RedisError:
        stop.wait(IDLE_SECONDS)


def run_once() -> int:
    """Claim and work off one batch; returns how many rows were claimed."""
    claims = claim(BATCH)
    for tenant_id, group in groupby(claims, key=lambda row: row.tenant_id):
        here: list[Claim] = []
        outside: list[Claim] = []
        for row in group:
            (outside if _handler(row).queue else here).append(row)
        deliver_together(tenant_id, here)
        for row in outside:
            _enqueue(row)
    return len(claims)


def claim(limit: int) -> list[Claim]:
    """Take up to `limit` due rows of all tenants, oldest first, grouped by tenant.

    Rows for a queue that is full or away stay where they are. A try of a job begins when a worker takes
    it over, so only the tries of rows that run here are counted here.
    """
    lease = uuid.uuid4()
    queued = {item.name: item.queue for item in wiring().handlers.values() if item.queue}
    blocked = _queues_without_room() if queued else frozenset()
    waiting = [name for name, queue in queued.items() if queue in blocked]
    now = clock.machine_now()
    lease_seconds = current_app.config["OUTBOX_LEASE_SECONDS"]
    until = now + dt.timedelta(seconds=lease_seconds)
    soon = now + dt.timedelta(seconds=min(lease_seconds, HANDOVER_SECONDS))
    with platform_scope("dispatch the outbox"), transaction() as session:
        due = (
            select(Outbox.id)
            .where(Outbox.status == DUE, Outbox.due_at <= now, Outbox.handler.not_in(waiting))
            .order_by(Outbox.due_at, Outbox.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        columns = [getattr(Outbox, name) for name in Claim.__dataclass_fields__]
        taken = session.execute(
            update(Outbox)
            .where(Outbox.id.in_(due.scalar_subquery()))
            .values(
                lease=lease,
                due_at=case((Outbox.handler.in_(queued), soon), else_=until),
                attempts=Outbox.attempts + case((Outbox.handler.in_(queued), 0), else_=1),
            )
            .returning(*columns)
            .execution_options(synchronize_session=False)
        ).all()
    return sorted((Claim(*row) for row in taken), key=lambda row: (row.tenant_id or 0, row.id))


def deliver_together(tenant_id: int | None, rows: list[Claim]) -> None:
    """Run the database handlers of one tenant's rows in one transaction; on trouble one by one."""
    if not rows:
        return
    try:
        with _scope(tenant_id), transaction():
            for row in rows:
                _run(row)
            _mark_delivered(rows)
    except Exception as error:
        if isinstance(error, OperationalError) and _is_away(error):
            raise
        if len(rows) == 1:
            failed(rows[0], error)
            return
        for row in rows:
            deliver_together(tenant_id, [row])
        return
    for row in rows:
        _count(row, DELIVERED)


def deliver_outside(row_id: int, attempts: int) -> None:
    """The body of an RQ job: take the row over from the dispatcher, call the handler, mark it.

    A job is for the one try that follows `attempts` others. Where that try was made already, it is a
    leftover and does nothing; however long it lay in its queue, it is good until then.
    The handler opens its own short transactions and calls its provider between them.
    """
    row = _take_over(row_id, attempts)
    if row is None:
        return
    if row.attempts > MAX_ATTEMPTS:
        failed(row, Abandoned("its worker ended in the midst of it, every time"))
        return
    try:
        with _scope(row.tenant_id):
            crash_point("delivery.taken_over")
            _run(row)
    except Exception as error:
        reason = error
        _insist(lambda: failed(row, reason))
        return
    crash_point("delivery.done")
    _insist(lambda: _delivered_outside(row))
    _count(row, DELIVERED)


def _delivered_outside(row: Claim) -> None:
    with _scope(row.tenant_id), transaction():
        _mark_delivered([row])


def _insist(work: Callable[[], None]) -> None:
    """What was done outside is done: a database that is just being restarted must not have it done again."""
    for pause in PAUSES:
        try:
            return work()
        except OperationalError as error:
            if not _is_away(error):
                raise
            time.sleep(pause)
    return work()


def failed(row: Claim, error: Exception) -> None:
    """Note the failure and when to try again (doubling with jitter, an hour at most); the last is final."""
    log.warning("a delivery failed", exc_info=error, extra={"handler": row.handler, "attempt": row.attempts})
    final = row.attempts >= MAX_ATTEMPTS or getattr(error, "permanent", False)
    _count(row, DEAD if final else "failed")
    delay = min(3600, 2**row.attempts) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret
    with platform_scope("note a failed delivery"), transaction() as session:
        session.execute(
            update(Outbox)
            .where(Outbox.id == row.id, Outbox.lease == row.lease, Outbox.status == DUE)
            .values(
                status=DEAD if final else DUE,
                due_at=clock.machine_now() + dt.timedelta(seconds=delay),
                last_error=f"{type(error).__name__}: {_said(error)}"[:500],
            )
            .execution_options(synchronize_session=False)
        )


def _count(row: Claim, outcome: str) -> None:
    known = row.handler in wiring().handlers
    tally.add(tally.DELIVERIES, row.handler.rpartition(".")[2] if known else "unknown", outcome)


def _said(error: Exception) -> object:
    """For the operator: a provider's own words, or the database's without the statement."""
    return getattr(error, "orig", None) or getattr(error, "detail", None) or error


def _handler(row: Claim) -> Later:
    return wiring().handlers.get(row.handler) or Later(_unknown)


def _unknown(_delivery: Delivery) -> None:
    raise LookupError("no handler of this name is wired any more")


def _run(row: Claim) -> None:
    with bound_contextvars(request_id=row.request_id, delivery=row.id, handler=row.handler):
        _handler(row).handler(Delivery(from_json(row.name, row.payload), key=f"{row.event_id}.{row.handler}"))


def _mark_delivered(rows: Sequence[Claim]) -> None:
    """All of them, or LeaseLost: rows that were claimed together have one lease."""
    done = db.session.execute(
        update(Outbox)
        .where(Outbox.id.in_([row.id for row in rows]), Outbox.lease == rows[0].lease, Outbox.status == DUE)
        .values(status=DELIVERED, delivered_at=clock.machine_now())
        .execution_options(synchronize_session=False)
    )
    if done.rowcount != len(rows):  # type: ignore[attr-defined]
        raise LeaseLost([row.id for row in rows])


def _take_over(row_id: int, attempts: int) -> Claim | None:
    """Begin the next try under a lease of our own: of two jobs for the same try only one gets through."""
    mine = uuid.uuid4()
    until = clock.machine_now() + dt.timedelta(seconds=current_app.config["OUTBOX_LEASE_SECONDS"])
    with platform_scope("take over a delivery"), transaction() as session:
        columns = [getattr(Outbox, name) for name in Claim.__dataclass_fields__]
        taken = session.execute(
            update(Outbox)
            .where(Outbox.id == row_id, Outbox.attempts == attempts, Outbox.status == DUE)
            .values(lease=mine, due_at=until, attempts=attempts + 1)
            .returning(*columns)
            .execution_options(synchronize_session=False)
        ).one_or_none()
    return Claim(*taken) if taken else None


def _queues_without_room() -> frozenset[str]:
    try:
        return jobs.queues_without_room()
    except RedisError:
        log.info("the queues are away; deliveries to the outside wait")
        return frozenset(jobs.QUEUES)


def _enqueue(row: Claim) -> None:
    queue = _handler(row).queue
    assert queue is not None
    try:
        jobs.enqueue_delivery(queue, row.id, row.attempts)
    except RedisError:
        # The lease brings the row back; nothing else remembers it.
        log.warning("the queue is away; a delivery waits for its lease to run out")


def _is_away(error: OperationalError) -> bool:
    """Whether the database can't be talked to, rather than that it gave up on this statement (a timeout)."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    return sqlstate is None or sqlstate.startswith(("08", "53", "57P"))


def _scope(tenant_id: int | None) -> Any:
    return platform_scope("deliver a platform event") if tenant_id is None else tenant_scope(tenant_id)
