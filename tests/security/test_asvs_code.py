"""What the code never does, found by reading it, as ASVS asks."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from flask import Flask
from flask_wtf.csrf import generate_csrf
from itsdangerous import URLSafeTimedSerializer

from app.core import signing
from app.domains.booking.service.new_holds import SEAT_CODE
from app.domains.payments.service.receipts import CODE_LENGTH

ROOT = Path(__file__).resolve().parents[2]
SOURCES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text())
    for path in [*sorted((ROOT / "app").rglob("*.py")), ROOT / "config.py", ROOT / "run.py"]
}
SCRIPTS = {path.name: path.read_text() for path in sorted((ROOT / "app/frontend/js").glob("*.js"))}

# Who may open connections, and to whom. What only tests, the demo and the simulator use is not in production.
MAY_CONNECT = {
    "app/providers/mail/smtp.py": "the mail relay of the settings",
    "app/providers/payments/stripe.py": "Stripe, or STRIPE_API_BASE",
    "app/providers/storage/s3.py": "the bucket of the settings",
    "app/core/quick_redis.py": "REDIS_URL",
    "app/core/wire.py": "sockets that browsers opened",
    "app/shell/server.py": "listens",
}
NOT_IN_PRODUCTION = (
    "app/providers/payments/simulator/", "app/providers/payments/controls.py", "app/shell/simulation/", "app/shell/world/",
    "app/shell/embedded.py", "app/shell/supervisor.py",
)  # fmt: skip
CONNECTS = {"socket", "smtplib", "http.client", "urllib.request", "urllib3", "requests", "httpx", "boto3", "ftplib", "telnetlib", "paramiko"}  # fmt: skip


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def modules(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {node.module, *(f"{node.module}.{name.name}" for name in node.names)}
    return found


def users(wanted: set[str]) -> set[str]:
    return {name for name, tree in SOURCES.items() if modules(tree) & wanted}


def test_connections_are_opened_to_what_the_settings_name_only() -> None:
    """No address that somebody typed is ever fetched: no module that could is within reach of one."""
    found = {name for name in users(CONNECTS) if not name.startswith(NOT_IN_PRODUCTION)}
    assert found - set(MAY_CONNECT) == set()


def test_no_call_follows_where_an_answer_leads() -> None:
    """Stripe's adapter speaks for requests, which would follow: its session is told not to."""
    text = (ROOT / "app/providers/payments/stripe.py").read_text()
    assert "max_redirects = 0" in text or "allow_redirects=False" in text
    for name in ("app/providers/mail/smtp.py", "app/providers/storage/s3.py"):
        assert "requests" not in modules(SOURCES[name])


def test_nothing_that_comes_in_is_run() -> None:
    """No eval, no shell, no template made of a text, nothing that unpickles."""
    forbidden = re.compile(
        r"^(eval|exec|builtins\.compile|__import__|os\.(system|popen)|pickle\.\w+|marshal\.loads?|yaml\.(unsafe_)?load|shelve\.\w+|(flask\.)?render_template_string|(\w+\.)?from_string|Template|subprocess\.getoutput)$"
    )
    found = [
        f"{name}:{node.lineno} {function}"
        for name, tree in SOURCES.items()
        for function, node in calls(tree)
        if forbidden.match(function)
        or any(word.arg == "shell" and ast.unparse(word.value) != "False" for word in node.keywords)
    ]
    assert found == []
    assert users({"pickle", "marshal", "shelve", "dill"}) == set()


def test_programs_are_started_by_the_command_line_only_and_never_by_a_text() -> None:
    found = users({"subprocess"})
    assert not [
        name
        for name in found
        if name.startswith(("app/domains/", "app/providers/mail", "app/providers/storage"))
    ]
    for name in found:
        for function, node in calls(SOURCES[name]):
            if function.startswith("subprocess.") and node.args:
                assert not isinstance(node.args[0], ast.JoinedStr | ast.Constant | ast.BinOp), (
                    f"{name}:{node.lineno}"
                )


def test_patterns_are_ours() -> None:
    """No pattern of a regular expression is made of a text from outside without re.escape."""
    found = []
    for name, tree in SOURCES.items():
        for function, node in calls(tree):
            if not re.fullmatch(r"re\.(compile|search|match|fullmatch|sub|split|findall|finditer)", function):
                continue
            for part in ast.walk(node.args[0]):
                if isinstance(part, ast.Name | ast.Attribute) and not _is_ours(ast.unparse(part)):
                    found.append(f"{name}:{node.lineno} {ast.unparse(node.args[0])[:80]}")
    assert found == []


