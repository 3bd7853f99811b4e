"""Runs tests on mutants: our code as it was imported, its changed functions put in place, a fork each.

mutmut's own runner is not used: it changes functions only (our rules are tables and constants as much) and
none that is decorated, knows no sample, and each of its forks would start servers of its own. Here these run
once, the files stay as they are, and of the tests only those run that come by the changed line.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from app.shell.processes import PR_SET_PDEATHSIG
from mutate import warm
from mutate.grafting import forget, graft, name_of
from mutate.mutants import Mutant

ROOT = Path(__file__).resolve().parents[1]
OURS = ("app", "tests", "config", "mutate", "bench")
NOTICED, SURVIVED, HUNG = "noticed", "survived", "hung"
LEAST_SECONDS, TIMES_AS_LONG = 10.0, 6
MOST_SECONDS, THOROUGH = 20.0, 3  # about one mutant: the quickest, and those that come by most of its module

Heard = Callable[[Mutant, str, int], None]  # a mutant, what became of it, and how many tests were asked


@dataclass
class Servers:
    """Those of a test run: started once, given to every fork, and swept after one that was killed."""

    run: Any
    key: Any

    def lend(self, config: Any) -> None:
        config.stash[self.key] = self.run

    def sweep(self) -> None:
        warm.sweep(self.run)


@contextlib.contextmanager
def lent_servers() -> Iterator[Servers]:
    from tests.support import databases

    run = databases.Run()
    try:
        yield Servers(run, databases.RUN)
    finally:
        run.close()


@dataclass
class Covered:
    """Which tests come by which line, how long each takes, and what was imported on the way."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[int, set[str]]] = field(default_factory=dict)
    imported: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> Covered:
        found = json.loads(file.read_text())
        lines = {
            module: {int(line): set(names) for line, names in by_line.items()}
            for module, by_line in found["lines"].items()
        }
        return cls(found["seconds"], lines, found["imported"])

    def tests_for(self, mutant: Mutant) -> list[str]:
        """As many as a mutant may ask, the quickest first. What is done at the import may matter to every
        test; those that run any line of the module come first."""
        by_line = self.lines.get(mutant.module, {})
        near = set[str]().union(*by_line.values()) if mutant.is_lasting else set[str]()
        near = near.union(*(by_line.get(line, set()) for line in mutant.lines))
        candidates = self.seconds if mutant.is_lasting else near & self.seconds.keys()
        order = sorted(candidates, key=lambda test: (test not in near, self.seconds[test], test))
        until = accumulate(self.seconds[test] for test in order)
        quick = [test for test, seconds in zip(order, until, strict=True) if seconds <= MOST_SECONDS]
        lines = Counter(test for tests in by_line.values() for test in tests)
        thorough = sorted(near & self.seconds.keys(), key=lambda test: (-lines[test], test))
        return list(dict.fromkeys([*quick, *thorough[:THOROUGH]]))

    def patience(self, tests: Sequence[str]) -> float:
        return LEAST_SECONDS + TIMES_AS_LONG * sum(self.seconds[test] for test in tests)


def judge(tests: Sequence[str], mutants: Sequence[Mutant], servers: Servers, heard: Heard) -> Covered:
    """Tell what becomes of each mutant. Raises RuntimeError where the tests fail without any."""
    modules = sorted({mutant.module for mutant in mutants})
    with tempfile.TemporaryDirectory(prefix="wm-mutate-") as directory:
        place = Path(directory)
        loop = _Loop(modules, mutants, servers, place)
        # The first process collects the tests once; it is the parent of a fork for each mutant.
        outcome = _in_a_fork(
            lambda: _pytest(tests, [_Lender(servers), loop]), place / "output", None,
            told=lambda line: heard(mutants[line[0]], line[1], line[2]),
        )  # fmt: skip
        if outcome != 0:
            raise RuntimeError(
                f"the tests fail without any mutant:\n{(place / 'output').read_text()[-6_000:]}"
            )
        covered = Covered.read(place / "covered.json")
        left = [mutants[number] for number in json.loads((place / "left.json").read_text())]
        if left:
            _load(covered.imported)
        for mutant in left:
            chosen = covered.tests_for(mutant)
            code = _in_a_fork(
                partial(_judge_import, mutant, chosen, servers), place / "output", covered.patience(chosen)
            ) if chosen else 0  # fmt: skip
            _sweep_after(code, servers)
            heard(mutant, _outcome(code), len(chosen))
    return covered


