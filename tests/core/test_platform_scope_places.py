"""The ways around the walls: who takes the platform's role, builds a scope by hand, or writes SQL as text.

Where `platform_scope` is entered, and why, is in tests/golden/platform_scopes.txt (`test_house_rules`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
    for path in sorted((ROOT / "app").rglob("*.py"))
}
SQL = re.compile(r"\b(SELECT|INSERT INTO|UPDATE|DELETE FROM|ALTER|CREATE|DROP|TRUNCATE|GRANT|SET)\b")

# Outside a session there is no scope; these say the role to the database themselves.
MAY_SAY_THE_ROLE = {
    "app/core/walls.py": "tells the database what the scope is",
    "app/providers/mail/mock.py": "its mails are the operator's, on a connection of its own",
    "app/shell/checks.py": "looks at all tenants' rows, from the command line",
    "app/shell/simulation/witness.py": "reads what was written, past everything that is under test",
}
MAY_BUILD_A_SCOPE = {
    "app/core/scope.py": "defines it",
    "app/domains/tenancy/queries.py": "looks up whose host it is, before there is a scope",
    "app/shell/hosts.py": "a request's scope, from its host",
}
MAY_SET_THE_TENANT = {"app/core/walls.py": "tells the database what the scope is"}
# SQL that is put together from pieces, none of which anybody outside can say.
MAY_FORMAT_SQL = {
    "app/shell/business_checks.py": "names of our own tables and columns",
    "app/shell/checks.py": "names of our own tables and columns",
    "app/shell/embedded.py": "names of roles and databases of its own",
}


def strings(tree: ast.AST) -> Iterator[str]:
    """Every text in the code, docstrings left out."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def saying(pattern: str) -> set[str]:
    return {name for name, tree in SOURCES.items() if any(re.search(pattern, text) for text in strings(tree))}


def calling(*functions: str) -> set[str]:
    return {
        name
        for name, tree in SOURCES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in functions
    }


def test_only_the_walls_take_the_platforms_role() -> None:
    assert saying(r"wm_platform") == set(MAY_SAY_THE_ROLE)


def test_only_the_walls_name_the_tenant_to_the_database() -> None:
    assert saying(r"app\.tenant_id") == set(MAY_SET_THE_TENANT)


def test_scopes_are_built_by_their_makers_only() -> None:
    assert calling("PlatformScope", "TenantScope", "RequestScope") == set(MAY_BUILD_A_SCOPE)


def test_sql_is_never_put_together_from_what_somebody_says() -> None:
    """No f-string, no `%`, no `+` and no format() makes a statement: values are parameters."""
    found = set()
    for name, tree in SOURCES.items():
        for node in ast.walk(tree):
            pieces: list[ast.expr] = []
            if isinstance(node, ast.JoinedStr):
                pieces = node.values if any(isinstance(v, ast.FormattedValue) for v in node.values) else []
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add):
                pieces = [node.left, node.right]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                pieces = [node.func.value] if node.func.attr == "format" else []
            texts = [p.value for p in pieces if isinstance(p, ast.Constant) and isinstance(p.value, str)]
            if any(SQL.search(text) for text in texts):
                found.add(name)
    assert found == set(MAY_FORMAT_SQL)
