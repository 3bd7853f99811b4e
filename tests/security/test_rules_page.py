"""The page of rules says what the code does: limits, lifetimes, passwords, files, algorithms, tables, log."""

from __future__ import annotations

import ast
import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

from argon2 import PasswordHasher, Type
from flask import Flask

from app.core import bulk, images, throttle
from app.core.list_views import MAX_VIEWS
from app.core.realtime import PER_ACCOUNT as SOCKETS_PER_ACCOUNT
from app.core.web import csv_rows, exports, finding, xlsx_rows
from app.domains.accounts import policies as accounts
from app.domains.accounts.service import passwords
from app.domains.booking.policies.refunds import MAX_HOLDS
from app.domains.booking.portal import offering
from app.domains.booking.portal.agenda import MOST_DAYS
from app.domains.catalog import policies as catalog
from app.domains.messaging import policies as messaging
from app.domains.payments.portal import documents
from app.domains.payments.service.orders import MOST_LINES, MOST_OF_ONE
from app.providers.payments.base import TOLERANCE_SECONDS
from app.shell.factory import _config
from app.shell.models import metadata
from config import Settings

ROOT = Path(__file__).resolve().parents[2]
RULES = (ROOT / "docs/security/rules.md").read_text()
MODULES = {"accounts": accounts, "messaging": messaging, "offering": offering, "documents": documents}


def tables(heading: str) -> list[list[list[str]]]:
    """The tables below a heading: rows of cells, without their heads."""
    section = re.split(r"\n## ", RULES.split(f"\n## {heading}\n", 1)[1])[0]
    found = []
    for block in re.findall(r"(?:^\|.*\n?)+", section, re.MULTILINE):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.splitlines()]
        found.append(rows[2:])
    return found


def sources() -> Iterator[tuple[str, str]]:
    for path in [*sorted((ROOT / "app").rglob("*.py")), ROOT / "config.py"]:
        yield path.relative_to(ROOT).as_posix(), path.read_text()


def test_limits_on_guessing() -> None:
    [rows] = tables("Guessing")
    said = {}
    for what, tries, minutes in rows:
        module, name = re.findall(r"`(\w+)\.(\w+)`", what)[0]
        said[module, name] = throttle.Limit(int(tries), dt.timedelta(minutes=int(minutes)))
    there = {
        (module, name): value
        for module, holder in MODULES.items()
        for name, value in vars(holder).items()
        if isinstance(value, throttle.Limit)
    }
    assert said == there
    assert sum(len(re.findall(r"= Limit\(", text)) for _name, text in sources()) == len(there), (
        "a limit elsewhere"
    )


def test_passwords(real_hashes: PasswordHasher) -> None:
    section = RULES.split("\n## Passwords\n")[1].split("\n## ")[0]
    assert section.strip().startswith(f"{accounts.MIN_PASSWORD} to {accounts.MAX_PASSWORD} characters")
    assert f"at least {accounts.LEAST_BESIDE} characters must be left" in section
    assert accounts.PRODUCT_WORDS == ("wemaster",)
    assert passwords._hasher is real_hashes
    assert real_hashes.type is Type.ID
    assert not PasswordHasher().check_needs_rehash(passwords.hash_password("any"))


def test_lifetimes_of_sign_ins() -> None:
    [rows] = tables("Sign-ins")
    kinds = {
        "browser, at a company": (accounts.WEB_SESSION_LIFE, accounts.WEB_SESSION_IDLE),
        "browser, on the platform": (accounts.PLATFORM_SESSION_LIFE, accounts.PLATFORM_SESSION_IDLE),
        "operator's visit": (accounts.VISIT_LIFE, accounts.VISIT_LIFE),
        "program": (accounts.API_SESSION_LIFE, accounts.REFRESH_TOKEN_LIFE),
    }
    assert {kind: (_time(most), _time(unused)) for kind, most, unused in rows} == kinds
    ways = {way: limit for way, _proof, limit in tables("Ways in")[0]}
    assert "an hour" in ways["link to reset a password"]
    assert dt.timedelta(hours=1) == accounts.RESET_LIFE
    assert "a day" in ways["link to a new address"]
    assert dt.timedelta(days=1) == accounts.EMAIL_CHANGE_LIFE
    assert "30 seconds" in ways["operator's visit to a company"]
    assert dt.timedelta(seconds=30) == accounts.TICKET_LIFE


def _time(text: str) -> dt.timedelta:
    number, unit = text.split()
    return dt.timedelta(**{f"{unit.removesuffix('s')}s": int(number)})


def test_files() -> None:
    [rows] = tables("Files")
    said = {
        what: [int(n.replace(",", "")) for n in re.findall(r"[\d,]+\d", f"{a} {b}")]
        for what, _k, a, b in rows
    }
    assert said == {
        "pictures": [images.LARGEST_BYTES, images.MOST_PIXELS],
        "lists to import": [
            csv_rows.MAX_IMPORT_BYTES, xlsx_rows.MAX_UNPACKED, xlsx_rows.MAX_ENTRIES, xlsx_rows.MAX_DEPTH,
        ],
    }  # fmt: skip
    assert f"{exports.MAX_ROWS:,} rows at most" in RULES


# What makes, keeps or compares secrets, or takes fingerprints.
CRYPTOGRAPHY = {"hashlib", "hmac", "secrets", "cryptography", "jwt", "argon2", "itsdangerous", "ssl"}


