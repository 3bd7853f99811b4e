"""What goes wrong: at the payment provider, with mail and files, and in our own processes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from app.core import crash
from app.core.outside import ProviderUnavailable
from app.providers.mail import MailProvider
from app.providers.mail.base import Mail
from app.providers.payments.simulator import Simulator
from app.providers.storage import StorageProvider
from app.providers.storage.base import StorageFull, StoredFile

# How likely a process dies at each of its crash points while the weather is bad.
DEADLY = 1 / 60


class Killed(BaseException):
    """The process died here: no `except Exception` may notice, and what was not committed is gone."""


class FailingMail:
    """A way for mails that is away, or loses its answer, for its next mails."""

    def __init__(self, real: MailProvider) -> None:
        self._real, self._fails, self._takes_it = real, 0, False

    def fail_next(self, sends: int, *, takes_it: bool) -> None:
        """`takes_it`: the mail goes out all the same."""
        self._fails, self._takes_it = sends, takes_it

    def send(self, mail: Mail) -> None:
        if not self._fails:
            self._real.send(mail)
            return
        self._fails -= 1
        if self._takes_it:
            self._real.send(mail)
        raise ProviderUnavailable("mail", "away")


class FailingStorage:
    """A place for files that is full, or away, for its next file."""

    def __init__(self, real: StorageProvider) -> None:
        self._real = real
        self._next: Exception | None = None

    def fail_next(self, error: Exception | None) -> None:
        self._next = error

    def put(self, key: str, data: bytes, content_type: str) -> None:
        error, self._next = self._next, None
        if error is not None:
            raise error
        self._real.put(key, data, content_type)

    def get(self, key: str) -> StoredFile:
        return self._real.get(key)

    def delete(self, key: str) -> None:
        self._real.delete(key)

    def exists(self, key: str) -> bool:
        return self._real.exists(key)


class Weather:
    """Chance decides what fails; all of it is counted by name."""

    def __init__(
        self,
        rng: random.Random,
        simulator: Simulator,
        mail: FailingMail,
        storage: FailingStorage,
        environment: str,
    ) -> None:
        self._rng, self._faults = rng, simulator.faults
        self._mail, self._storage, self._environment = mail, storage, environment
        self.is_bad = False
        self.happened: Counter[str] = Counter()

    def turn(self) -> None:
        """Bad or good, for some while."""
        self.is_bad = self._rng.random() < 0.6
        self._faults.clear()

    def calm(self) -> None:
        """Nothing fails any more."""
        self.is_bad = False
        self._faults.clear()
        self._forget()

    def _forget(self) -> None:
        """Mail and files are away for moments only: else deliveries would give up, as they should."""
        self._mail.fail_next(0, takes_it=False)
        self._storage.fail_next(None)

    def strike(self) -> None:
        """Perhaps something fails that is called next."""
        self._forget()
        if not self.is_bad or self._rng.random() > 0.35:
            return
        kind = self._rng.choice(
            ["answer lost", "answer lost", "provider hangs", "provider away", "provider says later",
             "search is blind", "mail away", "mail lost its answer", "disk full", "storage away"]
        )  # fmt: skip
        self.happened[kind] += 1
        if kind == "answer lost":
            self._faults.set({"lose_answers": self._rng.randint(1, 2), "lose_how": "drop"})
        elif kind == "provider hangs":
            self._faults.set({"lose_answers": 1, "lose_how": "hang"})
        elif kind == "provider away":
            self._faults.set(
                {"fail_calls": self._rng.randint(1, 8), "fail_status": self._rng.choice([500, 503])}
            )
        elif kind == "provider says later":
            self._faults.set({"fail_calls": 1, "fail_status": 429})
        elif kind == "search is blind":
            self._faults.set({"search_blind": True})
        elif kind == "mail away":
            self._mail.fail_next(self._rng.randint(1, 3), takes_it=False)
        elif kind == "mail lost its answer":
            self._mail.fail_next(1, takes_it=True)
        elif kind == "disk full":
            self._storage.fail_next(StorageFull("storage", "no space left"))
        else:
            self._storage.fail_next(ProviderUnavailable("storage", "away"))

    @contextmanager
    def aside(self) -> Iterator[None]:
        """For questions that nobody of the house asks: they meet no fault, and use none up."""
        left = self._faults.shown()
        self._faults.set({"fail_calls": 0})
        try:
            yield
        finally:
            self._faults.set({"fail_calls": left["fail_calls"]})

    @contextmanager
    def deadly(self) -> Iterator[None]:
        """Within the block this process may die at any crash point; whoever is outside sees `Killed`."""

        def strike(name: str) -> None:
            if self._rng.random() < DEADLY:
                self.happened[f"killed at {name}"] += 1
                raise Killed(name)

        armed: Any = crash.armed(strike, environment=self._environment) if self.is_bad else nullcontext()
        with armed:
            yield
