"""Files of lists: streamed in chunks, in the order and with the columns of the list, told to the audit trail."""

from __future__ import annotations

import csv
import datetime as dt
import io
import tracemalloc
from typing import Any

import pytest
from openpyxl import load_workbook
from sqlalchemy import select, text

from app.core.audit import AuditEntry
from app.core.db import db
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.core.web import exports
from app.domains.accounts.models import Person
from app.shell.admin import make_registry
from tests.support.entries import make
from tests.support.statements import count_statements
from tests.support.world import Browser, World

ENTRIES = {entry.slug: entry for entry in make_registry().entries}
PEOPLE = "/admin/people/"


def people(world: World, *rows: dict[str, Any]) -> None:
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.add_all(Person(**row) for row in rows)


def crowd(world: World, count: int) -> None:
    """So many people, by one statement of the database's."""
    with world.app.app_context(), tenant_scope(world.anna.id), transaction() as session:
        session.execute(
            text(
                "INSERT INTO person (tenant_id, full_name, email, notes, created_at, changed_at)"
                " SELECT :tenant, 'Zq ' || n, n || '@zq.test', repeat('x', 60), :now, :now"
                " FROM generate_series(1, :count) n"
            ),
            {"tenant": world.anna.id, "count": count, "now": dt.datetime.now(dt.UTC)},
        )


def exported(somebody: Browser, path: str) -> list[list[str]]:
    response = somebody.get(path)
    assert response.status_code == 200, response.text
    return list(csv.reader(io.StringIO(response.data.decode("utf-8-sig"), newline="")))


def sheet(somebody: Browser, path: str) -> list[tuple[Any, ...]]:
    """The cells of a workbook."""
    response = somebody.get(path)
    assert response.status_code == 200
    assert response.mimetype == exports.XLSX
    return list(load_workbook(io.BytesIO(response.data)).worksheets[0].iter_rows())


def trail(world: World) -> list[AuditEntry]:
    with world.app.app_context(), platform_scope("what a test has to see"):
        found = select(AuditEntry).where(AuditEntry.verb == "exported").order_by(AuditEntry.id)
        return list(db.session.scalars(found))


# -- In chunks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sort", ["phone", "-phone", "full_name", "-full_name", "created_at"])
def test_chunks_are_in_the_lists_order_without_gap_or_repeat(
    world: World, monkeypatch: pytest.MonkeyPatch, sort: str
) -> None:
    """Also where many rows sort alike, or have nothing to sort by."""
    monkeypatch.setattr(exports, "CHUNK", 7)
    phones = (None, "1", "2", "")
    people(world, *({"full_name": f"Zq {n % 5}", "phone": phones[n % 4]} for n in range(38)))
    table = exported(world.manager(), f"{PEOPLE}export.csv?q=zq&sort={sort}")
    ids = [int(row[0]) for row in table[1:]]
    with world.app.app_context(), tenant_scope(world.anna.id):
        column = getattr(Person, sort.removeprefix("-"))
        keys = (column.desc(), Person.id.desc()) if sort.startswith("-") else (column, Person.id)
        wanted = list(
            db.session.scalars(select(Person.id).where(Person.full_name.like("Zq%")).order_by(*keys))
        )
    assert ids == wanted
    assert len(ids) == 38


def test_a_chunk_more_is_a_statement_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "CHUNK", 100)
    manager = world.manager()
    with world.app.app_context():
        engine = db.engine
    costs = []
    for count in (50, 300):
        crowd(world, count)
        with count_statements(engine) as seen:
            exported(manager, f"{PEOPLE}export.csv?q=zq")
        costs.append(len(seen))
    assert costs[1] - costs[0] == 3, "350 rows are four chunks, 50 are one"


