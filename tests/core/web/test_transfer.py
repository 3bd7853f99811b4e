"""CSV out: what cannot be run as a formula. CSV in: all rows, or none and the errors by line."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import time
from html import unescape
from typing import Any

import pytest
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from app.core.db import db
from app.core.rights import TENANT
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.core.web import transfer
from app.core.web.csv_rows import MAX_IMPORT_BYTES
from app.core.web.exports import harmless
from app.domains.accounts.models import Person
from app.domains.tenancy.models import Tenant
from app.shell.admin import make_registry
from tests.support.entries import count_of, make, stored, unique, with_form
from tests.support.statements import count_statements
from tests.support.world import Browser, World

ENTRIES = {entry.slug: entry for entry in make_registry().entries}
PERSON, GUARDIAN, TENANTS = ENTRIES["people"], ENTRIES["guardianships"], ENTRIES["tenants"]
IMPORTABLE = [slug for slug in with_form() if ENTRIES[slug].can_import]
_ERROR = re.compile(r'scope="row">Line ([\d,]+)</th>(.*?)</tr>', re.DOTALL)
_CELL = re.compile(r"<div>(.*?)</div>", re.DOTALL)


def export(somebody: Browser, path: str) -> list[list[str]]:
    response = somebody.get(path)
    assert response.status_code == 200, response.text
    return list(csv.reader(io.StringIO(response.data.decode("utf-8-sig"), newline="")))


def send(somebody: Browser, path: str, content: bytes | str, **more: Any) -> TestResponse:
    raw = content.encode() if isinstance(content, str) else content
    data = {"csrf_token": somebody.csrf(path), "file": FileStorage(io.BytesIO(raw), "rows.csv"), **more}
    boundary, body = encode_multipart(data)
    seen = somebody.post_raw(path, body, content_type=f"multipart/form-data; boundary={boundary}")
    return somebody.say_yes(path, seen)


def preview(somebody: Browser, path: str, content: bytes | str, name: str = "rows.csv") -> TestResponse:
    """The page that asks whether to take a file."""
    raw = content.encode() if isinstance(content, str) else content
    data = {"csrf_token": somebody.csrf(path), "file": (io.BytesIO(raw), name)}
    answer = somebody.post_raw(path, data)
    assert answer.status_code == 200, errors(answer) or answer.text
    return answer


def errors(response: TestResponse) -> list[tuple[int, str, str]]:
    """(line, column, message) of the table of errors."""
    found = []
    for line, rest in _ERROR.findall(response.text):
        column, message = (unescape(text).strip() for text in _CELL.findall(rest))
        found.append((int(line.replace(",", "")), column, message))
    return found


def imported(
    world: World, somebody: Browser, content: bytes | str, path: str = "/admin/people/import"
) -> int:
    """How many rows came in; the file must be taken."""
    entry = ENTRIES[path.split("/")[2]]
    before = count_of(world, entry)
    response = send(somebody, path, content)
    assert response.status_code == 302, errors(response) or response.text
    return count_of(world, entry) - before


def refused(
    world: World, somebody: Browser, content: bytes | str, path: str = "/admin/people/import"
) -> list[tuple[int, str, str]]:
    """The errors; nothing may have come in."""
    entry = ENTRIES[path.split("/")[2]]
    before = count_of(world, entry)
    response = send(somebody, path, content)
    assert response.status_code == 422
    assert count_of(world, entry) == before
    return errors(response)


# -- Export ------------------------------------------------------------------------------------------------

DANGEROUS = (
    "=1+1",
    '=HYPERLINK("http://evil.test","x")',
    "+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "-5",
    "@SUM(1)",
    "\t=1",
    "\r=1",
    "\n=1",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
)
HARMLESS = (
    "1",
    "a=b",
    "a-b",
    "",
    "'quoted",
    " =1",
    "x@y.test",
    "1;2",
    "a,b",
    'say "hi"',
    "12.50",
    "Zoë",
    "ⅷ",
)


def test_formulas_are_taken_for_text() -> None:
    for text in DANGEROUS:
        marked = harmless(text)
        assert marked.startswith("'"), text
        assert marked.replace("'", "") == text.replace("'", ""), "nothing else is changed"
    for text in HARMLESS:
        assert harmless(text) == text, text


def test_formulas_stay_text_where_a_spreadsheet_splits_at_semicolons() -> None:
    """A German spreadsheet opens our file so: then a cell may begin in the middle of a text."""
    assert harmless("x;=cmd()") == "x;'=cmd()"
    assert harmless("x;;+1;y") == "x;;'+1;y"
    assert harmless("x\r\n=cmd()") == "x\r\n'=cmd()"
    assert harmless("a; b\r\nc") == "a; b\r\nc"


def test_an_export_cannot_be_run_and_comes_in_again_as_it_was(world: World) -> None:
    manager = world.manager()
    words = [text.strip() for text in DANGEROUS] + ["x;=cmd()", 'Zoë, "Zo"', "Ünal; Co"]
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.add_all(Person(full_name=f"{text}", phone="+49 30 1") for text in words)
    response = manager.get("/admin/people/export.csv")
    assert response.data.startswith(b"\xef\xbb\xbf"), "the mark that tells spreadsheets UTF-8"
    assert response.mimetype == "text/csv"
    assert response.headers["Content-Disposition"] == 'attachment; filename="people.csv"'
    assert response.headers["Cache-Control"] == "no-store"
    table = export(manager, "/admin/people/export.csv")
    assert table[0] == ["No.", "Name", "E-mail", "Phone", "Created", "Date of birth", "Notes"]
    for cell in (cell for row in table[1:] for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝")), cell
        assert ";=" not in cell
    assert all(row[0].isdigit() for row in table[1:]), "numbers stay numbers"
    names = sorted(row[1] for row in table[1:] if row[3])
    assert len(names) == len(words)

    # It comes in again as it is, with the very same texts; what is only shown is left out, and named.
    buffer = io.StringIO()
    csv.writer(buffer).writerows([table[0], *(row for row in table[1:] if row[3])])
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.query(Person).filter(Person.phone.is_not(None)).delete()
    assert imported(world, manager, "\ufeff" + buffer.getvalue()) == len(words)
    assert "Not imported, since they are only shown: No., Created." in manager.get("/admin/people/").text
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        rows = session.query(Person).filter(Person.phone.is_not(None)).all()
    assert sorted(row.full_name for row in rows) == sorted(words)
    assert {row.phone for row in rows} == {"+49 30 1"}


def test_an_export_shows_what_the_list_shows(world: World) -> None:
    manager = world.manager()
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.add_all(Person(full_name=f"Zzz {n:03}") for n in range(60))
    table = export(manager, "/admin/people/export.csv?q=zzz&sort=-full_name&size=25&page=2")
    assert [row[1] for row in table[1:]] == [f"Zzz {n:03}" for n in reversed(range(60))]
    assert len(export(manager, "/admin/people/export.csv?q=nobody-at-all")) == 1
    assert all("bert" not in cell for row in export(manager, "/admin/people/export.csv") for cell in row)


def test_an_export_writes_dates_for_machines_in_the_viewers_zone(world: World) -> None:
    manager = world.manager()  # in Europe/Berlin
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        moment = dt.datetime(2026, 7, 1, 22, 30, tzinfo=dt.UTC)
        session.add(Person(full_name="Zzz", created_at=moment))
    assert export(manager, "/admin/people/export.csv?q=zzz")[1][4] == "2026-07-02 00:30:00"


def test_every_entry_exports_its_columns(world: World) -> None:
    manager, operator = world.manager(), world.operator()
    for entry in ENTRIES.values():
        made = make(world, entry, 2)
        table = export(manager if TENANT in entry.surfaces else operator, f"{entry.url}/export.csv")
        with world.app.test_request_context():
            assert table[0][: 1 + len(entry.columns)] == [
                str(entry.label_of(name)) for name in ("id", *entry.columns)
            ]
            more = [str(entry.label_of(name)) for name in entry.form if name not in entry.columns]
            assert set(table[0][1 + len(entry.columns) :]) <= set(more), "and what an import needs"
        assert set(map(str, made)) <= {row[0] for row in table[1:]}, entry.slug
        assert {len(row) for row in table} == {len(table[0])}
        assert not any(cell.startswith(("<", "Cell(")) for row in table for cell in row)


# -- Import: files that are taken --------------------------------------------------------------------------


def test_every_import_has_a_page_and_an_empty_file(world: World) -> None:
    manager, operator = world.manager(), world.operator()
    for entry in (ENTRIES[slug] for slug in IMPORTABLE):
        somebody = manager if TENANT in entry.surfaces else operator
        page = somebody.get(f"{entry.url}/import")
        assert page.status_code == 200
        template = somebody.get(f"{entry.url}/import?template=1")
        assert template.data.startswith(b"\xef\xbb\xbf")
        assert export(somebody, f"{entry.url}/import?template=1") == [list(entry.form)]
        for name in entry.form:
            assert f'scope="row">{name}</th>' in page.text


def test_a_good_file(world: World) -> None:
    manager = world.manager()
    file = 'full_name,email,birth_date,notes\nAda Byron,ADA@Lovelace.test,1915-12-10,"Two\nlines"\nBob,,,\n'
    assert imported(world, manager, file) == 2
    page = manager.get("/admin/people/")
    assert "2 records were imported." in page.text
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        ada = session.query(Person).filter_by(full_name="Ada Byron").one()
        bob = session.query(Person).filter_by(full_name="Bob").one()
    assert (ada.email, ada.birth_date, ada.notes) == (
        "ada@lovelace.test",
        dt.date(1915, 12, 10),
        "Two\nlines",
    )
    assert (bob.email, bob.birth_date, bob.notes) == (None, None, None)
    assert ada.tenant_id == world.anna.id


AS_SPREADSHEETS_WRITE = (
    b"\xef\xbb\xbffull_name;email\r\nAda;ada@x.test\r\n",
    b"full_name;email\nAda, Countess;ada@x.test\n",
    b"Name,E-mail\nAda,ada@x.test\n",
    b" NAME , e-mail \nAda,ada@x.test\n",
    b"email,full_name\rada@x.test,Ada\r",
    b"full_name,email\n\n  ,\nAda,ada@x.test\n,\n\n",
    b"full_name\nAda",
    b'"full_name","email"\n"Ada ""the"" Countess","ada@x.test"\n',
    "full_name\nZoë Ångström 愛\n".encode(),
)


def test_files_as_spreadsheets_write_them(world: World) -> None:
    manager = world.manager()
    for file in AS_SPREADSHEETS_WRITE:
        assert imported(world, manager, file) == 1, file


def test_related_rows_by_name_or_number(world: World) -> None:
    manager, path = world.manager(), "/admin/guardianships/import"
    people = world.anna.people
    assert imported(world, manager, "guardian,child\nguardian ANNA,Student anna\n", path) == 1
    assert imported(world, manager, f"guardian,child\n{people['guardian']},{people['tutor']}\n", path) == 1
    assert "does not exist" in refused(world, manager, "guardian,child\nNobody,Student anna\n", path)[0][2]
    assert refused(world, manager, "guardian,child\nGuardian bert,Student anna\n", path), "another company's"
    foreign = f"guardian,child\n{world.bert.people['guardian']},{people['student']}\n"
    assert "does not exist" in refused(world, manager, foreign, path)[0][2]


def test_a_name_that_two_people_have_is_no_choice(world: World) -> None:
    manager = world.manager()
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.add_all([Person(full_name="Twin"), Person(full_name="Twin")])
    found = refused(world, manager, "guardian,child\nTwin,Student anna\n", "/admin/guardianships/import")
    assert [(line, column) for line, column, _text in found] == [(2, "Guardian")]


def test_choices_by_their_words_and_switches_in_words(world: World) -> None:
    operator, path = world.operator(), "/admin/tenants/import"
    head = "name,slug,plan,currency,timezone,locale,is_test\n"
    rows = (
        "Fjord Tutors,fjord,studio,EUR,Europe/Oslo,Deutsch,Yes\n"
        "Fell Tutors,fell,studio,EUR,Europe/Oslo,de,no\n"
    )
    assert imported(world, operator, head + rows, path) == 2
    found = export(operator, "/admin/tenants/export.csv?q=f&sort=name")
    assert [line[1] for line in found[1:]] == ["Fell Tutors", "Fjord Tutors"]
    pks = [int(line[0]) for line in found[1:]]
    kept = [stored(world, TENANTS, pk) for pk in pks]
    assert [(row["locale"], row["is_test"]) for row in kept if row] == [("de", False), ("de", True)]
    wrong = "Fake Tutors,fake,studio,EUR,Europe/Oslo,de,perhaps\n"
    assert "yes or no" in refused(world, operator, head + wrong, path)[0][2]


def test_a_file_that_is_sent_twice_comes_in_once(world: World) -> None:
    manager, path, count = world.manager(), "/admin/people/import", count_of(world, PERSON)
    seen = preview(manager, path, "full_name\nAda\nBob\n")
    assert count_of(world, PERSON) == count, "it was only looked at"
    for _ in range(2):
        answer = manager.say_yes(path, seen)
        assert answer.status_code == 302
        assert "2 records were imported." in manager.get(answer.location).text
    assert count_of(world, PERSON) == count + 2
    assert send(manager, path, "full_name\nAda\nBob\n").status_code == 302
    assert count_of(world, PERSON) == count + 4, "chosen anew it is another import"


def test_an_export_of_a_company_comes_in_again_but_for_what_is_unique(world: World) -> None:
    operator, pk = world.operator(), make(world, TENANTS)[0]
    before = stored(world, TENANTS, pk)
    assert before
    table = export(operator, f"/admin/tenants/export.csv?q={before['slug']}")
    at = table[0].index("Address")
    assert table[1][at] == before["slug"], "as the form takes it, not as the list draws it"
    table[1][at] = unique()
    buffer = io.StringIO()
    csv.writer(buffer).writerows(table)
    assert imported(world, operator, buffer.getvalue(), "/admin/tenants/import") == 1
    with world.app.app_context(), platform_scope("what a test has to see"):
        copy = db.session.query(Tenant).filter_by(slug=table[1][at]).one()
    same = ("name", "plan_id", "currency", "timezone", "locale", "is_test")
    assert [getattr(copy, name) for name in same] == [before[name] for name in same]


def test_an_export_in_the_viewers_language_comes_in_again(world: World) -> None:
    manager = world.manager()
    manager.post("/preferences/", page="/account/", locale="de")
    response = manager.get("/admin/people/export.csv")
    head = response.data.decode("utf-8-sig").splitlines()[0].split(",")
    assert "Name" in head
    assert "Created" not in head, "these are words of another language"
    assert imported(world, manager, response.data) == len(world.anna.people)


def test_related_rows_are_looked_up_once_however_many_lines_name_them(world: World) -> None:
    manager, path = world.manager(), "/admin/guardianships/import"
    with world.app.app_context():
        engine = db.engine
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.add_all(Person(full_name=f"Child {n}") for n in range(80))
    costs = []
    for rows in (range(5), range(5, 80)):
        lines = "".join(f"Guardian anna,Child {n}\n" for n in rows)
        token = manager.csrf(path)
        with count_statements(engine) as seen:
            data = {"csrf_token": token, "file": (io.BytesIO(b"guardian,child\n" + lines.encode()), "x.csv")}
            seen_through = manager.post_raw(path, data)
            assert manager.say_yes(path, seen_through).status_code == 302
        costs.append(len(seen))
    assert costs[0] == costs[1] <= 20, "once to look at it, once to take it"


def test_in_a_large_table_each_name_is_looked_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "MAX_KNOWN", 3)
    manager, path = world.manager(), "/admin/guardianships/import"
    with world.app.app_context():
        engine = db.engine
    lines = "Guardian anna,Student anna\nGuardian anna,Tutor anna\nguardian ANNA,Manager anna\n"
    with count_statements(engine) as seen:
        assert imported(world, manager, f"guardian,child\n{lines}", path) == 3
    tables = [statement for statement in seen if "FROM person" in statement and "LIMIT" in statement]
    once = 2 + 4  # a look at each table, and four names
    assert len(tables) == 2 + 2 * once, "the page's examples; then the preview and what is really read in"
    assert "does not exist" in refused(world, manager, "guardian,child\nNobody,Student anna\n", path)[0][2]


def test_the_page_says_how_each_column_is_written(world: World) -> None:
    manager, operator = world.manager(), world.operator()
    for entry in (ENTRIES[slug] for slug in IMPORTABLE):
        page = (manager if TENANT in entry.surfaces else operator).get(f"{entry.url}/import").text
        examples = re.findall(r'data-label="Example"><div>(.*?)</div>', page)
        assert len(examples) == len(entry.form)
        assert all(examples), f"{entry.slug}: every column has an example"
        assert f"At most {entry.max_import_rows:,} rows and 5 MB." in page
    page = manager.get("/admin/people/import").text
    assert "2011-05-04" in page
    assert "Year-month-day (ISO 8601)." in page
    page = manager.get("/admin/invitations/import").text
    assert "One of: Manager, Tutor, Student, Guardian." in page
    assert "Guardian anna" in manager.get("/admin/guardianships/import").text, "a name that is there"


def test_the_examples_are_taken(world: World) -> None:
    """Each page's examples, written into a file as they stand there, come in."""
    manager, operator = world.manager(), world.operator()
    for entry in (ENTRIES[slug] for slug in IMPORTABLE if slug != "guardianships"):  # one can't be one's own
        somebody, path = (manager if TENANT in entry.surfaces else operator), f"{entry.url}/import"
        found = re.findall(r'data-label="Example"><div>(.*?)</div>', somebody.get(path).text)
        buffer = io.StringIO()
        csv.writer(buffer).writerows([entry.form, [unescape(text) for text in found]])
        assert imported(world, somebody, buffer.getvalue(), path) == 1, entry.slug


