"""What may not leave the house in a log line: passwords, tokens, keys, cookies, card data.

Structures are cleaned by their keys, texts by what they look like. Every pattern is bounded, so that
a hostile text of a megabyte costs no more than its length.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping, Set
from functools import lru_cache
from typing import Any

REDACTED = "[redacted]"

_NAMES = (
    "password|passwd|passphrase|token|secret|authorization|cookie|api[_-]?key|cvc|csrf"
    "|(?<!dis)(?<!wild)(?<!score)card(?!inal)"
)
_KEY = re.compile(_NAMES, re.IGNORECASE)

_SEPARATOR = r"""[\])"'\\]{0,3}\s{0,3}(?:[=:]|%3[dDaA])\s{0,3}"""
_QUOTED = r""""(?:[^"\\]|\\.)*+"|'(?:[^'\\]|\\.)*+\'"""
_LINKS = "/(?:reset|invitation|register|verify|ticket|unsubscribe|receipts|checkout)/"
_PATTERNS: tuple[tuple[re.Pattern[str], str], ...] = (
    # Headers whose value holds spaces: everything up to the end of the line or of the quotes.
    (
        re.compile(rf"((?:authorization|cookie){_SEPARATOR}[\"']?)[^\r\n\"']++", re.IGNORECASE),
        rf"\1{REDACTED}",
    ),
    # name=value, "name": "value", (name)=(value), ?name=value&, name%3Dvalue
    (
        re.compile(
            rf"((?:{_NAMES}|input_value)[\w-]{{0,40}}{_SEPARATOR})"
            rf"(?:\\{{1,3}}[\"'][^\"'\\]*+|b?(?:{_QUOTED})|\([^)\r\n]*+\)|\[redacted\]|[^\s,;&}})\]\"'<>]++)",
            re.IGNORECASE,
        ),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"\b(bearer)\s{1,3}[\w.~+/=-]{6,}+", re.IGNORECASE), rf"\1 {REDACTED}"),
    # A JWT, whole or cut off
    (re.compile(r"eyJ[\w-]{6,}+(?:\.[\w-]*+){0,4}"), REDACTED),
    # The password of a URL
    (re.compile(r"(://[^\s/:@]{0,200}:)[^\s/@]{1,400}@"), rf"\1{REDACTED}@"),
    # Links sent by e-mail, and codes that open something by themselves
    (re.compile(rf"({_LINKS})[^\s/?#&\"'<>]++", re.IGNORECASE), rf"\1{REDACTED}"),
)
# What every pattern here needs to be of use at all: most texts of a log line have none of it, and are looked
# at once in place of seven times.
_WORTH_A_LOOK = re.compile(rf"[=:]|%3|(?i:bearer|{_LINKS})|eyJ|[A-Za-z0-9_-]{{32}}")
# What `secrets.token_urlsafe` makes. Hex (request ids, hashes) and plain words have no such mixture.
_RANDOM = re.compile(r"(?<![\w-])[A-Za-z0-9_-]{32,}+")
_MIXTURE = (re.compile("[a-z]"), re.compile("[A-Z]"), re.compile("[0-9]"))

_CONVERSION = re.compile(
    r"%(?:\((?P<name>[^)]*)\))?[#0\- +]*(?:\*|\d+)?(?:\.(?:\*|\d+))?[hlL]?(?P<kind>[a-zA-Z%])"
)
# The text before a %s names what it is: "token=%s", "password is %r", "Bearer %s".
_NAMED_BEFORE = re.compile(
    rf"(?:(?:{_NAMES})[\w-]{{0,40}}|bearer)(?:\s(?:is|was))?[\s=:\"'(]{{0,4}}$", re.IGNORECASE
)

_DEEPEST = 8
LONGEST_NAME = 40


def redact(value: Any, depth: int = 0) -> Any:
    """The same value without secrets. What is no plain value is turned into its (cleaned) text."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {
                redact_text(str(key)): REDACTED if _is_secret(key, item) else redact(item, depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple | Set):
            return [redact(item, depth + 1) for item in value]
    return redact_text(repr(value) if isinstance(value, BaseException) else str(value))


def redact_text(text: str) -> str:
    """The same text without what looks like a secret in it."""
    if _WORTH_A_LOOK.search(text) is None:
        return text
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return _RANDOM.sub(_unless_plain, text)


def safe_arguments(template: str, arguments: Any) -> Any:
    """%-arguments for a template, with those redacted that a secret's name stands before or names."""
    if isinstance(arguments, Mapping):
        return {key: REDACTED if _is_secret(key, item) else _inside(item) for key, item in arguments.items()}
    safe = [_inside(item) for item in arguments]
    place, end = 0, 0
    for found in _CONVERSION.finditer(template):
        if found["kind"] == "%":
            continue
        place += found.group().count("*")
        if (
            place < len(safe)
            and found["kind"] in "sra"
            and _NAMED_BEFORE.search(template, end, found.start())
        ):
            safe[place] = REDACTED
        place, end = place + 1, found.end()
    return tuple(safe)


def _inside(argument: Any) -> Any:
    """An argument must stay what it is (%d wants a number), except where it holds others by name."""
    return redact(argument) if isinstance(argument, Mapping | list | tuple | Set) else argument


def _is_secret(key: Any, value: Any) -> bool:
    """Whether a member must be hidden by its name; flags and missing values say nothing."""
    return value is not None and not isinstance(value, bool) and _names_secret(str(key))


def _names_secret(name: str) -> bool:
    return _known_names(name) if len(name) <= LONGEST_NAME else _KEY.search(name) is not None


@lru_cache(maxsize=1000)
def _known_names(name: str) -> bool:
    """The names of what is logged are few, and come again with each line."""
    return _KEY.search(name) is not None


def _unless_plain(found: re.Match[str]) -> str:
    text = found.group()
    return REDACTED if all(kind.search(text) for kind in _MIXTURE) else text
