"""The audit trail: who did what to which thing, from where, before and after. Append-only.

Entries are written by the flush itself, so no write of a model can go unrecorded; a service adds the
verb and the reason with `note()`. Who acts is said once at the edge, with `acting()`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, String, Text, event, insert, inspect
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import LoaderCallableStatus, Mapped, Mapper, Session, declared_attr, mapped_column
from structlog.contextvars import get_contextvars

from app.core import clock
from app.core.db import Model, ScopedSession, TenantOwned, UtcDateTime, owned_by_tenant
from app.core.scope import TenantScope
from app.core.web.labels import DEEDS

HIDDEN = "•••"
CREATED = "created"


@dataclass(frozen=True)
class Actor:
    """Who acts: a signed-in user, a visitor, or the system itself (jobs, commands)."""

    kind: str = "system"
    user_id: int | None = None
    label: str = "WeMaster"
    ip: str | None = None


SYSTEM = Actor()
_acting: ContextVar[Actor] = ContextVar("wemaster_actor", default=SYSTEM)


def set_actor(actor: Actor) -> None:
    """For a web request, once the viewer is known."""
    _acting.set(actor)


def acting_now() -> Actor:
    """Who acts at this moment."""
    return _acting.get()


def reset_actor() -> None:
    """At the end of a web request: the thread's next one is somebody else's."""
    _acting.set(SYSTEM)


@contextmanager
def acting(actor: Actor) -> Iterator[None]:
    """For a job or a command that acts for somebody."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


class AuditEntry(TenantOwned, Model):
    """One change to one thing. `tenant_id` is empty for what concerns the platform alone."""

    __tablename__ = "audit_entry"

    tenant_id: Mapped[int | None] = mapped_column(BigInteger)  # type: ignore[assignment]
    occurred_at: Mapped[dt.datetime] = mapped_column(UtcDateTime)
    actor_kind: Mapped[str] = mapped_column(String(10))
    actor_user_id: Mapped[int | None] = mapped_column(BigInteger)
    actor_label: Mapped[str] = mapped_column(String(200))
    ip: Mapped[str | None] = mapped_column(String(45))
    request_id: Mapped[str] = mapped_column(String(64))
    verb: Mapped[str] = mapped_column(String(60))
    thing_type: Mapped[str] = mapped_column(String(60))
    thing_id: Mapped[int] = mapped_column(BigInteger)
    thing_label: Mapped[str] = mapped_column(String(200))
    changes: Mapped[dict[str, Any]] = mapped_column(JSONB)
    reason: Mapped[str | None] = mapped_column(Text)

    @declared_attr.directive
    def __table_args__(cls) -> tuple[Any, ...]:
        return owned_by_tenant(cls, Index("ix_audit_entry_thing", "tenant_id", "thing_type", "thing_id"))

    def __str__(self) -> str:
        return f"{self.actor_label} {DEEDS.get(self.verb, self.verb)}: {self.thing_label}"


@dataclass(frozen=True)
class _Note:
    """`thing` is held, or another one could come to have its identity meanwhile."""

    verb: str
    reason: str | None
    thing: Any = None


def note(thing: Any, verb: str, *, reason: str | None = None) -> None:
    """Name what is being done to `thing` in the next flush; else the entry says created, changed or deleted.
    Not after its change was written."""
    session = inspect(thing).session
    assert session is not None, "the thing belongs to a session"
    session.info.setdefault("audit_notes", {})[id(thing)] = _Note(verb, reason, thing)


def record(
    session: Session,
    thing: Any,
    verb: str,
    *,
    reason: str | None = None,
    tenant_id: int | None = None,
    label: str | None = None,
) -> None:
    """An entry for a deed that changes no row of `thing`, e.g. a visit by the operator. `label` names the
    thing where its title does not say enough."""
    entry = _entry(session, thing, verb, {}, reason, tenant_id)
    if label is not None:
        entry["thing_label"] = label[:200]
    session.execute(_WRITE, [entry])


def record_of_list(
    session: Session, model: type[Any], verb: str, *, label: str, changes: dict[str, Any], reason: str | None
) -> None:
    """An entry for a deed that is about many rows of a model and changes none, e.g. an export."""
    thing = _Rows(label[:200])
    entry = _entry(session, thing, verb, changes, reason, None)
    session.execute(_WRITE, [{**entry, "thing_type": model.__tablename__}])