# -- Import: files that are refused ------------------------------------------------------------------------


def test_all_errors_are_shown_by_line_and_nothing_comes_in(world: World) -> None:
    file = (
        "full_name,email,birth_date\n"
        "Good One,good@x.test,2001-01-01\n"
        ",nameless@x.test,\n"
        '"Two\nlines of name",,\n'
        "Bad Mail,nobody,\n"
        "Bad Date,,31.12.2001\n"
        "Too,many,2001-01-01,cells\n"
        "Also Good,,\n"
        "Bad Mail Too,nobody@,\n"
    )
    found = refused(world, world.manager(), file)
    assert [(line, column) for line, column, _text in found] == [
        (3, "Name"),
        (4, "Name"),
        (6, "E-mail"),
        (7, "Date of birth"),
        (8, ""),
        (10, "E-mail"),
    ]
    assert found[0][2] == "Please fill this in."
    assert "e-mail address" in found[2][2]
    assert "more columns" in found[4][2]


def test_a_value_that_is_twice_in_the_file_is_an_error_at_its_line(world: World) -> None:
    operator, path = world.operator(), "/admin/plans/import"
    head = "name,code,platform_fee_bp\n"
    twice = f"{head}One,one,5\nTwo,two,5\nAgain,one,5\nMore,two,5\nThree,three,5\n"
    found = refused(world, operator, twice, path)
    assert [(line, column) for line, column, _text in found] == [(4, "Code"), (5, "Code")]
    assert all("already" in text for _line, _column, text in found)
    assert imported(world, operator, f"{head}One,one,5\nTwo,two,5\n", path) == 2
    found = refused(world, operator, f"{head}Three,three,5\nAgain,one,5\n", path)
    assert [(line, column) for line, column, _text in found] == [(3, "Code")]


