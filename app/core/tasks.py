"""RQ's entry points: the functions that queued jobs name. They run in a worker, inside its application."""

from __future__ import annotations

from structlog.contextvars import bound_contextvars

from app.core import dispatcher, jobs, schedule, tally


def deliver(row_id: int, attempts: int) -> None:
    """One try of one delivery."""
    with jobs.app_of_worker().app_context(), bound_contextvars(job=f"delivery-{row_id}"):
        try:
            dispatcher.deliver_outside(row_id, attempts)
        finally:
            tally.flush(now=True)  # there may be no other job for long


def tick() -> None:
    """A look at the schedules."""
    with jobs.app_of_worker().app_context(), bound_contextvars(job="tick"):
        try:
            schedule.run_due()
        finally:
            tally.flush(now=True)
