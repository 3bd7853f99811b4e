"""Processes that have everything imported and fork what a test wants to die."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config import Settings
from tests.support.databases import ROOT


@contextmanager
def started(module: str, settings: Settings, log: Path) -> Iterator[subprocess.Popen[str]]:
    """`main` of a module of the tests under these settings, asked by lines on its stdin; killed at the end."""
    given = settings.model_dump(mode="json", include=set(settings.model_fields_set))
    with log.open("ab") as stream, subprocess.Popen(
        [sys.executable, "-c", f"from {module} import main; main()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stream, text=True, cwd=ROOT,
        env={**os.environ, **{key: str(value) for key, value in given.items()}},
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
            process.communicate()
