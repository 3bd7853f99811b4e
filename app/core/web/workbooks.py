"""A list as a workbook. Imported where one is written only: its library is slow to load."""

from __future__ import annotations

import io
import itertools
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any

from openpyxl import Workbook
from openpyxl.cell import WriteOnlyCell
from openpyxl.styles import Font
from openpyxl.utils import get_column_letter

from app.core.web.exports import WIDTHS, SheetCell


def write(file: IO[bytes], heads: Sequence[str], chunks: Iterator[list[list[Any]]], title: str) -> None:
    """A workbook of one sheet with a fixed head."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet(re.sub(r"[\[\]:*?/\\']", " ", title)[:31].strip() or "1")
    sheet.freeze_panes = "A2"
    first = next(chunks, [])
    kinds = [cell.kind for cell in first[0]] if first else []
    for place, head in enumerate(heads):
        width = WIDTHS.get(kinds[place], 24) if kinds else 24
        sheet.column_dimensions[get_column_letter(place + 1)].width = max(width, min(len(head) + 3, 40))
    bold = Font(bold=True)
    top = [_written(sheet, SheetCell(head)) for head in heads]
    for cell in top:
        cell.font = bold
    sheet.append(top)
    for chunk in itertools.chain([first], chunks):
        for line in chunk:
            sheet.append([_written(sheet, cell) for cell in line])
    book.save(file)
    file.seek(0, io.SEEK_END)


def _written(sheet: Any, cell: SheetCell) -> Any:
    if cell.value is None:
        return None
    made = WriteOnlyCell(sheet, value=cell.value)
    if isinstance(cell.value, str):
        made.data_type = "s"  # text, also where it begins like a formula
    if cell.format:
        made.number_format = cell.format
    return made
