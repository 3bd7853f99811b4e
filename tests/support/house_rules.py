"""What must never be written, as rules that a machine can keep: each with words that break it and words that do not."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from tests.support.databases import ROOT

Places = Iterator[tuple[int, str]]  # line, and what stands there

SOURCES = sorted((ROOT / "app").rglob("*.py"))
TEMPLATES = [p for p in (ROOT / "app").rglob("*") if p.suffix in {".html", ".txt"} and "templates" in p.parts]
SCRIPTS = sorted((ROOT / "app" / "frontend" / "js").rglob("*.js"))


@dataclass(frozen=True)
class Rule:
    """`allowed`: files that may, and why. `only`: the files that the rule is about, all of the kind by default."""

    name: str
    find: Callable[[str], Places]
    bad: tuple[str, ...]
    good: tuple[str, ...]
    allowed: dict[str, str] = field(default_factory=dict)
    files: tuple[Path, ...] = tuple(SOURCES)
    only: str = ""

    def offenders(self) -> list[str]:
        """Each place where it is broken, and each permission that nobody needs."""
        found, needed = [], set()
        for path in self.files:
            name = path.relative_to(ROOT).as_posix()
            if not re.search(self.only, name):
                continue
            for line, what in self.find(_text(path)):
                if name in self.allowed:
                    needed.add(name)
                else:
                    found.append(f"{name}:{line} {what}")
        return found + [f"{name}: may, and does not" for name in self.allowed if name not in needed]


@cache
def _text(path: Path) -> str:
    return path.read_text()


@cache
def _tree(source: str) -> ast.Module:
    return ast.parse(source)


def calls(source: str) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def called(pattern: str) -> Callable[[str], Places]:
    """Calls of a function whose dotted name matches."""

    def find(source: str) -> Places:
        return ((node.lineno, name) for name, node in calls(source) if re.search(pattern, name))

    return find


def words(pattern: str) -> Callable[[str], Places]:
    """Text that matches, whatever the language."""

    def find(source: str) -> Places:
        for match in re.finditer(pattern, source):
            yield source.count("\n", 0, match.start()) + 1, " ".join(match.group().split())[:80]

    return find


def _sql_put_together(source: str) -> Places:
    for name, node in calls(source):
        takes_sql = name.split(".")[-1] in {
            *("text", "execute", "exec_driver_sql", "literal_column", "scalar", "scalars", "DDL", "stream"),
        }
        if takes_sql and node.args and _put_together(node.args[0]):
            yield node.lineno, name


def _put_together(value: ast.expr) -> bool:
    if isinstance(value, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in value.values)
    if isinstance(value, ast.BinOp):
        return isinstance(value.op, ast.Add | ast.Mod) and any(
            isinstance(part, ast.JoinedStr)
            or (isinstance(part, ast.Constant) and isinstance(part.value, str))
            for part in ast.walk(value)
        )
    return (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr == "format"
    )


_ASKS_TIME = re.compile(
    r"\b(now\(\)|current_timestamp|localtimestamp|current_date|clock_timestamp\(\))", re.I
)
_IS_SQL = re.compile(r"\b(select|insert|update|delete|where|values|default)\b", re.IGNORECASE)
_TIME_FUNCTION = re.compile(
    r"\bfunc\.(now|current_\w+|local\w*time\w*|clock_timestamp|\w+_timestamp|timeofday)$"
)


def _sql_asks_time(source: str) -> Places:
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if _ASKS_TIME.search(node.value) and _IS_SQL.search(node.value):
                yield node.lineno, node.value[:60]
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            bare = name.split(".")[-1] == "text" and node.args and isinstance(node.args[0], ast.Constant)
            if _TIME_FUNCTION.search(name) or (bare and _ASKS_TIME.search(str(node.args[0].value))):  # type: ignore[attr-defined]
                yield node.lineno, name


_REACHES_OUT = re.compile(
    r"(^|\.)(urlopen|SMTP|SMTP_SSL|HTTPConnection|HTTPSConnection|create_connection)$"
    r"|\bRedis(\.from_url)?$|Pool\.from_url$|^(requests|httpx)\.\w+$"
)


def _waits_for_ever(source: str) -> Places:
    for name, node in calls(source):
        given = [keyword.arg or "" for keyword in node.keywords]
        if _REACHES_OUT.search(name) and name not in {"requests.Session"}:
            if not any("timeout" in each for each in given):
                yield node.lineno, name


def _markup_of_values(source: str) -> Places:
    for name, node in calls(source):
        if name.split(".")[-1] == "Markup" and node.args and not isinstance(node.args[0], ast.Constant):
            yield node.lineno, ast.unparse(node)[:80]


def _tenant_of_client(source: str) -> Places:
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Call) and node.args:
            what, key = ast.unparse(node.func), node.args[0]
        elif isinstance(node, ast.Subscript):
            what, key = ast.unparse(node.value), node.slice
        else:
            continue
        if re.search(r"\brequest\.(args|form|values|json|headers|cookies|get_json)", what):
            if isinstance(key, ast.Constant) and re.search(r"tenant", str(key.value), re.IGNORECASE):
                yield node.lineno, f"{what} {key.value}"


COMMIT = Rule(
    "only the edge's transaction commits",
    called(r"(session(\(\))?|connection)\.commit$"),
    bad=("db.session.commit()", "session.commit()", "db.session().commit()", "connection.commit()"),
    good=("with transaction():\n    pass", "self.commit", "git.commit()"),
    allowed={
        "app/core/transaction.py": "the edge's transaction",
        "app/core/scope.py": "ends a clean read, keeping what was read readable",
        "app/shell/seed.py": "a setting of a new connection, before anybody has it",
    },
)
TRANSACTION_BELOW = Rule(
    "below the edges nobody opens a transaction",
    called(r"(^|\.)transaction$"),
    bad=("with transaction():\n    send()", "with db.transaction() as session:\n    pass"),
    good=("scope.in_transaction()", "transaction"),
    only=r"^app/domains/\w+/(service|queries|policies|models|events|errors)\b",
)
CLOCK = Rule(
    "one clock",
    called(r"datetime\.(now|utcnow|today)$|\bdate\.today$|\btime\.time$"),
    bad=("datetime.now()", "dt.datetime.now(dt.UTC)", "dt.date.today()", "time.time()"),
    good=("clock.now()", "clock.machine_now()", "time.monotonic()"),
    allowed={"app/core/clock.py": "the one clock"},
)
SQL_CLOCK = Rule(
    "SQL never asks the time",
    _sql_asks_time,
    bad=(
        "query = 'SELECT 1 WHERE starts_at > now()'",
        "text('now()')",
        "sa.func.now()",
        "func.current_timestamp()",
        "'UPDATE lesson SET at = CURRENT_TIMESTAMP'",
    ),
    good=("'right now() or never'", "func.count()", "text('SELECT :now')", "clock.now()"),
)
RAW_SQL = Rule(
    "SQL is never put together from values",
    _sql_put_together,
    bad=(
        "session.execute(text(f'SELECT {name}'))",
        "text('SELECT ' + name)",
        "text('SELECT %s' % name)",
        "connection.execute('SELECT {}'.format(name))",
        "connection.exec_driver_sql(f'SELECT {name}')",
        "literal_column(f'{name} + 1')",
    ),
    good=(
        "text('SELECT :name')",
        "session.execute(select(Lesson).where(Lesson.id == id))",
        "ngettext(f'{a}', 'b', 1)",
    ),
    allowed={
        "app/shell/checks.py": "names of our own tables, from the catalogue; it reads only",
        "app/core/plain.py": "`word` refuses what is no identifier",
    },
)
TIMEOUTS = Rule(
    "nobody waits for the outside for ever",
    _waits_for_ever,
    bad=("requests.get(url)", "smtplib.SMTP(host)", "Redis.from_url(url)", "socket.create_connection(at)"),
    good=("requests.get(url, timeout=5)", "Redis.from_url(url, socket_timeout=1)", "requests.Session()"),
    allowed={"app/core/quick_redis.py": "its patient client is for who has nothing else to do than to wait"},
)
MARKUP = Rule(
    "no value is declared to be HTML",
    _markup_of_values,
    bad=("Markup(f'<b>{name}</b>')", "markupsafe.Markup(name)", "Markup('<b>' + name)"),
    good=("Markup('<b>{}</b>').format(name)", "Markup('<br>')", "escape(name)"),
    allowed={
        "app/core/web/tables.py": "draws table rows; no value becomes markup, as test_tables.py shows",
        "app/shell/kept_parts.py": "what a template of ours has drawn and escaped",
        "app/shell/words.py": "texts of our catalogues, with their values escaped, as Jinja does",
    },
)
TENANT = Rule(
    "the tenant comes from the host, never from the client",
    _tenant_of_client,
    bad=("request.args.get('tenant_id')", "request.form['tenant']", "request.headers['X-Tenant']"),
    good=("request.args.get('q')", "scope.tenant_id()", "row['tenant_id']"),
    allowed={
        "app/domains/accounts/portal/handover.py": "compared with the company this browser chose before"
    },
)
ENVIRONMENT = Rule(
    "only the settings read the environment",
    words(r"\bos\.(environ|getenv)\b"),
    bad=("os.environ['X']", "os.getenv('X')"),
    good=("settings.PORT", "environment"),
    allowed={
        "app/shell/processes.py": "hands the environment on to children",
    },
)
REASONS = Rule(
    "an exception to the linter says why",
    words(r"#\s*(noqa(?!: [A-Z0-9, ]+ - \w)|nosec\b|type: ignore(?!\[)).*"),
    bad=("x = 1  # noqa", "x = 1  # noqa: S603", "x = 1  # nosec", "x = 1  # type: ignore"),
    good=("x = 1  # noqa: S603 - our own command", "x = 1  # type: ignore[misc]"),
)
PLAIN_TEMPLATES = Rule(
    "templates trust nobody",
    words(
        r"\|\s*safe\b"
        r"|{%-?\s*autoescape\s+false"
        r"|\son\w+\s*=\s*[\"']"  # an inline handler
        r"|=\"[^\"<>]*{{[^}\"]*\|\s*tojson(?!\s*\|\s*forceescape)[^}]*}}"  # JSON's quotes end the attribute
        r"|javascript:"
        # What search engines read is data: no browser runs it.
        r"|<script(?![^>]*\b(src=|type=\"application/ld\+json\"))"
    ),
    bad=(
        "{{ text|safe }}",
        "{{ text | safe }}",
        "{% autoescape false %}",
        '<a onclick="go()">',
        '<div data-x="{{ rows|tojson }}">',
        '<a href="javascript:go()">',
        "<script>go()</script>",
    ),
    good=(
        "{{ text }}",
        "{{ is_safe }}",
        "<div data-x='{{ rows|tojson }}'>",
        '<div data-x="{{ rows|tojson|forceescape }}">',
        '<script src="x.js"></script>',
    ),
    files=tuple(TEMPLATES),
)
STYLES = Rule(
    "no style in a template, but in mails",
    words(r"\sstyle\s*=|<style"),
    bad=('<p style="color: red">', "<style>p {}</style>"),
    good=('<p class="red">', "{{ style }}"),
    files=tuple(path for path in TEMPLATES if "mail" not in path.parts),
)
JS_HTML = Rule(
    "scripts make no HTML or code from text",
    words(
        r"\.(innerHTML|outerHTML)\s*\+?=(?!=)|\.insertAdjacentHTML\(|\bdocument\.write|\beval\(|\bnew Function\("
        r"|\bsetTimeout\(\s*[\"'`]|\.createContextualFragment\(|javascript:"
    ),
    bad=(
        "a.innerHTML = text",
        "a.insertAdjacentHTML('x', t)",
        "eval(text)",
        "setTimeout('go()')",
        "x.outerHTML += t",
    ),
    good=("a.textContent = text", "a.replaceChildren(b)", "setTimeout(go)", "if (a.innerHTML === b) {}"),
    files=tuple(SCRIPTS),
    allowed={"app/frontend/js/combobox.js": "an icon's address, from our own template"},
)
RULES = (
    *(COMMIT, TRANSACTION_BELOW, CLOCK, SQL_CLOCK, RAW_SQL, TIMEOUTS, MARKUP, TENANT, ENVIRONMENT, REASONS),
    *(PLAIN_TEMPLATES, STYLES, JS_HTML),
)

# What ruff keeps, and words that break it.
LINTED = {
    "T201": "print(1)",
    "S113": "import requests\n\nrequests.get('https://example.org')",
    "S301": "import pickle\n\npickle.loads(b'')",
    "S302": "import marshal\n\nmarshal.loads(b'')",
    "S307": "eval('1')",
    "S102": "exec('1')",
    "S324": "import hashlib\n\nhashlib.md5(b'')",
    "S501": "import requests\n\nrequests.get('https://example.org', timeout=1, verify=False)",
    "S506": "import yaml\n\nyaml.load('')",
    "S602": "import subprocess\n\nsubprocess.run(input(), shell=True)",
    "S603": "import subprocess\n\nsubprocess.run([input()])",
    "S605": "import os\n\nos.system(input())",
    "S608": "def find(name):\n    return 'SELECT id FROM person WHERE name = ' + name",
    "S701": "import jinja2\n\njinja2.Environment()",
    "S110": "try:\n    x = 1\nexcept Exception:\n    pass",
    "E722": "try:\n    x = 1\nexcept:\n    x = 2",
    "S306": "import tempfile\n\ntempfile.mktemp()",
    "S311": "import random\n\nrandom.random()",
    "S105": "password = 'hunter2'",
    "S201": "import flask\n\napp = flask.Flask(__name__)\napp.run(debug=True)",
    "DTZ005": "import datetime as dt\n\ndt.datetime.now()",
    "DTZ001": "import datetime as dt\n\ndt.datetime(2027, 1, 1)",
    "B006": "def give(to=[]):\n    return to",
    "TID252": "from . import x",
    "G004": "import logging\n\nlogging.getLogger('x').info(f'{1}')",
}
