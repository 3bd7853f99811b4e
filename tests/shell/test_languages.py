"""What people of other languages see: whole catalogues, pages and mails without English, the right direction."""

from __future__ import annotations

import datetime as dt
import html
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from flask import Flask
from flask_babel import force_locale, gettext, ngettext

from app.core.moments import moment
from app.core.money import Money
from app.core.schedule import Schedule
from app.core.web.choices import LOCALES
from app.core.web.labels import DEEDS, ENDS
from app.domains.booking.admin.hours import OverrideEntry, RuleEntry
from app.domains.booking.models import AvailabilityOverride, AvailabilityRule
from app.domains.booking.portal.times import day_words
from app.domains.ledger.admin import PostingEntry
from app.domains.ledger.models import Posting
from app.domains.payments.admin.orders import ReceiptCounterEntry
from app.domains.payments.admin.payments import AllocationEntry
from app.domains.payments.models import Allocation, ReceiptCounter
from app.shell import translations
from app.shell.admin import ScheduleEntry
from app.shell.schedule import TABLE, WORDS
from tests.domains.accounts.support import NEW_PASSWORD, link_to, mails_to, run
from tests.support.databases import Database
from tests.support.world import PASSWORD, PLATFORM, Browser, World

LANGUAGES = [code for code, _name in LOCALES if code != "en"]
PLACEHOLDER = re.compile(r"%\(\w+\)s|\{\w+\}")
# What must not be said: German says "Sie", Spanish says "tú".
ADDRESS = {
    "de": re.compile(r"\b(du|dein\w*|dir|dich|euch|euer|eure\w*)\b", re.IGNORECASE),
    "es": re.compile(r"\b(usted(es)?|vosotr[oa]s|vuestr[oa]s?)\b", re.IGNORECASE),
}
STRAIGHT = {
    "de": re.compile(r'["”]'),
    "es": re.compile(r'["„]'),
    "ar": re.compile(r'[";?]|,(?!\d)'),
}
# Spanish greets with a colon; Arabic has signs of its own.
SAME_END = {".": ".", "!": "!", ":": ":", "?": "?؟", ",": ",،:"}
DIRECTIONS = {"de": "ltr", "es": "ltr", "ar": "rtl"}
NEWCOMER = "neu@mail.test"


def messages(language: str) -> list[Message]:
    """What is translated so far; what is missing is told once, by the check."""
    file = translations.TRANSLATIONS / language / "LC_MESSAGES" / "messages.po"
    with file.open("rb") as stream:
        return [m for m in read_po(stream, locale=language) if m.id and all(forms(m.string))]


def forms(text: str | tuple[str, ...]) -> tuple[str, ...]:
    """A message's texts: one, or one for each plural form."""
    return (text,) if isinstance(text, str) else tuple(text)


# -- The catalogues ----------------------------------------------------------------------------------------


def test_every_language_offered_has_a_catalogue_and_every_catalogue_is_offered() -> None:
    assert sorted(LANGUAGES) == translations.languages()


def test_the_catalogues_are_complete(capsys: pytest.CaptureFixture[str]) -> None:
    code = translations.check()
    assert code == 0, capsys.readouterr().err


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_use_the_same_placeholders(language: str) -> None:
    """But a form of a plural may say its number as a word: "one lesson"."""
    found = messages(language)
    assert len(found) > 300
    for message in found:
        wanted = {name for text in forms(message.id) for name in PLACEHOLDER.findall(text)}
        optional = {"%(num)s", "%(count)s"} if message.pluralizable else set()
        for text in forms(message.string):
            assert wanted - optional <= set(PLACEHOLDER.findall(text)) <= wanted, message.id


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 11, 100, 101, 1000])
def test_a_plural_says_its_number(app: Flask, language: str, count: int) -> None:
    """Only a form that is for one number alone may leave it out."""
    alone = {"ar": {0, 1, 2}}.get(language, {1})
    with app.app_context(), force_locale(language):
        for message in messages(language):
            if message.pluralizable and count not in alone:
                one, many = forms(message.id)
                others = {name: "…" for name in re.findall(r"%\((\w+)\)s", many) if name != "num"}
                assert str(count) in ngettext(one, many, count, **(others | {"count": count})), many


