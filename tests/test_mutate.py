"""Mutants are what they say, reach the tests, and are told as they ended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from mutate.__main__ import chosen, equivalents
from mutate.grafting import graft
from mutate.judging import ROOT, Covered
from mutate.mutants import Mutant, mutants_of
from mutate.targets import GROUPS

SOURCE = '''
"""What it is."""
from functools import cache

LIMIT: int = 3

class Gate:
    @property
    def is_open(self) -> bool:
        return LIMIT > 2

@cache
def allowed(count: int = 1) -> bool:
    log.info("asked")
    if count < 0:
        raise ValueError("too few")
    tell(count)
    return count <= LIMIT
'''


def changes(source: str) -> set[str]:
    return {mutant.after for mutant in mutants_of("module.py", source)}


def test_what_matters_is_changed() -> None:
    found = changes(SOURCE)
    assert {"LIMIT: int = 4", "return LIMIT >= 2", "return count < LIMIT", "pass", "tell(None)"} <= found
    assert not any("log" in text or "raise" in text or '"""' in text or "import" in text for text in found)


@pytest.mark.parametrize(
    "source",
    [
        "from a import b",
        '"""Words."""',
        "Moves = Mapping[str, int]",
        "__all__ = ['a', 'b']",
        "def f(a: 'int | None') -> 'set[str]': ...",
        "if TYPE_CHECKING:\n    x = 1",
        "message = _l('Please wait %(count)s days.', count=3)",
        "def f():\n    raise ValueError('no')",
        "def f():\n    log.warning('no', count=1)",
        "def f():\n    assert ready, 'it is not'",
        "def f():\n    crash_point('here')",
    ],
)
def test_what_only_people_and_type_checkers_read_is_left_alone(source: str) -> None:
    assert changes(source) == set()


def test_a_bare_condition_is_turned_round() -> None:
    assert "if not found:" in changes("if found:\n    go()")


def test_what_is_done_at_the_import_is_told_from_what_is_done_later() -> None:
    lasting = {mutant.after: mutant.is_lasting for mutant in mutants_of("module.py", SOURCE)}
    assert lasting["LIMIT: int = 4"]
    assert lasting["def allowed(count: int = 2) -> bool:"]
    assert not lasting["return LIMIT >= 2"]


@pytest.fixture
def gate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The source above, imported; `tell` and `log` do nothing."""
    source = "from unittest.mock import Mock\nlog = tell = Mock()\n" + SOURCE
    (tmp_path / "gate.py").write_text(source)
    module = ModuleType("gate")
    exec(compile(source, "gate.py", "exec"), module.__dict__)  # noqa: S102 - the text above
    monkeypatch.setitem(sys.modules, "gate", module)
    return module


def test_a_mutant_takes_the_place_of_what_was_imported(gate: ModuleType, tmp_path: Path) -> None:
    """Wherever it was imported to, behind decorators, and past what a cache kept."""
    allowed, opened = gate.allowed, gate.Gate()
    assert allowed(3)
    assert opened.is_open
    source = (tmp_path / "gate.py").read_text()
    by_text = {mutant.after: mutant for mutant in mutants_of("gate.py", source)}
    for text in ("return count < LIMIT", "return LIMIT > 3"):
        change = graft(by_text[text], tmp_path)
        assert change is not None
        change()
    assert not allowed(3)
    assert not opened.is_open


def test_what_cannot_be_put_in_place_is_imported_anew(gate: ModuleType, tmp_path: Path) -> None:
    source = (tmp_path / "gate.py").read_text()
    by_text = {mutant.after: mutant for mutant in mutants_of("gate.py", source)}
    assert graft(by_text["LIMIT: int = 4"], tmp_path) is None


def test_those_tests_are_asked_that_come_by() -> None:
    covered = Covered(
        {"slow": 3.0, "quick": 1.0, "elsewhere": 0.5}, {"m.py": {5: {"slow", "quick"}, 9: {"slow"}}}
    )

    def asked(lines: set[int], *, is_lasting: bool = False) -> list[str]:
        return covered.tests_for(Mutant("m.py", 1, "", "", "", frozenset(lines), is_lasting))

    assert asked({5}) == ["quick", "slow"]
    assert asked({8, 9}) == ["slow"]
    assert asked({7}) == []
    assert asked({1}, is_lasting=True) == ["quick", "slow", "elsewhere"]


def test_a_seed_chooses_the_same_again() -> None:
    mutants = mutants_of("module.py", SOURCE)
    assert chosen(mutants, sample=5, seed=1) == chosen(mutants, sample=5, seed=1)
    assert chosen(mutants, sample=5, seed=1) != chosen(mutants, sample=5, seed=2)
    assert chosen(mutants, sample=0, seed=1) == mutants


def test_every_target_and_every_test_is_there() -> None:
    for group in GROUPS.values():
        assert all((ROOT / name).exists() for name in (*group.modules, *group.tests))


def test_what_is_taken_for_equivalent_is_still_made() -> None:
    """Each has its reason, and its line is still in the source: a rule that changed is judged anew."""
    known = equivalents()
    for module in {module for module, _before, _after in known}:
        made = {mutant.name for mutant in mutants_of(module, (ROOT / module).read_text())}
        assert {name for name in known if name[0] == module} <= made
    assert all(len(why) > 10 for why in known.values())


@pytest.mark.soak
def test_a_run_from_start_to_end(tmp_path: Path) -> None:
    """A handful of mutants with servers and all; nearly all of them are noticed."""
    out = tmp_path / "mutate.json"
    subprocess.run(
        [sys.executable, "-m", "mutate", "money", "--module", "states", "--sample", "6", "--out", str(out)],
        cwd=ROOT, check=True, timeout=300,
    )  # fmt: skip
    found = json.loads(out.read_text())
    assert found["modules"]["app/core/states.py"]["judged"] == 6
    assert found["modules"]["app/core/states.py"]["killed"] == 6 - len(found["survivors"]) >= 4
