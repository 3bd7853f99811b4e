"""The register of ASVS is complete, its tests are there, and its page is what it says."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support import asvs

KNOWN = asvs.levels(asvs.load("asvs-5.0.0.toml")["levels"])  # type: ignore[arg-type]
GOOD = {"asks": "something", "tests": ["test_here.py::test_it"]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "test_here.py").write_text(
        "def test_it(): ...\nclass TestThem:\n    def test_one(self): ...\n"
    )
    return tmp_path


def test_the_register_is_in_order() -> None:
    assert asvs.faults(KNOWN, asvs.load("asvs.toml")) == []


def test_asvs_is_all_there() -> None:
    """The sums that OWASP gives for 5.0.0."""
    found = list(KNOWN.values())
    assert [found.count(level) for level in (1, 2, 3)] == [70, 183, 92]
    assert {key.partition(".")[0] for key in KNOWN} == set(asvs.load("asvs-5.0.0.toml")["chapters"])


def test_the_page_is_made_of_the_register() -> None:
    wanted = asvs.page(asvs.requirements(), asvs.load("asvs-5.0.0.toml")["chapters"])
    if os.environ.get("UPDATE_GOLDEN") == "1":
        asvs.PAGE.write_text(wanted)
    assert asvs.PAGE.read_text() == wanted, "if the register is right, run again with UPDATE_GOLDEN=1"


@pytest.mark.parametrize(
    ("said", "fault"),
    [
        ({}, "V1.1: is missing"),
        ({"V1.1": GOOD, "V9.9": GOOD}, "V9.9: is no requirement of ASVS"),
        ({"V1.1": {**GOOD, "tests": ["test_here.py::test_gone"]}}, "V1.1: names a test that is not there"),
        ({"V1.1": {**GOOD, "tests": ["gone.py::test_it"]}}, "V1.1: names a test that is not there"),
        ({"V1.1": {**GOOD, "tests": ["test_here.py::TestThem::test_two"]}}, "V1.1: names a test that is not"),
        ({"V1.1": {"asks": "something"}}, "V1.1: is neither shown by a test"),
        ({"V1.1": {"asks": "something", "tests": []}}, "V1.1: is neither shown by a test"),
        ({"V1.1": {"tests": ["test_here.py::test_it"]}}, "V1.1: does not say what is asked"),
        ({"V1.1": {"asks": "x", "open": "x", "not_applicable": "x"}}, "V1.1: gives answers that exclude"),
        ({"V1.1": {**GOOD, "opened": "x"}}, "V1.1: has strange members: opened"),
    ],
)
def test_what_is_wrong_is_named(root: Path, said: dict[str, dict[str, object]], fault: str) -> None:
    [found] = asvs.faults({"V1.1": 2, "V1.2": 3}, said, root)
    assert found.startswith(fault)


def test_what_is_right_is_not(root: Path) -> None:
    said: dict[str, dict[str, object]] = {
        "A.1": GOOD,
        "A.2": {"asks": "x", "tests": ["test_here.py::TestThem::test_one"], "note": "x"},
        "A.3": {"asks": "x", "open": "not yet", "tests": ["test_here.py::test_it"]},
        "A.4": {"asks": "x", "not_applicable": "there is none"},
    }
    assert asvs.faults(dict.fromkeys(said, 1), said, root) == []