def test_it_is_sent_while_it_is_read(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The head is on its way before the second chunk is asked for, and no connection is kept meanwhile."""
    monkeypatch.setattr(exports, "CHUNK", 20)
    crowd(world, 50)
    manager = world.manager()
    with world.app.app_context():
        engine = db.engine
    response = manager.get(f"{PEOPLE}export.csv?q=zq", buffered=False)
    blocks = response.iter_encoded()
    with count_statements(engine) as seen:
        first = next(blocks)
        assert first.decode("utf-8-sig").startswith("No.") or first == "\ufeff".encode()
        assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
        rest = b"".join(blocks)
    assert len(seen) >= 2, "chunks are read after the answer began"
    assert rest.count(b"@zq.test") == 50
    response.close()
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert manager.get(PEOPLE).status_code == 200, "the next request has its own scope"


def test_a_download_that_is_broken_off_leaves_nothing_open(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "CHUNK", 5)
    crowd(world, 50)
    manager = world.manager()
    response = manager.get(f"{PEOPLE}export.csv?q=zq", buffered=False)
    next(response.iter_encoded())
    response.close()
    with world.app.app_context():
        assert db.engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    assert manager.get(PEOPLE).status_code == 200


def test_every_chunk_is_of_the_company_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "CHUNK", 2)
    table = exported(world.manager(), f"{PEOPLE}export.csv")
    assert len(table) == 1 + len(world.anna.people)
    assert not any("bert" in cell.casefold() for row in table for cell in row)
    operator = world.operator()
    slugs = {row[2] for row in exported(operator, "/admin/tenants/export.csv")[1:]}
    assert {"anna", "bert"} <= slugs, "the platform's lists go across companies"


def _peak(work: Any) -> int:
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize(
    "many", [pytest.param(8_000, id="8000"), pytest.param(99_000, id="99000", marks=pytest.mark.soak)]
)
def test_memory_does_not_grow_with_the_rows(world: World, many: int) -> None:
    manager, few = world.manager(), 2_000
    peaks: dict[tuple[str, int], int] = {}
    done = 0
    for count in (few, many):
        crowd(world, count - done)
        done = count
        for kind in ("csv", "xlsx"):
            seen = 0

            def read() -> None:
                nonlocal seen
                answer = manager.get(f"{PEOPLE}export.{kind}?q=zq", buffered=False)  # noqa: B023
                for block in answer.iter_encoded():
                    seen += len(block)
                answer.close()

            peaks[kind, count] = _peak(read)
            assert seen > count * 10
    for kind in ("csv", "xlsx"):
        growth = peaks[kind, many] - peaks[kind, few]
        assert growth < 2_000_000, f"{kind}: {peaks}"


# -- Who takes what out ------------------------------------------------------------------------------------


def test_the_audit_trail_says_who_took_how_many_rows(world: World) -> None:
    manager = world.manager()
    people(world, {"full_name": "Zq One"}, {"full_name": "Zq Two"})
    exported(manager, f"{PEOPLE}export.csv?q=zq&sort=-full_name")
    sheet(manager, f"{PEOPLE}export.xlsx")
    one, all_of_them = trail(world)
    assert (one.actor_label, one.thing_type, one.thing_label) == (
        "Manager anna <manager@anna.test>",
        "person",
        "People",
    )
    assert one.changes["rows"] == [None, 2]
    assert one.changes["filters"] == [None, {"q": "zq", "sort": "-full_name"}]
    assert "full_name" in one.changes["columns"][1]
    assert all_of_them.changes["rows"] == [None, 2 + len(world.anna.people)]
    assert "filters" not in all_of_them.changes
    assert {entry.tenant_id for entry in (one, all_of_them)} == {world.anna.id}
    page = manager.get("/admin/audit/?q=exported").text
    assert "exported the list" in page
    assert manager.get(f"/admin/audit/{one.id}").status_code == 200


def test_more_rows_than_a_file_holds_are_refused_before_anything_is_read(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exports, "MAX_ROWS", 3)
    manager = world.manager()
    for kind in ("csv", "xlsx"):
        answer = manager.get(f"{PEOPLE}export.{kind}?sort=-full_name")
        assert answer.location == f"{PEOPLE}?sort=-full_name"
        assert "more than 3 rows" in manager.get(answer.location).text
    assert trail(world) == []


# -- Workbooks ---------------------------------------------------------------------------------------------


def test_a_workbook_has_numbers_dates_and_switches_as_what_they_are(world: World) -> None:
    people(world, {"full_name": "Zq", "birth_date": dt.date(2011, 5, 4), "phone": "0049"})
    manager = world.manager()
    head, row = sheet(manager, f"{PEOPLE}export.xlsx?q=zq")
    cells = {top.value: cell for top, cell in zip(head, row, strict=True)}
    assert isinstance(cells["No."].value, int)
    assert cells["Name"].value == "Zq"
    assert cells["Phone"].value == "0049", "text stays text"
    born = cells["Date of birth"]
    assert (born.value.date(), born.number_format) == (dt.date(2011, 5, 4), "yyyy-mm-dd")
    made = cells["Created"]
    assert isinstance(made.value, dt.datetime)
    assert "hh:mm" in made.number_format
    assert cells["E-mail"].value is None
    operator = world.operator()
    head, *rows = sheet(operator, "/admin/plans/export.xlsx")
    fee = next(place for place, cell in enumerate(head) if "percent" in str(cell.value).casefold())
    assert (rows[0][fee].value, rows[0][fee].number_format) == (0.05, "0.00%")


def test_amounts_can_be_calculated_with(world: World) -> None:
    make(world, ENTRIES["variants"])
    head, row, *_more = sheet(world.manager(), "/admin/variants/export.xlsx")
    price = next(cell for top, cell in zip(head, row, strict=True) if top.value == "Price")
    assert price.data_type == "n"
    assert price.value > 0
    assert price.number_format == "#,##0.00 [$EUR]"


def test_a_workbook_runs_nothing(world: World) -> None:
    dangerous = ['=HYPERLINK("http://evil.test")', "+1", "-2+3", "@SUM(1)", "＝1+1"]
    people(world, *({"full_name": f"Zq {n}", "notes": text} for n, text in enumerate(dangerous)))
    people(world, {"full_name": "Zq bell", "notes": "line\nbreak"})
    _head, *rows = sheet(world.manager(), f"{PEOPLE}export.xlsx?q=zq&sort=full_name")
    texts = [cell.value for row in rows for cell in row if isinstance(cell.value, str)]
    assert [text for text in texts if text.startswith("'")] == [f"'{text}" for text in dangerous]
    assert {cell.data_type for row in rows for cell in row} <= {"s", "n", "d", "inlineStr"}
