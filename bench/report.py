"""What was measured, as lines to read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bench.measuring import Line

HEADS = ("SQL", "CPU ms", "db ms", "req/s", "p50", "p95", "p99", "x time", "x CPU", "goal")


def table(title: str, lines: Sequence[Line]) -> list[str]:
    """Ours in a row each, its floor (and stock) below it. `x` is the multiple of the floor's; a goal counts
    as met when time and CPU are within it, and the statements within theirs."""
    shown = [f"{title:<34}" + "".join(f"{head:>8}" for head in HEADS)]
    for line in lines:
        shown.append(
            _row(line.name, line.house, _number(line.times_floor), _number(line.cpu_times_floor), _goal(line))
        )
        if line.floor is not None:
            shown.append(_row("  floor", line.floor))
        if line.stock is not None:
            by_time = line.house.per_second / line.stock.per_second
            by_cpu = line.stock.cpu_ms / line.house.cpu_ms
            shown.append(_row("  stock Flask-AppBuilder", line.stock))
            shown.append(f"  ours is {by_time:.1f} times as fast as stock, by CPU {by_cpu:.1f} times")
    return shown


def _row(name: str, cost: Any, *more: str) -> str:
    figures = (
        "-" if cost.statements is None else f"{cost.statements}",
        f"{cost.cpu_ms:.2f}",
        f"{cost.database_ms:.2f}",
        f"{cost.per_second:.0f}",
        f"{cost.p50_ms:.1f}",
        f"{cost.p95_ms:.1f}",
        f"{cost.p99_ms:.1f}",
        *more,
    )
    return f"{name:<34}" + "".join(f"{figure:>8}" for figure in figures)


def _goal(line: Line) -> str:
    if line.goal is None:
        return ""
    return f"{line.goal:g} {'ok' if line.is_met else 'NO'}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def figures(title: str, found: Mapping[str, Any]) -> list[str]:
    """Named figures, one in a line."""
    lines = [title]
    for name, value in found.items():
        text = (
            f"{value:,.1f}"
            if isinstance(value, float)
            else f"{value:,}"
            if isinstance(value, int)
            else str(value)
        )
        lines.append(f"  {name:<60}{text:>14}")
    return lines
