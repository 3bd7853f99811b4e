"""The rows of a table as HTML: escaped, named, and ticked where they can be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.core.web.pages import Cell, Column, Row
from app.core.web.tables import draw_cell, draw_rows
from tests.support.world import World

EVIL = "<b>\"'&"
SAFE = "&lt;b&gt;&#34;&#39;&amp;"
KINDS = ("text", "money", "number", "date", "datetime", "badge", "bool", "email", "color", "link")


@pytest.fixture(autouse=True)
def page(world: World) -> Iterator[None]:
    """Words and templates are those of a request."""
    with world.app.test_request_context("/", base_url=f"http://{world.anna.host}"):
        yield


@pytest.mark.parametrize("kind", [*KINDS, "prose", "code", "secondary", "list"])
def test_no_value_becomes_markup(kind: str) -> None:
    cells = [
        Cell(kind, EVIL),
        Cell(kind, EVIL, url=EVIL, title=EVIL, tone=EVIL),
        Cell(kind, EVIL, items=[EVIL, EVIL]),
    ]
    columns = [Column(EVIL, EVIL, kind="money")] * 4
    html = draw_rows(columns, [Row(1, EVIL, EVIL, [cells[0], *cells], selectable=True)], EVIL)
    assert "<b>" not in html
    assert EVIL not in html
    assert html.count(SAFE) >= 8
    for cell in cells:
        assert SAFE in draw_cell(cell)
        assert "<b>" not in draw_cell(cell)


def test_a_row_is_named_by_its_first_cell_and_leads_to_its_page() -> None:
    columns = [Column("name", "Name"), Column("price", "Price", kind="money"), Column("note", "Note")]
    cells = [Cell("text", "Ada"), Cell("money", "€1.00"), Cell("secondary", "–")]
    html = draw_rows(columns, [Row(7, "/admin/people/7", "", cells)])
    assert html == (
        '<tr><th scope="row"><a href="/admin/people/7">Ada</a></th>'
        '<td class="wm-cell-money wm-end" data-label="Price"><div>€1.00</div></td>'
        '<td class="wm-cell-secondary wm-cell-empty" data-label="Note"><div>'
        '<span class="wm-muted" aria-hidden="true">–</span><span class="visually-hidden">empty</span>'
        "</div></td></tr>"
    )
    unnamed = [Cell("text", ""), *cells[1:]]
    assert '<a href="/x">Ada L.</a>' in draw_rows(columns, [Row(7, "/x", "Ada L.", unnamed)])


def test_only_rows_that_can_be_ticked_have_a_box() -> None:
    rows = [
        Row(1, "/1", "Ada", [Cell("text", "Ada")], selectable=True),
        Row(2, "/2", "", [Cell("text", "Bob")]),
    ]
    columns = [Column("name", "Name")]
    html = draw_rows(columns, rows, "bulk")
    assert html.count('<td class="wm-select-cell">') == 2
    assert html.count("<input") == 1
    assert 'name="id" value="1" form="bulk" aria-label="Select Ada"' in html
    assert "wm-select-cell" not in draw_rows(columns, rows)


def test_what_is_long_is_cut_and_what_is_empty_says_so() -> None:
    prose = draw_cell(Cell("prose", "word " * 100))
    assert prose.endswith("word...")
    assert len(prose) <= 120
    assert draw_cell(Cell("list", "a, b", items=["a", "b"])) == "a, b"
    assert "empty" in draw_cell(Cell("list", ""))
    assert draw_cell(Cell("link", "Ada", url="/x", title="t")) == '<a href="/x" title="t">Ada</a>'
    assert draw_cell(Cell("datetime", "noon", title="12:00")) == '<span title="12:00">noon</span>'
