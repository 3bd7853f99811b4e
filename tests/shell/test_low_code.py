"""Low code stays low code: one entry of nine lines, and a model has everything."""

from __future__ import annotations

import json
import subprocess
import sys

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
    assert told["rows"] == 4
