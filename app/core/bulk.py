"""An action on many records that takes its time: a row says who, what and on which, a job works it off.

The job goes through the records in chunks with a transaction each, in which the records, their number and
the place reached are committed together. So it may be killed, doubled or handed over at any point: it
goes on where it was, and each record has its turn once. What is refused is noted for its record, with the
reason, and does not keep the others waiting.
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from flask_babel import force_locale
from flask_babel import gettext as _
from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Integer,
    String,
    Text,
    UniqueConstraint,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, declared_attr, foreign, mapped_column, relationship, remote, undefer
from structlog.contextvars import bound_contextvars, get_contextvars

from app.core import audit, clock
from app.core.db import Model, TenantOwned, UtcDateTime, db, owned_by_tenant, points_at
from app.core.errors import Contended, DomainError, NotFound, from_database
from app.core.events import Event, announce
from app.core.states import move_to
from app.core.transaction import transaction
from app.core.viewer import Viewer

log = logging.getLogger(__name__)

WAITING, RUNNING, DONE, STOPPED, FAILED = "waiting", "running", "done", "stopped", "failed"
CHUNK = 25
MAX_ROWS = 50_000
SECONDS_OF_A_JOB = 20.0  # then the next job goes on: well within the lease of a delivery


class BulkRun(TenantOwned, Model):
    """What one person has done to many records. On the platform's host it names no tenant."""

    __tablename__ = "bulk_run"
    AUDITED = False
    MOVES: ClassVar[dict[str, frozenset[str]]] = {
        WAITING: frozenset({RUNNING, STOPPED, FAILED}),
        RUNNING: frozenset({RUNNING, DONE, STOPPED, FAILED}),
        DONE: frozenset(),
        STOPPED: frozenset(),
        FAILED: frozenset(),
    }

    tenant_id: Mapped[int | None] = mapped_column(BigInteger)  # type: ignore[assignment]
    user_id: Mapped[int] = mapped_column(Integer, ForeignKey("ab_user.id"))
    session_id: Mapped[int | None] = mapped_column(BigInteger)
    actor_label: Mapped[str] = mapped_column(String(200))
    entry: Mapped[str] = mapped_column(String(60))
    action: Mapped[str] = mapped_column(String(60))
    values: Mapped[list[list[str]]] = mapped_column(JSONB, default=list)
    matching: Mapped[str | None] = mapped_column(Text)
    ids: Mapped[list[int]] = mapped_column(ARRAY(BigInteger), deferred=True)
    total: Mapped[int] = mapped_column(Integer)
    position: Mapped[int] = mapped_column(Integer, default=0)
    done: Mapped[int] = mapped_column(Integer, default=0)
    failed: Mapped[int] = mapped_column(Integer, default=0)
    status: Mapped[str] = mapped_column(String(10), default=WAITING)
    error: Mapped[str | None] = mapped_column(Text)
    locale: Mapped[str] = mapped_column(String(10))
    request_id: Mapped[str] = mapped_column(String(64), default="")
    made_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[dt.datetime | None] = mapped_column(UtcDateTime)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(
            cls,
            CheckConstraint("status IN ('waiting', 'running', 'done', 'stopped', 'failed')", name="status"),
            CheckConstraint("done + failed = position AND position BETWEEN 0 AND total", name="position"),
        )

    def __str__(self) -> str:
        return f"{self.entry}: {self.action} ({self.total})"

    @property
    def is_over(self) -> bool:
        return not self.MOVES[self.status]


class BulkFailure(TenantOwned, Model):
    """A record on which it was refused, and why, in the words of who asked for it."""

    __tablename__ = "bulk_failure"
    AUDITED = False

    tenant_id: Mapped[int | None] = mapped_column(BigInteger)  # type: ignore[assignment]
    run_id: Mapped[int] = mapped_column(BigInteger)
    # By its number alone: on the platform's host both name no tenant, and nothing equals nothing.
    run: Mapped[BulkRun] = relationship(
        primaryjoin=lambda: foreign(BulkFailure.run_id) == remote(BulkRun.id), viewonly=True
    )
    row_id: Mapped[int] = mapped_column(BigInteger)
    row_label: Mapped[str] = mapped_column(String(200))
    reason: Mapped[str] = mapped_column(Text)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(cls, UniqueConstraint("run_id", "row_id"), points_at("bulk_run", "run_id"))

    def __str__(self) -> str:
        return self.row_label


@dataclass(frozen=True)
class BulkRunContinues(Event):
    """There are records left of a run."""

    run_id: int
    position: int


@dataclass(frozen=True)
class Work:
    """What a run does: `rows` loads records by their ids, `do` is the action on one of them."""

    rows: Callable[[Sequence[int]], Sequence[Any]]
    do: Callable[[Any, Viewer], None]


@dataclass(frozen=True)
class Hands:
    """What a run needs of the domains: `viewer_of` is the person as they are now, None where they may not
    come in any more; `work_of` raises DomainError where the action may not be done any more."""

    viewer_of: Callable[[BulkRun], Viewer | None]
    work_of: Callable[[BulkRun, Viewer], Work]


def start(
    *,
    entry: str,
    action: str,
    ids: Sequence[int],
    values: Sequence[tuple[str, str]],
    matching: str | None,
    by: Viewer,
    locale: str,
) -> BulkRun:
    """Inside the edge's transaction: a run on these records, which a job begins after the commit."""
    run = BulkRun(
        tenant_id=by.tenant_id,
        user_id=by.user_id,
        session_id=by.session_id,
        actor_label=by.actor.label[:200],
        entry=entry,
        action=action,
        ids=list(ids),
        values=[list(pair) for pair in values],
        matching=matching,
        total=len(ids),
        locale=locale,
        request_id=str(get_contextvars().get("request_id", "")),
        made_at=clock.machine_now(),
    )
    db.session.add(run)
    db.session.flush()  # the event names it
    announce(BulkRunContinues(by.tenant_id, run.id, 0))
    return run


