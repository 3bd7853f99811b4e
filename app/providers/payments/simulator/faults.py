"""What goes wrong on demand. Nothing does by itself, and a restart forgets it all."""

from __future__ import annotations

import dataclasses
import threading
from dataclasses import dataclass
from typing import Any


@dataclass
class Faults:
    """Counters are used up by the calls that they hit.

    Webhooks: `webhook_lag` seconds late; each sent `webhook_copies` times at once; `webhook_reorder` of
    them gathered and sent last one first; `webhook_early`, before the answer to the call that caused them
    (which waits until they were taken); `webhook_never`.
    API: `slow` seconds before anything is done; `fail_calls` calls answered with `fail_status` and not
    done; `lose_answers` writing calls done and never answered, the line cut at once or kept silent
    (`lose_how` drop or hang); `search_blind`, as Stripe's search is in the first minute.
    """

    webhook_lag: float = 0.0
    webhook_copies: int = 1
    webhook_reorder: int = 0
    webhook_early: bool = False
    webhook_never: bool = False
    slow: float = 0.0
    fail_calls: int = 0
    fail_status: int = 500
    lose_answers: int = 0
    lose_how: str = "drop"
    search_blind: bool = False

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def set(self, values: dict[str, Any]) -> None:
        """Raises ValueError for a name or a kind of value that there is not."""
        known = {field.name: type(field.default) for field in dataclasses.fields(self)}
        for name, value in values.items():
            kinds = (int, float) if known.get(name) is float else (known.get(name, type(None)),)
            if type(value) not in kinds or (not isinstance(value, str | bool) and not 0 <= value <= 10_000):
                raise ValueError(f"{name} can't be {value!r}")
        if values.get("lose_how", "drop") not in {"drop", "hang"}:
            raise ValueError("lose_how is drop or hang")
        if not 400 <= values.get("fail_status", 500) <= 599:
            raise ValueError("fail_status is the status of an error")
        with self._lock:
            for name, value in values.items():
                setattr(self, name, value)

    def clear(self) -> None:
        self.set(dataclasses.asdict(Faults()))

    def shown(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def use_up(self, counter: str) -> bool:
        """Whether this call is hit; then one less will be."""
        with self._lock:
            left = int(getattr(self, counter))
            if left > 0:
                setattr(self, counter, left - 1)
            return left > 0
