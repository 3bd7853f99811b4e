"""Orders, their lines and their documents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext as _l

from app.core.viewer import Viewer
from app.core.web.choices import LOCALES
from app.core.web.entry import Action, Related
from app.core.web.pages import Cell
from app.domains.payments import models, service
from app.domains.payments.admin.common import Kept, amounts
from app.domains.payments.models import Order, OrderLine, Receipt, ReceiptCounter
from app.domains.payments.service.receipts import number_of

LINE_KINDS = (("seat", _l("Place in a lesson")),)


def _cancel(row: Order, _data: Mapping[str, Any], _by: Viewer) -> str:
    service.cancel_order(row)
    return ""


class OrderEntry(Kept):
    model = Order
    label, plural = _l("Order"), _l("Orders")
    lead = _l("What was bought, by whom, and whether it is paid.")
    icon, rank = "receipt", 10
    columns = ("code", "payer", "total_minor", "status", "placed_at")
    details = (*columns, "expires_at", "paid_at", "currency", "locale")
    search = ("code",)
    found_by = ("=code", "payer.full_name", "payer.email")
    filters = ("status", "payer_id", "placed_at", "paid_at")
    choices = {"status": tuple(models.ORDER_STATUS.items()), "locale": LOCALES}
    labels = {
        "payer": _l("Payer"),
        "payer_id": _l("Payer"),
        "total_minor": _l("Total"),
        "placed_at": _l("Placed"),
        "paid_at": _l("Paid"),
        "expires_at": _l("To be paid until"),
    }
    formats = amounts("total_minor")
    actions = (
        Action(
            "cancel",
            _l("Give up"),
            _cancel,
            done=_l("The order is given up; nobody can pay it any more."),
            icon="circle-x",
            text=_l("It can't be paid any more. What it holds becomes free when its time is over."),
            when=lambda row: row.status == models.OPEN,
            danger=True,
        ),
    )
    related = (
        Related("order-lines", "order_id", _l("Lines"), told=False),
        Related("payments", "order_id", _l("Payments")),
        Related("refunds", "line.order_id", _l("Refunds")),
        Related("receipts", "order_id", _l("Receipts")),
    )
    listed_on = (Related("people", "payer_id", _l("Orders")),)
    sections = ((_l("Dates"), ("placed_at", "expires_at", "paid_at")),)
    deeds = {
        "created": _l("placed the order"),
        models.PAID: _l("noted that it is paid"),
        models.EXPIRED: _l("let it run out unpaid"),
    }
    empty_title = _l("No orders yet")
    empty_text = _l("The first booking makes the first order.")


class OrderLineEntry(Kept):
    model = OrderLine
    label, plural = _l("Order line"), _l("Order lines")
    lead = _l("The single things that were bought.")
    icon = "list"
    columns = ("description", "order", "quantity", "gross_minor", "tax_minor", "refunded_minor")
    details = (
        "description",
        "order",
        "kind",
        "quantity",
        "unit_minor",
        "gross_minor",
        "net_minor",
        "tax_minor",
        "tax_rate",
        "tax_code",
        "refunded_minor",
        "created_at",
    )
    api_columns = (*(name for name in details if name != "tax_rate"), "tax_rate_bp", "currency")
    search = ("description",)
    filters = ("kind", "order_id", "created_at")
    choices = {"kind": LINE_KINDS}
    labels = {
        "description": _l("What"),
        "order": _l("Order"),
        "order_id": _l("Order"),
        "quantity": _l("Quantity"),
        "unit_minor": _l("Price of one"),
        "gross_minor": _l("Amount"),
        "net_minor": _l("Net"),
        "tax_minor": _l("Tax included"),
        "tax_rate": _l("Tax rate"),
        "tax_code": _l("Tax code"),
        "refunded_minor": _l("Refunded"),
    }
    formats = {
        **amounts("unit_minor", "gross_minor", "net_minor", "tax_minor", "refunded_minor"),
        "tax_rate": lambda _value, row: Cell("text", f"{row.tax_rate_bp / 100:g} %"),
    }
    related = (
        Related("allocations", "line_id", _l("Paid by")),
        Related("refunds", "line_id", _l("Refunds")),
    )
    rare = True


class ReceiptEntry(Kept):
    model = Receipt
    label, plural = _l("Receipt"), _l("Receipts and credit notes")
    lead = _l("Numbered without a gap. They stay as they were issued.")
    icon, rank = "file-text", 50
    columns = ("number", "kind", "order", "issued_at", "file")
    details = (*columns, "refund")
    api_columns = ("number", "kind", "order", "refund", "issued_at")
    filters = ("kind", "order_id", "issued_at")
    sortable = ("number", "kind", "issued_at")
    choices = {"kind": tuple(models.RECEIPT_KINDS.items())}
    labels = {
        "number": _l("Number"),
        "order": _l("Order"),
        "order_id": _l("Order"),
        "refund": _l("Refund"),
        "issued_at": _l("Issued"),
        "file": _l("PDF"),
    }
    formats = {
        "number": lambda _value, row: Cell("text", number_of(row)),
        "file": lambda _value, row: Cell("link", _l("Open the receipt"), url=f"/receipts/{row.code}.pdf"),
    }
    deeds = {"created": _l("issued it")}
    empty_title = _l("No receipts yet")

    def title_of(self, row: Receipt) -> str:
        return number_of(row)


class ReceiptCounterEntry(Kept):
    model = ReceiptCounter
    label, plural = _l("Receipt counter"), _l("Receipt counters")
    lead = _l("The next number of each kind of document.")
    icon = "hash"
    columns = ("kind", "next_number")
    choices = {"kind": tuple(models.RECEIPT_KINDS.items())}
    labels = {"next_number": _l("Next number")}
    rare = True

    def title_of(self, row: ReceiptCounter) -> str:
        return str(models.RECEIPT_KINDS.get(row.kind, row.kind))
