"""Named moments at which a process may die, so that a test or the simulation can have it die there.

A point stands wherever something is half done: between a transaction and a provider's call, after the answer
and before it is written down, after a commit and before what follows it. Unarmed it is one comparison, and in
production it can't be armed. Each name stands in the code once, and `tests/shell/test_crash_points.py` finds
them by reading it: whoever adds one adds its test with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

_strike: Callable[[str], None] | None = None


def crash_point(name: str) -> None:
    """Nothing happens here, unless somebody armed the points."""
    if _strike is not None:
        _strike(name)


@contextmanager
def armed(strike: Callable[[str], None], *, environment: str) -> Iterator[None]:
    """Within the block each point that this process comes by calls `strike` with its name, in every thread.
    Raises RuntimeError in production."""
    global _strike
    if environment == "production":
        raise RuntimeError("nothing dies on demand in production")
    before, _strike = _strike, strike
    try:
        yield
    finally:
        _strike = before
