"""The register of OWASP ASVS 5.0: reads it, finds what is wrong with it, and writes its page.

`docs/security/asvs-5.0.0.toml` has the numbers and levels, `docs/security/asvs.toml` what we say to each of level 1
and 2, `docs/security/asvs.md` is made of both.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.databases import ROOT

FOLDER = ROOT / "docs" / "security"
PAGE = FOLDER / "asvs.md"
SHOWN, OPEN, NONE = "shown", "open", "not applicable"
MARKS = {SHOWN: "✓", OPEN: "**open**", NONE: "–"}
MEMBERS = {"asks", "tests", "open", "not_applicable", "note"}
KEPT_BY_US = 2  # levels


@dataclass(frozen=True)
class Requirement:
    """One of ASVS's, by number; `asks` is what it wants, in our words."""

    id: str
    level: int
    asks: str
    tests: tuple[str, ...] = ()
    lack: str = ""
    reason: str = ""
    note: str = ""

    @property
    def state(self) -> str:
        return OPEN if self.lack else NONE if self.reason else SHOWN

    @property
    def chapter(self) -> str:
        return self.id.partition(".")[0]


def levels(numbers: Mapping[str, str]) -> dict[str, int]:
    """The level of each requirement, in ASVS's order."""
    return {
        f"{section}.{place}": int(level)
        for section, digits in numbers.items()
        for place, level in enumerate(digits, start=1)
    }


def load(name: str) -> dict[str, dict[str, object]]:
    return tomllib.loads((FOLDER / name).read_text())


def faults(
    known: Mapping[str, int], said: Mapping[str, Mapping[str, object]], root: Path = ROOT
) -> list[str]:
    """What is wrong with a register: each as a line that names the requirement."""
    found = [f"{key}: is no requirement of ASVS" for key in said if key not in known]
    found += [f"{key}: is missing" for key, level in known.items() if level <= KEPT_BY_US and key not in said]
    for key, entry in said.items():
        found += [f"{key}: {fault}" for fault in _faults_of(entry, root)]
    return found


def _faults_of(entry: Mapping[str, object], root: Path) -> Iterable[str]:
    if strange := set(entry) - MEMBERS:
        yield f"has strange members: {', '.join(sorted(strange))}"
    if not entry.get("asks"):
        yield "does not say what is asked"
    answers = [name for name in ("open", "not_applicable") if name in entry]
    if len(answers) > 1:
        yield "gives answers that exclude each other"
    if not answers and not entry.get("tests"):
        yield "is neither shown by a test, nor open, nor without meaning here"
    tests = entry.get("tests", [])
    assert isinstance(tests, list)
    for node in tests:
        if not exists(node, root):
            yield f"names a test that is not there: {node}"


def exists(node: str, root: Path = ROOT) -> bool:
    """Whether pytest would find a function of this name in this file."""
    file, _, name = node.partition("::")
    return name in _tests_of(root / file)


@cache
def _tests_of(path: Path) -> frozenset[str]:
    if not path.is_file():
        return frozenset()
    return frozenset(_names(ast.parse(path.read_text()).body, ""))


def _names(body: Iterable[ast.stmt], before: str) -> Iterable[str]:
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield before + node.name
        elif isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from _names(node.body, f"{before}{node.name}::")


def requirements() -> list[Requirement]:
    """All of level 1 and 2, in ASVS's order."""
    said = load("asvs.toml")
    found = []
    for key, level in levels(load("asvs-5.0.0.toml")["levels"]).items():  # type: ignore[arg-type]
        if level <= KEPT_BY_US:
            entry = said[key]
            found.append(
                Requirement(
                    key,
                    level,
                    str(entry["asks"]),
                    tuple(entry.get("tests", ())),  # type: ignore[arg-type]
                    str(entry.get("open", "")),
                    str(entry.get("not_applicable", "")),
                    str(entry.get("note", "")),
                )
            )
    return found


def page(listed: list[Requirement], chapters: Mapping[str, object]) -> str:
    """The register as a page of Markdown."""
    parts = [HEAD, _summary(listed, chapters), _open(listed)]
    for chapter, name in chapters.items():
        own = [requirement for requirement in listed if requirement.chapter == chapter]
        rows = [_row(requirement) for requirement in own]
        parts.append(
            "\n".join([f"## {chapter} {name}", "", *_head("no.", "L", "asks", "", "shown by"), *rows])
        )
    return "\n\n".join(parts) + "\n"


def _summary(listed: list[Requirement], chapters: Mapping[str, object]) -> str:
    rows = []
    for chapter, name in chapters.items():
        own = [requirement for requirement in listed if requirement.chapter == chapter]
        rows.append(_line(f"{chapter} {name}", *_counts(own)))
    for level in range(1, KEPT_BY_US + 1):
        rows.append(_line(f"level {level}", *_counts([r for r in listed if r.level == level])))
    rows.append(_line("**all**", *_counts(listed)))
    head = _head("chapter", "shown by tests", "open", "not applicable", "together")
    return "\n".join(["## At a glance", "", *head, *rows])


def _counts(listed: list[Requirement]) -> list[str]:
    states = [requirement.state for requirement in listed]
    return [str(states.count(state)) for state in (SHOWN, OPEN, NONE)] + [str(len(listed))]


def _open(listed: list[Requirement]) -> str:
    rows = [_line(r.id, str(r.level), r.lack) for r in listed if r.state == OPEN]
    return "\n".join(["## What is open", "", *_head("no.", "L", "what is missing"), *rows])


def _row(requirement: Requirement) -> str:
    words = [requirement.lack or requirement.reason or requirement.note]
    words += [", ".join(f"`{_short(node)}`" for node in requirement.tests)]
    said = " ".join(word for word in words if word)
    return _line(requirement.id, str(requirement.level), requirement.asks, MARKS[requirement.state], said)


def _short(node: str) -> str:
    return node.removeprefix("tests/")


def _head(*cells: str) -> list[str]:
    return [_line(*cells), "|" + "---|" * len(cells)]


def _line(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


HEAD = """# ASVS 5.0: what shows that we keep it

Every requirement of level 1 and 2 of the [OWASP Application Security Verification Standard](https://github.com/OWASP/ASVS)
5.0.0, with the tests that show it, what is missing, or why it has no meaning here. The standard is OWASP's, under
[CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/); what a requirement asks is told in our own, shorter words, so
read the standard itself before relying on one. This page is under the same licence.

It is made of [asvs.toml](asvs.toml) by `UPDATE_GOLDEN=1 make test ARGS=tests/test_asvs.py`. The suite fails when a requirement is
missing, a test that is named here is gone, or this page is not what the register says. Tests are named without `tests/` in
front. The rules themselves are in [rules.md](rules.md)."""