def _outcome(code: int | None) -> str:
    return HUNG if code is None else SURVIVED if code == 0 else NOTICED


def _sweep_after(code: int | None, servers: Servers) -> None:
    if code not in {0, 1}:
        servers.sweep()


# -- With all of our code imported -------------------------------------------------------------------------


class _Loop:
    """In place of pytest's loop: all tests once, then for each mutant those that come by it."""

    def __init__(
        self, modules: Sequence[str], mutants: Sequence[Mutant], servers: Servers, place: Path
    ) -> None:
        self.modules, self.mutants, self.servers, self.place = modules, mutants, servers, place

    def pytest_runtestloop(self, session: Any) -> bool:
        if session.testsfailed:
            raise session.Interrupted("tests could not be collected")
        warm.warm(session)
        gc.collect()
        gc.freeze()  # no fork copies the pages of what is there already
        if _in_a_fork(partial(self._measure, session), None, None) != 0:
            session.testsfailed = 1
            return True
        covered = Covered.read(self.place / "covered.json")
        left = []
        for number, mutant in enumerate(self.mutants):
            tests = covered.tests_for(mutant)
            if mutant.is_lasting or not (change := graft(mutant, ROOT)):
                left.append(number)
                continue
            code = _in_a_fork(
                partial(self._judge, session, change, tests), None, covered.patience(tests)
            ) if tests else 0  # fmt: skip
            _sweep_after(code, self.servers)
            _tell([number, _outcome(code), len(tests)])
        (self.place / "left.json").write_text(json.dumps(left))
        return True

    def _measure(self, session: Any) -> int:
        import coverage

        cov = coverage.Coverage(
            data_file=None, include=[str(ROOT / module) for module in self.modules], config_file=False,
            messages=False,
        )  # fmt: skip
        watcher = _Watcher(cov.switch_context, self.modules)
        session.config.pluginmanager.register(watcher)
        cov.start()
        code = _run(session)
        cov.stop()
        data = cov.get_data()
        lines = {
            module: {
                line: sorted(set(names) - {""})
                for line, names in data.contexts_by_lineno(str(ROOT / module)).items()
            }
            for module in self.modules
        }
        imported = [name for name in sys.modules if name.partition(".")[0] not in OURS]
        found = {"seconds": watcher.seconds, "lines": lines, "imported": imported}
        (self.place / "covered.json").write_text(json.dumps(found))
        return code

    def _judge(self, session: Any, change: Callable[[], None], tests: Sequence[str]) -> int:
        change()
        _Only(tests).pytest_collection_modifyitems(session.items)
        session.config.option.maxfail = 1
        return _run(session)


def _run(session: Any) -> int:
    """pytest's own loop, and the end of all fixtures."""
    from _pytest.main import pytest_runtestloop

    warm.begin(session)
    with contextlib.suppress(session.Failed, session.Interrupted):
        pytest_runtestloop(session)
    session._setupstate.teardown_exact(None)
    return 1 if session.testsfailed else 0


