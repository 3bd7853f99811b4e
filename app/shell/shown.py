"""What public pages show, on one screen: whoever writes one of these rows makes the company's kept pages old.

The rows themselves are watched, not events: lists and forms of the admin change them too, and announce
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from flask import current_app
from sqlalchemy import event, inspect
from sqlalchemy.orm import ORMExecuteState, Session

from app.core.adding import after_adding
from app.core.db import ScopedSession
from app.core.page_cache import CONTENT, FREE_TIMES, KINDS, PageCache
from app.core.scope import TenantScope
from app.domains.accounts.models import TUTOR, Membership, Person
from app.domains.booking.models import (
    AvailabilityOverride,
    AvailabilityRule,
    AvailabilitySchedule,
    Lesson,
    Occupation,
)
from app.domains.catalog.models import (
    CancellationPolicy,
    Offering,
    Review,
    Subject,
    TaxRate,
    TutorProfile,
    Variant,
)

_TOLD = "pages_to_forget"


def _always(_row: Any) -> bool:
    return True


def _is_renamed(row: Any) -> bool:
    """Somebody new is not shown anywhere yet: people who register must not empty the cache."""
    return bool(inspect(row).persistent and inspect(row).attrs.full_name.history.has_changes())


def _teaches(row: Any) -> bool:
    return bool(row.role_key == TUTOR)


@dataclass(frozen=True)
class Shown:
    kind: str
    counts: Callable[[Any], bool] = _always


SHOWN: dict[type[Any], Shown] = {
    Offering: Shown(CONTENT),
    Variant: Shown(CONTENT),
    Subject: Shown(CONTENT),
    TutorProfile: Shown(CONTENT),
    CancellationPolicy: Shown(CONTENT),
    TaxRate: Shown(CONTENT),
    Review: Shown(CONTENT),
    Membership: Shown(CONTENT, _teaches),
    Person: Shown(CONTENT, _is_renamed),
    AvailabilitySchedule: Shown(FREE_TIMES),
    AvailabilityRule: Shown(FREE_TIMES),
    AvailabilityOverride: Shown(FREE_TIMES),
    Occupation: Shown(FREE_TIMES),
    Lesson: Shown(FREE_TIMES),
}
_TABLES = {model.__tablename__: shown for model, shown in SHOWN.items()}


def note_rows(session: Session, _context: Any) -> None:
    """Of what was flushed."""
    for row in (*session.new, *session.dirty, *session.deleted):
        shown = SHOWN.get(type(row))
        if shown is not None and shown.counts(row):
            _note(session, row.tenant_id, shown.kind)


def note_statement(state: ORMExecuteState) -> None:
    """Of many rows that one statement writes."""
    if not (state.is_insert or state.is_update or state.is_delete):
        return
    shown = _TABLES.get(getattr(getattr(state.statement, "table", None), "name", ""))
    if shown is not None:
        scope = state.session.info["scope"]
        _note(state.session, scope.tenant_id if isinstance(scope, TenantScope) else None, shown.kind)


def note_added(session: Session, tenant_id: int, models: Collection[type[Any]]) -> None:
    """Of rows that were added past the ORM."""
    for shown in (SHOWN[model] for model in models if model in SHOWN):
        _note(session, tenant_id, shown.kind)


def _note(session: Session, tenant_id: int | None, kind: str) -> None:
    session.info.setdefault(_TOLD, set()).add((tenant_id, kind))


def tell(session: Session) -> None:
    """After the commit, in one word to Redis for each company."""
    told = session.info.get(_TOLD)
    if not told or session.in_nested_transaction():
        return
    del session.info[_TOLD]
    cache: PageCache = current_app.extensions["page_cache"]
    if None in {tenant_id for tenant_id, _kind in told}:
        current_app.extensions["places"].forget()  # anybody's: all that is kept is found by this word, too
    for tenant_id in {tenant_id for tenant_id, _kind in told if tenant_id is not None}:
        cache.forget(tenant_id, [kind for kind in KINDS if (tenant_id, kind) in told])


def drop(session: Session, *_: Any) -> None:
    """Nothing was changed after all."""
    if not session.in_nested_transaction():
        session.info.pop(_TOLD, None)


event.listen(ScopedSession, "after_flush", note_rows)
event.listen(ScopedSession, "do_orm_execute", note_statement)
after_adding(note_added)
event.listen(ScopedSession, "after_commit", tell)
event.listen(ScopedSession, "after_rollback", drop)
