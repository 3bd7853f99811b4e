"""The simulator's memory: objects as Stripe shows them, rebuilt at start from a log that only grows.

A change is one line of the log: it is written through to the disk first and holds as a whole or not at all.
"""

from __future__ import annotations

import contextlib
import copy
import fcntl
import json
import os
import secrets
import string
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from app.core import clock

Object: TypeAlias = dict[str, Any]

# What the events say they are written in: the version that the library in use was made for.
API_VERSION = "2026-10-28.endive"
KEPT_SECONDS = 24 * 3600  # how long the answer to an idempotency key is remembered, as Stripe does
_ALPHABET = string.ascii_letters + string.digits


class StoreInUse(RuntimeError):
    """Another simulator works on this folder."""


def now() -> int:
    """Machine time in Stripe's whole seconds."""
    return int(clock.machine_now().timestamp())


def new_id(prefix: str) -> str:
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(24))}"


class Store:
    """All objects, by id and by kind, and the answers given for idempotency keys. For many threads.

    `page_base` is where a browser finds the pages; `announced` is called with the new events of each
    change, in order, once they are on the disk: those of the types that are `wanted`, or all.
    """

    def __init__(self, folder: Path) -> None:
        self._lock = threading.RLock()
        self._objects: dict[str, Object] = {}
        self._kinds: dict[str, dict[str, Object]] = {}
        self._private: dict[str, Object] = {}
        self._answers: dict[str, Object] = {}
        self.page_base = ""
        self.wanted: frozenset[str] | None = None
        self.announced: Callable[[list[Object]], None] = lambda _events: None
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "events.jsonl", os.O_RDWR | os.O_CREAT, 0o600)
        self._log = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            fcntl.flock(self._log, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._log.close()
            raise StoreInUse(f"another simulator uses {folder}") from None
        self._end = self._replay()

    def close(self) -> None:
        with self._lock:
            self._log.close()

    def get(self, object_id: str) -> Object | None:
        """A copy of an object, or None."""
        with self._lock:
            return copy.deepcopy(self._objects.get(object_id))

    def all(self, kind: str) -> list[Object]:
        """All objects of a kind, newest first: the kept ones themselves, to be read only."""
        with self._lock:
            return list(reversed(self._kinds.get(kind, {}).values()))

    def answer(self, key: str) -> Object | None:
        """What was answered for an idempotency key in the last 24 hours."""
        with self._lock:
            answer = self._answers.get(key)
            return answer if answer is not None and answer["at"] > now() - KEPT_SECONDS else None

    @contextlib.contextmanager
    def change(self, request: Object | None = None) -> Iterator[Change]:
        """One change at a time. What it puts is kept when the block ends, and forgotten if it raises.

        `request` is the API call that it is done for, as events name it.
        """
        with self._lock:
            change = Change(self, request or {"id": None, "idempotency_key": None})
            yield change
            line = change.line
            if line is None:
                return
            self._write(line)
            self._apply(line)
            if events := [event for event in change.events if event["pending_webhooks"]]:
                self.announced(events)

    def private(self, object_id: str) -> Object:
        """What Stripe would know of an object and not show."""
        with self._lock:
            return dict(self._private.get(object_id, {}))

    def _write(self, line: Object) -> None:
        raw = json.dumps(line, separators=(",", ":")).encode() + b"\n"
        self._log.seek(self._end)
        try:
            written = self._log.write(raw)
            if written != len(raw):
                raise OSError("the disk took a part only")
            os.fsync(self._log.fileno())
        except OSError:
            self._log.truncate(self._end)
            raise
        self._end += len(raw)

    def _apply(self, line: Object) -> None:
        for item in line["objects"]:
            self._objects[item["id"]] = item
            self._kinds.setdefault(item["object"], {})[item["id"]] = item
        self._private.update(line["private"])
        self._answers.update(line["answers"])

    def _replay(self) -> int:
        """Read the log, and cut off a last line that a crash left unfinished. Returns where it ends."""
        end = 0
        for raw in self._log.read().splitlines(keepends=True):
            if not raw.endswith(b"\n"):
                break
            self._apply(json.loads(raw))
            end += len(raw)
        self._log.truncate(end)
        return end


class Change:
    """What one call does: it sees its own puts, nobody else does until it is done."""

    def __init__(self, store: Store, request: Object) -> None:
        self._store = store
        self._request = request
        self._objects: dict[str, Object] = {}
        self._private: dict[str, Object] = {}
        self._answers: dict[str, Object] = {}
        self.page_base = store.page_base
        self.events: list[Object] = []

    @property
    def line(self) -> Object | None:
        """What goes into the log; None where nothing was changed."""
        if not (self._objects or self._private or self._answers):
            return None
        return {
            "at": now(),
            "objects": list(self._objects.values()),
            "private": self._private,
            "answers": self._answers,
        }

    def get(self, object_id: str) -> Object | None:
        """A copy; `put` it back after changing it."""
        own = self._objects.get(object_id)
        return copy.deepcopy(own) if own is not None else self._store.get(object_id)

    def all(self, kind: str) -> list[Object]:
        """As `Store.all`, without what this change made."""
        return self._store.all(kind)

    def put(self, item: Object) -> Object:
        self._objects[item["id"]] = copy.deepcopy(item)
        return item

    def private(self, object_id: str) -> Object:
        return dict(self._private.get(object_id) or self._store.private(object_id))

    def keep_private(self, object_id: str, **facts: Any) -> None:
        self._private[object_id] = {**self.private(object_id), **facts}

    def remember(self, key: str, answer: Object) -> None:
        """The answer to an idempotency key, kept together with what it did."""
        self._answers[key] = {**answer, "at": now()}

    def tell(self, type: str, thing: Object, previous: Object | None = None) -> None:
        """A new event about `thing` as it is now; `previous` are the members that changed, as they were.

        It is kept as an object of its own, and waits to be delivered until `pending_webhooks` is 0, as it is
        from the start where nobody has asked to be told of such.
        """
        wanted = self._store.wanted
        data: Object = {"object": copy.deepcopy(thing)}
        if previous is not None:
            data["previous_attributes"] = previous
        event = {
            "id": new_id("evt"),
            "object": "event",
            "api_version": API_VERSION,
            "created": now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": int(wanted is None or type in wanted),
            "request": self._request,
            "type": type,
        }
        self.events.append(self.put(event))
