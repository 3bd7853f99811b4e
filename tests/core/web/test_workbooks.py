"""Workbooks in: read as the people who wrote them mean it, and refused in words where they would do harm."""

from __future__ import annotations

import datetime as dt
import io
import re
import time
import tracemalloc
import zipfile
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook
from openpyxl.styles import numbers

from app.core.db import db
from app.core.errors import Invalid
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.core.web import xlsx_rows
from app.core.web.csv_rows import MAX_IMPORT_BYTES
from app.domains.accounts.models import Person
from app.domains.tenancy.models import Plan
from app.shell.admin import make_registry
from tests.core.web.test_transfer import imported, preview, refused, send
from tests.support.entries import count_of
from tests.support.world import Browser, World

PERSON = {entry.slug: entry for entry in make_registry().entries}["people"]
PATH = "/admin/people/import"
SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{}</worksheet>'


def workbook(*rows: Any, second: Any = ()) -> bytes:
    book = Workbook()
    sheet = book.worksheets[0]
    for row in rows:
        sheet.append(row)
    for row in second:
        (book["More"] if "More" in book.sheetnames else book.create_sheet("More")).append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def rebuilt(raw: bytes, **parts: str | bytes | None) -> bytes:
    """The archive with some of its parts replaced, added or, with None, left out; `__` stands for `/`."""
    changed = {name.replace("__", "/"): content for name, content in parts.items()}
    changed = {(name if name.endswith((".bin", ".xml")) else f"{name}.xml"): c for name, c in changed.items()}
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(raw)) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            if entry.filename not in changed:
                new.writestr(entry, old.read(entry))
        for name, content in changed.items():
            if content is not None:
                new.writestr(name, content)
    return file.getvalue()


def people(world: World) -> dict[str, Person]:
    with world.app.app_context(), tenant_scope(world.anna.id):
        return {row.full_name: row for row in db.session.query(Person)}


# -- What people write -------------------------------------------------------------------------------------


def test_a_workbook_comes_in_like_a_file_of_text(world: World) -> None:
    raw = workbook(
        ["Name", "E-mail", "Date of birth", "Phone", "Created"],
        ["Ada", "ada@x.test", dt.date(2011, 5, 4), 4930123, dt.datetime.fromisoformat("2026-01-01")],
        [],
        ["  Bob  ", None, dt.datetime.fromisoformat("2012-06-07"), "0049 30", None],
        [None, "", None],
        second=[["this sheet", "is not read"]],
    )
    assert imported(world, world.manager(), raw) == 2
    ada, bob = people(world)["Ada"], people(world)["Bob"]
    assert (ada.email, ada.birth_date, ada.phone) == ("ada@x.test", dt.date(2011, 5, 4), "4930123")
    assert (bob.email, bob.birth_date, bob.phone) == (None, dt.date(2012, 6, 7), "0049 30")


def test_errors_name_the_sheets_rows(world: World) -> None:
    raw = workbook(["full_name", "email"], ["Ada", "a@x.test"], [], [None, "b@x.test"], ["Cleo", "nobody"])
    found = refused(world, world.manager(), raw)
    assert [(line, column) for line, column, _text in found] == [(4, "Name"), (5, "E-mail")]


def test_percentages_and_switches(world: World) -> None:
    operator = world.operator()
    book = Workbook()
    sheet = book.worksheets[0]
    sheet.append(["name", "code", "platform_fee_bp", "max_tutors"])
    sheet.append(["Small", "small", 0.075, 3.0])
    sheet.append(["Large", "large", 12.5, 30])
    sheet["C2"].number_format = numbers.FORMAT_PERCENTAGE_00
    file = io.BytesIO()
    book.save(file)
    assert imported(world, operator, file.getvalue(), "/admin/plans/import") == 2
    with world.app.app_context(), platform_scope("what a test has to see"):
        fees = {plan.code: (plan.platform_fee_bp, plan.max_tutors) for plan in db.session.query(Plan)}
    assert (fees["small"], fees["large"]) == ((750, 3), (1250, 30))


