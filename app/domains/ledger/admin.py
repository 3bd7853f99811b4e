"""The books in the admin: accounts, entries and postings, to look at. Nobody writes in them by hand."""

from __future__ import annotations

from flask import g
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from app.core.money import Money
from app.core.web.categories import MONEY
from app.core.web.cells import NOTHING, money_cell
from app.core.web.entry import AdminEntry, Category, Related
from app.core.web.pages import Cell
from app.domains.ledger import policies, queries
from app.domains.ledger.models import CHART, KIND_NAMES, LedgerAccount, LedgerEntry, Posting

ACCOUNTS = tuple((code, name) for code, (_kind, name) in CHART.items())
SOURCES = (
    ("payment", _l("Payment")),
    ("refund", _l("Refund")),
    ("dispute", _l("Dispute")),
    ("seat", _l("Booking")),
)


def _money(amount: Money) -> Cell:
    return money_cell(amount)


def _holder(person_id: int | None, _row: LedgerAccount) -> Cell:
    """Whose account it is; the names are read once for a page."""
    if person_id is None:
        return NOTHING
    if "account_holders" not in g:
        g.account_holders = queries.account_holders()
    return Cell("link", g.account_holders.get(person_id, str(person_id)), url=f"/admin/people/{person_id}")


def _account(account: LedgerAccount, row: Posting) -> Cell:
    return Cell("link", str(account), url=f"/admin/ledger-accounts/{row.account_id}")


def _entry(entry: LedgerEntry, row: Posting) -> Cell:
    return Cell("link", _in_words(entry), url=f"/admin/ledger-entries/{row.entry_id}")


def _in_words(entry: LedgerEntry) -> str:
    kind = str(policies.KIND_OF_ENTRY.get(entry.kind, entry.kind))
    return f"{kind}: {entry.memo}" if entry.memo else kind


def _reversed(entry_id: int | None, _row: LedgerEntry) -> Cell:
    if entry_id is None:
        return NOTHING
    return Cell("link", _("Entry %(number)s", number=entry_id), url=f"/admin/ledger-entries/{entry_id}")


class _InTheBooks(AdminEntry):
    """Append-only: no form, no import, no action."""

    category: Category = MONEY
    rare = True
    can_add = can_edit = can_delete = False


class LedgerAccountEntry(_InTheBooks):
    model = LedgerAccount
    slug = "ledger-accounts"
    label, plural = _l("Ledger account"), _l("Ledger accounts")
    lead = _l("Where money can be. They open by themselves when money first gets there.")
    icon = "list"
    columns = ("code", "person_id", "kind", "currency")
    details = ("code", "person_id", "kind", "currency", "meaning", "balance", "created_at")
    api_columns = ("code", "person_id", "kind", "currency", "may_be_negative", "created_at")
    search = ("code",)
    filters = ("code", "kind", "currency")
    order = ("id", "asc")
    labels = {
        "code": _l("Account"),
        "person_id": _l("Person"),
        "meaning": _l("What it means"),
        "balance": _l("Balance: debits less credits"),
    }
    choices = {"code": ACCOUNTS, "kind": tuple(KIND_NAMES.items())}
    formats = {
        "person_id": _holder,
        "meaning": lambda _value, row: Cell("text", policies.MEANING.get(row.code, "–")),
        "balance": lambda _value, row: _money(queries.balance_of(row)),
    }
    related = (Related("postings", "account_id", _l("What moved here"), told=False),)
    empty_title = _l("No accounts yet")
    empty_text = _l("With the first payment the books open by themselves.")


class LedgerEntryEntry(_InTheBooks):
    model = LedgerEntry
    slug = "ledger-entries"
    label, plural = _l("Ledger entry"), _l("Ledger entries")
    lead = _l("All that ever happened to money, in its order. What was wrong is put right by a new entry.")
    icon = "book"
    columns = ("memo", "kind", "occurred_at")
    details = (
        "kind",
        "memo",
        "occurred_at",
        "recorded_at",
        "source_kind",
        "source_id",
        "reverses_id",
        "key",
    )
    api_columns = details
    search = ("memo", "key")
    filters = ("kind", "source_kind", "source_id", "occurred_at")
    labels = {
        "memo": _l("What for"),
        "recorded_at": _l("Written down"),
        "source_kind": _l("Comes from"),
        "source_id": _l("Its number"),
        "reverses_id": _l("Takes back"),
    }
    choices = {"kind": tuple(policies.KIND_OF_ENTRY.items()), "source_kind": SOURCES}
    formats = {"reverses_id": _reversed}
    related = (Related("postings", "entry_id", _l("From where to where"), told=False),)
    empty_title = _l("Nothing happened to money yet")
    empty_text = _l("The first payment makes the first entry.")

    def title_of(self, row: LedgerEntry) -> str:
        return _in_words(row)


class PostingEntry(_InTheBooks):
    model = Posting
    label, plural = _l("Posting"), _l("Postings")
    lead = _l("The single lines of the ledger's entries. Debits and credits of an entry are equal.")
    icon = "table"
    columns = ("account", "debit", "credit", "entry", "entry.occurred_at")
    details = ("account", "entry", "entry.occurred_at", "debit", "credit")
    api_columns = ("account", "entry", "amount_minor", "currency")
    search = ("entry.memo", "entry.key")
    filters = ("account_id", "entry_id", "currency")
    labels = {
        "account": _l("Account"),
        "account_id": _l("Account"),
        "entry": _l("Entry"),
        "entry_id": _l("Entry"),
        "debit": _l("Debit"),
        "credit": _l("Credit"),
    }
    formats = {
        "account": _account,
        "entry": _entry,
        "debit": lambda _value, row: _money(row.amount) if row.amount_minor > 0 else NOTHING,
        "credit": lambda _value, row: _money(-row.amount) if row.amount_minor < 0 else NOTHING,
    }
    empty_title = _l("Nothing was posted yet")
    empty_text = _l("The first payment makes the first postings.")

    def title_of(self, row: Posting) -> str:
        return str(_money(row.amount).text)


ADMIN = (LedgerAccountEntry, LedgerEntryEntry, PostingEntry)
