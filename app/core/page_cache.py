"""Rendered pages that many visitors ask for, kept until what they show changes.

A page is kept under everything it depends on (the company, what was asked for, language, zone) and under the
company's *revision*: a random word in Redis for each kind of thing that pages show. Whoever changes such a
thing sets another word after the commit, and what was kept is never asked for again. Such a word can be lost
with its process, so nothing is kept longer than its kind lives, here and in Redis: twice that in all.

The words are asked for once in a tenth of a second, however many people ask: where many look at the same
page, Redis was a third of what it cost. For so long another process may still show them what it had.

Pages are kept in this process, within a number of bytes; what several of its threads ask for at once is made
once. One of a plain address that is asked for again goes into Redis for the other processes, and with the
company's words they hear whether there is anything to look for: most pages are asked for once before they
are old, and each question to Redis is a twentieth of what making one costs. Where Redis is away a page is
kept for two seconds, in this process only.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import lz4.frame
from redis import Redis
from redis.exceptions import RedisError

from app.core import metrics

log = logging.getLogger(__name__)

CONTENT = "content"  # what is sold, by whom, and what is said of it
FREE_TIMES = "times"  # when it is free
KINDS = (CONTENT, FREE_TIMES)
LIVES_SECONDS = {CONTENT: 300, FREE_TIMES: 60}
AWAY_SECONDS = 2.0
HEARD_SECONDS = 0.1
WAIT_SECONDS = 5.0
_PREFIX = "pages"
_HERE = secrets.token_hex(8)
_SHARED = "shared"  # beside a company's words, while any of its pages are in Redis

Key = tuple[Any, ...]
Revisions = tuple[Any, ...]


@dataclass(frozen=True)
class Kept:
    """A page in pieces: between them goes what is each request's own, named by a letter of `slots`."""

    pieces: tuple[bytes, ...]
    slots: str

    @property
    def size(self) -> int:
        return sum(map(len, self.pieces)) + 500

    def filled(self, values: dict[str, bytes]) -> bytes:
        """The whole page. `values` has one for each letter."""
        if not self.slots:
            return self.pieces[0]
        found = [self.pieces[0]]
        for slot, piece in zip(self.slots, self.pieces[1:], strict=True):
            found += (values[slot], piece)
        return b"".join(found)

    def packed(self) -> bytes:
        """As bytes that `unpacked` reads: the lengths of the pieces in a line of their own."""
        lengths = ",".join(str(len(piece)) for piece in self.pieces)
        return bytes(lz4.frame.compress(f"{self.slots} {lengths}\n".encode() + b"".join(self.pieces)))

    @classmethod
    def unpacked(cls, data: bytes) -> Kept:
        """Raises ValueError for what is none."""
        try:
            head, _line, body = lz4.frame.decompress(data).partition(b"\n")
        except (RuntimeError, EOFError, MemoryError) as error:
            raise ValueError("this is nothing packed") from error
        slots, _space, lengths = head.decode().partition(" ")
        pieces, at = [], 0
        for length in map(int, lengths.split(",")):
            pieces.append(body[at : at + length])
            at += length
        if len(pieces) != len(slots) + 1 or at != len(body) or "-" in lengths:
            raise ValueError("these are no pieces of a page")
        return cls(tuple(pieces), slots)


@dataclass
class _Known:
    """A page that is kept here, until when, and whether Redis has it, or is about to."""

    page: Kept
    until: float
    is_shared: bool


@dataclass
class _Flight:
    """A page that somebody is making; the others wait for it."""

    done: threading.Event = field(default_factory=threading.Event)
    page: Kept | None = None


