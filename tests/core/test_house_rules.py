"""Rules of the house that a reader would have to remember, kept by a machine instead."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.support import house_rules
from tests.support.databases import ROOT
from tests.support.golden import assert_golden
from tests.support.house_rules import LINTED, RULES, SOURCES, TEMPLATES, Rule, calls


def test_every_exit_from_tenancy_is_known() -> None:
    """Who enters the platform's scope, and with which words: a new one is seen in the diff of this file."""
    lines = []
    for path in SOURCES:
        for function, node in calls(path.read_text()):
            if function.split(".")[-1] in {"platform_scope", "PlatformScope"}:
                where = path.relative_to(ROOT).as_posix()
                lines.append(f"{where}: {ast.unparse(node.args[0]) if node.args else ''}")
    assert_golden("platform_scopes.txt", "\n".join(sorted(lines)) + "\n")


def test_only_the_edge_commits() -> None:
    assert house_rules.COMMIT.offenders() + house_rules.TRANSACTION_BELOW.offenders() == []


def test_one_clock() -> None:
    assert house_rules.CLOCK.offenders() == []


def test_sql_never_asks_the_time() -> None:
    assert house_rules.SQL_CLOCK.offenders() == []


def test_sql_is_never_put_together_from_values() -> None:
    assert house_rules.RAW_SQL.offenders() == []


def test_nobody_waits_for_ever() -> None:
    assert house_rules.TIMEOUTS.offenders() == []


def test_the_tenant_never_comes_from_the_client() -> None:
    assert house_rules.TENANT.offenders() == []


def test_settings_read_the_environment_and_nobody_else() -> None:
    assert house_rules.ENVIRONMENT.offenders() == []


def test_exceptions_say_why() -> None:
    assert house_rules.REASONS.offenders() == []


def test_templates_trust_nobody() -> None:
    """No `|safe`, no switched-off escaping, nothing inline that the content policy would stop."""
    found = [
        rule.offenders() for rule in (house_rules.PLAIN_TEMPLATES, house_rules.STYLES, house_rules.MARKUP)
    ]
    assert found == [[], [], []]
    assert len(TEMPLATES) > 20


def test_scripts_make_no_html() -> None:
    assert house_rules.JS_HTML.offenders() == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_sees_what_breaks_it(rule: Rule) -> None:
    """And lets pass what does not."""
    assert [words for words in rule.bad if not list(rule.find(words))] == []
    assert [words for words in rule.good if list(rule.find(words))] == []


def test_the_linter_is_asked() -> None:
    """What ruff keeps for us is neither left out in its settings nor ignored for the application's files."""
    command = ("check", "--output-format", "concise", "--stdin-filename", "app/core/new.py", "-")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command],
        input="\n\n\n".join(LINTED.values()),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert [code for code in LINTED if f" {code} " not in done.stdout] == [], done.stdout + done.stderr