class _Watcher:
    """Tells the coverage which test runs, and keeps how long each took."""

    def __init__(self, switch: Callable[[str], object], modules: Sequence[str]) -> None:
        self.switch, self.seconds = switch, dict[str, float]()
        self.modules = [sys.modules[name] for name in map(name_of, modules) if name in sys.modules]

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        for module in self.modules:  # or only the first test would come by what is kept
            forget(module)
        self.switch(nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.switch("")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" and report.passed:
            self.seconds[report.nodeid] = report.duration


# -- With our code imported anew: for what is done at the import -------------------------------------------


def _load(names: Sequence[str]) -> None:
    """What the tests import of libraries: every fork has it then."""
    for name in names:
        with contextlib.suppress(Exception):
            importlib.import_module(name)


def _judge_import(mutant: Mutant, tests: Sequence[str], servers: Servers) -> int:
    name = name_of(mutant.module)
    assert name not in sys.modules, f"{name} is loaded: the mutant would change nothing"
    sys.meta_path.insert(0, _Changed(name, ROOT / mutant.module, mutant.code))
    files = list(dict.fromkeys(test.partition("::")[0] for test in tests))
    return _pytest(files, [_Lender(servers), _Only(tests)], "-x")


class _Changed(importlib.machinery.SourceFileLoader):
    """Imports one module from the mutant's text."""

    def __init__(self, name: str, path: Path, code: str) -> None:
        super().__init__(name, str(path))
        self.changed = code

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        is_package = Path(self.path).name == "__init__.py"
        return importlib.util.spec_from_file_location(
            fullname, self.path, loader=self,
            submodule_search_locations=[str(Path(self.path).parent)] if is_package else None,
        )  # fmt: skip

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.changed, self.path, "exec", dont_inherit=True)


# -- pytest ------------------------------------------------------------------------------------------------


def _pytest(tests: Sequence[str], plugins: list[object], *options: str) -> int:
    import hypothesis
    import pytest

    hypothesis.settings.register_profile("mutate", database=None, derandomize=True)
    hypothesis.settings.load_profile("mutate")
    return int(
        pytest.main(
            ["-n0", "-q", "-s", "--no-header", "-p", "no:cacheprovider", "-m", "not soak and not browser",
             "-W", "ignore::pytest.PytestAssertRewriteWarning", *options, *tests],
            plugins=plugins,
        )
    )  # fmt: skip


class _Lender:
    """Gives a run the servers that run already."""

    def __init__(self, servers: Servers) -> None:
        self.servers = servers

    def pytest_configure(self, config: Any) -> None:
        self.servers.lend(config)


class _Only:
    """Of the tests these, file by file."""

    def __init__(self, tests: Sequence[str]) -> None:
        self.order = {test: place for place, test in enumerate(tests)}
        self.files: dict[str, int] = {}
        for test in tests:
            self.files.setdefault(test.partition("::")[0], len(self.files))

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = sorted(
            (item for item in items if item.nodeid in self.order),
            key=lambda item: (self.files[item.nodeid.partition("::")[0]], self.order[item.nodeid]),
        )


# -- Forks -------------------------------------------------------------------------------------------------

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
_told = -1  # where this process tells its parent what it found


def _tell(line: object) -> None:
    os.write(_told, json.dumps(line).encode() + b"\n")


def _in_a_fork(
    work: Callable[[], int],
    output: Path | None,
    seconds: float | None,
    *,
    told: Callable[[Any], None] | None = None,
) -> int | None:
    """What `work` returns in a process of its own, with all that it started; None if it took too long.
    Lines that it tells are handed on while it runs."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        _end_with(parent)
        _be_the_child(work, output, writing)
    os.close(writing)
    try:
        with os.fdopen(reading) as lines:
            if told is not None:
                for line in lines:
                    told(json.loads(line))
            return _wait(child, seconds)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)


def _end_with(parent: int) -> None:
    """Whoever ends the run, however, leaves nobody behind (Linux)."""
    if _libc is not None:
        _libc.prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def _be_the_child(work: Callable[[], int], output: Path | None, writing: int) -> None:
    global _told
    code, _told = 70, writing
    try:
        os.setsid()
        if output is not None:
            with output.open("wb") as file:
                os.dup2(file.fileno(), 1)
                os.dup2(file.fileno(), 2)
        code = work()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _wait(child: int, seconds: float | None) -> int | None:
    until = time.monotonic() + seconds if seconds is not None else float("inf")
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None
