"""Receipts and credit notes: numbered without a gap, their content kept as it was when they were issued."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from flask_babel import format_decimal
from flask_babel import gettext as _
from sqlalchemy.dialects.postgresql import insert

from app.core import clock, ids, scope
from app.core.adding import Added, Addition
from app.core.db import db
from app.core.events import announce
from app.core.money import Money
from app.core.pdf import ReceiptDocument, ReceiptLine
from app.domains.payments import events, policies, queries
from app.domains.payments.models import CREDIT_NOTE, RECEIPT, Order, Receipt, ReceiptCounter, Refund
from app.domains.payments.queries import Letterhead, ReceiptSeen

CODE_LENGTH = 40
_LETTER = {RECEIPT: "R", CREDIT_NOTE: "C"}


def issue_receipt(order: Order) -> Receipt | None:
    """The receipt of a paid order, once; none of an order that cost nothing."""
    if not order.total_minor:
        return None
    head = queries.letterhead_of(order.id)
    if head.receipt_id is not None:
        return queries.receipt(head.receipt_id)
    lines = [
        _line(line.description, line.quantity, line.gross_minor, line.tax_minor, line.tax_rate_bp)
        | {"unit": line.unit_minor}
        for line in queries.lines_of(order.id)
    ]
    return _issue(RECEIPT, order, None, {**_frame(order, head), "lines": lines})


def issue_credit_note(order: Order, refund: Refund) -> Receipt:
    """The credit note of a refund that succeeded, once. Its tax is the refund's part of the line's."""
    known = queries.note_of_refund(refund.id)
    if known is not None:
        return known
    line = queries.line(refund.line_id)
    before = queries.refunded_of_line(line.id, but_not=refund.id)
    tax = policies.tax_of_part(line, before_minor=before, amount_minor=refund.amount_minor)
    receipt = queries.receipt_of_order(order.id)
    content = {
        **_frame(order, queries.letterhead_of(order.id)),
        "lines": [_line(line.description, 1, refund.amount_minor, tax, line.tax_rate_bp)],
        "reason": refund.reason,
        "corrects": number_of(receipt) if receipt is not None else "",
    }
    return _issue(CREDIT_NOTE, order, refund, content)


def number_of(receipt: Receipt | ReceiptSeen) -> str:
    """Its number as people quote it, such as R-000012."""
    return f"{_LETTER[receipt.kind]}-{receipt.number:06d}"


def title_of(receipt: Receipt | ReceiptSeen) -> str:
    number = number_of(receipt)
    if receipt.kind == CREDIT_NOTE:
        return str(_("Credit note %(number)s", number=number))
    return str(_("Receipt %(number)s", number=number))


def keep(receipt_id: int, storage_key: str) -> str:
    """Where its PDF lies: the key given, or that of somebody who was quicker."""
    receipt = queries.receipt_for_update(receipt_id)
    if receipt.storage_key is None:
        receipt.storage_key = storage_key
    return receipt.storage_key


def document_of(receipt: Receipt) -> ReceiptDocument:
    """What stands on it, in the language in force."""
    content = receipt.document
    currency, locale = content["currency"], content["locale"]

    def amount(minor: int) -> str:
        return Money(minor, currency).format(locale)

    gross = sum(line["gross"] for line in content["lines"])
    tax = sum(line["tax"] for line in content["lines"])
    taxes = [(_("Net"), amount(gross - tax)), (_("Tax included"), amount(tax))] if tax else []
    is_note = receipt.kind == CREDIT_NOTE
    return ReceiptDocument(
        kind=CREDIT_NOTE if is_note else RECEIPT,  # type: ignore[arg-type]
        number=number_of(receipt),
        issued_on=receipt.issued_at.astimezone(ZoneInfo(content["timezone"])).date(),
        seller_name=content["seller"],
        buyer_name=content["buyer"],
        buyer_lines=tuple(filter(None, [content["buyer_email"]])),
        lines=tuple(_printed(line, amount) for line in content["lines"]),
        totals=(*taxes, (_("Refunded") if is_note else _("Paid"), amount(gross))),
        paid_with=_("Back to the card it was paid with") if is_note else _("Paid by card"),
        corrects=content.get("corrects", ""),
        notes=_("Order %(code)s", code=content["order"]),
        brand_color=content["color"],
        locale=locale,
    )


def _frame(order: Order, head: Letterhead) -> dict[str, Any]:
    """What all documents of an order have in common; kept, since names and colours change."""
    return {
        "order": order.code,
        "currency": order.currency,
        "locale": order.locale,
        "timezone": head.timezone,
        "seller": head.seller,
        "color": head.color,
        "buyer": head.buyer,
        "buyer_email": head.buyer_email,
    }


def _line(description: str, quantity: int, gross: int, tax: int, tax_rate_bp: int) -> dict[str, Any]:
    return {
        "description": description,
        "quantity": quantity,
        "gross": gross,
        "tax": tax,
        "tax_rate_bp": tax_rate_bp,
    }


def _printed(line: dict[str, Any], amount: Any) -> ReceiptLine:
    taxed = bool(line["tax_rate_bp"])
    return ReceiptLine(
        description=line["description"],
        quantity=format_decimal(line["quantity"]) if "unit" in line else "",
        unit=amount(line["unit"]) if "unit" in line else "",
        net=amount(line["gross"] - line["tax"]) if taxed else "",
        tax_label=_("%(rate)s %%", rate=format_decimal(line["tax_rate_bp"] / 100)) if taxed else "",
        tax=amount(line["tax"]) if taxed else "",
        gross=amount(line["gross"]),
    )


def _issue(kind: str, order: Order, refund: Refund | None, content: dict[str, Any]) -> Receipt:
    db.session.flush()  # before the counter: who comes next waits for it no longer than must be
    values = {
        "code": ids.code(CODE_LENGTH),
        "kind": kind,
        "number": _next_number(kind),
        "order_id": order.id,
        "refund_id": refund.id if refund is not None else None,
        "issued_at": clock.now(),
        "document": content,
    }
    (receipt_id,) = _ISSUE.write(values)
    receipt = queries.written(Receipt, id=receipt_id, **values)
    announce(events.ReceiptIssued(scope.tenant_id(), receipt.id))
    return receipt


_ISSUE = Addition(
    Added(Receipt, ["code", "kind", "number", "order_id", "refund_id", "issued_at", "document"])
)
_COUNTER = ReceiptCounter.__table__
_COUNT = (
    insert(_COUNTER)
    .on_conflict_do_update(
        index_elements=["tenant_id", "kind"], set_={"next_number": _COUNTER.c.next_number + 1}
    )
    .returning(_COUNTER.c.next_number)
)


def _next_number(kind: str) -> int:
    """Whoever comes next waits for our end: a number that is taken back with us is theirs."""
    first = {"tenant_id": scope.tenant_id(), "kind": kind, "next_number": 2}
    return int(db.session.execute(_COUNT, first).scalar_one()) - 1
