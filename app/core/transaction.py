"""`with transaction():` at the edge, once; services below never commit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import g, has_request_context
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from app.core import again, scope
from app.core.crash import crash_point
from app.core.db import db
from app.core.errors import NotAllowed, from_database

log = logging.getLogger(__name__)

_CHECK_NOW = text("SET CONSTRAINTS ALL IMMEDIATE")


class NestedTransaction(RuntimeError):
    """A fault of ours: something below an edge tried to own the transaction."""


def is_open() -> bool:
    """Whether an edge's transaction is in force, in which a service may write and announce."""
    return bool(db.session().info.get("edge"))


def writing() -> Session:
    """The session, for a write that it can't see by itself, such as one that stands in a SELECT: from here on
    it holds changes, which can't be dropped or committed in silence. In the edge's transaction only."""
    assert is_open()
    session = db.session()
    session.info["wrote"] = True
    return session


def after_commit(work: Callable[[], None], *, once: bool = False) -> None:
    """Run `work` once the edge's transaction has committed; a hint only: it is lost with the process. With
    `once` a single time, however often it was asked for."""
    wanted = db.session().info.setdefault("after_commit", [])
    if not once or work not in wanted:
        wanted.append(work)


def check_later() -> None:
    """What is being written has a rule that the database checks last, such as the sum of an entry in the
    ledger: `transaction` asks for it before it commits. What nobody told of, the commit itself finds."""
    db.session().info["checked_last"] = True


def check_now(session: Session) -> None:
    """Have the database check what it would check at the commit, where there is something."""
    session.flush()
    if session.info.pop("checked_last", False):
        session.execute(_CHECK_NOW)


@contextmanager
def transaction() -> Iterator[Session]:
    """Commit on success, roll back on any exception, refuse nesting.

    Deferred constraints are checked inside, and what the database refuses becomes a DomainError; bad luck
    becomes TryAgain first, where the request may be run again (`app.core.again`).
    """
    session = db.session()
    if session.info.get("edge"):
        raise NestedTransaction("transaction() belongs to the edge, once")
    if has_request_context() and g.get("csrf_failed"):
        # A form whose token expired is shown again with its text; nothing may be saved on that way.
        raise NotAllowed
    session.info["edge"] = True
    session.info["after_commit"] = []
    session.info.pop("checked_last", None)
    session.info.pop("audit_notes", None)  # of what came to nothing before
    try:
        yield session
        check_now(session)
        crash_point("transaction.checked")
        again.no_more()
        session.commit()
        crash_point("transaction.committed")
    except DBAPIError as error:
        scope.roll_back()
        if again.is_worth_it(error):
            raise again.TryAgain from error
        refusal = from_database(error)
        if refusal is None:
            raise
        raise refusal from error
    except BaseException:
        scope.roll_back()
        raise
    finally:
        session.info["edge"] = False
    for work in session.info.pop("after_commit"):
        try:
            work()
        except Exception:
            log.exception("work after a commit failed")
