"""Rules of the house that a reader would have to remember, kept by a machine instead."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.support.golden import assert_golden

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "app").rglob("*.py"))
TEMPLATES = [p for p in (ROOT / "app").rglob("*") if p.suffix in {".html", ".txt"} and "templates" in p.parts]

# Who may do what nobody else may, and why.
MAY_COMMIT = {
    "app/core/transaction.py": "the edge's transaction",
    "app/core/scope.py": "ends a clean read, keeping what was read readable",
}
MAY_READ_CLOCK = {"app/core/clock.py": "the one clock"}
MAY_READ_ENVIRONMENT = {
    "app/shell/assets.py": "hands PATH on to node",
    "app/shell/processes.py": "hands the environment on to children",
    "app/shell/embedded.py": "hands the environment on to the servers",
}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def offenders(pattern: str, allowed: dict[str, str]) -> list[str]:
    """`file:line call` of each call whose function matches, outside the allowed files."""
    found = []
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if name in allowed:
            continue
        found += [
            f"{name}:{node.lineno} {function}"
            for function, node in calls(ast.parse(path.read_text()))
            if re.search(pattern, function)
        ]
    return found


def test_every_exit_from_tenancy_is_known() -> None:
    """Who enters the platform's scope, and with which words: a new one is seen in the diff of this file."""
    lines = []
    for path in SOURCES:
        for function, node in calls(ast.parse(path.read_text())):
            if function.split(".")[-1] in {"platform_scope", "PlatformScope"}:
                where = path.relative_to(ROOT).as_posix()
                lines.append(f"{where}: {ast.unparse(node.args[0]) if node.args else ''}")
    assert_golden("platform_scopes.txt", "\n".join(sorted(lines)) + "\n")


def test_only_the_edge_commits() -> None:
    assert offenders(r"session(\(\))?\.commit$|\.session\.commit$", MAY_COMMIT) == []


def test_one_clock() -> None:
    assert offenders(r"datetime\.(now|utcnow|today)$|\bdate\.today$|\btime\.time$", MAY_READ_CLOCK) == []


def test_sql_never_asks_the_time() -> None:
    told = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if re.search(r"\b(now\(\)|current_timestamp|clock_timestamp\(\))", node.value, re.IGNORECASE):
                    if re.search(r"\b(select|insert|update|where|values)\b", node.value, re.IGNORECASE):
                        told.append(f"{path.relative_to(ROOT)}:{node.lineno}")
            if isinstance(node, ast.Call) and ast.unparse(node.func) in {
                "func.now",
                "func.current_timestamp",
            }:
                told.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert told == []


def test_settings_read_the_environment_and_nobody_else() -> None:
    found = []
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if name not in MAY_READ_ENVIRONMENT and re.search(r"\bos\.(environ|getenv)\b", path.read_text()):
            found.append(name)
    assert found == []


def test_templates_trust_nobody() -> None:
    """No `|safe`, no switched-off escaping, nothing inline that the content policy would stop."""
    patterns = {
        r"\|\s*safe\b": "|safe",
        r"{%\s*autoescape\s+false": "autoescape off",
        r"\son\w+\s*=\s*[\"']": "an inline handler",
        # What search engines read is data: no browser runs it.
        r"<script(?![^>]*\b(src=|type=\"application/ld\+json\"))": "an inline script",
    }
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in TEMPLATES
        for pattern, name in patterns.items()
        if re.search(pattern, path.read_text())
    ]
    styled = [
        f"{path.relative_to(ROOT)}: style"
        for path in TEMPLATES
        if "mail" not in path.parts and re.search(r"\sstyle\s*=|<style", path.read_text())
    ]
    assert found + styled == []
    assert len(TEMPLATES) > 20
