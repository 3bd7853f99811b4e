"""How much of what could be wrong the tests would notice.

    python -m mutate                              every group, which takes hours
    python -m mutate money rules                  these alone, which takes minutes
    python -m mutate accounts --sample 20         of each module so many mutants
    python -m mutate accounts --module signin     of the modules whose path has this pattern
    python -m mutate --again mutate.json          only what survived there

The same seed chooses the same mutants of the same source. Files are not changed: a mutant
lives in the process that tests it.
"""

from __future__ import annotations

import json
import random
import re
import time
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import click

from mutate.judging import HUNG, ROOT, SURVIVED, Servers, judge, lent_servers
from mutate.mutants import Mutant, mutants_of
from mutate.targets import GROUPS, Group

EQUIVALENT = Path(__file__).with_name("equivalent.toml")
RESULTS = Path("mutate.json")
SAMPLE = 60  # of a service, whose tests take longer
Name = tuple[str, str, str]


@dataclass
class Score:
    """Of one module."""

    made: int = 0
    judged: int = 0
    killed: int = 0
    survivors: list[Mutant] = field(default_factory=list)

    @property
    def percent(self) -> float:
        return 100 * self.killed / self.judged if self.judged else 100.0


def equivalents() -> dict[Name, str]:
    """Mutants that change nothing anybody could notice, and why."""
    rows = tomllib.loads(EQUIVALENT.read_text())["mutant"]
    return {(row["module"], row["before"], row["after"]): row["why"] for row in rows}


def chosen(mutants: Sequence[Mutant], *, sample: int, seed: int) -> list[Mutant]:
    if not sample or len(mutants) <= sample:
        return list(mutants)
    picked = random.Random(f"{seed}:{mutants[0].module}").sample(range(len(mutants)), sample)  # noqa: S311
    return [mutants[place] for place in sorted(picked)]


class Run:
    """The groups, one after the other."""

    def __init__(
        self, *, sample: int | None, seed: int, only: Collection[Name] | None, part: str, tests: Sequence[str]
    ) -> None:
        self.sample, self.seed, self.only, self.part, self.tests = sample, seed, only, part, tests
        self.equal = equivalents()
        self.scores: dict[str, Score] = {}

    def group(self, name: str, group: Group, servers: Servers) -> None:
        modules = [module for module in group.modules if re.search(self.part, module)]
        todo = [
            mutant for module in modules for mutant in self._choose(module, is_rule=module in group.rules)
        ]
        if not todo:
            return
        begun = time.monotonic()
        click.echo(f"\n== {name}: {len(todo)} mutants")
        covered = judge(self.tests or group.tests, todo, servers, self._hear)
        for module in sorted({mutant.module for mutant in todo}):
            click.echo(f"   {line_of(module, self.scores[module])}")
        click.echo(f"   {len(covered.seconds)} tests, {time.monotonic() - begun:.0f} s")

    def _choose(self, module: str, *, is_rule: bool) -> list[Mutant]:
        made = mutants_of(module, (ROOT / module).read_text())
        self.scores[module] = Score(made=len(made))
        different = [mutant for mutant in made if mutant.name not in self.equal]
        if self.only is not None:
            return [mutant for mutant in different if mutant.name in self.only]
        usual = 0 if is_rule else SAMPLE
        return chosen(different, sample=usual if self.sample is None else self.sample, seed=self.seed)

    def _hear(self, mutant: Mutant, outcome: str, asked: int) -> None:
        score = self.scores[mutant.module]
        score.judged += 1
        score.killed += outcome != SURVIVED
        if outcome == SURVIVED:
            score.survivors.append(mutant)
        if outcome in {SURVIVED, HUNG}:
            click.echo(f"   {outcome}, {asked} tests: {mutant}")


def line_of(module: str, score: Score) -> str:
    killed = f"{score.killed:4d} of {score.judged:4d} killed, {score.made:4d} made"
    return f"{score.percent:5.1f} %  {killed}  {module}"


def report(scores: dict[str, Score], out: Path) -> None:
    """By module and in all; what survived goes to the file too."""
    click.echo("\nMutants noticed by the tests")
    judged = {module: score for module, score in scores.items() if score.judged}
    for module, score in judged.items():
        click.echo(f"   {line_of(module, score)}")
    whole = Score(
        *(sum(getattr(score, name) for score in judged.values()) for name in ("made", "judged", "killed"))
    )
    click.echo(f"   {line_of('in all', whole)}")
    survivors = [mutant for score in judged.values() for mutant in score.survivors]
    found = {
        "modules": {
            module: {"made": score.made, "judged": score.judged, "killed": score.killed}
            for module, score in judged.items()
        },
        "survivors": [
            {"module": m.module, "line": m.line, "before": m.before, "after": m.after} for m in survivors
        ],
    }
    out.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(GROUPS)))
@click.option(
    "--sample",
    type=int,
    help="Of each module so many; 0 for all.  [default: of a service 60]",
)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--module", "part", default="", help="Only modules whose path has this pattern.")
@click.option("--again", type=click.Path(exists=True, path_type=Path), help="Only what survived there.")
@click.option("--tests", multiple=True, help="Ask these files or folders instead.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, show_default=True)
@click.option("--least", type=float, default=0.0, help="Fail below so many percent.")
def main(
    names: Sequence[str],
    sample: int | None,
    seed: int,
    part: str,
    again: Path | None,
    tests: Sequence[str],
    out: Path,
    least: float,
) -> None:
    only = None
    if again is not None:
        rows = json.loads(again.read_text())["survivors"]
        only = {(row["module"], row["before"], row["after"]) for row in rows}
    run = Run(sample=sample, seed=seed, only=only, part=part, tests=tests)
    with lent_servers() as servers:
        for name in names or GROUPS:
            run.group(name, GROUPS[name], servers)
    report(run.scores, out)
    if any(score.percent < least for score in run.scores.values()):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