def test_the_check_sees_placeholders_of_scripts_too() -> None:
    assert translations._placeholders("{n} of %(all)s, 100%%") == {"{n}", "%(all)s"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_translations_end_as_the_text_does(language: str) -> None:
    """A sentence stays a sentence, a question a question, a lead-in a lead-in."""
    for message in messages(language):
        text = forms(message.id)[-1]
        for translated in forms(message.string):
            if text[-1] in SAME_END and not text.lower().endswith("no."):
                assert translated[-1] in SAME_END[text[-1]], text
            assert translated == translated.strip(), text
            assert text == text.strip()


@pytest.mark.parametrize("language", ADDRESS)
def test_everybody_is_addressed_the_same_way(language: str) -> None:
    wrong = [m.string for m in messages(language) if any(map(ADDRESS[language].search, forms(m.string)))]
    assert wrong == []


@pytest.mark.parametrize("language", STRAIGHT)
def test_quotes_are_those_of_the_language(language: str) -> None:
    wrong = [m.string for m in messages(language) if any(map(STRAIGHT[language].search, forms(m.string)))]
    assert wrong == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_compiled_is_what_is_written(app: Flask, language: str) -> None:
    """The app reads .mo files: `make test` compiles them, and so does `run.py translations compile`."""
    with app.app_context(), force_locale(language):
        stale = [m.id for m in messages(language) if not m.pluralizable and gettext(m.id) != m.string]
    assert stale == []


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        (r'\b(?:note|record)\([^"\n]*"([^"]+)"', DEEDS),
        (r'\bend_sessions?(?:_of|_of_token)?\([^"\n]*reason="([^"]+)"', ENDS),
    ],
    ids=["deeds", "ends"],
)
def test_what_is_stored_in_english_has_words_to_be_shown_in(pattern: str, words: Mapping[str, Any]) -> None:
    sources = (translations.ROOT / "app").rglob("*.py")
    texts = [source.read_text() for source in sources if source.name != "describing.py"]
    # In what describes the API a record is another thing.
    texts = [text for text in texts if "app.core.web.describing" not in text]
    stored = {found for text in texts for found in re.findall(pattern, text)}
    assert len(stored) >= 5
    assert stored <= set(words)


def test_recurring_work_has_words() -> None:
    assert {recurring.name for recurring in TABLE} == set(WORDS)


def test_titles_of_records_are_words(app: Flask) -> None:
    rule = AvailabilityRule(weekday=0, starts_minute=540, ends_minute=1440)
    money = {"amount_minor": 123450, "currency": "EUR"}
    with app.test_request_context(), force_locale("es"):
        titles = [
            RuleEntry().title_of(rule),
            OverrideEntry().title_of(AvailabilityOverride(on_date=dt.date(2026, 3, 2))),
            AllocationEntry().title_of(Allocation(**money)),
            PostingEntry().title_of(Posting(**money)),
            ReceiptCounterEntry().title_of(ReceiptCounter(kind="receipt")),
            str(ScheduleEntry().title_of(Schedule(name="lapse holds"))),
        ]
    assert titles == [
        "lunes, 09:00–24:00",
        "lunes, 2 de marzo de 2026",
        "1.234,50\xa0€",
        "1.234,50\xa0€",
        "Recibo",
        "Dejar caducar las reservas temporales",
    ]


@pytest.mark.parametrize(
    ("language", "day", "time", "price"),
    [
        ("en", "Monday, March 9", "Mar 9, 2026, 2:30\u202fPM", "€1,234.50"),
        ("de", "Montag, 9. März", "09.03.2026, 14:30", "1.234,50\xa0€"),
        ("es", "lunes, 9 de marzo", "9 mar 2026, 14:30", "1.234,50\xa0€"),
        ("ar", "الاثنين، 9 مارس", "09\u200f/03\u200f/2026، 2:30\u00a0م", "\u200f1,234.50\xa0€"),
    ],
)
def test_days_times_and_amounts_are_written_as_the_language_does(
    app: Flask, language: str, day: str, time: str, price: str
) -> None:
    at = dt.datetime(2026, 3, 9, 14, 30, tzinfo=dt.UTC)
    with app.test_request_context(), force_locale(language):
        assert (day_words(at.date()), moment(at)) == (day, time)
        assert Money(123450, "EUR").format(language) == price