NO_SUCH_LIST = (
    (b"", "first line"),
    (b"\n\n", "first line"),
    (b"full_name,email\n", "no rows"),
    (b"full_name\n\n  \n", "no rows"),
    (b"name,wings\nAda,2\n", "wings"),
    (b"full_name,tenant_id\nAda,2\n", "tenant_id"),
    (b"No.,Created\n1,2026-01-01\n", "first line"),
    (b"Name,id,role\nAda,1,tutor\n", "role"),
    (b"full_name,full_name\nAda,Bob\n", "twice"),
    (b"Name,full_name\nAda,Bob\n", "twice"),
    ("full_name\nZoë\n".encode("latin-1"), "UTF-8"),
    ("full_name\nZoë\n".encode("utf-16"), "UTF-8"),
    (b"full_name\nA\x00da\n", "can't be stored"),
    (b'full_name\n"Ada\nBob\n', "can't be read"),
    (b'full_name\n"Ada"x\n', "can't be read"),
    (b"full_name\n" + b"x" * 200_000 + b"\n", "can't be read"),
    (b"\x89PNG\r\n\x1a\n" + bytes(100), "UTF-8"),
    (b"full_name\tnotes\nAda\tx\n", "full_name"),
)


def test_files_that_are_no_such_list(world: World) -> None:
    manager = world.manager()
    for file, words in NO_SUCH_LIST:
        found = refused(world, manager, file)
        assert len(found) == 1, file[:50]
        assert words in found[0][2], file[:50]


