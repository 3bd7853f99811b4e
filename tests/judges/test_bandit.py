"""Bandit's word on the code: each thing it points at has been looked at, and says here why it may stay."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.support.databases import ROOT

# Not asked: what a rule of this name says of every place alike.
LEFT_OUT = {
    "B101": "assert states what the type checker or the reader should know; the servers run without -O",
    "B404": "importing subprocess is no fault; each call is looked at (B603)",
}

OUR_NAMES = "names of our own tables and columns; every value is bound"
OUR_COMMAND = "a command of our own, a list without a shell"
ESCAPED = "what is declared to be HTML was escaped value by value, or drawn by a template of ours"
PICTURE = "a picture of the demo, the same for the same seed"
ACCEPTED: dict[tuple[str, str], str] = {
    ("app/core/again.py", "B311"): "chance between two tries, no secret",
    ("app/core/web/kept_pages.py", "B105"): "where a token stands in a page, no token",
    ("app/core/dispatcher.py", "B311"): "chance between two tries, no secret",
    ("app/domains/accounts/api.py", "B105"): "the kind of a token, no secret",
    ("app/domains/catalog/portal/seo.py", "B406"): "writes XML, reads none",
    ("app/domains/payments/jobs/paying.py", "B106"): "an empty text, no secret",
    ("app/providers/payments/simulator/control.py", "B104"): "compared, not bound",
    ("app/providers/payments/simulator/settings.py", "B104"): "compared, not bound",
    ("app/core/web/tables.py", "B704"): ESCAPED,
    ("app/shell/kept_parts.py", "B704"): ESCAPED,
    ("app/shell/words.py", "B704"): ESCAPED,
    ("app/shell/admin.py", "B105"): "words about a table of secrets",
    ("app/shell/assets.py", "B603"): OUR_COMMAND,
    ("app/shell/business_checks.py", "B608"): OUR_NAMES,
    ("app/shell/checks.py", "B608"): OUR_NAMES,
    ("app/shell/embedded.py", "B108"): "its owner and mode are checked",
    ("app/shell/embedded.py", "B603"): OUR_COMMAND,
    ("app/shell/processes.py", "B603"): OUR_COMMAND,
    ("app/shell/server.py", "B108"): "gunicorn makes its heartbeat's file there, unlinked at once",
    ("app/shell/simulation/life.py", "B311"): "a history that can be told again, no secret",
    (
        "app/shell/simulation/market.py",
        "B105",
    ): "people of the simulation; there is nothing to be had with it",
    ("app/shell/translations.py", "B603"): OUR_COMMAND,
    ("app/shell/world/covers.py", "B311"): PICTURE,
    ("app/shell/world/plan.py", "B311"): "the demo's plan, the same for the same seed",
    ("app/shell/world/portraits.py", "B311"): PICTURE,
    ("migrations/versions/20261122_skeleton.py", "B608"): "names of roles, from constants",
}

FAULTY = """
import hashlib, pickle, random, requests, subprocess, tempfile, yaml
from flask import Flask
from markupsafe import Markup

def look(cursor, name, text):
    cursor.execute("SELECT id FROM person WHERE name = '%s'" % name)
    subprocess.run("ls " + name, shell=True)
    requests.get("https://example.org/", verify=False)
    return pickle.loads(text), yaml.load(text), eval(name), hashlib.md5(text), tempfile.mktemp()

Flask(__name__).run(debug=True, host="0.0.0.0")
"""
MUST_BE_SEEN = {"B608", "B602", "B113", "B501", "B301", "B506", "B307", "B324", "B306", "B201", "B104"}


def bandit(*paths: Path) -> set[tuple[str, str]]:
    """Which of its rules are broken, by file. Each place in it says why in a word to the linter, too."""
    command = [sys.executable, "-m", "bandit", "--quiet", "--recursive", "--format", "json"]
    left_out = ["--skip", ",".join(LEFT_OUT)]
    done = subprocess.run(
        [*command, *left_out, *map(str, paths)], capture_output=True, text=True, check=False, cwd=ROOT
    )
    told = json.loads(done.stdout)
    assert told["errors"] == []
    assert told["metrics"]["_totals"]["loc"] > 0
    assert told["metrics"]["_totals"]["nosec"] == 0, "the reasons stand here, not in comments that hide all"
    return {(one["filename"].removeprefix("./"), one["test_id"]) for one in told["results"]}


def test_the_code() -> None:
    found = bandit(*(Path(name) for name in ("app", "migrations", "deploy", "config.py", "run.py")))
    assert sorted(found ^ set(ACCEPTED)) == []


def test_the_judge_sees_what_is_faulty(tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.py"
    faulty.write_text(FAULTY)
    assert {rule for _name, rule in bandit(faulty)} >= MUST_BE_SEEN