# -- Pages -------------------------------------------------------------------------------------------------


def visitor(world: World, host: str, speaks: str = "de", email: str | None = None) -> Browser:
    """A browser that asks for a language, signed in where an e-mail is given."""
    browser = Browser(world.app, host)
    browser.client.environ_base["HTTP_ACCEPT_LANGUAGE"] = speaks
    if email:
        answer = browser.post("/login/", email=email, password=PASSWORD)
        assert answer.status_code == 302, answer.text
    return browser


def manager(world: World, speaks: str = "de") -> Browser:
    return visitor(world, world.anna.host, speaks, world.anna.email("manager"))


def english_in(page: str, language: str = "de") -> list[str]:
    """Texts of ours that stand in the page untranslated, in its attributes too; short ones may be HTML."""
    shown = " ".join(html.unescape(page).split())
    texts = (
        text
        for message in messages(language)
        if message.id != message.string
        for text in forms(message.id)
        if len(text) >= 10 and not PLACEHOLDER.search(text)
    )
    return [text for text in texts if text in shown and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", shown)]


MANAGERS_PAGES = (
    "/",
    "/account/",
    "/admin/",
    "/admin/brand/",
    "/admin/people/",
    "/admin/people/add",
    "/admin/people/import",
    "/admin/people/?q=nobody",
    "/admin/people/{person}",
    "/admin/people/{person}/edit",
    "/admin/people/{person}/delete",
    "/admin/invitations/",
    "/admin/invitations/add",
    "/admin/memberships/",
    "/admin/memberships/{membership}",
    "/admin/memberships/{membership}/do/end",
    "/admin/guardianships/",
    "/admin/roles/add",
    "/admin/sign-ins/",
    "/admin/audit/",
)
OPERATORS_PAGES = (
    "/admin/",
    "/admin/tenants/",
    "/admin/tenants/add",
    "/admin/tenants/{tenant}",
    "/admin/tenants/{tenant}/do/suspend",
    "/admin/tenants/{tenant}/do/open",
    "/admin/tenants/{tenant}/do/invite-manager",
    "/admin/domains/",
    "/admin/plans/",
    "/admin/accounts/",
    "/admin/audit/",
    "/admin/deliveries/",
    "/admin/schedules/",
    "/admin/sent-mails/",
    "/admin/idempotency-keys/",
)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_english_is_left_on_a_managers_pages(world: World, language: str) -> None:
    browser = manager(world, language)
    ids = {"person": world.anna.people["tutor"], "membership": world.anna.memberships["tutor"]}
    for path in MANAGERS_PAGES:
        answer = browser.get(path.format(**ids))
        assert answer.status_code == 200, path
        assert f'<html lang="{language}" dir="{DIRECTIONS[language]}"' in answer.text
        assert english_in(answer.text, language) == [], path


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_english_is_left_on_an_operators_pages(world: World, language: str) -> None:
    browser = visitor(world, PLATFORM, language, "operator@wemaster.test")
    for path in OPERATORS_PAGES:
        answer = browser.get(path.format(tenant=world.anna.id))
        assert answer.status_code == 200, path
        assert english_in(answer.text, language) == [], path


def test_the_search_for_english_finds_it(world: World) -> None:
    found = english_in(manager(world, "en").get("/admin/people/add").text)
    assert {"Date of birth", "Add a person", "Close the menu"} <= set(found)


def test_labels_dates_and_words_of_the_trail(world: World) -> None:
    browser = manager(world)
    listing = browser.get("/admin/people/").text
    for words in ("Person hinzufügen", "Personen", "Einladungen", "Protokoll", "Abmelden", "1 bis 4 von 4"):
        assert words in listing
    assert re.search(r"\b\d\d\.\d\d\.\d{4}, \d\d:\d\d\b", listing)
    trail = browser.get("/admin/audit/").text
    assert "hat dies angelegt" in trail
    assert "Mitgliedschaft" in trail
    browser.post(f"/admin/memberships/{world.anna.memberships['tutor']}/do/end")
    assert (
        "hat die Rolle entzogen" in browser.get(f"/admin/memberships/{world.anna.memberships['tutor']}").text
    )


def test_errors_stand_at_their_fields_in_german(world: World) -> None:
    browser = visitor(world, world.anna.host)
    empty = browser.post("/login/", email="", password="")
    assert empty.status_code == 422
    assert "Sie sind noch nicht angemeldet." in empty.text
    assert empty.text.count("Bitte füllen Sie dieses Feld aus.") == 4  # at both fields and in the summary
    wrong = browser.post("/login/", email=world.anna.email("tutor"), password="no such password")
    assert "Die E-Mail-Adresse oder das Passwort stimmt nicht." in wrong.text
    long = manager(world).post("/admin/invitations/add", full_name="x" * 121, email="a@b.test", role="tutor")
    assert long.status_code == 422
    assert "Feld kann nicht länger als 120 Zeichen sein." in long.text  # WTForms' own words


def test_what_is_done_is_said_in_german(world: World) -> None:
    browser = manager(world)
    assert browser.post("/admin/people/add", full_name="Ines Neu").status_code == 302
    assert "Ines Neu wurde angelegt." in browser.get("/admin/people/").text
    for names, said in (
        (["Eins"], "1 Eintrag wurde importiert."),
        (["A", "B"], "2 Einträge wurden importiert."),
    ):
        file = io.BytesIO("\n".join(["full_name", *names]).encode())
        data = {"csrf_token": browser.csrf("/admin/people/import"), "file": (file, "people.csv")}
        seen = browser.post_raw("/admin/people/import", data)
        assert browser.say_yes("/admin/people/import", seen).status_code == 302
        assert said in browser.get("/admin/people/").text


def test_error_pages_and_problems_are_german(world: World) -> None:
    browser = visitor(world, world.anna.host, email=world.anna.email("tutor"))
    missing, forbidden = browser.get("/nirgends"), browser.get("/admin/people/")
    assert (missing.status_code, forbidden.status_code) == (404, 403)
    assert "Hier ist nichts" in missing.text
    assert "Das dürfen Sie nicht." in forbidden.text
    problem = browser.client.get(
        "/api/v1/people/", base_url=browser.base, headers={"Accept": "application/json"}
    )
    assert problem.status_code == 401
    assert problem.json
    assert problem.json["title"] == "Bitte melden Sie sich an"


# -- Whose language ----------------------------------------------------------------------------------------


def heading(browser: Browser) -> str:
    found = re.search(r"<h1>(.*?)</h1>", browser.get("/login/").text)
    assert found
    return found.group(1).strip()


def speak_german(world: World, database: Database) -> None:
    """Anna's company becomes a German one."""
    run(database, "UPDATE tenant SET locale = 'de', timezone = 'Europe/Berlin' WHERE id = %s", world.anna.id)
    world.app.extensions["places"].forget()


@pytest.mark.parametrize(
    ("speaks", "title"),
    [
        ("de-AT", "Anmelden"),
        ("fr, de;q=0.3", "Anmelden"),
        ("en", "Sign in"),
        ("es-419, es;q=0.9, en;q=0.8", "Iniciar sesión"),
        ("ar-EG", "تسجيل الدخول"),
    ],
)
def test_the_browser_is_asked_first(world: World, speaks: str, title: str) -> None:
    assert heading(visitor(world, world.anna.host, speaks)) == title


def test_a_company_speaks_its_own_language_to_those_who_ask_for_none_of_ours(
    world: World, database: Database
) -> None:
    speak_german(world, database)
    assert heading(visitor(world, world.anna.host, "fr")) == "Anmelden"
    assert heading(visitor(world, world.anna.host, "en")) == "Sign in"
    assert heading(visitor(world, world.bert.host, "fr")) == "Sign in"


def test_what_somebody_chose_wins(world: World) -> None:
    browser = visitor(world, world.anna.host, "en")
    token = browser.csrf("/login/")
    answer = browser.post_raw("/preferences/", {"csrf_token": token, "locale": "de", "next": "/login/"})
    assert answer.status_code == 302
    assert heading(browser) == "Anmelden"
    assert heading(visitor(world, world.anna.host, "en")) == "Sign in"


# -- Mails -------------------------------------------------------------------------------------------------


@pytest.fixture
def german_company(world: World, database: Database) -> Iterator[World]:
    """The manager's browser speaks English all the same: a mail asks who reads it, not who caused it."""
    speak_german(world, database)
    yield world
    world.app.extensions["places"].forget()


def only_mail(world: World, database: Database, recipient: str) -> tuple[str, str]:
    """Subject and text of the one mail, after a look for English in both of its parts."""
    [(subject, text, page)] = mails_to(world.app, database, recipient)
    assert '<html lang="de"' in page
    assert english_in(page) == english_in(text) == []
    return subject, text


def test_an_invitation_of_a_german_company_is_german(german_company: World, database: Database) -> None:
    browser = manager(german_company, "en")
    browser.post("/admin/invitations/add", full_name="Nora Neu", email=NEWCOMER, role="tutor")
    subject, text = only_mail(german_company, database, NEWCOMER)
    assert subject == "Manager anna lädt Sie zu Anna Tutors ein"
    assert "Guten Tag Nora Neu," in text
    assert re.search(r"bis \d{1,2}\. \w+ \d{4}, \d\d:\d\d (MEZ|MESZ)\b", text), text


@pytest.mark.parametrize(("language", "direction"), [("es", "ltr"), ("ar", "rtl")])
def test_a_mail_is_in_the_companys_language_and_direction(
    world: World, database: Database, language: str, direction: str
) -> None:
    run(database, "UPDATE tenant SET locale = %s WHERE id = %s", language, world.anna.id)
    world.app.extensions["places"].forget()
    manager(world, "en").post("/admin/invitations/add", full_name="Nora", email=NEWCOMER, role="tutor")
    [(subject, text, page)] = mails_to(world.app, database, NEWCOMER)
    assert f'<html lang="{language}" dir="{direction}"' in page
    assert english_in(page, language) == english_in(text, language) == []
    world.app.extensions["places"].forget()


def test_other_mails_of_a_german_company_are_german(german_company: World, database: Database) -> None:
    world, email = german_company, german_company.anna.email("student")
    visitor(world, world.anna.host, "en").post("/forgot/", email=email)
    assert only_mail(world, database, email)[0] == "Neues Passwort für Anna Tutors wählen"
    link = link_to(world.app, database, email, "reset")
    run(database, "DELETE FROM mock_mail")
    visitor(world, world.anna.host, "en").post(link, password=NEW_PASSWORD, repeat=NEW_PASSWORD)
    assert only_mail(world, database, email)[0] == "Ihr Passwort wurde geändert"
    tutor = visitor(world, world.anna.host, "en", world.anna.email("tutor"))
    tutor.post("/account/email", page="/account/", new_email=NEWCOMER, password=PASSWORD)
    assert only_mail(world, database, NEWCOMER)[0] == "Bestätigen Sie Ihre E-Mail-Adresse"
    tutor.post(link_to(world.app, database, NEWCOMER, "verify"))
    former = world.anna.email("tutor")
    assert only_mail(world, database, former)[0] == "Ihre E-Mail-Adresse wurde geändert"


def test_an_accounts_own_language_beats_the_companys(german_company: World, database: Database) -> None:
    world, email = german_company, german_company.anna.email("student")
    run(database, "UPDATE ab_user SET locale = 'en' WHERE email = %s", email)
    visitor(world, world.anna.host).post("/forgot/", email=email)
    [(subject, text, page)] = mails_to(world.app, database, email)
    assert subject == "Choose a new password for Anna Tutors"
    assert '<html lang="en"' in page
    assert "Hello " in text
