"""`run.py operator` as a person at a terminal and as a script use it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import click
import pytest
from flask import Flask

from app.shell import operators
from tests.support.databases import ROOT, Database
from tests.support.world import PLATFORM, World

EMAIL, PASSWORD = "Olivia@House.test", "a long enough secret"


def make(app: Flask, **changes: str) -> str:
    return operators.make_operator(app, **{"email": EMAIL, "name": "Olivia", "password": PASSWORD, **changes})


def accounts(database: Database) -> list[tuple[str, str, str]]:
    with database.connect() as connection:
        query = "SELECT email, first_name, platform_role FROM ab_user WHERE email LIKE '%%house.test'"
        return connection.execute(query).fetchall()


def test_the_operator_signs_in_and_the_trail_says_who_made_them(
    app: Flask, world: World, database: Database
) -> None:
    assert make(app) == "olivia@house.test"
    assert world.browser(PLATFORM, "olivia@house.test", PASSWORD).get("/admin/tenants/").status_code == 200
    with database.connect() as connection:
        trail = connection.execute(
            "SELECT actor_kind, actor_label, verb, changes::text FROM audit_entry"
            " WHERE thing_label = 'olivia@house.test' ORDER BY id"
        ).fetchall()
    assert {row[:2] for row in trail} == {("system", "Command line")}
    assert trail[0][2] == "created"
    assert "operator" in trail[-1][3]
    assert PASSWORD not in str(trail)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "short"}, "another password"),
        ({"password": "password1234"}, "another password"),
        ({"email": "nobody"}, "not an e-mail address"),
        ({"name": "  "}, "your name"),
    ],
)
def test_what_is_refused_makes_nobody(
    app: Flask, database: Database, changes: dict[str, str], words: str
) -> None:
    with pytest.raises(click.ClickException, match=words):
        make(app, **changes)
    assert accounts(database) == []


def test_an_address_that_exists_is_refused_and_stays_as_it_is(
    app: Flask, world: World, database: Database
) -> None:
    with pytest.raises(click.ClickException, match="manager@anna.test has an account already"):
        make(app, email="Manager@Anna.test")
    with database.connect() as connection:
        query = "SELECT platform_role FROM ab_user WHERE email = 'manager@anna.test'"
        assert connection.execute(query).fetchall() == [(None,)]
    assert world.manager().get("/admin/").status_code == 200


def command(database: Database, var_dir: Path, *arguments: str, **streams: object) -> subprocess.Popen[str]:
    environment = {
        **os.environ, "DATABASE_URL": database.app_url, "REDIS_URL": database.redis_url,
        "SECRET_KEY": "k" * 40, "VAR_DIR": str(var_dir), "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    return subprocess.Popen(
        [sys.executable, "run.py", "operator", EMAIL, *arguments],
        cwd=ROOT, env=environment, text=True, start_new_session=True, **streams,  # type: ignore[call-overload]
    )  # fmt: skip


def test_a_script_gives_the_password_on_stdin(database: Database, tmp_path: Path) -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = command(database, tmp_path, "--password-stdin", "--name", "Olivia Ops", **pipes)
    said, complaint = process.communicate(f"{PASSWORD}\n", timeout=60)
    assert (process.returncode, said) == (0, "olivia@house.test is an operator now.\n"), complaint
    assert accounts(database) == [("olivia@house.test", "Olivia Ops", "operator")]
    again = command(database, tmp_path, "--password-stdin", **pipes)
    _said, complaint = again.communicate(f"{PASSWORD}\n", timeout=60)
    assert (again.returncode, complaint) == (1, "Error: olivia@house.test has an account already.\n")


@pytest.mark.parametrize(
    ("second", "code", "words"),
    [(PASSWORD, 0, "is an operator now"), ("something else", 1, "not the same")],
)
def test_a_person_is_asked_twice_and_the_password_is_not_shown(
    database: Database, tmp_path: Path, second: str, code: int, words: str
) -> None:
    ours, theirs = pty.openpty()
    process = command(database, tmp_path, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = ""
    for prompt, answer in (("Password: ", PASSWORD), ("The same again: ", second)):
        while not shown.endswith(prompt):
            shown += os.read(ours, 1000).decode()
        os.write(ours, f"{answer}\n".encode())
    try:
        while piece := os.read(ours, 1000):
            shown += piece.decode()
    except OSError:  # so ends a terminal whose last process has gone
        pass
    os.close(ours)
    assert process.wait(60) == code
    assert words in shown
    assert PASSWORD not in shown
    assert [row[1:] for row in accounts(database)] == ([("Olivia", "operator")] if code == 0 else [])


def test_without_a_terminal_nothing_is_asked(database: Database, tmp_path: Path) -> None:
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = command(database, tmp_path, **pipes)
    _said, complaint = process.communicate(timeout=60)
    assert process.returncode == 1
    assert complaint == "Error: No terminal to ask for a password: use --password-stdin.\n"
    assert accounts(database) == []
