"""A workbook's first sheet as rows of text, as a CSV file would say them; what could harm is refused first.

A workbook is an archive of XML: a small file may hold a very large one, claim a million columns, or name
things outside. So it is looked at before it is unpacked, read without formulas, macros and links, and
only as far as an import goes.
"""

from __future__ import annotations

import datetime as dt
import io
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

from babel.numbers import get_decimal_symbol
from flask_babel import gettext as _

from app.core.errors import Invalid
from app.core.locales import reader_locale

MAX_ENTRIES = 500
MAX_UNPACKED = 50 * 1024 * 1024
MAX_STRINGS = 20 * 1024 * 1024  # of the texts, which are read into memory at once
MAX_WIDTH = 200
MAX_DEPTH = 100_000  # rows that are looked at, the empty ones among them
_ARCHIVE, _OLD = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"


def is_workbook(raw: bytes) -> bool:
    """Whether a file claims to be one, in its new or its old form."""
    return raw.startswith((_ARCHIVE, _OLD))


def table(raw: bytes) -> Iterator[tuple[int, Sequence[str]]]:
    """(number of its row, cells) of each row of the first sheet. Raises Invalid."""
    if raw.startswith(_OLD):
        raise Invalid(
            _("This is an old or an encrypted Excel file. Please save it as .xlsx without a password.")
        )
    _look_into(raw)
    from openpyxl import load_workbook  # slow to load, and rarely needed

    try:
        book = load_workbook(io.BytesIO(raw), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what a file says of its own size is not to be believed
        rows = sheet.iter_rows(max_col=MAX_WIDTH + 1)
    except Exception:
        raise _unreadable() from None
    yield from _rows(rows)


def _rows(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[int, Sequence[str]]]:
    number = 0
    while True:
        try:
            row = next(rows, None)
        except Exception:  # the library answers broken XML with whatever breaks first
            raise _unreadable() from None
        if row is None:
            return
        number += 1
        if number > MAX_DEPTH:
            raise Invalid(_("This sheet is too long. Please delete the empty rows at its end."))
        cells = [_text(cell) for cell in row]
        while cells and not cells[-1]:
            cells.pop()
        if len(cells) > MAX_WIDTH:
            raise Invalid(_("This sheet is too wide: %(most)s columns at most.", most=MAX_WIDTH))
        yield number, cells


def _look_into(raw: bytes) -> None:
    """What the archive says it holds; nobody can unpack more from it than that."""
    try:
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, OSError):
        raise _unreadable() from None
    names = [entry.filename.casefold() for entry in entries]
    if "xl/workbook.xml" not in names:
        raise _unreadable()
    if any("vbaproject" in name for name in names):
        raise Invalid(_("There are macros in this file. Please save it as a plain .xlsx workbook."))
    strings = sum(entry.file_size for entry in entries if "sharedstrings" in entry.filename.casefold())
    unpacked = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_ENTRIES or unpacked > MAX_UNPACKED or strings > MAX_STRINGS:
        raise Invalid(_("There is too much in this workbook. Please keep only the sheet to import."))


def _unreadable() -> Invalid:
    return Invalid(_("This file can't be read as an Excel workbook. Please save it anew as .xlsx or as CSV."))


def _text(cell: Any) -> str:
    """A cell as a person would type it into a form."""
    value = cell.value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return _number(value * 100 if "%" in str(cell.number_format) else value)
    if isinstance(value, dt.datetime):
        return value.date().isoformat() if value.time() == dt.time() else f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, dt.time):
        return f"{value:%H:%M}"
    return str(value)


def _number(value: float) -> str:
    if isinstance(value, int) or (value.is_integer() and abs(value) < 10**15):
        return str(int(value))
    point = get_decimal_symbol(reader_locale())
    return f"{value:.8f}".rstrip("0").rstrip(".").replace(".", point)
