"""Redis as the house asks it: quickly, or not at all.

Redis carries hints only, so nobody waits for one that is away or hangs. A call ends after half a second;
whoever calls in the next seconds is refused at once; then one caller at a time finds out whether it is back.
The library's own default tries eleven times, two seconds each: every page would take half a minute.
"""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from redis import ConnectionPool, Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeout
from redis.retry import Retry

log = logging.getLogger(__name__)
T = TypeVar("T")

ANSWER_SECONDS = 0.5
AWAY_SECONDS = 3.0
LOCAL = "redis://127.0.0.1:6379/0"
_KEEPALIVE = {
    getattr(socket, name): value
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
    if hasattr(socket, name)
}


class LeftAlone(RedisConnectionError):
    """Redis was not asked: it did not answer a moment ago."""


class Patience:
    """Whether Redis is worth asking; of one client, known to all of its threads."""

    def __init__(
        self, *, trial_seconds: float = 2 * ANSWER_SECONDS, away_seconds: float = AWAY_SECONDS
    ) -> None:
        self._trial_seconds, self._away_seconds = trial_seconds, away_seconds
        self._lock = threading.Lock()
        self._is_away, self._until = False, 0.0

    def ask(self) -> None:
        """Raises LeftAlone, except for the one whose turn it is to find out."""
        if not self._is_away:
            return
        with self._lock:
            if time.monotonic() < self._until:
                raise LeftAlone("it did not answer a moment ago")
            self._until = time.monotonic() + self._trial_seconds

    def answered(self) -> None:
        if self._is_away:
            with self._lock:
                self._is_away = False
            log.warning("Redis answers again")

    def failed(self) -> None:
        with self._lock:
            was_away, self._is_away = self._is_away, True
            self._until = time.monotonic() + self._away_seconds
        if not was_away:
            log.warning("Redis is away; hints are done without")


class _Once(Retry):
    """One more try, at once, where a connection turned out to be dead: the server was restarted. None after
    a wait in vain."""

    def __init__(self, patience: Patience) -> None:
        super().__init__(NoBackoff(), 1)
        self._patience = patience

    def __deepcopy__(self, _memo: Any) -> _Once:
        return self  # each connection asks for a copy, and all shall know the same

    def call_with_retry(
        self,
        do: Callable[[], T],
        fail: Callable[..., Any],
        is_retryable: Callable[[Exception], bool] | None = None,
        with_failure_count: bool = False,
    ) -> T:
        for failures in (1, 2):
            try:
                return do()
            except (TimeoutError, RedisConnectionError, RedisTimeout) as error:
                if is_retryable and not is_retryable(error):
                    raise
                fail(error, failures) if with_failure_count else fail(error)
                if failures == 2 or not isinstance(error, RedisConnectionError):
                    self._patience.failed()
                    raise
        raise AssertionError("unreachable")


class _QuickPool(ConnectionPool):
    patience: Patience

    def get_connection(self, command_name: Any = None, *keys: Any, **options: Any) -> Any:
        self.patience.ask()
        return super().get_connection()

    def release(self, connection: Any) -> None:
        """A connection that comes back whole has brought an answer; after a failure it is closed. That one
        could be made shows nothing: a Redis that hangs still takes connections."""
        if connection.is_connected:
            self.patience.answered()
        super().release(connection)


def connect(url: str) -> Redis:
    """A client that never holds a request up for long; its calls raise RedisError. Connects to nothing."""
    patience = Patience()
    pool = _QuickPool.from_url(
        url or LOCAL,
        socket_timeout=ANSWER_SECONDS,
        socket_connect_timeout=ANSWER_SECONDS,
        retry=_Once(patience),
        max_connections=1000,
    )
    pool.patience = patience
    return Redis.from_pool(pool)


def connect_patiently(url: str) -> Redis:
    """A client for who has nothing else to do than to wait for Redis, and tries again in their own way. One
    whose machine is gone says nothing; the kernel notices within half a minute."""
    options: dict[str, Any] = {"socket_connect_timeout": 2, "retry": Retry(NoBackoff(), 1)}
    if not url.startswith("unix:"):
        options["socket_keepalive"] = True
        options["socket_keepalive_options"] = _KEEPALIVE
    return Redis.from_url(url or LOCAL, **options)