def test_an_exported_workbook_comes_in_again(world: World) -> None:
    manager = world.manager()
    imported(world, manager, "full_name,notes,birth_date\n=Ada,-1,2010-01-02\n")
    raw = manager.get("/admin/people/export.xlsx?q=ada").data
    assert load_workbook(io.BytesIO(raw)).worksheets[0]["B2"].value == "'=Ada"
    assert imported(world, manager, raw) == 1
    with world.app.app_context(), tenant_scope(world.anna.id):
        same = db.session.query(Person).filter_by(
            full_name="=Ada", notes="-1", birth_date=dt.date(2010, 1, 2)
        )
        assert same.count() == 2


def test_the_empty_workbook_is_one_to_fill_in(world: World) -> None:
    manager = world.manager()
    answer = manager.get(f"{PATH}?template=xlsx")
    head = [cell.value for cell in next(load_workbook(io.BytesIO(answer.data)).worksheets[0].iter_rows())]
    assert tuple(head) == PERSON.form
    assert "xlsx" in answer.headers["Content-Disposition"]
    assert "no rows" in refused(world, manager, answer.data)[0][2]


# -- Looked at before it is taken --------------------------------------------------------------------------


def test_the_preview_shows_the_first_rows_as_they_are_read(world: World) -> None:
    manager = world.manager()
    lines = "\n".join(f"Zq {n},2011-05-04" for n in range(14))
    page = preview(manager, PATH, f"Name;Date of birth\n{lines}".replace(",", ";"), "class list.csv").text
    assert "14 new records, no errors" in page
    assert "class list.csv" in page
    assert "May 4, 2011" in page
    assert "Zq 9" in page
    assert "Zq 10" not in page
    assert "and 4 more rows" in page
    assert "Import 14 records" in page
    assert count_of(world, PERSON) == len(world.anna.people) + len(world.bert.people)


def test_errors_are_counted_by_row_and_column(world: World) -> None:
    text = "full_name,email\nAda,a@x.test\n,x@x.test\nBob,nowhere\nCleo,nobody\n"
    answer = send(world.manager(), PATH, text)
    assert answer.status_code == 422
    assert "3 of 4 rows have errors." in answer.text
    counts = answer.text.split('class="wm-counts">')[1].split("</ul>")[0]
    assert re.sub("<[^>]*>", " ", counts).split() == ["E-mail", "2", "Name", "1"]


def test_a_preview_is_its_owners_and_good_for_once(world: World) -> None:
    manager, other = world.manager(), world.manager(world.bert)
    seen = preview(manager, PATH, "full_name\nAda\n")
    before = count_of(world, PERSON)
    token = other.csrf("/account/")
    draft = seen.text.split('name="draft" value="')[1].split('"')[0]
    for number in (draft, "0", "x", str(2**63)):
        answer = other.post_raw(PATH, {"draft": number, "csrf_token": token})
        assert answer.status_code == 409, number
        assert "choose it again" in answer.text
    assert other.post_raw("/admin/roles/import", {"draft": draft, "csrf_token": token}).status_code == 404
    assert count_of(world, PERSON) == before
    assert manager.post_raw("/admin/guardianships/import", {"draft": draft, "csrf_token": manager.csrf(PATH)})
    assert count_of(world, PERSON) == before
    assert manager.say_yes(PATH, seen).status_code == 302
    assert count_of(world, PERSON) == before + 1


def test_a_file_that_is_chosen_anew_takes_the_place_of_the_one_before(world: World) -> None:
    manager = world.manager()
    first, second = preview(manager, PATH, "full_name\nAda\n"), preview(manager, PATH, "full_name\nBob\n")
    assert manager.say_yes(PATH, first).status_code == 409
    assert manager.say_yes(PATH, second).status_code == 302
    assert "Bob" in people(world)
    assert "Ada" not in people(world)


def test_what_became_wrong_since_is_refused_as_a_whole(world: World) -> None:
    operator, path = world.operator(), "/admin/plans/import"
    seen = preview(operator, path, "name,code,platform_fee_bp\nOne,one,5\nTwo,two,5\n")
    with world.app.app_context(), platform_scope("somebody was quicker"), transaction() as session:
        session.add(Plan(name="Two", code="two"))
    answer = operator.say_yes(path, seen)
    assert answer.status_code == 422
    assert "already" in answer.text
    with world.app.app_context(), platform_scope("what a test has to see"):
        assert db.session.query(Plan).filter_by(code="one").count() == 0


