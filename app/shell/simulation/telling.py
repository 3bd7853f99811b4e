"""`run.py simulate`: a history is lived, told to the person at the terminal, and how it can be told again."""

from __future__ import annotations

import time

import click

from app.shell.simulation.life import Size, Stopped, Told, simulate
from app.shell.simulation.place import NoPlace, named_place, own_place

__all__ = ["NoPlace", "run"]


def run(seed: int, days: int, *, deeds: int, here: bool, verbose: bool) -> int:
    """Live it and print what it came to; the exit code says whether everything held. Raises NoPlace."""
    begun = time.monotonic()

    def say(line: str) -> None:
        if verbose:
            click.echo(line)
        elif line.partition(" day ")[1]:
            click.echo(f"{line}, {time.monotonic() - begun:.0f} s")

    with (named_place if here else own_place)() as app:
        try:
            told = simulate(app, seed=seed, days=days, size=Size(deeds=deeds), say=say)
        except Stopped as stopped:
            click.echo(f"FAIL {stopped}")
            click.echo(f"     make replay SEED={seed} DAYS={days} tells it again, line by line.")
            return 1
    _print(told)
    return 0


def _print(told: Told) -> None:
    click.echo(
        f"ok   seed {told.seed}: {told.days} days, {told.deeds} deeds, {told.deliveries} deliveries,"
        f" {told.killed} processes killed; no differences, every rule holds"
    )
    for name, counted in (("rows", told.rows), ("failures", told.failures), ("webhooks", told.post)):
        click.echo(f"     {name}: {', '.join(f'{what} {count}' for what, count in counted.items())}")
    click.echo(f"     digest {told.digest}")
