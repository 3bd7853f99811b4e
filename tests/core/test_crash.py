"""Points at which a process may die do nothing by themselves, and never in production."""

from __future__ import annotations

import pytest

from app.core.crash import armed, crash_point


def test_a_point_does_nothing_unless_it_is_armed() -> None:
    struck: list[str] = []
    crash_point("test.before")
    with armed(struck.append, environment="test"):
        crash_point("test.within")
        with armed(lambda name: struck.append(f"inner {name}"), environment="demo"):
            crash_point("test.within")
        crash_point("test.again")
    crash_point("test.after")
    assert struck == ["test.within", "inner test.within", "test.again"]


def test_nothing_is_armed_in_production() -> None:
    struck: list[str] = []
    with (
        pytest.raises(RuntimeError, match="production"),
        armed(struck.append, environment="production"),
    ):
        pass
    crash_point("test.after")
    assert not struck


def test_a_strike_that_raises_leaves_nothing_armed() -> None:
    def strike(_name: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), armed(strike, environment="test"):
        crash_point("test.point")
    crash_point("test.point")