def _is_ours(name: str) -> bool:
    """Constants are written in capitals; escaping makes a text harmless."""
    return (
        name.rpartition(".")[2].strip("_").isupper() or name in {"re", "re.escape"} or name in PATTERN_WORDS
    )


# Parts of patterns that are made of escaped signs of a language, of marks of ours, and of whole numbers.
PATTERN_WORDS = {"grouped", "point", "mark", "minutes"}


def test_random_numbers_that_matter_come_from_the_operating_system() -> None:
    jitter = {"app/core/dispatcher.py", "app/core/again.py"}
    found = {name for name in users({"random"}) if not name.startswith(NOT_IN_PRODUCTION)}
    assert found - jitter == set()
    assert not [
        name for name, tree in SOURCES.items() for function, _node in calls(tree) if "uuid1" in function
    ]


def test_no_weak_algorithm_is_named() -> None:
    words = re.compile(r"\b(md5|sha1|SHA1|MD5|DES3?|RC4|ARC4|Blowfish|ECB|CBC|PKCS1v15|MODE_\w+)\b")
    found = [f"{name}: {node.id if isinstance(node, ast.Name) else node.attr}" for name, tree in SOURCES.items() for node in ast.walk(tree) if isinstance(node, ast.Name | ast.Attribute) and words.fullmatch(node.id if isinstance(node, ast.Name) else node.attr)]  # fmt: skip
    assert found == []
    assert users({"cryptography.hazmat.primitives.ciphers"}) == set(), (
        "nothing is encrypted here: say how in rules.md"
    )


def test_certificates_are_checked() -> None:
    text = "\n".join(ast.unparse(tree) for tree in SOURCES.values())
    assert not re.search(
        r"verify\s*=\s*False|CERT_NONE|check_hostname\s*=\s*False|_create_unverified_context", text
    )


def test_what_has_no_meaning_here_is_not_installed() -> None:
    """What asvs.toml calls not applicable because there is none of it: LDAP, XPath, LaTeX, GraphQL, memcached, SAML."""
    lines = (ROOT / "requirements.txt").read_text().lower()
    names = set(re.findall(r"^([a-z0-9_.-]+)(?:\[.*\])?==", lines, re.MULTILINE))
    assert not [
        n
        for n in names
        if re.search(r"ldap|lxml|latex|graphql|graphene|memcache|saml|jndi|authlib|oauth|webrtc|aiortc", n)
    ]
    assert (
        users({"ldap", "ldap3", "lxml", "graphql", "memcache", "pylibmc", "authlib", "xml.etree.ElementTree"})
        == set()
    )


def test_the_components_that_run_are_those_of_the_inventory() -> None:
    pinned = dict(
        re.findall(
            r"^([\w.-]+)(?:\[[\w,]+\])?==([^\s;]+)", (ROOT / "requirements.txt").read_text(), re.MULTILINE
        )
    )
    assert len(pinned) > 50
    different = []
    for name, version in pinned.items():
        try:
            running = metadata.version(name)
        except metadata.PackageNotFoundError:
            different.append(f"{name} {version} is not installed")
            continue
        if running != version:
            different.append(f"{name} {version} is pinned, {running} runs")
    assert different == []
    lock = json.loads((ROOT / "package-lock.json").read_text())["packages"]
    packages = {name: entry for name, entry in lock.items() if name and not entry.get("link")}
    assert [name for name, entry in packages.items() if not entry.get("integrity")] == []
    elsewhere = [entry["resolved"] for entry in packages.values() if "resolved" in entry]
    assert [url for url in elsewhere if not url.startswith("https://registry.npmjs.org/")] == []
    assert sys.version_info >= (3, 11)


def test_no_debugger_is_within_reach(app: Flask) -> None:
    assert not app.debug
    found = [
        f"{name}:{node.lineno}"
        for name, tree in SOURCES.items()
        for function, node in calls(tree)
        if function.endswith(("app.run", "breakpoint", "set_trace", "run_simple", "DebuggedApplication"))
        or any(word.arg == "debug" and ast.unparse(word.value) != "False" for word in node.keywords)
    ]
    assert [place for place in found if not place.startswith(NOT_IN_PRODUCTION)] == []
    assert "FLASK_DEBUG" not in (ROOT / "deploy/systemd/wemaster@.service").read_text()


