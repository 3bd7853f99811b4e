"""The manager's books: the trial balance in words, as a file, and from each account down to its postings."""

from __future__ import annotations

import ast
import csv
import html
import io
import re
from pathlib import Path

import pytest

from app.core.money import Money
from app.core.scope import tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.domains.ledger import queries, service
from app.domains.ledger.models import CUSTOMER_FUNDS, PROVIDER_BALANCE, TENANT_REVENUE, TUTOR_PENDING
from app.domains.ledger.policies import KIND_OF_ENTRY
from app.domains.ledger.service import REVERSAL, Line
from tests.support.databases import ROOT
from tests.support.world import PLATFORM, World


def eur(minor: int) -> Money:
    return Money(minor, "EUR")


@pytest.fixture
def books(world: World) -> World:
    """A payment of 60.00 € and the sale that it was for, at anna's."""
    with world.app.app_context(), tenant_scope(world.anna.id), transaction():
        service.post(
            key="capture:1", kind="capture", memo="Order 4711", source=("payment", 1),
            lines=[Line(PROVIDER_BALANCE, eur(6000)), Line(CUSTOMER_FUNDS, eur(-6000))],
        )  # fmt: skip
        service.post(
            key="sale:1", kind="sale", memo="Piano, 60 minutes", source=("seat", 1),
            lines=[
                Line(CUSTOMER_FUNDS, eur(6000)),
                Line(TENANT_REVENUE, eur(-1800)),
                Line(TUTOR_PENDING, eur(-4200), world.anna.people["tutor"]),
            ],
        )  # fmt: skip
    return world


def text_of(page: str) -> str:
    """What a page says, without its marks."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page)).split())


def test_the_trial_balance_is_even_and_leads_to_each_movement(books: World) -> None:
    manager = books.manager()
    page = manager.get("/admin/books/")
    assert page.status_code == 200
    words = text_of(page.text)
    assert "Both sides are equal" in words
    assert "All accounts – empty €120.00 €120.00 €0.00 What was debited was credited, too." in words
    assert "Tutors' earnings, pending Tutor anna €0.00 €42.00 -€42.00" in words
    links = re.findall(r'href="(/admin/postings/\?account_id=\d+)"', page.text)
    assert len(links) == 4
    moved = manager.get(links[1])
    assert moved.status_code == 200
    assert "Customers' money without a booking (EUR)" in text_of(moved.text)
    assert "Sale: Piano, 60 minutes" in text_of(moved.text)
    assert "Payment received: Order 4711" in text_of(moved.text)


def test_the_file_holds_plain_numbers(books: World) -> None:
    answer = books.manager().get("/admin/books/export.csv")
    assert answer.mimetype == "text/csv"
    rows = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert rows[0] == ["Currency", "Account", "Person", "Kind", "Debit", "Credit", "Balance"]
    assert rows[1:] == [
        ["EUR", "Balance at the payment provider", "", "Asset", "60.00", "0.00", "60.00"],
        ["EUR", "Customers' money without a booking", "", "Liability", "60.00", "60.00", "0.00"],
        ["EUR", "Tutors' earnings, pending", "Tutor anna", "Liability", "0.00", "42.00", "-42.00"],
        ["EUR", "Company's share", "", "Income", "0.00", "18.00", "-18.00"],
    ]


def test_a_name_in_the_file_is_no_formula(books: World) -> None:
    with books.app.app_context(), tenant_scope(books.anna.id), transaction() as session:
        session.get(Person, books.anna.people["tutor"]).full_name = "=HYPERLINK(1)"
    answer = books.manager().get("/admin/books/export.csv")
    assert "'=HYPERLINK(1)" in answer.text
    assert ",=HYPERLINK" not in answer.text


def test_who_may_not_read_the_books_does_not(books: World) -> None:
    for path in ("/admin/books/", "/admin/books/export.csv"):
        assert books.browser(books.anna.host).get(path).headers["Location"].startswith("/login/")
        for role in ("tutor", "student", "guardian"):
            browser = books.browser(books.anna.host, books.anna.email(role))
            assert browser.get(path).status_code == 403
        assert books.browser(PLATFORM).get(path).status_code == 404


def test_each_company_has_its_own_books(books: World) -> None:
    page = books.manager(books.bert).get("/admin/books/")
    assert "The books are still empty" in page.text
    assert "4711" not in page.text
    assert "€" not in text_of(page.text)


def test_accounts_and_entries_explain_themselves(books: World) -> None:
    manager = books.manager()
    with books.app.app_context(), tenant_scope(books.anna.id):
        sale = queries.entry_by_key("sale:1")
        rows = {row.code: row.account_id for row in queries.trial_balance()}
    entry = text_of(manager.get(f"/admin/ledger-entries/{sale.id}").text)
    assert "From where to where" in entry
    assert "Piano, 60 minutes" in entry
    assert "€42.00" in entry
    account = text_of(manager.get(f"/admin/ledger-accounts/{rows[TUTOR_PENDING]}").text)
    assert "Balance: debits less credits -€42.00" in account
    assert "Earned by your tutors, but still inside the time in which it may be refunded." in account
    assert "Tutor anna" in text_of(manager.get("/admin/ledger-accounts/").text)


def test_nothing_in_the_books_can_be_written_by_hand(books: World) -> None:
    manager = books.manager()
    with books.app.app_context(), tenant_scope(books.anna.id):
        entry = queries.entry_by_key("sale:1")
        posting = queries.postings_of(entry.id)[0]
    for path in (
        "/admin/ledger-entries/add",
        f"/admin/ledger-entries/{entry.id}/edit",
        f"/admin/ledger-entries/{entry.id}/delete",
        "/admin/postings/import",
        f"/admin/postings/{posting.id}/edit",
        f"/admin/ledger-accounts/{posting.account_id}/delete",
    ):
        assert manager.get(path).status_code in {403, 404}, path
    token = {"Authorization": f"Bearer {books.token(books.anna)}"}
    client, base = books.app.test_client(), f"http://{books.anna.host}"
    assert (
        client.get(f"/api/v1/postings/{posting.id}", base_url=base, headers=token).json["amount_minor"]
        == 6000
    )
    for method in ("put", "patch", "delete"):
        answer = getattr(client, method)(
            f"/api/v1/postings/{posting.id}", base_url=base, headers=token, json={}
        )
        assert answer.status_code in {403, 404, 405}, method
    assert books.operator().get(f"/admin/postings/{posting.id}").status_code == 404


def test_each_kind_of_entry_has_its_words() -> None:
    """Those that the domains post, as their source names them, and what reverses one."""
    posted = {REVERSAL}
    for path in (ROOT / "app" / "domains").glob("**/*.py"):
        posted |= _kinds_posted(path)
    assert len(posted) > 10
    assert posted == set(KIND_OF_ENTRY)


def _kinds_posted(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).endswith(("ledger.post", "_post")):
            continue
        given = [*node.args, *(each.value for each in node.keywords if each.arg == "kind")]
        found |= {each.value for each in given if isinstance(each, ast.Constant)}
    return {kind for kind in found if isinstance(kind, str)}
