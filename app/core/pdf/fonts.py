"""The fonts of PDF documents: built with the front-end's files, so there wherever those are."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

DIST = Path(__file__).resolve().parents[2] / "static" / "dist"

# In the order in which they are asked for a letter; the first has Latin, Greek and Cyrillic.
FAMILIES = ("sans", "arabic", "hebrew", "japanese", "emoji")
_UNKNOWN = "\ufffd"
_SPACES = dict.fromkeys(map(ord, "\t\v\f\u2028\u2029\x85"), " ")
# These turn the reading direction of what follows: an amount could be made to read as another one.
_TURNS = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


class FontsMissing(RuntimeError):
    """The front-end's files are not built; the text says what to do."""


@cache
def file_of(family: str, bold: bool = False) -> Path:
    """The font's file; raises FontsMissing. A family without a bold cut has its regular one for both."""
    try:
        files = json.loads((DIST / "manifest.json").read_text("utf-8"))["files"]
        return DIST / str((bold and files.get(f"{family}-bold.ttf")) or files[f"{family}.ttf"])
    except (OSError, ValueError, KeyError) as error:
        raise FontsMissing("The fonts are not built: run `python run.py assets`.") from error


@cache
def letters_of(family: str) -> frozenset[int]:
    """The letters that a family can draw."""
    from fontTools.ttLib import TTFont  # type: ignore[import-untyped]  # slow to load

    with TTFont(file_of(family), lazy=True) as font:
        return frozenset(font.getBestCmap())


def families_for(texts: Iterable[str]) -> list[str]:
    """The families that the (drawable) texts need, the first one always: a large one costs its loading."""
    left = {ord(letter) for text in texts for letter in text}
    needed: list[str] = []
    for family in FAMILIES:
        if not needed or left & letters_of(family):
            needed.append(family)
            left -= letters_of(family)
    return needed


def drawable(text: str) -> str:
    """The text as it can be drawn: lines kept, controls gone, what no font has as a replacement character."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n")).translate(_SPACES)
    return "".join(map(_drawable, text))


@cache
def _known() -> frozenset[int]:
    return frozenset().union(*map(letters_of, FAMILIES))


def _drawable(letter: str) -> str:
    if letter == "\n":
        return letter
    kind = unicodedata.category(letter)
    if letter in _TURNS or kind == "Cc" or letter == "\u00ad":
        return ""
    if ord(letter) in _known():
        return letter
    return "" if kind == "Cf" or unicodedata.name(letter, "").startswith("VARIATION") else _UNKNOWN
