"""What an operator does about deliveries that gave up."""

from __future__ import annotations

from app.core import audit, clock
from app.core.db import db
from app.core.outbox import DUE, Outbox
from app.core.states import move_to


def retry(row: Outbox) -> None:
    """Make it due again, as if it had never been tried. Raises MoveNotAllowed unless it gave up."""
    move_to(row, DUE)
    row.attempts, row.last_error, row.due_at = 0, None, clock.machine_now()
    audit.record(db.session(), row, "tried again")
