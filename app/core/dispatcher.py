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
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from flask import Flask, current_app
from redis.exceptions import RedisError
from sqlalchemy import BigInteger, Text, Uuid, all_, any_, bindparam, case, literal, select, update
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.exc import OperationalError
from structlog.contextvars import bound_contextvars

from app.core import clock, jobs, tally
from app.core.crash import crash_point
from app.core.db import UtcDateTime
from app.core.events import Delivery, Later, from_json, wiring
from app.core.outbox import DEAD, DELIVERED, DUE, MAX_ATTEMPTS, Outbox
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction, writing

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


# Made once: the loop runs them with every purchase, several times.
_ROW = Outbox.__table__.c
_CLAIMED = [_ROW[name] for name in Claim.__dataclass_fields__]
# Written out, or a plan that is kept could not use the index of what is due.
_IS_DUE = _ROW.status == literal(DUE, literal_execute=True)
_IS_QUEUED = _ROW.handler == any_(bindparam("queued", type_=ARRAY(Text)))
_CLAIM = (
    update(Outbox.__table__)
    .where(
        _ROW.id.in_(
            select(_ROW.id)
            .where(
                _IS_DUE,
                _ROW.due_at <= bindparam("now", type_=UtcDateTime),
                _ROW.handler != all_(bindparam("blocked", type_=ARRAY(Text))),
            )
            .order_by(_ROW.due_at, _ROW.id)
            .limit(bindparam("limit", type_=BigInteger))
            .with_for_update(skip_locked=True)
            .scalar_subquery()
        )
    )
    .values(
        lease=bindparam("mine", type_=Uuid),
        due_at=case(
            (_IS_QUEUED, bindparam("soon", type_=UtcDateTime)), else_=bindparam("until", type_=UtcDateTime)
        ),
        attempts=_ROW.attempts + case((_IS_QUEUED, 0), else_=1),
    )
    .returning(*_CLAIMED)
)
_TAKE_OVER = (
    update(Outbox.__table__)
    .where(_ROW.id == bindparam("row"), _ROW.attempts == bindparam("tries"), _IS_DUE)
    .values(
        lease=bindparam("mine", type_=Uuid),
        due_at=bindparam("until", type_=UtcDateTime),
        attempts=_ROW.attempts + 1,
    )
    .returning(*_CLAIMED)
)
_MARK = (
    update(Outbox.__table__)
    .where(
        _ROW.id == any_(bindparam("rows", type_=ARRAY(BigInteger))),
        _ROW.tenant_id.is_not_distinct_from(bindparam("tenant", type_=BigInteger)),
        _ROW.lease == bindparam("mine", type_=Uuid),
        _IS_DUE,
    )
    .values(status=DELIVERED, delivered_at=bindparam("now", type_=UtcDateTime))
)


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
            if worked < BATCH and not stop.is_set():
                _rest(stop)


def _rest(stop: threading.Event) -> None:
    """Until somebody hints that there is work, or for a quarter of a second: hints may get lost. What came
    while we worked, also from ourselves, has left its hint."""
    try:
        jobs.wait_for_hint(IDLE_SECONDS)
    except RedisError:
        stop.wait(IDLE_SECONDS)


def run_once() -> int:
    """Claim and work off one batch; returns how many rows were claimed."""
    claims = claim(BATCH)
    for tenant_id, group in groupby(claims, key=lambda row: row.tenant_id):
        rows: defaultdict[str | None, list[Claim]] = defaultdict(list)
        for row in group:
            rows[_handler(row).queue].append(row)
        deliver_together(tenant_id, rows.pop(None, []))
        for queue, outside in rows.items():
            assert queue is not None
            _enqueue(queue, outside)
    return len(claims)


def claim(limit: int) -> list[Claim]:
    """Take up to `limit` due rows of all tenants, oldest first, grouped by tenant.

    Rows for a queue that is full or away stay where they are. A try of a job begins when a worker takes
    it over, so only the tries of rows that run here are counted here.
    """
    queued = {item.name: item.queue for item in wiring().handlers.values() if item.queue}
    blocked = _queues_without_room() if queued else frozenset()
    now = clock.machine_now()
    lease_seconds = current_app.config["OUTBOX_LEASE_SECONDS"]
    values = {
        "now": now,
        "limit": limit,
        "mine": uuid.uuid4(),
        "queued": list(queued),
        "blocked": [name for name, queue in queued.items() if queue in blocked],
        "soon": now + dt.timedelta(seconds=min(lease_seconds, HANDOVER_SECONDS)),
        "until": now + dt.timedelta(seconds=lease_seconds),
    }
    with platform_scope("dispatch the outbox"), transaction() as session:
        taken = session.connection().execute(_CLAIM, values).all()
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
    values = {
        "rows": [row.id for row in rows],
        "tenant": rows[0].tenant_id,
        "mine": rows[0].lease,
        "now": clock.machine_now(),
    }
    session = writing()
    session.flush()
    if session.connection().execute(_MARK, values).rowcount != len(rows):
        raise LeaseLost(values["rows"])


def _take_over(row_id: int, attempts: int) -> Claim | None:
    """Begin the next try under a lease of our own: of two jobs for the same try only one gets through."""
    until = clock.machine_now() + dt.timedelta(seconds=current_app.config["OUTBOX_LEASE_SECONDS"])
    values = {"row": row_id, "tries": attempts, "mine": uuid.uuid4(), "until": until}
    with platform_scope("take over a delivery"), transaction() as session:
        taken = session.connection().execute(_TAKE_OVER, values).one_or_none()
    return Claim(*taken) if taken else None


def _queues_without_room() -> frozenset[str]:
    try:
        return jobs.queues_without_room()
    except RedisError:
        log.info("the queues are away; deliveries to the outside wait")
        return frozenset(jobs.QUEUES)


def _enqueue(queue: str, rows: Sequence[Claim]) -> None:
    try:
        jobs.enqueue_deliveries(queue, [(row.id, row.attempts) for row in rows])
    except RedisError:
        # The lease brings the rows back; nothing else remembers them.
        log.warning("the queue is away; deliveries wait for their lease to run out")


def _is_away(error: OperationalError) -> bool:
    """Whether the database can't be talked to, rather than that it gave up on this statement (a timeout)."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    return sqlstate is None or sqlstate.startswith(("08", "53", "57P"))


def _scope(tenant_id: int | None) -> Any:
    return platform_scope("deliver a platform event") if tenant_id is None else tenant_scope(tenant_id)
