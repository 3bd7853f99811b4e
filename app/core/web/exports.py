"""Lists as files: CSV that is written while it is sent, XLSX with real numbers and dates. What goes out can't
be run as a formula.

Rows are read in chunks behind the last one sent, each in a scope and a transaction of its own. So neither the
number of rows nor a slow line keeps memory or a connection of the database; who changes a row meanwhile may
see it at its old place or at its new one.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Any

from flask import Response, stream_with_context
from flask_babel import format_decimal, to_user_timezone
from flask_babel import lazy_gettext as _l

from app.core import audit, scope
from app.core.errors import DomainError
from app.core.money import Money, exponent
from app.core.transaction import transaction
from app.core.web.admin_data import AdminData
from app.core.web.cells import Cells, plain_text, value_of
from app.core.web.entry import AdminEntry
from app.core.web.list_args import ListArgs

MAX_ROWS = 100_000
CHUNK = 500
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_FORMULA = re.compile(r"^(?=[=+\-@＝＋－＠\t\r\n])|(?<=[;\r\n])(?=[=+\-@＝＋－＠])")
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # control characters that XML 1.0 has no place for
_LONGEST = 32_000  # characters that a cell of a spreadsheet can hold, a little less
_FIRST_DAY = dt.date(1900, 3, 1)  # spreadsheets count wrongly before it
WIDTHS = {"datetime": 19, "date": 12, "money": 14, "number": 10, "bool": 8}


class TooManyRows(DomainError):
    code = "too_many_rows"
    status = 422

    def __init__(self) -> None:
        super().__init__(
            _l(
                "These are more than %(most)s rows. Please export a part of them, with a filter.",
                most=format_decimal(MAX_ROWS),
            )
        )


def harmless(text: str) -> str:
    """Text that a spreadsheet takes for text (OWASP: CSV injection), also one that splits at semicolons."""
    return _FORMULA.sub("'", text)


def export_columns(entry: AdminEntry, chosen: Sequence[str] = ()) -> tuple[str, ...]:
    """What the list shows, and what else an import of the same rows would need."""
    more = (name for name in entry.details if name in entry.form) if entry.can_import and not chosen else ()
    return tuple(dict.fromkeys(("id", *(chosen or entry.columns), *more)))


@dataclass(frozen=True)
class Export:
    """The rows of one list as one viewer sees it. `enter` opens the scope they are read in."""

    entry: AdminEntry
    data: AdminData
    args: ListArgs
    cells: Cells
    enter: Callable[[], AbstractContextManager[None]]

    @property
    def columns(self) -> tuple[str, ...]:
        return export_columns(self.entry, self.args.columns)

    @property
    def heads(self) -> list[str]:
        return [harmless(str(self.entry.label_of(name))) for name in self.columns]

    def announce(self) -> None:
        """Note in the audit trail who takes how many rows out of the house. Raises TooManyRows."""
        args = self.args
        with transaction() as session:
            count = self.data.base(args.filters(self.data), args.query).order_by(None).count()
            if count > MAX_ROWS:
                raise TooManyRows
            changes = {"rows": [None, count], "columns": [None, list(self.columns)]}
            if args.as_args():
                changes["filters"] = [None, dict(args.as_args())]
            audit.record_of_list(
                session,
                self.entry.model,
                "exported",
                label=str(self.entry.plural),
                changes=changes,
                reason=None,
            )

    def chunks(self, cell: Callable[[Cells, Any, str], Any]) -> Iterator[list[list[Any]]]:
        """The rows as lists of what `cell` makes of each column. Outside of any transaction."""
        last: tuple[Any, int] | None = None
        left = MAX_ROWS
        while left > 0:
            with self.enter():
                query = self.data.base(self.args.filters(self.data), self.args.query)
                query = self.data.after(self.data.ordered(query, self.args.order), self.args.order, last)
                rows = query.limit(min(CHUNK, left)).all()
                lines = [[cell(self.cells, row, name) for name in self.columns] for row in rows]
                last = (getattr(rows[-1], self.args.order[0]), rows[-1].id) if rows else None
            yield lines
            left -= len(rows)
            if len(rows) < CHUNK:
                return


# -- CSV ---------------------------------------------------------------------------------------------------


def csv_response(export: Export) -> Response:
    """The rows as a download, sent while they are read."""

    def lines() -> Iterator[str]:
        yield "\ufeff"  # the byte order mark tells spreadsheets that this is UTF-8
        yield csv_text([export.heads])
        for chunk in export.chunks(csv_cell):
            yield csv_text(chunk)

    # In the request's context, but not in its scope, which ended: each chunk enters one of its own.
    body = stream_with_context(lines())
    return Response(body, mimetype="text/csv", headers=attached(f"{export.entry.slug}.csv"))


def attached(name: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def csv_text(lines: Sequence[Sequence[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows(lines)
    return buffer.getvalue()


def csv_cell(cells: Cells, row: Any, name: str) -> str:
    """Numbers stay numbers; dates are ISO 8601, in the viewer's zone; the rest is what the list shows, but
    for texts of the form, which an import takes as they are."""
    entry, value = cells.entry, _value(row, name)
    if isinstance(value, str) and name in entry.form and name not in entry.choices:
        return harmless(value)
    if name not in entry.formats:
        if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            return str(value)
        if isinstance(value, dt.datetime):
            return f"{to_user_timezone(value):%Y-%m-%d %H:%M:%S}"
        if isinstance(value, dt.date):
            return value.isoformat()
    return harmless(plain_text(cells.of(row, name)))


def _value(row: Any, name: str) -> Any:
    return value_of(row, name) if hasattr(row, name.split(".")[0]) else None


# -- XLSX --------------------------------------------------------------------------------------------------


def xlsx_response(export: Export) -> Response:
    """The rows as a workbook, written to a temporary file first: its index comes last."""
    from app.core.web import workbooks

    file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is sent
    try:
        workbooks.write(file, export.heads, export.chunks(sheet_cell), str(export.entry.plural))
    except BaseException:
        file.close()
        raise
    headers = {**attached(f"{export.entry.slug}.xlsx"), "Content-Length": str(file.tell())}
    return Response(_sent(file), mimetype=XLSX, headers=headers)


def _sent(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        file.seek(0)
        while block := file.read(64 * 1024):
            yield block


def empty_workbook(entry: AdminEntry) -> Response:
    """An empty workbook with the right heads, to be filled in and imported."""
    from app.core.web import workbooks

    file = io.BytesIO()
    workbooks.write(file, entry.form, iter(()), str(entry.plural))
    headers = attached(f"{entry.slug}-template.xlsx")
    return Response(file.getvalue(), mimetype=XLSX, headers=headers)


@dataclass(frozen=True, slots=True)
class SheetCell:
    """A value for a spreadsheet, and how it is drawn there."""

    value: Any
    format: str = ""
    kind: str = "text"


def sheet_cell(cells: Cells, row: Any, name: str) -> SheetCell:
    """As in CSV, with numbers, amounts, dates and switches as what they are."""
    entry, value = cells.entry, _value(row, name)
    if isinstance(value, str) and name in entry.form and name not in entry.choices:
        return _text(value)
    if name not in entry.formats and (known := _typed(value)) is not None:
        return known
    shown = cells.of(row, name)
    if isinstance(shown.value, Money):
        return _amount(shown.value)
    if isinstance(shown.value, Decimal):
        return SheetCell(shown.value, "0.00%", "number")
    return _text(plain_text(shown))


def _typed(value: Any) -> SheetCell | None:
    if isinstance(value, bool):
        return SheetCell(value, kind="bool")
    if isinstance(value, int) and abs(value) >= 10**15:
        return _text(str(value))  # a spreadsheet would round it
    if isinstance(value, int | float | Decimal):
        return SheetCell(value, kind="number")
    if isinstance(value, dt.datetime):
        local = to_user_timezone(value).replace(tzinfo=None, microsecond=0)
        if local.date() < _FIRST_DAY:
            return _text(f"{local:%Y-%m-%d %H:%M:%S}")
        return SheetCell(local, "yyyy-mm-dd hh:mm", "datetime")
    if isinstance(value, dt.date):
        return SheetCell(value, "yyyy-mm-dd", "date") if value >= _FIRST_DAY else _text(value.isoformat())
    return None


def _amount(amount: Money) -> SheetCell:
    places = exponent(amount.currency)
    digits = f"#,##0.{'0' * places}" if places else "#,##0"
    return SheetCell(amount.decimal, f"{digits} [${amount.currency}]", "money")


def _text(text: str) -> SheetCell:
    return SheetCell(harmless(_NO_XML.sub("", text))[:_LONGEST] or None)


def scope_of(tenant_id: int | None) -> Callable[[], AbstractContextManager[None]]:
    """What a chunk is read in: the company's scope, or on its own host the platform's."""
    if tenant_id is not None:
        return lambda: scope.tenant_scope(tenant_id)
    return lambda: scope.platform_scope("read a list of the platform's for a file")
