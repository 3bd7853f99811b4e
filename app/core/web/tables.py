"""The rows of a table as HTML, for `macros/table.html`: a list has hundreds of cells, and a template takes
some ten times as long for each. Every value is escaped, here as there."""

from __future__ import annotations

from collections.abc import Sequence

from flask import current_app
from flask_babel import gettext as _
from jinja2.filters import do_truncate
from markupsafe import Markup, escape

from app.core.web.pages import Cell, Column, Row

FIGURES = frozenset({"money", "number"})  # stand in line at the end of their cells
_BARE = frozenset({"text", "money", "number", "date"})  # most cells: nothing but their text
_EMPTY = ("", "–", None)
_CUT = 120  # characters of prose in a list


def draw_cell(cell: Cell) -> Markup:
    """One value."""
    return Markup(_inside(cell))  # noqa: S704 - escaped there, value by value


def draw_rows(columns: Sequence[Column], rows: Sequence[Row], select_form: str | None = None) -> Markup:
    """The rows of a table's body. The first cell of each names it and leads to its page; the others carry
    their column's name for the phone cards. With `select_form` rows can be ticked for that form."""
    opened: dict[tuple[int, str, bool], str] = {}
    tick = _tick(select_form) if select_form else None
    parts: list[str] = []
    for row in rows:
        parts.append("<tr>")
        if tick:
            box = f"{tick[0]}{row.id}{tick[1]}{escape(row.label)}{tick[2]}" if row.selectable else ""
            parts.append(f'<td class="wm-select-cell">{box}</td>')
        parts.append(f'<th scope="row">{_name(row)}</th>' if row.cells else "")
        for place, cell in enumerate(row.cells[1:], 1):
            empty = cell.text in _EMPTY
            key = place, cell.kind, empty and not cell.items
            start = opened.get(key)
            if start is None:
                start = opened[key] = _start(columns[place], *key[1:])
            bare = cell.kind in _BARE and not empty and not cell.url and not cell.title
            parts.append(f"{start}{escape(cell.text) if bare else _inside(cell)}</div></td>")
        parts.append("</tr>")
    return Markup("".join(parts))  # noqa: S704 - escaped above, value by value


def _tick(form: str) -> tuple[str, str, str]:
    """What stands before a row's id, between that and its name, and behind."""
    before, _mark, after = str(_("Select %(name)s", name="\0")).partition("\0")
    box = '<label><input class="form-check-input wm-select" type="checkbox" name="id" value="'
    return box, f'" form="{escape(form)}" aria-label="{escape(before)}', f'{escape(after)}"></label>'


def _name(row: Row) -> str:
    first = row.cells[0]
    if not row.url:
        return _inside(first)
    return f'<a href="{escape(row.url)}">{escape(first.text or row.label)}</a>'


def _start(column: Column, kind: str, empty: bool) -> str:
    end = " wm-end" if column.kind in FIGURES else ""
    nothing = " wm-cell-empty" if empty else ""
    return f'<td class="wm-cell-{escape(kind)}{end}{nothing}" data-label="{escape(column.label)}"><div>'


def _inside(cell: Cell) -> str:
    kind, text = cell.kind, cell.text
    if kind == "badge" and text:
        return _badge(cell)
    if kind == "list" and cell.items:
        return ", ".join(escape(item) for item in cell.items)
    if text in _EMPTY:
        words = escape(_("empty"))
        return (
            f'<span class="wm-muted" aria-hidden="true">–</span><span class="visually-hidden">{words}</span>'
        )
    shown = escape(text)
    if kind == "bool":
        return _badge(cell)
    if kind == "email":
        return f'<a href="mailto:{shown}">{shown}</a>'
    if kind == "color":
        return (
            '<svg class="wm-swatch" viewBox="0 0 16 16" aria-hidden="true">'
            f'<rect width="16" height="16" rx="4" fill="{shown}"/></svg><span dir="ltr">{shown}</span>'
        )
    if cell.url:
        return f'<a href="{escape(cell.url)}"{_title(cell)}>{shown}</a>'
    if kind == "prose":
        return escape(do_truncate(current_app.jinja_env, str(text), _CUT))
    if kind == "code":
        return f'<code dir="ltr">{shown}</code>'
    if kind == "secondary":
        return f'<span class="wm-muted"{_title(cell)}>{shown}</span>'
    return f"<span{_title(cell)}>{shown}</span>" if cell.title else shown


def _badge(cell: Cell) -> str:
    tone = escape(cell.tone or "secondary")
    return f'<span class="wm-badge wm-tone-{tone}"{_title(cell)}>{escape(cell.text)}</span>'


def _title(cell: Cell) -> str:
    return f' title="{escape(cell.title)}"' if cell.title else ""
