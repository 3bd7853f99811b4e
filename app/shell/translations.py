"""The message catalogues in translations/: extract, check, compile. A directory there is a language."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from babel.messages.catalog import Catalog, Message

ROOT = Path(__file__).resolve().parents[2]
TRANSLATIONS = ROOT / "translations"
KEYWORDS = ("_l", "lazy_gettext", "lazy_ngettext:1,2")
NOT_OURS = ".* __pycache__ node_modules var tests"
PLACEHOLDER = re.compile(r"%(?:\((\w+)\))?[-+ #0]*[\d.]*[a-zA-Z]|\{\w*\}")


def check() -> int:
    """Say what is missing or wrong in any language; returns the exit code."""
    template = _template()
    problems = [problem for language in languages() for problem in _problems(language, template)]
    for problem in problems:
        click.echo(problem, err=True)
    if problems:
        advice = "new texts are added by: python run.py translations update"
        click.echo(f"{len(problems)} problems; {advice}", err=True)
        return 1
    click.echo(f"{len(list(_texts(template)))} texts, complete in {', '.join(languages()) or 'no language'}.")
    return 0


def update() -> int:
    """Bring every catalogue in step with the texts in the code; what is new in it waits for a translator."""
    with tempfile.TemporaryDirectory() as directory:
        template = Path(directory) / "messages.pot"
        _extract(template)
        for language in languages():
            known = _catalogue(language).exists()
            options = (
                ["--no-fuzzy-matching", "--ignore-obsolete", "--ignore-pot-creation-date"] if known else []
            )
            _babel(
                "update" if known else "init", "-i", str(template), "-d", str(TRANSLATIONS), "-l", language,
                "--width=110", *options,
            )  # fmt: skip
    return compile()


def compile() -> int:
    """Write the .mo file beside each .po that changed since."""
    from babel.messages.mofile import write_mo

    for language in languages():
        source = _catalogue(language)
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        fresh = target.with_suffix(".mo.new")
        with fresh.open("wb") as file:
            write_mo(file, _read(source))
        fresh.replace(target)
    return 0


def languages() -> list[str]:
    """The languages that have a catalogue; English, the language of the code, needs none."""
    if not TRANSLATIONS.is_dir():
        return []
    return sorted(directory.name for directory in TRANSLATIONS.iterdir() if directory.is_dir())


def _catalogue(language: str) -> Path:
    return TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"


def _template() -> Catalog:
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "messages.pot"
        _extract(file)
        return _read(file)


def _extract(target: Path) -> None:
    keywords = [argument for keyword in KEYWORDS for argument in ("-k", keyword)]
    _babel(
        "extract", "-F", "babel.cfg", *keywords, "-o", str(target), "--add-location=file", "--sort-by-file",
        "--width=110", "--project=WeMaster", "--version=", f"--ignore-dirs={NOT_OURS}", ".",
    )  # fmt: skip


def _babel(*arguments: str) -> None:
    command = [sys.executable, "-m", "babel.messages.frontend", "--quiet", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603 - a list of our own
    if done.returncode != 0:
        raise click.ClickException(f"pybabel {arguments[0]}: {done.stderr.strip()}")


def _read(file: Path) -> Catalog:
    from babel.messages.pofile import read_po

    locale = file.parts[-3] if file.suffix == ".po" else None
    with file.open("rb") as stream:
        return read_po(stream, locale=locale)


def _texts(catalogue: Catalog) -> Iterator[Message]:
    return (message for message in catalogue if message.id)


def _problems(language: str, template: Catalog) -> Iterator[str]:
    if not _catalogue(language).exists():
        yield f"{language}: no catalogue"
        return
    catalogue = _read(_catalogue(language))
    for wanted in _texts(template):
        found = catalogue.get(_forms(wanted.id)[0], wanted.context)
        files = ", ".join(sorted({file for file, _ in wanted.locations}))
        place = f"{language}: {_forms(wanted.id)[0]!r} ({files})"
        if found is None or not any(_forms(found.string)):
            yield f"{place}: not translated"
        elif found.fuzzy:
            yield f"{place}: marked fuzzy"
        else:
            yield from (f"{place}: {fault}" for fault in _faults(wanted, found, catalogue.num_plurals))


def _forms(text: object) -> list[str]:
    """A message's texts: one, or one for each plural form."""
    return [str(part or "") for part in text] if isinstance(text, list | tuple) else [str(text or "")]


def _faults(wanted: Message, found: Message, plurals: int) -> Iterator[str]:
    """What is wrong with a translation that is there."""
    strings = _forms(found.string)
    if wanted.pluralizable and (len(strings) != plurals or not all(strings)):
        yield f"{len(list(filter(None, strings)))} plural forms instead of {plurals}"
    allowed = set().union(*map(_placeholders, _forms(wanted.id)))
    for string in filter(None, strings):
        has = _placeholders(string)
        # A plural form may leave the number out ("one lesson"); a single text must use what it is given.
        if has - allowed or (not wanted.pluralizable and has != allowed):
            yield f"placeholders {sorted(has)} instead of {sorted(allowed)}"


def _placeholders(text: str) -> set[str]:
    return {match.group(0) for match in PLACEHOLDER.finditer(text.replace("%%", ""))}
