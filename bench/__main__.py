"""How fast it is: every request beside its floor, on a platform of some age.

    python -m bench                       all sections, on 1,000 companies with 200,000 lessons
    python -m bench reads writes          these alone
    python -m bench --tiny --out x.json   small, to see that it works

The figures of a run are to be compared with each other only: what counts is the ratio to the floor.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from app.shell import embedded
from bench import chat, dashboard, growth, purchases, reads, report, writes
from bench.data import Size
from bench.ground import Ground, ground
from bench.ground import servers as start_servers
from bench.reads import Pace
from bench.rivals import Rivals, rivals
from bench.running import allow_many_files

RESULTS = Path("bench.json")
Shown = tuple[Any, list[str]]  # what is kept, and the lines to read


@dataclass(frozen=True)
class Scale:
    """How large the data and how long the measuring."""

    size: Size = Size()
    small: Size = Size(tenants=10, lessons=2_000)
    pace: Pace = Pace()
    writes: writes.Pace = writes.Pace()
    purchases: purchases.Pace = purchases.Pace()
    chat: chat.Pace = chat.Pace()
    rounds: int = 15


TINY = Scale(
    size=Size(tenants=12, lessons=1_200, days=60, large_tutors=4),
    small=Size(tenants=3, lessons=1_200, days=60, large_tutors=4),
    pace=Pace(rounds=1, seconds=0.2, a_round=4),
    writes=writes.Pace(rounds=1, a_round=4),
    purchases=purchases.Pace(buyers=2, purchases=2, rushing=6, seats=2),
    chat=chat.Pace(room=8, rates=(5,), seconds=1.0, sockets=10),
    rounds=1,
)


@dataclass
class Bench:
    """One run: what is needed is made when it is needed first, and ends with the run."""

    scale: Scale
    stack: ExitStack

    @cached_property
    def directory(self) -> Path:
        return Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="wm-bench-")))

    @cached_property
    def servers(self) -> embedded.Servers:
        return self.stack.enter_context(start_servers(self.directory / "servers"))

    @cached_property
    def ground(self) -> Ground:
        return self._ground("bench", self.scale.size)

    @cached_property
    def small(self) -> Ground:
        return self._ground("small", self.scale.small)

    @cached_property
    def rivals(self) -> Rivals:
        return self.stack.enter_context(rivals(self.ground))

    def _ground(self, name: str, size: Size) -> Ground:
        say(f"making {name}: {size.tenants} companies, {size.lessons} lessons")
        return self.stack.enter_context(ground(self.servers, name, size, self.directory, say))

    def check(self, when: str) -> None:
        """The rules of `run.py check` hold on the data. Raises AssertionError."""
        say(f"the rules of `run.py check`, {when}")
        broken = self.ground.broken_rules()
        assert not broken, f"{when}: {broken}"
        say(f"all rules of `run.py check` hold {when}")


# -- Sections: what each measures is kept under its name -----------------------------------------------------


def run_reads(bench: Bench) -> Shown:
    found = reads.measure(bench.ground, bench.rivals, bench.scale.pace, say)
    memory = {
        each.name: each.memory() for each in (bench.ground.serve(), bench.rivals.floor, bench.rivals.stock)
    }
    lines = report.table("reads, 8 connections", found)
    lines += report.figures("memory of the web processes, MiB", memory)
    return {"lines": [line.as_json() for line in found], "memory_mib": memory}, lines


def run_writes(bench: Bench) -> Shown:
    found = writes.measure(bench.ground, bench.rivals, bench.scale.writes, say)
    return [line.as_json() for line in found], report.table("writes, 8 connections", found)


def run_purchases(bench: Bench) -> Shown:
    found = purchases.measure(bench.ground, bench.scale.purchases, say)
    return found, report.figures(
        f"whole purchases, {bench.scale.purchases.buyers} buyers, and the rush", found
    )


def run_dashboards(bench: Bench) -> Shown:
    found = dashboard.measure(bench.ground, bench.scale.rounds, say)
    return found, dashboard.table(found)


def run_growth(bench: Bench) -> Shown:
    found = growth.measure(bench.small, bench.ground, bench.scale.pace, say)
    return [each.as_json() for each in found], growth.table(found, bench.small, bench.ground)


def run_chat(bench: Bench) -> Shown:
    found = chat.measure(bench.ground, bench.scale.chat, say)
    return found, report.figures("chat", found)


SECTIONS: dict[str, Callable[[Bench], Shown]] = {
    "reads": run_reads,
    "writes": run_writes,
    "purchases": run_purchases,
    "dashboards": run_dashboards,
    "growth": run_growth,
    "chat": run_chat,
}


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("sections", nargs=-1, type=click.Choice(list(SECTIONS)))
@click.option("--tiny", is_flag=True, help="Little data and short rounds: to see that it works.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
def main(sections: Sequence[str], tiny: bool, out: Path) -> None:
    """Measure SECTIONS (all, if none is named), print their tables, write a JSON file."""
    scale = TINY if tiny else Scale()
    run(scale, sections or list(SECTIONS), out)


def run(scale: Scale, sections: Sequence[str], out: Path) -> None:
    """Each section is shown, and written down with those before it, when it is there."""
    allow_many_files()
    started = time.monotonic()
    results: dict[str, Any] = {"size": asdict(scale.size), "small": asdict(scale.small)}
    with ExitStack() as stack:
        bench = Bench(scale, stack)
        for name in sections:
            results[name], lines = SECTIONS[name](bench)
            click.echo("\n".join(["", *lines]))
            out.write_text(json.dumps(results, indent=2) + "\n")
        bench.check("after all of it")
    say(f"{time.monotonic() - started:.0f} s in all; written to {out}")


def say(what: str) -> None:
    """Progress: a line for whoever waits."""
    click.echo(what, err=True)


if __name__ == "__main__":
    main()
