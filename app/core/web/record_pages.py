"""One record's page as plain values: facts in groups, what can be done, what belongs to it, its history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.core.ids import row_id
from app.core.rights import WRITE
from app.core.viewer import Viewer
from app.core.web.cells import NOTHING, Cells
from app.core.web.entry import AdminEntry, Registry
from app.core.web.forms import Form, RelatedField
from app.core.web.histories import Histories
from app.core.web.pages import ActionLink, Cell, Group, ShowPage, Text
from app.core.web.related import RelatedLists

# When the row was made and changed: a line beneath the facts, for those who ask.
ASIDE = ("created_at", "changed_at")


def show_page(
    entry: AdminEntry,
    row: Any,
    *,
    registry: Registry,
    viewer: Viewer,
    cells: Cells,
    surface: str,
    links: dict[str, ActionLink],
) -> ShowPage:
    """`links` are the actions that make sense now, by name."""
    url, writes = f"{entry.url}/{row.id}", viewer.may(entry.right(WRITE))
    title = str(entry.title_of(row))
    primary = links.pop(entry.primary_of(row) or "", None)
    found = RelatedLists(entry, registry, viewer, surface).of(row)
    told = [(each.entry, each.rows) for each in found if each.told]
    timeline, history_url = Histories(registry, viewer, surface).of(entry, row, told)
    return ShowPage(
        title=title,
        lead=entry.label,
        icon=entry.icon,
        badges=[cells.of(row, name) for name in entry.details if name in entry.tones],
        groups=_facts(entry, row, cells, title),
        aside=_aside(entry, row, cells),
        actions=[*links.values()],
        primary=primary,
        hint=entry.hint_of(row),
        back_url=f"{entry.url}/",
        back_label=entry.menu_label or entry.plural,
        edit_url=f"{url}/edit" if writes and entry.can_edit and entry.may_edit(row) else None,
        delete_url=f"{url}/delete" if writes and entry.can_delete and entry.may_delete(row) else None,
        timeline=timeline,
        history_url=history_url,
        related=[each.shown for each in found if each.shown is not None],
    )


def in_sections(entry: AdminEntry, names: Sequence[str]) -> list[tuple[Text | None, list[str]]]:
    """Columns in the entry's sections; what none of them names comes first."""
    named = {name for _heading, section in entry.sections for name in section}
    groups: list[tuple[Text | None, list[str]]] = [(None, [name for name in names if name not in named])]
    for heading, section in entry.sections:
        groups.append((heading, [name for name in section if name in names]))
    return [group for group in groups if group[1]]


def fill_in(form: Form, given: Mapping[str, str]) -> None:
    """What a link to the form says about it: records chosen already. Others are nobody's business."""
    for name, field in form._fields.items():
        if not isinstance(field, RelatedField) or name not in given:
            continue
        pk = row_id(given[name])
        chosen = field.find(pk) if pk is not None else None
        if chosen is not None:
            field.process_data(chosen)


def _facts(entry: AdminEntry, row: Any, cells: Cells, title: str) -> list[Group]:
    """What the title says already is left out, and what is empty where nobody could fill it in."""
    groups: list[Group] = []
    fillable = {*entry.form, *(entry.edit_form or ())}
    names = [name for name in entry.details if name not in entry.tones and name not in ASIDE]
    for heading, section in in_sections(entry, names):
        facts: list[tuple[Text, Cell, Text | None]] = []
        for name in section:
            cell = cells.of(row, name)
            if str(cell.text) == title or (_is_empty(cell) and name not in fillable):
                continue
            facts.append((entry.label_of(name), cell, None))
        if facts:
            groups.append((heading, facts))
    return groups


def _is_empty(cell: Cell) -> bool:
    return cell is NOTHING or (not cell.items and str(cell.text) in {"", "–"})


def _aside(entry: AdminEntry, row: Any, cells: Cells) -> list[tuple[Text, Cell]]:
    number = (entry.label_of("id"), Cell("number", str(row.id)))
    return [*_told(entry, row, cells, (n for n in entry.details if n in ASIDE)), number]


def _told(entry: AdminEntry, row: Any, cells: Cells, names: Iterable[str]) -> Iterable[tuple[Text, Cell]]:
    return ((entry.label_of(name), cell) for name in names if (cell := cells.of(row, name)) is not NOTHING)
