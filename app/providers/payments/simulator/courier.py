"""Webhooks out: signed as Stripe signs them, sent again with back-off until somebody answers 2xx."""

from __future__ import annotations

import hashlib
import heapq
import hmac
import http.client
import itertools
import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from app.providers.payments.simulator.faults import Faults
from app.providers.payments.simulator.store import Object, Store, now

log = logging.getLogger(__name__)

ANSWER_SECONDS = 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 60.0
GIVE_UP_SECONDS = 3 * 86_400
MOST_COPIES_AT_ONCE = 16


def signature(body: bytes, secret: str, at: int) -> str:
    """The `Stripe-Signature` header."""
    digest = hmac.new(secret.encode(), b"%d." % at + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Courier:
    """Delivers events to one address in the order in which they happened, as far as that goes: what has
    to be sent again is overtaken by what came later."""

    def __init__(self, store: Store, faults: Faults, *, url: str, host: str, secret: str) -> None:
        self._store, self._faults, self._secret = store, faults, secret
        parts = urlsplit(url)
        self._target = (parts.hostname or "", parts.port or 80)
        self._path, self._host = parts.path or "/", host or parts.netloc
        self._is_on = bool(url)
        self._due: list[tuple[float, int, str, int]] = []  # when, order, event, tries so far
        self._order = itertools.count()
        self._gathered: list[str] = []
        self._early = threading.local()
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="courier", daemon=True)

    def start(self) -> None:
        """Also sends what was not delivered before the last stop."""
        waiting = [event["id"] for event in self._store.all("event") if event["pending_webhooks"]]
        if self._is_on:
            self._queue(waiting[::-1], delay=0)
            self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def announced(self, events: list[Object]) -> None:
        """New events; called by the thread that caused them, which sends them itself if they are early."""
        ids = [event["id"] for event in events]
        faults = self._faults
        if not self._is_on or faults.webhook_never:
            self._settle(ids)
        elif faults.webhook_early:
            self._early.ids = [*getattr(self._early, "ids", []), *ids]
        elif faults.webhook_reorder > 1:
            self._gather(ids, faults.webhook_reorder)
        else:
            self._queue(ids, delay=faults.webhook_lag)

    def send_early(self) -> None:
        """What this thread's call announced, before its answer goes out."""
        ids, self._early.ids = getattr(self._early, "ids", []), []
        for event_id in ids:
            self._attempt(event_id, 0)

    def send(self, event_id: str) -> int:
        """Once more, now; returns the status that was answered, 0 where nobody did."""
        event = self._store.get(event_id)
        return self._post(event) if event is not None else 0

    def _gather(self, ids: list[str], many: int) -> None:
        with self._wake:
            self._gathered += ids
            ready = len(self._gathered) - len(self._gathered) % many
            full, self._gathered = self._gathered[:ready], self._gathered[ready:]
        for start in range(0, ready, many):
            self._queue(full[start : start + many][::-1], delay=self._faults.webhook_lag)

    def _queue(self, ids: list[str], *, delay: float, tries: int = 0) -> None:
        with self._wake:
            for event_id in ids:
                heapq.heappush(self._due, (time.monotonic() + delay, next(self._order), event_id, tries))
            self._wake.notify_all()

    def _run(self) -> None:
        while (item := self._next()) is not None:
            try:
                self._attempt(*item)
            except Exception:  # a fault here must not end all deliveries
                log.exception("a webhook was lost on the way")

    def _next(self) -> tuple[str, int] | None:
        with self._wake:
            while not self._stopping:
                wait = self._due[0][0] - time.monotonic() if self._due else None
                if wait is not None and wait <= 0:
                    _at, _order, event_id, tries = heapq.heappop(self._due)
                    return event_id, tries
                self._wake.wait(wait)
        return None

    def _attempt(self, event_id: str, tries: int) -> None:
        event = self._store.get(event_id)
        if event is None or not event["pending_webhooks"]:
            return
        copies = min(max(1, self._faults.webhook_copies), MOST_COPIES_AT_ONCE)
        if copies == 1:
            answers = [self._post(event)]
        else:
            with ThreadPoolExecutor(copies) as pool:
                answers = list(pool.map(self._post, [event] * copies))
        if any(200 <= status < 300 for status in answers):
            self._settle([event_id])
        elif event["created"] < now() - GIVE_UP_SECONDS:
            log.warning("webhook %s is given up: %s", event["type"], answers)
            self._settle([event_id])
        else:
            pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0**tries)
            log.info("webhook %s was answered %s; again in %s s", event["type"], answers, pause)
            self._queue([event_id], delay=pause, tries=tries + 1)

    def _settle(self, ids: list[str]) -> None:
        with self._store.change() as change:
            for event_id in ids:
                event = change.get(event_id)
                if event is not None:
                    change.put({**event, "pending_webhooks": 0})

    def _post(self, event: Object) -> int:
        body = json.dumps(event, indent=2, ensure_ascii=False).encode()
        headers = {
            "Host": self._host,
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(body, self._secret, now()),
        }
        connection = http.client.HTTPConnection(*self._target, timeout=ANSWER_SECONDS)
        try:
            connection.request("POST", self._path, body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            log.info("webhook %s found nobody: %s", event["type"], error)
            return 0
        finally:
            connection.close()
