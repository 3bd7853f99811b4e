"""What the documentation names exists: files, functions, settings, commands, addresses, links."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from app.providers.payments import EVENTS
from app.shell import checks, schedule, seed
from app.shell.admin import make_registry
from app.shell.cli import cli
from config import Settings

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
ARCHITECTURE = ROOT / "docs" / "ARCHITECTURE.md"
OPERATIONS = ROOT / "docs" / "operations.md"

HOSTS = {("tenant",): "company", ("platform",): "platform", ("platform", "tenant"): "both"}
# What only tests read.
OF_TESTS = {"UPDATE_GOLDEN"}

_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_BACKTICKED = re.compile(r"`([^`\n]+)`")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_SHOUTED = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\b")
_CLASS = re.compile(r"[A-Z][a-z]+[A-Z]\w*")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
_FILE_ENDINGS = (".py", ".md", ".sql", ".txt", ".toml", ".json", ".mjs", ".css")


def prose(page: Path) -> str:
    return _FENCED.sub("", page.read_text())


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def table_rows(text: str, heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without its head."""
    section = text.split(f"\n{heading}\n", 1)[1]
    lines = [line for line in re.split(r"\n#+ ", section)[0].splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


# -- Files and functions ---------------------------------------------------------------------------------


@cache
def members() -> dict[str, set[str]]:
    """What each module (by its last name, or its folder's) and each class of ours defines, functions in
    functions included; what a package hands on is its own."""
    found: dict[str, set[str]] = defaultdict(set)
    sources = [ROOT / "config.py", *(ROOT / "app").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]
    for path in [*sources, *(ROOT / "migrations").glob("*.py")]:
        module = path.parent.name if path.name == "__init__.py" else path.stem
        tree = ast.parse(path.read_text())
        found[module] |= set(_defined(tree))
        if path.name == "__init__.py":
            found[module] |= {alias.asname or alias.name for alias in _imported(tree)}
        else:
            found[path.parent.name].add(module)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found[node.name] |= set(_defined(node))
    return found


def _defined(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _imported(tree: ast.AST) -> Iterator[ast.alias]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from node.names


def unresolved(dotted: str) -> bool:
    """Whether some `a.b` of a name is nothing that a module or class of ours defines."""
    parts = dotted.split(".")
    return any(b not in members().get(a, ()) for a, b in zip(parts, parts[1:], strict=False))


def rights() -> set[str]:
    return {line.split()[0] for line in (ROOT / "tests/golden/rights.txt").read_text().splitlines() if line}


def names_in(page: Path) -> Iterator[str]:
    """What the prose of a page puts into backticks, a call without its brackets."""
    for name in _BACKTICKED.findall(prose(page)):
        yield name.removesuffix("()")


def test_each_file_that_the_architecture_names_exists() -> None:
    named = {n for n in names_in(ARCHITECTURE) if n.endswith(_FILE_ENDINGS) or re.match(r"[\w.]+/", n)}
    paths = {name for name in named if " " not in name and "<" not in name}
    assert len(paths) > 25
    assert sorted(name for name in paths if not (ROOT / name).exists()) == []


def test_each_function_that_the_architecture_names_exists() -> None:
    names = {n for n in names_in(ARCHITECTURE) if _DOTTED.fullmatch(n) and not n.endswith(_FILE_ENDINGS)}
    assert len(names) > 50
    assert sorted(name for name in names - rights() if unresolved(name)) == []


def test_each_class_that_the_architecture_names_exists() -> None:
    names = {name for name in names_in(ARCHITECTURE) if _CLASS.fullmatch(name)}
    assert len(names) >= 5
    assert sorted(name for name in names if name not in members()) == []


def test_the_resolver_sees_what_is_missing() -> None:
    assert not unresolved("people.invite")
    assert not unresolved("hosts.enter")
    assert not unresolved("accounts.jobs.send_invitation")
    assert not unresolved("policies.refund_due")
    assert unresolved("people.uninvite")
    assert unresolved("nowhere.invite")


def test_the_tree_is_the_tree() -> None:
    block = ARCHITECTURE.read_text().split("## The tree", 1)[1].split("```")[1]
    folders: list[str] = []
    listed = set()
    for line in filter(str.strip, block.splitlines()):
        depth = (len(line) - len(line.lstrip())) // 2
        for name in re.split(r"\s{2,}", line.strip())[0].split(" "):
            path = "/".join([*folders[:depth], name.rstrip("/")])
            assert (ROOT / path).exists(), f"{path} is in the tree of the page only"
            listed.add(path)
            if name.endswith("/"):
                folders = [*folders[:depth], name.rstrip("/")]
    missing = [name_of(path) for path in _modules() if name_of(path) not in listed]
    assert missing == [], "modules without a line in the tree"


def _modules() -> Iterator[Path]:
    for folder in ("app/core", "app/core/web", "app/shell"):
        yield from (path for path in (ROOT / folder).glob("*.py") if path.name != "__init__.py")


# -- Settings, commands, rules ---------------------------------------------------------------------------


def test_the_settings_are_all_explained_with_their_defaults() -> None:
    rows = {row[0].strip("`"): row for row in table_rows(OPERATIONS.read_text(), "## Settings")}
    assert set(rows) == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        default = "" if field.is_required() or field.default_factory else str(field.default or "")
        if isinstance(field.default, int):
            default = str(field.default)
        assert rows[name][1].strip("`") == default, f"{name}: the default is {default!r}"
        assert rows[name][3] or name == "SMTP_PASSWORD", f"{name} has no meaning"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_setting_is_named_that_does_not_exist(page: Path) -> None:
    words = {word for name in names_in(page) for word in _SHOUTED.findall(name)}
    names = {word for word in words if not any(word in defined for defined in members().values())}
    assert names - set(Settings.model_fields) - OF_TESTS == set()


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_targets_exist(page: Path) -> None:
    text = page.read_text()
    commands = set(re.findall(r"run\.py ([a-z]+)", text))
    assert commands <= set(cli.commands), commands - set(cli.commands)
    targets = set(re.findall(r"(?:`|^|=\d+ |=1 )make ([a-z]+)\b", text, re.MULTILINE))
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets <= known, targets - known


def test_the_rules_of_check_are_all_explained() -> None:
    rows = table_rows(OPERATIONS.read_text(), "## What must never be false")
    assert [row[0] for row in rows] == [rule.name for rule in checks.RULES]


def test_the_schedules_are_all_explained() -> None:
    rows = {row[0]: row for row in table_rows(OPERATIONS.read_text(), "## Recurring work")}
    named = {"forget …" if r.name.startswith("forget ") else r.name: r for r in schedule.TABLE}
    assert set(rows) == set(named)
    for name, recurring in named.items():
        assert (rows[name][2] == "business") is recurring.business_time, name


# -- Addresses and logins --------------------------------------------------------------------------------


def test_the_events_to_choose_at_stripe_are_those_we_want() -> None:
    (told,) = re.findall(r"Choose these events: (.*?)\. Others", OPERATIONS.read_text(), re.DOTALL)
    assert sorted(_BACKTICKED.findall(told)) == sorted(EVENTS)


def test_the_api_page_lists_what_the_api_has() -> None:
    text = (ROOT / "docs/api.md").read_text()
    rows = [row for row in table_rows(text, "## Addresses") if len(row) == 6]
    listed: dict[str, tuple[Any, ...]] = {}
    for records, host, make, change, delete, actions in rows[1:] if rows[0][0] == "records" else rows:
        if records.startswith("`"):
            names = tuple(re.findall(r"`([\w-]+)`", actions))
            listed[records.strip("`")] = (host, make, change, delete, names)
    real = {}
    for entry in make_registry().entries:
        if entry.has_api:
            host = HOSTS[tuple(sorted(entry.surfaces))]
            marks = ("yes" if can else "" for can in (entry.can_add, entry.can_edit, entry.can_delete))
            real[entry.slug] = (host, *marks, tuple(a.name for a in entry.actions if not a.leaves))
    assert listed == real


def test_the_api_page_lists_what_people_do_there() -> None:
    methods = {"get", "post", "put", "patch", "delete"}
    real = {
        f"{method.upper()} {_bare(path)}"
        for domain in ("catalog", "booking", "payments", "earnings", "messaging", "notifications")
        for path, item in import_module(f"app.domains.{domain}.api").PATHS.items()
        for method in methods & item.keys()
    }
    rows = table_rows((ROOT / "docs/api.md").read_text(), "## Lessons, payments, messages")
    assert {_bare(row[0].strip("`")) for row in rows} == real


def _bare(address: str) -> str:
    """Whatever its variables are called."""
    return re.sub(r"[{<]\w+[}>]", "<>", address)


def test_the_logins_of_the_readme_are_the_demos() -> None:
    settings = Settings(_env_file=None)
    logins = seed.logins(SimpleNamespace(extensions={"settings": settings}))  # type: ignore[arg-type]
    known = {(url, email, password) for _label, url, email, password in logins}
    rows = table_rows((ROOT / "README.md").read_text(), "## Sign in")
    assert len(rows) >= 4
    for _who, url, email, password in rows:
        assert (url.strip("<>"), email.strip("`"), password.strip("`")) in known


# -- Guides ----------------------------------------------------------------------------------------------

_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_WORDS = re.compile(r"""\b(?:_|_l|ngettext)\(\s*"((?:[^"\\]|\\.)*)"(?:,\s*"((?:[^"\\]|\\.)*)")?""")


@cache
def labels() -> frozenset[str]:
    """What screens say, wherever code and templates word it."""
    sources = [path for kind in ("*.py", "*.html") for path in (ROOT / "app").rglob(kind)]
    return frozenset(text for path in sources for found in _WORDS.findall(path.read_text()) for text in found)


@pytest.mark.parametrize("guide", sorted((ROOT / "docs/guide").glob("*.md")), ids=name_of)
def test_what_a_guide_prints_in_bold_is_a_label_of_a_screen(guide: Path) -> None:
    bold = {" ".join(text.split()) for text in _BOLD.findall(prose(guide))}
    assert len(bold) > 10
    assert sorted(bold - labels()) == []


# -- Links and records -----------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = [a or b for a, b in _LINK.findall(prose(page))]
    for link in links:
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        file = (page.parent / target) if target else page
        assert file.exists(), f"{link} leads nowhere"
        assert file.resolve().is_relative_to(ROOT), f"{link} leads out of the project"
        if anchor:
            assert anchor in anchors(file), f"{link}: there is no such heading"


def test_the_records_are_numbered_listed_and_short() -> None:
    records = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [record.name[:4] for record in records] == [f"{n:04}" for n in range(1, len(records) + 1)]
    listed = set(re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", records[0].read_text()))
    assert listed == {record.name for record in records[1:]}
    for record in records:
        text = record.read_text()
        assert len(text.splitlines()) <= 60, record.name
        for heading in ("**Status**:", "## Context", "## Decision", "## Consequences", "## Alternatives"):
            assert heading in text, f"{record.name} lacks {heading}"
