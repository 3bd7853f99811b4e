"""Finding records wherever they are: what entries say they are `found_by`, within the viewer's rights.

`found_by` names columns of the model (`full_name`), of a relation (`payer.full_name`), or codes (`=code`): of
those only the whole one or its beginning counts, which an index answers. Each word must be found somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import case, inspect, or_, select

from app.core.db import db
from app.core.viewer import Viewer
from app.core.web.admin_data import loading
from app.core.web.cells import NOTHING, Cells, plain_text
from app.core.web.entry import AdminEntry, Registry, eager_of
from app.core.web.pages import Text

LEAST, MOST = 2, 100
MAX_WORDS = 6
_CODE = re.compile(r"[0-9A-Za-z]{3,20}")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


@dataclass(frozen=True, slots=True)
class Hit:
    """One record, place or action that was found."""

    title: str
    url: str
    icon: str
    hint: str = ""
    state: str = ""
    tone: str = "secondary"


@dataclass(frozen=True, slots=True)
class Hits:
    """What was found of one kind; `more_url` where there is more of it."""

    label: Text
    hits: Sequence[Hit]
    more_url: str | None = None


def clean_query(text: str) -> str:
    """What somebody typed, without what can't be seen, cut to what anybody would type."""
    return " ".join(_UNSEEN.sub(" ", text[: 4 * MOST]).split())[:MOST].strip()


def find_records(text: str, registry: Registry, who: Viewer, surface: str, most: int) -> list[Hits]:
    """Records that hold every word of `text`, by kind: one statement for each kind that can be found."""
    words = text.split()[:MAX_WORDS]
    if len(text) < LEAST:
        return []
    found = []
    for entry in registry.readable_by(who, surface):
        if not entry.found_by:
            continue
        rows = list(db.session.scalars(_query(entry, words).limit(most + 1)))
        if rows:
            cells = Cells(entry, registry, who, surface)
            more = f"{entry.url}/" if len(rows) > most and entry.search else None
            found.append(Hits(entry.plural, [_hit(entry, row, cells) for row in rows[:most]], more))
    return found


def _query(entry: AdminEntry, words: Sequence[str]) -> Any:
    """The rows that match; those whose name begins with the first word come first."""
    model = entry.model
    column, direction = entry.order
    key = getattr(model, column)
    order = [key.asc() if direction == "asc" else key.desc(), model.id.desc()]
    first = entry.found_by[0]
    if "." not in first and not first.startswith("="):
        begins = getattr(model, first).istartswith(words[0], autoescape=True)
        order.insert(0, case((begins, 0), else_=1))
    return (
        select(model)
        .where(*(_holds(entry, word) for word in words))
        .options(*(loading(model, path) for path in eager_of(entry)))
        .order_by(*order)
    )


def _holds(entry: AdminEntry, word: str) -> Any:
    """Whether a row holds a word. Relations are looked through once for all rows, so that rows can be read in
    their order until there are enough."""
    model, ways = entry.model, []
    for name in entry.found_by:
        if name.startswith("="):
            ways.append(_code(getattr(model, name[1:]), word))
        elif "." in name:
            relation, leaf = name.split(".", 1)
            target = inspect(model).relationships[relation]
            theirs = target.mapper.class_
            there = select(theirs.id).where(getattr(theirs, leaf).icontains(word, autoescape=True))
            ways.append(getattr(model, target.synchronize_pairs[0][1].key).in_(there))
        else:
            ways.append(getattr(model, name).icontains(word, autoescape=True))
    return or_(*ways)


def _code(column: Any, word: str) -> Any:
    """A code, or its beginning: capitals and digits sort alike everywhere, so a range finds them."""
    whole = column.in_(sorted({word, word.upper()}))
    if not _CODE.fullmatch(word):
        return whole
    return or_(whole, column.between(word.upper(), word.upper() + "Z" * 20))


def _hit(entry: AdminEntry, row: Any, cells: Cells) -> Hit:
    title = str(entry.title_of(row))
    state = next((cells.of(row, name) for name in entry.columns if name in entry.tones), NOTHING)
    quiet = {*entry.tones, "created_at"}
    others = [cells.of(row, name) for name in entry.columns if name not in quiet]
    texts = [plain_text(cell) for cell in others if cell.kind not in {"number", "bool", "prose"}]
    hint = [text for text in texts if text and text not in title][:3]
    return Hit(
        title=title,
        url=f"{entry.url}/{row.id}",
        icon=entry.icon,
        hint=" · ".join(f"\u2068{text}\u2069" for text in hint),  # each keeps its own direction
        state="" if state is NOTHING else str(state.text),
        tone=state.tone,
    )
