"""The commands of `python run.py`. Imports of weight stay inside the commands: `--help` answers at once."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

ROOT = Path(__file__).resolve().parents[2]

if TYPE_CHECKING:
    from flask import Flask

    from config import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """WeMaster's processes and tools.

    Without DATABASE_URL and REDIS_URL they use the servers below VAR_DIR, and start them if need be.
    """


def main() -> None:
    """Run a command; what a person can mend is one line on stderr, never a stack trace."""
    from app.shell.assets import AssetsError
    from app.shell.embedded import EmbeddedServerError

    try:
        cli(prog_name="run.py", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except (EmbeddedServerError, AssetsError) as error:
        sys.exit(str(error))


@contextmanager
def _settings(**overrides: Any) -> Iterator[Settings]:
    from app.shell.local import local_settings

    # A stop signal must run the `finally` that stops servers of ours; the loops set handlers of their own.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with local_settings(**overrides) as settings:
        yield settings


@contextmanager
def _app() -> Iterator[Flask]:
    from app.shell.factory import create_app

    with _settings() as settings:
        yield create_app(settings)


@contextmanager
def _lasting_app() -> Iterator[Flask]:
    """Of a process that works until it is stopped."""
    from app.core import garbage

    with _app() as app:
        garbage.settle()
        yield app


def _stop_event() -> threading.Event:
    """An event that SIGTERM and Ctrl-C set; the loops finish what they hold and return."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


@cli.command()
def serve() -> None:
    """Answer HTTP on PORT."""
    from app.shell.server import serve as run_server

    with _settings() as settings:
        run_server(settings)


@cli.command()
def sockets() -> None:
    """Hold the web sockets on SOCKETS_PORT, with WEB_SOCKETS=apart."""
    from gevent import monkey

    monkey.patch_all()  # before anything is imported that would keep what it replaces

    from app.shell.socket_server import hold_sockets

    with _settings() as settings:
        hold_sockets(settings)


@cli.command()
def dispatcher() -> None:
    """Deliver the outbox."""
    from app.core import dispatcher as loop

    with _lasting_app() as app:
        loop.run(app, _stop_event())


@cli.command()
def worker() -> None:
    """Run the jobs that call the outside."""
    from app.core.worker import run_worker

    with _lasting_app() as app:
        run_worker(app)


@cli.command()
def scheduler() -> None:
    """Fire the schedules that are due."""
    from app.core import schedule

    with _lasting_app() as app:
        schedule.run_scheduler(app, _stop_event())


@cli.command()
def simulator() -> None:
    """Be the payment provider of demo and tests: takes test cards, moves no money."""
    from app.core import log
    from app.providers.payments import simulator as payments
    from app.shell.server import hosts
    from config import load_settings

    settings = load_settings(**_kept_secret())
    log.configure(settings.LOG_FORMAT, settings.LOG_LEVEL)
    place = payments.SimulatorSettings.of(settings, hosts=tuple(hosts(settings.BIND)))
    try:
        payments.run(place, _stop_event())
    except (payments.StoreInUse, payments.PortTaken) as error:
        raise click.ClickException(str(error)) from None


def _kept_secret() -> dict[str, str]:
    """The checkout's own key where the environment has none; the simulator needs no server of ours."""
    from app.shell.local import secret_key
    from config import load_settings

    given = load_settings()
    return {} if "SECRET_KEY" in given.model_fields_set else {"SECRET_KEY": secret_key(given.VAR_DIR)}


@cli.command()
@click.option("--verbose", is_flag=True, help="Show every line that the processes log.")
def demo(verbose: bool) -> None:
    """Everything at once: servers, migrations, demo data, all processes."""
    from app.shell.supervisor import run_demo
    from config import load_settings

    sys.exit(run_demo(load_settings(), verbose=verbose))


@cli.command()
def migrate() -> None:
    """Bring the database to the newest version; without the owner's URL print the statements instead."""
    from app.shell import migrations
    from config import load_settings

    given = load_settings()
    if given.MIGRATION_DATABASE_URL:
        migrations.upgrade(given.MIGRATION_DATABASE_URL)
    elif given.DATABASE_URL:
        click.echo("-- MIGRATION_DATABASE_URL is not set. To be run as the database's owner:", err=True)
        click.echo(migrations.statements(given.DATABASE_URL))
    else:
        with _settings() as settings:
            migrations.upgrade(settings.MIGRATION_DATABASE_URL)


@cli.command()
@click.argument("email")
@click.option("--name", default="", help="As others see it; by default what stands before the @.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the first line of stdin.")
def operator(email: str, name: str, password_stdin: bool) -> None:
    """Make an operator, the first or another; asks for the password."""
    from app.shell import operators

    if password_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    else:
        password = operators.ask_password()
    with _app() as app:
        made = operators.make_operator(
            app, email=email, name=name or email.partition("@")[0], password=password
        )
    click.echo(f"{made} is an operator now.")


@cli.command()
def seed() -> None:
    """Live the demo's world up to now, then print its logins; what is there already stays as it is."""
    from app.shell import seed as world

    with _app() as app:
        try:
            world.seed(app, apart=True, say=click.echo)
        except world.Unlived as trouble:
            raise click.ClickException(str(trouble)) from None
        logins = world.logins(app)
    click.echo()
    widths = [max(len(row[column]) for row in logins) for column in range(4)]
    for row in logins:
        click.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


@cli.command()
def check() -> None:
    """Verify on this database what must never be false."""
    from app.shell import checks

    with _app() as app:
        sys.exit(checks.run(app))


@cli.command()
@click.option("--seed", default=1, help="Which history: the same seed gives the same one.")
@click.option("--days", default=30, type=click.IntRange(1, 366))
@click.option("--deeds", default=22, type=click.IntRange(0, 500), help="How much people do a day.")
@click.option("--here", is_flag=True, help="On DATABASE_URL, which must be empty, not on one of its own.")
@click.option("--verbose", is_flag=True, help="Tell everything that happens.")
def simulate(seed: int, days: int, deeds: int, here: bool, verbose: bool) -> None:
    """Live days of a market in which everything fails, and check its books after each."""
    from app.shell.simulation import telling

    try:
        sys.exit(telling.run(seed, days, deeds=deeds, here=here, verbose=verbose))
    except telling.NoPlace as trouble:
        raise click.ClickException(str(trouble)) from None


@cli.command()
def routes() -> None:
    """List every URL rule with its methods and endpoint."""
    with _app() as app:
        for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint)):
            methods = ",".join(sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))
            click.echo(f"{methods:<12} {rule.rule:<60} {rule.endpoint}")


@cli.command()
@click.option("--force", is_flag=True, help="Build also where nothing changed.")
def assets(force: bool) -> None:
    """Build the front-end's files into app/static/dist from the npm packages."""
    from app.shell.assets import build

    build(ROOT, force)


@cli.command()
@click.option("--write/--check", default=False, help="Write migrations/schema.txt anew, or compare.")
def schema(write: bool) -> None:
    """Compare what the migrations make with migrations/schema.txt and with the models."""
    from app.shell import schema as catalogue

    sys.exit(catalogue.run(write=write))


@cli.command()
@click.argument("task", type=click.Choice(["check", "update", "compile"]))
def translations(task: str) -> None:
    """Check, update or compile the catalogues in translations/."""
    from app.shell import translations as catalogues

    sys.exit(getattr(catalogues, task)())
