"""A request that met bad luck in the database is done once more: a deadlock, a lock that others held for too
long, a connection that was cut. People notice nothing; what fails three times is told them as it is.

Only where nothing has left the request yet: before its first commit, and before a provider was called.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from flask import Flask, g, has_request_context, request
from sqlalchemy.exc import DBAPIError

from app.core import scope

log = logging.getLogger(__name__)
T = TypeVar("T")

TRIES = 3
# A lock is waited for in the database already; whoever waited twice is told that it is taken.
PATIENCE_SECONDS = 4.0
FIRST_PAUSE_SECONDS = 0.02
_CONTENDED = frozenset({"40001", "40P01", "55P03"})  # serialization, deadlock, lock timeout
_CUT = frozenset({"57P01", "57P02"})  # an administrator ended it; another backend crashed


class TryAgain(Exception):
    """The transaction was rolled back, and the same work may well succeed now."""


class PatientFlask(Flask):
    """Runs a view again where that is safe."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing here is a coroutine. Flask asks it of every function of a request, some twenty times."""
        return func

    def dispatch_request(self) -> Any:
        g.tries_left = TRIES - 1
        while True:
            try:
                return super().dispatch_request()
            except TryAgain:
                _begin_anew()
            except DBAPIError as error:  # in a mere read, which has no edge
                if not is_worth_it(error):
                    raise
                _begin_anew()


def insist(work: Callable[[], T]) -> T:
    """At the edge: only `work`, which has a `transaction()` of its own, again, and not the whole view."""
    while True:
        try:
            return work()
        except TryAgain:
            _begin_anew()


def is_worth_it(error: DBAPIError) -> bool:
    """Whether this request may try what was refused so once more; it has one try less then."""
    if not has_request_context() or g.get("tries_left", 0) <= 0 or not _is_bad_luck(error):
        return False
    if time.perf_counter() - g.get("started", 0.0) > PATIENCE_SECONDS:
        return False
    g.tries_left -= 1
    log.warning("bad luck in the database; trying again", extra={"error": str(error.orig)[:200]})
    return True


def no_more() -> None:
    """From here on something of this request may be known outside of it."""
    if has_request_context():
        g.tries_left = 0


def _is_bad_luck(error: DBAPIError) -> bool:
    return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _CONTENDED | _CUT


def _begin_anew() -> None:
    scope.roll_back()
    for file in request.files.values():
        file.stream.seek(0)
    # Others want the same at the same moment: not all shall come back together.
    longest = FIRST_PAUSE_SECONDS * 4 ** (TRIES - g.tries_left - 1)
    time.sleep(random.uniform(longest / 4, longest))  # noqa: S311 - jitter, not a secret
