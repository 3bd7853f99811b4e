"""CSV out: what cannot be run as a formula. CSV in: all rows, or none and the errors by line."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import time
from html import unescape
from typing import Any

from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from app.core.rights import TENANT
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.core.web.transfer import MAX_IMPORT_BYTES, MAX_IMPORT_ROWS, harmless
from app.domains.accounts.models import Person
from app.shell.admin import make_registry
from tests.support.entries import count_of, make, stored, with_form
from tests.support.world import Browser, World

ENTRIES = {entry.slug: entry for entry in make_registry().entries}
PERSON, GUARDIAN, TENANTS = ENTRIES["people"], ENTRIES["guardianships"], ENTRIES["tenants"]
IMPORTABLE = [slug for slug in with_form() if ENTRIES[slug].can_import]
_ERROR = re.compile(r'rowheader">Line ([\d,]+)</th>(.*?)</tr>', re.DOTALL)
_CELL = re.compile(r"<div>(.*?)</div>", re.DOTALL)
_KEY = re.compile(r'name="form_key" value="([^"]+)"')


def export(somebody: Browser, path: str) -> list[list[str]]:
    response = somebody.get(path)
    assert response.status_code == 200, response.text
    return list(csv.reader(io.StringIO(response.data.decode("utf-8-sig"), newline="")))


def send(somebody: Browser, path: str, content: bytes | str, **more: Any) -> TestResponse:
    raw = content.encode() if isinstance(content, str) else content
    data = {"csrf_token": somebody.csrf(path), "file": FileStorage(io.BytesIO(raw), "rows.csv"), **more}
    boundary, body = encode_multipart(data)
    return somebody.post_raw(path, body, content_type=f"multipart/form-data; boundary={boundary}")


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
    assert table[0] == ["No.", "Name", "E-mail", "Phone", "Created"]
    for cell in (cell for row in table[1:] for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "＝")), cell
        assert ";=" not in cell
    assert all(row[0].isdigit() for row in table[1:]), "numbers stay numbers"
    names = sorted(row[1] for row in table[1:] if row[3])
    assert len(names) == len(words)

    # The columns that can be imported come in again with the very same texts.
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(table[0][1:4])
    writer.writerows(row[1:4] for row in table[1:] if row[3])
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.query(Person).filter(Person.phone.is_not(None)).delete()
    assert imported(world, manager, "\ufeff" + buffer.getvalue()) == len(words)
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
            assert table[0] == [str(entry.label_of(name)) for name in ("id", *entry.columns)]
        assert set(map(str, made)) <= {row[0] for row in table[1:]}, entry.slug
        assert {len(row) for row in table} == {1 + len(entry.columns)}
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
            assert f'rowheader">{name}</th>' in page.text


def test_a_good_file(world: World) -> None:
    manager = world.manager()
    file = 'full_name,email,birth_date,notes\nAda Byron,ADA@Lovelace.test,1815-12-10,"Two\nlines"\nBob,,,\n'
    assert imported(world, manager, file) == 2
    page = manager.get("/admin/people/")
    assert "2 records were imported." in page.text
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        ada = session.query(Person).filter_by(full_name="Ada Byron").one()
        bob = session.query(Person).filter_by(full_name="Bob").one()
    assert (ada.email, ada.birth_date, ada.notes) == (
        "ada@lovelace.test",
        dt.date(1815, 12, 10),
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
    key = _KEY.search(manager.get(path).text)
    assert key
    for _ in range(2):
        assert send(manager, path, "full_name\nAda\nBob\n", form_key=key.group(1)).status_code == 302
    assert count_of(world, PERSON) == count + 2
    assert send(manager, path, "full_name\nAda\nBob\nCleo\n", form_key=key.group(1)).status_code == 302
    assert count_of(world, PERSON) == count + 5, "another file is another import"


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
    found = refused(world, operator, "name,code\nOne,one\nTwo,two\nAgain,one\nMore,two\nThree,three\n", path)
    assert [(line, column) for line, column, _text in found] == [(4, "Code"), (5, "Code")]
    assert all("already" in text for _line, _column, text in found)
    assert imported(world, operator, "name,code\nOne,one\nTwo,two\n", path) == 2
    found = refused(world, operator, "name,code\nThree,three\nAgain,one\n", path)
    assert [(line, column) for line, column, _text in found] == [(3, "Code")]


NO_SUCH_LIST = (
    (b"", "first line"),
    (b"\n\n", "first line"),
    (b"full_name,email\n", "no rows"),
    (b"full_name\n\n  \n", "no rows"),
    (b"name,wings\nAda,2\n", "wings"),
    (b"full_name,tenant_id\nAda,2\n", "tenant_id"),
    (b"No.,Name\n1,Ada\n", "No."),
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
    lines = [f"Person {n:05},p{n}@x.test" for n in range(MAX_IMPORT_ROWS)]
    started = time.perf_counter()
    assert imported(world, manager, "full_name,email\n" + "\n".join(lines)) == MAX_IMPORT_ROWS == 5_000
    print(f"{MAX_IMPORT_ROWS} rows in {time.perf_counter() - started:.1f} s")
    found = refused(world, manager, "full_name,email\n" + "\n".join([*lines, "One More,"]))
    assert "5000 at most" in found[0][2].replace(",", "")


def test_a_huge_file(world: World) -> None:
    manager = world.manager()
    large = b"full_name,notes\n" + b"Ada," + b"x" * MAX_IMPORT_BYTES + b"\n"
    assert "too large" in refused(world, manager, large)[0][2]
    response = send(manager, "/admin/people/import", b"x" * (17 * 1024 * 1024))
    assert response.status_code == 413
    assert "larger than we take" in response.text


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
