"""The translations' check finds what a reader of the page would stumble over."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.shell import translations

CODE = """
from flask_babel import gettext as _, lazy_gettext as _l, ngettext
_("Save")
_l("%(name)s has booked", name="x")
ngettext("%(num)s lesson", "%(num)s lessons", 2)
"""
TEMPLATE = "<h1>{{ _('Welcome') }}</h1>"
COMPLETE = """
msgid ""
msgstr "Content-Type: text/plain; charset=utf-8\\n"

msgid "Save"
msgstr "Speichern"

msgid "%(name)s has booked"
msgstr "%(name)s hat gebucht"

msgid "%(num)s lesson"
msgid_plural "%(num)s lessons"
msgstr[0] "eine Stunde"
msgstr[1] "%(num)s Stunden"

msgid "Welcome"
msgstr "Willkommen"
"""
FAULTS = {
    "missing": ('msgid "Save"\nmsgstr "Speichern"\n', "", "'Save' (app/code.py): not translated"),
    "empty": ('msgstr "Speichern"', 'msgstr ""', "'Save' (app/code.py): not translated"),
    "fuzzy": ('msgid "Save"', '#, fuzzy\nmsgid "Save"', "'Save' (app/code.py): marked fuzzy"),
    "placeholder lost": ('"%(name)s hat', '"Jemand hat', "placeholders [] instead of ['%(name)s']"),
    "placeholder renamed": ('"%(name)s hat', '"%(wer)s hat', "['%(wer)s'] instead of ['%(name)s']"),
    "placeholder in a plural": ('"%(num)s Stunden', '"%(n)s Stunden', "['%(n)s'] instead of ['%(num)s']"),
    "plural form missing": ('msgstr[1] "%(num)s Stunden"', 'msgstr[1] ""', "1 plural forms instead of 2"),
    "template": ('msgstr "Willkommen"', 'msgstr ""', "'Welcome' (app/x/templates/page.html): not translated"),
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project with a complete German catalogue."""
    files = {
        "babel.cfg": (translations.ROOT / "babel.cfg").read_text(),
        "app/code.py": CODE,
        "app/x/templates/page.html": TEMPLATE,
        "node_modules/app/not_ours.py": "_('Not ours')",
        "translations/de/LC_MESSAGES/messages.po": COMPLETE,
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(translations, "ROOT", tmp_path)
    monkeypatch.setattr(translations, "TRANSLATIONS", tmp_path / "translations")
    return tmp_path


def test_a_complete_catalogue_passes(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert translations.check() == 0
    assert capsys.readouterr().out == "4 texts, complete in de.\n"


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named(project: Path, capsys: pytest.CaptureFixture[str], fault: str) -> None:
    right, wrong, message = FAULTS[fault]
    catalogue = project / "translations/de/LC_MESSAGES/messages.po"
    assert catalogue.read_text().count(right) == 1
    catalogue.write_text(catalogue.read_text().replace(right, wrong))
    assert translations.check() == 1
    assert f"{message}\n1 problems" in capsys.readouterr().err


def test_a_language_without_a_catalogue_fails_until_updated_and_translated(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "translations" / "ar").mkdir()
    assert translations.check() == 1
    assert "ar: no catalogue" in capsys.readouterr().err
    assert translations.update() == 0
    assert translations.check() == 1
    assert capsys.readouterr().err.count("not translated") == 4


def test_update_keeps_what_is_translated_and_adds_what_is_new(project: Path) -> None:
    (project / "app" / "code.py").write_text(CODE + '_("Cancel")\n')
    assert translations.update() == 0
    text = (project / "translations/de/LC_MESSAGES/messages.po").read_text()
    assert 'msgstr "Speichern"' in text
    assert 'msgid "Cancel"\nmsgstr ""' in text
    before = text
    assert translations.update() == 0
    assert (project / "translations/de/LC_MESSAGES/messages.po").read_text() == before


def test_compile_writes_what_gettext_reads(project: Path) -> None:
    import gettext

    assert translations.compile() == 0
    german = gettext.translation("messages", project / "translations", ["de"])
    assert german.gettext("Save") == "Speichern"
    assert german.ngettext("%(num)s lesson", "%(num)s lessons", 1) == "eine Stunde"
    compiled = project / "translations/de/LC_MESSAGES/messages.mo"
    when = compiled.stat().st_mtime_ns
    assert translations.compile() == 0
    assert compiled.stat().st_mtime_ns == when
