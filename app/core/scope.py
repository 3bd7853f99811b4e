"""Whose data this is: a context variable holds one tenant or, explicitly and loudly, the platform.

A session is opened in one scope and stays there (`db.ScopedSession`), so entering a scope always
means another session, and no transaction ever spans two scopes. `app.core.walls` enforces the rest.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import has_app_context
from sqlalchemy.exc import SQLAlchemyError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session, scoped_session


log = logging.getLogger(__name__)


class ScopeError(RuntimeError):
    """A fault of ours: data was touched without a scope, or a scope changed in mid-transaction."""


@dataclass(frozen=True)
class TenantScope:
    tenant_id: int


@dataclass(frozen=True)
class PlatformScope:
    reason: str


Scope = TenantScope | PlatformScope

_entries = itertools.count(1)
_current: ContextVar[tuple[Scope | None, int]] = ContextVar("wemaster_scope", default=(None, 0))
_sessions: scoped_session[Any] | None = None


def bind_sessions(sessions: scoped_session[Any]) -> None:
    """Told once by `app.core.db`, which can't be imported from here."""
    global _sessions
    _sessions = sessions


def current() -> Scope | None:
    """The scope in force, or None outside of any."""
    return _current.get()[0]


def key() -> int:
    """A number of its own for each entry into a scope: sessions are kept by it."""
    return _current.get()[1]


def tenant_id() -> int:
    """The tenant in force; raises ScopeError where there is none."""
    scope = current()
    if not isinstance(scope, TenantScope):
        raise ScopeError("this needs a tenant, and none is in scope")
    return scope.tenant_id


def open_session() -> Session | None:
    """The session of the scope in force if one was opened already; none outside of an application."""
    if _sessions is None or not has_app_context() or not _sessions.registry.has():
        return None
    session: Session = _sessions()
    return session


def in_transaction() -> bool:
    """Whether the present scope's session holds a transaction."""
    session = open_session()
    return session is not None and session.in_transaction()


def _wrote(session: Session) -> bool:
    return bool(session.info.get("wrote") or session.new or session.dirty or session.deleted)


def release() -> None:
    """End a clean read transaction, e.g. before a provider call; raises ScopeError if it wrote."""
    session = open_session()
    if session is not None and session.in_transaction():
        if _wrote(session):
            raise ScopeError("there are uncommitted changes in this transaction")
        session.commit()  # nothing to commit; unlike a rollback it leaves what was read readable


def roll_back() -> None:
    """Undo what the present scope's session holds, also where its connection was cut meanwhile: then the
    database has done so already."""
    session = open_session()
    if session is not None:
        try:
            session.rollback()
        except SQLAlchemyError:
            log.warning("a connection was cut; what it held is rolled back", exc_info=True)
            session.invalidate()


def _end_reading() -> None:
    """End what merely read by a commit: with a rollback psycopg throws away what the connection has prepared,
    and each statement of the next request would be planned anew."""
    session = open_session()
    if session is not None and session.in_transaction() and not _wrote(session):
        try:
            session.commit()
        except SQLAlchemyError:  # it failed before, or was cut: the rollback that follows is for that
            log.debug("a transaction that merely read could not be committed", exc_info=True)


def _drop_session() -> None:
    """Whatever happened to its connection: the scope ends, and what was answered is answered."""
    if _sessions is None or not _sessions.registry.has():
        return
    roll_back()
    try:
        _sessions.remove()
    except SQLAlchemyError:
        log.warning("a session's connection was cut before its end", exc_info=True)
        _sessions.registry.clear()


@contextmanager
def _enter(scope: Scope | None) -> Iterator[None]:
    token = _current.set((scope, next(_entries)))
    try:
        yield
        release()
    finally:
        _drop_session()
        _current.reset(token)


@contextmanager
def tenant_scope(tenant_id: int) -> Iterator[None]:
    """Work as one tenant. Raises ScopeError inside a transaction, or if left with uncommitted changes."""
    if in_transaction():
        raise ScopeError("a scope can't be entered in the middle of a transaction")
    with _enter(TenantScope(int(tenant_id))):
        yield


@contextmanager
def platform_scope(reason: str) -> Iterator[None]:
    """The loud exit from tenancy: work across tenants, in a session and a transaction of its own.

    What the scope outside has merely read gives its connection back first, so that a request holds one
    at a time; inside an edge's transaction it keeps it, with its locks.
    """
    outside = open_session()
    if outside is not None and not outside.info.get("edge") and not _wrote(outside):
        release()
    with _enter(PlatformScope(reason)):
        yield


@contextmanager
def nowhere() -> Iterator[None]:
    """Leave the scope, in the midst of its transaction, for work that opens scopes of its own; what that does
    is committed or not by itself."""
    with _enter(None):
        yield


class RequestScope:
    """The scope of one web request: entered once the host is known, left at its teardown."""

    def __init__(self, scope: Scope) -> None:
        self._token = _current.set((scope, next(_entries)))

    def leave(self, *, failed: bool = False) -> None:
        """Drop the session (what was written and not committed is rolled back) and the scope."""
        if not failed:
            _end_reading()
        _drop_session()
        _current.reset(self._token)