def find(run_id: int, tenant_id: int | None, *, lock: bool = False) -> BulkRun:
    """Raises NotFound. A platform's run is found on its own host only."""
    query = select(BulkRun).where(BulkRun.id == run_id, BulkRun.tenant_id.is_not_distinct_from(tenant_id))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = db.session.scalars(query).one_or_none()
    if found is None:
        raise NotFound
    return found


def failures_of(run: BulkRun, most: int) -> Sequence[BulkFailure]:
    """The first refusals of a run, in the order of its records."""
    return db.session.scalars(
        select(BulkFailure).where(BulkFailure.run_id == run.id).order_by(BulkFailure.id).limit(most)
    ).all()


def stop(run: BulkRun) -> None:
    """No further chunk begins; what was done stays done. Raises MoveNotAllowed where it is over."""
    _end(run, STOPPED)
    audit.record(db.session(), run, "stopped")


def _end(run: BulkRun, status: str, error: str | None = None) -> None:
    move_to(run, status)
    run.ended_at, run.error = clock.machine_now(), error
    run.ids = []  # the numbers tell all that is asked later


def work_off(event: BulkRunContinues, hands: Hands) -> None:
    """The job: chunk after chunk until the run is over, or, after a while, the next job's turn."""
    until = time.monotonic() + SECONDS_OF_A_JOB
    while _step(event, hands, last=time.monotonic() > until):
        pass


def _step(event: BulkRunContinues, hands: Hands, *, last: bool) -> bool:
    """One chunk; whether this job goes on. `last` leaves what comes after it to the next job."""
    try:
        with transaction():
            return _chunk(event, hands, CHUNK, last=last)
    except Contended:
        raise  # others held what it needs: the delivery is tried again
    except DomainError:
        # Refused at the commit itself, by a rule that is checked last: one by one shows whose it is.
        for _each in range(CHUNK):
            try:
                with transaction():
                    if not _chunk(event, hands, 1, last=False):
                        return False
            except Contended:
                raise
            except DomainError as error:
                with transaction():
                    if not _skip(event, error):
                        return False
        return True


def _locked(event: BulkRunContinues) -> BulkRun | None:
    """The run, if it is not over and no other job is at it."""
    return db.session.scalars(
        select(BulkRun)
        .where(
            BulkRun.id == event.run_id,
            BulkRun.tenant_id.is_not_distinct_from(event.tenant_id),
            BulkRun.status.in_((WAITING, RUNNING)),
        )
        .options(undefer(BulkRun.ids))
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    ).one_or_none()


def _chunk(event: BulkRunContinues, hands: Hands, size: int, *, last: bool) -> bool:
    run = _locked(event)
    if run is None:
        return False
    if run.status == WAITING:
        run.started_at = clock.machine_now()
    who = hands.viewer_of(run)
    with force_locale(run.locale), bound_contextvars(bulk_run=run.id, request_id=run.request_id):
        if who is None:
            _end(run, FAILED, _("You may not do this any more."))
            return False
        try:
            work = hands.work_of(run, who)
        except DomainError as error:
            _end(run, FAILED, str(error))
            return False
        move_to(run, RUNNING)
        ids = run.ids[run.position : run.position + size]
        with audit.acting(who.actor):
            _do(run, ids, work, who)
    if run.position >= run.total:
        _end(run, DONE)
        return False
    if last:
        announce(BulkRunContinues(run.tenant_id, run.id, run.position))
    return not last


def _do(run: BulkRun, ids: Sequence[int], work: Work, who: Viewer) -> None:
    rows: Mapping[int, Any] = {row.id: row for row in work.rows(ids)}
    for row_id in ids:
        row = rows.get(row_id)
        label = str(row)[:200] if row is not None else str(row_id)
        refusal = _("It is not there any more.") if row is None else _refusal(row, work, who)
        run.position += 1
        if refusal is None:
            run.done += 1
        else:
            run.failed += 1
            _note(run, row_id, label, refusal)


def _refusal(row: Any, work: Work, who: Viewer) -> str | None:
    """Do it, behind a savepoint: why not, or None where it is done."""
    session = db.session()
    try:
        with session.begin_nested():
            work.do(row, who)
            session.flush()
        return None
    except Contended:
        raise
    except DomainError as error:
        refusal: DomainError | None = error
    except DBAPIError as error:
        refusal = from_database(error)
        if refusal is None or isinstance(refusal, Contended):
            raise
    except Exception:
        log.exception("an action failed on one of many records")
        refusal = DomainError(_("Something went wrong here. It has been noted for us to look at."))
    session.info.pop("audit_notes", None)  # of the change that was taken back
    return str(refusal)


def _note(run: BulkRun, row_id: int, label: str, reason: str) -> None:
    db.session.add(
        BulkFailure(tenant_id=run.tenant_id, run_id=run.id, row_id=row_id, row_label=label, reason=reason)
    )


def _skip(event: BulkRunContinues, error: DomainError) -> bool:
    """Note that the record whose turn it is was refused, and go on behind it."""
    run = _locked(event)
    if run is None:
        return False
    if run.status == WAITING:
        run.started_at = clock.machine_now()
    move_to(run, RUNNING)
    with force_locale(run.locale):
        _note(run, run.ids[run.position], str(run.ids[run.position]), str(error))
    run.failed += 1
    run.position += 1
    if run.position >= run.total:
        _end(run, DONE)
        return False
    return True
