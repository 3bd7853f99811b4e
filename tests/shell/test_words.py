"""The words of templates: in the language in force, with their values escaped where the page escapes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from babel import Locale
from flask import Flask
from flask_babel import force_locale, get_locale, gettext, lazy_gettext
from markupsafe import Markup

from app.core.web.choices import LOCALES
from app.shell import context, words

NAMED = "Your account, %(name)s"
LANGUAGES = [code for code, _name in LOCALES]


@pytest.fixture(autouse=True)
def request_context(app: Flask) -> Iterator[None]:
    with app.test_request_context("/"):
        yield


def printed(app: Flask, source: str, **values: object) -> str:
    return app.jinja_env.from_string(source).render(values)


@pytest.mark.parametrize("language", LANGUAGES)
def test_templates_say_what_python_says(app: Flask, language: str) -> None:
    with force_locale(language):
        for text in ("Sign out", "Main menu", "Nothing found"):
            assert printed(app, '{{ _("' + text + '") }}') == gettext(text) == str(lazy_gettext(text))
        assert printed(app, '{{ _("Your account, %(name)s", name="Ö") }}') == gettext(NAMED, name="Ö")


def test_a_forced_language_ends(app: Flask) -> None:
    english = printed(app, '{{ _("Sign out") }}')
    with force_locale("de"):
        german = printed(app, '{{ _("Sign out") }}')
        with force_locale("es"):
            spanish = printed(app, '{{ _("Sign out") }}')
        assert printed(app, '{{ _("Sign out") }}') == german
    assert printed(app, '{{ _("Sign out") }}') == english
    assert len({english, german, spanish}) == 3


def test_values_are_escaped_and_texts_are_not(app: Flask) -> None:
    bad = "<script>"
    assert printed(app, '{{ _("Your account, %(name)s", name=n) }}', n=bad) == "Your account, &lt;script&gt;"
    assert printed(app, '{{ _("Your account, %(name)s", name=n) }}', n=Markup("<b>")) == "Your account, <b>"
    with_number = '{{ ngettext("%(num)s star of %(name)s", "%(num)s stars of %(name)s", 3, name=n) }}'
    assert printed(app, with_number, n=bad) == "3 stars of &lt;script&gt;"
    assert printed(app, '{{ _("100%%") }}') == "100%", "always a format string"
    assert isinstance(app.jinja_env.from_string('{{ _("Sign out") }}').module.__html__(), Markup)


def test_plain_texts_are_left_as_they_are(app: Flask) -> None:
    """In a mail's text part nothing is HTML."""
    source = '{% autoescape false %}{{ _("Your account, %(name)s", name=n) }}{% endautoescape %}'
    assert printed(app, source, n="A & B") == "Your account, A & B"
    with_number = '{% autoescape false %}{{ ngettext("%(num)s & %(n)s", "%(num)s & %(n)s", 1, n=n) }}{% endautoescape %}'
    assert printed(app, with_number, n="<x>") == "1 & <x>"


def test_what_is_kept_has_an_end(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "MOST_KEPT", 0)
    for number in range(5):
        assert printed(app, "{{ _(text) }}", text=f"never seen {number}") == f"never seen {number}"
    found = app.extensions["babel"].instance.domain_instance.get_translations()
    assert not any(text.startswith("never seen") for text in found.__dict__.get("written", {}))


def test_templates_share_the_globals_and_see_new_ones(app: Flask) -> None:
    template = app.jinja_env.get_template("macros/page.html")
    assert template.globals is app.jinja_env.globals
    app.jinja_env.globals["a_global_of_a_test"] = "seen"
    try:
        assert printed(app, "{{ a_global_of_a_test }}") == "seen"
        assert "a_global_of_a_test" in template.globals
    finally:
        del app.jinja_env.globals["a_global_of_a_test"]
    assert printed(app, "{{ a_global_of_a_test }}") == ""


def test_a_language_is_always_the_same_object(app: Flask) -> None:
    with app.test_request_context("/"):
        first = get_locale()
    with app.test_request_context("/"):
        assert get_locale() is first


@pytest.mark.parametrize("code", [code for code, _name in LOCALES])
def test_a_language_is_babels_own(code: str) -> None:
    """What is kept by one is found by the other: a language may be forced, too."""
    ours, theirs = context._locale(code), Locale.parse(code)
    assert (ours, hash(ours), str(ours)) == (theirs, hash(theirs), str(theirs))
    assert {theirs: 1}[ours] == {ours: 1}[theirs] == 1
