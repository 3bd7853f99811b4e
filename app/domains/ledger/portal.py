"""The manager's page of the books: the trial balance in words, and as a file."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, render_template
from flask_babel import gettext as _

from app.core.locales import reader_locale
from app.core.money import Money
from app.core.rights import READ
from app.core.web.exports import harmless
from app.core.web.pages import Cell, Column, Row
from app.core.web.viewing import on_tenant, require, to_sign_in, viewer
from app.domains.ledger import policies, queries
from app.domains.ledger.models import KIND_NAMES
from app.domains.ledger.queries import BalanceRow

bp = Blueprint("ledger", __name__, template_folder="templates")

BOOKS_READ = f"books.{READ}"


@dataclass(frozen=True)
class Books:
    """The trial balance of one currency, ready to print."""

    currency: str
    columns: list[Column]
    rows: list[Row]
    is_even: bool


@dataclass(frozen=True)
class BooksPage:
    title: str
    lead: str
    books: list[Books]


@bp.get("/admin/books/")
def books() -> Any:
    """Where the company's money is, account by account."""
    on_tenant()
    if viewer() is None:
        return to_sign_in()
    who = require(BOOKS_READ)
    linked = who.may(f"posting.{READ}")
    rows = queries.by_currency(queries.trial_balance())
    page = BooksPage(
        title=_("Books"),
        lead=_("Where your company's money came from, and where it is now."),
        books=[_books(currency, found, linked=linked) for currency, found in rows.items()],
    )
    return render_template("ledger/books.html", page=page)


@bp.get("/admin/books/export.csv")
def export() -> Any:
    """The trial balance as a file; amounts are plain numbers."""
    on_tenant()
    if viewer() is None:
        return to_sign_in()
    require(BOOKS_READ)
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(
        [_("Currency"), _("Account"), _("Person"), _("Kind"), _("Debit"), _("Credit"), _("Balance")]
    )
    for row in queries.trial_balance():
        words = (row.debit.currency, str(row.name), row.person or "", str(KIND_NAMES.get(row.kind, row.kind)))
        amounts = (row.debit.decimal, row.credit.decimal, row.balance.decimal)
        writer.writerow([*map(harmless, words), *amounts])
    headers = {"Content-Disposition": 'attachment; filename="books.csv"'}
    # The byte order mark tells spreadsheets that this is UTF-8.
    return Response("\ufeff" + buffer.getvalue(), mimetype="text/csv", headers=headers)


def _books(currency: str, rows: list[BalanceRow], *, linked: bool) -> Books:
    debit = Money.total((row.debit for row in rows), currency)
    credit = Money.total((row.credit for row in rows), currency)
    columns = [
        Column("account", _("Account")),
        Column("person", _("Person")),
        Column("debit", _("Debit"), kind="money"),
        Column("credit", _("Credit"), kind="money"),
        Column("balance", _("Balance"), kind="money"),
        Column("meaning", _("What it means")),
    ]
    total = [
        Cell("text", _("All accounts")),
        Cell("text", ""),
        *(Cell("money", _words(amount)) for amount in (debit, credit, debit - credit)),
        Cell("secondary", _("What was debited was credited, too.") if debit == credit else ""),
    ]
    shown = [_row(row, linked=linked) for row in rows]
    return Books(currency, columns, [*shown, Row(0, None, _("All accounts"), total)], debit == credit)


def _row(row: BalanceRow, *, linked: bool) -> Row:
    url = f"/admin/postings/?account_id={row.account_id}" if linked else None
    cells = [
        Cell("text", row.name),
        Cell("text", row.person or ""),
        Cell("money", _words(row.debit)),
        Cell("money", _words(row.credit)),
        Cell("money", _words(row.balance)),
        Cell("secondary", policies.MEANING.get(row.code, "")),
    ]
    return Row(row.account_id, url, str(row.name), cells)


def _words(amount: Money) -> str:
    return amount.format(reader_locale())
