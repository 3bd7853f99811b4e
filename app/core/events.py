"""What happened: `announce(event)` runs the NOW handlers at once and writes the LATER ones to the outbox.

Events are frozen dataclasses in `domains/<d>/events.py`, named in the past tense, carrying ids and
never secrets. Who listens is data in `shell/wiring.py`, one screen long.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from flask import current_app
from sqlalchemy import insert
from structlog.contextvars import get_contextvars

from app.core import clock, jobs, tally
from app.core.crash import crash_point
from app.core.db import db
from app.core.outbox import Outbox
from app.core.transaction import after_commit, is_open

QueueName = Literal["critical", "default", "mail", "low"]


@dataclass(frozen=True)
class Event:
    """Base of all events. `tenant_id` is the tenant it happened in, None on the platform."""

    tenant_id: int | None


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one LATER handler; `key` is the same on each redelivery."""

    event: Any
    key: str


@dataclass(frozen=True)
class Later:
    """A LATER handler. Without a queue it touches only the database, runs in the dispatcher, and its
    effect commits together with the mark "delivered". With a queue it is an RQ job that calls the outside.
    """

    handler: Callable[[Delivery], None]
    queue: QueueName | None = None

    @property
    def name(self) -> str:
        return f"{self.handler.__module__}.{self.handler.__name__}"


class Wiring:
    """Which events exist and who reacts to them."""

    def __init__(
        self,
        now: Mapping[type[Event], Sequence[Callable[[Any], None]]],
        later: Mapping[type[Event], Sequence[Later]],
    ) -> None:
        self.now = dict(now)
        self.later = dict(later)
        self.events = {event_name(cls): cls for cls in (*now, *later)}
        self.handlers = {item.name: item for items in later.values() for item in items}


def event_name(cls: type[Event]) -> str:
    """The stable name under which an event is stored, e.g. `accounts.PersonInvited`."""
    return f"{cls.__module__.split('.')[-2]}.{cls.__name__}"


def wiring() -> Wiring:
    found: Wiring = current_app.extensions["wiring"]
    return found


def announce(event: Event) -> None:
    """Tell the others, inside the edge's transaction: NOW handlers run at once in their listed order,
    LATER handlers get the event at least once after the commit. Raises RuntimeError without a transaction.
    """
    if not is_open():
        raise RuntimeError("an event is announced inside the edge's transaction")
    known, name = wiring(), event_name(type(event))
    after_commit(lambda: tally.add(tally.EVENTS, name))
    for handler in known.now.get(type(event), ()):
        handler(event)
    crash_point("event.reacted")
    later = known.later.get(type(event), ())
    if not later:
        return
    event_id, due_at = uuid.uuid4(), clock.machine_now()
    payload = _to_json(event)
    row = {
        "event_id": event_id,
        "name": name,
        "tenant_id": event.tenant_id,
        "payload": payload,
        "request_id": str(get_contextvars().get("request_id", "")),
        "announced_at": due_at,
        "due_at": due_at,
    }
    db.session.execute(insert(Outbox.__table__), [{**row, "handler": item.name} for item in later])
    after_commit(jobs.hint, once=True)


def _to_json(event: Event) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, dt.datetime | dt.date) else value
        for name, value in dataclasses.asdict(event).items()
    }


def from_json(name: str, payload: Mapping[str, Any]) -> Event:
    """The event as it was announced; a member it has lost since is ignored. Raises LookupError."""
    cls = wiring().events.get(name)
    if cls is None:
        raise LookupError(f"no event {name} is wired any more")
    hints = get_type_hints(cls)
    values = {}
    for field in dataclasses.fields(cls):
        if field.name in payload:
            values[field.name] = _from_json(payload[field.name], hints[field.name])
    return cls(**values)


def _from_json(value: Any, hint: Any) -> Any:
    """A moment or a day from its text, also where it may be missing (`dt.date | None`)."""
    kinds = {hint, *get_args(hint)}
    kind = next((kind for kind in (dt.datetime, dt.date) if kind in kinds), None)
    return kind.fromisoformat(value) if kind is not None and value is not None else value
