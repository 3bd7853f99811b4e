"""Golden files: what a text was when somebody last looked at it and agreed."""

from __future__ import annotations

import difflib
import os
from pathlib import Path

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def assert_golden(name: str, text: str) -> None:
    """Compare with tests/golden/<name>; UPDATE_GOLDEN=1 writes it instead."""
    file = GOLDEN / name
    text = text.rstrip("\n") + "\n"
    if os.environ.get("UPDATE_GOLDEN") == "1":
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return
    wanted = file.read_text() if file.exists() else ""
    if text == wanted:
        return
    difference = "".join(
        difflib.unified_diff(
            wanted.splitlines(keepends=True), text.splitlines(keepends=True), f"tests/golden/{name}", "now"
        )
    )
    raise AssertionError(f"{name} differs; if that is right, run again with UPDATE_GOLDEN=1\n{difference}")
