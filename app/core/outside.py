"""The door to the outside: every call of a provider goes through `Breaker.call`.

A call is refused while the session holds a transaction, since locks would be held for as long as a
stranger takes to answer; and it is refused at once, without trying, after a provider has failed
several times in a row, until a single trial call has succeeded again.

There are no retries here. Trying again is the outbox's work: it redelivers with back-off, survives a
crash and is seen in the operator's list. A retry hidden in a provider would multiply with those.
So a provider says which kind of failure it met, and gives up: ProviderUnavailable is worth another
delivery, ProviderDeferred too (this one thing, while the provider is well), ProviderRefused is not.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple, TypeVar

import pybreaker
from flask import current_app, has_app_context
from flask_babel import lazy_gettext as _l
from redis import Redis
from redis.exceptions import RedisError

from app.core import again, clock, tally
from app.core.errors import DomainError, Unavailable

log = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_AFTER_SECONDS = 30
PLACE_SECONDS = 1.0
LONGEST_ERROR = 300


class ProviderUnavailable(Unavailable):
    """The provider did not answer, or not in time, or said "later"; whether it acted may be unknown.

    Its text is for people. `detail` says what happened, for the operator and (as a note) the log.
    """

    code = "provider_unavailable"
    message = _l("A service that we need for this does not answer right now. Please try again shortly.")
    permanent: ClassVar[bool] = False

    def __init__(self, provider: str, detail: str, *, retry_after: int = RETRY_AFTER_SECONDS) -> None:
        super().__init__(retry_after=retry_after)
        self.detail = f"{provider}: {detail}"
        self.add_note(self.detail)


class ProviderDeferred(ProviderUnavailable):
    """The provider is well but can't do this one thing now (a full mailbox): no reason to stop calling it."""


class ProviderRefused(DomainError):
    """The provider will never do this; trying again is useless. `detail` as above."""

    code, status = "provider_refused", 422
    message = _l("A service that we need for this has refused it.")
    permanent: ClassVar[bool] = True

    def __init__(self, provider: str, detail: str) -> None:
        super().__init__()
        self.detail = f"{provider}: {detail}"
        self.add_note(self.detail)


class ProviderCalledInTransaction(RuntimeError):
    """A fault of ours: commit, or `scope.release()` a mere read, before a provider is called."""


class BreakerState(NamedTuple):
    """What the operator sees of one breaker, in machine time. `opened_at` and `next_try_at` are None while it
    is closed; what it was like last time stays: when it changed, and its last failure."""

    name: str
    state: str
    failures: int
    opened_at: dt.datetime | None
    next_try_at: dt.datetime | None = None
    changed_at: dt.datetime | None = None
    failed_at: dt.datetime | None = None
    last_error: str = ""


def _never() -> bool:
    return False


_in_transaction: Callable[[], bool] = _never
_breakers: dict[str, Breaker] = {}


def forbid_inside(in_transaction: Callable[[], bool]) -> None:
    """Told once, at start, how to know that the present session holds a transaction."""
    global _in_transaction
    _in_transaction = in_transaction


def breaker(name: str, **limits: Any) -> Breaker:
    """The breaker of this name in this process; made by the first call, whose limits (`Breaker`'s) hold."""
    return _breakers.setdefault(name, Breaker(name, **limits))


def states() -> list[BreakerState]:
    """Every breaker of this process, and those of others that ever failed, by name."""
    names, redis = set(_breakers), _redis()
    if redis is not None:
        try:
            names |= {_text(name) for name in redis.smembers(_NAMES_KEY)}
        except RedisError:
            log.warning("the shared state of the breakers is away; showing this process's own")
    return [(_breakers.get(name) or Breaker(name)).describe() for name in sorted(names)]


