"""Receipts and credit notes: no number is skipped, nothing on them changes, and only who has the address reads."""

from __future__ import annotations

import datetime as dt
import io
from dataclasses import replace
from typing import Any

import pypdf
import pytest
from werkzeug.test import TestResponse

from app.core import clock, scope
from app.core.db import db
from app.core.pdf import ReceiptDocument, ReceiptLine
from app.core.scope import platform_scope, tenant_scope
from app.core.transaction import transaction
from app.domains.accounts.models import Person
from app.domains.payments import jobs, queries, service
from app.domains.payments.models import Receipt, ReceiptCounter, Refund
from app.domains.payments.service import receipts
from app.domains.tenancy import queries as tenancy
from app.providers.storage import LocalStorage
from tests.domains.payments.support import Till, line, race
from tests.support.world import Browser, Company


@pytest.fixture
def storage(till: Till, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> LocalStorage:
    made = LocalStorage(tmp_path / "storage")
    monkeypatch.setitem(till.app.extensions, "storage", made)
    return made


def text_of(data: bytes) -> str:
    return " ".join(
        "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(data)).pages).split()
    )


def fetch(till: Till, code: str, *, company: Company | None = None, **more: Any) -> TestResponse:
    return Browser(till.app, (company or till.company).host).get(f"/receipts/{code}.pdf", **more)


def test_the_pdf_says_what_was_paid(till: Till, storage: LocalStorage) -> None:
    till.buy(line(4000, description="Spanish for beginners, trial lesson"), line(1000, quantity=2))
    till.drain()
    (receipt,) = till.all(Receipt)
    assert receipt.storage_key is None, "nobody has asked for it yet"
    answer = fetch(till, receipt.code)
    (receipt,) = till.all(Receipt)
    assert answer.status_code == 200
    assert answer.mimetype == "application/pdf"
    assert answer.headers["Content-Disposition"] == 'inline; filename="receipt-R-000001.pdf"'
    assert answer.headers["Cache-Control"] == "private, no-store"
    with till.open():
        assert storage.get(receipt.storage_key or "").data == answer.data
    text = text_of(answer.data)
    for part in (
        "R-000001",
        "Spanish for beginners, trial lesson",
        "Student anna",
        "student@anna.test",
        "Anna Tutors",
        "2 €10.00",
        "€60.00",
        "€9.58",
        "€50.42",
        "19 %",
        "Paid by card",
        f"Order {receipt.document['order']}",
    ):
        assert part in text, part
    assert text.startswith("Anna Tutors Receipt R-000001")
    for part in ("Credit note", "Refunded", "For receipt", "Back to the card"):
        assert part not in text, part


def test_a_credit_note_says_what_went_back_and_of_what(till: Till, storage: LocalStorage) -> None:
    bought = till.buy(locale="de")
    till.refund(bought.line, 1000)
    till.drain()
    till.refund(bought.line, 3000)
    till.drain()
    _receipt, first, second = till.all(Receipt)
    assert (first.kind, first.number, second.number) == ("credit_note", 1, 2)
    taxes = [note.document["lines"][0]["tax"] for note in (first, second)]
    assert taxes == [160, 479]  # together the 639 of the whole
    answer = fetch(till, first.code)
    assert answer.headers["Content-Disposition"] == 'inline; filename="credit-note-C-000001.pdf"'
    text = text_of(answer.data)
    for part in (
        "C-000001",
        "R-000001",
        "10,00 €",
        "19 %",
        "Gutschrift",
        "Zu Beleg",
        "Erstattet",
        "Zurück auf die Karte, mit der bezahlt wurde",
        f"Bestellung {bought.code}",
    ):
        assert part in text, part


def test_what_stands_on_each_document(till: Till) -> None:
    """Every word and amount of a receipt and of the notes about it, on the company's date."""
    with clock.frozen(dt.datetime(2026, 12, 31, 23, 30, tzinfo=dt.UTC)):
        bought = till.buy(line(4000), line(1000, quantity=2, tax_rate_bp=0, description="Workbook"))
        for line_id, amount in zip(bought.lines, (1000, 500), strict=True):
            till.refund(line_id, amount)
            till.drain()
    with till.open():
        receipt, first, second = (receipts.document_of(row) for row in till.all(Receipt))
    assert receipt == ReceiptDocument(
        kind="receipt",
        number="R-000001",
        issued_on=dt.date(2027, 1, 1),
        seller_name="Anna Tutors",
        buyer_name="Student anna",
        buyer_lines=("student@anna.test",),
        lines=(
            ReceiptLine(
                description="Trial lesson",
                quantity="1",
                unit="€40.00",
                net="€33.61",
                tax_label="19 %",
                tax="€6.39",
                gross="€40.00",
            ),  # fmt: skip
            ReceiptLine(description="Workbook", quantity="2", unit="€10.00", gross="€20.00"),
        ),
        totals=(("Net", "€53.61"), ("Tax included", "€6.39"), ("Paid", "€60.00")),
        paid_with="Paid by card",
        notes=f"Order {bought.code}",
        brand_color="#0b5fa5",
        locale="en",
    )
    assert first == replace(
        receipt,
        kind="credit_note",
        number="C-000001",
        lines=(
            ReceiptLine(
                description="Trial lesson", net="€8.40", tax_label="19 %", tax="€1.60", gross="€10.00"
            ),
        ),
        totals=(("Net", "€8.40"), ("Tax included", "€1.60"), ("Refunded", "€10.00")),
        paid_with="Back to the card it was paid with",
        corrects="R-000001",
    )
    assert second == replace(
        first,
        number="C-000002",
        lines=(ReceiptLine(description="Workbook", gross="€5.00"),),
        totals=(("Refunded", "€5.00"),),
    )


def test_the_taxes_of_all_notes_are_the_line_s(till: Till) -> None:
    """Each is rounded after what went back before it, of its own line alone."""
    bought = till.buy(line(1000), line(777))
    till.refund(bought.lines[1], 777)
    till.drain()
    for part in (333, 333, 334):
        till.refund(bought.line, part)
        till.drain()
    notes = till.all(Receipt, Receipt.kind == "credit_note")
    assert [note.document["lines"][0]["tax"] for note in notes] == [124, 53, 54, 53]


def test_numbers_have_no_gaps_whoever_gives_up_in_between(till: Till) -> None:
    """Twelve payments come in at once, a third of them rolled back at the last moment."""
    boughts = [till.place() for _ in range(12)]
    payments = [till.pay(bought) for bought in boughts]
    seen = [till.at_provider(payment) for payment in payments]
    company_id = till.company.id

    def record(number: int) -> str:
        with tenant_scope(company_id), transaction():
            service.record_payment(payments[number].id, seen[number])
            if number % 3 == 0:
                raise ZeroDivisionError
        return "done"

    found = race(till.app, 12, record)
    assert [type(other) for other in found if other != "done"] == [ZeroDivisionError] * 4
    assert sorted(receipt.number for receipt in till.all(Receipt)) == list(range(1, 9))
    for payment in payments:
        till.ask(payment)
    assert sorted(receipt.number for receipt in till.all(Receipt)) == list(range(1, 13))
    assert [counter.next_number for counter in till.all(ReceiptCounter)] == [13]


def test_each_company_counts_for_itself(till: Till) -> None:
    till.buy()
    theirs = till.place(company=till.world.bert)
    with till.open(till.world.bert):
        payment = jobs.start_payment(theirs.id)
        till.controls.pay(payment.client_secret or "", "4242424242424242")
        jobs.ask_payment(payment.id)
        assert [receipt.number for receipt in db.session.query(Receipt)] == [1]


def test_what_changes_later_changes_no_receipt(till: Till, storage: LocalStorage) -> None:
    till.buy()
    (receipt,) = till.all(Receipt)
    first = fetch(till, receipt.code).data
    with till.writing():
        db.session.get_one(Person, till.company.people["student"]).full_name = "Somebody Else"
    with till.open():
        kept = queries.receipt(receipt.id)
        scope.release()
        storage.delete(kept.storage_key or "")
        again = jobs.receipt_pdf(kept)
        assert storage.get(kept.storage_key or "").data == again
    assert again == first
    assert fetch(till, receipt.code).data == first


def test_two_that_draw_it_at_once_keep_one_file(till: Till, storage: LocalStorage, tmp_path: Any) -> None:
    till.buy()
    (receipt,) = till.all(Receipt)
    company_id = till.company.id

    def draw(_number: int) -> bytes:
        with tenant_scope(company_id):
            return jobs.receipt_pdf(queries.receipt(receipt.id))

    found = race(till.app, 3, draw)
    assert len({data for data in found if isinstance(data, bytes)}) == 1, found
    assert len([file for file in (tmp_path / "storage").rglob("*") if file.is_file()]) == 1


def test_without_its_store_a_receipt_is_drawn_for_once(
    till: Till, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").write_text("no folder can be made below a file")
    monkeypatch.setitem(till.app.extensions, "storage", LocalStorage(tmp_path / "full" / "storage"))
    till.buy()
    (receipt,) = till.all(Receipt)
    assert fetch(till, receipt.code).status_code == 200
    assert till.all(Receipt)[0].storage_key is None


HOSTILE = (
    "<script>alert(1)</script> {{ 7*7 }} %(x)s \u202e\u0627\u0644\u0639\u0631\u0628\u064a\u0629 日本語 😀 "
    + "W" * 120
)


def test_hostile_text_stands_on_it_as_it_is(till: Till, storage: LocalStorage) -> None:
    with till.writing():
        db.session.get_one(Person, till.company.people["student"]).full_name = HOSTILE[:120]
    with till.app.app_context(), platform_scope("test"), transaction():
        tenancy.tenant_for_update(till.company.id).name = "<b>Anna</b> & Söhne"
    till.buy(line(description=HOSTILE), line(description="\\n\t(%s) \\ ) /Type"))
    (receipt,) = till.all(Receipt)
    answer = fetch(till, receipt.code)
    assert answer.status_code == 200
    text = text_of(answer.data)
    assert "<script>alert(1)</script>" in text
    assert "<b>Anna</b> & Söhne" in text
    assert "{{ 7*7 }}" in text


def test_guessing_is_slowed_down_and_the_right_address_is_not(till: Till, storage: LocalStorage) -> None:
    till.buy()
    (receipt,) = till.all(Receipt)
    guesses = [fetch(till, "0" * 38 + f"{number:02}").status_code for number in range(22)]
    assert guesses == [404] * 20 + [429] * 2
    slowed = fetch(till, "x")
    assert slowed.status_code == 429
    assert int(slowed.headers["Retry-After"]) > 0
    elsewhere = {"environ_overrides": {"REMOTE_ADDR": "192.0.2.7"}}
    assert fetch(till, "x", **elsewhere).status_code == 404
    assert fetch(till, receipt.code).status_code == 200


@pytest.mark.parametrize("code", ["x", "%00" * 40, "../../etc/passwd", "a" * 40, "0" * 500, "'" * 40])
def test_what_is_no_address_of_a_receipt(till: Till, code: str) -> None:
    assert fetch(till, code).status_code == 404


def test_another_companys_receipt_is_not_here(till: Till) -> None:
    till.buy()
    (receipt,) = till.all(Receipt)
    assert fetch(till, receipt.code, company=till.world.bert).status_code == 404
    assert Browser(till.app, "localhost:8000").get(f"/receipts/{receipt.code}.pdf").status_code == 404


def test_a_receipt_and_a_note_are_issued_once(till: Till) -> None:
    bought = till.buy()
    till.refund(bought.line, 500)
    till.drain()
    (refund,) = till.all(Refund)
    with till.writing():
        order = queries.order_for_update(bought.id)
        assert receipts.issue_receipt(order) is not None
        receipts.issue_credit_note(order, queries.refund(refund.id))
    assert [(row.kind, row.number) for row in till.all(Receipt)] == [("receipt", 1), ("credit_note", 1)]