@dataclass(frozen=True)
class _Rows:
    """Stands for rows that have no one id."""

    label: str
    id: int = 0
    tenant_id: int | None = None
    __tablename__ = ""

    def __str__(self) -> str:
        return self.label


_WRITE = insert(AuditEntry.__table__).inline()


def is_audited(thing: Any) -> bool:
    """Plumbing is not audited: a model says `AUDITED = False`; FAB's tables that stay empty don't matter."""
    return is_audited_model(type(thing))


def is_audited_model(model: type[Any]) -> bool:
    return getattr(model, "AUDITED", True) and not issubclass(model, AuditEntry)


def write_entries(session: Session, _context: Any) -> None:
    """After each flush: one entry per changed row, in the same transaction."""
    notes: dict[int, _Note] = session.info.pop("audit_notes", {})
    rows = []
    for verb, things in ((CREATED, session.new), ("changed", session.dirty), ("deleted", session.deleted)):
        for thing in things:
            if not is_audited(thing):
                continue
            changes = _changes(thing, verb)
            if not changes and verb != "deleted":
                continue
            named = notes.get(id(thing), _Note(verb, None))
            rows.append(_entry(session, thing, named.verb, changes, named.reason, None))
    if rows:
        session.connection().execute(_WRITE, rows)


def _entry(
    session: Session,
    thing: Any,
    verb: str,
    changes: dict[str, Any],
    reason: str | None,
    tenant_id: int | None,
) -> dict[str, Any]:
    scope = session.info["scope"]
    if tenant_id is None:
        owner = getattr(thing, "audit_tenant_id", None) or getattr(thing, "tenant_id", None)
        tenant_id = owner or (scope.tenant_id if isinstance(scope, TenantScope) else None)
    return {
        "tenant_id": tenant_id,
        **signature(),
        "verb": verb,
        "thing_type": type(thing).__tablename__,
        "thing_id": thing.id,
        "thing_label": str(thing)[:200],
        "changes": changes,
        "reason": reason,
    }


def signature() -> dict[str, Any]:
    """What an entry says of who acts at this moment, and from where."""
    actor = _acting.get()
    return {
        "occurred_at": clock.machine_now(),
        "actor_kind": actor.kind,
        "actor_user_id": actor.user_id,
        "actor_label": actor.label[:200],
        "ip": actor.ip,
        "request_id": str(get_contextvars().get("request_id", "")),
    }


def of_new(model: type[Any], values: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """What an entry says of a new row that is written past the ORM: the row's label, and the changes."""
    thing = object.__new__(model)
    thing.__dict__.update(values)
    secret: frozenset[str] = getattr(model, "SECRETS", frozenset())
    told = ((name, values[name]) for name in _spoken(inspect(model)) if values.get(name) is not None)
    return str(thing)[:200], {name: _told(name, None, value, secret) for name, value in told}


def _changes(thing: Any, verb: str) -> dict[str, Any]:
    """Column → [before, after]; secrets are named, never shown."""
    secret: frozenset[str] = getattr(type(thing), "SECRETS", frozenset())
    found: dict[str, Any] = {}
    state = inspect(thing)
    # What was set since it was last written, with what it was before; a history of each costs much more.
    former = state.dict if verb == "deleted" else state.committed_state
    for name in _spoken(state.mapper):
        if name not in former:
            continue
        before, after = former[name], None if verb == "deleted" else state.dict.get(name)
        if isinstance(before, LoaderCallableStatus):  # it was not known
            before = None
        if before == after or (before is None and after is None):
            continue
        found[name] = _told(name, before, after, secret)
    return found


def _told(name: str, before: Any, after: Any, secret: frozenset[str]) -> list[Any]:
    return [HIDDEN, HIDDEN] if name in secret else [_plain(before), _plain(after)]


@lru_cache(maxsize=512)
def _spoken(mapper: Mapper[Any]) -> tuple[str, ...]:
    """The columns of which an entry tells."""
    quiet = getattr(mapper.class_, "QUIET", frozenset()) | {"id", "tenant_id", "created_at", "changed_at"}
    return tuple(each.key for each in mapper.column_attrs if each.key not in quiet)


def _plain(value: Any) -> Any:
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    if isinstance(value, Decimal | UUID):
        return str(value)
    if isinstance(value, set | frozenset | tuple):
        return sorted(value)
    if isinstance(value, bytes):
        return HIDDEN
    if isinstance(value, str) and len(value) > 500:
        return value[:500] + "…"
    return value


event.listen(ScopedSession, "after_flush", write_entries)
