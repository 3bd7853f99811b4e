"""Low code stays low code: one entry of nine lines, and a model has everything."""

from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys

from app.core.web.entry import Action, AdminEntry
from tests.support.databases import ROOT, Database


def test_a_throw_away_model_gets_everything(fresh_database: Database) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.support.low_code",
            f"postgresql+psycopg://{fresh_database.owner_url.split('://', 1)[1]}",
            fresh_database.app_url,
            fresh_database.redis_url,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == {"rows": 4, "audit": ["created", "changed", "deleted"]}


PAGE = (ROOT / "docs" / "low-code.md").read_text()


def test_the_example_of_the_page_is_the_one_that_is_used() -> None:
    code = (ROOT / "tests" / "support" / "low_code.py").read_text()
    blocks = re.findall(r"```python\n(class .*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        assert block.strip() in code
    entry = blocks[1].strip().splitlines()
    assert len(entry) <= 10, "ten lines"


def test_the_page_explains_every_attribute_and_every_part_of_an_action() -> None:
    table = "\n".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("|"))
    missing = [name for name in AdminEntry.__annotations__ if f"`{name}`" not in table]
    assert not missing, f"docs/low-code.md says nothing of {missing}"
    missing = [item.name for item in dataclasses.fields(Action) if f"`{item.name}`" not in PAGE]
    assert not missing, f"docs/low-code.md says nothing of an action's {missing}"
    known = set(AdminEntry.__annotations__) | {item.name for item in dataclasses.fields(Action)}
    named = set(re.findall(r"`([a-z]+_[a-z_]+)`", table))
    assert named <= known, f"docs/low-code.md names what does not exist: {named - known}"