def test_control_characters_in_a_cell(world: World) -> None:
    found = refused(world, world.manager(), "full_name\nA\x07da\n")
    assert found == [(2, "Name", "There are characters in here that can't be stored.")]


def test_no_file_at_all(world: World) -> None:
    manager, path = world.manager(), "/admin/people/import"
    response = manager.post(path)
    assert response.status_code == 422
    assert "choose a file" in response.text


def test_errors_stop_after_a_hundred(world: World) -> None:
    found = refused(world, world.manager(), "full_name,email\n" + "Ada,nobody\n" * 500)
    assert len(found) == 100


def test_as_many_rows_as_allowed_come_in_and_one_more_does_not(world: World) -> None:
    manager = world.manager()
    lines = [f"Person {n:05},p{n}@x.test" for n in range(PERSON.max_import_rows)]
    started = time.perf_counter()
    assert imported(world, manager, "full_name,email\n" + "\n".join(lines)) == PERSON.max_import_rows == 5_000
    print(f"{PERSON.max_import_rows} rows in {time.perf_counter() - started:.1f} s")
    found = refused(world, manager, "full_name,email\n" + "\n".join([*lines, "One More,"]))
    assert "5000 at most" in found[0][2].replace(",", "")


def test_a_huge_file(world: World) -> None:
    manager = world.manager()
    large = b"full_name,notes\n" + b"Ada," + b"x" * MAX_IMPORT_BYTES + b"\n"
    assert "too large" in refused(world, manager, large)[0][2]
    response = send(manager, "/admin/people/import", b"x" * (17 * 1024 * 1024))
    assert response.status_code == 303
    page = manager.get(response.location)
    assert "too large to be taken: 16 MB at most" in page.text
    assert "Columns of the file" in page.text, "it is the import's own page"


def test_an_import_needs_the_right_and_a_token(world: World) -> None:
    tutor, manager = world.browser(world.anna.host, world.anna.email("tutor")), world.manager()
    assert tutor.get("/admin/people/import").status_code == 403
    data = {"csrf_token": tutor.csrf("/account/"), "file": (io.BytesIO(b"full_name\nAda\n"), "rows.csv")}
    assert tutor.post_raw("/admin/people/import", data).status_code == 403
    data = {"file": (io.BytesIO(b"full_name\nAda\n"), "rows.csv")}
    count = count_of(world, PERSON)
    assert manager.post_raw("/admin/people/import", data).status_code == 400
    assert count_of(world, PERSON) == count
    assert manager.get("/admin/roles/import").status_code == 404, "not offered"