class PageCache:
    """One per process. `megabytes` is what it may take here; with 0 nothing is kept anywhere. `build` names
    the version of the templates, which pages of another version must not be taken for."""

    def __init__(self, redis: Redis, *, megabytes: int, build: Callable[[], str]) -> None:
        self._redis, self._build = redis, build
        self._most_bytes = megabytes * 1024 * 1024
        self._lock = threading.Lock()
        self._pages: OrderedDict[Key, _Known] = OrderedDict()
        self._bytes = 0
        self._flights: dict[Key, _Flight] = {}
        self._heard: dict[int | str, tuple[float, Revisions]] = {}
        self.hits = self.misses = 0

    @property
    def is_on(self) -> bool:
        return self._most_bytes > 0

    # -- Revisions -----------------------------------------------------------------------------------------

    def ask(self, tenant_id: int, *, also: str, anew: bool = False) -> tuple[Any, Revisions]:
        """What stands under the key `also`, which must always be the same one, and the company's words as far
        as there are any: in one question. What was heard just now will do, unless it is to be asked `anew`.
        Raises RedisError."""
        keys = [also, *_words(tenant_id), _word(tenant_id, _SHARED)]
        first, *words, _is_sharing = self._hear(tenant_id, keys, anew=anew)
        return first, tuple(words)

    def ask_word(self, key: str, *, anew: bool = False) -> Any:
        """What stands under a key alone, as `ask` does."""
        return self._hear(key, [key], anew=anew)[0]

    def _hear(self, name: int | str, keys: Sequence[str], *, anew: bool) -> Revisions:
        known = None if anew else self._heard.get(name)
        if known is None or time.monotonic() - known[0] >= HEARD_SECONDS:
            since = time.monotonic()
            known = self._heard[name] = (since, tuple(self._redis.mget(keys)))
        return known[1]

    def ask_anew(self, tenant_id: int | None = None) -> None:
        """What was heard of the company, or of all that there is, is old."""
        if tenant_id is None:
            self._heard.clear()
        else:
            self._heard.pop(tenant_id, None)

    def revisions(self, tenant_id: int, read: Sequence[Any] | None = None) -> Revisions:
        """The company's words, one for each kind; `read` are those that were read already."""
        keys = _words(tenant_id)
        try:
            words: list[Any] = list(read if read is not None else self._redis.mget(keys))
            if None in words:
                # Never a fixed word for "none yet": Redis may have been emptied, and pages of before be kept.
                with self._redis.pipeline(transaction=False) as pipe:
                    for key in keys:
                        pipe.set(key, secrets.token_hex(8), nx=True)
                    pipe.mget(keys)
                    words = list(pipe.execute()[-1])
                self.ask_anew(tenant_id)
        except RedisError:
            return self.away()
        return tuple(words)

    @staticmethod
    def away() -> Revisions:
        """What counts for the next moment where there are no words; no other machine says the same."""
        return (("away", _HERE, int(time.monotonic() / AWAY_SECONDS)),) * len(KINDS)

    def forget(self, tenant_id: int, kinds: Iterable[str] = KINDS) -> None:
        """What was kept of a company is old; after the commit that changed it."""
        new = {kind: secrets.token_hex(8).encode() for kind in kinds}
        try:
            # Before anybody here knows them: a word that is late in Redis may take the place of a later one,
            # and nothing may be kept under it by then.
            self._redis.mset({_word(tenant_id, kind): word for kind, word in new.items()})
        except RedisError:
            log.warning("pages could not be told that they are old; they are kept a minute or two")
            self.ask_anew(tenant_id)
            return
        with self._lock:  # what this thread changed it need not ask for
            known = self._heard.get(tenant_id)
            if known is not None:
                since, (first, *words, is_sharing) = known
                words = [new.get(kind, word) for kind, word in zip(KINDS, words, strict=True)]
                self._heard[tenant_id] = (since, (first, *words, is_sharing))

    # -- Pages ---------------------------------------------------------------------------------------------

    def find(
        self, key: Key, make: Callable[[], Kept | None], *, kind: str, shared_by: int | None
    ) -> Kept | None:
        """The page of this key; where there is none it is made, once for all who ask. None where `make` says
        that it can't be kept; whoever waited for it then makes their own. Raises what `make` raises.
        `shared_by` is the company that shares it with other processes, if any does."""
        with self._lock:
            known = self._known(key)
            flight = self._flights.get(key)
            is_first = known is None and flight is None
            if is_first:
                flight = self._flights[key] = _Flight()
        if known is not None:
            self._count(is_hit=True)
            if shared_by is not None and not known.is_shared:
                self._share(shared_by, key, known)
            return known.page
        assert flight is not None
        if not is_first:
            flight.done.wait(WAIT_SECONDS)
            self._count(is_hit=flight.page is not None)
            return flight.page or make()
        try:
            flight.page = self._elsewhere(shared_by, key) if shared_by is not None else None
            is_shared = flight.page is not None
            self._count(is_hit=is_shared)
            if flight.page is None:
                flight.page = make()
            if flight.page is not None:
                self._keep(key, flight.page, kind, is_shared=is_shared)
            return flight.page
        finally:
            with self._lock:
                del self._flights[key]
            flight.done.set()

    def _count(self, *, is_hit: bool) -> None:
        if is_hit:
            self.hits += 1
        else:
            self.misses += 1
        metrics.PAGE_CACHE.labels("hit" if is_hit else "miss").inc()

    def _known(self, key: Key) -> _Known | None:
        """Under the lock."""
        found = self._pages.get(key)
        if found is None:
            return None
        if time.monotonic() >= found.until:
            self._drop(key)
            return None
        self._pages.move_to_end(key)
        return found

    def _keep(self, key: Key, page: Kept, kind: str, *, is_shared: bool) -> None:
        with self._lock:
            self._drop(key)
            self._pages[key] = _Known(page, time.monotonic() + LIVES_SECONDS[kind], is_shared)
            self._bytes += page.size
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._pages)))

    def _drop(self, key: Key) -> None:
        found = self._pages.pop(key, None)
        if found is not None:
            self._bytes -= found.page.size

    # -- Redis ---------------------------------------------------------------------------------------------

    def _elsewhere(self, tenant_id: int, key: Key) -> Kept | None:
        """What another process has made, where we heard of any."""
        heard = self._heard.get(tenant_id)
        if heard is None or heard[1][-1] is None:
            return None
        try:
            found = self._redis.get(self._name(key))
            return Kept.unpacked(found) if isinstance(found, bytes) else None
        except (RedisError, ValueError):
            return None

    def _share(self, tenant_id: int, key: Key, known: _Known) -> None:
        """What was asked for again, once, and for no longer than it is kept here."""
        with self._lock:
            if known.is_shared:
                return
            known.is_shared = True
        lives = int(known.until - time.monotonic())
        if lives < 1:
            return
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                pipe.set(self._name(key), known.page.packed(), ex=lives)
                pipe.set(_word(tenant_id, _SHARED), 1, ex=max(LIVES_SECONDS.values()))
                pipe.execute()
        except RedisError:
            known.is_shared = False  # whoever asks next tries again
            log.debug("a page could not be shared")

    def _name(self, key: Key) -> str:
        """Hashed: an address may be long, and what is asked for is nobody's business."""
        return f"{_PREFIX}:{hashlib.sha256(repr((self._build(), *key)).encode()).hexdigest()}"


def _words(tenant_id: int) -> list[str]:
    """Where Redis has the company's revisions."""
    return [_word(tenant_id, kind) for kind in KINDS]


def _word(tenant_id: int, kind: str) -> str:
    return f"{_PREFIX}:{tenant_id}:{kind}"