# -- What would do harm ------------------------------------------------------------------------------------

GOOD = workbook(["full_name"], ["Ada"])


def said(world: World, somebody: Browser, raw: bytes) -> str:
    found = refused(world, somebody, raw)
    assert len(found) == 1
    return found[0][2]


def test_files_that_are_no_workbook(world: World) -> None:
    manager = world.manager()
    empty = io.BytesIO()
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("readme.txt", "hello")
    cases: list[tuple[bytes, str]] = [
        (b"PK\x03\x04 and nothing else", "can't be read"),
        (GOOD[: len(GOOD) // 2], "can't be read"),
        (GOOD + bytes(MAX_IMPORT_BYTES), "too large"),
        (empty.getvalue(), "can't be read"),
        (b"\xd0\xcf\x11\xe0" + bytes(2000), "old or an encrypted"),
        (rebuilt(GOOD, xl__vbaProject=None, **{"xl__vbaProject.bin": b"x"}), "macros"),
        (rebuilt(GOOD, xl__worksheets__sheet1=SHEET.format("<sheetData><row")), "can't be read"),
        (rebuilt(GOOD, xl__worksheets__sheet1=None), "can't be read"),
        (rebuilt(GOOD, xl__workbook=b"\xff\xfe nonsense"), "can't be read"),
        (workbook(["wings"], [2]), "wings"),
    ]
    for raw, words in cases:
        assert words in said(world, manager, raw), (raw[:20], words)


def test_entities_are_not_resolved(world: World) -> None:
    """Neither the billion laughs nor a file of the server's."""
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 9))
    cell = '<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>{}</t></is></c></row></sheetData>'
    for entities, used in (
        (f'<!ENTITY l0 "ha">{laughs}', "&l8;"),
        ('<!ENTITY file SYSTEM "file:///etc/passwd">', "&file;"),
    ):
        bad = f"<!DOCTYPE worksheet [{entities}]>" + SHEET.format(cell.format(used))
        text = said(world, world.manager(), rebuilt(GOOD, xl__worksheets__sheet1=bad))
        assert "can't be read" in text
        assert "root" not in text


def table(raw: bytes) -> list[Any]:
    return list(xlsx_rows.table(raw))


def bomb() -> bytes:
    """A few kilobytes that hold a hundred megabytes."""
    return rebuilt(GOOD, xl__worksheets__sheet1=b" " * (100 * 1024 * 1024))


def strings() -> bytes:
    text = "<si><t>" + "x" * 1000 + "</t></si>"
    return rebuilt(GOOD, xl__sharedStrings=f"<sst>{text * 22_000}</sst>")


def long_sheet() -> bytes:
    """One row at the very end: the library hands out all the empty ones before it."""
    row = '<row r="{0}"><c r="A{0}" t="inlineStr"><is><t>full_name</t></is></c></row>'
    return rebuilt(
        GOOD,
        xl__worksheets__sheet1=SHEET.format(
            '<dimension ref="A1:XFD1048576"/><sheetData>'
            + row.format(1)
            + row.format(1_048_576)
            + "</sheetData>"
        ),
    )


def wide_sheet() -> bytes:
    cell = '<c r="{}1" t="inlineStr"><is><t>full_name</t></is></c>'
    row = f'<row r="1">{cell.format("A")}{cell.format("GS")}{cell.format("XFD")}</row>'
    return rebuilt(GOOD, xl__worksheets__sheet1=SHEET.format(f"<sheetData>{row}</sheetData>"))


def crowded_archive() -> bytes:
    return rebuilt(GOOD, **{f"xl__part{n}": "x" for n in range(600)})


@pytest.mark.parametrize("make", [bomb, strings, long_sheet, wide_sheet, crowded_archive])
def test_hostile_workbooks_cost_little_and_get_an_answer(world: World, make: Any) -> None:
    raw = make()
    assert len(raw) < 2 * 1024 * 1024
    with world.app.test_request_context():
        tracemalloc.start()
        started = time.process_time()
        with pytest.raises(Invalid) as refusal:
            table(raw)
        seconds = time.process_time() - started
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert str(refusal.value)
    assert peak < 30 * 1024 * 1024
    assert seconds < 20
