"""The command line: quick help, one-line refusals, statements in place of a migration it may not run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.databases import ROOT, Database

COMMANDS = {
    "serve", "sockets", "dispatcher", "worker", "scheduler", "demo", "migrate", "seed", "assets", "check", "routes",
    "schema", "translations", "operator", "simulator", "simulate",
}  # fmt: skip


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    names = ("DATABASE_URL", "MIGRATION_DATABASE_URL", "REDIS_URL", "SECRET_KEY", "ENVIRONMENT", "PORT")
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    return subprocess.run(
        [sys.executable, "run.py", *arguments], cwd=ROOT, env={**inherited, **environment},
        capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=240, check=False,
    )  # fmt: skip


def test_help_lists_every_command_without_importing_the_application() -> None:
    code = "import sys; from app.shell.cli import cli; print(*cli.commands); print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    commands, modules = (set(line.split()) for line in done.stdout.splitlines())
    assert commands == COMMANDS
    assert not modules & {"flask", "sqlalchemy", "alembic", "redis", "flask_appbuilder"}


@pytest.mark.parametrize("command", ["serve", "sockets", "demo", "migrate"])
def test_a_wrong_setting_is_one_line_that_names_it(command: str) -> None:
    done = run(command, PORT="99999")
    assert done.returncode == 2
    assert done.stderr.startswith("configuration: PORT: ")
    assert done.stderr.count("\n") == 1


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = run("seed", VAR_DIR=str(tmp_path / "file"))
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert str(tmp_path / "file") in done.stderr


def test_migrate_prints_what_it_may_not_run(database: Database, tmp_path: Path) -> None:
    done = run("migrate", DATABASE_URL=database.app_url, VAR_DIR=str(tmp_path / "var"))
    assert done.returncode == 0
    assert "MIGRATION_DATABASE_URL is not set" in done.stderr
    assert "CREATE TABLE" not in done.stdout  # at the newest version: nothing to do
    assert not (tmp_path / "var").exists()


def test_routes_are_listed(database: Database, tmp_path: Path) -> None:
    done = run("routes", DATABASE_URL=database.app_url, REDIS_URL=database.redis_url, VAR_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert any(line.split()[:2] == ["GET", "/readyz"] for line in done.stdout.splitlines())