class Breaker:
    """Stops calling a provider that fails `fail_max` times in a row; tries again after `reset_seconds`.

    At most `at_once` of a process's threads wait for it: one that hangs must not take all of them, pages
    that need nothing of it go on.
    """

    def __init__(
        self, name: str, *, fail_max: int = 5, reset_seconds: float = 30, at_once: int = 1000
    ) -> None:
        self.name = name
        self._state = _SharedState(name)
        self._places = threading.BoundedSemaphore(at_once)
        self._circuit = _Circuit(
            fail_max=fail_max,
            reset_timeout=reset_seconds,
            state_storage=self._state,
            # Such an answer shows that the provider works.
            exclude=[ProviderRefused, ProviderDeferred],
            throw_new_error_on_trip=False,
            name=name,
        )

    def call(self, work: Callable[[], T]) -> T:
        """Do the work; raises what it raises, ProviderUnavailable at once while the breaker is open,
        or ProviderCalledInTransaction."""
        if _in_transaction():
            raise ProviderCalledInTransaction(f"{self.name} was called inside a transaction")
        again.no_more()
        if not self._places.acquire(timeout=PLACE_SECONDS):
            tally.add(tally.CALLS, self.name, "held_back")
            raise ProviderUnavailable(
                self.name, "not called: too many calls wait for it already", retry_after=5
            )
        try:
            with self._state.looked_at():
                return self._call(work)
        finally:
            self._places.release()

    def _call(self, work: Callable[[], T]) -> T:
        if self._circuit.current_state == pybreaker.STATE_CLOSED:
            return self._through(work)
        if not self._state.claim_trial(self._circuit.reset_timeout):
            tally.add(tally.CALLS, self.name, "held_back")
            raise self._open()
        try:
            return self._through(work)
        finally:
            self._state.end_trial()

    def describe(self) -> BreakerState:
        state = self._circuit.current_state
        opened_at = None if state == pybreaker.STATE_CLOSED else self._state.opened_at
        pause = dt.timedelta(seconds=self._circuit.reset_timeout)
        return BreakerState(
            self.name,
            state,
            self._state.counter,
            opened_at,
            next_try_at=opened_at + pause if opened_at else None,
            changed_at=self._state.moment("changed_at"),
            failed_at=self._state.moment("failed_at"),
            last_error=self._state.last_error,
        )

    def _through(self, work: Callable[[], T]) -> T:
        started, outcome = time.monotonic(), "ok"
        try:
            return self._circuit.call(work)
        except pybreaker.CircuitBreakerError:
            outcome = "held_back"
            raise self._open() from None
        except Exception as error:
            outcome = _outcome(error)
            if outcome in {"unavailable", "fault"}:
                self._state.note_failure(error)
            raise
        finally:
            tally.add(tally.CALLS, self.name, outcome)
            tally.add(tally.CALL_SECONDS, self.name, by=time.monotonic() - started)

    def _open(self) -> ProviderUnavailable:
        seconds = max(1, round(self._circuit.reset_timeout))
        return ProviderUnavailable(self.name, "not called: it failed too often just now", retry_after=seconds)


def _outcome(error: Exception) -> str:
    kinds = {ProviderDeferred: "deferred", ProviderUnavailable: "unavailable", ProviderRefused: "refused"}
    return next((word for kind, word in kinds.items() if isinstance(error, kind)), "fault")