def test_the_log_has_one_way_out() -> None:
    """stderr, through the formatter that takes secrets out; no file, no address."""
    handlers = re.compile(r"(File|Rotating\w*|Socket|SysLog|HTTP|SMTP|Datagram)Handler$")
    found = [
        f"{name}:{node.lineno} {function}"
        for name, tree in SOURCES.items()
        for function, node in calls(tree)
        if handlers.search(function)
    ]
    assert found == []
    made = {
        name
        for name, tree in SOURCES.items()
        for function, _n in calls(tree)
        if function.endswith("addHandler")
    }
    assert {name for name in made if not name.startswith(NOT_IN_PRODUCTION)} <= {"app/core/log.py"}


# -- Scripts of pages --------------------------------------------------------------------------------------


def test_scripts_make_no_markup_of_data() -> None:
    """Texts become text nodes. The one innerHTML has an address of ours in it and nothing else; a page of our own
    that is read anew is parsed without being run."""
    markup = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|createContextualFragment|DOMParser"
    )
    found = {
        name: line.strip()
        for name, text in SCRIPTS.items()
        for line in text.splitlines()
        if markup.search(line)
    }
    assert set(found) == {"combobox.js", "slots.js"}
    assert "${href}" in found["combobox.js"]
    assert found["combobox.js"].count("${") == 1
    assert found["slots.js"].startswith("const page = new DOMParser().parseFromString(")
    assert "fetch(url, " in SCRIPTS["slots.js"]


def test_scripts_run_no_text_and_take_no_messages() -> None:
    for name, text in SCRIPTS.items():
        assert not re.search(r"\beval\(|new Function\(|setTimeout\(\s*[\"'`]", text), name
        assert not re.search(
            r"postMessage|onmessage|addEventListener\([\"']message|document\.domain|jsonp", text
        ), name


def test_browsers_keep_nothing_of_anybody() -> None:
    """In a browser's storage: whether single keys are shortcuts, and this tab's recent places, until signing out."""
    kept = {
        (name, where, what)
        for name, text in SCRIPTS.items()
        for where, what in re.findall(r"(localStorage|sessionStorage)\.setItem\(([^,]+),", text)
    }
    assert kept == {
        ("palette.js", "localStorage", "SINGLE_KEYS"),
        ("palette.js", "sessionStorage", "RECENT_PLACES"),
    }
    assert not [name for name, text in SCRIPTS.items() if "indexedDB" in text or "caches.open" in text]
    written = [
        (name, line)
        for name, text in SCRIPTS.items()
        for line in text.splitlines()
        if "document.cookie =" in line
    ]
    assert [name for name, _line in written] == ["menus.js"]


def test_objects_of_scripts_can_not_be_poisoned() -> None:
    """No script copies members by names that came from elsewhere."""
    for name, text in SCRIPTS.items():
        assert not re.search(r"__proto__|\.constructor\[|\b(deep)?[mM]erge\(|\.prototype\[", text), name
        assert not re.search(r"for \(const \w+ in ", text), name


# -- Cryptography as it runs -------------------------------------------------------------------------------


def test_what_is_signed_is_signed_with_sha_256(app: Flask) -> None:
    """Links, sessions and forms; 43 characters are 32 bytes."""
    with app.test_request_context("/"):
        link = signing.sign("reset", [1, 2])
        form = generate_csrf()
        cookie = app.session_interface.get_signing_serializer(app)
        assert isinstance(cookie, URLSafeTimedSerializer)
        for signed in (link, form, cookie.dumps({"signin": "x"})):
            assert len(str(signed).rpartition(".")[2]) == 43
        assert len(signing.derived("anything")) == 32
        assert len(signing.fingerprint("anything")) * 4 >= 128
        assert signing.read("reset", link, max_age=60) == [1, 2]


def test_what_can_not_be_guessed_has_128_bits() -> None:
    """Codes that open something by themselves, and tokens; shorter codes only name what one must be let into."""
    assert SEAT_CODE * 5 >= 128
    assert CODE_LENGTH * 5 >= 128
    found = re.findall(r"secrets\.token_(urlsafe|hex)\((\d+)\)", "\n".join(ast.unparse(t) for n, t in SOURCES.items() if "accounts/" in n or n in {"app/core/web/headers.py", "app/core/web/visitor.py", "app/providers/storage/base.py"}))  # fmt: skip
    sizes = [int(size) * 8 for _kind, size in found]
    assert len(sizes) >= 6
    assert sorted(sizes)[1] >= 128, "the first is a token's number, which names and does not open"
    assert sorted(sizes)[0] == 64
