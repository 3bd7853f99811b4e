"""Squawk's word on every migration: what would stop the others' work while it runs, or break the code before it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from app.shell import migrations

SQUAWK = Path(sys.executable).with_name("squawk")
RULES = Path(__file__).with_name("squawk.toml")

# Of a migration that is out, and why it may stay. A new one has to pass, or to say here why not.
FIRST = "the first migration: there are no rows yet"
EARLY = "no installation had rows to speak of before it"
ACCEPTED: dict[tuple[str, str], tuple[int, str]] = {
    ("20261122_skeleton", "prefer-identity"): (12, f"tables of Flask-AppBuilder; {FIRST}"),
    ("20261122_skeleton", "prefer-timestamp-tz"): (8, "tables of Flask-AppBuilder; we read none of these"),
    ("20261126_main_job", "constraint-missing-not-valid"): (1, "plan has a handful of rows"),
    ("20261127_reviews", "constraint-missing-not-valid"): (1, EARLY),
    ("20261127b_search", "require-concurrent-index-creation"): (2, EARLY),
    ("20261129_held_by", "require-lock-timeout"): (1, "nobody waits for what builds an index concurrently"),
}

HARMFUL = {
    "require-concurrent-index-creation": "CREATE INDEX ix_a ON offering (title);",
    "ban-concurrent-index-creation-in-transaction": "CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_a ON offering (title);",
    "adding-required-field": "ALTER TABLE offering ADD COLUMN a text NOT NULL;",
    "adding-foreign-key-constraint": "ALTER TABLE offering ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES subject (id);",
    "constraint-missing-not-valid": "ALTER TABLE offering ADD CONSTRAINT c CHECK (a > 0);",
    "changing-column-type": "ALTER TABLE offering ALTER COLUMN a TYPE bigint;",
    "renaming-column": "ALTER TABLE offering RENAME COLUMN a TO b;",
    "renaming-table": "ALTER TABLE offering RENAME TO offerings;",
    "ban-drop-column": "ALTER TABLE offering DROP COLUMN a;",
    "ban-drop-table": "DROP TABLE offering;",
    "adding-not-nullable-field": "ALTER TABLE offering ALTER COLUMN a SET NOT NULL;",
    "prefer-timestamp-tz": "CREATE TABLE a (id bigint PRIMARY KEY, at timestamp);",
    "prefer-identity": "CREATE TABLE a (id bigserial PRIMARY KEY);",
}
HARMLESS = """
BEGIN;
SET LOCAL lock_timeout = '1s';
CREATE TABLE shelf (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL, n integer);
CREATE INDEX ix_shelf_at ON shelf (at);
ALTER TABLE offering ADD COLUMN note text;
ALTER TABLE offering ADD CONSTRAINT c CHECK (note <> '') NOT VALID;
COMMIT;
CREATE INDEX CONCURRENTLY IF NOT EXISTS ix_offering_note ON offering (note);
BEGIN;
ALTER TABLE offering VALIDATE CONSTRAINT c;
COMMIT;
"""


def squawk(sql: str) -> Counter[str]:
    """How often each of the judge's rules is broken."""
    done = subprocess.run(
        [SQUAWK, "--config", RULES, "--reporter", "json"],
        input=sql,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.startswith("["), done.stderr
    return Counter(one["rule_name"] for one in json.loads(done.stdout))


def test_migrations_stop_nobody() -> None:
    found: dict[tuple[str, str], int] = {}
    for before, revision in migrations.steps():
        for rule, times in squawk(migrations.script(before, revision)).items():
            found[revision, rule] = times
    assert found == {place: times for place, (times, _why) in ACCEPTED.items()}


@pytest.mark.parametrize("rule", HARMFUL)
def test_the_judge_sees_what_is_harmful(rule: str) -> None:
    assert rule in squawk(f"BEGIN;\nSET LOCAL lock_timeout = '1s';\n{HARMFUL[rule]}\nCOMMIT;\n")


def test_a_lock_must_be_short() -> None:
    assert "require-lock-timeout" in squawk("BEGIN;\nALTER TABLE offering ADD COLUMN note text;\nCOMMIT;\n")


def test_the_judge_lets_pass_what_is_not() -> None:
    assert squawk(HARMLESS) == Counter()