def imported(text: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {name.name.partition(".")[0] for name in node.names}
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def test_every_use_of_cryptography_is_in_the_inventory() -> None:
    listed = set(re.findall(r"`([\w/]+\.py)`", str(tables("Keys and algorithms"))))
    used = {name for name, text in sources() if imported(text) & CRYPTOGRAPHY}
    assert used - listed == set(), "is not in docs/security/rules.md, Keys and algorithms"
    assert {name for name in listed if not (ROOT / name).exists()} == set()


def test_every_table_has_its_level() -> None:
    levels = tables("Data")[1]
    said = [table.strip() for _level, names in levels for table in names.split(",")]
    assert len(said) == len(set(said))
    assert set(metadata.tables) - set(said) == set(), "say in docs/security/rules.md, Data, how secret it is"
    assert set(said) - set(metadata.tables) == set()
    assert [level for level, _names in levels] == [row[0] for row in tables("Data")[0]]


def test_every_line_of_the_security_log_is_listed() -> None:
    written = {}
    for _name, text in sources():
        for call, event in re.findall(r'security_log\.(tell|warn)\(\s*"([^"]+)"', text):
            written[event] = {"tell": "info", "warn": "warning"}[call]
    assert {event: level for event, level, _when in tables("Log")[1]} == written


def test_settings_that_name_an_address_are_the_connections() -> None:
    said = set(re.findall(r"`([A-Z0-9_]+)`", str(tables("Connections"))))
    ours = {"PUBLIC_SCHEME", "PUBLIC_PORT", "BASE_DOMAIN", "PLATFORM_HOST_ALIASES", "MIGRATION_DATABASE_URL"}
    named = {name for name in Settings.model_fields if re.search(r"_(URL|HOST|BASE)$", name)} - ours
    assert said == named


def test_how_old_a_message_of_the_provider_may_be() -> None:
    assert f"at most {TOLERANCE_SECONDS} seconds old" in RULES


def test_the_ways_in_exist(app: Flask) -> None:
    [rows] = tables("Ways in")
    addresses = {rule.rule for rule in app.url_map.iter_rules()}
    named = set(re.findall(r"`(/[\w/]+)`", str(rows)))
    assert len(named) >= 3
    assert named <= addresses
    assert f"{SOCKETS_PER_ACCOUNT} sockets per account".replace("10", "ten") in str(rows)
    # All that begin a sign-in.
    begins = {
        name
        for name, text in sources()
        if re.search(r"\b(begin_session|start_session|tokens\.issue|make_platform_user)\(", text)
    }
    demo = {"app/shell/world/people.py", "app/shell/seed.py", "app/shell/simulation/market.py"}
    assert begins - demo == {
        "app/domains/accounts/portal/pages.py",  # form, invitation
        "app/domains/accounts/portal/registration.py",
        "app/domains/accounts/portal/handover.py",
        "app/domains/accounts/api.py",
        "app/domains/accounts/service/tokens.py",
        "app/domains/accounts/service/signin.py",
        "app/domains/accounts/service/people.py",  # operators
        "app/shell/operators.py",
    }


def test_what_input_must_be() -> None:
    [rows] = tables("Input")
    said = dict(rows)
    assert f"{catalog.MOST_MINOR:,} minor units" in said["amounts"]
    assert f"more than {accounts.OLDEST_CHILD} years" in said["birth date"]
    assert f"{catalog.MOST_DESCRIPTION:,} characters" in said["long texts"]
    assert f"{catalog.MOST_TITLE} characters" in said["names and titles"]


def test_what_fits_together_and_how_much() -> None:
    section = RULES.split("\n## Input\n")[1].split("\n## ")[0]
    assert len(re.findall(r"^- ", section, re.MULTILINE)) >= 5
    limits = " ".join(section.rpartition("Limits per person")[2].split())
    for said in (
        f"{ {3: 'three'}[MAX_HOLDS] } reservations at a time",
        f"{accounts.MOST_CHILDREN} children",
        f"{MAX_VIEWS} saved views of a list",
        f"{MOST_LINES} lines and {MOST_OF_ONE:,} of one kind",
        f"{catalog.MOST_SEATS} seats",
    ):
        assert said in limits, said


def test_what_costs_much() -> None:
    [rows] = tables("What costs much")
    said = dict(rows)
    assert f"{exports.MAX_ROWS:,} rows" in said["exports"]
    assert f"{bulk.MAX_ROWS:,} rows" in said["actions on many records"]
    assert f"{finding.MOST} characters, {finding.MAX_WORDS} words" in said["search"]
    assert f"{MOST_DAYS} days" in said["free times"]
    options = _config(Settings(SECRET_KEY="k" * 40))["SQLALCHEMY_ENGINE_OPTIONS"]
    assert "statement_timeout=15s" in str(options)
    assert "lock_timeout=3s" in str(options)
    assert f"{Settings.model_fields['WEB_THREADS'].default} threads" in said["everything else"]


def test_how_soon_components_are_mended_is_said() -> None:
    section = RULES.split("\n## Components from others\n")[1]
    for severity in ("critical within 2 days", "high within 7", "medium within 30", "every 3 months"):
        assert severity in section
    for name in ("Flask-AppBuilder", "Pillow", "openpyxl", "defusedxml", "icalendar"):
        assert name in section
        assert f"{name.lower()}==" in (ROOT / "requirements.txt").read_text()
