"""Judges that are not ours: axe for accessibility, the Nu checker for HTML."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.support.databases import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
JUDGES = ROOT / "tests" / "judges"
# WCAG 2.2 to AA, and what axe calls good practice.
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_RUN = """async ([tags, only]) => {
  const runOnly = only ? { type: "rule", values: only } : { type: "tag", values: tags };
  const found = await axe.run(document, { runOnly, resultTypes: ["violations"] });
  return found.violations.map(v => ({ id: v.id, help: v.help,
    nodes: v.nodes.slice(0, 3).map(n => n.target.join(" ") + ": " + (n.any[0] || n.all[0] || n.none[0] || {}).message) }));
}"""


@cache
def _axe() -> str:
    return AXE.read_text()


def axe(page: Page, only: list[str] | None = None) -> list[str]:
    """What axe finds wrong with the page as it stands; `only` these of its rules."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(_axe())  # through the debugger: the page's content policy stays as it is
    found: list[dict[str, Any]] = page.evaluate(_RUN, [_TAGS, only])
    return [f"{one['id']} ({one['help']}): {' | '.join(one['nodes'])}" for one in found]


def can_check_html() -> bool:
    return shutil.which("java") is not None and shutil.which("npm") is not None


def nu(pages: Mapping[str, str], folder: Path) -> list[str]:
    """What the Nu HTML checker calls an error: each kind once, with how often and where it stands first."""
    folder.mkdir(parents=True, exist_ok=True)
    names: dict[str, str] = {}
    for number, (name, html) in enumerate(pages.items()):
        file = folder / f"{number:04}.html"
        file.write_text(html)
        names[file.as_uri()] = name
    command = [
        "java",
        "-jar",
        str(installed() / "vnu-jar/build/dist/vnu.jar"),
        "--errors-only",
        "--format",
        "json",
    ]
    files = [str(file) for file in sorted(folder.glob("*.html"))]
    done = subprocess.run([*command, *files], capture_output=True, text=True, check=False)
    found: dict[str, list[str]] = {}
    for one in json.loads(done.stderr)["messages"]:
        where = f"{names[Path(urlsplit(one['url']).path).as_uri()]} line {one.get('lastLine')}"
        message = re.sub(r"“[^”]*[0-9]{4}-[0-9]{2}-[0-9]{2}[^”]*”", "“…”", one["message"])
        found.setdefault(message, []).append(f"{where} [{one.get('extract', '').strip()[:100]}]")
    return [f"{message} ({len(places)} times): {places[0]}" for message, places in found.items()]


@cache
def installed() -> Path:
    """The judges' packages, installed as their lock file says."""
    modules = JUDGES / "node_modules"
    if not modules.is_dir():
        subprocess.run(
            ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=JUDGES,
            check=True,
            capture_output=True,
        )
    return modules