class _Circuit(pybreaker.CircuitBreaker):
    def call(self, func: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Without pybreaker's lock around the call: one hanging call would hold up every other thread's."""
        return self.state.call(func, *args, **kwargs)


_NAMES_KEY = "wm:breakers"
_AWAY_SECONDS = 5.0
_ALWAYS_ASKED = ("state", "failures")


class _Call(threading.local):
    """What a thread saw before the call that it makes just now."""

    seen: dict[str, str] | None = None


class _SharedState(pybreaker.CircuitBreakerStorage):
    """A breaker's state in the application's Redis, for all its processes, and a copy here, for when Redis is
    away or there is no application.

    Losing it is harmless: the breaker starts closed and finds out again.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._key = f"wm:breaker:{name}"
        self._lock = threading.Lock()
        self._copy: dict[str, Any] = {}
        self._call = _Call()
        self._trial_until = 0.0
        self._away_until = 0.0

    @contextmanager
    def looked_at(self) -> Iterator[None]:
        """For one call in this thread: what a call that goes well asks for is asked for once, before it. What
        fails meanwhile is newer than our question, and not ours to forgive."""
        found = self._ask(lambda redis: redis.hmget(self._key, *_ALWAYS_ASKED))
        if found is not None:
            self._call.seen = {
                field: _text(value or b"") for field, value in zip(_ALWAYS_ASKED, found, strict=True)
            }
        try:
            yield
        finally:
            self._call.seen = None

    @property
    def state(self) -> str:
        return str(self._get("state", pybreaker.STATE_CLOSED))

    @state.setter
    def state(self, state: str) -> None:
        self._set("changed_at", clock.machine_now().timestamp())
        self._set("state", state)

    @property
    def counter(self) -> int:
        return int(self._get("failures", 0))

    def increment_counter(self) -> None:
        self._increment("failures")

    def reset_counter(self) -> None:
        if self.counter:
            self._set("failures", 0)

    @property
    def success_counter(self) -> int:
        return int(self._get("successes", 0))

    def increment_success_counter(self) -> None:
        self._increment("successes")

    def reset_success_counter(self) -> None:
        self._set("successes", 0)

    def note_failure(self, error: Exception) -> None:
        """For the operator: what it was, and when."""
        detail = getattr(error, "detail", None) or f"{type(error).__name__}: {error}"
        self._set("last_error", str(detail)[:LONGEST_ERROR])
        self._set("failed_at", clock.machine_now().timestamp())

    @property
    def last_error(self) -> str:
        return str(self._get("last_error", ""))

    def moment(self, field: str) -> dt.datetime | None:
        seconds = self._get(field, None)
        return None if seconds is None else dt.datetime.fromtimestamp(float(seconds), dt.UTC)

    @property
    def opened_at(self) -> dt.datetime | None:
        return self.moment("opened_at")

    @opened_at.setter
    def opened_at(self, at: dt.datetime) -> None:
        self._set("opened_at", at.timestamp())

    def claim_trial(self, seconds: float) -> bool:
        """Whether the caller may be the one that tries; for everybody in all processes, one at a time.

        The claim of a process that died runs out by itself.
        """
        milliseconds = max(1, int(seconds * 1000))
        shared = self._ask(lambda redis: redis.set(f"{self._key}:trial", 1, nx=True, px=milliseconds) or 0)
        if shared is not None:
            return bool(shared)
        with self._lock:
            if time.monotonic() < self._trial_until:
                return False
            self._trial_until = time.monotonic() + seconds
            return True

    def end_trial(self) -> None:
        self._trial_until = 0.0
        self._ask(lambda redis: redis.delete(f"{self._key}:trial"))

    def _get(self, field: str, default: Any) -> Any:
        if self._call.seen is not None and field in self._call.seen:
            return self._call.seen[field] or default
        found = self._ask(lambda redis: redis.hget(self._key, field) or b"")
        if found is None:
            return self._copy.get(field, default)
        return _text(found) or default

    def _set(self, field: str, value: Any) -> None:
        self._call.seen = None
        self._copy[field] = value
        self._ask(lambda redis: redis.hset(self._key, field, value))
        self._ask(lambda redis: redis.sadd(_NAMES_KEY, self.name))

    def _increment(self, field: str) -> None:
        self._call.seen = None
        with self._lock:
            self._copy[field] = int(self._copy.get(field, 0)) + 1
        self._ask(lambda redis: redis.hincrby(self._key, field, 1))
        self._ask(lambda redis: redis.sadd(_NAMES_KEY, self.name))

    def _ask(self, question: Callable[[Redis], Any]) -> Any:
        """Redis's answer, or None where there is none; then it is left alone for some seconds."""
        redis = _redis()
        if redis is None or time.monotonic() < self._away_until:
            return None
        try:
            return question(redis)
        except RedisError:
            log.warning("the shared state of breaker %s is away; using this process's own", self.name)
            self._away_until = time.monotonic() + _AWAY_SECONDS
            return None


def _redis() -> Redis | None:
    return current_app.extensions.get("redis") if has_app_context() else None


def _text(answer: bytes | str) -> str:
    """Redis's text, whichever way its client was made."""
    return answer.decode() if isinstance(answer, bytes) else answer
